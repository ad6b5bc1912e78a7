/**
 * Entries that were read and are part of no message yet.
 *
 * A visitor is in one message at a time, and in it once: what happened to them later waits until that
 * message is done, so a partner hears of each visitor in order, however messages overtake each other.
 */
import type { Entry } from '../../store/outbox.ts';

export class Backlog {
  /** In order. */
  readonly #entries: Entry[] = [];
  /** Visitors who are in a message. */
  readonly #busy = new Set<string>();

  get size(): number {
    return this.#entries.length;
  }

  add(entries: readonly Entry[]): void {
    // One by one: there may be more than a call can be given.
    for (const entry of entries) this.#entries.push(entry);
  }

  /**
   * Entries for one message, in order; their visitors are busy from now on.
   *
   * @param queuedBefore only such, in Unix milliseconds
   */
  take(limit: number, queuedBefore = Number.POSITIVE_INFINITY): Entry[] {
    const taken: Entry[] = [];
    const passed = new Set<string>();
    for (let i = 0; i < this.#entries.length && taken.length < limit; i++) {
      const entry = this.#entries[i];
      const { deviceId, queuedAt } = entry;
      if (this.#busy.has(deviceId) || passed.has(deviceId)) continue;
      passed.add(deviceId);
      if (queuedAt >= queuedBefore) continue;
      taken.push(entry);
      this.#entries.splice(i--, 1);
    }
    this.occupy(taken);
    return taken;
  }

  /** Their visitors are in a message. */
  occupy(entries: readonly Entry[]): void {
    for (const { deviceId } of entries) this.#busy.add(deviceId);
  }

  /** The message of these entries is done. */
  free(entries: readonly Entry[]): void {
    for (const { deviceId } of entries) this.#busy.delete(deviceId);
  }
}
