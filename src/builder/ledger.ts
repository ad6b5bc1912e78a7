/**
 * The counts of the reports: brought from this process's tally to the registry every few seconds, and
 * at its end.
 *
 * What the registry does not take waits here, and is added later, to the hour in which it happened and
 * never twice.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { inTurns, type Turns } from '../account/turns.ts';
import type { Tallied, Tally } from '../destinations/tally.ts';
import { type Batch, type Count, type Registry, startOf } from '../store/registry.ts';

/** What is counted of all page requests. */
export const TOTAL = 'total';
/** What became of each destination's calls, of all of them together: `8001.delivered`, `8001.loaded`. */
export const DESTINATIONS = 'destinations';
/** Likewise of one destination, with the reason for each of its segments; 0: its calls themselves. */
export const scopeOf = (destination: number) => `destination:${destination}`;

/** A name in these scopes: `8001.delivered`, `7002.capped`. */
const nameOf = (id: number, what: string) => `${id}.${what}`;

export function readName(name: string): { id: number; what: string } {
  const dot = name.indexOf('.');
  return { id: Number(name.slice(0, dot)), what: name.slice(dot + 1) };
}

/** What the list of destinations shows. */
const LISTED: ReadonlySet<Tallied['what']> = new Set(['delivered', 'loaded', 'failed', 'timedOut']);

const EVERY_MS = 5_000;
/** More at once would hold up whoever else writes to the registry. */
const BATCH_SIZE = 200;
const MAX_WAITING = 100_000;

export interface LedgerOptions {
  readonly tally: Tally;
  readonly registry: Registry;
  /** Says that counts wait, and why; or, without an error, that they do no longer. */
  readonly report: (error?: unknown) => void;
  /** Of more counts than so many, those of an earlier hour are added to the next one's; 100,000. */
  readonly maxWaiting?: number;
}

interface Given {
  readonly counts: readonly Count[];
  readonly at: number;
  readonly batch: Batch;
}

export class Ledger {
  readonly #tally: Tally;
  readonly #registry: Registry;
  readonly #report: LedgerOptions['report'];
  readonly #maxWaiting: number;
  readonly #writer = randomUUID();
  /** By the hour in which it happened, then by scope and name. */
  readonly #waiting = new Map<number, Map<string, Count>>();
  /** What was given to the registry, until it says that it has it. */
  #given: Given | undefined;
  #number = 0;
  #isTroubled = false;
  #gathered: Promise<void> = Promise.resolve();
  #adding: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ tally, registry, report, maxWaiting = MAX_WAITING }: LedgerOptions) {
    this.#tally = tally;
    this.#registry = registry;
    this.#report = report;
    this.#maxWaiting = maxWaiting;
  }

  /** Brings the counts to the registry from now on. */
  start(): void {
    this.#timer = setInterval(() => void this.flush(), EVERY_MS).unref();
  }

  /**
   * Brings to the registry what was counted until now; resolves when it was tried.
   *
   * @param now when it happened, in Unix milliseconds
   */
  async flush(now = Date.now()): Promise<void> {
    // Even while the registry hangs: each hour's counts are its own.
    this.#gathered = this.#gathered.then(() => inTurns(this.#gather(now)));
    await this.#gathered;
    this.#adding ??= Promise.resolve().then(() => this.#add());
    await this.#adding;
  }

  /** Counts nothing any more. Returns how many counts the registry did not take in so many milliseconds. */
  async close(milliseconds: number): Promise<number> {
    clearInterval(this.#timer);
    const timeIsUp = new AbortController();
    const { signal } = timeIsUp;
    await Promise.race([this.flush(), pause(milliseconds, undefined, { signal })]);
    timeIsUp.abort();
    let left = this.#given?.counts.length ?? 0;
    for (const counts of this.#waiting.values()) left += counts.size;
    return left;
  }

  *#gather(now: number): Turns<void> {
    const { totals, counts } = this.#tally.take();
    const hour = startOf('hour', now);
    for (const [name, count] of Object.entries(totals)) {
      if (count > 0) this.#wait(hour, { scope: TOTAL, name, count });
    }
    for (const { destination, sid, what, count } of counts) {
      this.#wait(hour, { scope: scopeOf(destination), name: nameOf(sid, what), count });
      if (sid === 0 && LISTED.has(what)) {
        this.#wait(hour, { scope: DESTINATIONS, name: nameOf(destination, what), count });
      }
      yield;
    }
    yield* this.#shorten();
  }

  #wait(hour: number, { scope, name, count }: Count): void {
    const counts = this.#waiting.get(hour) ?? new Map<string, Count>();
    this.#waiting.set(hour, counts);
    const key = `${scope} ${name}`;
    counts.set(key, { scope, name, count: count + (counts.get(key)?.count ?? 0) });
  }

  /** The registry may be away for long: then which hour it was is given up, not the counts. */
  *#shorten(): Turns<void> {
    const sizeOf = () => [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
    while (this.#waiting.size > 1 && sizeOf() > this.#maxWaiting) {
      const [first, next] = [...this.#waiting.keys()].sort((a, b) => a - b);
      const counts = this.#waiting.get(first) as Map<string, Count>;
      this.#waiting.delete(first);
      for (const count of counts.values()) {
        this.#wait(next, count);
        yield;
      }
    }
  }

  async #add(): Promise<void> {
    try {
      for (;;) {
        this.#given ??= this.#next();
        if (!this.#given) break;
        const { counts, at, batch } = this.#given;
        await this.#registry.add(counts, at, batch);
        this.#given = undefined;
      }
      if (this.#isTroubled) this.#report();
      this.#isTroubled = false;
    } catch (error) {
      if (!this.#isTroubled) this.#report(error);
      this.#isTroubled = true;
    } finally {
      // In the same moment in which nothing was left to add.
      this.#adding = undefined;
    }
  }

  #next(): Given | undefined {
    for (const [at, waiting] of this.#waiting) {
      const counts: Count[] = [];
      for (const [key, count] of waiting) {
        if (counts.length === BATCH_SIZE) break;
        counts.push(count);
        waiting.delete(key);
      }
      if (waiting.size === 0) this.#waiting.delete(at);
      if (counts.length > 0) {
        return { counts, at, batch: { writer: this.#writer, number: ++this.#number } };
      }
    }
    return undefined;
  }
}
