/**
 * Folds sealed segments of the log into the base, in a thread of its own, and forgets who was not
 * seen for long. Started by `embedded.ts`; a message means that there may be something to do.
 */
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { dayOf, Profile } from '../audience/profile.ts';
import { Base, type Folded, seenOf } from './base.ts';
import { type Entry, entriesOf, LINK, linkKeyOf, NEWCOMER } from './entry.ts';
import { fileOf, framesOf, segmentsIn } from './log.ts';
import { readRecords } from './record.ts';

export interface FoldOptions {
  readonly logFolder: string;
  readonly basePath: string;
  readonly profileDays: number;
  readonly newcomerDays: number;
}

/** Visitors written in one transaction. */
const CHUNK = 2_000;
const LEASE_MS = 10_000;
const HOUSEKEEPING_MS = 3_600_000;

/** What one segment adds to one visitor. */
interface Additions {
  /** Whether the visitor was known, or came back, in this segment. */
  known: boolean;
  readonly records: Uint8Array[];
}

function foldSegment(base: Base, file: string, segment: number, keepLease: () => void): void {
  const visitors = new Map<string, Additions>();
  const links = new Map<string, string>();
  for (const frame of framesOf(fs.readFileSync(file))) {
    for (const entry of entriesOf(frame)) {
      if (entry.kind === LINK) links.set(linkKeyOf(entry), entry.deviceId);
      else add(visitors, entry);
    }
  }
  // In key order, neighbours share pages: fewer of them are written.
  const ids = [...visitors.keys()].sort();
  for (let i = 0; i < ids.length; i += CHUNK) {
    keepLease();
    base.root.transactionSync(() => {
      for (const id of ids.slice(i, i + CHUNK)) {
        foldVisitor(base, id, visitors.get(id) as Additions, segment);
      }
    });
  }
  base.root.transactionSync(() => {
    for (const [alias, id] of links) base.putLink(alias, id);
    if (base.folded < segment) base.folded = segment;
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
  const newcomer = !known && (folded === undefined || base.isNewcomer(id));
  base.putProfile(newcomer ? base.newcomers : base.profiles, id, { profile, segment });
  if (!newcomer) base.forgetNewcomer(id);
}

/** Removes what was not seen for so many days. */
function forget(from: Base['profiles'], days: number): void {
  const before = dayOf(Date.now()) - days;
  const old: Uint8Array[] = [];
  const remove = () => {
    from.transactionSync(() => {
      for (const key of old.splice(0)) {
        const value = from.get(key);
        if (value && seenOf(value) < before) from.removeSync(key);
      }
    });
  };
  for (const { key, value } of from.getRange({})) {
    if (seenOf(value) >= before) continue;
    old.push(Uint8Array.from(key));
    if (old.length === CHUNK) remove();
  }
  remove();
}

function work(options: FoldOptions): void {
  const port = parentPort;
  if (!port) return;
  const base = new Base(options.basePath);
  const owner = process.pid;
  let housekeepingAt = 0;
  const keepLease = () => base.lease(owner, Date.now(), LEASE_MS);
  const fold = () => {
    const sealed = segmentsIn(options.logFolder).slice(0, -1);
    if (sealed.length > 0) {
      if (!keepLease()) {
        setTimeout(fold, 1_000);
        return;
      }
      for (const segment of sealed) {
        const file = fileOf(options.logFolder, segment);
        if (segment > base.folded) foldSegment(base, file, segment, keepLease);
        fs.rmSync(file, { force: true });
      }
    }
    if (Date.now() - housekeepingAt > HOUSEKEEPING_MS && keepLease()) {
      housekeepingAt = Date.now();
      forget(base.newcomers, options.newcomerDays);
      forget(base.profiles, options.profileDays);
    }
    port.postMessage(base.folded);
  };
  port.on('message', fold);
}

work(workerData as FoldOptions);
