/** Writes consent strings, bit by bit as the specifications lay them out. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Web-safe base64 of bits, filled up with zeros. */
export function encoded(bits: string): string {
  const whole = bits.padEnd(Math.ceil(bits.length / 6) * 6, '0');
  return (whole.match(/.{6}/g) ?? []).map((six) => ALPHABET[Number.parseInt(six, 2)]).join('');
}

export const int = (value: number, size: number) => value.toString(2).padStart(size, '0');

const flags = (numbers: readonly number[], size: number) =>
  Array.from({ length: size }, (_, i) => (numbers.includes(i + 1) ? '1' : '0')).join('');

type Ranges = readonly (readonly [from: number, to: number])[];

/** Their number, then each; the ends of one may be the same. */
const rangesIn = (ranges: Ranges) =>
  int(ranges.length, 12) +
  ranges
    .map(([from, to]) => (from === to ? `0${int(from, 16)}` : `1${int(from, 16)}${int(to, 16)}`))
    .join('');

/** The highest vendor, then flags or ranges. */
const vendorSection = (last: number, vendors: readonly number[], ranges?: Ranges) =>
  int(last, 16) + (ranges ? `1${rangesIn(ranges)}` : `0${flags(vendors, last)}`);

/** What a publisher does with vendors' consent to a purpose. */
export const FORBID = 0;
export const REQUIRE_CONSENT = 1;
export const REQUIRE_INTEREST = 2;

export interface TcfOptions {
  readonly version?: number;
  readonly updated?: number;
  readonly purposes?: readonly number[];
  readonly vendors?: readonly number[];
  /** Instead of vendors: as ranges, whose ends may be the same. */
  readonly ranges?: Ranges;
  /** Of vendors; the highest one. */
  readonly last?: number;
  /** Vendors with legitimate interests: as numbers or as ranges. */
  readonly interests?: readonly number[] | Ranges;
  readonly restrictions?: readonly (readonly [purpose: number, type: number, vendors: Ranges])[];
  /** Leaves out all that comes after the vendors, as no consent manager should. */
  readonly endsWithVendors?: boolean;
}

/** A core segment of TCF version 2. */
export function tcf(options: TcfOptions = {}): string {
  const { version = 2, updated = Date.now(), purposes = [], vendors = [], ranges } = options;
  const { interests = [], restrictions = [], endsWithVendors = false } = options;
  const last = options.last ?? Math.max(0, ...vendors, ...(ranges ?? []).flat());
  const deciseconds = int(Math.floor(updated / 100), 36);
  const highest = Math.max(0, ...interests.flat());
  const areRanges = (some: typeof interests): some is Ranges => Array.isArray(some[0]);
  const rest = [
    areRanges(interests)
      ? vendorSection(highest, [], interests)
      : vendorSection(highest, interests as number[]),
    int(restrictions.length, 12),
    ...restrictions.flatMap(([purpose, type, of]) => [int(purpose, 6), int(type, 2), rangesIn(of)]),
  ];
  return encoded(
    [
      int(version, 6),
      ...[deciseconds, deciseconds],
      // The consent manager and its version, screen, language (EN), vendor list, policy.
      ...[int(10, 12), int(2, 12), int(1, 6), int(4, 6), int(13, 6), int(48, 12), int(4, 6)],
      // For this service only; no texts of its own; special features.
      ...['1', '0', flags([1], 12)],
      // Legitimate interests, purpose 1 as everywhere, the publisher's country (DE).
      ...[flags(purposes, 24), flags([2, 7], 24), '0', int(3, 6), int(4, 6)],
      vendorSection(last, vendors, ranges),
      // Vendors' legitimate interests, publishers' restrictions.
      ...(endsWithVendors ? [] : rest),
    ].join(''),
  );
}

/** Of a number in Fibonacci coding. */
function fibonacci(number: number): string {
  const weights = [1, 2];
  while ((weights.at(-1) as number) <= number) {
    weights.push((weights.at(-1) as number) + (weights.at(-2) as number));
  }
  let rest = number;
  let bits = '1';
  for (const weight of weights.reverse().filter((w) => w <= number)) {
    bits = (rest >= weight ? '1' : '0') + bits;
    if (rest >= weight) rest -= weight;
  }
  return bits;
}

/** A string of IAB's Global Privacy Platform. */
export function gpp(sections: Readonly<Record<number, string>>): string {
  const numbers = Object.keys(sections).map(Number);
  const items = numbers.map((number, i) => `0${fibonacci(number - (numbers[i - 1] ?? 0))}`);
  const header = encoded(int(3, 6) + int(1, 6) + int(numbers.length, 12) + items.join(''));
  return [header, ...numbers.map((number) => sections[number])].join('~');
}

/** The core of a section of the US: its version, then so many notices, then what was opted out of. */
export const usSection = (notices: number, optOuts: readonly number[], gpc?: boolean): string => {
  const core = encoded(
    int(1, 6) +
      '01'.repeat(notices) +
      optOuts.map((optOut) => int(optOut, 2)).join('') +
      int(0, 30),
  );
  return gpc === undefined ? core : `${core}.${encoded(`01${gpc ? 1 : 0}`)}`;
};
