/**
 * The embedded store: a shared log for what happens now, LMDB for everything before.
 *
 * All visits of one tick are appended to the log in one write (`log.ts`); the log's order is the
 * order of everything, for all processes that share the folder. What the log holds that LMDB does
 * not have yet is kept in memory, by visitor; another program folds full segments into LMDB
 * (`fold.ts`). LMDB alone cannot do this: a transaction for each tick costs more than the whole rest of
 * a request, and its writer's lock would let a stopped process stop all others.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
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
  readonly profileDays: FoldOptions['profileDays'];
  readonly newcomerDays: FoldOptions['newcomerDays'];
  /** Visits that may wait for a disk that does not write; more are refused. */
  readonly maxWaiting: number;
  /** Bytes after which the log goes on in a new segment. */
  readonly segmentSize?: number;
}

const SEGMENT_SIZE = 4 * 1024 * 1024;
const RETRY_MS = 100;
const POLL_MS = 1_000;
const HOUSEKEEPING_MS = 3_600_000;

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
  /** The visitor's profile, once it has been looked up and is kept in memory. */
  profile: Profile | undefined;
}

/** Something to remember of a visit that has been decided. */
interface Afterwards {
  readonly kind: typeof KNOWN | typeof NEWCOMER;
  readonly deviceId: string;
  readonly change: Change;
}

export class EmbeddedStore implements Store {
  #writeProblem: string | undefined;
  #foldProblem: string | undefined;
  readonly #base: Base;
  readonly #log: Log;
  readonly #foldOptions: FoldOptions;
  readonly #accountFile: string;
  #folding: ChildProcess | undefined;
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
    this.#accountFile = path.join(options.folder, 'account.json');
    this.#maxWaiting = options.maxWaiting;
    this.#base = new Base(basePath);
    this.#log = new Log(
      logFolder,
      {
        frame: (payload) => this.#hear(payload),
        segment: (segment) => this.#begin(segment),
        folded: () => this.#base.folded,
      },
      { segmentSize: options.segmentSize ?? SEGMENT_SIZE, fsync: options.fsync },
    );
    this.#foldOptions = {
      logFolder,
      basePath,
      profileDays: options.profileDays,
      newcomerDays: options.newcomerDays,
    };
    this.#poll = setInterval(() => this.#tendLog(), POLL_MS).unref();
  }

  get problem(): string | undefined {
    return this.#writeProblem ?? this.#foldProblem;
  }

  visit(visit: Visit, decide: Decide): Promise<void> {
    if (this.#closing) return Promise.reject(new StoreError('the store is closing'));
    if (this.#waiting.length >= this.#maxWaiting) {
      return Promise.reject(new StoreError('too many visits wait for the disk'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ visit, decide, resolve, reject, deviceId: '', profile: undefined });
      this.#schedule();
    });
  }

  async look(visit: Visit): Promise<Visitor> {
    this.#log.catchUp();
    const deviceId = this.#identify(visit);
    // A copy: whoever looks may add what would be added.
    return { deviceId, profile: this.#known(deviceId)?.clone() ?? new Profile() };
  }

  loadAccount(): unknown {
    if (!fs.existsSync(this.#accountFile)) return undefined;
    return JSON.parse(fs.readFileSync(this.#accountFile, 'utf8'));
  }

  async saveAccount(document: unknown): Promise<void> {
    // Renaming is atomic: a reader, or a restart, finds the old one or the new one.
    const temporary = `${this.#accountFile}.${process.pid}`;
    const file = await fs.promises.open(temporary, 'w', 0o600);
    await file.writeFile(JSON.stringify(document));
    await file.sync();
    await file.close();
    await fs.promises.rename(temporary, this.#accountFile);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    await new Promise<void>((resolve) => {
      this.#closing = resolve;
      this.#schedule();
    });
    clearInterval(this.#poll);
    this.#folding?.kill();
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
      for (const { kind, deviceId, change } of afterwards) {
        writeChangeEntry(frame, kind, deviceId, change);
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
        this.#writeProblem = undefined;
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
    this.#writeProblem = `the log cannot be written: ${error.message}`;
    if (this.#closing) {
      for (const { reject } of batch) reject(new StoreError(this.#writeProblem));
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
    waiting.profile = undefined;
    const adds = addsAnything(visit.change);
    if (!adds && visit.aliases.length === 0) return;
    const profile = this.#known(deviceId);
    // Nothing at all is stored of who has opted out.
    if (profile?.optedOut) return;
    for (const { dataSource, id } of visit.aliases) {
      if (this.#linked(aliasKey(dataSource, id)) === deviceId) continue;
      writeLinkEntry(this.#frame, deviceId, { dataSource, id });
    }
    if (!adds) return;
    if (profile) this.#keep(deviceId, profile);
    waiting.profile = profile;
    writeChangeEntry(this.#frame, kindOf(waiting), deviceId, visit.change);
  }

  /** Decides a batch that is in the log, one visit after the other. */
  #settle(batch: readonly Waiting[]): void {
    const { links } = this.#generations[0];
    for (const waiting of batch) {
      const { visit, decide, resolve, reject, deviceId } = waiting;
      const { change } = visit;
      try {
        const known = waiting.profile ?? this.#known(deviceId);
        for (const { dataSource, id } of known?.optedOut ? [] : visit.aliases) {
          const alias = aliasKey(dataSource, id);
          if (this.#linked(alias) !== deviceId) links.set(alias, deviceId);
        }
        const profile = known ?? new Profile();
        const added = addsAnything(change);
        if (added) {
          profile.apply(change);
          this.#keep(deviceId, profile);
        }
        const seenBefore = known !== undefined && profile.seen < change.day;
        const decided = decide({ deviceId, profile });
        if (decided || seenBefore) {
          const after = { ...decided, day: change.day };
          profile.apply(after);
          this.#keep(deviceId, profile);
          this.#afterwards.push({ kind: kindOf(waiting), deviceId, change: after });
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
    this.#keep(deviceId, profile);
    return profile;
  }

  #keep(deviceId: string, profile: Profile): void {
    this.#generations[0].visitors.set(deviceId, profile);
  }

  /** Takes in what another process, or an earlier life of this one, has appended. */
  #hear(payload: Uint8Array): void {
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
        this.#keep(deviceId, recent);
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
  }

  /** Forgets what has been folded, here or by another process, and has folded what can be. */
  #tendLog(): void {
    const { folded, housekeptAt } = this.#base;
    // What this transaction shows as folded, it also shows in the profiles.
    while ((this.#generations.at(-1)?.segment ?? Number.POSITIVE_INFINITY) <= folded) {
      this.#generations.pop();
    }
    const now = Date.now();
    const due = this.#log.segment > folded + 1 || now - housekeptAt > HOUSEKEEPING_MS;
    if (due && !this.#folding && !this.#base.isLeased(now)) this.#fold();
  }

  #fold(): void {
    const program = fileURLToPath(new URL('./fold.ts', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(this.#foldOptions)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#folding = child;
    let complaint = '';
    child.stderr.on('data', (text) => {
      complaint = `${complaint}${text}`.slice(-2_000);
    });
    const ended = (failure: string | undefined) => {
      this.#folding = undefined;
      this.#foldProblem = failure && `the log cannot be folded: ${failure}`;
    };
    child.on('error', (error) => ended(error.message));
    child.on('exit', (code) => ended(code === 0 ? undefined : complaint.trim() || `exit ${code}`));
    child.unref();
  }
}

/** The device id of a visitor who is known by an alias alone: the same in every process. */
function derivedId({ dataSource, id }: DeclaredId): string {
  const digest = createHash('sha256').update(aliasKey(dataSource, id)).digest();
  return [0, 8]
    .map((at) => (digest.readBigUInt64BE(at) % 10n ** 19n).toString().padStart(19, '0'))
    .join('');
}

const kindOf = ({ visit, deviceId }: Waiting) => (deviceId === visit.freshId ? NEWCOMER : KNOWN);
