/** How delivery to a destination stands, as the process that delivers said last. Kept in the registry. */
import type { Registry } from '../store/registry.ts';

export interface Standing {
  /** What is wrong with the partner now, in words; undefined if nothing is. */
  readonly problem?: string;
  /** Since when, in Unix milliseconds. */
  readonly since?: number;
  /** Not before then is it tried again, likewise: the circuit is open, or the partner wants to be left alone. */
  readonly next?: number;
  /** When something was delivered last, likewise. */
  readonly deliveredAt?: number;
  /** Messages a second by then. */
  readonly perSecond?: number;
}

/** Of all destinations, by their ids. */
export async function standings(registry: Registry): Promise<ReadonlyMap<number, Standing>> {
  const all = await registry.list<Standing>('delivery');
  return new Map(all.map(({ id, value }) => [Number(id), value]));
}

/** Not each message is written down. */
const EVERY_MS = 2_000;

/** Writes down how delivery to one destination stands. */
export class StandingKeeper {
  readonly #registry: Registry;
  readonly #id: string;
  #standing: Standing = {};
  /** Messages that were delivered since the timer was set. */
  #delivered = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(registry: Registry, destination: number) {
    this.#registry = registry;
    this.#id = String(destination);
  }

  delivered(): void {
    this.#delivered++;
    this.#standing = { ...this.#standing, deliveredAt: Date.now() };
    this.#keepSoon();
  }

  /** @param until nothing is sent before then, in Unix milliseconds */
  paused(until: number): void {
    this.#standing = { ...this.#standing, next: until };
    this.#keepSoon();
  }

  /** @param error what is wrong; nothing is without one */
  tell(error?: unknown): void {
    const { deliveredAt, next } = this.#standing;
    this.#standing = error
      ? { problem: (error as Error).message, since: Date.now(), next, deliveredAt }
      : { deliveredAt };
    this.#keep();
  }

  #keepSoon(): void {
    if (this.#timer) return;
    const began = performance.now();
    this.#timer = setTimeout(() => {
      const perSecond = (this.#delivered * 1_000) / (performance.now() - began);
      if (this.#delivered > 0) this.#standing = { ...this.#standing, perSecond };
      this.#keep();
    }, EVERY_MS).unref();
  }

  #keep(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#delivered = 0;
    // Where the registry is away, the next one says it.
    this.#registry.put('delivery', this.#id, this.#standing).catch(() => undefined);
  }
}
