/** The outbox contract in the plainest way: in memory. Nothing of it outlives the tests. */
import { isDeepStrictEqual } from 'node:util';
import type { Profile } from '../../src/audience/profile.ts';
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
  type Told,
  type Unreadable,
} from '../../src/store/outbox.ts';
import { StoreError } from '../../src/store/store.ts';
import { NO_IDS } from '../../src/store/told.ts';

const NOBODY: Told = new Map();

interface Queue {
  /** Nobody has read them. */
  unread: Entry[];
  /** Read, and part of no message. */
  read: Entry[];
  sealed: Sealed[];
  /** Of messages that were sealed and are not done: an engine may keep something for each. */
  names: Set<string>;
  /** Oldest first. */
  dead: DeadLetter[];
}

/** What outlives a process. */
export class OutboxMemory {
  readonly profiles = new Map<string, { profile: Profile; keptUntil: number | undefined }>();
  /** Those who cannot be read. */
  readonly unreadable = new Set<string>();
  readonly told = new Map<string, Told>();
  readonly partnerIds = new Map<string, Outcome['partnerIds']>();
  /** When to examine, and how often that was written. */
  readonly agenda = new Map<string, { at: number; by: Cause; version: number }>();
  readonly queues = new Map<number, Queue>();
  /** With the process that has it. */
  readonly leases = new Map<string, { process?: object; holder: string; until: number }>();
  /** Unix milliseconds. */
  readonly now: () => number;
  #numbers = 0;

  constructor(now = Date.now) {
    this.now = now;
  }

  nextNumber(): number {
    return ++this.#numbers;
  }

  /** A visitor as a visit leaves them; undefined: forgotten. */
  keep(deviceId: string, profile: Profile | undefined, keptUntil?: number): void {
    if (profile) this.profiles.set(deviceId, { profile, keptUntil });
    else this.profiles.delete(deviceId);
    this.schedule(deviceId, this.now());
  }

  schedule(deviceId: string, at: number): void {
    const by = at <= this.now() ? 'visit' : 'time';
    this.agenda.set(deviceId, { at, by, version: this.nextNumber() });
  }

  queue(destination: number): Queue {
    const fresh = { unread: [], read: [], sealed: [], names: new Set<string>(), dead: [] };
    const queue = this.queues.get(destination) ?? fresh;
    this.queues.set(destination, queue);
    return queue;
  }
}

/** One process's way to it. */
export class MemoryOutbox implements Outbox {
  readonly memory: OutboxMemory;
  /** Why it cannot be read or written now. */
  problem: string | undefined;
  /** The versions in the agenda that a batch was taken at. */
  readonly #versions = new WeakMap<Batch, ReadonlyMap<string, number | undefined>>();

  constructor(memory = new OutboxMemory()) {
    this.memory = memory;
  }

  async shards(): Promise<string[]> {
    await this.#arrive();
    return ['all'];
  }

  async lease(name: string, holder: string, milliseconds: number): Promise<boolean> {
    await this.#arrive();
    const { leases } = this.memory;
    const lease = leases.get(name);
    if (lease && lease.holder !== holder && lease.until > this.memory.now()) return false;
    leases.set(name, { process: this, holder, until: this.memory.now() + milliseconds });
    return true;
  }

  async release(name: string, holder: string): Promise<void> {
    await this.#arrive();
    if (this.memory.leases.get(name)?.holder === holder) this.memory.leases.delete(name);
  }

  async due(_shard: string, limit: number, by: Cause = 'visit'): Promise<Batch> {
    await this.#arrive();
    const now = this.memory.now();
    const due = [...this.memory.agenda].filter(([, entry]) => entry.by === by && entry.at <= now);
    due.sort(([, a], [, b]) => a.at - b.at || a.version - b.version);
    return this.#batch(due.slice(0, limit).map(([deviceId]) => deviceId));
  }

  async walk(
    _shard: string,
    cursor: string | undefined,
    limit: number,
  ): Promise<{ batch: Batch; cursor: string | undefined; progress: number }> {
    await this.#arrive();
    const ids = [...this.memory.profiles.keys()].sort();
    // Who comes later has been examined by what they did.
    const [after = '', end = ids.at(-1) ?? ''] = cursor?.split(' ') ?? [];
    const all = ids.filter((deviceId) => deviceId <= end);
    const left = all.filter((deviceId) => deviceId > after);
    const own = left.slice(0, limit);
    return {
      batch: this.#batch(own),
      cursor: left.length > limit ? `${own.at(-1)} ${end}` : undefined,
      progress: left.length > limit ? 1 - (left.length - limit) / all.length : 1,
    };
  }

  async settle(batch: Batch, outcomes: readonly Outcome[]): Promise<void> {
    await this.#arrive();
    const { memory } = this;
    const taken = new Map(
      batch.candidates.map((one) => [one.deviceId, { told: one.told, partnerIds: one.partnerIds }]),
    );
    for (const { deviceId, told, moves, partnerIds, next } of outcomes) {
      const since = taken.get(deviceId);
      if (since && !isDeepStrictEqual(this.#told(deviceId), since)) {
        memory.schedule(deviceId, memory.now());
        continue;
      }
      memory.partnerIds.set(
        deviceId,
        new Map([...(partnerIds ?? [])].filter(([destination]) => told.has(destination))),
      );
      if (told.size > 0) memory.told.set(deviceId, told);
      else memory.told.delete(deviceId);
      for (const [destination, own] of moves) {
        this.#enqueue(destination, deviceId, own, partnerIds?.get(destination));
      }
      const entry = memory.agenda.get(deviceId);
      if (entry?.version !== this.#versions.get(batch)?.get(deviceId)) {
        // Who came back stays; whom somebody else has settled comes again.
        if (entry?.by !== 'visit') memory.schedule(deviceId, memory.now());
      } else if (next === undefined) memory.agenda.delete(deviceId);
      else memory.schedule(deviceId, next);
    }
  }

  async look(deviceIds: readonly string[]): Promise<(Subject | Unreadable)[]> {
    await this.#arrive();
    return deviceIds.map((deviceId) => this.#candidate(deviceId));
  }

  async queues(): Promise<QueueState[]> {
    await this.#arrive();
    const states = [...this.memory.queues].map(([destination, queue]) => {
      const entries = waiting(queue);
      return {
        destination,
        waiting: entries.length,
        oldest: entries.length > 0 ? Math.min(...entries.map((e) => e.queuedAt)) : undefined,
        dead: queue.dead.length,
      };
    });
    return states.filter((state) => state.waiting > 0 || state.dead > 0);
  }

  async recover(destination: number): Promise<{ sealed: Sealed[]; read: Entry[] }> {
    await this.#arrive();
    const { sealed, read } = this.memory.queue(destination);
    return { sealed: [...sealed], read: [...read] };
  }

  async read(destination: number, limit: number): Promise<Entry[]> {
    await this.#arrive();
    const queue = this.memory.queue(destination);
    const entries = queue.unread.splice(0, limit);
    queue.read.push(...entries);
    return entries;
  }

  async seal(destination: number, ...messages: readonly Sealed[]): Promise<void> {
    await this.#arrive();
    const queue = this.memory.queue(destination);
    for (const message of messages) {
      this.#take(queue, message.entries);
      queue.sealed.push(message);
      queue.names.add(message.message);
    }
  }

  async done(destination: number, messages: readonly Sealed[]): Promise<void> {
    await this.#arrive();
    const queue = this.memory.queue(destination);
    for (const { message, entries } of messages) {
      this.#take(queue, entries);
      this.#forget(queue, message);
    }
  }

  async discard(destination: number, entries: readonly Entry[]): Promise<void> {
    await this.#arrive();
    this.#take(this.memory.queue(destination), entries);
  }

  async putBack(destination: number, _message: Sealed, entries: readonly Entry[]): Promise<void> {
    await this.#arrive();
    const queue = this.memory.queue(destination);
    const there = new Set(waiting(queue).map(({ id }) => id));
    this.#take(queue, entries);
    for (const entry of entries) if (there.has(entry.id)) this.#enqueueLate(destination, entry);
  }

  async bury(destination: number, letter: DeadLetter): Promise<void> {
    await this.#arrive();
    const queue = this.memory.queue(destination);
    this.#take(queue, letter.entries);
    this.#forget(queue, letter.message);
    queue.dead.push(letter);
    queue.dead.sort((a, b) => a.at - b.at || (a.message < b.message ? -1 : 1));
  }

  async dead(destination: number, limit: number): Promise<DeadLetter[]> {
    await this.#arrive();
    return this.memory.queue(destination).dead.slice(-limit).reverse();
  }

  async oldestDead(destination: number, limit: number, after?: DeadLetter): Promise<DeadLetter[]> {
    await this.#arrive();
    const { dead } = this.memory.queue(destination);
    const left = after
      ? dead.filter(
          ({ at, message }) => at > after.at || (at === after.at && message > after.message),
        )
      : dead;
    return left.slice(0, limit);
  }

  async amend(destination: number, letter: DeadLetter): Promise<void> {
    await this.#arrive();
    const queue = this.memory.queue(destination);
    queue.dead = queue.dead.flatMap((one) => {
      if (one.message !== letter.message) return one;
      return letter.entries.length > 0 ? letter : [];
    });
  }

  async replay(destination: number, letters: Letters): Promise<number> {
    await this.#arrive();
    const taken = this.#exhume(destination, letters, ({ isUnreadable }) => !isUnreadable);
    for (const { entries } of taken) {
      for (const entry of entries) this.#enqueueLate(destination, entry);
    }
    return taken.length;
  }

  async drop(destination: number, letters: Letters): Promise<number> {
    await this.#arrive();
    return this.#exhume(destination, letters).length;
  }

  async clear(destination: number): Promise<void> {
    await this.#arrive();
    this.memory.queues.delete(destination);
  }

  async close(): Promise<void> {
    for (const [name, lease] of this.memory.leases) {
      if (lease.process === this) this.memory.leases.delete(name);
    }
    this.problem = 'the outbox is closed';
  }

  /** Everything takes a turn, as it does elsewhere. */
  async #arrive(): Promise<void> {
    await new Promise(setImmediate);
    if (this.problem) throw new StoreError(this.problem);
  }

  #batch(deviceIds: readonly string[]): Batch {
    const { agenda } = this.memory;
    const all = deviceIds.map((deviceId) => this.#candidate(deviceId));
    const candidates = all.filter((one): one is Candidate => isReadable(one));
    const unreadable = all.filter((one): one is Unreadable => !isReadable(one));
    for (const { deviceId } of unreadable) {
      this.memory.schedule(deviceId, this.memory.now() + PUT_OFF_MS);
    }
    const batch = { candidates, unreadable };
    this.#versions.set(batch, new Map(deviceIds.map((id) => [id, agenda.get(id)?.version])));
    return batch;
  }

  #candidate(deviceId: string): Candidate | Unreadable {
    const { profiles, unreadable } = this.memory;
    if (unreadable.has(deviceId)) return { deviceId, problem: `visitor ${deviceId}: unknown` };
    const kept = profiles.get(deviceId);
    return {
      deviceId,
      profile: kept?.profile,
      keptUntil: kept?.keptUntil,
      ...this.#told(deviceId),
    };
  }

  #told(deviceId: string): Pick<Candidate, 'told' | 'partnerIds'> {
    const { told, partnerIds } = this.memory;
    return { told: told.get(deviceId) ?? NOBODY, partnerIds: partnerIds.get(deviceId) ?? NO_IDS };
  }

  #enqueue(
    destination: number,
    deviceId: string,
    moves: Entry['moves'],
    partnerId: string | undefined,
  ): void {
    if (moves.length === 0) return;
    const id = String(this.memory.nextNumber());
    this.memory
      .queue(destination)
      .unread.push({ id, queuedAt: this.memory.now(), deviceId, partnerId, moves });
  }

  #enqueueLate(destination: number, entry: Entry): void {
    const [id, queuedAt] = [String(this.memory.nextNumber()), this.memory.now()];
    this.memory.queue(destination).unread.push({ ...entry, id, queuedAt, isLate: true });
  }

  #exhume(
    destination: number,
    which: Letters,
    isMeant: (letter: DeadLetter) => boolean = () => true,
  ): DeadLetter[] {
    const queue = this.memory.queue(destination);
    const dead = queue.dead.filter(isMeant);
    const letters =
      'until' in which
        ? dead.filter(({ at }) => at <= which.until).slice(0, which.limit)
        : dead.filter(({ message }) => which.includes(message));
    queue.dead = queue.dead.filter((letter) => !letters.includes(letter));
    return letters;
  }

  /** Not while anything is part of it. */
  #forget(queue: Queue, message: string): void {
    if (!queue.sealed.some((one) => one.message === message)) queue.names.delete(message);
  }

  /** Takes entries from wherever they are. */
  #take(queue: Queue, entries: readonly Entry[]): void {
    const taken = new Set(entries.map(({ id }) => id));
    const isLeft = ({ id }: Entry) => !taken.has(id);
    queue.read = queue.read.filter(isLeft);
    queue.sealed = queue.sealed
      .map(({ message, entries: all }) => ({ message, entries: all.filter(isLeft) }))
      .filter(({ entries: all }) => all.length > 0);
  }
}

const waiting = ({ unread, read, sealed }: Queue): Entry[] => [
  ...sealed.flatMap(({ entries }) => entries),
  ...read,
  ...unread,
];
