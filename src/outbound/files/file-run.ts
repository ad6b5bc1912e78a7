/**
 * The runs of one destination that gets files. A run writes its files, puts them to the target one by one,
 * the control file last, and tells the outbox that they are there. Whatever kills it, it is gone on with
 * where it was, under the same name; so a completed run says everything once.
 *
 * What it tells of is kept in the outbox until the end, in parts that are named after the run: a machine
 * that has nothing of the run but these makes the same files again.
 */
import type { Profile } from '../../audience/profile.ts';
import type {
  FileTarget,
  FileTransfer,
  ServerDestination,
} from '../../destinations/destination.ts';
import type { Entry, Outbox, Sealed } from '../../store/outbox.ts';
import { partOf } from '../run-part.ts';
import type { Terms } from '../terms.ts';
import type { Meet } from '../unreadable.ts';
import { WorkFolder } from '../work-folder.ts';
import { Changes, MAX_ENTRIES, partFile } from './changes.ts';
import { Everybody } from './everybody.ts';
import { RECORD, type RunRecord } from './run-record.ts';
import type { Source, Work } from './source.ts';
import { infoName, infoOf, type SyncFile, syncFileName, syncFileRoot } from './sync-file.ts';
import { SyncWriter } from './sync-writer.ts';
import type { Target } from './target.ts';

export interface FileDestination extends ServerDestination {
  readonly transfer: FileTransfer;
}

/** A run that is complete. Where nothing had changed there are no files, and nothing is at the target. */
export interface CompleteRun {
  /** What its files are called (see `syncFileRoot`). */
  readonly root: string;
  readonly mode: 'full' | 'iter';
  /** When it began, in Unix milliseconds. */
  readonly at: number;
  readonly files: readonly SyncFile[];
  /** Whether so much had changed that another run has to follow at once. */
  readonly hasMore: boolean;
}

export interface FileRunsOptions {
  /** The destination's id. */
  readonly id: number;
  readonly outbox: Outbox;
  /** The folder for its unfinished files; no other destination's. */
  readonly folder: string;
  /** As they are now. */
  readonly terms: () => Terms;
  /** The mapped segments that a visitor is in now, and of which the partner may hear. */
  readonly members: (profile: Profile) => ReadonlySet<number>;
  /** Visitors who cannot be read: they are left for the next run. */
  readonly unreadable: Meet;
  readonly open: (target: FileTarget) => Promise<Target>;
  /** Waited for before so many visitors are read; rejects where this process may not go on. */
  readonly pace: (visitors: number) => Promise<void>;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** Of a run, so many changes; 500,000. */
  readonly maxEntries?: number;
}

/** Whoever has one has leased the destination's queue. After an error, a new one is made. */
export class FileRuns {
  readonly #options: FileRunsOptions;
  readonly #folder: WorkFolder;
  readonly #maxEntries: number;
  readonly #unread: Entry[] = [];
  #foreign: readonly Sealed[] = [];
  #record: RunRecord | undefined;
  /** Of a run of which nothing is here but its parts. */
  #adopted: { readonly at: number; readonly parts: readonly Sealed[] } | undefined;

  constructor(options: FileRunsOptions) {
    this.#options = options;
    this.#folder = new WorkFolder(options.folder);
    this.#maxEntries = options.maxEntries ?? MAX_ENTRIES;
  }

  /** Finds what was left behind, once. Returns whether a run was begun, to be gone on with now. */
  async recover(): Promise<boolean> {
    const { id, outbox } = this.#options;
    await this.#folder.open();
    const { sealed, read } = await outbox.recover(id);
    for (const entry of read) this.#unread.push(entry);
    const kept = await this.#folder.read<RunRecord>(RECORD);
    const own = sealed.filter((message) => partOf(message));
    const first = own.length > 0 ? partOf(own[0]) : undefined;
    const record = kept && isInForce(kept, own) ? kept : undefined;
    if (!record) await this.#folder.clear(RECORD);
    if (record?.mode === 'iter') {
      this.#record = record;
      await this.#completeParts(record, sealed);
    } else if (first && first.number > 1) {
      // Parts are done in order, after everything has arrived.
      await outbox.done(id, own);
    } else if (first) {
      this.#adopted = { at: first.at, parts: sealed };
    } else {
      this.#record = record;
    }
    const parts = this.#adopted ? sealed.map(({ message }) => message) : (record?.parts ?? []);
    this.#foreign = sealed.filter(
      (message) => !partOf(message) && !parts.includes(message.message),
    );
    return kept !== undefined || first !== undefined;
  }

  /**
   * Makes a run, or goes on with the one that is unfinished.
   *
   * @throws TargetError where it may be called again later; after another error, all this is of no more use
   */
  async run(destination: FileDestination): Promise<CompleteRun> {
    this.#record ??= await this.#begin(destination);
    const record = this.#record;
    const source = this.#sourceOf(record);
    if (!record.isGathered) await source.gather();
    if (!record.isWritten) await this.#write(record, source);
    const files = filesOf(record);
    if (!record.isThere) await this.#put(record, files, destination.transfer.target);
    await source.settle();
    await this.#folder.clear(RECORD);
    this.#record = undefined;
    this.#foreign = [];
    const { root, mode, at, entries } = record;
    return { root, mode, at, files, hasMore: entries >= this.#maxEntries };
  }

  async #begin(destination: FileDestination): Promise<RunRecord> {
    const { transfer } = destination;
    const at = this.#adopted?.at ?? this.#now();
    const mode = this.#adopted ? 'iter' : transfer.syncMode;
    const record: RunRecord = {
      mode,
      at,
      root: syncFileRoot(destination, { ...transfer, syncMode: mode }, at),
      compress: transfer.compress,
      splitLines: transfer.splitLines,
      parts: [],
      entries: 0,
      walked: [],
      cursor: undefined,
      ids: [],
      isGathered: false,
      files: [],
      mark: undefined,
      isWritten: false,
      arrived: 0,
      isThere: false,
    };
    if (this.#adopted) await this.#completeParts(record, this.#adopted.parts);
    this.#adopted = undefined;
    await this.#folder.write(RECORD, record);
    return record;
  }

  /** Has the record name all parts that there are, and each of them in the folder. */
  async #completeParts(record: RunRecord, sealed: readonly Sealed[]): Promise<void> {
    const { parts } = record;
    const names = new Set(sealed.map(({ message }) => message));
    if (record.isThere) record.parts = parts.filter((name) => names.has(name));
    for (const message of sealed) {
      const isKnown = parts.includes(message.message);
      if (!isKnown && !partOf(message) && this.#adopted === undefined) continue;
      if (!isKnown) {
        parts.push(message.message);
        record.entries += message.entries.length;
        record.isGathered = false;
        startFilesAnew(record);
      }
      const file = partFile(message.message);
      // Of what was being sealed when the process died, the queue may have less than the file.
      if (!isKnown || !(await this.#folder.has(file))) await this.#folder.write(file, message);
    }
    await this.#folder.write(RECORD, record);
  }

  #sourceOf(record: RunRecord): Source {
    const { id: destination, outbox, terms, members, unreadable, pace } = this.#options;
    const work: Work = {
      ...{ destination, outbox, terms, members, unreadable, pace, record },
      folder: this.#folder,
      save: () => this.#folder.write(RECORD, record),
      unread: this.#unread,
      foreign: this.#foreign,
      now: () => this.#now(),
    };
    return record.mode === 'full' ? new Everybody(work) : new Changes(work, this.#maxEntries);
  }

  async #write(record: RunRecord, source: Source): Promise<void> {
    let writer: SyncWriter | undefined;
    let mark = record.mark;
    const next = () =>
      new SyncWriter(this.#folder.file(workFile(record.files.length)), record.compress);
    const complete = async (whole: SyncWriter) => {
      record.files.push(await whole.end());
      record.mark = mark;
      writer = undefined;
      await this.#folder.write(RECORD, record);
    };
    try {
      for await (const lines of source.lines(mark)) {
        for (const line of lines) {
          writer ??= next();
          const full = writer.write(line.text);
          if (full) await full;
          mark = line.mark;
          if (writer.lines === record.splitLines) await complete(writer);
        }
      }
      // That nobody is left is something to say, too; that nothing has changed is not.
      if (!writer && record.mode === 'full' && record.files.length === 0) writer = next();
      if (writer) await complete(writer);
      record.isWritten = true;
      await this.#folder.write(RECORD, record);
    } finally {
      await writer?.abandon();
    }
  }

  async #put(record: RunRecord, files: readonly SyncFile[], where: FileTarget): Promise<void> {
    const advanced = () => this.#folder.write(RECORD, record);
    if (files.length > 0) {
      const target = await this.#options.open(where);
      try {
        while (record.arrived < files.length) {
          await this.#options.pace(0);
          const file = this.#folder.file(workFile(record.arrived));
          await target.put(file, files[record.arrived].name);
          record.arrived++;
          await advanced();
        }
        await this.#options.pace(0);
        await this.#folder.write(INFO, infoOf(record.root, files));
        await target.put(this.#folder.file(INFO), infoName(record.root));
      } finally {
        await target.close();
      }
    }
    record.isThere = true;
    await advanced();
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/**
 * More to say may be more files, under other names; and another machine may have put some that say it all. A
 * single file that becomes one of several stays at the target under its own name: partners go by the control
 * file, which does not name it.
 */
function startFilesAnew(record: RunRecord): void {
  record.files = [];
  record.mark = undefined;
  record.isWritten = false;
  record.arrived = 0;
}

const INFO = 'info.json';
const workFile = (at: number) => `file-${at + 1}`;

/** Whether nobody else has gone on with a run since it was recorded. */
function isInForce(record: RunRecord, own: readonly Sealed[]): boolean {
  const first = own.length > 0 ? partOf(own[0]) : undefined;
  if (record.mode === 'full') return !first;
  if (!first) return record.isThere;
  if (first.at !== record.at) return false;
  return record.isThere
    ? own.every(({ message }) => record.parts.includes(message))
    : first.number === 1;
}

const filesOf = ({ root, compress, files }: RunRecord): SyncFile[] =>
  files.map((file, i) => ({
    name: syncFileName(root, compress, files.length > 1 ? i + 1 : undefined),
    ...file,
  }));
