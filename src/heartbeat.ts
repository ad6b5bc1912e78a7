/** Tells everybody, every few seconds, that a process is there, and how it is. */
import os from 'node:os';
import { within } from './outbound/within.ts';
import type { Kind, Registry } from './store/registry.ts';

/** Each process says so often that it is there; whoever has not for a while is gone. */
const BEAT_MS = 3_000;
export const TTL_MS = 10_000;
/** So long a stop waits for a registry that does not answer. */
const CLOSE_MS = 1_000;

/** What this process is called: host name and process id. */
export const NODE = `${os.hostname()}:${process.pid}`;

export class Heartbeat {
  readonly #registry: Registry;
  readonly #kind: Extract<Kind, 'node' | 'deliverer'>;
  readonly #state: () => object;
  readonly #node: string;
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<unknown> | undefined;
  #isChanged = false;
  #isOver = false;

  /**
   * @param state what is to be said now, beside the name and the time
   * @param node what the process is called
   */
  constructor(
    registry: Registry,
    kind: Extract<Kind, 'node' | 'deliverer'>,
    state: () => object,
    node = NODE,
  ) {
    this.#registry = registry;
    this.#kind = kind;
    this.#state = state;
    this.#node = node;
    this.#timer = setInterval(() => this.beat(), BEAT_MS).unref();
    this.beat();
  }

  /** Says at once what is so now. */
  beat(): void {
    if (this.#isOver) return;
    if (this.#writing) {
      this.#isChanged = true;
      return;
    }
    this.#isChanged = false;
    const state = { node: this.#node, at: Date.now(), ...this.#state() };
    this.#writing = this.#registry
      .put(this.#kind, this.#node, state, { ttl: TTL_MS })
      // Where the registry is gone, the next beat says it again.
      .catch(() => undefined)
      .then(() => {
        this.#writing = undefined;
        if (this.#isChanged) this.beat();
      });
  }

  /** This process will be gone. */
  async close(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#timer);
    const removed = (this.#writing ?? Promise.resolve()).then(() =>
      this.#registry.remove(this.#kind, this.#node),
    );
    await within(CLOSE_MS, removed);
  }
}
