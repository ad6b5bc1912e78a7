/** The moment at which a page gets its answer whatever the store does. */

/** One call that waits. */
export interface Watch {
  /** Set by the caller when the answer is decided: the deadline has no meaning any more. */
  done: boolean;
  /** Set when the deadline has passed. */
  expired: boolean;
}

interface Entry extends Watch {
  readonly at: number;
  readonly expire: () => void;
}

/** All calls have the same time, so they expire in order: one timer serves them all. */
export class Deadline {
  readonly #milliseconds: number;
  #waiting: Entry[] = [];
  #armed = false;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  watch(expire: () => void): Watch {
    const at = performance.now() + this.#milliseconds;
    const entry: Entry = { at, expire, done: false, expired: false };
    this.#waiting.push(entry);
    if (!this.#armed) this.#arm(this.#milliseconds);
    return entry;
  }

  #arm(milliseconds: number): void {
    this.#armed = true;
    setTimeout(() => this.#check(), milliseconds);
  }

  #check(): void {
    const now = performance.now();
    let i = 0;
    for (; i < this.#waiting.length && this.#waiting[i].at <= now; i++) {
      const entry = this.#waiting[i];
      if (entry.done) continue;
      entry.expired = true;
      entry.expire();
    }
    // What is done need not be kept until its time comes.
    this.#waiting = this.#waiting.slice(i).filter((entry) => !entry.done);
    this.#armed = false;
    if (this.#waiting.length > 0) this.#arm(Math.max(1, this.#waiting[0].at - now));
  }
}
