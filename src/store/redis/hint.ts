/**
 * Hints of page servers to deliverers, in a Cluster: in which slots somebody came onto the agenda. Each
 * slot has an agenda of its own, and asking them all takes a while. One that is lost costs time only.
 */
import type { RedisClient } from './client.ts';

const EVERY_MS = 50;

export const hintChannel = (prefix: string) => `${prefix}agenda`;

export class Hints {
  readonly #client: RedisClient;
  readonly #prefix: string;
  readonly #slots = new Set<number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(client: RedisClient, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  add(slot: number): void {
    this.#slots.add(slot);
    this.#timer ??= setTimeout(() => this.#send(), EVERY_MS).unref();
  }

  /** Sends what was not sent yet. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#slots.size > 0) this.#send();
  }

  #send(): void {
    this.#timer = undefined;
    const bytes = Buffer.from(Uint16Array.from(this.#slots).buffer);
    this.#slots.clear();
    this.#client.publish(hintChannel(this.#prefix), bytes).catch(() => undefined);
  }
}

/** The slots that a hint names. */
export function* slotsIn(hint: Uint8Array): Generator<number> {
  for (let at = 0; at + 1 < hint.length; at += 2) yield hint[at] | (hint[at + 1] << 8);
}
