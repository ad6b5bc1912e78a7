/** The right to something that one at a time may do, kept for as long as it is worked on. */
import type { Outbox } from '../store/outbox.ts';

const LEASE_MS = 12_000;
/**
 * Of a lease, so much counts as held. The rest is for what was begun right before: a message is on its way
 * for up to 3 s (`realtime/endpoint.ts`), and is composed before that; an answer of Redis takes as long at
 * most (`store/redis/connection.ts`).
 */
const HELD = 2 / 3;
/** After so much of it, it is renewed: twice before it is lost. */
const RENEWED = 1 / 4;

/**
 * The right to a destination's queue, and to its unfinished files: while an account comes in force, one
 * process may still send what another one writes to files already.
 */
export const queueLease = (destination: number): string => `queue:${destination}`;

export class Lease {
  readonly #outbox: Outbox;
  readonly #name: string;
  readonly #holder: string;
  readonly #milliseconds: number;
  /** Of the process's clock, in milliseconds. */
  #until = 0;
  #timer: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;
  readonly #lost = new AbortController();

  /**
   * @param holder whoever takes it time and again, under the same name: what they could not release is theirs
   * @param milliseconds after so long, at most, another process can have it where this one is killed
   * @returns undefined where somebody else has it
   */
  static async take(
    outbox: Outbox,
    name: string,
    holder: string,
    milliseconds = LEASE_MS,
  ): Promise<Lease | undefined> {
    const lease = new Lease(outbox, name, holder, milliseconds);
    return (await lease.#ask()) ? lease : undefined;
  }

  private constructor(outbox: Outbox, name: string, holder: string, milliseconds: number) {
    this.#outbox = outbox;
    this.#name = name;
    this.#holder = holder;
    this.#milliseconds = milliseconds;
  }

  /**
   * Whoever looks may begin what is over within a third of it. Once it is not held, it never is again: others
   * may have worked on it since.
   */
  get isHeld(): boolean {
    if (performance.now() >= this.#until) this.#lose();
    return this.#until > 0;
  }

  /** Aborted as soon as it is not held any more: breaks off what takes longer than anybody may wait to look. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    const wasHeld = this.isHeld;
    this.#lose();
    if (wasHeld) await this.#outbox.release(this.#name, this.#holder);
  }

  async #renew(): Promise<void> {
    try {
      if (this.isHeld && !(await this.#ask())) this.#lose();
    } catch {
      // Tried again, until it runs out; whoever works with the store hears what is wrong with it.
    }
  }

  async #ask(): Promise<boolean> {
    const asked = performance.now();
    const isFirst = this.#timer === undefined;
    const isOurs = await this.#outbox.lease(this.#name, this.#holder, this.#milliseconds);
    // It may have run out meanwhile: then it is lost.
    if (!isOurs || !(isFirst || this.isHeld)) return false;
    this.#until = asked + this.#milliseconds * HELD;
    clearTimeout(this.#end);
    this.#end = setTimeout(() => this.#lose(), this.#until - performance.now()).unref();
    this.#timer ??= setInterval(() => void this.#renew(), this.#milliseconds * RENEWED).unref();
    return true;
  }

  #lose(): void {
    this.#until = 0;
    clearInterval(this.#timer);
    clearTimeout(this.#end);
    this.#lost.abort();
  }
}
