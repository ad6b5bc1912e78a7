/** What an account says of server-to-server delivery, in the form in which visitors are examined. */
import { createHash } from 'node:crypto';
import type { Snapshot } from '../account/snapshot.ts';
import type { Turns } from '../account/turns.ts';
import { leavesOf } from '../audience/expression.ts';
import type { Day } from '../audience/profile.ts';
import { printSegmentRule } from '../audience/segment-rule.ts';
import type { Mapping, ServerDestination } from '../destinations/destination.ts';

export interface ServerMapping extends Mapping {
  readonly destination: ServerDestination;
}

export interface Terms {
  readonly destinations: ReadonlyMap<number, ServerDestination>;
  /** By destination, then by the segment's id. */
  readonly mappings: ReadonlyMap<number, ReadonlyMap<number, ServerMapping>>;
  /**
   * By a trait's id: so many days after a realization somebody may enter or leave a segment, though
   * nothing happens.
   */
  readonly clocks: ReadonlyMap<number, readonly number[]>;
  /**
   * Is another one whenever somebody may have entered or left without a visit: then all stored visitors
   * have to be examined.
   */
  readonly digest: string;
}

/** @param today mappings begin and end with a day */
export function* termsOf(snapshot: Snapshot, today: Day): Turns<Terms> {
  const { traits, traitPlaces, segments, serverTraits } = snapshot;
  const mappings = new Map<number, Map<number, ServerMapping>>();
  const clocks = new Map<number, Set<number>>();
  const hash = createHash('sha256');
  const clockOf = (sid: number) => {
    const clock = clocks.get(sid) ?? new Set();
    clocks.set(sid, clock);
    return clock;
  };
  /** By a folder trait's place. */
  const folderClocks = new Map<number, Set<number>>();
  for (const [at, all] of snapshot.mappings.bySegment.entries()) {
    yield;
    const own = all.filter((mapping): mapping is ServerMapping => isServer(mapping));
    if (own.length === 0) continue;
    const { sid, rule, active } = segments[at];
    hash.update(`s${sid} ${active} ${printSegmentRule(rule)}`);
    for (const mapping of own) {
      const { destination, from, to } = mapping;
      const bySid = mappings.get(destination.id) ?? new Map<number, ServerMapping>();
      mappings.set(destination.id, bySid.set(sid, mapping));
      hash.update(
        `m${destination.id} ${destination.active} ${destination.isFallback} ${destination.transfer.userDataSource} ${isBetween(today, from, to)}${getsEverybody(destination.transfer) ? ' full' : ''} ${JSON.stringify(destination.consent)}`,
      );
    }
    for (const leaf of leavesOf(rule)) {
      if (leaf.kind !== 'frequency' || !leaf.recency) continue;
      const { operator, days } = leaf.recency;
      for (const trait of leaf.traits) {
        const place = traitPlaces.get(trait) ?? -1;
        const clock =
          traits[place]?.type === 'FOLDER_TRAIT'
            ? (folderClocks.get(place) ?? new Set<number>())
            : clockOf(trait);
        clock.add(operator === '<=' ? days + 1 : days);
        if (traits[place]?.type === 'FOLDER_TRAIT') folderClocks.set(place, clock);
      }
    }
  }
  for (const { sid, ttl, type, onboarded, folders } of traits) {
    yield;
    if (!serverTraits.has(sid)) continue;
    hash.update(`t${sid} ${ttl} ${type} ${onboarded} ${folders.join()}`);
    if (ttl > 0) clockOf(sid).add(ttl + 1);
    for (const folder of folders) {
      for (const days of folderClocks.get(folder) ?? []) clockOf(sid).add(days);
    }
  }
  return {
    destinations: new Map(
      snapshot.destinations.flatMap((d) => (d.kind === 'server' ? [[d.id, d] as const] : [])),
    ),
    mappings,
    clocks: new Map([...clocks].map(([sid, days]) => [sid, [...days]])),
    digest: hash.digest('base64url'),
  };
}

/** Whether each of its files has everybody: then nothing is queued for it. */
export const getsEverybody = (transfer: ServerDestination['transfer']): boolean =>
  transfer.kind === 'file' && transfer.syncMode === 'full';

const isServer = ({ destination }: Mapping) => destination.kind === 'server';

export const isBetween = (day: Day, from: Day, to: Day) => from <= day && day <= to;
