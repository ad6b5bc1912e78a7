/**
 * The dispatch: what whoever has leased a queue does with it, from the entries to what became of each
 * message.
 */
import { randomUUID } from 'node:crypto';
import {
  type Entry,
  isReadable,
  type Sealed,
  type Subject,
  type Unreadable,
} from '../../store/outbox.ts';
import { partOf } from '../run-part.ts';
import { type Attempt, backoff, type Circuit } from './circuit.ts';
import { Courier } from './courier.ts';
import type { Endpoint, Reply } from './endpoint.ts';
import { Held, type Job, visitorsOf } from './held.ts';
import type { Sending } from './sender.ts';
import { NOTE_MS, type Trial } from './trial.ts';

/** Users in a message. Source: user guide, real-time outbound transfers. */
const MAX_USERS = 10;
/** How often the queue is looked at, if nobody says that there is something new. */
const LOOK_MS = 1_000;
/** What a partner answers who does not want this message, though others. */
const REFUSALS: ReadonlySet<number | undefined> = new Set([400, 413, 422]);
/** The longest pause before a message is sent again that the partner did not want. */
const MAX_REFUSED_PAUSE_MS = 600_000;
interface Given {
  readonly endpoint: Endpoint;
  readonly circuit: Circuit;
  /** Whether anything may still be started. */
  readonly mayGoOn: () => boolean;
}

export class Dispatch {
  readonly #options: Sending;
  readonly #given: Given;
  readonly #held: Held;
  readonly #courier: Courier;
  readonly #underWay = new Set<Promise<void>>();
  /** What is asked of the queue meanwhile. */
  readonly #asked = new Set<Promise<void>>();
  #isReading = false;
  #isSealing = false;
  /** Messages that have arrived, and the queue does not know it yet. */
  #arrived: Job[] = [];
  #isTelling = false;
  /** Why something failed, the last time. */
  #problem = '';
  /** Since when it can be tried, in Unix milliseconds: nobody did before, or the destination was off. */
  #triedSince = Number.POSITIVE_INFINITY;
  /** Since when the partner has failed, likewise. */
  #failingSince = Number.POSITIVE_INFINITY;
  /** What was noted of both, the last time. */
  #noted: Trial | undefined;
  /** How many messages the partner took. */
  #taken = 0;
  /** The queue is not looked at before, by the process's clock. */
  #lookFrom = 0;
  #storeError: unknown;
  #isStirred = false;
  #endSleep: () => void = () => {};

  constructor(options: Sending, given: Given) {
    this.#options = options;
    this.#given = given;
    this.#held = new Held(options.maxHeld);
    this.#courier = new Courier(options, given.endpoint);
  }

  /** There is something new in the queue. */
  wake(): void {
    this.#lookFrom = 0;
    this.stir();
  }

  /** Something has changed. */
  stir(): void {
    this.#isStirred = true;
    this.#endSleep();
  }

  /** The partner may be back: whatever waits for its time is tried now. */
  probe(): void {
    this.#given.circuit.relent();
    this.#held.hasten();
    this.stir();
  }

  /** Takes over what was begun before. */
  async recover(): Promise<void> {
    const { outbox, id, trial, now } = this.#options;
    const { since, failingSince } = (await trial?.read(now())) ?? {};
    this.#triedSince = since ?? this.#triedSince;
    this.#failingSince = failingSince ?? this.#failingSince;
    const { sealed, read } = await outbox.recover(id);
    for (const message of sealed) {
      // The destination got files before: parts of a run are no messages, however small.
      if (partOf(message)) this.#held.backlog.add(message.entries);
      else this.#held.add(message, this.#taken);
    }
    this.#held.backlog.add(read);
  }

  /**
   * Sends, until nothing may be started any more.
   *
   * @throws StoreError where the store fails
   */
  async run(): Promise<void> {
    try {
      while (this.#given.mayGoOn() && this.#storeError === undefined) {
        if (!this.#courier.target) this.#triedSince = Number.POSITIVE_INFINITY;
        else {
          this.#triedSince = Math.min(this.#triedSince, this.#options.now());
          await this.#makeRoom();
          this.#read();
          this.#note();
          await this.#giveUpOld();
          this.#sealSome();
          this.#startSome();
        }
        await this.#sleep();
      }
    } finally {
      await Promise.all(this.#underWay);
      // What has arrived is told to the queue after that.
      while (this.#asked.size > 0) await Promise.all(this.#asked);
    }
    if (this.#storeError !== undefined) throw this.#storeError;
  }

  /** Whoever goes on is to know since when what waits is tried. */
  #note(): void {
    const { trial, now } = this.#options;
    if (!trial || this.#held.isEmpty) return;
    const failingSince = Number.isFinite(this.#failingSince) ? this.#failingSince : undefined;
    const next = { since: this.#triedSince, failingSince, at: now() };
    const isNews = this.#noted?.failingSince !== failingSince;
    const pause = NOTE_MS[isNews ? 'news' : 'same'];
    if (this.#noted && Math.abs(next.at - this.#noted.at) < pause) return;
    this.#noted = next;
    trial.keep(next);
  }

  /** Reads ahead, while messages are under way. */
  #read(): void {
    if (this.#isReading || performance.now() < this.#lookFrom || !this.#held.hasRoom) return;
    this.#isReading = true;
    this.#lookFrom = performance.now() + LOOK_MS;
    const room = this.#held.room;
    this.#ask(async () => {
      const entries = await this.#options.outbox.read(this.#options.id, room);
      if (entries.length === room) this.#lookFrom = 0;
      this.#held.backlog.add(entries);
      this.#isReading = false;
    });
  }

  /** Seals ahead, several messages at once, so that none waits for it when its turn has come. */
  #sealSome(): void {
    const { outbox, id, concurrency } = this.#options;
    if (this.#isSealing || this.#held.fresh > concurrency / 2) return;
    const messages: Sealed[] = [];
    while (messages.length < 2 * concurrency) {
      const entries = this.#held.backlog.take(MAX_USERS);
      if (entries.length === 0) break;
      messages.push({ message: randomUUID(), entries });
    }
    if (messages.length === 0) return;
    this.#isSealing = true;
    this.#ask(async () => {
      await outbox.seal(id, ...messages);
      for (const message of messages) this.#held.add(message, this.#taken, true);
      this.#isSealing = false;
    });
  }

  /** Says that messages have arrived, all at once that have meanwhile. */
  #tell(): void {
    if (this.#isTelling || this.#arrived.length === 0) return;
    this.#isTelling = true;
    const jobs = this.#arrived;
    this.#arrived = [];
    this.#ask(async () => {
      const messages = jobs.map(({ sealed }) => sealed);
      await this.#options.outbox.done(this.#options.id, messages);
      for (const job of jobs) this.#release(job);
      this.#isTelling = false;
      this.#tell();
    });
  }

  /** Asks something of the queue that nothing waits for. */
  #ask(work: () => Promise<void>): void {
    const asked = work()
      .catch((error) => {
        this.#storeError ??= error;
      })
      .finally(() => {
        this.#asked.delete(asked);
        this.stir();
      });
    this.#asked.add(asked);
  }

  /**
   * Those whom the partner does not want are not to take the place of all: half of what they take is given
   * up. What waits behind them goes, too: the next of the same visitor would take the place of the one before.
   */
  async #makeRoom(): Promise<void> {
    if (this.#held.hasRoom) return;
    const unwanted = this.#held.unwanted();
    if (!unwanted) return;
    const enough = this.#held.room + unwanted.size / 2;
    for (const job of unwanted.jobs) {
      if (this.#held.room >= enough || !this.#given.mayGoOn()) return;
      const own = new Set(visitorsOf(job));
      await this.#bury(job);
      await this.#buryWaiting(({ deviceId }) => own.has(deviceId), job.problem);
    }
  }

  /** While the partner is away, whatever has waited too long need not be sent to see that it fails. */
  async #giveUpOld(): Promise<void> {
    const { circuit, mayGoOn } = this.#given;
    // What was never sent, because there was much else to send, was not tried while the partner was there.
    if (!circuit.isOpen || !this.#isTooLong(this.#failingSince)) return;
    for (const job of this.#held.idle()) {
      if (this.#isTooLong(oldestOf(job)) && mayGoOn()) await this.#bury(job);
    }
    await this.#buryWaiting(({ queuedAt }) => this.#isTooLong(queuedAt), this.#problem);
  }

  /** Whether it has been tried for too long to deliver what has waited since then. */
  #isTooLong(since: number): boolean {
    const { now, retryHours } = this.#options;
    return now() - Math.max(since, this.#triedSince) >= retryHours * 3_600_000;
  }

  /** Gives up what is part of no message yet: one message after the other, as if each had been sent. */
  async #buryWaiting(isMeant: (entry: Entry) => boolean, problem: string): Promise<void> {
    while (this.#given.mayGoOn()) {
      const entries = this.#held.backlog.take(MAX_USERS, isMeant);
      if (entries.length === 0) return;
      const message = { message: randomUUID(), entries };
      await this.#options.outbox.seal(this.#options.id, message);
      const job = this.#held.add(message, this.#taken);
      job.problem = problem;
      await this.#bury(job);
    }
  }

  #startSome(): void {
    const started: [Job, Attempt][] = [];
    const { circuit } = this.#given;
    while (this.#underWay.size + started.length < this.#options.concurrency) {
      const now = this.#options.now();
      if (now < circuit.from) break;
      const job = this.#held.next(now, circuit.isOpen);
      const attempt = job && circuit.start(now);
      if (!attempt) break;
      this.#held.start(job);
      started.push([job, attempt]);
    }
    if (started.length === 0) return;
    // Those that start together look at their visitors together.
    const looking = this.#courier.look(started.flatMap(([job]) => visitorsOf(job)));
    let from = 0;
    for (const [job, attempt] of started) {
      const [at, to] = [from, from + job.sealed.entries.length];
      from = to;
      const sending = looking
        .then((found) =>
          'problem' in found
            ? this.#fail(job, attempt, found, to - at)
            : this.#send(job, attempt, found.slice(at, to)),
        )
        .catch((error) => {
          this.#storeError ??= error;
        })
        .finally(() => {
          job.isUnderWay = false;
          circuit.drop(attempt);
          this.#underWay.delete(sending);
          this.stir();
        });
      this.#underWay.add(sending);
    }
  }

  /** One attempt, from what may be said now to what became of it. */
  async #send(job: Job, attempt: Attempt, found: readonly (Subject | Unreadable)[]): Promise<void> {
    const { circuit, mayGoOn } = this.#given;
    const subjects = await this.#readable(job, found);
    if (subjects.length === 0 || !mayGoOn()) return;
    const brought = await this.#courier.bring(job.sealed, subjects);
    if (!brought) return;
    const { disclosures, reply } = brought;
    if (!reply) this.#finish(job);
    else if (reply.ok) {
      this.#close();
      // What failed because of the partner has no more reason to wait.
      if (circuit.trouble === 'away') this.#held.hasten((job) => !job.isAtFault);
      if (!circuit.isAway(this.#options.now())) this.#end();
      this.#taken++;
      this.#finish(job);
      this.#count('delivered', disclosures);
    } else if ('isExpired' in reply && reply.isExpired && !job.isRenewed) {
      // Not at once with a new token: its visitors are looked at anew before.
      job.isRenewed = true;
    } else await this.#fail(job, attempt, reply, disclosures.length);
  }

  /** The visitors of a message; those who cannot be read go on without the others. */
  async #readable(job: Job, found: readonly (Subject | Unreadable)[]): Promise<Subject[]> {
    const { outbox, id, unreadable } = this.#options;
    const { message, entries } = job.sealed;
    const subjects = found.filter(isReadable);
    if (subjects.length === found.length) return subjects;
    unreadable(found);
    if (found.length === 1) {
      job.isUnwanted = true;
      job.isAtFault = true;
      job.problem = (found[0] as Unreadable).problem;
      await this.#postpone(job, MAX_REFUSED_PAUSE_MS);
      return [];
    }
    const isLeft = (_: Entry, i: number) => isReadable(found[i]);
    const apart = entries.filter((entry, i) => !isLeft(entry, i)).map(aloneIn);
    const rest = { message, entries: entries.filter(isLeft) };
    const parts = subjects.length > 0 ? [...apart, rest] : apart;
    await outbox.seal(id, ...parts);
    for (const sealed of apart) this.#held.add(sealed, this.#taken);
    job.sealed = rest;
    if (subjects.length === 0) await this.#dissolve(job);
    return subjects;
  }

  async #fail(job: Job, attempt: Attempt, reply: Reply, users: number): Promise<void> {
    const { circuit, mayGoOn } = this.#given;
    // What was broken off at the end says nothing of the partner.
    if (!mayGoOn()) return;
    const now = this.#options.now();
    job.problem = reply.problem;
    this.#problem = reply.problem;
    const isRefused = REFUSALS.has(reply.status);
    if (isRefused) {
      // Who refuses a message is there.
      this.#close();
      if (this.#taken > job.taken) job.isUnwanted = true;
      if (!job.isUnwanted && users === 1 && job.failures >= 2) this.#begin('refuses');
      else if (circuit.trouble === 'away') this.#end();
    } else {
      // Somebody has wanted a try since it began: it is sent again at once.
      if (circuit.isOutdated(attempt)) return;
      this.#failingSince = Math.min(this.#failingSince, now);
      circuit.fail(attempt, now, this.#options.random(), reply.retryAfter);
      if (circuit.isAway(now)) this.#begin('away');
    }
    job.isAtFault = isRefused;
    if (isRefused && users > 1) return this.#split(job);
    return this.#postpone(job, isRefused ? MAX_REFUSED_PAUSE_MS : undefined);
  }

  /** Has it sent again after a while, unless it has waited for too long. */
  async #postpone(job: Job, max: number | undefined): Promise<void> {
    const { now, random } = this.#options;
    // While the circuit is open, it is the partner: see #giveUpOld.
    if (!this.#given.circuit.isOpen && this.#isTooLong(oldestOf(job))) return this.#bury(job);
    job.from = now() + backoff(job.failures++, random(), max);
  }

  /** The partner is there. */
  #close(): void {
    this.#given.circuit.succeed();
    this.#failingSince = Number.POSITIVE_INFINITY;
  }

  /** Nothing gets through from now on: people have to know it. */
  #begin(trouble: 'away' | 'refuses'): void {
    const { circuit } = this.#given;
    if (circuit.trouble === trouble) return;
    circuit.trouble = trouble;
    this.#options.report(new Error(this.#problem));
  }

  /** It does again. */
  #end(): void {
    const { circuit } = this.#given;
    if (!circuit.trouble) return;
    circuit.trouble = undefined;
    this.#options.report();
  }

  /** One user may be why: each goes on alone. */
  async #split(job: Job): Promise<void> {
    const { outbox, id } = this.#options;
    const parts = job.sealed.entries.map(aloneIn);
    await outbox.seal(id, ...parts);
    for (const sealed of parts) this.#held.add(sealed, this.#taken);
    await this.#dissolve(job);
  }

  /** All its entries are part of others: their visitors stay in a message. */
  async #dissolve(job: Job): Promise<void> {
    this.#held.remove(job);
    const { outbox, id } = this.#options;
    await outbox.done(id, [{ message: job.sealed.message, entries: [] }]);
  }

  /** There is no more reason to send it; until the queue knows, its visitors stay in it. */
  #finish(job: Job): void {
    this.#held.remove(job);
    this.#arrived.push(job);
    this.#tell();
  }

  async #bury(job: Job): Promise<void> {
    await this.#options.outbox.bury(this.#options.id, {
      ...job.sealed,
      at: this.#options.now(),
      problem: job.problem || this.#problem,
    });
    this.#release(job);
    this.#count('failed', job.sealed.entries);
  }

  #release(job: Job): void {
    this.#held.release(job);
    this.stir();
  }

  #count(what: 'delivered' | 'failed', told: readonly Pick<Entry, 'moves'>[]): void {
    const { tally } = this.#options;
    tally(what, 0);
    for (const { moves } of told) for (const { sid } of moves) tally(what, sid);
  }

  /** Until something may have changed. */
  async #sleep(): Promise<void> {
    if (!this.#isStirred) {
      const wait = this.#wait();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait);
        this.#endSleep = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isStirred = false;
  }

  /** How long nothing changes by time alone, in milliseconds. */
  #wait(): number {
    // The end of what is under way is heard of.
    if (!this.#courier.target || this.#underWay.size >= this.#options.concurrency) return LOOK_MS;
    const now = this.#options.now();
    const { from } = this.#given.circuit;
    let next = from > now ? from : Number.POSITIVE_INFINITY;
    for (const job of this.#held.idle()) if (job.from > now) next = Math.min(next, job.from);
    return Math.min(LOOK_MS, next - now);
  }
}

const aloneIn = (entry: Entry): Sealed => ({ message: randomUUID(), entries: [entry] });

const oldestOf = ({ sealed }: Job): number =>
  Math.min(...sealed.entries.map(({ queuedAt }) => queuedAt));
