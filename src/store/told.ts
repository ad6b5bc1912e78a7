/**
 * The bytes of what partners were told of a visitor, and of what they are to be told. All numbers are
 * little-endian, times are Unix seconds.
 *
 * - told: for each segment destination u32, sid u32, since u32; then, for each destination whose partner
 *   knows the visitor by an id of its own, destination u32, 0 u32, 0 u32, the id (length u16, UTF-8)
 * - moves: perhaps 0 u32, 3 u8, 0 u32: they are told late; for each sid u32, member u8, at u32; then
 *   perhaps 0 u32, 2 u8, 0 u32, the partner's id
 */
import type { Entry, Move, Outcome, Told } from './outbox.ts';
import { readText, readU16, readU32, type Writer } from './record.ts';

type PartnerIds = ReadonlyMap<number, string>;

/** What an entry tells. */
export type Tells = Pick<Entry, 'moves' | 'isLate' | 'partnerId'>;

const TOLD_BYTES = 12;
const MOVE_BYTES = 9;
const ID = 2;
const LATE = 3;
/** Stands first in moves that are told late. */
export const LATE_MARK = Uint8Array.of(0, 0, 0, 0, LATE, 0, 0, 0, 0);
export const NO_IDS: PartnerIds = new Map();

/** @param from where it begins */
export function readTold(bytes: Uint8Array, from = 0): { told: Told; partnerIds: PartnerIds } {
  const told = new Map<number, Map<number, number>>();
  let partnerIds: Map<number, string> | undefined;
  for (let at = from; at + TOLD_BYTES <= bytes.length; at += TOLD_BYTES) {
    const [destination, sid] = [readU32(bytes, at), readU32(bytes, at + 4)];
    if (sid === 0) {
      partnerIds ??= new Map();
      partnerIds.set(destination, readText(bytes, at + TOLD_BYTES));
      at += 2 + readU16(bytes, at + TOLD_BYTES);
      continue;
    }
    const segments = told.get(destination) ?? new Map<number, number>();
    told.set(destination, segments.set(sid, readU32(bytes, at + 8) * 1_000));
  }
  return { told, partnerIds: partnerIds ?? NO_IDS };
}

/** Of destinations of which nothing is told, no id is kept either. */
export function writeTold(
  writer: Writer,
  { told, partnerIds = NO_IDS }: Pick<Outcome, 'told' | 'partnerIds'>,
): void {
  for (const [destination, segments] of told) {
    for (const [sid, since] of segments) {
      writer.u32(destination);
      writer.u32(sid);
      writer.u32(since / 1_000);
    }
  }
  for (const [destination, id] of partnerIds) {
    if (!told.has(destination)) continue;
    writer.u32(destination);
    writer.u32(0);
    writer.u32(0);
    writer.text(id);
  }
}

export function readMoves(bytes: Uint8Array, from: number): Tells {
  const moves: Move[] = [];
  let isLate = false;
  const late = () => (isLate ? { isLate } : undefined);
  for (let at = from; at + MOVE_BYTES <= bytes.length; at += MOVE_BYTES) {
    const kind = bytes[at + 4];
    if (kind === ID) return { moves, ...late(), partnerId: readText(bytes, at + MOVE_BYTES) };
    if (kind === LATE) isLate = true;
    else
      moves.push({
        sid: readU32(bytes, at),
        isMember: bytes[at + 4] === 1,
        at: readU32(bytes, at + 5) * 1_000,
      });
  }
  return { moves, ...late() };
}

export function writeMoves(writer: Writer, { moves, isLate, partnerId }: Tells): void {
  if (isLate) writer.raw(LATE_MARK);
  for (const { sid, isMember, at } of moves) {
    writer.u32(sid);
    writer.u8(isMember ? 1 : 0);
    writer.u32(at / 1_000);
  }
  if (partnerId === undefined) return;
  writer.u32(0);
  writer.u8(ID);
  writer.u32(0);
  writer.text(partnerId);
}
