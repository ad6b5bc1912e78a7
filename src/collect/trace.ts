/**
 * The trace: why a call was decided as it was, for each trait, segment and destination. It is the
 * decision itself with a recorder; nothing is stored or sent.
 */
import type { Segment, Snapshot, Trait } from '../account/snapshot.ts';
import { compileExpression, leavesOf } from '../audience/expression.ts';
import type { HeldTraits } from '../audience/holdings.ts';
import type { Profile } from '../audience/profile.ts';
import {
  type Condition,
  compileSegmentRule,
  mentions,
  type SegmentRule,
} from '../audience/segment-rule.ts';
import { isPrivate } from '../audience/signal.ts';
import type { Destination, Mapping } from '../destinations/destination.ts';
import { REASONS, type Reason } from '../destinations/reason.ts';
import { type Call, type RawCall, readCall } from './call.ts';
import { complain } from './complaint.ts';
import { changeOf, decide, realize } from './decision.ts';
import { type FrontDoor, visitOf } from './event.ts';

/** Why a trait was realized or not. */
export const TRAIT_REASONS = {
  realized: 'its rule holds for this request',
  declared: 'the request names it (d_sid)',
  'no-signal': 'the request carries none of the keys that its rule looks at',
  'rule-not-met': 'the request carries keys of its rule, but the rule does not hold',
  'other-data-source': 'the request restricts evaluation to other data sources (d_tdpid)',
  inactive: 'it is switched off',
  'no-rule': 'it is onboarded: only an import or d_sid realizes it',
  folder: 'it sums up the traits of a folder and is never realized itself',
  'opted-out': 'the visitor has opted out: nothing is kept',
  disregarded: 'the whole request is disregarded, see errors',
} as const;

/** Why a segment holds or does not. */
export const SEGMENT_REASONS = {
  holds: 'its rule holds for what the visitor has now',
  inactive: 'it is switched off',
  'lacks-trait': 'the visitor lacks a trait that its rule asks for',
  'count-not-met': 'a trait was not realized as often, or as recently, as its rule asks for',
  excluded: 'the visitor has what its rule excludes',
} as const;

export interface Trace {
  readonly uuid: string | undefined;
  readonly at: string;
  readonly site: string | undefined;
  readonly signals: Record<string, readonly string[]>;
  readonly errors: Call['complaints'];
  readonly traits: readonly {
    sid: number;
    name: string;
    reason: keyof typeof TRAIT_REASONS;
    /** Whether the visitor has it after this request. */
    has: boolean;
    count: number;
  }[];
  readonly segments: readonly {
    sid: number;
    name: string;
    reason: keyof typeof SEGMENT_REASONS;
    /** The traits that the reason is about. */
    because: readonly number[];
  }[];
  readonly destinations: readonly {
    destinationId: number;
    name: string;
    reason: Reason;
    mappings: readonly { sid: number; reason: Reason }[];
  }[];
  readonly answer: {
    readonly urls: readonly string[];
    readonly cookies: readonly { name: string; value: string }[];
  };
  /** What each reason means. */
  readonly reasons: {
    readonly traits: typeof TRAIT_REASONS;
    readonly segments: typeof SEGMENT_REASONS;
    readonly destinations: typeof REASONS;
  };
}

/** @param uuid whom to decide for; without it, whom the request is about */
export async function trace(
  raw: RawCall,
  uuid: string | undefined,
  door: FrontDoor,
): Promise<Trace> {
  const snapshot = door.snapshot();
  const read = readCall(raw, snapshot, door.settings);
  const call: Call = uuid === undefined ? read : { ...read, deviceId: uuid };
  const realization = realize(snapshot, call);
  call.complaints.push(...realization.complaints);
  const { visit } = visitOf(call, realization);
  const visitor = await door.store.look(visit);
  const { profile } = visitor;
  if (call.optedOut) profile.apply({ day: call.day, optOut: true });
  if (!call.disregarded) profile.apply(changeOf(call, realization));
  if (profile.optedOut && !call.disregarded) call.complaints.push(complain(171));
  const recorded = new Recorded();
  const decision = call.disregarded
    ? undefined
    : decide(snapshot, call, visitor.deviceId, profile, door.settings.region, recorded.record);
  const held = snapshot.heldTraits.load(profile, call.day);
  const realized = new Set(profile.optedOut ? [] : realization.traits);
  const holding = new Set(decision?.segments);
  const mappings = Map.groupBy(snapshot.mappings.bySegment.flat(), (m) => m.destination);
  return {
    uuid: profile.optedOut ? undefined : visitor.deviceId,
    at: new Date(call.at).toISOString(),
    site: call.site?.name,
    signals: Object.fromEntries([...call.signals].filter(([key]) => !isPrivate(key))),
    errors: call.complaints,
    traits: snapshot.traits.map((trait, place) => ({
      sid: trait.sid,
      name: trait.name,
      reason: traitReason(trait, realized.has(place), call, profile.optedOut),
      has: held.holds(place),
      count: held.count(place),
    })),
    segments: snapshot.segments.map((segment, place) => ({
      sid: segment.sid,
      name: segment.name,
      ...segmentReason(segment, holding.has(place), snapshot, held),
    })),
    destinations: snapshot.destinations.map((destination) =>
      explain(destination, mappings.get(destination) ?? [], recorded, profile),
    ),
    answer: {
      urls: decision?.urls.map(({ url }) => url) ?? [],
      cookies: decision?.cookies.map(({ name, value }) => ({ name, value })) ?? [],
    },
    reasons: { traits: TRAIT_REASONS, segments: SEGMENT_REASONS, destinations: REASONS },
  };
}

function traitReason(
  trait: Trait,
  realized: boolean,
  call: Call,
  optedOut: boolean,
): keyof typeof TRAIT_REASONS {
  if (call.disregarded) return 'disregarded';
  if (trait.type === 'FOLDER_TRAIT') return 'folder';
  if (optedOut) return 'opted-out';
  if (realized) return call.sids.includes(trait.sid) ? 'declared' : 'realized';
  if (call.dataSources && !call.dataSources.has(trait.dataSource)) return 'other-data-source';
  if (!trait.active) return 'inactive';
  if (!trait.rule) return 'no-rule';
  for (const { key } of leavesOf(trait.rule)) if (call.signals.has(key)) return 'rule-not-met';
  return 'no-signal';
}

function segmentReason(
  segment: Segment,
  holds: boolean,
  { traitPlaces }: Snapshot,
  held: HeldTraits,
): { reason: keyof typeof SEGMENT_REASONS; because: readonly number[] } {
  if (!segment.active) return { reason: 'inactive', because: [] };
  if (holds) return { reason: 'holds', because: [] };
  const place = (sid: number) => traitPlaces.get(sid) as number;
  const { condition, wanted } = blame(segment.rule, true, (c) =>
    compileSegmentRule({ op: 'leaf', leaf: c }, place)(held),
  );
  const because = mentions(condition);
  if (!wanted) return { reason: 'excluded', because };
  return { reason: condition.kind === 'trait' ? 'lacks-trait' : 'count-not-met', because };
}

/** The first condition that keeps a rule from being what is wanted of it. */
function blame(
  rule: SegmentRule,
  wanted: boolean,
  holds: (condition: Condition) => boolean,
): { condition: Condition; wanted: boolean } {
  if (rule.op === 'leaf') return { condition: rule.leaf, wanted };
  if (rule.op === 'not') return blame(rule.term, !wanted, holds);
  const evaluate = (term: SegmentRule) => compileExpression(term, (c) => () => holds(c))(undefined);
  const failing = rule.terms.find((term) => evaluate(term) !== wanted) as SegmentRule;
  return blame(failing, wanted, holds);
}

/** The reasons of one decision, by destination. */
class Recorded {
  readonly #byDestination = new Map<Destination, { sid: number; reason: Reason }[]>();

  readonly record = (destination: Destination, sid: number, reason: Reason): void => {
    const reasons = this.#byDestination.get(destination) ?? [];
    reasons.push({ sid, reason });
    this.#byDestination.set(destination, reasons);
  };

  of(destination: Destination): readonly { sid: number; reason: Reason }[] {
    return this.#byDestination.get(destination) ?? [];
  }
}

function explain(
  destination: Destination,
  all: readonly Mapping[],
  recorded: Recorded,
  profile: Profile,
) {
  const reasons = recorded.of(destination);
  const told = new Set(reasons.map(({ sid }) => sid));
  const rest = all
    .filter(({ sid }) => !told.has(sid))
    .map(({ sid }) => ({ sid, reason: 'no-segment' as const }));
  const mappings = [...reasons.filter(({ sid }) => sid !== 0), ...rest];
  const [first] = reasons;
  const reason: Reason =
    reasons.find((r) => r.reason === 'delivered' || r.reason === 'removed')?.reason ??
    first?.reason ??
    (profile.optedOut ? 'opted-out' : rest.length > 0 ? 'no-segment' : 'not-mapped');
  return { destinationId: destination.id, name: destination.name, reason, mappings };
}
