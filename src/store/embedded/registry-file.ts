/**
 * The registry in LMDB, in a folder of the data folder, for the processes of one machine. Each reads
 * by itself, without locks, and has a program of its own that writes for it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inTurns, type Turns } from '../../account/turns.ts';
import {
  type Batch,
  type Count,
  type Counted,
  type Kept,
  type Kind,
  type PutOptions,
  type Recent,
  type Registry,
  RegistryConflict,
  type Unit,
  unitsBetween,
} from '../registry.ts';
import { StoreError } from '../store.ts';
import { END, isOver, RegistryBase } from './registry-base.ts';
import type { Answer, Order, RegistryWriter } from './registry-writer.ts';

/** What a write may take; the writer of another server may be stopped while it holds the lock. */
const PATIENCE_MS = 3_000;
/** Likewise the first one, before which the writer has to start. */
const FIRST_PATIENCE_MS = 10_000;
const CLOSE_MS = 2_000;
/** Counts that are sent at once; more of them would hold up what else this process does. */
const CHUNK = 1_000;
const STUCK = 'the registry cannot be written: another process has held its lock for too long';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: StoreError) => void;
  readonly timer: NodeJS.Timeout;
}

export class RegistryFile implements Registry {
  readonly #folder: string;
  readonly #base: RegistryBase;
  #writer: ChildProcess | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;
  /** Whether an order was waited for in vain, and nothing has been answered since. */
  #isStuck = false;
  #patience = FIRST_PATIENCE_MS;
  #isClosed = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#base = new RegistryBase(folder, 'read');
  }

  async get<Value>(kind: Kind, id: string): Promise<Kept<Value> | undefined> {
    const stored = this.#fresh().record(kind, id, Date.now());
    return stored && { id, value: stored.value as Value, version: stored.version };
  }

  list<Value>(kind: Kind): Promise<Kept<Value>[]> {
    return inTurns(this.#listing<Value>(kind));
  }

  async put(kind: Kind, id: string, value: unknown, options: PutOptions = {}): Promise<number> {
    const version = await this.#order('put', kind, id, value, options);
    if (version === 0) throw new RegistryConflict(`${kind} ${id} was changed meanwhile`);
    return version;
  }

  remove(kind: Kind, id: string): Promise<boolean> {
    return this.#order('remove', kind, id);
  }

  async add(counts: readonly Count[], at: number, batch?: Batch): Promise<void> {
    for (let i = 0; i < counts.length; i += CHUNK) {
      // Each part is added once.
      const part = batch && { ...batch, writer: `${batch.writer}/${i}` };
      await this.#order('add', counts.slice(i, i + CHUNK), at, part);
    }
  }

  counts(scope: string, unit: Unit, from: number, to: number): Promise<Counted[]> {
    return inTurns(this.#counted(scope, unit, from, to));
  }

  async append(list: string, entries: readonly Recent<unknown>[], keep: number): Promise<void> {
    if (entries.length > 0) await this.#order('append', list, entries, keep);
  }

  recent<Value>(list: string, limit: number): Promise<Recent<Value>[]> {
    return inTurns(this.#newest<Value>(list, limit));
  }

  async forget(list: string, owner: string): Promise<void> {
    await this.#order('forget', list, owner);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const end = performance.now() + CLOSE_MS;
    while (this.#waiting.size > 0 && performance.now() < end) await pause(5);
    this.#isClosed = true;
    const writer = this.#writer;
    if (writer) {
      writer.ref();
      const ended = once(writer, 'exit');
      writer.disconnect();
      // It may wait for a stopped process, for ever.
      const timer = setTimeout(() => writer.kill('SIGKILL'), CLOSE_MS);
      await ended;
      clearTimeout(timer);
    }
    await this.#base.root.close();
  }

  *#listing<Value>(kind: Kind): Turns<Kept<Value>[]> {
    const now = Date.now();
    const kept: Kept<Value>[] = [];
    const range = { start: [kind], end: [kind, END] };
    for (const { key, value } of this.#fresh().records.getRange(range)) {
      yield;
      if (isOver(value, now)) continue;
      kept.push({ id: key[1], value: value.value as Value, version: value.version });
    }
    return kept;
  }

  *#counted(scope: string, unit: Unit, from: number, to: number): Turns<Counted[]> {
    const counted: Counted[] = [];
    for (const at of unitsBetween(unit, from, to, Date.now())) {
      const range = { start: [unit, at, scope], end: [unit, at, scope, END] };
      for (const { key, value } of this.#fresh().counts.getRange(range)) {
        yield;
        counted.push({ at, name: key[3], count: value });
      }
    }
    return counted;
  }

  *#newest<Value>(list: string, limit: number): Turns<Recent<Value>[]> {
    const newest: Recent<Value>[] = [];
    const range = { start: [list, END], end: [list], reverse: true, limit };
    for (const { key, value } of this.#fresh().recent.getRange(range)) {
      yield;
      newest.push({ at: key[1], owner: value.owner, value: value.value as Value });
    }
    return newest;
  }

  /** As of now: what was read before in this tick may be older than what others have put. */
  #fresh(): RegistryBase {
    this.#base.root.resetReadTxn();
    return this.#base;
  }

  #order<Name extends keyof RegistryWriter>(
    name: Name,
    ...args: Parameters<RegistryWriter[Name]>
  ): Promise<ReturnType<RegistryWriter[Name]>> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new StoreError('the registry is closed');
      // Orders that nobody waits for any more would pile up.
      if (this.#isStuck) throw new StoreError(STUCK);
      const number = ++this.#number;
      const timer = setTimeout(() => {
        this.#isStuck = true;
        this.#settle({ number, error: STUCK });
      }, this.#patience);
      this.#waiting.set(number, { resolve: resolve as Waiting['resolve'], reject, timer });
      const order: Order = { number, name, args };
      this.#running().send(order, (error) => {
        if (error) this.#settle({ number, error: error.message });
      });
    });
  }

  #settle({ number, value, error }: Answer): void {
    const waiting = this.#waiting.get(number);
    if (!waiting) return;
    this.#waiting.delete(number);
    clearTimeout(waiting.timer);
    if (error === undefined) waiting.resolve(value);
    else waiting.reject(new StoreError(error));
  }

  #running(): ChildProcess {
    if (this.#writer) return this.#writer;
    const program = fileURLToPath(new URL('./registry-writer.ts', import.meta.url));
    const writer = fork(program, [this.#folder], {
      // It may take longer rather than much memory.
      execArgv: ['--max-semi-space-size=1'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#writer = writer;
    let complaint = '';
    writer.stderr?.on('data', (text) => {
      complaint = `${complaint}${text}`.slice(-2_000);
    });
    writer.on('message', (answer: Answer) => {
      this.#isStuck = false;
      this.#patience = PATIENCE_MS;
      this.#settle(answer);
    });
    const ended = (why: string) => {
      if (this.#writer !== writer) return;
      this.#writer = undefined;
      this.#isStuck = false;
      this.#patience = FIRST_PATIENCE_MS;
      const error = `the registry cannot be written: ${why}`;
      for (const number of [...this.#waiting.keys()]) this.#settle({ number, error });
    };
    writer.on('error', (error) => ended(error.message));
    writer.on('exit', (code, signal) =>
      ended(complaint.trim() || `its writer ended with ${signal ?? code}`),
    );
    // A process may end although it has written something.
    writer.unref();
    writer.channel?.unref();
    (writer.stderr as Socket | null)?.unref();
    return writer;
  }
}
