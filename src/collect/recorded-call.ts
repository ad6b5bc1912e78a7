/**
 * Page requests that were recorded, for asking why and for trying drafts: what decided each of them,
 * and the visitor as they were right before. Nothing private (`p_…`) and no cookie is kept.
 */
import type { Snapshot } from '../account/snapshot.ts';
import { leavesOf } from '../audience/expression.ts';
import type { Day, Profile } from '../audience/profile.ts';
import { isPrivate, type Signals } from '../audience/signal.ts';
import type { TraitRule } from '../audience/trait-rule.ts';
import { readProfile, Writer, writeProfile } from '../store/record.ts';
import type { Recent, Registry } from '../store/registry.ts';
import { type Call, type CallSettings, type RawCall, readCall, signalsOf } from './call.ts';
import { changeOf, NO_REALIZATION, type Realization, realize } from './decision.ts';
import { IDENTITY_KEYS } from './identity.ts';
import { Parameters } from './parameters.ts';
import { publicQuery, publicText } from './redaction.ts';

/** The registry's list of them, and how many of them it keeps. */
export const CALLS = 'calls';
export const KEPT_CALLS = 1_000;

/** Larger ones are not recorded; in characters of JSON. */
const MAX_SIZE = 16 * 1024;

/** Headers that a decision looks at, or that say where a call comes from. */
const HEADERS = [
  'host',
  'origin',
  'referer',
  'referrer',
  'user-agent',
  'accept-language',
  'date',
  'x-forwarded-proto',
  'sec-fetch-site',
  'sec-fetch-mode',
  'sec-fetch-dest',
  'sec-fetch-storage-access',
  'sec-gpc',
] as const;

/** What is kept of a call; its time and whom it was about stand beside it in the list. */
export interface RecordedCall {
  /** The transaction id (`tid`) of its answer. */
  readonly callId: string;
  /** Query and body, as one query. */
  readonly query: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The visitor right before: the bytes of a profile in base64. */
  readonly profile: string;
  /** Ids of the traits that it realized. */
  readonly traits: readonly number[];
  /** Ids of the destinations that its answer called. */
  readonly destinations: readonly number[];
}

/** The newest first. */
export const recordedCalls = (registry: Registry, limit = KEPT_CALLS) =>
  registry.recent<RecordedCall>(CALLS, limit);

/**
 * What is kept of a call that was decided; undefined where that is too much.
 *
 * @param profile the visitor with what the call added
 */
export function recordedCall(
  raw: RawCall,
  call: Call,
  { sids }: Realization,
  profile: Profile,
  destinations: Iterable<number>,
): RecordedCall | undefined {
  if (raw.query.length + raw.body.length > MAX_SIZE) return undefined;
  const writer = new Writer(256);
  writeProfile(writer, before(profile, sids, call.day));
  const recorded = {
    callId: call.transaction.id,
    query: publicQuery(raw.query, raw.body),
    headers: Object.fromEntries(
      HEADERS.flatMap((name) => {
        const value = raw.header(name);
        return value === null ? [] : [[name, publicText(value)]];
      }),
    ),
    profile: writer.written().toBase64(),
    traits: sids.toSorted(ascending),
    destinations: [...destinations].sort(ascending),
  };
  return JSON.stringify(recorded).length > MAX_SIZE ? undefined : recorded;
}

const ascending = (a: number, b: number) => a - b;

/** A visitor without what a call realized: decisions are made with that in the profile already. */
function before(profile: Profile, sids: readonly number[], day: Day): Profile {
  const earlier = profile.clone();
  const { realizations } = earlier;
  for (const sid of sids) {
    for (let i = 0; i < earlier.length; i += 2) {
      if (realizations[i] !== sid || realizations[i + 1] >>> 16 !== day) continue;
      if ((realizations[i + 1] & 0xffff) > 1) realizations[i + 1]--;
      else {
        realizations.copyWithin(i, i + 2, earlier.length);
        earlier.length -= 2;
      }
      break;
    }
  }
  return earlier;
}

/** A call and its visitor, with what the call adds in the profile: what a decision is made of. */
export interface Occasion {
  readonly call: Call;
  readonly realization: Realization;
  readonly deviceId: string;
  readonly profile: Profile;
}

export interface ReplayOptions {
  /** Another time than then. */
  readonly at?: number;
  /** A trait whose rule is another one than then. */
  readonly changedTrait?: number;
}

/** A recorded call once more, under any account: the visitor is as they were then. */
export function replay(
  { at, owner, value }: Recent<RecordedCall>,
  snapshot: Snapshot,
  settings: CallSettings,
  options: ReplayOptions = {},
): Occasion {
  const raw: RawCall = {
    query: value.query,
    body: '',
    foreignBody: false,
    header: (name) => value.headers[name] ?? null,
    cookies: {},
    at: options.at ?? at,
  };
  const call = { ...readCall(raw, snapshot, settings), deviceId: owner };
  const realization = call.disregarded
    ? NO_REALIZATION
    : withPrivate(realize(snapshot, call), call, value.traits, snapshot, options.changedTrait);
  call.complaints.push(...realization.complaints);
  const profile = readProfile(Uint8Array.fromBase64(value.profile));
  if (!call.disregarded) profile.apply(changeOf(call, realization));
  return { call, realization, deviceId: owner, profile };
}

/** Of rules that look at private signals, only what came of them then is known. */
function withPrivate(
  { traits, complaints }: Realization,
  call: Call,
  then: readonly number[],
  snapshot: Snapshot,
  changedTrait: number | undefined,
): Realization {
  const isUnknown = (place: number) => {
    const { sid, rule } = snapshot.traits[place];
    return sid !== changedTrait && rule !== undefined && privateKeys(rule).length > 0;
  };
  const known = traits.filter(
    (place) => !isUnknown(place) || call.sids.includes(snapshot.traits[place].sid),
  );
  for (const sid of then) {
    const place = snapshot.traitPlaces.get(sid);
    if (place !== undefined && isUnknown(place) && !known.includes(place)) known.push(place);
  }
  return { traits: known, sids: known.map((place) => snapshot.traits[place].sid), complaints };
}

/** Every signal of a call that is kept, whether any rule looks at it or not; who it was is none. */
export function recordedSignals({ query, headers }: RecordedCall): Signals {
  const parameters = new Parameters();
  parameters.add(query);
  const knows = (key: string) => !IDENTITY_KEYS.has(key);
  return signalsOf(parameters, (name) => headers[name] ?? null, { traitIndex: { knows } });
}

/** The private keys that a rule looks at. */
export const privateKeys = (rule: TraitRule): string[] => [
  ...new Set([...leavesOf(rule)].map(({ key }) => key).filter(isPrivate)),
];
