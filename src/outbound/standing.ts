/** How delivery to a destination stands, as the process that delivers said last. Kept in the registry. */
import type { Registry } from '../store/registry.ts';

export interface Standing {
  /** What is wrong with the partner now, in words; undefined if nothing is. */
  readonly problem?: string;
  /** Since when, in Unix milliseconds. */
  readonly since?: number;
  /** When something was delivered last, likewise. */
  readonly deliveredAt?: number;
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
  #timer: NodeJS.Timeout | undefined;

  constructor(registry: Registry, destination: number) {
    this.#registry = registry;
    this.#id = String(destination);
  }

  delivered(): void {
    this.#standing = { deliveredAt: Date.now() };
    this.#timer ??= setTimeout(() => this.#keep(), EVERY_MS).unref();
  }

  /** @param error what is wrong; nothing is without one */
  tell(error?: unknown): void {
    const { deliveredAt } = this.#standing;
    this.#standing = error
      ? { problem: (error as Error).message, since: Date.now(), deliveredAt }
      : { deliveredAt };
    this.#keep();
  }

  #keep(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Where the registry is away, the next one says it.
    this.#registry.put('delivery', this.#id, this.#standing).catch(() => undefined);
  }
}
