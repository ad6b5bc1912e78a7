/**
 * The disclosure: what a partner may hear of a visitor now, though it was queued before.
 *
 * Opt-outs, consent, export controls and mappings hold at the moment of sending.
 */
import type { Day, Profile } from '../audience/profile.ts';
import type { Entry, Move, Subject } from '../store/outbox.ts';
import { mayTell } from './examination.ts';
import { plainId } from './partner-id.ts';
import type { ServerMapping } from './terms.ts';

/** What is told of a visitor. */
export interface DisclosedUser {
  readonly deviceId: string;
  /** The visitor's id in the destination's data source; undefined where there is none. */
  readonly partnerId: string | undefined;
  /** Regions in which the visitor was seen. */
  readonly regions: readonly number[];
  readonly segments: readonly {
    /** The mapped value. */
    readonly alias: string;
    readonly isMember: boolean;
    /** When that became so, in Unix milliseconds. */
    readonly at: number;
  }[];
}

export interface Disclosure {
  readonly user: DisclosedUser;
  /** Those of the entry's moves that are told. */
  readonly moves: readonly Move[];
}

export interface DisclosureTerms {
  readonly destination: number;
  /** Of the destination, by the segment's id. */
  readonly mappings: ReadonlyMap<number, ServerMapping>;
  readonly userDataSource: number | undefined;
  readonly region: number;
  readonly today: Day;
}

/**
 * Of all mapped segments of the visitor: those that the entry tells of as it tells it, the others as
 * they were told last.
 *
 * @param subject the visitor as of now
 * @returns undefined where nothing of the entry may be told any more
 */
export function disclose(
  { deviceId, moves: queued, isLate, partnerId }: Entry,
  { profile, told }: Pick<Subject, 'profile' | 'told'>,
  { destination, mappings, userDataSource, region, today }: DisclosureTerms,
): Disclosure | undefined {
  const moves = isLate ? queued.map((move) => asTold(move, told, destination)) : queued;
  const mayJoin = (mapping: ServerMapping) => mayTell(mapping, profile, today);
  const left = moves.filter(({ sid, isMember }) => {
    const mapping = mappings.get(sid);
    // That somebody has left may be told for as long as there is a word for the segment.
    return mapping && (!isMember || mayJoin(mapping));
  });
  if (left.length === 0) return undefined;
  const moved = new Set(moves.map(({ sid }) => sid));
  const others: Move[] = [];
  for (const [sid, at] of told.get(destination) ?? []) {
    const mapping = mappings.get(sid);
    if (mapping && !moved.has(sid) && mayJoin(mapping)) others.push({ sid, isMember: true, at });
  }
  return {
    moves: left,
    user: {
      deviceId,
      partnerId: nameOf(partnerId, profile, userDataSource),
      regions: [region],
      segments: [...left, ...others].map(({ sid, isMember, at }) => ({
        alias: mappings.get(sid)?.alias ?? '',
        isMember,
        at,
      })),
    },
  };
}

/** @param partnerId as it was queued; undefined where the destination had no data source then */
function nameOf(
  partnerId: string | undefined,
  profile: Profile | undefined,
  userDataSource: number | undefined,
): string | undefined {
  if (userDataSource === undefined) return undefined;
  return partnerId === undefined
    ? profile?.idIn(userDataSource)
    : plainId(partnerId, userDataSource);
}

/** Others may have been told since: what was true then is told as it is now. */
function asTold(move: Move, told: Subject['told'], destination: number): Move {
  const since = told.get(destination)?.get(move.sid);
  return since === undefined
    ? { ...move, isMember: false }
    : { sid: move.sid, isMember: true, at: since };
}
