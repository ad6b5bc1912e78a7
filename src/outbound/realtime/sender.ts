/**
 * The sender: brings one destination's queue to its partner, in real time.
 *
 * Any number of processes may have one for the same destination; whoever has leased the queue sends.
 * Where the store fails or the lease is lost, everything in memory is dropped: the queue knows it all.
 */
import { randomUUID } from 'node:crypto';
import type { Outbox } from '../../store/outbox.ts';
import { Lease, queueLease } from '../lease.ts';
import type { Terms } from '../terms.ts';
import type { Meet } from '../unreadable.ts';
import { within } from '../within.ts';
import { Circuit } from './circuit.ts';
import { Dispatch } from './dispatch.ts';
import { Endpoint } from './endpoint.ts';
import type { TrialNote } from './trial.ts';

export interface SenderOptions {
  /** The destination's id. */
  readonly id: number;
  readonly outbox: Outbox;
  /** As they are now. Nothing is sent while the destination is not there, is inactive, or wants files. */
  readonly terms: () => Terms;
  /** Where visitors were seen: the setting `REGION`. */
  readonly region: number;
  /** `OUTBOUND_ALLOW_PRIVATE`. */
  readonly allowPrivate: boolean;
  /**
   * A message is given up so many hours after the oldest of it was queued, but not before it could be sent
   * for so long, by whichever processes.
   */
  readonly retryHours: number;
  /** Where it is noted since when it is tried; without it, that is forgotten with the lease. */
  readonly trial?: TrialNote;
  /** Visitors who cannot be read: what is queued of them waits. */
  readonly unreadable: Meet;
  /** Says that nothing gets through, and why; or, without an error, that it does again. */
  readonly report: (error?: unknown) => void;
  /** Says, while nothing gets through, when it is tried again, in Unix milliseconds. */
  readonly paused?: (until: number) => void;
  /** Counts what arrived and what was given up: each move by its segment; 0: the messages. */
  readonly tally: (what: 'delivered' | 'failed', sid: number) => void;
  /** Messages under way at the same time; 8. */
  readonly concurrency?: number;
  /** Entries in memory, whatever waits; 1,000. */
  readonly maxHeld?: number;
  /** Authorities that partners' certificates may be signed by, PEM; the system's. */
  readonly ca?: string;
  /** How long an exchange may take, in milliseconds; 3 s. */
  readonly limit?: number;
  /** For how long the queue is leased at a time, in milliseconds; 12 s. */
  readonly lease?: number;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** With what is taken where nothing is given. */
export type Sending = SenderOptions &
  Required<Pick<SenderOptions, 'concurrency' | 'maxHeld' | 'now' | 'random'>>;

const CONCURRENCY = 8;
/** A partner that takes nothing costs no more memory. */
const MAX_HELD = 1_000;
/** How soon it is tried again to get the queue, or a store that failed. */
const AGAIN_MS = 1_000;
/** Given to what was broken off at the end. */
const LAST_MS = 500;

export class Sender {
  readonly #options: Sending;
  readonly #endpoint: Endpoint;
  /** What is known of the partner outlasts the lease. */
  readonly #circuit: Circuit;
  readonly #holder = randomUUID();
  #dispatch: Dispatch | undefined;
  #isClosing = false;
  #isStoreTroubled = false;
  #running: Promise<void> = Promise.resolve();
  #endPause: () => void = () => {};

  constructor(options: SenderOptions) {
    this.#options = {
      ...{ concurrency: CONCURRENCY, maxHeld: MAX_HELD, now: Date.now, random: Math.random },
      ...options,
    };
    const { allowPrivate, concurrency, ca, limit, paused } = this.#options;
    this.#circuit = new Circuit(paused);
    this.#endpoint = new Endpoint({ allowPrivate, connections: concurrency, ca, limit });
  }

  /** Sends from now on. */
  start(): void {
    this.#running = this.#run();
  }

  /** There is something new in the queue. Without being told, a sender looks every second. */
  wake(): void {
    this.#dispatch?.wake();
  }

  /** Tries at once to reach a partner that is away. Returns whether it is this process that sends. */
  probe(): boolean {
    this.#dispatch?.probe();
    return this.#dispatch !== undefined;
  }

  /** Starts nothing more, lets what is under way finish for so many milliseconds, and breaks off the rest. */
  async close(milliseconds: number): Promise<void> {
    this.#isClosing = true;
    this.#dispatch?.stir();
    this.#endPause();
    await within(milliseconds, this.#running);
    this.#endpoint.close();
    await within(LAST_MS, this.#running);
  }

  async #run(): Promise<void> {
    const { outbox, id, lease: milliseconds } = this.#options;
    while (!this.#isClosing) {
      try {
        const lease = await Lease.take(outbox, queueLease(id), this.#holder, milliseconds);
        if (lease) await this.#work(lease);
      } catch (error) {
        if (!this.#isStoreTroubled) this.#options.report(error);
        this.#isStoreTroubled = true;
      }
      if (!this.#isClosing) await this.#pause();
    }
  }

  async #work(lease: Lease): Promise<void> {
    const dispatch = new Dispatch(this.#options, {
      endpoint: this.#endpoint,
      circuit: this.#circuit,
      mayGoOn: () => !this.#isClosing && lease.isHeld,
    });
    this.#dispatch = dispatch;
    try {
      await dispatch.recover();
      if (this.#isStoreTroubled) this.#options.report();
      this.#isStoreTroubled = false;
      await dispatch.run();
    } finally {
      this.#dispatch = undefined;
      await lease.release();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, AGAIN_MS);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
