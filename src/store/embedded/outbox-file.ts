/**
 * The outbox in LMDB, in a folder of the data folder. Only deliverers write it, processes of their own:
 * LMDB's writer and a page server never share a process, so one that is stopped, killed or out of space
 * holds up no page. A page server opens it to read.
 *
 * A deliverer hears of visits from the log, like every process of the folder: the visit that was written
 * there is not forgotten, since a fold leaves the segment until it is on the agenda (`through.ts`).
 */
import { randomUUID } from 'node:crypto';
import type {
  Batch,
  Candidate,
  Cause,
  DeadLetter,
  Entry,
  Outbox,
  Outcome,
  QueueState,
  Sealed,
} from '../outbox.ts';
import { StoreError } from '../store.ts';
import { Arrivals } from './arrivals.ts';
import type { EmbeddedStore } from './embedded-store.ts';
import { BY_TIME, END, entryBytes, entryIn, OutboxBase, type Tail } from './outbox-base.ts';
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

/** A candidate, and when they were to be examined as the batch was taken. */
interface Taken extends Candidate {
  readonly next: number | undefined;
}

interface Order {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class OutboxFile implements Outbox {
  readonly #options: OutboxOptions;
  readonly #base: OutboxBase;
  readonly #holder = randomUUID();
  /** Of a deliverer. */
  readonly #arrivals: Arrivals | undefined;
  #walk: Walk | undefined;
  #orders: Order[] = [];
  #isClosed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#base = new OutboxBase(options.folder, options.access);
    if (options.access === 'write') this.#arrivals = new Arrivals(this.#base, options);
  }

  async shards(): Promise<string[]> {
    return [SHARD];
  }

  lease(name: string, milliseconds: number): Promise<boolean> {
    return this.#write(() => {
      const now = Date.now();
      const held = this.#base.leases.get(name);
      // One from the future is one of a clock that was wrong.
      const isHeld = held && held.until > now && held.until <= now + held.milliseconds;
      if (isHeld && held.holder !== this.#holder) return false;
      const until = now + milliseconds;
      this.#base.leases.putSync(name, { holder: this.#holder, until, milliseconds });
      return true;
    });
  }

  release(name: string): Promise<void> {
    return this.#write(() => {
      if (this.#base.leases.get(name)?.holder === this.#holder) this.#base.leases.removeSync(name);
    });
  }

  async due(_shard: string, limit: number, by: Cause = 'visit'): Promise<Batch> {
    const arrivals = this.#deliverer();
    return this.#read((base) => {
      arrivals.bring();
      if (by === 'time') arrivals.bringSome(limit);
      const now = Date.now();
      const ids = base.due(now, limit, by);
      return { candidates: ids.map((id) => this.#candidate(id, arrivals.store, now)) };
    });
  }

  async walk(_shard: string, cursor: string | undefined, limit: number) {
    const { store } = this.#deliverer();
    return this.#read(() => {
      this.#walk ??= store.walk();
      const { deviceIds, ...part } = this.#walk.next(cursor, limit);
      const now = Date.now();
      const candidates = deviceIds.map((id) => this.#candidate(id, store, now));
      return { batch: { candidates }, ...part };
    });
  }

  async look(deviceIds: readonly string[]): Promise<Candidate[]> {
    const { store } = this.#deliverer();
    return this.#read(() => {
      store.catchUp();
      const now = Date.now();
      return deviceIds.map((id) => this.#candidate(id, store, now));
    });
  }

  settle({ candidates }: Batch, outcomes: readonly Outcome[]): Promise<void> {
    return this.#write(() => {
      const base = this.#base;
      const taken = new Map((candidates as readonly Taken[]).map((one) => [one.deviceId, one]));
      const queued = new Map<number, Omit<Entry, 'id'>[]>();
      const queuedAt = Date.now();
      for (const { deviceId, told, partnerIds, moves, next } of outcomes) {
        for (const [destination, own] of moves) {
          const entries = queued.get(destination) ?? [];
          const partnerId = partnerIds?.get(destination);
          entries.push({ queuedAt, deviceId, partnerId, moves: own });
          queued.set(destination, entries);
        }
        const before = base.visitor(deviceId);
        const cameBack = before.next !== taken.get(deviceId)?.next;
        base.putVisitor(deviceId, before, {
          told,
          partnerIds,
          next: cameBack ? before.next : scheduled(next, queuedAt),
        });
      }
      for (const [destination, entries] of queued) this.#queue(destination, entries);
    });
  }

  async queues(): Promise<QueueState[]> {
    return this.#read((base) => {
      const states: QueueState[] = [];
      for (const { key: destination, value } of base.tails.getRange({})) {
        const { waiting, dead } = value;
        if (waiting === 0 && dead === 0) continue;
        const [first] = base.entries.getRange({ ...rangeOf(destination), limit: 1 });
        const oldest = first && entryIn(first.key[1], first.value).queuedAt;
        states.push({ destination, waiting, oldest, dead });
      }
      return states;
    });
  }

  async recover(destination: number): Promise<{ sealed: Sealed[]; read: Entry[] }> {
    return this.#read((base) => {
      const sealed: Sealed[] = [];
      const parts = new Set<number>();
      for (const { value } of base.sealed.getRange(rangeOf(destination))) {
        const entries = value.numbers.map((number) => {
          parts.add(number);
          return entryIn(number, base.entries.get([destination, number]) as Uint8Array);
        });
        sealed.push({ message: value.message, entries });
      }
      const read: Entry[] = [];
      const end = [destination, base.tail(destination).read + 1];
      for (const { key, value } of base.entries.getRange({ start: [destination], end })) {
        if (!parts.has(key[1])) read.push(entryIn(key[1], value));
      }
      return { sealed, read };
    });
  }

  async read(destination: number, limit: number): Promise<Entry[]> {
    this.#deliverer();
    const isNew = this.#read((base) => {
      const { last, read } = base.tail(destination);
      return read < last;
    });
    if (!isNew) return [];
    return this.#write(() => {
      const tail = this.#base.tail(destination);
      const range = { ...rangeOf(destination), start: [destination, tail.read + 1], limit };
      const entries = [
        ...this.#base.entries.getRange(range).map(({ key, value }) => entryIn(key[1], value)),
      ];
      const read = entries.length < limit ? tail.last : Number(entries.at(-1)?.id);
      this.#base.tails.putSync(destination, { ...tail, read });
      return entries;
    });
  }

  seal(destination: number, { message, entries }: Sealed): Promise<void> {
    return this.#write(() => {
      const numbers = entries.map(({ id }) => Number(id));
      this.#base.sealed.putSync([destination, numbers[0]], { message, numbers });
    });
  }

  done(destination: number, messages: readonly Sealed[]): Promise<void> {
    return this.#write(() => {
      for (const { entries } of messages) {
        this.#base.sealed.removeSync([destination, Number(entries[0].id)]);
        this.#remove(destination, entries);
      }
    });
  }

  discard(destination: number, entries: readonly Entry[]): Promise<void> {
    return this.#write(() => this.#remove(destination, entries));
  }

  bury(destination: number, { message, entries, at, problem }: DeadLetter): Promise<void> {
    return this.#write(() => {
      // It may be there already, and its destination may have been cleared.
      if (!this.#base.sealed.removeSync([destination, Number(entries[0].id)])) return;
      this.#remove(destination, entries);
      this.#base.dead.putSync([destination, at, message], { problem, entries });
      this.#change(destination, ({ dead }) => ({ dead: dead + 1 }));
    });
  }

  async dead(destination: number, limit: number): Promise<DeadLetter[]> {
    return this.#read((base) => {
      const { start, end } = rangeOf(destination);
      const newest = base.dead.getRange({ start: end, end: start, reverse: true, limit });
      return [
        ...newest.map(({ key: [, at, message], value: { problem, entries } }) => ({
          message,
          entries,
          at,
          problem,
        })),
      ];
    });
  }

  replay(destination: number, messages: readonly string[] | undefined): Promise<number> {
    const queuedAt = Date.now();
    return this.#exhume(destination, messages, (entries) =>
      this.#queue(
        destination,
        entries.map(({ id, ...entry }) => ({ ...entry, queuedAt })),
      ),
    );
  }

  drop(destination: number, messages: readonly string[] | undefined): Promise<number> {
    return this.#exhume(destination, messages, () => {});
  }

  async clear(destination: number): Promise<void> {
    await this.drop(destination, undefined);
    const range = { ...rangeOf(destination), limit: CHUNK };
    for (let removed = CHUNK; removed === CHUNK; ) {
      removed = await this.#write(() => {
        const { entries, sealed } = this.#base;
        const keys = [...entries.getKeys(range)];
        for (const key of keys) {
          entries.removeSync(key);
          // A message has gone when its first entry has.
          sealed.removeSync(key);
        }
        this.#change(destination, ({ waiting }) => ({ waiting: waiting - keys.length }));
        return keys.length;
      });
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#transact();
    this.#isClosed = true;
    await this.#arrivals?.close();
    await this.#base.root.close();
  }

  #candidate(deviceId: string, store: EmbeddedStore, now: number): Taken {
    const { next, ...told } = this.#base.visitor(deviceId);
    const found = store.recall(deviceId);
    if (!found) return { deviceId, profile: undefined, keptUntil: undefined, ...told, next };
    const { profile, newcomer } = found;
    const { profileDays, newcomerDays } = this.#options;
    const keptUntil = profile.optedOut
      ? undefined
      : (profile.seen + (newcomer ? newcomerDays : profileDays) + 1) * DAY_MS;
    // Who is to be forgotten is not stored any more, though nobody has cleared up yet.
    if (keptUntil !== undefined && keptUntil <= now) {
      return { deviceId, profile: undefined, keptUntil: undefined, ...told, next };
    }
    return { deviceId, profile, keptUntil, ...told, next };
  }

  #queue(destination: number, entries: readonly Omit<Entry, 'id'>[]): void {
    this.#change(destination, ({ last, waiting }) => {
      for (const entry of entries) {
        this.#base.entries.putSync([destination, ++last], entryBytes(entry));
      }
      return { last, waiting: waiting + entries.length };
    });
  }

  #remove(destination: number, entries: readonly Entry[]): void {
    let removed = 0;
    for (const { id } of entries) {
      if (this.#base.entries.removeSync([destination, Number(id)])) removed++;
    }
    if (removed > 0) this.#change(destination, ({ waiting }) => ({ waiting: waiting - removed }));
  }

  #change(destination: number, change: (tail: Tail) => Partial<Tail>): void {
    const tail = this.#base.tail(destination);
    this.#base.tails.putSync(destination, { ...tail, ...change(tail) });
  }

  /** Takes dead letters out, the oldest first; no others than there are now. */
  async #exhume(
    destination: number,
    messages: readonly string[] | undefined,
    take: (entries: readonly Entry[]) => void,
  ): Promise<number> {
    this.#deliverer();
    const { start, end } = rangeOf(destination);
    const [last] = this.#read((base) => [
      ...base.dead.getKeys({ start: end, end: start, reverse: true, limit: 1 }),
    ]);
    if (!last) return 0;
    const names = messages && new Set(messages);
    let count = 0;
    for (let taken = CHUNK; taken === CHUNK; count += taken) {
      taken = await this.#write(() => {
        const { dead } = this.#base;
        const wanted = dead
          .getKeys({ start, end: last, inclusiveEnd: true })
          .filter(([, , message]) => names?.has(message) ?? true);
        const keys = [...firstOf(wanted, CHUNK)];
        for (const key of keys) {
          take(dead.get(key)?.entries ?? []);
          dead.removeSync(key);
        }
        this.#change(destination, (tail) => ({ dead: tail.dead - keys.length }));
        return keys.length;
      });
    }
    return count;
  }

  #deliverer(): Arrivals {
    if (!this.#arrivals) {
      throw new StoreError('this outbox was opened to read: only a deliverer does more with it');
    }
    return this.#arrivals;
  }

  /** As of now: what was read before in this tick may be older than what others have written. */
  #read<Value>(work: (base: OutboxBase) => Value): Value {
    if (this.#isClosed) throw new StoreError('the outbox is closed');
    try {
      this.#base.root.resetReadTxn();
      return work(this.#base);
    } catch (error) {
      throw new StoreError(`the outbox cannot be read: ${(error as Error).message}`);
    }
  }

  /** All that comes in one tick shares a transaction, and one flush. */
  #write<Value>(work: () => Value): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new StoreError('the outbox is closed');
      this.#deliverer();
      if (this.#orders.length === 0) setImmediate(() => this.#transact());
      this.#orders.push({ work, resolve: resolve as Order['resolve'], reject });
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

const unwritten = (error: unknown) =>
  new StoreError(`the outbox cannot be written: ${(error as Error).message}`);

const rangeOf = (destination: number) => ({ start: [destination], end: [destination, END] });

function* firstOf<Value>(values: Iterable<Value>, limit: number): Generator<Value> {
  let left = limit;
  for (const value of values) {
    if (left-- === 0) return;
    yield value;
  }
}
