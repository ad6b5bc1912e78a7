/**
 * The trace: why a call was decided as it was, for each trait, segment and destination. It is the
 * decision itself with a recorder; nothing is stored or sent.
 */
import type { Segment, Snapshot, Trait } from '../account/snapshot.ts';
import type { Turns } from '../account/turns.ts';
import { purposesIn, type Restriction, vendorCount } from '../audience/consent.ts';
import { leavesOf } from '../audience/expression.ts';
import { HeldTraits } from '../audience/holdings.ts';
import type { Day, Profile } from '../audience/profile.ts';
import {
  type Condition,
  compileSegmentRule,
  mentions,
  printSegmentRule,
  type SegmentRule,
  traitsOf,
} from '../audience/segment-rule.ts';
import { isPrivate } from '../audience/signal.ts';
import { printTraitRule } from '../audience/trait-rule.ts';
import type { Destination, Mapping } from '../destinations/destination.ts';
import { REASONS, type Reason } from '../destinations/reason.ts';
import { type Call, type RawCall, readCall } from './call.ts';
import { complain } from './complaint.ts';
import { consentOf, isRefused, REFUSED_BEFORE } from './consent.ts';
import { changeOf, decide, realize } from './decision.ts';
import { type FrontDoor, visitOf } from './event.ts';
import type { Occasion } from './recorded-call.ts';
import { publicText } from './redaction.ts';

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
  'no-consent':
    'GDPR applies, and the visitor has not consented to what the account needs, or the publisher restricts it: nothing is kept',
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

export interface TracedTrait {
  readonly sid: number;
  readonly name: string;
  readonly reason: keyof typeof TRAIT_REASONS;
  /** Whether the visitor has it after this request. */
  readonly has: boolean;
  readonly count: number;
}

export interface TracedSegment {
  readonly sid: number;
  readonly name: string;
  readonly reason: keyof typeof SEGMENT_REASONS;
  /** The traits that the reason is about. */
  readonly because: readonly number[];
}

/** A trait on the way to a destination. */
export interface DetailedTrait extends TracedTrait {
  /** null where no signal realizes it. */
  readonly traitRule: string | null;
  /** Days that a realization lasts after its own; 0: for ever. */
  readonly ttl: number;
  /** UTC day, which may be longer ago than a realization lasts. */
  readonly lastRealized: string | null;
  /** What this request carries of the keys that its rule looks at. */
  readonly signals: readonly (
    | { readonly key: string; readonly values: readonly string[] }
    | { readonly key: string; readonly isPrivate: true }
  )[];
  /** Of a folder trait: which of its traits were realized, or are what the visitor has. */
  readonly members?: readonly number[];
}

/** A segment on the way to a destination. */
export interface DetailedSegment extends TracedSegment {
  readonly segmentRule: string;
}

/** What the visitor has stated, in this request or before it. */
export interface TracedConsent {
  /** null where nothing was ever stated. */
  readonly gdpr: {
    readonly applies: boolean;
    /** Purposes of IAB's TCF. */
    readonly purposes: readonly number[];
    /** How many vendors the visitor has consented to. */
    readonly vendors: number;
    /** What the publisher has taken away of that. */
    readonly restrictions: readonly Restriction[];
    /** Whether that is too little for the account to keep anything. */
    readonly isRefused: boolean;
    readonly isStatedNow: boolean;
  } | null;
  readonly objectsToSale: boolean;
}

export interface Trace {
  readonly uuid: string | undefined;
  readonly at: string;
  readonly site: string | undefined;
  readonly signals: Record<string, readonly string[]>;
  readonly consent: TracedConsent;
  readonly errors: Call['complaints'];
  readonly traits: readonly (TracedTrait | DetailedTrait)[];
  readonly segments: readonly (TracedSegment | DetailedSegment)[];
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

/**
 * What a trace tells of: everything; only traits that were realized or are held and segments that
 * hold or are mapped; or only what leads to one destination, in detail.
 */
export type Scope = 'all' | 'brief' | Destination;

/** @param uuid whom the call is about; without it, whom the call itself tells */
export async function occasionOf(
  raw: RawCall,
  uuid: string | undefined,
  snapshot: Snapshot,
  { store, settings }: Pick<FrontDoor, 'store' | 'settings'>,
): Promise<Occasion> {
  const read = readCall(raw, snapshot, settings);
  const call: Call = uuid === undefined ? read : { ...read, deviceId: uuid };
  const realization = realize(snapshot, call);
  call.complaints.push(...realization.complaints);
  const { visit } = visitOf(call, realization, snapshot);
  const { deviceId, profile } = await store.look(visit);
  if (call.optedOut) profile.apply({ day: call.day, optOut: true });
  if (!call.disregarded) profile.apply(changeOf(call, realization));
  if (profile.optedOut && !call.disregarded) call.complaints.push(complain(171));
  else if (!call.stated.gdpr && isRefused(call.stated, profile, snapshot.requiredConsent)) {
    call.complaints.push(complain(315, REFUSED_BEFORE));
  }
  return { call, realization, deviceId, profile };
}

export function* trace(
  { call, realization, deviceId, profile }: Occasion,
  snapshot: Snapshot,
  region: number,
  scope: Scope = 'all',
): Turns<Trace> {
  const recorded = new Recorded();
  const decision = call.disregarded
    ? undefined
    : decide(snapshot, call, deviceId, profile, region, recorded.record);
  const hasRefused = isRefused(call.stated, profile, snapshot.requiredConsent);
  const isOut = profile.optedOut || hasRefused;
  const findings: Findings = {
    call,
    snapshot,
    profile,
    // Its own: pages are decided between two turns.
    held: new HeldTraits(snapshot.traits, snapshot.traitPlaces).load(profile, call.day),
    realized: new Set(isOut ? [] : realization.traits),
    hasRefused,
    holding: new Set(decision?.segments),
  };
  const mappings = yield* mappingsOf(snapshot, isOne(scope) ? scope : undefined);
  const segments: (TracedSegment | DetailedSegment)[] = [];
  for (const place of segmentsIn(scope, findings, mappings)) {
    yield;
    const traced = traceSegment(place, findings);
    const segmentRule = () => printSegmentRule(snapshot.segments[place].rule);
    segments.push(isOne(scope) ? { ...traced, segmentRule: segmentRule() } : traced);
  }
  const traits: (TracedTrait | DetailedTrait)[] = [];
  const places = traitsIn(scope, findings, mappings);
  const lastDays = isOne(scope) ? lastDaysOf(findings) : undefined;
  for (const place of places) {
    yield;
    const traced = traceTrait(place, findings);
    traits.push(lastDays ? { ...traced, ...detailsOf(place, findings, lastDays) } : traced);
  }
  const destinations: Trace['destinations'][number][] = [];
  for (const destination of isOne(scope) ? [scope] : snapshot.destinations) {
    yield;
    destinations.push(explain(destination, mappings.get(destination) ?? [], recorded, findings));
  }
  return {
    uuid: isOut ? undefined : deviceId,
    at: new Date(call.at).toISOString(),
    site: call.site?.name,
    signals: Object.fromEntries(
      [...call.signals.keys()]
        .filter((key) => !isPrivate(key))
        .map((key) => [key, shownValues(call, key)]),
    ),
    consent: tracedConsent(findings),
    errors: call.complaints,
    traits,
    segments,
    destinations,
    answer: {
      urls: decision?.urls.map(({ url }) => url) ?? [],
      cookies: decision?.cookies.map(({ name, value }) => ({ name, value })) ?? [],
    },
    reasons: { traits: TRAIT_REASONS, segments: SEGMENT_REASONS, destinations: REASONS },
  };
}

/** What a trace tells from; traits and segments by place. */
interface Findings {
  readonly call: Call;
  readonly snapshot: Snapshot;
  readonly profile: Profile;
  readonly held: HeldTraits;
  readonly realized: ReadonlySet<number>;
  readonly holding: ReadonlySet<number>;
  /** Whether the consent is missing without which nothing is kept. */
  readonly hasRefused: boolean;
}

function tracedConsent({ call, profile, hasRefused }: Findings): TracedConsent {
  const { gdpr, objectsToSale } = consentOf(call.stated, profile);
  return {
    gdpr: gdpr
      ? {
          applies: gdpr.applies,
          purposes: purposesIn(gdpr.purposes),
          vendors: vendorCount(gdpr.vendors),
          restrictions: gdpr.restrictions,
          isRefused: hasRefused,
          isStatedNow: call.stated.gdpr !== undefined,
        }
      : null,
    objectsToSale,
  };
}

type MappingsByDestination = ReadonlyMap<Destination, readonly Mapping[]>;

const isOne = (scope: Scope): scope is Destination => typeof scope !== 'string';

function* mappingsOf(
  { mappings }: Snapshot,
  only: Destination | undefined,
): Turns<MappingsByDestination> {
  const byDestination = new Map<Destination, Mapping[]>();
  for (const ofSegment of mappings.bySegment) {
    yield;
    for (const mapping of ofSegment) {
      if (only && mapping.destination !== only) continue;
      const others = byDestination.get(mapping.destination);
      if (others) others.push(mapping);
      else byDestination.set(mapping.destination, [mapping]);
    }
  }
  return byDestination;
}

/** Places of the segments that a trace tells of, in the account's order. */
function segmentsIn(
  scope: Scope,
  { snapshot, holding }: Findings,
  mappings: MappingsByDestination,
): Iterable<number> {
  if (scope === 'all') return snapshot.segments.keys();
  if (isOne(scope)) {
    return inOrder((mappings.get(scope) ?? []).map(({ segment }) => segment));
  }
  const { bySegment } = snapshot.mappings;
  return [...snapshot.segments.keys()].filter(
    (place) => holding.has(place) || bySegment[place].length > 0,
  );
}

/** Likewise of the traits. */
function traitsIn(
  scope: Scope,
  findings: Findings,
  mappings: MappingsByDestination,
): Iterable<number> {
  const { snapshot, realized, held } = findings;
  if (scope === 'all') return snapshot.traits.keys();
  if (!isOne(scope)) return inOrder([...realized, ...held.held]);
  const mentioned = [...segmentsIn(scope, findings, mappings)]
    .flatMap((place) => [...traitsOf(snapshot.segments[place].rule)])
    .map((sid) => snapshot.traitPlaces.get(sid) as number);
  return inOrder(mentioned.flatMap((place) => [place, ...membersOf(place, findings)]));
}

const inOrder = (places: readonly number[]) => [...new Set(places)].sort((a, b) => a - b);

/** Places of a folder's traits that this request realizes or the visitor has. */
const membersOf = (folder: number, { snapshot, realized, held }: Findings): number[] =>
  snapshot.traits[folder].type === 'FOLDER_TRAIT'
    ? inOrder([...realized, ...held.held]).filter((place) =>
        snapshot.traits[place].folders.includes(folder),
      )
    : [];

function traceTrait(place: number, findings: Findings): TracedTrait {
  const { snapshot, realized, held } = findings;
  const trait = snapshot.traits[place];
  return {
    sid: trait.sid,
    name: trait.name,
    reason: traitReason(trait, realized.has(place), findings),
    has: held.holds(place),
    count: held.count(place),
  };
}

function traceSegment(place: number, { snapshot, holding, held }: Findings): TracedSegment {
  const segment = snapshot.segments[place];
  return {
    sid: segment.sid,
    name: segment.name,
    ...segmentReason(segment, holding.has(place), snapshot, held),
  };
}

function detailsOf(place: number, findings: Findings, lastDays: ReadonlyMap<number, Day>) {
  const { call, snapshot } = findings;
  const { rule, ttl, type } = snapshot.traits[place];
  const last = lastDays.get(place);
  const keys = new Set(rule ? [...leavesOf(rule)].map(({ key }) => key) : []);
  const members = membersOf(place, findings).map((member) => snapshot.traits[member].sid);
  return {
    traitRule: rule ? printTraitRule(rule) : null,
    ttl,
    lastRealized: last === undefined ? null : new Date(last * DAY_MS).toISOString().slice(0, 10),
    signals: [...keys].map((key) =>
      isPrivate(key)
        ? ({ key, isPrivate: true } as const)
        : { key, values: shownValues(call, key) },
    ),
    ...(type === 'FOLDER_TRAIT' && { members }),
  };
}

/** The last day on which each trait, or any trait of a folder, was realized. */
function lastDaysOf({ profile, snapshot }: Findings): Map<number, Day> {
  const days = new Map<number, Day>();
  for (let i = 0; i < profile.length; i += 2) {
    const place = snapshot.traitPlaces.get(profile.realizations[i]);
    if (place === undefined) continue;
    const day = profile.realizations[i + 1] >>> 16;
    for (const one of [place, ...snapshot.traits[place].folders]) {
      days.set(one, Math.max(day, days.get(one) ?? 0));
    }
  }
  return days;
}

const DAY_MS = 86_400_000;

/** A page's address may hold private values in its own query. */
const shownValues = (call: Call, key: string): string[] =>
  (call.signals.get(key) ?? []).map((value) => publicText(value));

function traitReason(
  trait: Trait,
  realized: boolean,
  { call, profile, hasRefused }: Findings,
): keyof typeof TRAIT_REASONS {
  if (call.disregarded) return 'disregarded';
  if (trait.type === 'FOLDER_TRAIT') return 'folder';
  if (profile.optedOut) return 'opted-out';
  if (hasRefused) return 'no-consent';
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
  const failing = rule.terms.find((term) => isTrue(term, holds) !== wanted) as SegmentRule;
  return blame(failing, wanted, holds);
}

/** What a rule says where it is asked once: compiling it would cost more. */
function isTrue(rule: SegmentRule, holds: (condition: Condition) => boolean): boolean {
  if (rule.op === 'leaf') return holds(rule.leaf);
  if (rule.op === 'not') return !isTrue(rule.term, holds);
  const decides = rule.op === 'or';
  return rule.terms.some((term) => isTrue(term, holds) === decides) ? decides : !decides;
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
  { profile, hasRefused }: Findings,
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
    (profile.optedOut
      ? 'opted-out'
      : hasRefused
        ? 'no-consent'
        : rest.length > 0
          ? 'no-segment'
          : 'not-mapped');
  return { destinationId: destination.id, name: destination.name, reason, mappings };
}
