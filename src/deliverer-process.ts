/** The deliverer of a server that does everything: a child process, kept alive for as long as the server is. */
import { type ChildProcess, spawn } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { NODE, TTL_MS } from './heartbeat.ts';
import { LOOKUP_THREADS } from './outbound/address.ts';
import type { DelivererState } from './outbound/deliverers.ts';
import type { Registry } from './store/registry.ts';

/** Set for a deliverer that is the child of a server: the node that this is. */
export const CHILD = 'SWITCHYARD_DELIVERER';

/** What a child says to its server: that it is alive, or why it ends. */
interface Word {
  readonly why?: string;
}

/** Said by a child that ends, if it still can: why. */
export function sayLast(error: unknown): Promise<void> {
  return say({ why: error instanceof Error ? error.message : String(error) });
}

/** Has a child say that it is alive, from now on. */
export function giveSigns(): void {
  void say({});
  setInterval(() => void say({}), SIGN_MS).unref();
}

const say = (word: Word): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(word, undefined, undefined, () => resolve());
    else resolve();
  });

const SIGN_MS = 2_000;
/** A child that gives no sign for so long hangs: to read the largest account at its start takes some seconds. */
const SILENCE_MS = 60_000;

/** How long a deliverer's stop may take, whatever hangs: the counts need a moment even where there is none. */
export const stopMs = (shutdownMs: number) => Math.max(shutdownMs, MIN_STOP_MS);
const MIN_STOP_MS = 1_000;
/** After that, a child is ended by force. */
const GRACE_MS = 500;

/** Before one that has ended is started again: twice as long as before, unless it lived for long. */
const PAUSE_MS = { first: 1_000, longest: 30_000 };
const LONG_LIFE_MS = 30_000;

const STOPS = ['SIGINT', 'SIGTERM'] as const;

export class DelivererProcess {
  readonly #registry: Registry;
  readonly #log: Logger;
  readonly #shutdownMs: number;
  readonly #silenceMs: number;
  #child: ChildProcess | undefined;
  #pause = 0;
  #next: NodeJS.Timeout | undefined;
  #isOver = false;
  readonly #end = () => {
    this.#isOver = true;
  };

  /** @param silenceMs after so long without a sign of it, a child is ended by force */
  constructor(registry: Registry, log: Logger, shutdownMs: number, silenceMs = SILENCE_MS) {
    this.#registry = registry;
    this.#log = log;
    this.#shutdownMs = shutdownMs;
    this.#silenceMs = silenceMs;
    // A signal of the terminal reaches both: who ends by it is not replaced.
    for (const signal of STOPS) process.prependListener(signal, this.#end);
  }

  /** Starts it, unless it runs already, or is to be started again. One that ends is replaced. */
  start(): void {
    if (this.#child || this.#next || this.#isOver) return;
    const began = performance.now();
    const program = fileURLToPath(new URL('./node.ts', import.meta.url));
    const child = spawn(process.execPath, [program], {
      // When the server ends, the channel does, too.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {
        UV_THREADPOOL_SIZE: String(LOOKUP_THREADS),
        ...process.env,
        ROLE: 'deliver',
        [CHILD]: NODE,
      },
    });
    this.#child = child;
    giveWay(child);
    let last: string | undefined;
    // Counted, not measured: while the machine sleeps, neither of both can say or hear anything.
    let silent = 0;
    const watch = setInterval(() => {
      silent += SIGN_MS;
      if (silent < this.#silenceMs) return;
      last = `it hung: for ${this.#silenceMs / 1_000} s it gave no sign of life`;
      child.kill('SIGKILL');
    }, SIGN_MS).unref();
    child.on('message', ({ why }: Word) => {
      silent = 0;
      last = why ?? last;
    });
    child.once('exit', (code, signal) => {
      clearInterval(watch);
      const how = signal ?? `code ${code}`;
      this.#ended(last === undefined ? how : `${how}: ${last}`, performance.now() - began);
    });
    child.on('error', (error) => {
      // Else it is there, and ends sooner or later.
      if (child.pid !== undefined) return;
      clearInterval(watch);
      this.#ended(`it cannot be started: ${error.message}`, 0);
    });
    child.unref();
    child.channel?.unref();
  }

  async close(): Promise<void> {
    this.#end();
    for (const signal of STOPS) process.off(signal, this.#end);
    clearTimeout(this.#next);
    const child = this.#child;
    if (!child) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), stopMs(this.#shutdownMs) + GRACE_MS);
    await ended;
    clearTimeout(force);
  }

  #ended(why: string, lived: number): void {
    this.#child = undefined;
    if (this.#isOver) return;
    const { first, longest } = PAUSE_MS;
    this.#pause =
      lived > LONG_LIFE_MS ? first : Math.min(longest, Math.max(first, this.#pause * 2));
    this.#next = setTimeout(() => {
      this.#next = undefined;
      this.start();
    }, this.#pause).unref();
    const problem = `the process that delivers ended (${why}); it is started again after ${this.#pause / 1_000} s`;
    this.#log.error({ why, pause: this.#pause }, 'the deliverer ended and is replaced');
    const state: DelivererState = { node: NODE, at: Date.now(), problem };
    this.#registry
      .put('deliverer', NODE, state, { ttl: this.#pause + TTL_MS })
      // Where the registry is gone, that is what has to be known.
      .catch(() => undefined);
  }
}

/** Where there are too few processors for both, pages go first. */
function giveWay({ pid }: ChildProcess): void {
  try {
    if (pid) os.setPriority(pid, os.constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already, or the system does not allow it: then both are equals.
  }
}
