/**
 * The folded part of the embedded store: profiles, newcomers and links in LMDB.
 *
 * Only the fold writes here (`fold.ts`); everybody reads, without locks. A value says up to which
 * segment of the log it has been folded, so that folding a segment again changes nothing.
 *
 * Value of a profile: version u8, segment u32, day last seen u16, records.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Profile } from '../../audience/profile.ts';
import {
  OPTED_OUT,
  packDeviceId,
  readDeviceId,
  readProfile,
  readU16,
  readU32,
  Writer,
  writeProfile,
} from '../record.ts';

const VERSION = 1;
const HEADER = 7;
const MAX_KEY = 1_000;

export interface Folded {
  readonly profile: Profile;
  /** The last segment that it contains. */
  readonly segment: number;
  /** Whether the visitor's id has not come back yet. */
  readonly newcomer: boolean;
}

interface Lease {
  readonly owner: number;
  readonly until: number;
}

const LEASE_MS = 10_000;
/** A lease from the future is one of a clock that was wrong. */
const isHeld = ({ until }: Lease, now: number) => until > now && until <= now + LEASE_MS;

/** A list of visitors by device id. */
export type Bytes = Database<Uint8Array, Uint8Array>;

export interface StoredVisitor {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export class Base {
  readonly root: RootDatabase;
  readonly profiles: Bytes;
  /** Visitors whose id has not come back yet. */
  readonly newcomers: Bytes;
  readonly #links: Bytes;
  readonly #meta: Database<unknown, string>;
  readonly #key = new Uint8Array(19);

  /** @param access `read` never waits for a writer, not even for one that was stopped */
  constructor(path: string, access: 'read' | 'write') {
    // Who finds the file may find half of what it is to hold: somebody else is making it now.
    if (access === 'read' && !fs.existsSync(`${path}/made`)) {
      new Base(path, 'write').root.close();
      fs.writeFileSync(`${path}/made`, '');
    }
    // Each transaction is flushed before the next: a killed writer then leaves nothing to wait for.
    this.root = open({ path, maxDbs: 8, overlappingSync: false, readOnly: access === 'read' });
    const bytes = { keyEncoding: 'binary', encoding: 'binary' } as const;
    this.profiles = this.root.openDB<Uint8Array, Uint8Array>('profiles', bytes);
    this.newcomers = this.root.openDB<Uint8Array, Uint8Array>('newcomers', bytes);
    this.#links = this.root.openDB<Uint8Array, Uint8Array>('links', bytes);
    this.#meta = this.root.openDB<unknown, string>('meta', { encoding: 'json' });
  }

  profile(deviceId: string): Folded | undefined {
    return this.#read(this.profiles, deviceId, false) ?? this.#read(this.newcomers, deviceId, true);
  }

  has(deviceId: string): boolean {
    const key = packDeviceId(deviceId, this.#key);
    return this.profiles.doesExist(key) || this.newcomers.doesExist(key);
  }

  putProfile(deviceId: string, { profile, segment, newcomer }: Folded): void {
    const writer = new Writer(256);
    writer.u8(VERSION);
    writer.u32(segment);
    writer.u16(profile.seen);
    writeProfile(writer, profile);
    const key = packDeviceId(deviceId, new Uint8Array(19));
    (newcomer ? this.newcomers : this.profiles).putSync(key, writer.written());
    if (!newcomer) this.newcomers.removeSync(key);
  }

  /** The device that an alias leads to. */
  link(alias: string): string | undefined {
    const bytes = this.#links.getBinary(linkKey(alias));
    return bytes && readDeviceId(bytes, 0);
  }

  putLink(alias: string, deviceId: string): void {
    this.#links.putSync(linkKey(alias), packDeviceId(deviceId, new Uint8Array(19)));
  }

  /** Lets the next look show what has been folded until then. */
  refresh(): void {
    this.root.resetReadTxn();
  }

  /** The last segment of the log that is wholly contained. */
  get folded(): number {
    return (this.#meta.get('folded') as number | undefined) ?? 0;
  }

  set folded(segment: number) {
    this.#meta.putSync('folded', segment);
  }

  /** When visitors who were not seen for long were last forgotten, in Unix milliseconds. */
  get housekeptAt(): number {
    return (this.#meta.get('housekeptAt') as number | undefined) ?? 0;
  }

  set housekeptAt(time: number) {
    this.#meta.putSync('housekeptAt', time);
  }

  /**
   * Takes the right to fold, for a time, so that several processes do not do the same work. Only a
   * courtesy: folding twice is harmless.
   */
  lease(owner: number, now: number): boolean {
    return this.root.transactionSync(() => {
      const held = this.#meta.get('lease') as Lease | undefined;
      if (held && held.owner !== owner && isHeld(held, now)) return false;
      this.#meta.putSync('lease', { owner, until: now + LEASE_MS });
      return true;
    });
  }

  release(): void {
    this.#meta.removeSync('lease');
  }

  /** Whether somebody folds now. */
  isLeased(now: number): boolean {
    const held = this.#meta.get('lease') as Lease | undefined;
    return held !== undefined && isHeld(held, now);
  }

  #read(from: Bytes, deviceId: string, newcomer: boolean): Folded | undefined {
    const bytes = from.getBinaryFast(packDeviceId(deviceId, this.#key));
    // The buffer is shared and larger than the value: `length` is the value's.
    return bytes && { segment: readU32(bytes, 1), profile: profileIn(bytes), newcomer };
  }
}

/** @throws Error where another version of this program has written it */
export function profileIn(value: Uint8Array): Profile {
  if (value[0] !== VERSION) {
    throw new Error(`a stored profile has version ${value[0]}, this program reads ${VERSION}`);
  }
  return readProfile(value, HEADER, value.length);
}

/** How many visitors are in a list. */
export const countOf = (list: Bytes): number =>
  (list.getStats() as { entryCount: number }).entryCount;

/** How many visitors there are, newcomers among them. */
export const countAll = ({ newcomers, profiles }: Base): number =>
  countOf(newcomers) + countOf(profiles);

/**
 * Visitors after an id, or from the first one, when so many have been passed over. One call for
 * several: each leaves behind objects that take the garbage collector longer than the reading took.
 */
export const visitorsAfter = (
  list: Bytes,
  after: Uint8Array | undefined,
  passing: number,
  limit: number,
): StoredVisitor[] => [
  ...list.getRange({ start: after, exclusiveStart: after !== undefined, offset: passing, limit }),
];

/** The day a stored profile was last seen, without reading all of it. */
export const seenOf = (value: Uint8Array) => readU16(value, 5);

/** Likewise whether the visitor has opted out: then that is the first record. */
export const isOptedOut = (value: Uint8Array) => value[HEADER] === OPTED_OUT;

function linkKey(alias: string): Uint8Array {
  const key = Buffer.from(alias);
  return key.length <= MAX_KEY ? key : createHash('sha256').update(key).digest();
}
