/**
 * The outbox in LMDB, in a folder of the data folder. Only deliverers write it, processes of their own:
 * LMDB's writer and a page server never share a process, so one that is stopped, killed or out of space
 * holds up no page. A page server opens it to read.
 *
 * A deliverer hears of visits from the log, like every process of the folder: the visit that was written
 * there is not forgotten, since a fold leaves the segment until it is on the agenda (`through.ts`).
 */
import {
  type Batch,
  type Candidate,
  type Cause,
  type DeadLetter,
  type Entry,
  isReadable,
  type Letters,
  type Outbox,
  type Outcome,
  PUT_OFF_MS,
  type QueueState,
  type Sealed,
  type Subject,
  type Unreadable,
} from '../outbox.ts';
import { StoreError } from '../store.ts';
import { Arrivals } from './arrivals.ts';
import type { EmbeddedStore } from './embedded-store.ts';
import { BY_TIME, NOTHING_TOLD, OutboxBase, type Stored } from './outbox-base.ts';
import { Queues, type Unqueued } from './queue.ts';
import type { Walk } from './walk.ts';

export interface OutboxOptions {
  readonly folder: string;
  readonly profileDays: number;
  readonly newcomerDays: number;
  /** For a deliverer, or for who looks at queues and dead letters. */
  readonly access: 'read' | 'write';
}

/** Entries, or dead letters, that are removed in one transaction. */
const CHUNK = 1_000;
const DAY_MS = 86_400_000;
const SHARD = 'all';

/** A candidate, with what tells whether something has changed since the batch was taken. */
type Taken = Candidate & Pick<Stored, 'next' | 'toldBytes'>;

interface Order {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class OutboxFile implements Outbox {
  readonly #options: OutboxOptions;
  readonly #base: OutboxBase;
  readonly #queues: Queues;
  /** Of a deliverer. */
  readonly #arrivals: Arrivals | undefined;
  #walk: Walk | undefined;
  #orders: Order[] = [];
  #isClosed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#base = new OutboxBase(options.folder, options.access);
    this.#queues = new Queues(this.#base);
    if (options.access === 'write') this.#arrivals = new Arrivals(this.#base, options);
  }

  async shards(): Promise<string[]> {
    return [SHARD];
  }

  lease(name: string, holder: string, milliseconds: number): Promise<boolean> {
    return this.#write(() => {
      const now = Date.now();
      const held = this.#base.leases.get(name);
      // One from the future is one of a clock that was wrong.
      const isHeld = held && held.until > now && held.until <= now + held.milliseconds;
      if (isHeld && held.holder !== holder) return false;
      const until = now + milliseconds;
      this.#base.leases.putSync(name, { holder, until, milliseconds });
      return true;
    });
  }

  release(name: string, holder: string): Promise<void> {
    return this.#write(() => {
      if (this.#base.leases.get(name)?.holder === holder) this.#base.leases.removeSync(name);
    });
  }

  async due(_shard: string, limit: number, by: Cause = 'visit'): Promise<Batch> {
    const arrivals = this.#deliverer();
    const batch = this.#read(() => {
      arrivals.bring();
      if (by === 'time') arrivals.bringSome(limit);
      const now = Date.now();
      return this.#batch(this.#base.due(now, limit, by), arrivals.store, now);
    });
    await this.#putOff(batch.unreadable);
    return batch;
  }

  async walk(_shard: string, cursor: string | undefined, limit: number) {
    const { store } = this.#deliverer();
    const part = this.#read(() => {
      this.#walk ??= store.walk();
      const { deviceIds, ...rest } = this.#walk.next(cursor, limit);
      return { batch: this.#batch(deviceIds, store, Date.now()), ...rest };
    });
    await this.#putOff(part.batch.unreadable);
    return part;
  }

  async look(deviceIds: readonly string[]): Promise<(Subject | Unreadable)[]> {
    const { store } = this.#deliverer();
    return this.#read(() => {
      store.catchUp();
      const now = Date.now();
      return deviceIds.map((id) => this.#candidate(id, store, now));
    });
  }

  settle({ candidates }: Batch, outcomes: readonly Outcome[]): Promise<void> {
    return this.#write((queues) => {
      const base = this.#base;
      const taken = new Map((candidates as readonly Taken[]).map((one) => [one.deviceId, one]));
      const queued = new Map<number, Unqueued[]>();
      const queuedAt = Date.now();
      for (const { deviceId, told, partnerIds, moves, next } of outcomes) {
        const before = base.visitor(deviceId);
        const since = taken.get(deviceId);
        // A process may stand still until somebody else has its right: then its moves are of another time.
        if (Buffer.compare(before.toldBytes, since?.toldBytes ?? NOTHING_TOLD) !== 0) {
          base.putVisitor(deviceId, before, { ...before, next: atOnce(before.next, queuedAt) });
          continue;
        }
        for (const [destination, own] of moves) {
          const entries = queued.get(destination) ?? [];
          const partnerId = partnerIds?.get(destination);
          entries.push({ queuedAt, deviceId, partnerId, moves: own });
          queued.set(destination, entries);
        }
        // Who came back meanwhile stays; whom somebody else has settled comes again.
        const isSame = before.next === since?.next;
        base.putVisitor(deviceId, before, {
          told,
          partnerIds,
          next: isSame ? scheduled(next, queuedAt) : atOnce(before.next, queuedAt),
        });
      }
      for (const [destination, entries] of queued) queues.push(destination, entries);
    });
  }

  async queues(): Promise<QueueState[]> {
    return this.#read((queues) => queues.states());
  }

  async recover(destination: number): Promise<{ sealed: Sealed[]; read: Entry[] }> {
    const { empty, ...found } = this.#read((queues) => queues.recover(destination));
    if (empty.length > 0) await this.#write((queues) => queues.forget(empty));
    return found;
  }

  async read(destination: number, limit: number): Promise<Entry[]> {
    this.#deliverer();
    if (!this.#read((queues) => queues.hasNew(destination))) return [];
    return this.#write((queues) => queues.read(destination, limit));
  }

  seal(destination: number, ...messages: readonly Sealed[]): Promise<void> {
    return this.#write((queues) => {
      for (const message of messages) queues.seal(destination, message);
    });
  }

  done(destination: number, messages: readonly Sealed[]): Promise<void> {
    return this.#write((queues) => {
      for (const message of messages) queues.done(destination, message);
    });
  }

  discard(destination: number, entries: readonly Entry[]): Promise<void> {
    return this.#write((queues) => {
      queues.remove(destination, entries);
    });
  }

  putBack(destination: number, message: Sealed, entries: readonly Entry[]): Promise<void> {
    return this.#write((queues) => queues.putBack(destination, message, entries));
  }

  bury(destination: number, letter: DeadLetter): Promise<void> {
    return this.#write((queues) => queues.bury(destination, letter));
  }

  async dead(destination: number, limit: number): Promise<DeadLetter[]> {
    return this.#read((queues) => queues.dead(destination, limit));
  }

  async oldestDead(destination: number, limit: number, after?: DeadLetter): Promise<DeadLetter[]> {
    return this.#read((queues) => queues.oldestDead(destination, limit, after));
  }

  amend(destination: number, letter: DeadLetter): Promise<void> {
    return this.#write((queues) => queues.amend(destination, letter));
  }

  replay(destination: number, letters: Letters): Promise<number> {
    return this.#write((queues) => queues.replay(destination, letters));
  }

  drop(destination: number, letters: Letters): Promise<number> {
    return this.#write((queues) => queues.drop(destination, letters));
  }

  async clear(destination: number): Promise<void> {
    const all = { until: Number.MAX_SAFE_INTEGER, limit: CHUNK };
    while ((await this.drop(destination, all)) === CHUNK);
    const some = () => this.#write((queues) => queues.clear(destination, CHUNK));
    while ((await some()) === CHUNK);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#transact();
    this.#isClosed = true;
    await this.#arrivals?.close();
    await this.#base.root.close();
  }

  #batch(deviceIds: readonly string[], store: EmbeddedStore, now: number) {
    const [candidates, unreadable]: [Taken[], Unreadable[]] = [[], []];
    for (const id of deviceIds) {
      const one = this.#candidate(id, store, now);
      if (isReadable(one)) candidates.push(one);
      else unreadable.push(one);
    }
    return { candidates, unreadable };
  }

  #candidate(deviceId: string, store: EmbeddedStore, now: number): Taken | Unreadable {
    const stored = this.#base.visitor(deviceId);
    let found: ReturnType<EmbeddedStore['recall']>;
    try {
      found = store.recall(deviceId);
    } catch (error) {
      return { deviceId, problem: `visitor ${deviceId}: ${(error as Error).message}` };
    }
    if (!found) return { deviceId, profile: undefined, keptUntil: undefined, ...stored };
    const { profile, newcomer } = found;
    const { profileDays, newcomerDays } = this.#options;
    const keptUntil = profile.optedOut
      ? undefined
      : (profile.seen + (newcomer ? newcomerDays : profileDays) + 1) * DAY_MS;
    // Who is to be forgotten is not stored any more, though nobody has cleared up yet.
    if (keptUntil !== undefined && keptUntil <= now) {
      return { deviceId, profile: undefined, keptUntil: undefined, ...stored };
    }
    return { deviceId, profile, keptUntil, ...stored };
  }

  /** Has visitors come later, whenever they were to come, so that they are in nobody's way. */
  async #putOff(visitors: readonly Unreadable[]): Promise<void> {
    if (visitors.length === 0) return;
    await this.#write(() => {
      const now = Date.now();
      const next = scheduled(now + PUT_OFF_MS, now);
      for (const { deviceId } of visitors) {
        const before = this.#base.visitor(deviceId);
        this.#base.putVisitor(deviceId, before, { ...before, next });
      }
    });
  }

  #deliverer(): Arrivals {
    if (!this.#arrivals) {
      throw new StoreError('this outbox was opened to read: only a deliverer does more with it');
    }
    return this.#arrivals;
  }

  /** As of now: what was read before in this tick may be older than what others have written. */
  #read<Value>(work: (queues: Queues) => Value): Value {
    if (this.#isClosed) throw new StoreError('the outbox is closed');
    try {
      this.#base.root.resetReadTxn();
      return work(this.#queues);
    } catch (error) {
      throw new StoreError(`the outbox cannot be read: ${(error as Error).message}`);
    }
  }

  /** All that comes in one tick shares a transaction, and one flush. */
  #write<Value>(work: (queues: Queues) => Value): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new StoreError('the outbox is closed');
      this.#deliverer();
      if (this.#orders.length === 0) setImmediate(() => this.#transact());
      this.#orders.push({
        work: () => work(this.#queues),
        resolve: resolve as Order['resolve'],
        reject,
      });
    });
  }

  #transact(): void {
    const orders = this.#orders;
    this.#orders = [];
    if (orders.length === 0) return;
    const { root } = this.#base;
    try {
      const settled = root.transactionSync(() =>
        orders.map(({ work, resolve, reject }) => {
          try {
            // One that fails takes nothing along of the others.
            const value = root.transactionSync(work);
            return () => resolve(value);
          } catch (error) {
            return () => reject(unwritten(error));
          }
        }),
      );
      for (const settle of settled) settle();
    } catch (error) {
      for (const { reject } of orders) reject(unwritten(error));
    }
  }
}

const scheduled = (next: number | undefined, now: number) =>
  next === undefined || next <= now ? next : BY_TIME + Math.ceil(next);

/** Who is there by a visit stays as they are: another time would hide that they came back. */
const atOnce = (next: number | undefined, now: number) =>
  next === undefined || next >= BY_TIME ? now : next;

const unwritten = (error: unknown) =>
  new StoreError(`the outbox cannot be written: ${(error as Error).message}`);
