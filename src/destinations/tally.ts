/**
 * How often each destination was called or was not, and why: counted while pages are answered, in this
 * process's memory, until somebody takes the counts away.
 *
 * By ids, not by the account's own parts: the counts outlast an account that is replaced.
 */
import type { Recorder } from './due.ts';
import { REASONS, type Reason } from './reason.ts';

/** What the tag saw of a call. */
export const SIGHTS = ['loaded', 'failed', 'timedOut'] as const;
export type Sight = (typeof SIGHTS)[number];

/**
 * Counts of all page requests: those that were decided, those of them that were decided without the
 * store, and the URL calls in their answers.
 */
export type Totals = Record<'calls' | 'late' | 'pixels', number>;

/** One count. */
export interface Tallied {
  readonly destination: number;
  /** Of the mapped segment; 0: of the calls and cookies themselves (see `Recorder`). */
  readonly sid: number;
  readonly what: Reason | Sight;
  readonly count: number;
}

const WHATS = [...(Object.keys(REASONS) as Reason[]), ...SIGHTS];
const PLACES = Object.fromEntries(WHATS.map((what, place) => [what, place])) as Record<
  Reason | Sight,
  number
>;

export class Tally {
  totals: Totals = { calls: 0, late: 0, pixels: 0 };
  /** By destination and segment, each with a count for everything in `WHATS`. */
  #counts = new Map<number, Map<number, Uint32Array>>();

  readonly record: Recorder = ({ id }, sid, reason) => this.#add(id, sid, reason);

  /** Counts what the tag saw of one call. */
  see(destination: number, sight: Sight): void {
    this.#add(destination, 0, sight);
  }

  /** Counts what became of a message to a server, or of what it said of one segment (else 0). */
  count(destination: number, sid: number, what: 'delivered' | 'failed'): void {
    this.#add(destination, sid, what);
  }

  /** Everything that was counted since the last time. */
  take(): { totals: Totals; counts: Iterable<Tallied> } {
    const { totals } = this;
    const counts = tallied(this.#counts);
    this.totals = { calls: 0, late: 0, pixels: 0 };
    this.#counts = new Map();
    return { totals, counts };
  }

  #add(destination: number, sid: number, what: Reason | Sight): void {
    let bySid = this.#counts.get(destination);
    if (!bySid) {
      bySid = new Map();
      this.#counts.set(destination, bySid);
    }
    let counts = bySid.get(sid);
    if (!counts) {
      counts = new Uint32Array(WHATS.length);
      bySid.set(sid, counts);
    }
    counts[PLACES[what]]++;
  }
}

/** One by one, since there may be many and pages are answered meanwhile. */
function* tallied(all: ReadonlyMap<number, ReadonlyMap<number, Uint32Array>>): Generator<Tallied> {
  for (const [destination, bySid] of all) {
    for (const [sid, counts] of bySid) {
      for (const [place, what] of WHATS.entries()) {
        const count = counts[place];
        if (count > 0) yield { destination, sid, what, count };
      }
    }
  }
}
