/**
 * The registry contract: what the builder keeps beside the account and the visitors. People, keys,
 * sessions, drafts, what every node has in force, counts for the reports, calls that were recorded.
 *
 * All of it is small, none of it is in the way of a page: nobody who answers one waits for the
 * registry.
 */

export type Kind =
  | 'person'
  | 'key'
  | 'session'
  | 'attempt'
  | 'draft'
  | 'node'
  | 'estimate'
  | 'event'
  | 'setting'
  | 'pass'
  | 'order'
  | 'delivery'
  | 'trial'
  | 'deliverer'
  | 'run'
  | 'census';

/** A value as it is kept. Ids are texts of at most 500 characters. */
export interface Kept<Value> {
  readonly id: string;
  readonly value: Value;
  /** Grows with each time it is put. */
  readonly version: number;
}

export interface PutOptions {
  /** The version that the value was made from; 0: there must be none yet. Without it, whatever is there is replaced. */
  readonly after?: number;
  /** Milliseconds after which it is forgotten. Without it, never. */
  readonly ttl?: number;
}

/** Somebody else has put another value meanwhile. */
export class RegistryConflict extends Error {}

/** How often something happened. Scope and name together are at most 500 characters. */
export interface Count {
  /** What is read together, such as `destination:8001`. */
  readonly scope: string;
  readonly name: string;
  /** A whole number. */
  readonly count: number;
}

/**
 * Names counts that are given again until it is certain that they were added. A writer gives one batch
 * after the other; its last number is known for two days.
 */
export interface Batch {
  readonly writer: string;
  /** Grows with each batch of the writer. */
  readonly number: number;
}
/** How long a writer's last batch is known, in milliseconds. */
export const BATCH_MS = 2 * 86_400_000;

/** Counts are kept by the hour for two days, and by the day for a hundred. */
export type Unit = 'hour' | 'day';
export const UNIT_MS = { hour: 3_600_000, day: 86_400_000 } as const satisfies Record<Unit, number>;
export const KEPT_UNITS = { hour: 50, day: 100 } as const satisfies Record<Unit, number>;
export const UNITS = Object.keys(UNIT_MS) as Unit[];

/** When the hour or day began that holds a time, both in Unix milliseconds. */
export const startOf = (unit: Unit, at: number): number => at - (at % UNIT_MS[unit]);

/** The hours or days of a span of which counts may be kept, in order of time. */
export function unitsBetween(unit: Unit, from: number, to: number, now: number): number[] {
  const length = UNIT_MS[unit];
  const first = Math.max(startOf(unit, from), startOf(unit, now) - KEPT_UNITS[unit] * length);
  // Clocks of other machines may be ahead.
  const last = Math.min(to, now + length);
  const units: number[] = [];
  for (let at = first; at <= last; at += length) units.push(at);
  return units;
}

/** A count of one hour or day. */
export interface Counted {
  /** When the hour or day began, in Unix milliseconds. */
  readonly at: number;
  readonly name: string;
  readonly count: number;
}

/** Something that happened, kept until newer ones take its place. */
export interface Recent<Value> {
  /** Unix milliseconds. */
  readonly at: number;
  /** Whom it is about: a visitor's device id. */
  readonly owner: string;
  readonly value: Value;
}

/**
 * All methods reject with `StoreError` where the registry cannot be read or written now, within
 * seconds. What was to be written may be written all the same.
 */
export interface Registry {
  get<Value>(kind: Kind, id: string): Promise<Kept<Value> | undefined>;

  /** All of a kind, by id. */
  list<Value>(kind: Kind): Promise<Kept<Value>[]>;

  /**
   * Returns the new version. When it resolves, a killed server does not lose the value.
   *
   * @param value anything that JSON holds
   * @throws RegistryConflict where another version is there than the options name
   */
  put(kind: Kind, id: string, value: unknown, options?: PutOptions): Promise<number>;

  /** Returns whether there was one. */
  remove(kind: Kind, id: string): Promise<boolean>;

  /**
   * Adds to the counts of the hour and the day in which it happened.
   *
   * @param at Unix milliseconds
   * @param batch what was given before by this name, and to the same time, is not added again
   */
  add(counts: readonly Count[], at: number, batch?: Batch): Promise<void>;

  /** The counts of a scope, from the hour or day that holds `from` to the one that holds `to`, in order of time. */
  counts(scope: string, unit: Unit, from: number, to: number): Promise<Counted[]>;

  /** Adds to a list of which the newest `keep` stay; of the same millisecond, those added last. */
  append(list: string, entries: readonly Recent<unknown>[], keep: number): Promise<void>;

  /** The newest of a list, newest first. */
  recent<Value>(list: string, limit: number): Promise<Recent<Value>[]>;

  /** Removes from a list what is about somebody. */
  forget(list: string, owner: string): Promise<void>;

  close(): Promise<void>;
}

/** A value that many want to change at the same moment is made anew so often. */
const MAX_TRIES = 500;

/**
 * Puts what is made of a value in its place, and makes it anew where somebody else was faster.
 *
 * @param make is given undefined where there is none; nothing is put where it returns undefined, and
 *   what it throws is passed on
 * @param ttl milliseconds after which it is forgotten
 * @returns what was put
 */
export async function revise<Value>(
  registry: Registry,
  kind: Kind,
  id: string,
  make: (value: Value | undefined) => Value | undefined,
  ttl?: number,
): Promise<Value | undefined> {
  for (let tries = 1; ; tries++) {
    const kept = await registry.get<Value>(kind, id);
    const value = make(kept?.value);
    if (value === undefined) return undefined;
    try {
      await registry.put(kind, id, value, { after: kept?.version ?? 0, ttl });
      return value;
    } catch (error) {
      if (!(error instanceof RegistryConflict) || tries === MAX_TRIES) throw error;
    }
  }
}
