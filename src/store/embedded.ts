/**
 * The embedded store: a shared log for what happens now, LMDB for everything before.
 *
 * All visits of one tick are appended to the log in one write (`log.ts`); the log's order is the
 * order of everything, for all processes that share the folder. What the log holds that LMDB does
 * not have yet is kept in memory, by visitor; a thread folds full segments into LMDB (`fold.ts`).
 * LMDB alone cannot do this: a transaction for each tick costs more than the whole rest of a request,
 * and its writer's lock would let a stopped process stop all others.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Change, type DeclaredId, Profile } from '../audience/profile.ts';
import { Base } from './base.ts';
import {
  aliasKey,
  entriesOf,
  KNOWN,
  LINK,
  linkKeyOf,
  NEWCOMER,
  writeChangeEntry,
  writeLinkEntry,
} from './entry.ts';
import type { FoldOptions } from './fold.ts';
import { type Fsync, Log } from './log.ts';
import { addsAnything, readRecords, Writer } from './record.ts';
import { type Decide, type Store, StoreError, type Visit, type Visitor } from './store.ts';

export interface EmbeddedOptions {
  readonly folder: string;
  readonly fsync: Fsync;
  /** Visitors are forgotten when they were not seen for so many days. */
  readonly profileDays: number;
  /** Likewise visitors whose id never came back. */
  readonly newcomerDays: number;
  /** Visits that may wait for a disk that does not write; more are refused. */
  readonly maxWaiting: number;
  /** Bytes after which the log goes on in a new segment. */
  readonly segmentSize?: number;
}

const SEGMENT_SIZE = 4 * 1024 * 1024;
const RETRY_MS = 100;

/** What one segment adds: profiles as of now, or records still to be read into one. */
interface Generation {
  readonly segment: number;
  readonly visitors: Map<string, Profile | Uint8Array[]>;
  readonly links: Map<string, string>;
}

interface Waiting {
  readonly visit: Visit;
  readonly decide: Decide;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  deviceId: string;
}

/** Something to remember of a visit that has been decided. */
interface Afterwards {
  readonly deviceId: string;
  readonly change: Change;
}

export class EmbeddedStore implements Store {
  problem: string | undefined;
  readonly #base: Base;
  readonly #log: Log;
  readonly #folder: Worker;
  readonly #maxWaiting: number;
  /** Newest first. */
  readonly #generations: Generation[] = [];
  #waiting: Waiting[] = [];
  #afterwards: Afterwards[] = [];
  #frame = new Writer(64 * 1024);
  #scheduled = false;
  #writing = false;
  #closing: (() => void) | undefined;
  #poll: NodeJS.Timeout;

  constructor(options: EmbeddedOptions) {
    const basePath = path.join(options.folder, 'base');
    const logFolder = path.join(options.folder, 'log');
    this.#maxWaiting = options.maxWaiting;
    this.#base = new Base(basePath);
    this.#log = new Log(
      logFolder,
      {
        frame: (payload, segment) => this.#hear(payload, segment),
        segment: (segment) => this.#begin(segment),
        folded: () => this.#base.folded,
      },
      { segmentSize: options.segmentSize ?? SEGMENT_SIZE, fsync: options.fsync },
    );
    const workerData: FoldOptions = {
      logFolder,
      basePath,
      profileDays: options.profileDays,
      newcomerDays: options.newcomerDays,
    };
    this.#folder = new Worker(new URL('./fold.ts', import.meta.url), { workerData });
    this.#folder.unref();
    this.#folder.on('message', () => this.#forgetFolded());
    this.#folder.on('error', (error) => {
      this.problem = `the log cannot be folded: ${error.message}`;
    });
    this.#folder.postMessage('start');
    // Another process may have folded what is kept in memory here.
    this.#poll = setInterval(() => this.#forgetFolded(), 1_000).unref();
  }

  visit(visit: Visit, decide: Decide): Promise<void> {
    if (this.#closing) return Promise.reject(new StoreError('the store is closing'));
    if (this.#waiting.length >= this.#maxWaiting) {
      return Promise.reject(new StoreError('too many visits wait for the disk'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ visit, decide, resolve, reject, deviceId: '' });
      this.#schedule();
    });
  }

  async look(visit: Visit): Promise<Visitor> {
    this.#log.catchUp();
    const deviceId = this.#identify(visit);
    const known = this.#known(deviceId);
    // A copy: whoever looks may add what would be added.
    const profile = new Profile();
    if (known) copy(known, profile);
    return { deviceId, profile };
  }

  loadAccount(): unknown {
    return this.#base.account;
  }

  saveAccount(document: unknown): Promise<void> {
    return this.#base.saveAccount(document);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    await new Promise<void>((resolve) => {
      this.#closing = resolve;
      this.#schedule();
    });
    clearInterval(this.#poll);
    await this.#folder.terminate();
    await this.#log.close();
    await this.#base.root.close();
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    // After the poll phase: all requests that have arrived by then share one write.
    setImmediate(() => {
      this.#scheduled = false;
      this.#step();
    });
  }

  /** Appends everything that waits, in one frame, and decides it when it is there. */
  #step(): void {
    const batch = this.#waiting;
    const afterwards = this.#afterwards;
    if (batch.length === 0 && afterwards.length === 0) {
      this.#closing?.();
      return;
    }
    this.#waiting = [];
    this.#afterwards = [];
    const frame = this.#frame;
    frame.length = Log.header;
    try {
      for (const { deviceId, change } of afterwards) {
        writeChangeEntry(frame, KNOWN, deviceId, change);
      }
      for (const waiting of batch) this.#write(waiting);
      if (frame.length === Log.header) {
        this.#log.catchUp();
        this.#settle(batch);
        this.#again();
        return;
      }
    } catch (error) {
      this.#retry(batch, afterwards, error as Error);
      return;
    }
    this.#writing = true;
    this.#log.append(
      frame,
      () => {
        this.problem = undefined;
        this.#settle(batch);
      },
      (error) => {
        this.#writing = false;
        if (error) this.#retry(batch, afterwards, error);
        else this.#again();
      },
    );
  }

  #again(): void {
    if (this.#waiting.length > 0 || this.#afterwards.length > 0 || this.#closing) this.#schedule();
  }

  #retry(batch: Waiting[], afterwards: Afterwards[], error: Error): void {
    this.problem = `the log cannot be written: ${error.message}`;
    if (this.#closing) {
      for (const { reject } of batch) reject(new StoreError(this.problem));
      this.#closing();
      return;
    }
    this.#waiting = batch.concat(this.#waiting);
    this.#afterwards = afterwards.concat(this.#afterwards);
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      this.#step();
    }, RETRY_MS).unref();
  }

  #write(waiting: Waiting): void {
    const { visit } = waiting;
    const deviceId = this.#identify(visit);
    waiting.deviceId = deviceId;
    for (const { dataSource, id } of visit.aliases) {
      if (this.#linked(aliasKey(dataSource, id)) === deviceId) continue;
      writeLinkEntry(this.#frame, deviceId, { dataSource, id });
    }
    if (!addsAnything(visit.change)) return;
    const kind = deviceId === visit.freshId ? NEWCOMER : KNOWN;
    writeChangeEntry(this.#frame, kind, deviceId, visit.change);
  }

  /** Decides a batch that is in the log, one visit after the other. */
  #settle(batch: readonly Waiting[]): void {
    const { segment, links } = this.#generations[0];
    for (const { visit, decide, resolve, reject, deviceId } of batch) {
      const { change } = visit;
      for (const { dataSource, id } of visit.aliases) {
        const alias = aliasKey(dataSource, id);
        if (this.#linked(alias) !== deviceId) links.set(alias, deviceId);
      }
      try {
        let profile = this.#known(deviceId);
        const added = addsAnything(change);
        const isNew = profile === undefined;
        profile ??= new Profile();
        if (added) {
          profile.apply(change);
          this.#keep(deviceId, profile, segment);
        }
        const seenToday = profile.seen >= change.day;
        const decided = decide({ deviceId, profile });
        const after = { ...decided, day: change.day };
        if (addsAnything(after) || (!isNew && !added && !seenToday)) {
          profile.apply(after);
          this.#keep(deviceId, profile, segment);
          this.#afterwards.push({ deviceId, change: after });
        }
        resolve();
      } catch (error) {
        reject(error);
      }
    }
  }

  #identify({ deviceId, aliases, freshId }: Visit): string {
    if (deviceId !== undefined) return deviceId;
    for (const { dataSource, id } of aliases) {
      const linked = this.#linked(aliasKey(dataSource, id));
      if (linked !== undefined) return linked;
    }
    return aliases.length > 0 ? derivedId(aliases[0]) : freshId;
  }

  #linked(alias: string): string | undefined {
    for (const { links } of this.#generations) {
      const deviceId = links.get(alias);
      if (deviceId !== undefined) return deviceId;
    }
    return this.#base.link(alias);
  }

  /** The visitor as of all that has been read of the log. */
  #known(deviceId: string): Profile | undefined {
    const pending: { segment: number; records: Uint8Array[] }[] = [];
    for (const { segment, visitors } of this.#generations) {
      const recent = visitors.get(deviceId);
      if (recent instanceof Profile) {
        // Records of newer segments are only kept apart where no profile was at hand.
        if (pending.length === 0) return recent;
      } else if (recent) pending.push({ segment, records: recent });
    }
    const folded = this.#base.profile(deviceId);
    if (pending.length === 0) return folded?.profile;
    const profile = folded?.profile ?? new Profile();
    for (const { segment, records } of pending.reverse()) {
      if (folded && folded.segment >= segment) continue;
      for (const bytes of records) readRecords(bytes, profile);
    }
    this.#keep(deviceId, profile, this.#generations[0].segment);
    return profile;
  }

  #keep(deviceId: string, profile: Profile, segment: number): void {
    const [generation] = this.#generations;
    if (generation.segment === segment) generation.visitors.set(deviceId, profile);
  }

  /** Takes in what another process, or an earlier life of this one, has appended. */
  #hear(payload: Uint8Array, segment: number): void {
    const [generation] = this.#generations;
    for (const entry of entriesOf(payload)) {
      const { deviceId } = entry;
      if (entry.kind === LINK) {
        generation.links.set(linkKeyOf(entry), deviceId);
        continue;
      }
      const recent = this.#recent(deviceId);
      if (recent instanceof Profile) {
        readRecords(entry.bytes, recent);
        this.#keep(deviceId, recent, segment);
      } else {
        // Most visitors are not asked for here: their profile is put together when they are.
        const records = generation.visitors.get(deviceId) as Uint8Array[] | undefined;
        if (records) records.push(entry.bytes.slice());
        else generation.visitors.set(deviceId, [entry.bytes.slice()]);
      }
    }
  }

  #recent(deviceId: string): Profile | Uint8Array[] | undefined {
    for (const { visitors } of this.#generations) {
      const recent = visitors.get(deviceId);
      if (recent) return recent;
    }
    return undefined;
  }

  #begin(segment: number): void {
    this.#generations.unshift({ segment, visitors: new Map(), links: new Map() });
    this.#folder?.postMessage('segment');
  }

  #forgetFolded(): void {
    const { folded } = this.#base;
    // What this transaction shows as folded, it also shows in the profiles.
    while ((this.#generations.at(-1)?.segment ?? Number.POSITIVE_INFINITY) <= folded) {
      this.#generations.pop();
    }
  }
}

/** The device id of a visitor who is known by an alias alone: the same in every process. */
function derivedId({ dataSource, id }: DeclaredId): string {
  const digest = createHash('sha256').update(aliasKey(dataSource, id)).digest();
  return [0, 8]
    .map((at) => (digest.readBigUInt64BE(at) % 10n ** 19n).toString().padStart(19, '0'))
    .join('');
}

function copy(from: Profile, to: Profile): void {
  to.realizations = from.realizations.slice();
  to.length = from.length;
  to.ecid = from.ecid;
  for (const [dataSource, ids] of from.declared) to.declared.set(dataSource, [...ids]);
  to.firings = [...from.firings];
  for (const destination of from.cookies) to.cookies.add(destination);
  to.optedOut = from.optedOut;
  to.seen = from.seen;
}
