/** How far a run of files is: what a process that goes on with it has to know. */
import type { Gathered } from '../gathering.ts';
import type { SyncFile } from './sync-file.ts';

/** Its ids are those of everybody, where it tells of everybody. */
export interface RunRecord extends Gathered {
  readonly mode: 'full' | 'iter';
  /** When it began, in Unix milliseconds. */
  readonly at: number;
  /** What its files are called (see `syncFileRoot`). */
  readonly root: string;
  readonly compress: boolean;
  readonly splitLines: number | undefined;
  /** Of changes: the messages that they are sealed in, in order, and how many there are. */
  parts: string[];
  entries: number;
  /** Entries whose visitors could not be read: they are left for the next run. */
  postponed?: readonly string[];
  /** Files that are complete, in order. */
  files: Omit<SyncFile, 'name'>[];
  /** The last line of them. */
  mark: Mark | undefined;
  isWritten: boolean;
  /** So many files are at the target. */
  arrived: number;
  /** Whether the control file is there, too. */
  isThere: boolean;
}

/** Names a line, so that a run can go on after it: the id, or part and entry. */
export type Mark = string | readonly [part: number, entry: number];

export const RECORD = 'run.json';
