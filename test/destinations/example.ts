/** Destinations, mappings, visits and profiles for tests; each names only what it is about. */
import { NOTHING_STATED } from '../../src/audience/consent.ts';
import { Profile } from '../../src/audience/profile.ts';
import type {
  CookieDestination,
  Destination,
  Mapping,
  ServerDestination,
  UrlDestination,
} from '../../src/destinations/destination.ts';
import {
  type Delivery,
  due,
  type Mappings,
  type UrlCall,
  type Visit,
} from '../../src/destinations/due.ts';
import { parseTemplate } from '../../src/destinations/macro.ts';
import type { Reason } from '../../src/destinations/reason.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** Noon of a UTC day. */
export const NOON = Date.UTC(2026, 6, 4, 12);
export const TODAY = NOON / DAY - 0.5;
export const DEVICE = '12345678901234567890123456789012345678';

const common = {
  id: 801,
  name: 'Destination',
  active: true,
  platform: 'all' as const,
  labels: 0,
  consent: { purposes: 0, vendors: [], serviceProvider: false },
  priority: 0,
  publish: { to: 'all_domains' as const, sites: new Set<number>() },
};

export const urlDestination = (change: Partial<UrlDestination> = {}): UrlDestination => ({
  ...common,
  kind: 'url',
  tag: 'img',
  hideReferrer: true,
  ...change,
});

export const serialized = (id: number, change: Partial<UrlDestination> = {}): UrlDestination =>
  urlDestination({
    id,
    serialized: {
      url: parseTemplate(`http://d${id}.example/?s=%ALIAS%`),
      secureUrl: parseTemplate(`https://d${id}.example/?s=%ALIAS%`),
      delimiter: ',',
    },
    ...change,
  });

export const cookieDestination = (change: Partial<CookieDestination> = {}): CookieDestination => ({
  ...common,
  id: 804,
  kind: 'cookie',
  platform: 'browser',
  cookieName: 'audience',
  domain: 'sports.com',
  ttlDays: 30,
  maxSize: 2_048,
  singleKey: undefined,
  keySeparator: '=',
  valueSeparator: ',',
  serializationSeparator: undefined,
  ...change,
});

export const serverDestination = (change: Partial<ServerDestination> = {}): ServerDestination => ({
  ...common,
  id: 805,
  kind: 'server',
  isFallback: false,
  transfer: {
    kind: 'realtime',
    endpointUrl: 'https://partner.example/in',
    userDataSource: undefined,
    clientId: '',
  },
  ...change,
});

/** A mapping of the segment at a place; its sid is 51 for place 0. */
export function mapping(destination: Destination, change: Partial<Mapping> = {}): Mapping {
  const sid = change.sid ?? 51;
  const plain = destination.kind === 'url' && !destination.serialized;
  return {
    destination,
    segment: sid - 51,
    sid,
    from: Number.NEGATIVE_INFINITY,
    to: Number.POSITIVE_INFINITY,
    priority: 0,
    alias: `a${sid}`,
    key: 'k',
    restrictions: 0,
    ...(plain && {
      url: parseTemplate(`http://d${destination.id}.example/${sid}`),
      secureUrl: parseTemplate(`https://d${destination.id}.example/${sid}`),
    }),
    ...change,
  };
}

export function mappingsOf(all: readonly Mapping[], more: Partial<Mappings> = {}): Mappings {
  const bySegment: Mapping[][] = Array.from({ length: 10 }, () => []);
  for (const m of all) bySegment[m.segment].push(m);
  const cookies = new Set(
    all.map(({ destination }) => destination).filter((d) => d.kind === 'cookie'),
  );
  return {
    bySegment,
    cookieDestinations: {
      byId: new Map([...cookies].map((d) => [d.id, d])),
      byName: Map.groupBy(cookies, ({ cookieName }) => cookieName),
    },
    keepsOrder: false,
    ...more,
  };
}

/** A tag on https://sports.com that asks for everything. */
export const visitOf = (change: Partial<Visit> = {}): Visit => ({
  at: NOON,
  day: Math.floor((change.at ?? NOON) / DAY),
  deviceId: DEVICE,
  platform: 'browser',
  site: 1,
  pageBudget: Number.POSITIVE_INFINITY,
  pageHost: 'sports.com',
  pageSecure: true,
  host: 'collect.example',
  coppa: false,
  urls: 'all',
  tagWritesCookies: true,
  cookies: {},
  region: 7,
  nonce: 1,
  consent: () => undefined,
  stated: NOTHING_STATED,
  unread: false,
  ...change,
});

/**
 * What is decided, with the reason for each mapping as `destination/segment: reason`, and for each call
 * or cookie as `destination: reason`.
 */
export function decided(
  mappings: Mappings,
  visit: Visit,
  profile = new Profile(),
  segments: readonly number[] = mappings.bySegment.map((_, place) => place),
): Delivery & { reasons: string[]; ofCalls: string[] } {
  const reasons: string[] = [];
  const ofCalls: string[] = [];
  const record = ({ id }: Destination, sid: number, reason: Reason) => {
    if (sid === 0) ofCalls.push(`${id}: ${reason}`);
    else reasons.push(`${id}/${sid}: ${reason}`);
  };
  return { ...due(mappings, segments, profile, visit, record), reasons, ofCalls };
}

/** Visits of one visitor, one after the other, each remembered. */
export class Visitor {
  readonly profile = new Profile();
  readonly #mappings: Mappings;

  constructor(mappings: Mappings) {
    this.#mappings = mappings;
  }

  comes(change: Partial<Visit> = {}, segments?: readonly number[]) {
    const visit = visitOf(change);
    const delivery = decided(this.#mappings, visit, this.profile, segments);
    this.profile.apply({ ...delivery.remember, day: visit.day });
    return delivery;
  }
}

export const addresses = (urls: readonly UrlCall[]) => urls.map(({ url }) => url);
