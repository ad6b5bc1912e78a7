/**
 * The bytes of profiles: a sequence of records, each adding one thing.
 *
 * What a visit adds and what a profile holds have the same form, so a store may append the one to
 * the other and fold later. All numbers are little-endian.
 *
 * | tag | record | fields |
 * | --- | --- | --- |
 * | 1 | realization | trait u32, day u16, count u16 |
 * | 2 | seen | day u16 |
 * | 3 | ECID | length u16, UTF-8 |
 * | 4 | declared id | data source u32, length u16, UTF-8 |
 * | 5 | firing | destination u32, mapping u32, Unix seconds u32, hours u16 |
 * | 6, 7 | cookie set, cookie removed | destination u32 |
 * | 8 | opted out | day u16 |
 * | 9 | mark | Unix minutes u16, writer u32, number u32 |
 * | 10 | GDPR | flags u8 (1: applies, 2: refused), purposes u32, stated at u48, length u16, vendors (`audience/consent.ts`) |
 * | 11 | objection to sale | 1 or 0 u8, stated at u48 |
 * | 12 | consents | stated at u48 |
 * | 13 | GDPR with restrictions | as 10, then their number u8, and of each: purpose u8, first vendor u16, last vendor u16 |
 *
 * A mark stands before what one write added: whoever does not know whether a write arrived can repeat
 * it, and it is recognised. Engines that have to guess use them. What follows a refusal does not count until
 * another statement, or a record 12, comes: a request that consents has the latter before what it adds, since
 * it does not know yet what there is. Records never change their meaning: a
 * program may append to what a newer one has written.
 */
import { type Gdpr, NO_RESTRICTIONS } from '../audience/consent.ts';
import { type Change, Profile } from '../audience/profile.ts';

const REALIZATION = 1;
const SEEN = 2;
const ECID = 3;
const DECLARED = 4;
const FIRING = 5;
const COOKIE_SET = 6;
const COOKIE_REMOVED = 7;
export const OPTED_OUT = 8;
export const MARK = 9;
export const MARK_BYTES = 11;
const GDPR = 10;
const OBJECTION = 11;
const CONSENTS = 12;
const RESTRICTED_GDPR = 13;
const RESTRICTION_BYTES = 5;

const APPLIES = 1;
const REFUSED = 2;

const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes that grow as they are written. */
export class Writer {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.bytes[this.length++] = value;
    this.bytes[this.length++] = value >>> 8;
  }

  u32(value: number): void {
    this.reserve(4);
    const { bytes } = this;
    bytes[this.length++] = value;
    bytes[this.length++] = value >>> 8;
    bytes[this.length++] = value >>> 16;
    bytes[this.length++] = value >>> 24;
  }

  u48(value: number): void {
    this.u32(value);
    this.u16(value / 2 ** 32);
  }

  text(value: string): void {
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    this.reserve(2 + value.length * 3);
    const { written } = utf8.encodeInto(value, this.bytes.subarray(this.length + 2));
    this.u16(written);
    this.length += written;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A text of ASCII characters, without its length. */
  ascii(value: string): void {
    this.reserve(value.length);
    const { bytes, length } = this;
    for (let i = 0; i < value.length; i++) bytes[length + i] = value.charCodeAt(i);
    this.length += value.length;
  }

  /** Makes room for so many more bytes. */
  reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + size));
    larger.set(this.bytes);
    this.bytes = larger;
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

export const readU16 = (bytes: Uint8Array, at: number) => bytes[at] | (bytes[at + 1] << 8);

export const readU32 = (bytes: Uint8Array, at: number) =>
  (readU16(bytes, at) | (readU16(bytes, at + 2) << 16)) >>> 0;

const readU48 = (bytes: Uint8Array, at: number) =>
  readU32(bytes, at) + readU16(bytes, at + 4) * 2 ** 32;

export const readText = (bytes: Uint8Array, at: number) =>
  text.decode(bytes.subarray(at + 2, at + 2 + readU16(bytes, at)));

/** Names one write of one process. */
export interface Mark {
  /** Unix minutes. */
  readonly minute: number;
  readonly writer: number;
  readonly number: number;
}

export function writeMark(writer: Writer, mark: Mark): void {
  writer.u8(MARK);
  writer.u16(mark.minute);
  writer.u32(mark.writer);
  writer.u32(mark.number);
}

/**
 * Whether a change says more than that the visitor was seen. That the request consents is nothing without
 * something that it adds.
 */
export const addsAnything = (change: Change): boolean =>
  (change.realized?.length ?? 0) > 0 ||
  change.optOut === true ||
  change.gdpr !== undefined ||
  change.objectsToSale !== undefined ||
  change.ecid !== undefined ||
  (change.declared?.length ?? 0) > 0 ||
  (change.firings?.length ?? 0) > 0 ||
  (change.cookiesSet?.length ?? 0) > 0 ||
  (change.cookiesRemoved?.length ?? 0) > 0;

/** Whether a change says something of consent, so that a refusal before does not keep it out as a whole. */
export const statesConsent = ({ gdpr, consents, objectsToSale, optOut }: Change): boolean =>
  gdpr !== undefined || consents === true || objectsToSale !== undefined || optOut === true;

/** Writes what a visit adds. */
export function writeChange(writer: Writer, change: Change): void {
  const { day, realized = [] } = change;
  if (change.optOut) {
    writer.u8(OPTED_OUT);
    writer.u16(day);
  }
  writeConsent(writer, change);
  for (const trait of realized) writeRealization(writer, trait, day, 1);
  if (realized.length === 0 && !change.optOut) {
    writer.u8(SEEN);
    writer.u16(day);
  }
  if (change.ecid !== undefined) {
    writer.u8(ECID);
    writer.text(change.ecid);
  }
  for (const { dataSource, id } of change.declared ?? []) writeDeclared(writer, dataSource, id);
  for (const firing of change.firings ?? []) {
    writer.u8(FIRING);
    writer.u32(firing.destination);
    writer.u32(firing.mapping);
    writer.u32(firing.at);
    writer.u16(firing.hours);
  }
  for (const destination of change.cookiesSet ?? []) {
    writer.u8(COOKIE_SET);
    writer.u32(destination);
  }
  for (const destination of change.cookiesRemoved ?? []) {
    writer.u8(COOKIE_REMOVED);
    writer.u32(destination);
  }
}

function writeConsent(
  writer: Writer,
  {
    gdpr,
    objectsToSale,
    consents,
    statedAt = 0,
  }: Pick<Change, 'gdpr' | 'objectsToSale' | 'consents' | 'statedAt'>,
): void {
  if (gdpr) {
    const { restrictions } = gdpr;
    writer.u8(restrictions.length > 0 ? RESTRICTED_GDPR : GDPR);
    writer.u8((gdpr.applies ? APPLIES : 0) | (gdpr.refused ? REFUSED : 0));
    writer.u32(gdpr.purposes);
    writer.u48(statedAt);
    writer.u16(gdpr.vendors.length);
    writer.raw(gdpr.vendors);
    if (restrictions.length > 0) writer.u8(restrictions.length);
    for (const { purpose, from, to } of restrictions) {
      writer.u8(purpose);
      writer.u16(from);
      writer.u16(to);
    }
  }
  if (objectsToSale !== undefined) {
    writer.u8(OBJECTION);
    writer.u8(objectsToSale ? 1 : 0);
    writer.u48(statedAt);
  }
  if (consents) {
    writer.u8(CONSENTS);
    writer.u48(statedAt);
  }
}

/** Writes a whole profile. */
export function writeProfile(writer: Writer, profile: Profile): void {
  const { realizations, length, ecid, declared, firings, cookies } = profile;
  for (let i = 0; i < length; i += 2) {
    const packed = realizations[i + 1];
    writeRealization(writer, realizations[i], packed >>> 16, packed & 0xffff);
  }
  writeChange(writer, {
    day: profile.seen,
    optOut: profile.optedOut,
    ecid,
    declared: [...declared].flatMap(([dataSource, ids]) => ids.map((id) => ({ dataSource, id }))),
    firings,
    cookiesSet: [...cookies],
  });
  // Last: after a refusal, nothing of the above would count.
  writeConsent(writer, { gdpr: profile.gdpr, statedAt: profile.gdprAt });
  // An objection that was taken back has a time, too.
  const { objectsToSale, objectionAt } = profile;
  if (objectsToSale || objectionAt > 0) {
    writeConsent(writer, { objectsToSale, statedAt: objectionAt });
  }
}

/**
 * Adds a sequence of records to a profile.
 *
 * @param marks gets the place of each mark
 */
export function readRecords(
  bytes: Uint8Array,
  profile: Profile,
  from = 0,
  to = bytes.length,
  marks?: number[],
): void {
  for (let at = from; at < to; ) {
    const tag = bytes[at++];
    switch (tag) {
      case REALIZATION: {
        const day = readU16(bytes, at + 4);
        if (day > profile.seen) profile.seen = day;
        if (!profile.optedOut && !profile.isRefused)
          profile.realize(readU32(bytes, at), day, readU16(bytes, at + 6));
        at += 8;
        break;
      }
      case SEEN:
        profile.apply({ day: readU16(bytes, at) });
        at += 2;
        break;
      case ECID:
        profile.apply({ day: 0, ecid: readText(bytes, at) });
        at += 2 + readU16(bytes, at);
        break;
      case DECLARED: {
        const dataSource = readU32(bytes, at);
        profile.apply({ day: 0, declared: [{ dataSource, id: readText(bytes, at + 4) }] });
        at += 6 + readU16(bytes, at + 4);
        break;
      }
      case FIRING: {
        const firing = {
          destination: readU32(bytes, at),
          mapping: readU32(bytes, at + 4),
          at: readU32(bytes, at + 8),
          hours: readU16(bytes, at + 12),
        };
        profile.apply({ day: 0, firings: [firing] });
        at += 14;
        break;
      }
      case COOKIE_SET:
        profile.apply({ day: 0, cookiesSet: [readU32(bytes, at)] });
        at += 4;
        break;
      case COOKIE_REMOVED:
        profile.apply({ day: 0, cookiesRemoved: [readU32(bytes, at)] });
        at += 4;
        break;
      case OPTED_OUT:
        profile.apply({ day: readU16(bytes, at), optOut: true });
        at += 2;
        break;
      case GDPR:
      case RESTRICTED_GDPR: {
        const from = at + 13;
        const to = from + readU16(bytes, at + 11);
        const isRestricted = tag === RESTRICTED_GDPR;
        const gdpr = {
          applies: (bytes[at] & APPLIES) !== 0,
          refused: (bytes[at] & REFUSED) !== 0,
          purposes: readU32(bytes, at + 1),
          // A copy: the bytes may be a part of something larger, or be written anew.
          vendors: new Uint8Array(bytes.subarray(from, to)),
          restrictions: isRestricted ? readRestrictions(bytes, to) : NO_RESTRICTIONS,
        };
        profile.apply({ day: 0, gdpr, statedAt: readU48(bytes, at + 5) });
        at = isRestricted ? to + 1 + bytes[to] * RESTRICTION_BYTES : to;
        break;
      }
      case OBJECTION:
        profile.apply({ day: 0, objectsToSale: bytes[at] === 1, statedAt: readU48(bytes, at + 1) });
        at += 7;
        break;
      case CONSENTS:
        profile.resume(readU48(bytes, at));
        at += 6;
        break;
      case MARK:
        marks?.push(at - 1);
        at += MARK_BYTES - 1;
        break;
      default:
        throw new Error(`a profile has a record of unknown kind ${tag} at byte ${at - 1}`);
    }
  }
}

const readRestrictions = (bytes: Uint8Array, at: number): Gdpr['restrictions'] =>
  Array.from({ length: bytes[at] }, (_, i) => {
    const from = at + 1 + i * RESTRICTION_BYTES;
    return {
      purpose: bytes[from],
      from: readU16(bytes, from + 1),
      to: readU16(bytes, from + 3),
    };
  });

export function readProfile(bytes: Uint8Array, from = 0, to = bytes.length): Profile {
  const profile = new Profile();
  readRecords(bytes, profile, from, to);
  return profile;
}

function writeRealization(writer: Writer, trait: number, day: number, count: number): void {
  writer.reserve(9);
  writer.u8(REALIZATION);
  writer.u32(trait);
  writer.u16(day);
  writer.u16(count);
}

function writeDeclared(writer: Writer, dataSource: number, id: string): void {
  writer.u8(DECLARED);
  writer.u32(dataSource);
  writer.text(id);
}

const DEVICE_ID_BYTES = 19;

/** Packs the 38 digits of a device id, two to a byte. */
export function writeDeviceId(writer: Writer, id: string): void {
  writer.reserve(DEVICE_ID_BYTES);
  packDeviceId(id, writer.bytes, writer.length);
  writer.length += DEVICE_ID_BYTES;
}

export function packDeviceId(id: string, into: Uint8Array, at = 0): Uint8Array {
  for (let i = 0; i < DEVICE_ID_BYTES; i++) {
    into[at + i] = ((id.charCodeAt(2 * i) & 15) << 4) | (id.charCodeAt(2 * i + 1) & 15);
  }
  return into;
}

export function readDeviceId(bytes: Uint8Array, at: number): string {
  let id = '';
  for (let i = at; i < at + DEVICE_ID_BYTES; i++) id += PAIRS[bytes[i]];
  return id;
}

const PAIRS = Array.from({ length: 256 }, (_, byte) => `${byte >> 4}${byte & 15}`);
