/** Who calls abnormally often. */

const ROWS = 2;
const SLOTS = 1 << 16;
const WINDOW_MS = 60_000;

/**
 * Counts calls by id within a minute in a fixed amount of memory (a count-min sketch: a count can
 * come out too high, with many ids, never too low). A million ids a minute add about 15 to each.
 */
export class Guard {
  readonly #limit: number;
  readonly #counts = new Uint32Array(ROWS * SLOTS);
  #windowEnds = 0;

  /** @param limit calls of one id in a minute; 0: no limit */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts a call; whether it is one too many. */
  exceeds(id: string, now: number): boolean {
    if (this.#limit === 0) return false;
    if (now >= this.#windowEnds) {
      this.#counts.fill(0);
      this.#windowEnds = now + WINDOW_MS;
    }
    let first = 0x811c9dc5;
    let second = 0x9e3779b9;
    for (let i = 0; i < id.length; i++) {
      const code = id.charCodeAt(i);
      first = Math.imul(first ^ code, 0x01000193);
      second = Math.imul(second ^ code, 0x85ebca6b) ^ (second >>> 13);
    }
    const a = ++this.#counts[first >>> 16];
    const b = ++this.#counts[SLOTS + (second >>> 16)];
    return Math.min(a, b) > this.#limit;
  }
}
