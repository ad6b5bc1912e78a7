/**
 * The examination: what partners have to be told of a visitor, from what they were told and what holds
 * now.
 *
 * Pure, and the same whatever led to it: a visit, a day that has passed, a changed rule, an opt-out, consent
 * that was given or withdrawn.
 */
import type { Snapshot } from '../account/snapshot.ts';
import type { HeldTraits } from '../audience/holdings.ts';
import { type Day, dayOf, type Profile } from '../audience/profile.ts';
import { missingConsent } from '../destinations/consent.ts';
import { hasFallenBack } from '../destinations/due.ts';
import type { Candidate, Move, Outcome } from '../store/outbox.ts';
import { partnerIdOf } from './partner-id.ts';
import { getsEverybody, isBetween, type ServerMapping, type Terms } from './terms.ts';

export interface Grounds {
  readonly snapshot: Pick<Snapshot, 'segmentIndex' | 'mappings'>;
  /** Of this examiner alone. */
  readonly held: HeldTraits;
  readonly terms: Terms;
}

const DAY_MS = 86_400_000;
/** What happens at midnight is spread over so long. */
const SPREAD_MS = 600_000;

/** @param now Unix milliseconds */
export function examine(candidate: Candidate, grounds: Grounds, now: number): Outcome {
  const { deviceId, told, profile, partnerIds } = candidate;
  const { terms } = grounds;
  const today = dayOf(now);
  const at = now - (now % 1_000);
  const members = profile ? membersOf(profile, grounds, today) : NOBODY;
  const moves = new Map<number, Move[]>();
  const tellable = new Map<number, ReadonlyMap<number, number>>();
  const ids = new Map<number, string>();
  let isNamedAnew = false;
  const isGone = !profile || profile.optedOut;
  for (const [id, { active, transfer }] of terms.destinations) {
    const before = told.get(id);
    const known = partnerIds?.get(id) ?? '';
    // What is switched off hears what changed meanwhile when it is switched on; and what gets everybody
    // with each file, when it gets changes.
    if (!active || getsEverybody(transfer)) {
      ids.set(id, known);
      if (!before) continue;
      // Of who is gone, nothing is kept: that they have left waits for the next file, which makes it needless.
      const left = active && isGone ? leaving(before, terms.mappings.get(id), at) : undefined;
      if (!left) tellable.set(id, before);
      else if (left.length > 0) moves.set(id, left);
      continue;
    }
    const partnerId = partnerIdOf(transfer.userDataSource, profile, known);
    if (before && partnerId !== known) {
      // By the id that it knows, the partner hears that they have left; then all of it by the other.
      ids.set(id, known);
      const left = leaving(before, terms.mappings.get(id), at);
      if (left.length > 0) moves.set(id, left);
      isNamedAnew = true;
      continue;
    }
    if (transfer.userDataSource !== undefined) ids.set(id, partnerId);
    const inside = members.get(id);
    if (!before && !inside) continue;
    const after = new Map<number, number>();
    const own: Move[] = [];
    for (const [sid, since] of before ?? []) {
      if (inside?.has(sid)) after.set(sid, since);
      // Of what is mapped no more, nothing can be said.
      else if (terms.mappings.get(id)?.has(sid)) own.push({ sid, isMember: false, at });
    }
    for (const sid of inside ?? []) {
      if (before?.has(sid)) continue;
      own.push({ sid, isMember: true, at });
      after.set(sid, at);
    }
    if (after.size > 0) tellable.set(id, after);
    if (own.length > 0) moves.set(id, own);
  }
  return {
    deviceId,
    told: tellable,
    moves,
    partnerIds: ids,
    next: isNamedAnew ? now : nextOf(candidate, tellable.size > 0, terms, today),
  };
}

/** Of what is mapped no more, nothing can be said. */
const leaving = (
  told: ReadonlyMap<number, number>,
  mappings: ReadonlyMap<number, ServerMapping> | undefined,
  at: number,
): Move[] =>
  [...told.keys()].flatMap((sid) => (mappings?.has(sid) ? { sid, isMember: false, at } : []));

const NOBODY: ReadonlyMap<number, ReadonlySet<number>> = new Map();

/** By destination: the segments that hold and may be told. */
export function membersOf(
  profile: Profile,
  { snapshot, held }: Grounds,
  today: Day,
): Map<number, Set<number>> {
  const members = new Map<number, Set<number>>();
  for (const segment of snapshot.segmentIndex.qualified(held.load(profile, today))) {
    for (const mapping of snapshot.mappings.bySegment[segment]) {
      if (mapping.destination.kind !== 'server') continue;
      if (!mayTell(mapping as ServerMapping, profile, today)) continue;
      const { id, isFallback } = mapping.destination;
      if (isFallback && !hasFallenBack(profile, id)) continue;
      const sids = members.get(id);
      if (sids) sids.add(mapping.sid);
      else members.set(id, new Set([mapping.sid]));
    }
  }
  return members;
}

/**
 * Whether a partner may hear that somebody belongs to a segment.
 *
 * @param profile undefined where nothing is stored of them any more
 */
export const mayTell = (
  { destination, from, to, restrictions }: ServerMapping,
  profile: Profile | undefined,
  today: Day,
): boolean =>
  isBetween(today, from, to) &&
  (restrictions & destination.labels) === 0 &&
  !(profile && (profile.optedOut || missingConsent(destination, profile)));

/** When somebody may enter or leave a segment by time alone. */
function nextOf(
  { deviceId, profile, keptUntil }: Candidate,
  isTold: boolean,
  { clocks }: Terms,
  today: Day,
): number | undefined {
  if (!profile || profile.optedOut) return undefined;
  let next = Number.POSITIVE_INFINITY;
  const { realizations, length } = profile;
  for (let i = 0; i < length; i += 2) {
    const day = realizations[i + 1] >>> 16;
    for (const days of clocks.get(realizations[i]) ?? []) {
      if (day + days > today && day + days < next) next = day + days;
    }
  }
  const changes = next * DAY_MS + spread(deviceId);
  // Whoever is forgotten has left.
  const forgotten = isTold && keptUntil !== undefined ? keptUntil + spread(deviceId) : changes;
  const soonest = Math.min(changes, forgotten);
  return soonest === Number.POSITIVE_INFINITY ? undefined : soonest;
}

const spread = (deviceId: string) => (Number(deviceId.slice(-6)) / 1e6) * SPREAD_MS;
