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
   * @param isMeant only such; who has an earlier one that is not is passed over
   */
  take(limit: number, isMeant: (entry: Entry) => boolean = () => true): Entry[] {
    const taken: Entry[] = [];
    const passed = new Set<string>();
    for (let i = 0; i < this.#entries.length && taken.length < limit; i++) {
      const entry = this.#entries[i];
      const { deviceId } = entry;
      if (this.#busy.has(deviceId) || passed.has(deviceId)) continue;
      passed.add(deviceId);
      if (!isMeant(entry)) continue;
      taken.push(entry);
      this.#entries.splice(i--, 1);
    }
    this.occupy(taken);
    return taken;
  }

  /** How many entries are of one of these visitors. */
  countOf(visitors: ReadonlySet<string>): number {
    let count = 0;
    for (const { deviceId } of this.#entries) if (visitors.has(deviceId)) count++;
    return count;
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
