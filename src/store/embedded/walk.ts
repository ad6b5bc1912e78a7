/**
 * Goes over all stored visitors in the order of their ids, part by part.
 *
 * A visitor moves from the log to the newcomers and from there to the profiles, but keeps the id: each
 * part looks at all three, so whoever is stored all the time is met.
 */
import { packDeviceId, readDeviceId } from '../record.ts';
import { type Bytes, countAll } from './base.ts';
import type { Source } from './sample.ts';

export interface Part {
  readonly deviceIds: readonly string[];
  /** Where to go on, also in another process; undefined at the end. */
  readonly cursor: string | undefined;
  /** From 0 to 1. */
  readonly progress: number;
}

export class Walk {
  readonly #source: Pick<Source, 'base' | 'catchUp' | 'recent'>;
  /** Ids of whom only the log told when the walk began, in order. */
  #unfolded: readonly string[] = [];
  #cursor: string | undefined;

  constructor(source: Pick<Source, 'base' | 'catchUp' | 'recent'>) {
    this.#source = source;
  }

  /** @param cursor undefined: from the start */
  next(cursor: string | undefined, limit: number): Part {
    const { base } = this.#source;
    this.#source.catchUp();
    if (cursor === undefined || cursor !== this.#cursor) this.#unfolded = this.#unfoldedNow();
    const lists = [base.newcomers, base.profiles];
    // Visitors before this part, how many there were at the start, and the last one's id.
    const [met, of, after]: (string | undefined)[] = cursor?.split(' ') ?? ['0'];
    const all = of ?? String(countAll(base) + this.#unfolded.length);
    const ids = new Set(idsAfter(this.#unfolded, after, limit));
    for (const list of lists) for (const id of keysAfter(list, after, limit)) ids.add(id);
    const deviceIds = [...ids].sort().slice(0, limit);
    if (deviceIds.length < limit) return { deviceIds, cursor: undefined, progress: 1 };
    const done = Number(met) + deviceIds.length;
    this.#cursor = `${done} ${all} ${deviceIds.at(-1)}`;
    return { deviceIds, cursor: this.#cursor, progress: Math.min(1, done / Number(all)) };
  }

  #unfoldedNow(): string[] {
    const { base, recent } = this.#source;
    return [...new Set(recent())].filter((id) => !base.has(id)).sort();
  }
}

/** @param ids in order */
function idsAfter(ids: readonly string[], after: string | undefined, limit: number): string[] {
  if (after === undefined) return ids.slice(0, limit);
  let [from, to] = [0, ids.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (ids[middle] <= after) from = middle + 1;
    else to = middle;
  }
  return ids.slice(from, from + limit);
}

function* keysAfter(list: Bytes, after: string | undefined, limit: number): Generator<string> {
  const start = after === undefined ? undefined : packDeviceId(after, new Uint8Array(19));
  const keys = list.getKeys({ start, exclusiveStart: start !== undefined, limit });
  for (const key of keys) yield readDeviceId(key, 0);
}
