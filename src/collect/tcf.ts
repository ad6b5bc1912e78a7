/**
 * Consent strings of IAB Europe's Transparency and Consent Framework, version 2. Source: IAB Tech Lab,
 * "Consent string and vendor list formats v2".
 *
 * Of the core segment: who has been asked and when, then purposes and vendors, and what the publisher takes
 * away from them. The other segments say nothing that is needed here.
 */
import {
  type Gdpr,
  hasPurpose,
  MAX_RESTRICTIONS,
  MAX_VENDOR,
  NO_RESTRICTIONS,
  NO_VENDORS,
  type Restriction,
} from '../audience/consent.ts';
import { Bits } from './bits.ts';

/** A string longer than that is none of a consent manager; real ones have some hundred characters. */
export const MAX_STRING = 4_096;
/** Whoever has consented has to be asked again after 13 months. */
const MONTHS_MS = 396 * 86_400_000;

/** Vendors are numbers of 16 bits. */
const HIGHEST = 65_535;
/** Fewer bits fill up a string that was written as bytes: no section is as short. */
const FILLING = 12;

/** Types of restriction: this one asks for what is relied upon here anyway. */
const REQUIRE_CONSENT = 1;

export type Tcf = Pick<Gdpr, 'purposes' | 'vendors' | 'restrictions'>;

/**
 * @param at Unix milliseconds
 * @returns in words, why it is no consent, where it cannot be read or holds no more
 */
export function readTcf(text: string, at: number): Tcf | string {
  if (text.length > MAX_STRING) return `the consent string is longer than ${MAX_STRING} characters`;
  const dot = text.indexOf('.');
  const bits = new Bits(text, 0, dot === -1 ? text.length : dot);
  const version = bits.take(6);
  if (bits.broken) return BROKEN;
  if (version !== 2) return `the consent string is of version ${version}, not 2`;
  bits.skip(36);
  const updated = (bits.take(18) * 2 ** 18 + bits.take(18)) * 100;
  // The consent manager, its screen and language, the vendor list, the policy, special features.
  bits.skip(12 + 12 + 6 + 12 + 12 + 6 + 1 + 1 + 12);
  const purposes = reversed(bits.take(24));
  // Legitimate interests, and what publishers of one country treat otherwise.
  bits.skip(24 + 1 + 12);
  const last = bits.take(16);
  const vendors = bits.take(1) === 1 ? vendorRanges(bits, last) : vendorBits(bits, last);
  if (bits.broken || !vendors) return BROKEN;
  const restrictions = restrictionsIn(bits, purposes);
  if (bits.broken || !restrictions) return BROKEN;
  if (at - updated > MONTHS_MS) return 'the consent was given more than 13 months ago';
  return { purposes, vendors, restrictions };
}

const BROKEN = 'the consent string is no TCF string, or was cut off';

/** Purpose 1 comes first. */
function reversed(bits: number): number {
  let result = 0;
  for (let i = 0; i < 24; i++) result |= ((bits >>> (23 - i)) & 1) << i;
  return result;
}

function vendorBits(bits: Bits, last: number): Uint8Array {
  const kept = Math.min(last, MAX_VENDOR);
  const vendors = new Uint8Array(Math.ceil(kept / 8));
  bits.takeBytes(vendors.subarray(0, kept >> 3));
  const rest = kept & 7;
  if (rest > 0) vendors[kept >> 3] = bits.take(rest) << (8 - rest);
  bits.skip(last - kept);
  return trimmed(vendors);
}

function vendorRanges(bits: Bits, last: number): Uint8Array | undefined {
  const vendors = new Uint8Array(Math.ceil(Math.min(last, MAX_VENDOR) / 8));
  const isRead = readRanges(bits, last, (from, to) => set(vendors, from, to));
  return isRead ? trimmed(vendors) : undefined;
}

/**
 * @param last the highest vendor there may be
 * @param take gets the vendors that are kept: none above `MAX_VENDOR`
 * @returns whether they are ranges
 */
function readRanges(bits: Bits, last: number, take: (from: number, to: number) => void): boolean {
  for (let entries = bits.take(12); entries > 0; entries--) {
    const isRange = bits.take(1) === 1;
    const from = bits.take(16);
    const to = isRange ? bits.take(16) : from;
    if (bits.broken || from === 0 || from > to || to > last) return false;
    if (from <= MAX_VENDOR) take(from, Math.min(to, MAX_VENDOR));
  }
  return true;
}

/**
 * What is taken away of these purposes: forbidden, or allowed by legitimate interest only. A string that ends
 * with its vendors takes nothing away, though it should say so.
 */
function restrictionsIn(bits: Bits, purposes: number): readonly Restriction[] | undefined {
  if (bits.left < FILLING) return NO_RESTRICTIONS;
  skipVendors(bits);
  const found: Restriction[] = [];
  for (let entries = bits.take(12); entries > 0 && !bits.broken; entries--) {
    const purpose = bits.take(6);
    const type = bits.take(2);
    const takesAway = type !== REQUIRE_CONSENT && hasPurpose(purposes, purpose);
    const isRead = readRanges(bits, HIGHEST, (from, to) => {
      if (takesAway) found.push({ purpose, from, to });
    });
    if (!isRead) return undefined;
  }
  if (found.length === 0) return NO_RESTRICTIONS;
  return found.length > MAX_RESTRICTIONS ? coarsened(found) : found;
}

/** Passes over the vendors of legitimate interest. */
function skipVendors(bits: Bits): void {
  const last = bits.take(16);
  if (bits.take(1) === 0) bits.skip(last);
  else {
    for (let entries = bits.take(12); entries > 0 && !bits.broken; entries--) {
      bits.skip(bits.take(1) === 1 ? 32 : 16);
    }
  }
}

/** Takes away too much rather than too little: the purposes with most ranges, from all vendors. */
function coarsened(restrictions: readonly Restriction[]): Restriction[] {
  const byPurpose = Map.groupBy(restrictions, ({ purpose }) => purpose);
  let { length } = restrictions;
  for (const [purpose, ranges] of [...byPurpose].sort(([, a], [, b]) => b.length - a.length)) {
    if (length <= MAX_RESTRICTIONS) break;
    byPurpose.set(purpose, [{ purpose, from: 1, to: MAX_VENDOR }]);
    length -= ranges.length - 1;
  }
  return [...byPurpose.values()].flat();
}

function set(vendors: Uint8Array, from: number, to: number): void {
  const [first, last] = [(from - 1) >> 3, (to - 1) >> 3];
  // The bits from the first on, and those up to the last.
  const head = 0xff >> ((from - 1) & 7);
  const tail = 0xff << (7 - ((to - 1) & 7));
  if (first === last) vendors[first] |= head & tail;
  else {
    vendors[first] |= head;
    vendors.fill(0xff, first + 1, last);
    vendors[last] |= tail;
  }
}

function trimmed(vendors: Uint8Array): Uint8Array {
  let { length } = vendors;
  while (length > 0 && vendors[length - 1] === 0) length--;
  return length === 0 ? NO_VENDORS : vendors.slice(0, length);
}
