/**
 * Where the outbox lies in LMDB. Only deliverers write here (`outbox-file.ts`), each by itself;
 * everybody reads, without locks.
 *
 * All numbers within values are little-endian, times are Unix milliseconds. Value of a visitor: when to
 * examine (6 bytes; 0: not on the agenda; by time alone: with `BY_TIME`), then what was told. Value of an entry: when it was queued (6
 * bytes), device id (19 bytes), then the moves (both: `store/told.ts`).
 */
import fs from 'node:fs';
import path from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Cause, Entry, Told } from '../outbox.ts';
import { packDeviceId, readDeviceId, readU16, readU32, Writer, writeDeviceId } from '../record.ts';
import { readMoves, readTold, writeMoves, writeTold } from '../told.ts';
import type { Bytes } from './base.ts';

/** Sorts after every text, number and list of them. */
export const END = new Uint8Array([255]);

const TIME_BYTES = 6;

export const NOTHING_TOLD = new Uint8Array(0);

/** Added to the times of those whom time alone brings: they stand after all whom a visit has brought. */
export const BY_TIME = 2 ** 47;

/** What is kept of a visitor. */
export interface Scheduled {
  readonly told: Told;
  readonly partnerIds?: ReadonlyMap<number, string>;
  /**
   * When to examine, by time alone with `BY_TIME`; undefined: not before the visitor comes back. Is another
   * one with each visit.
   */
  readonly next: number | undefined;
}

/** A visitor, with what tells whether somebody else has settled since. */
export interface Stored extends Scheduled {
  readonly toldBytes: Uint8Array;
}

/** How a destination's queue stands. */
export interface Tail {
  /** The number of the entry that was queued last; never used again. */
  readonly last: number;
  /** The number up to which entries were read. */
  readonly read: number;
  readonly waiting: number;
  readonly dead: number;
}

export interface SealedNumbers {
  readonly message: string;
  /** Of its entries. */
  readonly numbers: readonly number[];
}

export interface Buried {
  readonly problem: string;
  readonly entries: readonly Entry[];
}

export interface HeldLease {
  readonly holder: string;
  readonly until: number;
  readonly milliseconds: number;
}

export class OutboxBase {
  readonly root: RootDatabase;
  /** By time, then by device id. */
  readonly #agenda: Bytes;
  readonly #visitors: Bytes;
  readonly tails: Database<Tail, number>;
  readonly entries: Database<Uint8Array, [destination: number, number: number]>;
  /** By the number of the first entry. */
  readonly sealed: Database<SealedNumbers, [destination: number, first: number]>;
  readonly dead: Database<Buried, [destination: number, at: number, message: string]>;
  readonly leases: Database<HeldLease, string>;
  readonly #meta: Database<unknown, string>;

  /** @param access `read` never waits for a writer, not even for one that was stopped */
  constructor(folder: string, access: 'read' | 'write') {
    const at = path.join(folder, 'outbound');
    // Who finds the file may find half of what it is to hold: somebody else is making it now.
    if (access === 'read' && !fs.existsSync(`${at}/made`)) {
      new OutboxBase(folder, 'write').root.close();
      fs.writeFileSync(`${at}/made`, '');
    }
    // Each transaction is flushed before the next: a killed writer then leaves nothing to wait for.
    this.root = open({
      path: at,
      maxDbs: 9,
      overlappingSync: false,
      readOnly: access === 'read',
    });
    const bytes = { keyEncoding: 'binary', encoding: 'binary' } as const;
    const json = { encoding: 'json' } as const;
    this.#agenda = this.root.openDB({ name: 'agenda', ...bytes });
    this.#visitors = this.root.openDB({ name: 'visitors', ...bytes });
    this.tails = this.root.openDB({ name: 'tails', ...json });
    this.entries = this.root.openDB({ name: 'entries', encoding: 'binary' });
    this.sealed = this.root.openDB({ name: 'sealed', ...json });
    this.dead = this.root.openDB({ name: 'dead', ...json });
    this.leases = this.root.openDB({ name: 'leases', ...json });
    this.#meta = this.root.openDB({ name: 'meta', ...json });
  }

  visitor(deviceId: string): Stored {
    const bytes = this.#visitors.getBinary(packDeviceId(deviceId, new Uint8Array(19)));
    if (!bytes) return { told: new Map(), toldBytes: NOTHING_TOLD, next: undefined };
    const toldBytes = bytes.subarray(TIME_BYTES);
    return { ...readTold(toldBytes), toldBytes, next: readTime(bytes, 0) || undefined };
  }

  /** @param before as it is now */
  putVisitor(deviceId: string, before: Scheduled, after: Scheduled): void {
    const { told, next } = after;
    if (before.next !== next) {
      if (before.next !== undefined) this.#agenda.removeSync(agendaKey(before.next, deviceId));
      if (next !== undefined) this.#agenda.putSync(agendaKey(next, deviceId), NOTHING);
    }
    const key = packDeviceId(deviceId, new Uint8Array(19));
    if (next === undefined && told.size === 0) {
      this.#visitors.removeSync(key);
      return;
    }
    const writer = new Writer(64);
    writeTime(writer, next ?? 0);
    writeTold(writer, after);
    this.#visitors.putSync(key, writer.written());
  }

  /** Ids of visitors whose time has come, those who wait longest first. */
  due(now: number, limit: number, by: Cause): string[] {
    const from = by === 'time' ? BY_TIME : 0;
    const [start, end] = [agendaKey(from, ''), agendaKey(from + now + 1, '')];
    const keys = this.#agenda.getKeys({ start, end, limit });
    return [...keys.map((key) => readDeviceId(key, TIME_BYTES))];
  }

  /** The first segment of the log of which something may not be on the agenda yet. */
  get through(): number {
    return (this.#meta.get('through') as number | undefined) ?? 1;
  }

  set through(segment: number) {
    this.#meta.putSync('through', segment);
  }

  /**
   * How far all visitors have been put on the agenda, since visits of some were lost: a walk's cursor, ''
   * at the start; undefined: there is no need.
   */
  get everybody(): string | undefined {
    return this.#meta.get('everybody') as string | undefined;
  }

  set everybody(cursor: string | undefined) {
    if (cursor === undefined) this.#meta.removeSync('everybody');
    else this.#meta.putSync('everybody', cursor);
  }

  tail(destination: number): Tail {
    return this.tails.get(destination) ?? { last: 0, read: 0, waiting: 0, dead: 0 };
  }
}

export function entryBytes({ queuedAt, deviceId, ...entry }: Omit<Entry, 'id'>): Uint8Array {
  const writer = new Writer(64);
  writeTime(writer, queuedAt);
  writeDeviceId(writer, deviceId);
  writeMoves(writer, entry);
  return writer.written();
}

export const entryIn = (number: number, bytes: Uint8Array): Entry => ({
  id: String(number),
  queuedAt: readTime(bytes, 0),
  deviceId: readDeviceId(bytes, TIME_BYTES),
  ...readMoves(bytes, TIME_BYTES + 19),
});

const NOTHING = new Uint8Array(1);

/** Keys are compared byte by byte: the highest one comes first. */
function agendaKey(time: number, deviceId: string): Uint8Array {
  const key = Buffer.alloc(TIME_BYTES + (deviceId ? 19 : 0));
  key.writeUIntBE(time, 0, TIME_BYTES);
  return deviceId ? packDeviceId(deviceId, key, TIME_BYTES) : key;
}

function writeTime(writer: Writer, time: number): void {
  writer.u32(time % 2 ** 32);
  writer.u16(time / 2 ** 32);
}

const readTime = (bytes: Uint8Array, at: number) =>
  readU32(bytes, at) + readU16(bytes, at + 4) * 2 ** 32;
