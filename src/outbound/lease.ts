/** The right to something that one process at a time may do, kept for as long as it is worked on. */
import type { Outbox } from '../store/outbox.ts';

const LEASE_MS = 30_000;
const RENEWED_EVERY_MS = 10_000;
/** Whoever looks may still finish what takes so long. */
const MARGIN_MS = 5_000;

export class Lease {
  readonly #outbox: Outbox;
  readonly #name: string;
  /** Of the process's clock, in milliseconds. */
  #until = 0;
  readonly #timer: NodeJS.Timeout;

  /** @returns undefined where another process has it */
  static async take(outbox: Outbox, name: string): Promise<Lease | undefined> {
    const asked = performance.now();
    return (await outbox.lease(name, LEASE_MS)) ? new Lease(outbox, name, asked) : undefined;
  }

  private constructor(outbox: Outbox, name: string, asked: number) {
    this.#outbox = outbox;
    this.#name = name;
    this.#until = asked + LEASE_MS - MARGIN_MS;
    this.#timer = setInterval(() => void this.#renew(), RENEWED_EVERY_MS).unref();
  }

  /** Once it is not, it never is again: others may have worked on it since. */
  get isHeld(): boolean {
    if (performance.now() >= this.#until) this.#lose();
    return this.#until > 0;
  }

  async release(): Promise<void> {
    const wasHeld = this.isHeld;
    this.#lose();
    if (wasHeld) await this.#outbox.release(this.#name);
  }

  async #renew(): Promise<void> {
    if (!this.isHeld) return;
    const asked = performance.now();
    try {
      const isOurs = await this.#outbox.lease(this.#name, LEASE_MS);
      if (!this.isHeld) return;
      if (isOurs) this.#until = asked + LEASE_MS - MARGIN_MS;
      else this.#lose();
    } catch {
      // Tried again, until it runs out; whoever works with the store hears what is wrong with it.
    }
  }

  #lose(): void {
    this.#until = 0;
    clearInterval(this.#timer);
  }
}
