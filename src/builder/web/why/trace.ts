/** Traces as the server answers them: what was decided for one request, and why. */
import type { TracedConsent } from '../../../collect/trace.ts';

export interface Trace {
  readonly uuid?: string;
  readonly at: string;
  readonly site?: string;
  readonly signals: Readonly<Record<string, readonly string[]>>;
  readonly consent: TracedConsent;
  readonly errors: readonly { readonly code: number; readonly msg: string }[];
  readonly traits: readonly TracedTrait[];
  readonly segments: readonly TracedSegment[];
  readonly destinations: readonly TracedDestination[];
  readonly reasons: {
    readonly traits: Readonly<Record<string, string>>;
    readonly segments: Readonly<Record<string, string>>;
    readonly destinations: Readonly<Record<string, string>>;
  };
}

export interface TracedTrait {
  readonly sid: number;
  readonly name: string;
  readonly reason: string;
  readonly has: boolean;
  readonly count: number;
  /** From here on only in a trace of one destination. */
  readonly traitRule?: string | null;
  readonly lastRealized?: string | null;
  readonly signals?: readonly {
    readonly key: string;
    readonly values?: readonly string[];
    readonly isPrivate?: true;
  }[];
  readonly members?: readonly number[];
}

export interface TracedSegment {
  readonly sid: number;
  readonly name: string;
  readonly reason: string;
  /** The traits that the reason is about. */
  readonly because: readonly number[];
  readonly segmentRule?: string;
}

export interface TracedDestination {
  readonly destinationId: number;
  readonly name: string;
  readonly reason: string;
  readonly mappings: readonly { readonly sid: number; readonly reason: string }[];
}

/** A page request that was recorded. */
export interface RecordedCall {
  readonly callId: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly uuid: string;
  readonly page?: string | null;
  readonly url: string;
  readonly traits: readonly number[];
  readonly destinations: readonly number[];
}

/** Whether something went on because of it. */
export const isYes = (reason: string): boolean =>
  ['delivered', 'removed', 'holds', 'realized', 'declared'].includes(reason);

/** Whether it goes on later by itself: neither yes nor no. */
export const isLater = (reason: string): boolean =>
  ['later', 'page-budget', 'one-per-image'].includes(reason);

/** Whether it goes on only if something else does not. */
export const isReserve = (reason: string): boolean => reason === 'fallback';

/** What a reason of a server-to-server destination means for the one who asks. */
export function consequenceOf(reason: string): string | undefined {
  switch (reason) {
    case 'later':
      return 'Nothing leaves with this page: what changed for the visitor waits in the queue for the partner, or for the next file. Who stays in a segment is not told again.';
    case 'fallback':
      return 'It stands in for calls of the page that are blocked, and hears of the visitor as soon as the tag reports one.';
    default:
      return undefined;
  }
}

/** Where what stands in the way of a destination can be changed: a link and its words. */
export function remedyOf(
  reason: string,
  destinationId: number,
): { readonly to: string; readonly words: string } | undefined {
  const step = (name: string, words: string) => ({
    to: `/destinations/${destinationId}?step=${name}`,
    words,
  });
  switch (reason) {
    case 'later':
      return { to: `/destinations/${destinationId}/delivery`, words: 'See its delivery' };
    case 'fallback':
      return { to: `/destinations/${destinationId}`, words: 'See whose calls it stands in for' };
    case 'inactive':
      return step('basics', 'Switch it on');
    case 'platform':
      return step('basics', 'Change the platform');
    case 'not-mapped':
    case 'no-segment':
      return step('mappings', 'See its mappings');
    case 'not-started':
    case 'ended':
      return step('mappings', 'Change the dates');
    case 'export-control':
      return step('labels', 'See the labels');
    case 'no-consent':
    case 'objected':
      return step('labels', 'See what it needs');
    case 'domain':
      return step('configuration', 'Change where it is published');
    case 'cookie-domain':
      return step('configuration', 'Change the cookie domain');
    case 'capped':
      return step('configuration', 'Change the limit');
    case 'over-size':
      return step('configuration', 'Change the size');
    case 'needs-iframe':
      return step('configuration', 'Change the tag type');
    case 'page-budget':
      return { to: '/settings/sites', words: 'Change the site’s budget' };
    default:
      return undefined;
  }
}
