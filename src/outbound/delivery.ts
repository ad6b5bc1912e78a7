/**
 * Delivery: everything that one process does for server-to-server destinations. Any number of processes
 * may do it together: each works on the shards and the queues that it has leased.
 */

import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Snapshot } from '../account/snapshot.ts';
import { inTurns } from '../account/turns.ts';
import { HeldTraits } from '../audience/holdings.ts';
import { dayOf, type Profile } from '../audience/profile.ts';
import type { Tally } from '../destinations/tally.ts';
import type { Outbox } from '../store/outbox.ts';
import type { Registry } from '../store/registry.ts';
import { CensusTaker } from './census/census-taker.ts';
import { membersOf } from './examination.ts';
import { Examiner, type InForce } from './examiner.ts';
import { FileRunner } from './files/file-runner.ts';
import { openTarget } from './files/open-target.ts';
import { dueAfter, keepRun } from './files/run-history.ts';
import { Lease } from './lease.ts';
import { Leftovers } from './leftovers.ts';
import { obey } from './order.ts';
import { Pace } from './pace.ts';
import { DeadLetters } from './realtime/dead-letters.ts';
import { Sender } from './realtime/sender.ts';
import { TrialNote } from './realtime/trial.ts';
import { StandingKeeper } from './standing.ts';
import { termsOf } from './terms.ts';
import { type Meet, unreadableReport } from './unreadable.ts';
import { within } from './within.ts';
import { workFolderOf } from './work-folder.ts';

export interface DeliveryOptions {
  readonly outbox: Outbox;
  readonly registry: Registry;
  /** The revision of the account that was saved last. */
  readonly savedRevision: () => Promise<number>;
  /** Visitors who have not come that are examined a second, in all shards together. */
  readonly rate: number;
  readonly allowPrivate: boolean;
  /** Below which destinations may have files written. */
  readonly targetFolder: string;
  /** For files that are not complete. */
  readonly workFolder: string;
  readonly retryHours: number;
  /** `PROFILE_TTL_DAYS`: dead letters are kept no longer. */
  readonly profileDays: number;
  readonly region: number;
  /** Counts what arrives. */
  readonly tally: Tally;
  /** Says what an operator has to know; without an error, that it is over. */
  readonly report: (message: string, error?: unknown) => void;
  /** How often it is looked what is left of destinations that are gone, in milliseconds; 30 s. */
  readonly tidyMs?: number;
}

/** How often the shards, the day and the orders are looked at. */
const TEND_MS = 250;
/** Between two turns of something that takes several. */
const BUSY_MS = 10;
const SHARDS_MS = 5_000;
const TIDY_MS = 30_000;
/** A process that answers pages and does not say what it has in force is waited for no longer. */
const NODE_MS = 15_000;
/** Given to what was broken off at the end. */
const LAST_MS = 600;

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #holder = randomUUID();
  readonly #examiners = new Map<string, Examiner>();
  readonly #senders = new Map<number, Sender>();
  readonly #runners = new Map<number, FileRunner>();
  readonly #censusTaker: CensusTaker;
  readonly #unreadable: Meet;
  readonly #deadLetters: DeadLetters;
  readonly #leftovers: Leftovers;
  /** What file runs look at visitors by: examiners have their own, since awaits come in between. */
  #held: { readonly snapshot: Snapshot; readonly traits: HeldTraits } | undefined;
  /** Of all file runs. */
  readonly #pace: Pace;
  /** How many shards there are, whoever works on them. */
  #shards = 1;
  #inForce: InForce;
  #day: number;
  #since = Date.now();
  #isOver = false;
  #taking: Promise<void> = Promise.resolve();
  /** What is wrong with the queues now. */
  #trouble: Error | undefined;
  #tending: Promise<void> | undefined;

  private constructor(options: DeliveryOptions, inForce: InForce, day: number) {
    this.#options = options;
    this.#inForce = inForce;
    this.#day = day;
    this.#pace = new Pace(options.rate);
    this.#unreadable = unreadableReport(options.report);
    this.#deadLetters = new DeadLetters({ ...options, terms: () => this.#inForce.terms });
    this.#leftovers = new Leftovers({ ...options, inForce: () => this.#inForce });
    const { outbox, registry, rate, report, workFolder } = options;
    this.#censusTaker = new CensusTaker({
      ...{ outbox, registry, rate, report },
      folder: path.join(workFolder, 'census'),
      inForce: () => this.#inForce,
    });
  }

  static async start(
    options: DeliveryOptions,
    snapshot: Snapshot,
    revision: number,
  ): Promise<Delivery> {
    const day = dayOf(Date.now());
    const terms = await inTurns(termsOf(snapshot, day));
    const delivery = new Delivery(options, { snapshot, revision, terms }, day);
    delivery.#tending = delivery.#tend();
    delivery.#censusTaker.start();
    return delivery;
  }

  /** Another account is in force from now on. */
  takeOver(snapshot: Snapshot, revision: number): Promise<void> {
    return this.#inTurn(() => this.#take(snapshot, revision));
  }

  /** One account after the other; one that cannot be taken keeps none after it back. */
  #inTurn(take: () => Promise<void>): Promise<void> {
    const taken = this.#taking.then(take);
    this.#taking = taken.catch(() => undefined);
    return taken;
  }

  async #take(snapshot: Snapshot, revision: number): Promise<void> {
    const terms = await inTurns(termsOf(snapshot, this.#day));
    this.#inForce = { snapshot, revision, terms };
    this.#since = Date.now();
    this.#man();
  }

  /** A day begins or ends mappings. */
  #turnDay(): Promise<void> {
    this.#day = dayOf(Date.now());
    return this.#inTurn(() => this.#take(this.#inForce.snapshot, this.#inForce.revision));
  }

  /** What is wrong with it now; undefined if nothing is. */
  get problem(): string | undefined {
    return this.#trouble?.message;
  }

  /** Since when visitors whose time has come wait for their turn, in Unix milliseconds; undefined: they do not. */
  get behindSince(): number | undefined {
    const all = [...this.#examiners.values()].flatMap(({ behindSince }) => behindSince ?? []);
    return all.length > 0 ? Math.min(...all) : undefined;
  }

  /** Lets what is under way finish, for so many milliseconds; then it is broken off, whatever hangs. */
  async close(milliseconds: number): Promise<void> {
    this.#isOver = true;
    const closed = Promise.all([
      this.#tending,
      this.#censusTaker.close(),
      ...[...this.#examiners.values()].map((examiner) => examiner.close()),
      ...[...this.#senders.values()].map((sender) => sender.close(milliseconds)),
      ...[...this.#runners.values()].map((runner) => runner.close(milliseconds)),
    ]);
    await within(milliseconds + LAST_MS, closed);
  }

  async #tend(): Promise<void> {
    this.#man();
    let [shardsAt, tidiedAt] = [Number.NEGATIVE_INFINITY, performance.now()];
    const { tidyMs = TIDY_MS } = this.#options;
    let orders: Lease | undefined;
    let isBusy = false;
    while (!this.#isOver) {
      try {
        const now = performance.now();
        if (dayOf(Date.now()) !== this.#day) await this.#turnDay();
        if (now - shardsAt > SHARDS_MS) {
          await this.#manShards();
          shardsAt = now;
        }
        const { outbox, registry } = this.#options;
        // It keeps itself: to ask each time would write each time.
        if (!orders?.isHeld) orders = await Lease.take(outbox, 'orders', this.#holder);
        const isFirst = orders !== undefined;
        isBusy = await obey(registry, isFirst ? outbox : undefined, {
          run: (id) => this.#runners.get(id)?.run() ?? false,
          probe: (id) => this.#senders.get(id)?.probe() ?? false,
        });
        if (orders) await this.#deadLetters.step(orders);
        if (now - tidiedAt > tidyMs) {
          tidiedAt = now;
          await this.#leftovers
            .forget(isFirst)
            .catch((error) => this.#options.report('destinations that are gone stay', error));
        }
        if (this.#trouble) this.#options.report('delivery goes on');
        this.#trouble = undefined;
      } catch (error) {
        if (!this.#trouble) this.#options.report('delivery waits', error);
        this.#trouble = error as Error;
        isBusy = false;
      }
      await pause(isBusy ? BUSY_MS : TEND_MS);
    }
    await orders?.release().catch(() => undefined);
  }

  async #manShards(): Promise<void> {
    const { outbox, registry, rate, report } = this.#options;
    const shards = await outbox.shards();
    this.#shards = Math.max(1, shards.length);
    for (const shard of shards) {
      if (this.#examiners.has(shard)) continue;
      const examiner = new Examiner(shard, {
        outbox,
        registry,
        // Each has its share, whichever processes have the others.
        rate: () => rate / this.#shards,
        report,
        unreadable: this.#unreadable,
        moved: (destinations) => {
          for (const id of destinations) this.#senders.get(id)?.wake();
        },
        inForce: () => this.#inForce,
        isEverywhere: (revision) => this.#isEverywhere(revision),
      });
      this.#examiners.set(shard, examiner);
      examiner.start();
    }
    for (const [shard, examiner] of this.#examiners) {
      if (shards.includes(shard)) continue;
      this.#examiners.delete(shard);
      void examiner.close();
    }
  }

  /** Has a sender, or a runner, for each destination. */
  #man(): void {
    const { destinations } = this.#inForce.terms;
    for (const { id, transfer } of destinations.values()) {
      if (transfer.kind === 'realtime') this.#manSender(id);
      else this.#manRunner(id);
    }
    for (const [id, sender] of this.#senders) {
      if (destinations.get(id)?.transfer.kind === 'realtime') continue;
      this.#senders.delete(id);
      void sender.close(0);
    }
    for (const [id, runner] of this.#runners) {
      if (destinations.get(id)?.transfer.kind === 'file') runner.wake();
      else {
        this.#runners.delete(id);
        void runner.close();
      }
    }
  }

  #manSender(id: number): void {
    if (this.#senders.has(id)) return;
    const { outbox, registry, allowPrivate, retryHours, region, tally, report } = this.#options;
    const standing = new StandingKeeper(registry, id);
    const sender = new Sender({
      id,
      outbox,
      allowPrivate,
      retryHours,
      trial: new TrialNote(registry, id),
      region,
      terms: () => this.#inForce.terms,
      unreadable: this.#unreadable,
      tally: (what, sid) => {
        tally.count(id, sid, what);
        if (what === 'delivered' && sid === 0) standing.delivered();
      },
      paused: (until) => standing.paused(until),
      report: (error) => {
        standing.tell(error);
        report(
          error ? `destination ${id} waits` : `destination ${id} is delivered to again`,
          error,
        );
      },
    });
    this.#senders.set(id, sender);
    sender.start();
  }

  #manRunner(id: number): void {
    if (this.#runners.has(id)) return;
    const { outbox, registry, allowPrivate, targetFolder, workFolder, report } = this.#options;
    const runner = new FileRunner({
      id,
      outbox,
      folder: workFolderOf(workFolder, id),
      terms: () => this.#inForce.terms,
      members: (profile) => this.#membersOf(profile, id),
      unreadable: this.#unreadable,
      open: (target, signal) => openTarget(target, { folder: targetFolder, allowPrivate, signal }),
      dueAfter: (now) => dueAfter(registry, id, now),
      report: async (told) => {
        if (told.state === 'failing')
          report(`files of destination ${id} wait`, new Error(told.problem));
        await keepRun(registry, id, told);
      },
      pace: (visitors) => this.#pace.wait(visitors),
    });
    this.#runners.set(id, runner);
    runner.start();
  }

  #membersOf(profile: Profile, destination: number): ReadonlySet<number> {
    const { snapshot, terms } = this.#inForce;
    if (this.#held?.snapshot !== snapshot) {
      this.#held = { snapshot, traits: new HeldTraits(snapshot.traits, snapshot.traitPlaces) };
    }
    const grounds = { snapshot, terms, held: this.#held.traits };
    return membersOf(profile, grounds, dayOf(Date.now())).get(destination) ?? new Set();
  }

  async #isEverywhere(revision: number): Promise<boolean> {
    if (Date.now() - this.#since > NODE_MS) return true;
    const nodes = await this.#options.registry.list<{ revision: number }>('node');
    return nodes.every(({ value }) => value.revision >= revision);
  }
}
