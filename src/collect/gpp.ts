/**
 * Strings of IAB's Global Privacy Platform: a header that names sections, and the sections, each with a
 * form of its own. Source: IAB Tech Lab, "Global Privacy Platform", consent string specification and its
 * sections.
 */
import { Bits } from './bits.ts';
import { MAX_STRING } from './tcf.ts';

/** The sections of a string by their number; undefined where it is none. */
export type Sections = ReadonlyMap<number, string>;

/** Numbers of sections. */
export const TCF_EU = 2;
export const US_PRIVACY = 6;

/** There are some thirty sections; more are not looked for. */
const MAX_SECTIONS = 64;
const HEADER = 3;
const VERSION = 1;

export function sectionsIn(text: string): Sections | undefined {
  if (text.length > 2 * MAX_STRING) return undefined;
  const [header, ...parts] = text.split('~', MAX_SECTIONS + 1);
  const bits = new Bits(header);
  if (bits.take(6) !== HEADER || bits.take(6) !== VERSION) return undefined;
  const numbers: number[] = [];
  let last = 0;
  for (let items = bits.take(12); items > 0 && numbers.length <= parts.length; items--) {
    const isGroup = bits.take(1) === 1;
    last += fibonacci(bits);
    numbers.push(last);
    if (!isGroup) continue;
    const end = last + fibonacci(bits);
    while (last < end && numbers.length <= parts.length) numbers.push(++last);
  }
  if (bits.broken || numbers.length !== parts.length) return undefined;
  return new Map(numbers.map((number, i) => [number, parts[i]]));
}

/** A number in Fibonacci coding: it ends with two ones in a row. */
function fibonacci(bits: Bits): number {
  let number = 0;
  let [weight, next] = [1, 2];
  // More places have no section's number.
  for (let before = 0, places = 0; places < 24; places++) {
    const bit = bits.take(1);
    if (bit === 1 && before === 1) return number;
    if (bit === 1) number += weight;
    [weight, next] = [next, weight + next];
    before = bit;
  }
  bits.broken = true;
  return 0;
}

/** Where a section says of sale, sharing and targeted advertising whether the visitor has opted out. */
interface OptOuts {
  /** Of the segment that says so, parted by dots. */
  readonly segment: number;
  /** Places of two bits each. */
  readonly at: readonly number[];
  /** Whether a segment after it may repeat the browser's signal; in others, the next one is of sensitive data. */
  readonly repeatsGpc: boolean;
}

const US_NATIONAL: OptOuts = { segment: 0, at: [18, 20, 22], repeatsGpc: true };
const AFTER_THREE_NOTICES: OptOuts = { segment: 0, at: [12, 14], repeatsGpc: true };
const AFTER_FOUR_NOTICES: OptOuts = { segment: 0, at: [14, 16], repeatsGpc: true };
/** Sections that start with a header of their own. */
const AFTER_HEADER: OptOuts = { segment: 1, at: [16, 18], repeatsGpc: false };
/** Maryland. */
const AFTER_HEADER_AND_GPC: OptOuts = { ...AFTER_HEADER, repeatsGpc: true };

const OPT_OUTS: ReadonlyMap<number, OptOuts> = new Map([
  [7, US_NATIONAL],
  // California (8): the third notice is of sensitive data, and the second place is about sharing.
  ...[8, 9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23].map(
    (section) => [section, AFTER_THREE_NOTICES] as const,
  ),
  ...[11, 18].map((section) => [section, AFTER_FOUR_NOTICES] as const),
  [24, AFTER_HEADER_AND_GPC],
  ...[25, 26, 27].map((section) => [section, AFTER_HEADER] as const),
]);

/** The type of a segment that repeats the browser's Global Privacy Control. */
const GPC_SEGMENT = 1;

/**
 * Whether the visitor objects to sale, sharing or targeted advertising by a section of the US; undefined
 * where it does not say, or is none.
 */
export function objectionIn(section: number, text: string): boolean | undefined {
  const optOuts = OPT_OUTS.get(section);
  if (!optOuts || text.length > MAX_STRING) return undefined;
  const segments = text.split('.', 8);
  const stated = optOuts.at.map((at) => {
    const bits = new Bits(segments[optOuts.segment] ?? '');
    bits.skip(at);
    return bits.take(2);
  });
  const rest = optOuts.repeatsGpc ? segments.slice(optOuts.segment + 1) : [];
  const isGpc = rest.some((segment) => {
    const bits = new Bits(segment);
    return bits.take(2) === GPC_SEGMENT && bits.take(1) === 1;
  });
  if (isGpc || stated.includes(1)) return true;
  return stated.includes(2) ? false : undefined;
}
