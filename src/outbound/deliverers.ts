/**
 * The processes that deliver, as each of them says in the registry every few seconds; of one that has
 * ended, what started it says so.
 */
import type { Registry } from '../store/registry.ts';

export interface DelivererState {
  /** Host name and process id; of a child, those of the server that started it. */
  readonly node: string;
  /** When it said so last, in Unix milliseconds. */
  readonly at: number;
  /** What is wrong with it now, in words; undefined if nothing is. */
  readonly problem?: string;
  /** Since when visitors whose time has come wait for their turn, likewise; undefined: they do not. */
  readonly behindSince?: number;
}

export const deliverers = async (registry: Registry): Promise<DelivererState[]> =>
  (await registry.list<DelivererState>('deliverer')).map(({ value }) => value);

/** What keeps everything from being delivered, in words; undefined where some process delivers. */
export function standstill(all: readonly DelivererState[]): string | undefined {
  if (all.length === 0) return 'no process delivers now';
  if (all.some(({ problem }) => problem === undefined)) return undefined;
  return all.map(({ node, problem }) => `${node}: ${problem}`).join('; ');
}

const LOOK_MS = 1_000;
/** A process that starts, or is started anew elsewhere, takes its time to say that it is there. */
const PATIENCE_MS = 10_000;

/** Looks whether somebody delivers, for a server that answers pages. */
export class DeliveryWatch {
  readonly #registry: Registry;
  readonly #sends: () => boolean;
  #problem: string | undefined;
  /** When somebody was there last. */
  #seen = performance.now();
  #isLooking = false;

  /** @param sends whether there is anything to deliver */
  constructor(registry: Registry, sends: () => boolean) {
    this.#registry = registry;
    this.#sends = sends;
    setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  /** What keeps everything from being delivered now, in words. */
  get problem(): string | undefined {
    return this.#sends() ? this.#problem : undefined;
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const all = await deliverers(this.#registry);
      if (all.length > 0 || !this.#sends()) this.#seen = performance.now();
      const isAwaited = all.length === 0 && performance.now() - this.#seen < PATIENCE_MS;
      this.#problem = isAwaited ? undefined : standstill(all);
    } catch {
      // What is wrong with the store is said already.
    } finally {
      this.#isLooking = false;
    }
  }
}
