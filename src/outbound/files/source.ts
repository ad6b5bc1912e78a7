/** What a run tells of: changes, or everybody. */
import type { Profile } from '../../audience/profile.ts';
import type { Entry, Outbox, Sealed } from '../../store/outbox.ts';
import type { Terms } from '../terms.ts';
import type { Meet } from '../unreadable.ts';
import type { WorkFolder } from '../work-folder.ts';
import type { Mark, RunRecord } from './run-record.ts';

export interface Line {
  readonly text: string;
  readonly mark: Mark;
}

export interface Source {
  /** Settles whom the run tells of; goes on where it was. */
  gather(): Promise<void>;

  /** @param after the last line that is in a complete file */
  lines(after: Mark | undefined): AsyncGenerator<readonly Line[], void>;

  /** What is in the files has arrived; may be done again. */
  settle(): Promise<void>;
}

/** What a source works with. */
export interface Work {
  readonly destination: number;
  readonly outbox: Outbox;
  readonly folder: WorkFolder;
  /** Is changed, and kept by `save`. */
  readonly record: RunRecord;
  save(): Promise<void>;
  /** Entries that were read and are part of no message. */
  readonly unread: Entry[];
  /** Messages that others have sealed, which sent them in real time. */
  readonly foreign: readonly Sealed[];
  /** As they are now. */
  terms(): Terms;
  /** The mapped segments that a visitor is in now, and of which the partner may hear. */
  members(profile: Profile): ReadonlySet<number>;
  /** Visitors who cannot be read. */
  readonly unreadable: Meet;
  /** Unix milliseconds. */
  now(): number;
  /** Waited for before so many visitors are read; rejects where this process may not go on. */
  pace(visitors: number): Promise<void>;
}
