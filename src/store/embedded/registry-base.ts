/**
 * Where the registry lies in LMDB. Only its writers write here (`registry-writer.ts`); everybody
 * reads, without locks.
 */
import fs from 'node:fs';
import path from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Kind, Unit } from '../registry.ts';

export interface Stored {
  readonly version: number;
  /** Unix milliseconds; from then on there is none. */
  readonly until?: number;
  readonly value: unknown;
}

export interface Entry {
  readonly owner: string;
  readonly value: unknown;
}

export const isOver = ({ until }: Stored, now: number) => until !== undefined && until <= now;

/** Sorts after every text, number and list of them. */
export const END = new Uint8Array([255]);

export class RegistryBase {
  readonly root: RootDatabase;
  readonly records: Database<Stored, [kind: Kind | 'batch', id: string]>;
  /** By unit first: what is too old lies together. */
  readonly counts: Database<number, [unit: Unit, at: number, scope: string, name: string]>;
  /** By time; numbers tell apart what is of the same millisecond. */
  readonly recent: Database<Entry, [list: string, at: number, number: number]>;

  /** @param access `read` never waits for a writer, not even for one that was stopped */
  constructor(folder: string, access: 'read' | 'write') {
    const at = path.join(folder, 'registry');
    // Who finds the file may find half of what it is to hold: somebody else is making it now.
    if (access === 'read' && !fs.existsSync(`${at}/made`)) {
      new RegistryBase(folder, 'write').root.close();
      fs.writeFileSync(`${at}/made`, '');
    }
    // Each transaction is flushed before the next: a killed writer then leaves nothing to wait for.
    this.root = open({
      path: at,
      maxDbs: 4,
      overlappingSync: false,
      readOnly: access === 'read',
    });
    const json = { encoding: 'json' } as const;
    this.records = this.root.openDB({ name: 'records', ...json });
    this.counts = this.root.openDB({ name: 'counts', ...json });
    this.recent = this.root.openDB({ name: 'recent', ...json });
  }

  /** Undefined, too, where its time is over. */
  record(kind: Kind | 'batch', id: string, now: number): Stored | undefined {
    const stored = this.records.get([kind, id]);
    return stored && !isOver(stored, now) ? stored : undefined;
  }
}
