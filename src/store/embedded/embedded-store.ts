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
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Change, Profile } from '../../audience/profile.ts';
import { aliasKey, derivedId } from '../alias.ts';
import { addsAnything, readRecords, statesConsent, Writer } from '../record.ts';
import {
  type SamplePart,
  type Store,
  StoreError,
  type Visit,
  type Visitor,
  type Waiter,
} from '../store.ts';
import { Base } from './base.ts';
import {
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
import { sample } from './sample.ts';
import { limitThrough, throughFileOf } from './through.ts';
import { Walk } from './walk.ts';

export interface EmbeddedOptions {
  readonly folder: string;
  readonly fsync: Fsync;
  readonly profileDays: FoldOptions['profileDays'];
  readonly newcomerDays: FoldOptions['newcomerDays'];
  /** Visits that may wait for a disk that does not write; more are refused. */
  readonly maxWaiting: number;
  /** Bytes after which the log goes on in a new segment. */
  readonly segmentSize?: number;
  readonly listener?: Listener;
}

/** Who has to know whom to examine. What it does must not fail: the log goes on. */
export interface Listener {
  /** The log goes on in another segment; if this process slept, not in the one after the last. */
  segment(segment: number): void;
  /** A visit of another process that partners may have to hear of. */
  examine(deviceId: string): void;
}

/** A visitor, for who goes over many of them. */
export interface Standing {
  /** Not to be changed. */
  readonly profile: Profile;
  /** Whether the visitor's id has not come back yet. */
  readonly newcomer: boolean;
}

const SEGMENT_SIZE = 4 * 1024 * 1024;
const RETRY_MS = 100;
const POLL_MS = 1_000;
const HOUSEKEEPING_MS = 3_600_000;

/** A visitor as of all that has been read of the log. */
class Known {
  readonly profile: Profile;
  /** The segment up to which it came folded: what the log tells of until then is in it. */
  readonly through: number;
  /** Whether the visitor's id has not come back yet. */
  newcomer: boolean;

  constructor(profile: Profile, through: number, newcomer: boolean) {
    this.profile = profile;
    this.through = through;
    this.newcomer = newcomer;
  }
}

/** What a segment adds to a visitor whom nobody has asked for yet. */
interface Pending {
  readonly records: Uint8Array[];
  newcomer: boolean;
}

/** What one segment adds. */
interface Generation {
  readonly segment: number;
  readonly visitors: Map<string, Known | Pending>;
  readonly links: Map<string, string>;
}

interface Waiting {
  readonly visit: Visit;
  readonly waiter: Waiter;
  deviceId: string;
  /** Whether the log gets its change. */
  written: boolean;
}

/** Something to remember of a visit that has been decided. */
interface Afterwards {
  readonly kind: typeof KNOWN | typeof NEWCOMER;
  readonly deviceId: string;
  readonly change: Change;
  readonly examine: boolean;
  /** What the change has been applied to already. */
  readonly known: Known;
}

export class EmbeddedStore implements Store {
  #writeProblem: string | undefined;
  #foldProblem: string | undefined;
  readonly #base: Base;
  readonly #log: Log;
  readonly #foldOptions: FoldOptions;
  readonly #listener: Listener | undefined;
  #folding: ChildProcess | undefined;
  readonly #maxWaiting: number;
  /** Newest first. */
  readonly #generations: Generation[] = [];
  #lost = 0;
  #whyLost: string | undefined;
  #waiting: Waiting[] = [];
  #afterwards: Afterwards[] = [];
  #frame = new Writer(64 * 1024);
  /** Links of the frame that is being written. */
  readonly #newLinks = new Map<string, string>();
  #scheduled = false;
  #writing = false;
  #closing: (() => void) | undefined;
  #poll: NodeJS.Timeout;

  constructor(options: EmbeddedOptions) {
    const basePath = path.join(options.folder, 'base');
    const logFolder = path.join(options.folder, 'log');
    this.#maxWaiting = options.maxWaiting;
    this.#listener = options.listener;
    this.#base = new Base(basePath, 'read');
    this.#log = new Log(
      logFolder,
      {
        frame: (payload) => this.#hear(payload),
        segment: (segment) => this.#begin(segment),
        folded: () => {
          this.#base.refresh();
          return this.#base.folded;
        },
      },
      { segmentSize: options.segmentSize ?? SEGMENT_SIZE, fsync: options.fsync },
    );
    this.#foldOptions = {
      logFolder,
      basePath,
      profileDays: options.profileDays,
      newcomerDays: options.newcomerDays,
      throughFile: throughFileOf(options.folder),
    };
    limitThrough(this.#foldOptions.throughFile, this.#log.segment);
    this.#poll = setInterval(() => this.#tendLog(), POLL_MS).unref();
  }

  get problem(): string | undefined {
    return this.#writeProblem ?? this.#foldProblem;
  }

  get lost(): number {
    return this.#lost;
  }

  get whyLost(): string | undefined {
    return this.#whyLost;
  }

  visit(visit: Visit, waiter: Waiter): void {
    const isFull = this.#waiting.length >= this.#maxWaiting;
    if (this.#closing || isFull) {
      this.#refuse(waiter, isFull ? 'too many visits wait for the disk' : 'the store is closing');
      return;
    }
    this.#waiting.push({ visit, waiter, deviceId: '', written: false });
    this.#schedule();
    if (this.#writeProblem) waiter.late();
  }

  async look(visit: Visit): Promise<Visitor> {
    this.#log.catchUp();
    const deviceId = this.#identify(visit);
    // A copy: whoever looks may add what would be added.
    return { deviceId, profile: this.#known(deviceId)?.profile.clone() ?? new Profile() };
  }

  sample(size: number): AsyncGenerator<SamplePart> {
    return sample(
      {
        base: this.#base,
        catchUp: () => this.#log.catchUp(),
        recent: () => this.#recentIds(),
        current: (deviceId) => this.#current(deviceId),
        isClosing: () => this.#closing !== undefined,
      },
      size,
    );
  }

  /** Takes in what other processes have appended and folded. */
  catchUp(): void {
    this.#log.catchUp();
    this.#base.refresh();
  }

  /** A visitor as of what was taken in. Keeps nothing in memory. */
  recall(deviceId: string): Standing | undefined {
    const known = this.#known(deviceId, false);
    // Pages go on adding to what they know.
    return this.#recent(deviceId) instanceof Known && known
      ? { profile: known.profile.clone(), newcomer: known.newcomer }
      : known;
  }

  walk(): Walk {
    return new Walk({
      base: this.#base,
      catchUp: () => this.catchUp(),
      recent: () => this.#recentIds(),
    });
  }

  async close(milliseconds = 60_000): Promise<void> {
    if (this.#closing) return;
    await new Promise<void>((resolve) => {
      this.#closing = resolve;
      this.#schedule();
      setTimeout(resolve, milliseconds).unref();
    });
    for (const { waiter } of this.#waiting.splice(0)) this.#refuse(waiter, 'the store has closed');
    clearInterval(this.#poll);
    this.#folding?.kill();
    await this.#log.close();
    await this.#base.root.close();
  }

  #refuse(waiter: Waiter, why: string): void {
    this.#lost++;
    this.#whyLost = why;
    waiter.refuse(new StoreError(why));
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
    let batch = this.#waiting;
    const afterwards = this.#afterwards;
    if (batch.length === 0 && afterwards.length === 0) {
      this.#closing?.();
      return;
    }
    this.#waiting = [];
    this.#afterwards = [];
    const frame = this.#frame;
    frame.length = Log.header;
    this.#newLinks.clear();
    try {
      // Whom an alias leads to is asked before the frame is written; everything else is read after.
      if (batch.some(({ visit }) => visit.aliases.length > 0)) this.#log.catchUp();
      for (const { kind, deviceId, change, examine } of afterwards) {
        writeChangeEntry(frame, kind, deviceId, change, examine);
      }
      batch = batch.filter((waiting) => this.#write(waiting));
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
        for (const after of afterwards) this.#remember(after);
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
      for (const { waiter } of batch) this.#refuse(waiter, this.#writeProblem);
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

  /** @returns whether the visit is still to be decided; one that cannot be read is refused alone */
  #write(waiting: Waiting): boolean {
    const start = this.#frame.length;
    try {
      this.#writeEntries(waiting);
      return true;
    } catch (error) {
      this.#frame.length = start;
      this.#refuse(waiting.waiter, `the visitor cannot be read: ${(error as Error).message}`);
      return false;
    }
  }

  #writeEntries(waiting: Waiting): void {
    const { visit } = waiting;
    const deviceId = this.#identify(visit);
    waiting.deviceId = deviceId;
    waiting.written = false;
    const adds = addsAnything(visit.change);
    if (!adds && visit.aliases.length === 0) return;
    const known = this.#known(deviceId);
    // Nothing at all is stored of who has opted out, nor of who has refused it until they say otherwise.
    if (known?.profile.optedOut || (known?.profile.isRefused && !statesConsent(visit.change)))
      return;
    for (const { dataSource, id } of visit.aliases) {
      const alias = aliasKey(dataSource, id);
      if (this.#linked(alias) === deviceId) continue;
      this.#newLinks.set(alias, deviceId);
      writeLinkEntry(this.#frame, deviceId, { dataSource, id });
    }
    if (!adds) return;
    if (known) this.#keep(deviceId, known);
    waiting.written = true;
    writeChangeEntry(this.#frame, kindOf(waiting), deviceId, visit.change, visit.examine);
  }

  /** Decides a batch that is in the log, one visit after the other. */
  #settle(batch: readonly Waiting[]): void {
    const [{ links }] = this.#generations;
    for (const [alias, deviceId] of this.#newLinks) links.set(alias, deviceId);
    for (const waiting of batch) {
      try {
        this.#decide(waiting);
      } catch (error) {
        waiting.waiter.refuse(error);
      }
    }
  }

  #decide(waiting: Waiting): void {
    const { visit, waiter, deviceId, written } = waiting;
    const { change } = visit;
    const kind = kindOf(waiting);
    const found = this.#known(deviceId);
    const known = found ?? new Known(new Profile(), 0, kind === NEWCOMER);
    const { profile } = known;
    const seen = profile.seen;
    if (written) this.#add(deviceId, known, change);
    const decided = waiter.decide({ deviceId, profile });
    // Who comes back with nothing to add has come back, and was seen, all the same.
    const isBack = found?.newcomer === true && kind === KNOWN;
    const isDue = found !== undefined && !written && (isBack || seen < change.day);
    if (kind === KNOWN) known.newcomer = false;
    if (!decided && !isDue) return;
    const { examine = false, ...remember } = decided ?? {};
    const after = { ...remember, day: change.day };
    profile.apply(after);
    this.#keep(deviceId, known);
    this.#afterwards.push({ kind, deviceId, change: after, examine, known });
  }

  /** What was decided is in the log now: it belongs to this segment, too. */
  #remember({ deviceId, change, known }: Afterwards): void {
    const now = this.#known(deviceId);
    if (now === known) this.#keep(deviceId, known);
    else this.#add(deviceId, now ?? new Known(new Profile(), 0, known.newcomer), change);
  }

  /** Adds what the log's current segment tells of a visitor. */
  #add(deviceId: string, known: Known, change: Change): void {
    if (known.through < this.#log.segment) known.profile.apply(change);
    this.#keep(deviceId, known);
  }

  #identify({ deviceId, aliases, freshId }: Visit): string {
    let found = deviceId;
    for (const { dataSource, id } of aliases) {
      const linked = this.#linked(aliasKey(dataSource, id));
      if (linked === undefined) continue;
      // Who has opted out by one id has, whatever other ids come with it.
      if (linked !== deviceId && this.#known(linked)?.profile.optedOut) return linked;
      found ??= linked;
    }
    if (found !== undefined) return found;
    return aliases.length > 0 ? derivedId(aliases[0]) : freshId;
  }

  #linked(alias: string): string | undefined {
    const link = this.#newLinks.get(alias);
    if (link !== undefined) return link;
    for (const { links } of this.#generations) {
      const deviceId = links.get(alias);
      if (deviceId !== undefined) return deviceId;
    }
    return this.#base.link(alias);
  }

  /**
   * The visitor as of all that has been read of the log.
   *
   * @param keep whether what had to be put together is kept for the next to ask
   */
  #known(deviceId: string, keep = true): Known | undefined {
    const pending: (Pending & { segment: number })[] = [];
    for (const { segment, visitors } of this.#generations) {
      const recent = visitors.get(deviceId);
      // Records of newer segments are only kept apart where no profile was at hand.
      if (recent instanceof Known) return recent;
      if (recent) pending.push({ ...recent, segment });
    }
    const folded = this.#base.profile(deviceId);
    if (!folded && pending.length === 0) return undefined;
    const known = new Known(
      folded?.profile ?? new Profile(),
      folded?.segment ?? 0,
      folded?.newcomer ?? true,
    );
    if (pending.length === 0) return known;
    for (const { segment, records, newcomer } of pending.reverse()) {
      if (known.through >= segment) continue;
      for (const bytes of records) readRecords(bytes, known.profile);
      if (!newcomer) known.newcomer = false;
    }
    if (keep) this.#keep(deviceId, known);
    return known;
  }

  /** Of whom the log tells something that may not have been folded; some more than once. */
  *#recentIds(): Generator<string> {
    for (const { visitors } of [...this.#generations]) yield* visitors.keys();
  }

  /** The profile of such a visitor, for who changes nothing of it; undefined of all others. */
  #current(deviceId: string): Profile | undefined {
    const recent = this.#recent(deviceId);
    // Pages go on adding to what they know.
    if (recent instanceof Known) return recent.profile.clone();
    return recent && this.#known(deviceId, false)?.profile;
  }

  #keep(deviceId: string, known: Known): void {
    this.#generations[0].visitors.set(deviceId, known);
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
      if (entry.examine) this.#listener?.examine(deviceId);
      const newcomer = entry.kind === NEWCOMER;
      const recent = this.#recent(deviceId);
      if (recent instanceof Known) {
        if (recent.through < generation.segment) readRecords(entry.bytes, recent.profile);
        if (!newcomer) recent.newcomer = false;
        this.#keep(deviceId, recent);
        continue;
      }
      // Most visitors are not asked for here: their profile is put together when they are.
      const here = generation.visitors.get(deviceId) as Pending | undefined;
      if (here) {
        here.records.push(entry.bytes.slice());
        here.newcomer &&= newcomer;
      } else generation.visitors.set(deviceId, { records: [entry.bytes.slice()], newcomer });
    }
  }

  #recent(deviceId: string): Known | Pending | undefined {
    for (const { visitors } of this.#generations) {
      const recent = visitors.get(deviceId);
      if (recent) return recent;
    }
    return undefined;
  }

  #begin(segment: number): void {
    // A process that skipped segments has not heard all of what it remembers from before.
    this.#forget(this.#base.folded);
    this.#generations.unshift({ segment, visitors: new Map(), links: new Map() });
    this.#listener?.segment(segment);
  }

  /** Forgets what has been folded: what this transaction shows as folded, the profiles show, too. */
  #forget(folded: number): void {
    while (this.#generations.length > 0) {
      if ((this.#generations.at(-1) as Generation).segment > folded) return;
      this.#generations.pop();
    }
  }

  /** Forgets what has been folded, here or by another process, and has folded what can be. */
  #tendLog(): void {
    if (this.#writing) return;
    try {
      // Whoever writes nothing has to follow the log all the same.
      this.#log.catchUp();
      this.#base.refresh();
      const { folded, housekeptAt } = this.#base;
      if (folded < this.#log.segment) this.#forget(folded);
      if (folded >= this.#log.segment - 1) this.#foldProblem = undefined;
      const now = Date.now();
      const due = this.#log.segment > folded + 1 || now - housekeptAt > HOUSEKEEPING_MS;
      if (due && !this.#folding && !this.#base.isLeased(now)) this.#fold();
    } catch (error) {
      this.#foldProblem = `the log cannot be read: ${(error as Error).message}`;
    }
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

const kindOf = ({ visit, deviceId }: Waiting) => (deviceId === visit.freshId ? NEWCOMER : KNOWN);
