/**
 * Since when it is tried to reach a partner: in the registry, for as long as anything waits, so that it
 * outlasts the process that tries. Where nobody has tried for some minutes, it begins anew: no message is
 * given up for a time in which nobody could send it.
 */
import type { Registry } from '../../store/registry.ts';

/** All times are Unix milliseconds. */
export interface Trial {
  /** Since when anything could be sent. */
  readonly since: number;
  /** Since when the partner has failed; undefined: it has not, the last time. */
  readonly failingSince?: number;
  /** When somebody tried last, as far as it was noted. */
  readonly at: number;
}

/** How often it is noted, in milliseconds, while it is tried; sooner, where the partner fails or does so no more. */
export const NOTE_MS = { same: 60_000, news: 2_000 };
/** Between two processes that try, no more may go by. */
const GAP_MS = 300_000;

export class TrialNote {
  readonly #registry: Registry;
  readonly #id: string;

  constructor(registry: Registry, destination: number) {
    this.#registry = registry;
    this.#id = String(destination);
  }

  /**
   * @returns undefined where nobody has tried lately
   * @throws StoreError where the registry cannot be read now
   */
  async read(now: number): Promise<Trial | undefined> {
    const kept = await this.#registry.get<Trial>('trial', this.#id);
    return kept && now - kept.value.at < GAP_MS ? kept.value : undefined;
  }

  /** Where the registry is away, the next note says it. */
  keep(trial: Trial): void {
    this.#registry.put('trial', this.#id, trial, { ttl: GAP_MS }).catch(() => undefined);
  }
}
