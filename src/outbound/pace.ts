/** Lets so many visitors a second be looked at by all who share it, so that pages do not feel it. */
import { setTimeout as pause } from 'node:timers/promises';

export class Pace {
  readonly #rate: number;
  /** When the next ones may be looked at, by `performance.now()`. */
  #next = 0;

  /** @param rate visitors a second */
  constructor(rate: number) {
    this.#rate = rate;
  }

  /** Waits until some more visitors may be looked at. */
  async wait(visitors: number): Promise<void> {
    if (visitors === 0) return;
    const now = performance.now();
    const turn = Math.max(now, this.#next);
    this.#next = turn + (visitors / this.#rate) * 1_000;
    await pause(turn - now);
  }
}
