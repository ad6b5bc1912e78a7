/**
 * A list of the account as people look at it: searched and sorted, in turns, since it may have
 * 100,000 entries. Orders are made once, and carried over to what an edit makes of the list.
 */
import { SECRETS } from '../account/secret.ts';
import { inTurns, type Turns } from '../account/turns.ts';
import { type Entry, fieldsOf, type Resource } from './resource.ts';

/** Entries by their places in the list. */
export type Places = readonly number[] | Uint32Array;

const SEARCHED = ['name', 'description', 'integrationCode', 'traitRule', 'segmentRule'];
/** Whoever sees so long a list will sort it by name, which takes a moment: it begins at once. */
const LONG = 10_000;
/** Orders that are kept. */
const MAX_ORDERS = 4;

export class Listing {
  readonly entries: readonly Entry[];
  /** All places, as they are. */
  readonly all: Places;
  readonly #id: string;
  readonly #fields: Entry;
  /** By field; the ones asked for last. */
  readonly #orders = new Map<string, Promise<Places>>();

  /** @param before what the list was before an edit */
  constructor(entries: readonly Entry[], resource: Resource, before?: Listing) {
    this.entries = entries;
    this.all = Uint32Array.from(entries.keys());
    this.#id = resource.id;
    const fields = Object.entries(fieldsOf(resource.schema));
    // In which order secrets are tells what they are.
    this.#fields = Object.fromEntries(fields.filter(([field]) => !SECRETS.includes(field)));
    if (before) this.#carryOver(before);
    else if (entries.length > LONG) this.#order('name');
  }

  get fields(): readonly string[] {
    return Object.keys(this.#fields);
  }

  has(field: string): boolean {
    return Object.hasOwn(this.#fields, field);
  }

  /** Tells in whose name, description, code or rule a text occurs, in any case; or who has it as their id. */
  searching(text: string): (entry: Entry) => boolean {
    // Without a copy of the texts in lower case, which would take as much memory as they do.
    const pattern = new RegExp(RegExp.escape(text), 'iu');
    return (entry) =>
      String(entry[this.#id]) === text ||
      SEARCHED.some((field) => entry[field] != null && pattern.test(String(entry[field])));
  }

  filter(places: Places, holds: (entry: Entry) => boolean): Promise<Places> {
    return inTurns(filtering(places, (place) => holds(this.entries[place])));
  }

  /** @param counted what is sorted by, where it is no field of the entries themselves */
  async sort(places: Places, field: string, counted?: (entry: Entry) => unknown): Promise<Places> {
    const isFew = places.length < this.entries.length / 8 && !this.#orders.has(field);
    if (counted || isFew) return inTurns(this.#sorting(places, counted ?? this.#value(field)));
    const order = await this.#order(field);
    if (places === this.all) return order;
    const isWanted = new Uint8Array(this.entries.length);
    for (const place of places) isWanted[place] = 1;
    return order.filter((place) => isWanted[place] === 1);
  }

  #order(field: string): Promise<Places> {
    const order = this.#orders.get(field) ?? inTurns(this.#sorting(this.all, this.#value(field)));
    this.#orders.delete(field);
    this.#orders.set(field, order);
    if (this.#orders.size > MAX_ORDERS) {
      const [oldest] = this.#orders.keys();
      this.#orders.delete(oldest);
    }
    return order;
  }

  #carryOver(before: Listing): void {
    for (const [field, order] of before.#orders) {
      const { entries } = before;
      const carried = order.then((places) => inTurns(this.#carriedOver(field, entries, places)));
      this.#orders.set(field, carried);
    }
  }

  readonly #value = (field: string) => (entry: Entry) => entry[field] ?? this.#fields[field];

  *#sorting(places: Places, value: (entry: Entry) => unknown): Turns<Places> {
    return Uint32Array.from(yield* sorting(places, this.#comparing(value)));
  }

  /** Those that are alike come in the order of their ids, so there is one order only. */
  #comparing(value: (entry: Entry) => unknown): Compare {
    const { entries } = this;
    const id = (place: number) => Number(entries[place][this.#id]);
    return (a, b) => compared(value(entries[a]), value(entries[b])) || id(a) - id(b);
  }

  /**
   * What stayed the same keeps its order. An edit changes one entry, or a few that stand together: all
   * before and behind are as they were, even where the document was read anew.
   */
  *#carriedOver(field: string, old: readonly Entry[], order: Places): Turns<Places> {
    const { entries } = this;
    const id = this.#id;
    const value = this.#value(field);
    const shift = entries.length - old.length;
    const isSame = (was: Entry, now: Entry) =>
      was === now || (was[id] === now[id] && value(was) === value(now));
    let head = 0;
    while (head < old.length && head < entries.length && isSame(old[head], entries[head])) {
      if (++head % PAUSE === 0) yield;
    }
    let tail = old.length;
    while (tail > head && tail + shift > head && isSame(old[tail - 1], entries[tail - 1 + shift])) {
      if (--tail % PAUSE === 0) yield;
    }
    const kept: number[] = [];
    for (const place of order) {
      if (place < head) kept.push(place);
      else if (place >= tail) kept.push(place + shift);
    }
    const changed = Array.from({ length: tail + shift - head }, (_, i) => head + i);
    const compare = this.#comparing(value);
    return Uint32Array.from(yield* merging(kept, yield* sorting(changed, compare), compare));
  }
}

/** Entries that are looked at without a pause. */
const PAUSE = 256;

function* filtering(places: Places, holds: (place: number) => boolean): Turns<Places> {
  const found: number[] = [];
  for (const [i, place] of places.entries()) {
    if (i % PAUSE === 0) yield;
    if (holds(place)) found.push(place);
  }
  return found;
}

type Compare = (a: number, b: number) => number;

function* sorting(places: Places, compare: Compare): Turns<number[]> {
  let runs: number[][] = [];
  for (let start = 0; start < places.length; start += PAUSE) {
    yield;
    runs.push([...places.slice(start, start + PAUSE)].sort(compare));
  }
  while (runs.length > 1) {
    const longer: number[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      longer.push(yield* merging(runs[i], runs[i + 1] ?? [], compare));
    }
    runs = longer;
  }
  return runs[0] ?? [];
}

function* merging(
  left: readonly number[],
  right: readonly number[],
  compare: Compare,
): Turns<number[]> {
  if (right.length * 16 < left.length) return inserted(left, right, compare);
  const merged: number[] = [];
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) {
    merged.push(compare(left[i], right[j]) <= 0 ? left[i++] : right[j++]);
    if (merged.length % PAUSE === 0) yield;
  }
  return merged.concat(left.slice(i), right.slice(j));
}

/** Likewise, where most are on one side: without looking at most of them. */
function inserted(left: readonly number[], right: readonly number[], compare: Compare): number[] {
  const parts: (number | number[])[] = [];
  let start = 0;
  for (const place of right) {
    let [low, high] = [start, left.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(left[middle], place) <= 0) low = middle + 1;
      else high = middle;
    }
    parts.push(left.slice(start, low), place);
    start = low;
  }
  parts.push(left.slice(start));
  return parts.flat();
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

const compared = (a: unknown, b: unknown) =>
  typeof a === 'number' && typeof b === 'number'
    ? a - b
    : collator.compare(String(a ?? ''), String(b ?? ''));
