/**
 * Writes the registry for one server. A program of its own, started by `registry-file.ts` with the
 * first write: LMDB's writer and the server never share a process, so one that is stopped, killed,
 * out of space or waiting for another one's lock holds up no page, no start and no stop of a server.
 */
import { randomInt } from 'node:crypto';
import {
  BATCH_MS,
  type Batch,
  type Count,
  KEPT_UNITS,
  type Kind,
  type PutOptions,
  type Recent,
  startOf,
  UNIT_MS,
  UNITS,
  type Unit,
} from '../registry.ts';
import { END, isOver, RegistryBase } from './registry-base.ts';

/** A write that a server asks for. */
export interface Order {
  readonly number: number;
  readonly name: keyof RegistryWriter;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly number: number;
  readonly value?: unknown;
  /** Why it was not written, in words. */
  readonly error?: string;
}

/** Removals of one transaction: other writers wait meanwhile. */
const CHUNK = 2_000;
const PRUNE_MS = 3_600_000;

export class RegistryWriter {
  readonly #base: RegistryBase;
  #number = randomInt(2 ** 32);

  constructor(base: RegistryBase) {
    this.#base = base;
  }

  /** Returns the new version, or 0 where another version is there than is to be. */
  put(kind: Kind, id: string, value: unknown, { after, ttl }: PutOptions): number {
    const now = Date.now();
    const last = this.#base.record(kind, id, now)?.version ?? 0;
    if (after !== undefined && after !== last) return 0;
    // By the clock, so that what was removed and made anew has no version of the one before.
    const version = Math.max(last + 1, now);
    const until = ttl === undefined ? undefined : now + ttl;
    this.#base.records.putSync([kind, id], { version, until, value });
    return version;
  }

  remove(kind: Kind, id: string): boolean {
    const was = this.#base.record(kind, id, Date.now()) !== undefined;
    this.#base.records.removeSync([kind, id]);
    return was;
  }

  add(counts: readonly Count[], at: number, batch?: Batch): void {
    if (batch) {
      const { writer, number: version } = batch;
      const now = Date.now();
      if (version <= (this.#base.record('batch', writer, now)?.version ?? 0)) return;
      const until = now + BATCH_MS;
      this.#base.records.putSync(['batch', writer], { version, until, value: null });
    }
    for (const unit of UNITS) {
      const start = startOf(unit, at);
      for (const { scope, name, count } of counts) {
        const key: [Unit, number, string, string] = [unit, start, scope, name];
        this.#base.counts.putSync(key, (this.#base.counts.get(key) ?? 0) + count);
      }
    }
  }

  append(list: string, entries: readonly Recent<unknown>[], keep: number): void {
    const { recent } = this.#base;
    for (const { at, owner, value } of entries) {
      recent.putSync([list, at, ++this.#number], { owner, value });
    }
    const newest = { start: [list, END], end: [list], reverse: true };
    for (const key of [...recent.getKeys({ ...newest, offset: keep })]) recent.removeSync(key);
  }

  forget(list: string, owner: string): void {
    const { recent } = this.#base;
    for (const { key, value } of [...recent.getRange({ start: [list], end: [list, END] })]) {
      if (value.owner === owner) recent.removeSync(key);
    }
  }
}

/** Removes what nobody will ask for any more. */
function prune({ root, records, counts }: RegistryBase, now: number): void {
  const over = [...records.getRange({})].filter(({ value }) => isOver(value, now));
  root.transactionSync(() => {
    for (const { key } of over) {
      // Somebody may have put another one meanwhile.
      const value = records.get(key);
      if (value && isOver(value, now)) records.removeSync(key);
    }
  });
  for (const unit of UNITS) {
    const oldest = startOf(unit, now) - KEPT_UNITS[unit] * UNIT_MS[unit];
    const range = { start: [unit], end: [unit, oldest], limit: CHUNK };
    for (let removed = CHUNK; removed === CHUNK; ) {
      removed = root.transactionSync(() => {
        const keys = [...counts.getKeys(range)];
        for (const key of keys) counts.removeSync(key);
        return keys.length;
      });
    }
  }
}

function write(base: RegistryBase, writer: RegistryWriter, orders: readonly Order[]): Answer[] {
  try {
    return base.root.transactionSync(() =>
      orders.map(({ number, name, args }) => {
        try {
          // One that fails takes nothing along of the others.
          const value = base.root.transactionSync(() =>
            (writer[name] as (...given: unknown[]) => unknown)(...args),
          );
          return { number, value };
        } catch (error) {
          return { number, error: (error as Error).message };
        }
      }),
    );
  } catch (error) {
    return orders.map(({ number }) => ({ number, error: (error as Error).message }));
  }
}

function serve(folder: string): void {
  const base = new RegistryBase(folder, 'write');
  const writer = new RegistryWriter(base);
  let orders: Order[] = [];
  let prunedAt = 0;
  const work = () => {
    // All that have come by now share a transaction, and one flush.
    const batch = orders;
    orders = [];
    if (batch.length === 0) return;
    for (const answer of write(base, writer, batch)) process.send?.(answer, () => {});
    if (Date.now() - prunedAt < PRUNE_MS) return;
    prunedAt = Date.now();
    try {
      prune(base, prunedAt);
    } catch {
      // On a full disk nothing can be removed, either: another time.
    }
  };
  process.on('message', (order: Order) => {
    orders.push(order);
    setImmediate(work);
  });
  // The server has closed, or was killed; what it has sent before has come.
  process.on('disconnect', () => {
    work();
    process.exit(0);
  });
  // They go to all processes of a terminal or a service: the server decides when it is time.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
}

serve(process.argv[2]);
