/**
 * The queues in LMDB, and their dead letters (where they lie: `outbox-base.ts`). What writes is called
 * within a transaction.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type DeadLetter,
  type Entry,
  type Letters,
  type QueueState,
  type Sealed,
  unreadableLetter,
} from '../outbox.ts';
import {
  type Buried,
  END,
  entryBytes,
  entryIn,
  type OutboxBase,
  type Tail,
} from './outbox-base.ts';

/** An entry that is not queued yet. */
export type Unqueued = Omit<Entry, 'id'>;

/** Where a message lies that was sealed. */
type Place = [destination: number, first: number];

/** Where a dead letter lies. */
type Grave = [destination: number, at: number, message: string];

export class Queues {
  readonly #base: OutboxBase;

  constructor(base: OutboxBase) {
    this.#base = base;
  }

  states(): QueueState[] {
    const { tails, entries } = this.#base;
    const states: QueueState[] = [];
    for (const { key: destination, value } of tails.getRange({})) {
      const { waiting, dead } = value;
      if (waiting === 0 && dead === 0) continue;
      const [first] = entries.getRange({ ...rangeOf(destination), limit: 1 });
      const oldest = first && entryIn(first.key[1], first.value).queuedAt;
      states.push({ destination, waiting, oldest, dead });
    }
    return states;
  }

  /** `empty`: the places of messages of which nothing is left. */
  recover(destination: number): { sealed: Sealed[]; read: Entry[]; empty: Place[] } {
    const base = this.#base;
    const sealed: Sealed[] = [];
    const empty: Place[] = [];
    const parts = new Set<number>();
    for (const { key, value } of base.sealed.getRange(rangeOf(destination))) {
      const entries = value.numbers.flatMap((number) => {
        parts.add(number);
        const bytes = base.entries.get([destination, number]);
        return bytes ? entryIn(number, bytes) : [];
      });
      if (entries.length > 0) sealed.push({ message: value.message, entries });
      else empty.push(key);
    }
    const read: Entry[] = [];
    const end = [destination, base.tail(destination).read + 1];
    for (const { key, value } of base.entries.getRange({ start: [destination], end })) {
      if (!parts.has(key[1])) read.push(entryIn(key[1], value));
    }
    return { sealed, read, empty };
  }

  forget(messages: readonly Place[]): void {
    for (const place of messages) this.#base.sealed.removeSync(place);
  }

  /** Whether there is something that nobody has read. */
  hasNew(destination: number): boolean {
    const { last, read } = this.#base.tail(destination);
    return read < last;
  }

  read(destination: number, limit: number): Entry[] {
    const tail = this.#base.tail(destination);
    const range = { ...rangeOf(destination), start: [destination, tail.read + 1], limit };
    const entries = [
      ...this.#base.entries.getRange(range).map(({ key, value }) => entryIn(key[1], value)),
    ];
    const read = entries.length < limit ? tail.last : Number(entries.at(-1)?.id);
    this.#base.tails.putSync(destination, { ...tail, read });
    return entries;
  }

  push(destination: number, entries: readonly Unqueued[]): void {
    this.#change(destination, ({ last, waiting }) => {
      for (const entry of entries) {
        this.#base.entries.putSync([destination, ++last], entryBytes(entry));
      }
      return { last, waiting: waiting + entries.length };
    });
  }

  seal(destination: number, { message, entries }: Sealed): void {
    this.#seal(
      destination,
      message,
      entries.map(({ id }) => Number(id)),
    );
  }

  done(destination: number, message: Sealed): void {
    // What has its first entry has taken its place.
    if (message.entries.length === 0) return;
    this.#unseal(destination, message);
    this.remove(destination, message.entries);
  }

  /** Returns how many of them were there. */
  remove(destination: number, entries: readonly Entry[]): number {
    let removed = 0;
    for (const { id } of entries) {
      if (this.#base.entries.removeSync([destination, Number(id)])) removed++;
    }
    if (removed > 0) this.#change(destination, ({ waiting }) => ({ waiting: waiting - removed }));
    return removed;
  }

  putBack(destination: number, message: Sealed, entries: readonly Entry[]): void {
    const numbers = new Set(this.#unseal(destination, message));
    // Whoever does not know whether it was put back says it again.
    const removed = entries.filter((entry) => this.remove(destination, [entry]) > 0);
    this.#pushLate(destination, removed);
    for (const { id } of removed) numbers.delete(Number(id));
    this.#seal(destination, message.message, [...numbers]);
  }

  bury(destination: number, letter: DeadLetter): void {
    const { entries, problem } = letter;
    // It may be there already, and its destination may have been cleared.
    if (!this.#base.sealed.removeSync([destination, Number(entries[0].id)])) return;
    this.remove(destination, entries);
    this.#base.dead.putSync(graveOf(destination, letter), { problem, entries });
    this.#change(destination, ({ dead }) => ({ dead: dead + 1 }));
  }

  dead(destination: number, limit: number): DeadLetter[] {
    const { start, end } = rangeOf(destination);
    const newest = this.#base.dead.getKeys({ start: end, end: start, reverse: true, limit });
    return [...newest.map((grave) => this.#letterIn(grave))];
  }

  oldestDead(destination: number, limit: number, after: DeadLetter | undefined): DeadLetter[] {
    const { start, end } = rangeOf(destination);
    const from = after ? { start: graveOf(destination, after), exclusiveStart: true } : { start };
    const oldest = this.#base.dead.getKeys({ ...from, end, limit });
    return [...oldest.map((grave) => this.#letterIn(grave))];
  }

  amend(destination: number, letter: DeadLetter): void {
    const { problem, entries } = letter;
    const grave = graveOf(destination, letter);
    if (!this.#base.dead.doesExist(grave)) return;
    if (entries.length > 0) this.#base.dead.putSync(grave, { problem, entries });
    else this.#exhume(destination, [grave]);
  }

  replay(destination: number, letters: Letters): number {
    const graves: Grave[] = [];
    const entries: Entry[] = [];
    for (const grave of this.#gravesOf(destination, letters)) {
      if ('until' in letters && graves.length === letters.limit) break;
      const letter = this.#letterIn(grave);
      if (letter.isUnreadable) continue;
      graves.push(grave);
      entries.push(...letter.entries);
    }
    this.#pushLate(destination, entries);
    this.#exhume(destination, graves);
    return graves.length;
  }

  drop(destination: number, letters: Letters): number {
    const all = this.#gravesOf(destination, letters);
    const graves = 'until' in letters ? [...all.take(letters.limit)] : [...all];
    this.#exhume(destination, graves);
    return graves.length;
  }

  /** Forgets so many entries; returns how many there were. */
  clear(destination: number, limit: number): number {
    const { entries, sealed } = this.#base;
    const keys = [...entries.getKeys({ ...rangeOf(destination), limit })];
    for (const key of keys) {
      entries.removeSync(key);
      // A message has gone when its first entry has.
      sealed.removeSync(key);
    }
    this.#change(destination, ({ waiting }) => ({ waiting: waiting - keys.length }));
    return keys.length;
  }

  #pushLate(destination: number, entries: readonly Entry[]): void {
    const queuedAt = Date.now();
    const late = entries.map(({ id, ...entry }) => ({ ...entry, queuedAt, isLate: true }));
    this.push(destination, late);
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
      const all = [...sealed.getRange(rangeOf(destination))];
      const other = all.find(({ value }) => value.message === message);
      if (!other) return [];
      ({ key, value: found } = other);
    }
    sealed.removeSync(key);
    return found.numbers;
  }

  /** Oldest first; of those up to a time, all. */
  *#gravesOf(destination: number, letters: Letters): Generator<Grave, void> {
    const { start, end } = rangeOf(destination);
    const names = 'until' in letters ? undefined : new Set(letters);
    const last = 'until' in letters ? [destination, letters.until, END] : end;
    for (const grave of this.#base.dead.getKeys({ start, end: last })) {
      if (!names || names.has(grave[2])) yield grave;
    }
  }

  #letterIn(grave: Grave): DeadLetter {
    const [, at, message] = grave;
    try {
      const { problem, entries } = this.#base.dead.get(grave) as Buried;
      const isKnown = typeof problem === 'string' && entries.length > 0 && entries.every(isEntry);
      if (isKnown) return { message, entries, at, problem };
    } catch {
      // It is no letter at all.
    }
    return unreadableLetter(message, at);
  }

  #exhume(destination: number, graves: readonly Grave[]): void {
    for (const grave of graves) this.#base.dead.removeSync(grave);
    this.#change(destination, ({ dead }) => ({ dead: dead - graves.length }));
  }

  #change(destination: number, change: (tail: Tail) => Partial<Tail>): void {
    const tail = this.#base.tail(destination);
    this.#base.tails.putSync(destination, { ...tail, ...change(tail) });
  }
}

/** What this program would write otherwise, it has not understood. */
const isEntry = (entry: Entry): boolean =>
  isDeepStrictEqual(entryIn(Number(entry.id), entryBytes(entry)), entry);

const rangeOf = (destination: number) => ({ start: [destination], end: [destination, END] });

const graveOf = (destination: number, { at, message }: DeadLetter): Grave => [
  destination,
  at,
  message,
];
