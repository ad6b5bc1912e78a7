/**
 * What a dispatch holds in memory of its queue: messages, which are sealed, and behind them the backlog. How
 * much room is left for more, and whose turn it is.
 */
import type { Sealed } from '../../store/outbox.ts';
import { Backlog } from './backlog.ts';

/** What failed so often, and is unwanted, may be given up early where the room is needed. */
const MIN_FAILURES = 3;

/** A message in memory, sealed. */
export interface Job {
  sealed: Sealed;
  isUnderWay: boolean;
  /** How often in a row it failed. */
  failures: number;
  /** How many messages the partner had taken before. */
  readonly taken: number;
  /** Whether it did not want this one, though it took others meanwhile. */
  isUnwanted: boolean;
  /** Whether it failed, the last time, for what it is, not since the partner was away. */
  isAtFault: boolean;
  /** Whether it waits for a new token: that it failed with an old one says nothing. */
  isRenewed: boolean;
  /** Why it failed, the last time. */
  problem: string;
  /** Not sent again before, in Unix milliseconds. */
  from: number;
}

export class Held {
  readonly #max: number;
  readonly backlog = new Backlog();
  /** Oldest first. */
  readonly #jobs = new Set<Job>();
  /** Those of them that were never sent. */
  readonly #fresh = new Set<Job>();
  #isNewFirst = false;

  /** @param max entries, whatever waits */
  constructor(max: number) {
    this.#max = max;
  }

  get isEmpty(): boolean {
    return this.#jobs.size === 0 && this.backlog.size === 0;
  }

  /** For how many entries more. */
  get room(): number {
    let held = this.backlog.size;
    for (const { sealed } of this.#jobs) held += sealed.entries.length;
    return this.#max - held;
  }

  /** Not for a few entries. */
  get hasRoom(): boolean {
    return this.room >= this.#max / 10;
  }

  /** How many messages were never sent. */
  get fresh(): number {
    return this.#fresh.size;
  }

  /** Messages that are not under way, oldest first. */
  *idle(): Generator<Job, void> {
    for (const job of this.#jobs) if (!job.isUnderWay) yield job;
  }

  /**
   * Messages that the partner refuses again and again, though it takes others, and those of visitors who
   * cannot be read.
   *
   * @returns oldest first, and how many entries they are with what waits behind them; undefined where that is
   *   less than half of all
   */
  unwanted(): { readonly jobs: readonly Job[]; readonly size: number } | undefined {
    const jobs = [...this.idle()].filter((job) => job.isUnwanted && job.failures >= MIN_FAILURES);
    const visitors = new Set(jobs.flatMap(visitorsOf));
    const size = visitors.size + this.backlog.countOf(visitors);
    return size < this.#max / 2 ? undefined : { jobs, size };
  }

  /**
   * @param sealed in the queue, too
   * @param taken how many messages the partner took before
   * @param isFresh whether it was sealed just now
   */
  add(sealed: Sealed, taken: number, isFresh = false): Job {
    const job: Job = {
      ...{ sealed, isUnderWay: false, failures: 0, problem: '', from: 0, isRenewed: false },
      ...{ taken, isUnwanted: false, isAtFault: false },
    };
    this.backlog.occupy(sealed.entries);
    this.#jobs.add(job);
    if (isFresh) this.#fresh.add(job);
    return job;
  }

  /** Whatever waits for its time may be sent now; but for some. */
  hasten(isMeant: (job: Job) => boolean = () => true): void {
    for (const job of this.idle()) if (isMeant(job)) job.from = 0;
  }

  start(job: Job): void {
    job.isUnderWay = true;
    this.#fresh.delete(job);
  }

  /** It is not sent any more; its visitors stay in a message. */
  remove(job: Job): void {
    this.#jobs.delete(job);
    this.#fresh.delete(job);
  }

  /** The queue knows that it is done. */
  release(job: Job): void {
    this.remove(job);
    this.backlog.free(job.sealed.entries);
  }

  /**
   * What is to be sent now.
   *
   * @param now Unix milliseconds
   * @param isProbe rather what has failed least: it may be the message that is wrong, not the partner
   */
  next(now: number, isProbe: boolean): Job | undefined {
    if (isProbe) return this.#firstFresh() ?? this.#due(now, 'failures');
    // By turns: neither what has failed nor what is new keeps the other.
    this.#isNewFirst = !this.#isNewFirst;
    if (this.#isNewFirst) return this.#firstFresh() ?? this.#due(now, 'from');
    return this.#due(now, 'from') ?? this.#firstFresh();
  }

  #firstFresh(): Job | undefined {
    return this.#fresh.values().next().value;
  }

  /** Of those whose time has come, the one with the least of something. */
  #due(now: number, by: 'from' | 'failures'): Job | undefined {
    let best: Job | undefined;
    for (const job of this.idle()) {
      if (job.from > now || this.#fresh.has(job)) continue;
      if (!best || job[by] < best[by]) best = job;
    }
    return best;
  }
}

export const visitorsOf = ({ sealed }: Job): string[] =>
  sealed.entries.map(({ deviceId }) => deviceId);
