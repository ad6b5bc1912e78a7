/**
 * The outbox in LMDB, in a folder of the data folder. Only deliverers write it, processes of their own:
 * LMDB's writer and a page server never share a process, so one that is stopped, killed or out of space
 * holds up no page. A page server opens it to read.
 *
 * A deliverer hears of visits from the log, like every process of the folder: the visit that was written
 * there is not forgotten, since a fold leaves the segment until it is on the agenda (`through.ts`).
 */
import { randomUUID } from 'node:crypto';
import {
  type Batch,
  type Candidate,
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
import { type Buried, END, entryBytes, entryIn, OutboxBase, type Tail } from './outbox-base.ts';
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

  async due(_shard: string, limit: number): Promise<Batch> {
    const arrivals = this.#deliverer();
    const batch = this.#read((base) => {
      arrivals.bring();
      const now = Date.now();
      return this.#batch(base.due(now, limit), arrivals.store, now);
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
          next: cameBack ? before.next : next,
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
        const entries = value.numbers.flatMap((number) => {
          parts.add(number);
          const bytes = base.entries.get([destination, number]);
          return bytes ? entryIn(number, bytes) : [];
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

  seal(destination: number, ...messages: readonly Sealed[]): Promise<void> {
    return this.#write(() => {
      for (const { message, entries } of messages) {
        this.#seal(
          destination,
          message,
          entries.map(({ id }) => Number(id)),
        );
      }
    });
  }

  done(destination: number, messages: readonly Sealed[]): Promise<void> {
    return this.#write(() => {
      for (const message of messages) {
        this.#unseal(destination, message);
        this.#remove(destination, message.entries);
      }
    });
  }

  discard(destination: number, entries: readonly Entry[]): Promise<void> {
    return this.#write(() => {
      this.#remove(destination, entries);
    });
  }

  putBack(destination: number, message: Sealed, entries: readonly Entry[]): Promise<void> {
    return this.#write(() => {
      const numbers = new Set(this.#unseal(destination, message));
      const queuedAt = Date.now();
      // Whoever does not know whether it was put back says it again.
      const removed = entries.filter((entry) => this.#remove(destination, [entry]) > 0);
      const again = removed.map(({ id, ...entry }) => ({ ...entry, queuedAt, isLate: true }));
      this.#queue(destination, again);
      for (const { id } of removed) numbers.delete(Number(id));
      this.#seal(destination, message.message, [...numbers]);
    });
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
      return [...newest.map(letterIn)];
    });
  }

  async oldestDead(destination: number, limit: number, after?: DeadLetter): Promise<DeadLetter[]> {
    return this.#read((base) => {
      const { start, end } = rangeOf(destination);
      const from = after ? { start: graveOf(destination, after), exclusiveStart: true } : { start };
      return [...base.dead.getRange({ ...from, end, limit }).map(letterIn)];
    });
  }

  amend(destination: number, letter: DeadLetter): Promise<void> {
    const { problem, entries } = letter;
    return this.#write(() => {
      const grave = graveOf(destination, letter);
      if (!this.#base.dead.doesExist(grave)) return;
      if (entries.length > 0) this.#base.dead.putSync(grave, { problem, entries });
      else this.#exhume(destination, [grave]);
    });
  }

  async replay(destination: number, letters: Letters): Promise<number> {
    return this.#takeOut(destination, letters, (graves) => {
      const queuedAt = Date.now();
      const again = graves
        .flatMap((grave) => this.#base.dead.get(grave)?.entries ?? [])
        .map(({ id, ...entry }) => ({ ...entry, queuedAt, isLate: true }));
      this.#queue(destination, again);
    });
  }

  async drop(destination: number, letters: Letters): Promise<number> {
    return this.#takeOut(destination, letters, () => {});
  }

  async clear(destination: number): Promise<void> {
    const all = { until: Number.MAX_SAFE_INTEGER, limit: CHUNK };
    while ((await this.drop(destination, all)) === CHUNK);
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
    const { next, ...told } = this.#base.visitor(deviceId);
    let found: ReturnType<EmbeddedStore['recall']>;
    try {
      found = store.recall(deviceId);
    } catch (error) {
      return { deviceId, problem: `visitor ${deviceId}: ${(error as Error).message}` };
    }
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

  /** Has visitors come later, whenever they were to come, so that they are in nobody's way. */
  async #putOff(visitors: readonly Unreadable[]): Promise<void> {
    if (visitors.length === 0) return;
    await this.#write(() => {
      const next = Date.now() + PUT_OFF_MS;
      for (const { deviceId } of visitors) {
        const before = this.#base.visitor(deviceId);
        this.#base.putVisitor(deviceId, before, { ...before, next });
      }
    });
  }

  #queue(destination: number, entries: readonly Omit<Entry, 'id'>[]): void {
    this.#change(destination, ({ last, waiting }) => {
      for (const entry of entries) {
        this.#base.entries.putSync([destination, ++last], entryBytes(entry));
      }
      return { last, waiting: waiting + entries.length };
    });
  }

  /** Without numbers, there is no message any more. */
  #seal(destination: number, message: string, numbers: readonly number[]): void {
    if (numbers.length > 0)
      this.#base.sealed.putSync([destination, numbers[0]], { message, numbers });
  }

  /** Returns the numbers that were part of the message. */
  #unseal(destination: number, { message, entries }: Sealed): readonly number[] {
    const { sealed } = this.#base;
    let key: [number, number] = [destination, Number(entries[0].id)];
    let found = sealed.get(key);
    if (found?.message !== message) {
      // It begins with another one, where the first ones were put back.
      const other = [...sealed.getRange(rangeOf(destination))].find(
        ({ value }) => value.message === message,
      );
      if (!other) return [];
      ({ key, value: found } = other);
    }
    sealed.removeSync(key);
    return found.numbers;
  }

  /** Returns how many of them were there. */
  #remove(destination: number, entries: readonly Entry[]): number {
    let removed = 0;
    for (const { id } of entries) {
      if (this.#base.entries.removeSync([destination, Number(id)])) removed++;
    }
    if (removed > 0) this.#change(destination, ({ waiting }) => ({ waiting: waiting - removed }));
    return removed;
  }

  #change(destination: number, change: (tail: Tail) => Partial<Tail>): void {
    const tail = this.#base.tail(destination);
    this.#base.tails.putSync(destination, { ...tail, ...change(tail) });
  }

  /** Takes dead letters out; what is to be done with them is done in the same step. */
  #takeOut(
    destination: number,
    letters: Letters,
    take: (graves: readonly Grave[]) => void,
  ): Promise<number> {
    return this.#write(() => {
      const { start, end } = rangeOf(destination);
      const { dead } = this.#base;
      const graves =
        'until' in letters
          ? [
              ...dead.getKeys({
                start,
                end: [destination, letters.until, END],
                limit: letters.limit,
              }),
            ]
          : gravesOf(dead.getKeys({ start, end }), letters);
      take(graves);
      this.#exhume(destination, graves);
      return graves.length;
    });
  }

  #exhume(destination: number, graves: readonly Grave[]): void {
    for (const grave of graves) this.#base.dead.removeSync(grave);
    this.#change(destination, ({ dead }) => ({ dead: dead - graves.length }));
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

const unwritten = (error: unknown) =>
  new StoreError(`the outbox cannot be written: ${(error as Error).message}`);

const rangeOf = (destination: number) => ({ start: [destination], end: [destination, END] });

type Grave = [destination: number, at: number, message: string];

const graveOf = (destination: number, { at, message }: DeadLetter): Grave => [
  destination,
  at,
  message,
];

function gravesOf(all: Iterable<Grave>, messages: readonly string[]): Grave[] {
  const names = new Set(messages);
  const graves: Grave[] = [];
  for (const grave of all) if (names.has(grave[2])) graves.push(grave);
  return graves;
}

const letterIn = ({
  key: [, at, message],
  value: { problem, entries },
}: {
  key: Grave;
  value: Buried;
}): DeadLetter => ({ message, entries, at, problem });
