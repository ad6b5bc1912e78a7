/**
 * Brings to the agenda whom the log says to examine.
 *
 * The outbox keeps the segment of the log before which everybody has been brought there. Segments that
 * were folded while no deliverer was there wait in the log's folder (`through.ts`); if some of them are
 * gone, nobody knows who was in them, and all visitors come to the agenda.
 */
import fs from 'node:fs';
import path from 'node:path';
import { type EmbeddedOptions, EmbeddedStore } from './embedded-store.ts';
import { entriesOf } from './entry.ts';
import { fileOf, readSegment, segmentsIn } from './log.ts';
import { BY_TIME, type OutboxBase } from './outbox-base.ts';
import { readThrough, throughFileOf, writeThrough } from './through.ts';
import type { Walk } from './walk.ts';

const TEND_MS = 1_000;
const SECOND = 1_000;

export class Arrivals {
  /** The visitors, as this process knows them from the log. */
  readonly store: EmbeddedStore;
  readonly #base: OutboxBase;
  readonly #logFolder: string;
  readonly #throughFile: string;
  /** Who is not on the agenda yet, and the last segment that says so. */
  readonly #heard = new Map<string, number>();
  /** The segment that is listened to now. */
  #segment: number;
  /** Segments that were folded before they could be listened to, without the last one. */
  readonly #missed: { from: number; readonly to: number }[] = [];
  /** Whether there were some of which nothing is left. */
  #isLost = false;
  #written: number | undefined;
  readonly #everybody: Walk;
  readonly #timer: NodeJS.Timeout;

  constructor(
    base: OutboxBase,
    options: Pick<EmbeddedOptions, 'folder' | 'profileDays' | 'newcomerDays'>,
  ) {
    const { folder, profileDays, newcomerDays } = options;
    this.#base = base;
    this.#logFolder = path.join(folder, 'log');
    this.#throughFile = throughFileOf(folder);
    const told = readThrough(this.#throughFile) ?? base.through;
    if (told < base.through) base.through = told;
    this.#segment = base.through - 1;
    this.store = new EmbeddedStore({
      folder,
      fsync: 'no',
      profileDays,
      newcomerDays,
      maxWaiting: 0,
      listener: {
        segment: (segment) => this.#begin(segment),
        examine: (deviceId) => this.#heard.set(deviceId, this.#segment),
      },
    });
    this.#everybody = this.store.walk();
    // Where the log ends before, whoever is heard of is new all the same.
    if (base.through > this.#segment) base.through = this.#segment;
    this.#tellFold();
    this.#timer = setInterval(() => this.#tend(), TEND_MS).unref();
  }

  /** Puts on the agenda who came until now. */
  bring(): void {
    this.store.catchUp();
    this.#readMissed();
    this.#put();
  }

  /** Goes on putting all visitors there, where it is not known who came. */
  bringSome(limit: number): void {
    const cursor = this.#base.everybody;
    if (cursor === undefined) return;
    const part = this.#everybody.next(cursor || undefined, limit);
    const next = BY_TIME + Date.now();
    this.#write(() => {
      for (const deviceId of part.deviceIds) {
        const before = this.#base.visitor(deviceId);
        // Who is to be examined sooner is.
        if (before.next !== undefined && before.next < next) continue;
        this.#base.putVisitor(deviceId, before, { ...before, next });
      }
      this.#base.everybody = part.cursor;
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.store.close();
  }

  #begin(segment: number): void {
    if (segment > this.#segment + 1) this.#missed.push({ from: this.#segment + 1, to: segment });
    this.#segment = segment;
  }

  #readMissed(): void {
    for (let range = this.#missed[0]; range; range = this.#missed[0]) {
      // Another deliverer may have been there meanwhile.
      range.from = Math.max(range.from, this.#through());
      if (range.from >= range.to) {
        this.#missed.shift();
        continue;
      }
      if (this.#read(range.from)) range.from++;
      else if (range.from >= this.#through()) {
        this.#isLost = true;
        const there = segmentsIn(this.#logFolder).find((segment) => segment > range.from);
        range.from = Math.min(there ?? range.to, range.to);
      }
      // One by one: they may be many.
      this.#put();
    }
  }

  /** @returns whether the segment is still there */
  #read(segment: number): boolean {
    let bytes: Uint8Array;
    try {
      bytes = fs.readFileSync(fileOf(this.#logFolder, segment));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
    for (const frame of readSegment(bytes).frames) {
      for (const { examine, deviceId } of entriesOf(frame)) {
        if (examine) this.#heard.set(deviceId, segment);
      }
    }
    return true;
  }

  #put(): void {
    const through = this.#missed[0]?.from ?? this.#segment;
    const isNew = this.#heard.size > 0 || this.#isLost || through !== this.#through();
    if (!isNew) return;
    this.#write(() => {
      for (const deviceId of this.#heard.keys()) this.#schedule(deviceId);
      this.#base.through = through;
      if (this.#isLost) this.#base.everybody = '';
    });
    this.#heard.clear();
    this.#isLost = false;
    this.#tellFold();
  }

  #schedule(deviceId: string): void {
    const before = this.#base.visitor(deviceId);
    const now = Date.now();
    // Another time than before, also within a millisecond: who is examined now has come back.
    const last = before.next ?? 0;
    const next = last > now + SECOND ? now : Math.max(now, last + 1);
    this.#base.putVisitor(deviceId, before, { ...before, next });
  }

  #write(work: () => void): void {
    this.#base.root.transactionSync(work);
    this.#base.root.resetReadTxn();
  }

  /** As of now: other deliverers may have been there. */
  #through(): number {
    this.#base.root.resetReadTxn();
    return this.#base.through;
  }

  #tellFold(): void {
    const { through } = this.#base;
    if (through === this.#written) return;
    writeThrough(this.#throughFile, through);
    this.#written = through;
  }

  /** Where nobody asks this process whose time has come, another one does, or nobody will. */
  #tend(): void {
    try {
      const through = this.#through();
      for (const [deviceId, segment] of this.#heard) {
        if (segment < through) this.#heard.delete(deviceId);
      }
      if (through < this.#segment - 1) this.bring();
    } catch {
      // Whoever asks is told.
    }
  }
}
