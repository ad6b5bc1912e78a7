/**
 * The bytes in which the outbox in Redis keeps what partners are to be told (see `store/told.ts`).
 *
 * - an entry of a queue: device id, packed, then the moves
 * - a dead letter: problem, then for each entry id and entry; each with its length u32
 */
import { type DeadLetter, type Entry, unreadableLetter } from '../outbox.ts';
import { readDeviceId, readU32, Writer, writeDeviceId } from '../record.ts';
import { readMoves, type Tells, writeMoves } from '../told.ts';
import { visitorKey, writeSection } from './script.ts';

export const toldKey = (prefix: string, deviceId: string) => `${visitorKey(prefix, deviceId)}:told`;

export function writeEntry(writer: Writer, deviceId: string, entry: Tells): void {
  writeDeviceId(writer, deviceId);
  writeMoves(writer, entry);
}

export const DEVICE_ID_BYTES = 19;

export function entryBytes(entry: Tells & Pick<Entry, 'deviceId'>): Buffer {
  const writer = new Writer(64);
  writeEntry(writer, entry.deviceId, entry);
  return Buffer.from(writer.written());
}

/** @param id as Redis has given it: `MILLISECONDS-NUMBER` */
export const entryIn = (id: string, bytes: Uint8Array): Entry => ({
  id,
  queuedAt: Number.parseInt(id, 10),
  deviceId: readDeviceId(bytes, 0),
  ...readMoves(bytes, DEVICE_ID_BYTES),
});

export function letterBytes({ problem, entries }: DeadLetter): Buffer {
  const writer = new Writer(256);
  const section = (write: () => void) => writeSection(writer, write);
  section(() => writer.raw(Buffer.from(problem)));
  for (const entry of entries) {
    section(() => writer.ascii(entry.id));
    section(() => writeEntry(writer, entry.deviceId, entry));
  }
  return Buffer.from(writer.written());
}

export function letterIn(message: string, at: number, bytes: Buffer): DeadLetter {
  try {
    const [problem, ...rest] = sectionsIn(bytes);
    const entries: Entry[] = [];
    for (let i = 0; i < rest.length; i += 2) entries.push(entryIn(rest[i].toString(), rest[i + 1]));
    const letter = { message, at, problem: problem.toString(), entries };
    // What this program would write otherwise, it has not understood.
    if (entries.length > 0 && letterBytes(letter).equals(bytes)) return letter;
  } catch {
    // It is no letter at all.
  }
  return unreadableLetter(message, at);
}

function sectionsIn(bytes: Buffer): Buffer[] {
  const sections: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = from + 4 + readU32(bytes, from);
    if (end > bytes.length) throw new Error(`it ends after ${bytes.length} bytes`);
    sections.push(bytes.subarray(from + 4, end));
    from = end;
  }
  return sections;
}
