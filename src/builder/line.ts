/** A line before work that takes much room: one at a time, a few wait, and who comes then is sent away. */
import { RestError } from './request.ts';

export class Line {
  readonly #maxWaiting: number;
  readonly #what: string;
  /** Those who wait, or are still sending; and whoever has their turn. */
  #inside = 0;
  #isBusy = false;
  /** Begin the next turns, first come, first served. */
  readonly #waiting: (() => void)[] = [];

  /** @param what such as "imports" */
  constructor(what: string, maxWaiting: number) {
    this.#what = what;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Does some work when it is its turn.
   *
   * @param read fetches what is needed for it before: who sends slowly holds up nobody else
   * @param signal of the call: who has gone takes no turn
   * @throws RestError where too many wait already
   */
  async take<Given, Result>(
    signal: AbortSignal,
    read: () => Promise<Given>,
    work: (given: Given) => Promise<Result>,
  ): Promise<Result> {
    if (this.#inside > this.#maxWaiting) {
      const wrong = `many ${this.#what} wait for their turn already`;
      throw new RestError(429, { path: '(address)', wrong, instead: 'try again in a few seconds' });
    }
    this.#inside++;
    try {
      const given = await read();
      await this.#turn(signal);
      try {
        return await work(given);
      } finally {
        this.#next();
      }
    } finally {
      this.#inside--;
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw gone();
    if (!this.#isBusy) {
      this.#isBusy = true;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      const place = this.#waiting.indexOf(resolve);
      if (place !== -1) this.#waiting.splice(place, 1);
      reject(gone());
    };
    this.#waiting.push(resolve);
    signal.addEventListener('abort', leave, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #next(): void {
    const begin = this.#waiting.shift();
    if (begin) begin();
    else this.#isBusy = false;
  }
}

/** Nobody reads it. */
const gone = () =>
  new RestError(503, { path: '(address)', wrong: 'the caller has gone', instead: 'ask again' });
