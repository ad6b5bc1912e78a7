/**
 * The runner: makes the runs of one destination that gets files, by its schedule or when asked to.
 *
 * Any number of processes may have one for the same destination; whoever has leased its queue runs.
 * While the target does not take files, the run is tried again until it does, and the next one waits.
 */
import { randomUUID } from 'node:crypto';
import type { FileTarget } from '../../destinations/destination.ts';
import type { Outbox } from '../../store/outbox.ts';
import { Lease, queueLease } from '../lease.ts';
import { reasonOf } from '../reason.ts';
import type { Terms } from '../terms.ts';
import type { Meet } from '../unreadable.ts';
import { within } from '../within.ts';
import {
  type CompleteRun,
  type FileDestination,
  FileRuns,
  type FileRunsOptions,
} from './file-run.ts';
import { nextRun } from './schedule.ts';
import { type Target, TargetError } from './target.ts';

/** What is known of a run. */
export type RunReport =
  | { readonly state: 'running'; readonly at: number }
  | {
      readonly state: 'failing';
      /** When this try began, in Unix milliseconds. */
      readonly at: number;
      /** Why, in words. */
      readonly problem: string;
      /** When it is tried again, in Unix milliseconds. */
      readonly next: number;
    }
  | {
      readonly state: 'complete';
      readonly run: CompleteRun;
      /** Unix milliseconds. */
      readonly finished: number;
    };

export interface FileRunnerOptions {
  /** The destination's id. */
  readonly id: number;
  readonly outbox: Outbox;
  /** The folder for its unfinished files; no other destination's. */
  readonly folder: string;
  /** As they are now. Nothing runs while the destination is not there, is inactive, or wants no files. */
  readonly terms: () => Terms;
  /** The mapped segments that a visitor is in now, and of which the partner may hear. */
  readonly members: FileRunsOptions['members'];
  /** Visitors who cannot be read. */
  readonly unreadable: Meet;
  /** @param signal breaks off what is under way there */
  readonly open: (target: FileTarget, signal: AbortSignal) => Promise<Target>;
  /**
   * After when the schedule counts (see `dueAfter`), for whatever process asks; both in Unix milliseconds.
   */
  readonly dueAfter: (now: number) => Promise<number>;
  /** Keeps what came of a run, for all processes. */
  readonly report: (report: RunReport) => Promise<void>;
  /** Waited for before some visitors are read, so that pages do not feel it. */
  readonly pace?: FileRunsOptions['pace'];
  /** The first and the longest time between two tries, in milliseconds; 1 s and 10 min. */
  readonly retry?: { readonly first: number; readonly longest: number };
  /** Unix milliseconds. */
  readonly now?: () => number;
}

const RETRY = { first: 1_000, longest: 600_000 };
/** How soon it is tried again to get the lease, or a store that failed. */
const AGAIN_MS = 1_000;
/** So often a schedule is looked at anew, though nobody says that it has changed. */
const LOOK_MS = 60_000;
/** Given to what was broken off at the end. */
const LAST_MS = 500;

export class FileRunner {
  readonly #options: FileRunnerOptions;
  readonly #holder = randomUUID();
  readonly #breakOff = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isClosing = false;
  #isMine = false;
  #isWished = false;
  #endPause: () => void = () => {};

  constructor(options: FileRunnerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#live();
  }

  /** Has it run now. Returns whether this is the process that does. */
  run(): boolean {
    this.#isWished = true;
    this.#endPause();
    return this.#isMine;
  }

  /** The account has changed: what was waited for may come sooner now. */
  wake(): void {
    this.#endPause();
  }

  /**
   * Begins nothing more, lets a file that is on its way arrive for so many milliseconds, and breaks off the
   * rest; whoever comes next goes on with it.
   */
  async close(milliseconds = 0): Promise<void> {
    this.#isClosing = true;
    this.#endPause();
    await within(milliseconds, this.#running);
    this.#breakOff.abort();
    await within(LAST_MS, this.#running);
  }

  async #live(): Promise<void> {
    const { id, outbox } = this.#options;
    while (!this.#isClosing) {
      try {
        const lease = await Lease.take(outbox, queueLease(id), this.#holder);
        if (lease) {
          this.#isMine = true;
          await this.#work(lease).finally(() => {
            this.#isMine = false;
            return lease.release();
          });
        } else {
          // Whoever has the lease was asked, too.
          this.#isWished = false;
        }
      } catch (error) {
        if (!(error instanceof Stopped)) await this.#failed(error, AGAIN_MS).catch(() => {});
      }
      await this.#pause(AGAIN_MS);
    }
  }

  async #work(lease: Lease): Promise<void> {
    const { id, outbox, folder, terms, members, unreadable, open, pace, now } = this.#options;
    // Who has the lease next may put a file of the same name.
    const signal = AbortSignal.any([this.#breakOff.signal, lease.signal]);
    const check = () => {
      if (this.#isClosing || !lease.isHeld) throw new Stopped();
    };
    const runs = new FileRuns({
      ...{ id, outbox, folder, terms, members, unreadable, now },
      open: (target) => open(target, signal),
      pace: async (visitors) => {
        check();
        await pace?.(visitors);
        // The wait may have been long.
        check();
      },
    });
    let isDue = await runs.recover();
    let last = await this.#options.dueAfter(this.#now());
    let wait = 0;
    for (;;) {
      check();
      const destination = this.#destination();
      const next = destination ? this.#next(destination, last) : Number.POSITIVE_INFINITY;
      if (!destination || !(isDue || this.#isWished || next <= this.#now())) {
        await this.#pause(Math.min(LOOK_MS, next - this.#now()));
        continue;
      }
      this.#isWished = false;
      // A run that is not complete is due until it is.
      isDue = true;
      await this.#options.report({ state: 'running', at: this.#now() });
      try {
        const run = await runs.run(destination);
        last = run.at;
        isDue = run.hasMore;
        wait = 0;
        await this.#options.report({ state: 'complete', run, finished: this.#now() });
      } catch (error) {
        if (!(error instanceof TargetError)) throw error;
        // What was broken off has not failed.
        check();
        wait = this.#longer(wait);
        await this.#failed(error, wait);
        await this.#pause(wait);
      }
    }
  }

  #next({ transfer }: FileDestination, last: number): number {
    return transfer.schedule === undefined
      ? Number.POSITIVE_INFINITY
      : nextRun(transfer.schedule, last);
  }

  /** Undefined where it gets no files now. */
  #destination(): FileDestination | undefined {
    const destination = this.#options.terms().destinations.get(this.#options.id);
    return destination?.active && destination.transfer.kind === 'file'
      ? (destination as FileDestination)
      : undefined;
  }

  /** Twice as long as before, by chance a little less: not everybody comes back at once. */
  #longer(wait: number): number {
    const { first, longest } = this.#options.retry ?? RETRY;
    const longer = Math.min(longest, Math.max(first, wait * 2));
    return Math.round(longer * (1 - Math.random() / 4));
  }

  async #failed(error: unknown, wait: number): Promise<void> {
    const at = this.#now();
    await this.#options.report({ state: 'failing', at, problem: reasonOf(error), next: at + wait });
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.#isClosing) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, milliseconds));
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** This process may not go on: it closes, or another one has the lease. */
class Stopped extends Error {}
