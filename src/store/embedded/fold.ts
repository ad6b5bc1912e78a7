/**
 * Folds sealed segments of the log into the base, and forgets who was not seen for long. A program of
 * its own, started by `embedded.ts` when there is something to do: LMDB's writer and the server never
 * share a process, so a fold can be killed, stopped or slow without a page noticing.
 */
import fs from 'node:fs';
import { dayOf, Profile } from '../../audience/profile.ts';
import { readRecords } from '../record.ts';
import { Base, type Folded, isOptedOut, seenOf } from './base.ts';
import { type Entry, entriesOf, LINK, linkKeyOf, NEWCOMER } from './entry.ts';
import { fileOf, readSegment, segmentsIn } from './log.ts';
import { readThrough } from './through.ts';

export interface FoldOptions {
  readonly logFolder: string;
  readonly basePath: string;
  /** Visitors are forgotten when they were not seen for so many days. */
  readonly profileDays: number;
  /** Likewise visitors whose id never came back. */
  readonly newcomerDays: number;
  /** Says which segments are still to be examined (`through.ts`). */
  readonly throughFile: string;
}

/** Visitors written in one transaction. */
const CHUNK = 2_000;
const HOUSEKEEPING_MS = 3_600_000;
/** So many segments wait for a deliverer that is away. */
const KEPT_SEGMENTS = 64;

/** What one segment adds to one visitor. */
interface Additions {
  /** Whether the visitor was known, or came back, in this segment. */
  known: boolean;
  readonly records: Uint8Array[];
}

function foldSegment(
  base: Base,
  frames: readonly Uint8Array[],
  segment: number,
  betweenChunks: () => void,
): void {
  const visitors = new Map<string, Additions>();
  const links = new Map<string, string>();
  for (const frame of frames) {
    for (const entry of entriesOf(frame)) {
      if (entry.kind === LINK) links.set(linkKeyOf(entry), entry.deviceId);
      else add(visitors, entry);
    }
  }
  // In key order, neighbours share pages: fewer of them are written.
  const ids = [...visitors.keys()].sort();
  for (let i = 0; i < ids.length; i += CHUNK) {
    betweenChunks();
    base.root.transactionSync(() => {
      for (const id of ids.slice(i, i + CHUNK)) {
        foldVisitor(base, id, visitors.get(id) as Additions, segment);
      }
    });
  }
  base.root.transactionSync(() => {
    // Another process may have folded this segment and later ones, while this one slept.
    if (base.folded >= segment) return;
    for (const [alias, id] of links) base.putLink(alias, id);
    base.folded = segment;
  });
}

function add(visitors: Map<string, Additions>, { kind, deviceId, bytes }: Entry): void {
  let additions = visitors.get(deviceId);
  if (!additions) {
    additions = { known: false, records: [] };
    visitors.set(deviceId, additions);
  }
  if (kind !== NEWCOMER) additions.known = true;
  additions.records.push(bytes);
}

function foldVisitor(base: Base, id: string, { known, records }: Additions, segment: number): void {
  const folded: Folded | undefined = base.profile(id);
  if (folded && folded.segment >= segment) return;
  const profile = folded?.profile ?? new Profile();
  for (const bytes of records) readRecords(bytes, profile);
  const newcomer = !known && (folded?.newcomer ?? true);
  base.putProfile(id, { profile, segment, newcomer });
}

/** Removes what was not seen for so many days. */
function forget(base: Base, from: Base['profiles'], days: number, betweenChunks: () => void): void {
  const before = dayOf(Date.now()) - days;
  // An opt-out holds for ever, of whoever came back since.
  const isOld = (value: Uint8Array) =>
    seenOf(value) < before && (from === base.newcomers || !isOptedOut(value));
  const old: Uint8Array[] = [];
  const remove = () => {
    betweenChunks();
    from.transactionSync(() => {
      for (const key of old.splice(0)) {
        const value = from.get(key);
        if (value && isOld(value)) from.removeSync(key);
      }
    });
  };
  for (const { key, value } of from.getRange({})) {
    if (!isOld(value)) continue;
    old.push(Uint8Array.from(key));
    if (old.length === CHUNK) remove();
  }
  remove();
}

function fold({ logFolder, basePath, profileDays, newcomerDays, throughFile }: FoldOptions): void {
  const base = new Base(basePath, 'write');
  if (!base.lease(process.pid, Date.now())) return;
  const keepLease = () => base.lease(process.pid, Date.now());
  const through = readThrough(throughFile);
  const segments = segmentsIn(logFolder);
  const newest = segments.at(-1) ?? 0;
  for (const segment of segments) {
    const file = fileOf(logFolder, segment);
    base.refresh();
    // Another process may have been here since the folder was listed.
    if (!fs.existsSync(file)) continue;
    if (segment > base.folded) {
      const { frames, sealed } = readSegment(fs.readFileSync(file));
      if (!sealed) break;
      foldSegment(base, frames, segment, keepLease);
    }
    const isAwaited = through !== undefined && segment >= through;
    // If the deliverer has been away for too long, it looks at everybody.
    if (isAwaited && segment >= newest - KEPT_SEGMENTS) continue;
    fs.rmSync(file, { force: true });
  }
  if (Date.now() - base.housekeptAt > HOUSEKEEPING_MS) {
    forget(base, base.newcomers, newcomerDays, keepLease);
    forget(base, base.profiles, profileDays, keepLease);
    base.housekeptAt = Date.now();
  }
  base.release();
}

fold(JSON.parse(process.argv[2]));
