/**
 * What the log's frames hold: one entry for each visitor that a batch of visits adds to.
 *
 * Entry: kind u8, device id (19 bytes), length of the rest u32, then records (see `record.ts`) or,
 * for a link, an alias that leads to the device: data source u32 and the id in UTF-8. The kind's highest
 * bit says that partners may have to hear of the visit.
 */
import type { Change, DeclaredId } from '../../audience/profile.ts';
import { aliasKey } from '../alias.ts';
import {
  readDeviceId,
  readText,
  readU32,
  type Writer,
  writeChange,
  writeDeviceId,
} from '../record.ts';

export const KNOWN = 1;
/** The first request of a visitor who was known by nothing. */
export const NEWCOMER = 2;
export const LINK = 3;

const EXAMINE = 0x80;

const HEADER = 24;

export interface Entry {
  readonly kind: number;
  /** Whether the visitor is to be examined (`outbox.ts`). */
  readonly examine: boolean;
  readonly deviceId: string;
  /** Records, or what `aliasOf` reads. */
  readonly bytes: Uint8Array;
}

export function writeChangeEntry(
  writer: Writer,
  kind: typeof KNOWN | typeof NEWCOMER,
  deviceId: string,
  change: Change,
  examine = false,
): void {
  const start = begin(writer, examine ? kind | EXAMINE : kind, deviceId);
  writeChange(writer, change);
  end(writer, start);
}

export function writeLinkEntry(writer: Writer, deviceId: string, alias: DeclaredId): void {
  const start = begin(writer, LINK, deviceId);
  writer.u32(alias.dataSource);
  writer.text(alias.id);
  end(writer, start);
}

export function* entriesOf(payload: Uint8Array): Generator<Entry> {
  for (let at = 0; at < payload.length; ) {
    const length = readU32(payload, at + 20);
    const bytes = payload.subarray(at + HEADER, at + HEADER + length);
    yield {
      kind: payload[at] & ~EXAMINE,
      examine: payload[at] >= EXAMINE,
      deviceId: readDeviceId(payload, at + 1),
      bytes,
    };
    at += HEADER + length;
  }
}

/** The alias of a link, as the key under which it is looked up. */
export const linkKeyOf = ({ bytes }: Entry): string =>
  aliasKey(readU32(bytes, 0), readText(bytes, 4));

function begin(writer: Writer, kind: number, deviceId: string): number {
  writer.u8(kind);
  writeDeviceId(writer, deviceId);
  writer.u32(0);
  return writer.length;
}

function end(writer: Writer, start: number): void {
  const length = writer.length - start;
  const { bytes } = writer;
  bytes[start - 4] = length;
  bytes[start - 3] = length >>> 8;
  bytes[start - 2] = length >>> 16;
  bytes[start - 1] = length >>> 24;
}
