/**
 * Examines the visitors of one shard, one batch after the other: first those whom a visit has brought, since
 * partners are to hear of them in seconds; between them, at a rate, those whom time alone has brought, and
 * those whom a pass has not met yet.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Snapshot } from '../account/snapshot.ts';
import { HeldTraits } from '../audience/holdings.ts';
import type { Batch, Outbox } from '../store/outbox.ts';
import type { Registry } from '../store/registry.ts';
import { examine } from './examination.ts';
import { Lease } from './lease.ts';
import { keepPass, type Pass, passOf } from './pass.ts';
import type { Terms } from './terms.ts';
import type { Meet } from './unreadable.ts';

/** What is in force. */
export interface InForce {
  readonly snapshot: Snapshot;
  readonly revision: number;
  readonly terms: Terms;
}

export interface ExaminerOptions {
  readonly outbox: Outbox;
  readonly registry: Registry;
  readonly inForce: () => InForce;
  /** Visitors who have not come that are examined a second now, so that pages do not feel it. */
  readonly rate: () => number;
  /** Whether every process that answers pages has a revision in force. */
  readonly isEverywhere: (revision: number) => Promise<boolean>;
  /** Destinations have something in their queues that was not there before. */
  readonly moved: (destinations: Iterable<number>) => void;
  /** Visitors who cannot be read. */
  readonly unreadable: Meet;
  /** Says what is wrong; or, without an error, that it is over. */
  readonly report: (message: string, error?: unknown) => void;
}

/** How soon it is tried again to get the lease. */
const AGAIN_MS = 500;
const BATCH = 200;
/** Of those who have not come, no more at a time than a rate allows in so many milliseconds. */
const PACE_MS = 100;
const IDLE_MS = 50;
const RETRY_MS = 1_000;
const ASK_AGAIN_MS = 250;
/** How often it is written down how far a pass is. */
const NOTE_MS = 1_000;
/** The digest of a pass after which somebody was examined by other terms. */
const NO_LONGER = '';

export class Examiner {
  readonly #shard: string;
  readonly #options: ExaminerOptions;
  readonly #holder = randomUUID();
  #lease: Lease | undefined;
  #held: { readonly snapshot: Snapshot; readonly traits: HeldTraits } | undefined;
  #isOver = false;
  #ended: Promise<void> | undefined;
  #pass: Pass | undefined;
  #noted = { at: 0, examined: 0 };
  #behindSince: number | undefined;
  /** When the next of those who have not come may be examined, by `performance.now()`. */
  #paced = 0;

  constructor(shard: string, options: ExaminerOptions) {
    this.#shard = shard;
    this.#options = options;
  }

  /** Since when there are more whose time has come than the rate allows, in Unix milliseconds. */
  get behindSince(): number | undefined {
    return this.#behindSince;
  }

  start(): void {
    this.#ended ??= this.#run();
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { outbox, report } = this.#options;
    const name = `shard:${this.#shard}`;
    let isTroubled = false;
    while (!this.#isOver) {
      try {
        if (!this.#lease?.isHeld) {
          this.#lease = await Lease.take(outbox, name, this.#holder);
          // Somebody else may have gone on with it meanwhile.
          if (this.#lease) {
            this.#pass = await passOf(this.#options.registry, this.#shard);
            this.#noted = { at: performance.now(), examined: this.#pass?.examined ?? 0 };
          } else this.#behindSince = undefined;
        }
        const isBusy = this.#lease !== undefined && (await this.#step());
        if (isTroubled) report('visitors are examined again');
        isTroubled = false;
        if (!isBusy) await pause(this.#lease ? IDLE_MS : AGAIN_MS);
      } catch (error) {
        if (error instanceof Lost) continue;
        if (!isTroubled) report('visitors cannot be examined now', error);
        isTroubled = true;
        await this.#lease?.release().catch(() => undefined);
        this.#lease = undefined;
        await pause(RETRY_MS);
      }
    }
    if (this.#lease?.isHeld && this.#pass) await this.#note(this.#pass).catch(() => undefined);
    await this.#lease?.release().catch(() => undefined);
  }

  /** Returns whether there was anything to do. */
  async #step(): Promise<boolean> {
    const { outbox } = this.#options;
    const rate = this.#options.rate();
    const came = await outbox.due(this.#shard, BATCH, 'visit');
    await this.#examine(came);
    const isBusy = came.candidates.length > 0;
    const now = performance.now();
    if (now < this.#paced) return isBusy;
    const some = Math.min(BATCH, Math.ceil((rate * PACE_MS) / 1_000));
    const due = await outbox.due(this.#shard, some, 'time');
    // What a look came too late for is made up for, though not for more than a moment.
    this.#paced = Math.max(this.#paced, now - PACE_MS) + (due.candidates.length / rate) * 1_000;
    const isBehind = due.candidates.length === some;
    this.#behindSince = isBehind ? (this.#behindSince ?? Date.now()) : undefined;
    await this.#examine(due);
    const passed = await this.#goOn(some);
    this.#paced += ((passed ?? 0) / rate) * 1_000;
    return isBusy || due.candidates.length > 0 || passed !== undefined;
  }

  /**
   * Returns how many have moved.
   *
   * @throws Lost
   */
  async #examine(batch: Batch): Promise<number> {
    this.#check();
    const { outbox, inForce } = this.#options;
    const { snapshot, terms } = inForce();
    this.#options.unreadable(batch.unreadable ?? []);
    if (this.#held?.snapshot !== snapshot) {
      // Not the one that pages are decided by: here, awaits come in between.
      const traits = new HeldTraits(snapshot.traits, snapshot.traitPlaces);
      this.#held = { snapshot, traits };
    }
    const grounds = { snapshot, held: this.#held.traits, terms };
    const now = Date.now();
    if (batch.candidates.length === 0) return 0;
    const pass = this.#pass;
    if (pass && pass.digest !== terms.digest && pass.digest !== NO_LONGER) {
      // Should the account become again what it was: these are examined by another one.
      this.#pass = { ...pass, digest: NO_LONGER };
      await this.#note(this.#pass);
    }
    const outcomes = batch.candidates.map((candidate) => examine(candidate, grounds, now));
    this.#check();
    await outbox.settle(batch, outcomes);
    const movers = outcomes.filter(({ moves }) => moves.size > 0);
    if (movers.length > 0)
      this.#options.moved(new Set(movers.flatMap(({ moves }) => [...moves.keys()])));
    return movers.length;
  }

  /**
   * Before anything is kept: to read may have taken long, and somebody else may have gone on meanwhile.
   *
   * @throws Lost
   */
  #check(): void {
    if (!this.#lease?.isHeld) throw new Lost();
  }

  /**
   * Goes on with the pass, if one is due. Returns how many it has met; undefined: none is due.
   *
   * @throws Lost
   */
  async #goOn(limit: number): Promise<number | undefined> {
    const { outbox, inForce, registry } = this.#options;
    const { terms, revision } = inForce();
    let pass = this.#pass;
    if (pass?.digest !== terms.digest) {
      // Where nothing has ever been sent, there is nothing to take back either.
      if (!pass && terms.mappings.size === 0) return undefined;
      // Visits decided by an older account do not say that partners have to hear of them.
      if (!(await this.#options.isEverywhere(revision))) {
        this.#paced += ASK_AGAIN_MS;
        return undefined;
      }
      pass = {
        shard: this.#shard,
        digest: terms.digest,
        revision,
        startedAt: Date.now(),
        progress: 0,
        examined: 0,
        moved: 0,
      };
      this.#pass = pass;
      this.#noted = { at: performance.now(), examined: 0 };
      this.#check();
      await keepPass(registry, pass);
    }
    if (pass.finishedAt !== undefined) return undefined;
    const { batch, cursor, progress } = await outbox.walk(this.#shard, pass.cursor, limit);
    const size = batch.candidates.length;
    const moved = await this.#examine(batch);
    // What came in force meanwhile may have been too late for the first of them.
    if (inForce().terms.digest !== pass.digest || this.#pass !== pass) return size;
    const next: Pass = {
      ...pass,
      cursor,
      progress: cursor === undefined ? 1 : progress,
      examined: pass.examined + size,
      moved: pass.moved + moved,
      ...(cursor === undefined && { finishedAt: Date.now() }),
    };
    this.#pass = next;
    if (next.finishedAt !== undefined || performance.now() - this.#noted.at > NOTE_MS) {
      await this.#note(next);
    }
    return size;
  }

  async #note(pass: Pass): Promise<void> {
    this.#check();
    const now = performance.now();
    const { startedAt, finishedAt, examined } = pass;
    const [seen, milliseconds] =
      finishedAt === undefined
        ? [examined - this.#noted.examined, now - this.#noted.at]
        : [examined, finishedAt - startedAt];
    this.#noted = { at: now, examined };
    const perSecond = (seen * 1_000) / Math.max(1, milliseconds);
    await keepPass(this.#options.registry, { ...pass, perSecond });
  }
}

/** Another process may have the shard by now. */
class Lost extends Error {}
