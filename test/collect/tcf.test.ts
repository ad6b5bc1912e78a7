import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_VENDOR, purposesIn } from '../../src/audience/consent.ts';
import { MAX_STRING, readTcf } from '../../src/collect/tcf.ts';
import { tcf } from './consent-string.ts';

const NOW = Date.UTC(2026, 10, 24);
const DAY = 86_400_000;
const recently = { updated: NOW - DAY };

function vendorsIn(vendors: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let n = 1; n <= vendors.length * 8; n++) {
    if (vendors[(n - 1) >> 3] & (0x80 >> ((n - 1) & 7))) numbers.push(n);
  }
  return numbers;
}

/** In words, or what is wrong. */
function read(text: string, at = NOW): string | { purposes: number[]; vendors: number[] } {
  const found = readTcf(text, at);
  if (typeof found === 'string') return found;
  return { purposes: purposesIn(found.purposes), vendors: vendorsIn(found.vendors) };
}

describe('a consent string', () => {
  // Those of the specification, which were written by other programs.
  const OF_THE_SPECIFICATION =
    'COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw';
  const THEN = Date.UTC(2020, 3, 1);

  it('of the specification is read as it says', () => {
    expect(read(OF_THE_SPECIFICATION, THEN)).toEqual({ purposes: [1, 2, 3], vendors: [2, 6, 8] });
    const gpps = 'CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA';
    expect(read(gpps, Date.UTC(2022, 5, 1))).toEqual({ purposes: [], vendors: [] });
  });

  const many = Array.from({ length: 700 }, (_, i) => i * 2 + 1);
  it.each<[string, string, number[], number[]]>([
    ['nothing', tcf(recently), [], []],
    ['one purpose', tcf({ ...recently, purposes: [1] }), [1], []],
    ['first and last', tcf({ ...recently, purposes: [1, 24], vendors: [1, 24] }), [1, 24], [1, 24]],
    ['a vendor in the middle of a byte', tcf({ ...recently, vendors: [11] }), [], [11]],
    ['zeros after the last vendor', tcf({ ...recently, vendors: [3], last: 900 }), [], [3]],
    ['hundreds of vendors', tcf({ ...recently, vendors: many }), [], many],
    ['single vendors as ranges', tcf({ ...recently, ranges: [[7, 7]], last: 9 }), [], [7]],
    [
      'ranges',
      tcf({ ...recently, ranges: [[1, 3], [8, 8], [10, 27]], last: 30 }), // biome-ignore format: pairs
      [],
      [1, 2, 3, 8, ...Array.from({ length: 18 }, (_, i) => i + 10)],
    ],
    [
      'ranges that overlap',
      tcf({ ...recently, ranges: [[2, 9], [4, 11]] }), // biome-ignore format: pairs
      [],
      [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ],
    ['no range', tcf({ ...recently, ranges: [] }), [], []],
    ['other segments behind it', `${tcf({ ...recently, purposes: [1] })}.IAAA.YAAA`, [1], []],
  ])('says %s', (_, text, purposes, vendors) => {
    expect(read(text)).toEqual({ purposes, vendors });
  });

  it('is read the same as vendors and as ranges, whatever it says', () => {
    const anyVendors = fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 40 });
    fc.assert(
      fc.property(fc.subarray([...Array(24).keys()]), anyVendors, (places, some) => {
        const purposes = places.map((n) => n + 1);
        const vendors = some.toSorted((a, b) => a - b);
        const ranges = vendors.map((n) => [n, n] as const);
        expect(read(tcf({ ...recently, purposes, vendors }))).toEqual({ purposes, vendors });
        expect(read(tcf({ ...recently, purposes, ranges }))).toEqual({ purposes, vendors });
      }),
    );
  });

  it('is read up to the last vendor that is kept', () => {
    const vendors = [1, MAX_VENDOR, MAX_VENDOR + 1, 9_000];
    const kept = { purposes: [], vendors: [1, MAX_VENDOR] };
    expect(read(tcf({ ...recently, vendors }))).toEqual(kept);
    expect(read(tcf({ ...recently, ranges: vendors.map((n) => [n, n] as const) }))).toEqual(kept);
    expect(read(tcf({ ...recently, ranges: [[MAX_VENDOR, 65_535]] }))).toEqual({
      ...{ purposes: [], vendors: [MAX_VENDOR] },
    });
  });
});

describe('no consent is', () => {
  const good = tcf({ ...recently, purposes: [1], vendors: [1, 500] });
  it.each<[string, string, RegExp]>([
    ['another version', tcf({ ...recently, version: 1 }), /version 1, not 2/],
    ['what is no base64', `${good.slice(0, 26)}+${good.slice(27)}`, /no TCF string/],
    ['a character of no alphabet', `${good.slice(0, 40)}\u20ac${good.slice(41)}`, /no TCF string/],
    ['a string without anything', '', /no TCF string/],
    ['only dots', '..', /no TCF string/],
    ['the first character', good.slice(0, 1), /no TCF string|cut off/],
    ['a string that was cut within its purposes', good.slice(0, 27), /cut off/],
    ['a string that was cut within its vendors', good.slice(0, 60), /cut off/],
    ['a range from nothing', tcf({ ...recently, ranges: [[0, 0]] }), /no TCF string/],
    ['a range backwards', tcf({ ...recently, ranges: [[9, 3]] }), /no TCF string/],
    ['a range over the end', tcf({ ...recently, ranges: [[3, 9]], last: 8 }), /no TCF string/],
    ['one of 13 months ago', tcf({ updated: NOW - 397 * DAY, purposes: [1] }), /13 months/],
    ['a very long one', 'C'.repeat(MAX_STRING + 1), /longer than/],
    ['a macro that nobody filled', '$' + '{GDPR_CONSENT_7}', /no TCF string/],
  ])('%s', (_, text, expected) => {
    expect(read(text)).toMatch(expected);
  });

  it.each([
    ['a year ago', 365],
    ['in the future', -5],
  ])('not one of %s', (_, days) => {
    expect(read(tcf({ updated: NOW - days * DAY, purposes: [1] }))).toMatchObject({
      purposes: [1],
    });
  });

  it('anything that ever throws, whatever it is', () => {
    const base64 = fc.string({
      unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPabcdefghij0123456789-_.'),
    });
    fc.assert(
      fc.property(
        fc.oneof(base64, fc.string({ unit: 'binary' })),
        fc.boolean(),
        (text, isHeaded) => {
          const whole = isHeaded ? tcf(recently).slice(0, 38) + text : text;
          const found = readTcf(whole, NOW);
          if (typeof found !== 'string') expect(found.vendors.length).toBeLessThanOrEqual(512);
          expect(readTcf(whole.repeat(50), NOW)).toBeDefined();
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
