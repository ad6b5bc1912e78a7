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
  | 'setting';

/** A value as it is kept. */
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

/** How often something happened. */
export interface Count {
  /** What is read together, such as `destination:8001`. */
  readonly scope: string;
  readonly name: string;
  readonly count: number;
}

/** Counts are kept by the hour for two days, and by the day for a hundred. */
export type Unit = 'hour' | 'day';
export const UNIT_MS = { hour: 3_600_000, day: 86_400_000 } as const satisfies Record<Unit, number>;
export const KEPT_UNITS = { hour: 50, day: 100 } as const satisfies Record<Unit, number>;

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

  /** Adds to the counts of the hour and the day in which it happened. */
  add(counts: readonly Count[], at: number): Promise<void>;

  /** The counts of a scope, from the hour or day that holds `from` to the one that holds `to`, in order of time. */
  counts(scope: string, unit: Unit, from: number, to: number): Promise<Counted[]>;

  /** Appends to a list of which the newest `keep` stay. */
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
