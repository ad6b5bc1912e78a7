/** The value of a visitor in Redis (its form: `script.ts`), read and made short again. */
import { Profile } from '../../audience/profile.ts';
import { MARK_BYTES, readRecords, readU16, readU32, Writer, writeProfile } from '../record.ts';
import { StoreError } from '../store.ts';
import { HEADER, VERSION } from './script.ts';

/** @throws StoreError where a newer program has written it */
export function profileIn(value: Uint8Array): Profile {
  if (value[0] !== VERSION) {
    throw new StoreError(
      `a stored visitor has version ${value[0]}, this program reads ${VERSION}: it is kept, update this program`,
    );
  }
  const profile = new Profile();
  readRecords(value, profile, HEADER);
  profile.seen = Math.max(profile.seen, readU16(value, 2));
  return profile;
}

export const minuteOf = (milliseconds: number) => Math.floor(milliseconds / 60_000) % 65_536;

/** A write that was not answered for so long is repeated no more. */
const MARK_MINUTES = 1_440;
/** Of each process, so many marks are kept: more writes about one visitor are hardly ever unanswered. */
const MARKS_KEPT = 8;

/** What the records of a value come to: as few as possible, with the marks that are still needed. */
export function foldedIn(value: Uint8Array): Uint8Array {
  const marks: number[] = [];
  const profile = new Profile();
  readRecords(value, profile, HEADER, value.length, marks);
  const now = minuteOf(Date.now());
  const counts = new Map<number, number>();
  const kept = marks.reverse().filter((at) => {
    const writer = readU32(value, at + 3);
    const count = counts.get(writer) ?? 0;
    const age = (now - readU16(value, at + 1) + 65_536) % 65_536;
    // Clocks differ: a mark may seem to come from the future.
    if (count === MARKS_KEPT || (age > MARK_MINUTES && age < 32_768)) return false;
    counts.set(writer, count + 1);
    return true;
  });
  const writer = new Writer(value.length);
  // The next to fold has to find the newest last, too.
  for (const at of kept.reverse()) writer.raw(value.subarray(at, at + MARK_BYTES));
  writeProfile(writer, profile);
  return writer.written();
}

/** A value is compacted when it has grown by as much as it had, and by so many bytes. */
const MIN_GROWTH = 512;

export function isTooLong(value: Uint8Array): boolean {
  const compacted = readU32(value, 8);
  return value.length - compacted > Math.max(MIN_GROWTH, compacted);
}

/** Within one generation a value only grows. */
export const generationOf = (value: Uint8Array) => value.subarray(4, 8);
