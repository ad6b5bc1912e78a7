/**
 * The registry in LMDB, in a folder of the data folder, for the processes of one machine.
 *
 * Every write is asynchronous: another process that holds the writer's lock, even one that was
 * stopped, never holds up this one's pages.
 */
import path from 'node:path';
import { setImmediate as pause } from 'node:timers/promises';
import { type Database, open, type RootDatabase } from 'lmdb';
import {
  type Batch,
  type Count,
  type Counted,
  KEPT_UNITS,
  type Kept,
  type Kind,
  type PutOptions,
  type Recent,
  type Registry,
  RegistryConflict,
  UNIT_MS,
  type Unit,
} from '../registry.ts';

interface Stored {
  readonly version: number;
  /** Unix milliseconds; from then on there is none. */
  readonly until?: number;
  readonly value: unknown;
}

interface Entry {
  readonly owner: string;
  readonly value: unknown;
}

const UNITS = Object.keys(UNIT_MS) as Unit[];
/** How long a writer's last batch is known. */
const BATCH_MS = 2 * UNIT_MS.day;
/** So many counts are read at a time; pages are answered in between. */
const MAX_TURN = 500;
/** Sorts after every text, number and list of them. */
const END = new Uint8Array([255]);
const CLOSE_MS = 2_000;

export class RegistryFile implements Registry {
  readonly #root: RootDatabase;
  readonly #records: Database<Stored, [kind: Kind | 'batch', id: string]>;
  /** By unit first: what is too old lies together. */
  readonly #counts: Database<number, [unit: Unit, at: number, scope: string, name: string]>;
  readonly #recent: Database<Entry, [list: string, at: number, number: number]>;
  #number = Math.floor(Math.random() * 2 ** 32);
  #prunedAt = 0;

  constructor(folder: string) {
    this.#root = open({ path: path.join(folder, 'registry'), maxDbs: 4, overlappingSync: false });
    const json = { encoding: 'json' } as const;
    this.#records = this.#root.openDB({ name: 'records', ...json });
    this.#counts = this.#root.openDB({ name: 'counts', ...json });
    this.#recent = this.#root.openDB({ name: 'recent', ...json });
  }

  async get<Value>(kind: Kind, id: string): Promise<Kept<Value> | undefined> {
    const stored = this.#stored(kind, id);
    return stored && { id, value: stored.value as Value, version: stored.version };
  }

  async list<Value>(kind: Kind): Promise<Kept<Value>[]> {
    const now = Date.now();
    const kept: Kept<Value>[] = [];
    for (const { key, value } of this.#records.getRange({ start: [kind], end: [kind, END] })) {
      if (isOver(value, now)) continue;
      kept.push({ id: key[1], value: value.value as Value, version: value.version });
    }
    return kept;
  }

  async put(kind: Kind, id: string, value: unknown, options: PutOptions = {}): Promise<number> {
    const { after, ttl } = options;
    let version = 0;
    await this.#root.transaction(() => {
      const last = this.#stored(kind, id)?.version ?? 0;
      if (after !== undefined && after !== last) return;
      const now = Date.now();
      // By the clock, so that what was removed and made anew has no version of the one before.
      version = Math.max(last + 1, now);
      const until = ttl === undefined ? undefined : now + ttl;
      this.#records.put([kind, id], { version, until, value });
    });
    if (version === 0) throw new RegistryConflict(`${kind} ${id} was changed meanwhile`);
    await this.#prune();
    return version;
  }

  async remove(kind: Kind, id: string): Promise<boolean> {
    let was = false;
    await this.#root.transaction(() => {
      was = this.#stored(kind, id) !== undefined;
      this.#records.remove([kind, id]);
    });
    return was;
  }

  async add(counts: readonly Count[], at: number, batch?: Batch): Promise<void> {
    if (counts.length === 0) return;
    await this.#root.transaction(() => {
      if (batch) {
        const { writer, number } = batch;
        if (number <= (this.#stored('batch', writer)?.version ?? 0)) return;
        const until = Date.now() + BATCH_MS;
        this.#records.put(['batch', writer], { version: number, until, value: null });
      }
      for (const unit of UNITS) {
        const start = startOf(unit, at);
        for (const { scope, name, count } of counts) {
          const key: [Unit, number, string, string] = [unit, start, scope, name];
          this.#counts.put(key, (this.#counts.get(key) ?? 0) + count);
        }
      }
    });
    await this.#prune();
  }

  async counts(scope: string, unit: Unit, from: number, to: number): Promise<Counted[]> {
    const counted: Counted[] = [];
    for (let at = startOf(unit, from); at <= to; at += UNIT_MS[unit]) {
      let name = '';
      for (let isMore = true; isMore; await pause()) {
        const start = [unit, at, scope, name];
        const range = { start, exclusiveStart: true, end: [unit, at, scope, END], limit: MAX_TURN };
        isMore = false;
        for (const { key, value } of this.#counts.getRange(range)) {
          name = key[3];
          counted.push({ at, name, count: value });
          isMore = true;
        }
      }
    }
    return counted;
  }

  async append(list: string, entries: readonly Recent<unknown>[], keep: number): Promise<void> {
    if (entries.length === 0) return;
    await this.#root.transaction(() => {
      for (const { at, owner, value } of entries) {
        this.#recent.put([list, at, ++this.#number], { owner, value });
      }
      const newest = { start: [list, END], end: [list], reverse: true };
      for (const key of this.#recent.getKeys({ ...newest, offset: keep })) this.#recent.remove(key);
    });
  }

  async recent<Value>(list: string, limit: number): Promise<Recent<Value>[]> {
    const range = { start: [list, END], end: [list], reverse: true, limit };
    return [...this.#recent.getRange(range)].map(({ key, value }) => ({
      at: key[1],
      owner: value.owner,
      value: value.value as Value,
    }));
  }

  async forget(list: string, owner: string): Promise<void> {
    await this.#root.transaction(() => {
      for (const { key, value } of this.#recent.getRange({ start: [list], end: [list, END] })) {
        if (value.owner === owner) this.#recent.remove(key);
      }
    });
  }

  async close(): Promise<void> {
    // A stopped process may hold the writer's lock for ever.
    const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref());
    await Promise.race([this.#root.close(), late]);
  }

  #stored(kind: Kind | 'batch', id: string): Stored | undefined {
    const stored = this.#records.get([kind, id]);
    return stored && !isOver(stored, Date.now()) ? stored : undefined;
  }

  /** Removes what nobody will ask for any more, once an hour. */
  async #prune(): Promise<void> {
    const now = Date.now();
    if (now - this.#prunedAt < UNIT_MS.hour) return;
    this.#prunedAt = now;
    await this.#root.transaction(() => {
      for (const { key, value } of this.#records.getRange({})) {
        if (isOver(value, now)) this.#records.remove(key);
      }
      for (const unit of UNITS) {
        const oldest = startOf(unit, now) - KEPT_UNITS[unit] * UNIT_MS[unit];
        for (const key of this.#counts.getKeys({ start: [unit], end: [unit, oldest] })) {
          this.#counts.remove(key);
        }
      }
    });
  }
}

const isOver = ({ until }: Stored, now: number) => until !== undefined && until <= now;

const startOf = (unit: Unit, at: number) => at - (at % UNIT_MS[unit]);
