/**
 * The bytes in which the outbox in Redis keeps what partners were told, and what they are to be told.
 * All numbers are little-endian.
 *
 * - told, under `PREFIX{DEVICE ID}:told`: for each segment destination u32, sid u32, since u32
 * - an entry of a queue: device id, packed, then for each move sid u32, member u8, at u32
 * - a dead letter: problem, then for each entry id and entry; each with its length u32
 *
 * Times are Unix seconds.
 */

import type { DeadLetter, Entry, Move, Told } from '../outbox.ts';
import { readDeviceId, readU32, Writer, writeDeviceId } from '../record.ts';
import { visitorKey, writeSection } from './script.ts';

export const toldKey = (prefix: string, deviceId: string) => `${visitorKey(prefix, deviceId)}:told`;

export function toldIn(bytes: Uint8Array): Told {
  const told = new Map<number, Map<number, number>>();
  for (let at = 0; at + 12 <= bytes.length; at += 12) {
    const destination = readU32(bytes, at);
    const segments = told.get(destination) ?? new Map<number, number>();
    told.set(destination, segments);
    segments.set(readU32(bytes, at + 4), readU32(bytes, at + 8) * 1_000);
  }
  return told;
}

export function writeTold(writer: Writer, told: Told): void {
  for (const [destination, segments] of told) {
    for (const [sid, since] of segments) {
      writer.u32(destination);
      writer.u32(sid);
      writer.u32(since / 1_000);
    }
  }
}

export function writeMoves(writer: Writer, deviceId: string, moves: readonly Move[]): void {
  writeDeviceId(writer, deviceId);
  for (const { sid, isMember, at } of moves) {
    writer.u32(sid);
    writer.u8(isMember ? 1 : 0);
    writer.u32(at / 1_000);
  }
}

const DEVICE_ID_BYTES = 19;
const MOVE_BYTES = 9;

/** @param id as Redis has given it: `MILLISECONDS-NUMBER` */
export function entryIn(id: string, bytes: Uint8Array): Entry {
  const moves: Move[] = [];
  for (let at = DEVICE_ID_BYTES; at + MOVE_BYTES <= bytes.length; at += MOVE_BYTES) {
    moves.push({
      sid: readU32(bytes, at),
      isMember: bytes[at + 4] === 1,
      at: readU32(bytes, at + 5) * 1_000,
    });
  }
  return { id, queuedAt: Number.parseInt(id, 10), deviceId: readDeviceId(bytes, 0), moves };
}

export function letterBytes({ problem, entries }: DeadLetter): Buffer {
  const writer = new Writer(256);
  const section = (write: () => void) => writeSection(writer, write);
  section(() => writer.raw(Buffer.from(problem)));
  for (const { id, deviceId, moves } of entries) {
    section(() => writer.ascii(id));
    section(() => writeMoves(writer, deviceId, moves));
  }
  return Buffer.from(writer.written());
}

export function letterIn(message: string, at: number, bytes: Buffer): DeadLetter {
  const sections: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = from + 4 + readU32(bytes, from);
    sections.push(bytes.subarray(from + 4, end));
    from = end;
  }
  const [problem, ...rest] = sections;
  const entries: Entry[] = [];
  for (let i = 0; i < rest.length; i += 2) entries.push(entryIn(rest[i].toString(), rest[i + 1]));
  return { message, at, problem: problem.toString(), entries };
}
