/** The moment at which a page gets its answer whatever the store does. */

/** One call that waits. */
export class Watch {
  /** Whether the deadline has passed. */
  expired = false;
  readonly at: number;
  #expire: (() => void) | undefined;

  constructor(at: number, expire: () => void) {
    this.at = at;
    this.#expire = expire;
  }

  /** Whether the deadline still means anything. */
  get open(): boolean {
    return this.#expire !== undefined;
  }

  /** The answer is decided. Lets go of the call, which would otherwise be kept until its time. */
  settle(): void {
    this.#expire = undefined;
  }

  expire(): void {
    const expire = this.#expire;
    if (!expire) return;
    this.#expire = undefined;
    this.expired = true;
    expire();
  }
}

/** All calls have the same time, so they expire in order: one timer serves them all. */
export class Deadline {
  readonly #milliseconds: number;
  #waiting: Watch[] = [];
  #armed = false;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  watch(expire: () => void): Watch {
    const watch = new Watch(performance.now() + this.#milliseconds, expire);
    this.#waiting.push(watch);
    if (!this.#armed) this.#arm(this.#milliseconds);
    return watch;
  }

  #arm(milliseconds: number): void {
    this.#armed = true;
    setTimeout(() => this.#check(), milliseconds);
  }

  #check(): void {
    const now = performance.now();
    this.#waiting = this.#waiting.filter((watch) => {
      if (watch.at <= now) watch.expire();
      return watch.open;
    });
    this.#armed = false;
    if (this.#waiting.length > 0) this.#arm(Math.max(1, this.#waiting[0].at - now));
  }
}
