import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_RESTRICTIONS, MAX_VENDOR, purposesIn } from '../../src/audience/consent.ts';
import { MAX_STRING, readTcf } from '../../src/collect/tcf.ts';
import {
  FORBID,
  REQUIRE_CONSENT,
  REQUIRE_INTEREST,
  type TcfOptions,
  tcf,
} from './consent-string.ts';

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

describe('of consent, a publisher takes away', () => {
  /** In words: the purpose, and from whom. */
  function withheld(text: string, at = NOW): string[] {
    const found = readTcf(text, at);
    if (typeof found === 'string') return [found];
    return found.restrictions.map(({ purpose, from, to }) => `${purpose}: ${from}-${to}`);
  }
  const consented = { ...recently, purposes: [1, 2, 3, 24], vendors: [11] };
  const ranges = (count: number, gap = 2) =>
    Array.from({ length: count }, (_, i) => [i * gap + 1, i * gap + 1] as const);
  const manyOf = (purpose: number, count: number) => [purpose, FORBID, ranges(count)] as const;

  it('what a string says that another program wrote', () => {
    // From the tests of Prebid's reader. Its visitor consents to nothing: here to purposes 1 to 4.
    const foreign =
      'COxPe2TOxPe2TALABAENAPCgA*AAAAAAAAAAAFAAAAoAAA4IACACAIABgACAFA4ADACAAIygAGADwAQBIAIAIB0AEAEBSACACAA';
    const then = Date.UTC(2020, 4, 1);
    expect(withheld(foreign.replace('*', 'P'), then)).toEqual(['1: 32-32', '2: 1-40']);
    expect(withheld(foreign.replace('*', 'A'), then)).toEqual([]);
  });

  it.each<[string, TcfOptions, string[]]>([
    ['nothing', {}, []],
    ['what it forbids', { restrictions: [[3, FORBID, [[11, 11]]]] }, ['3: 11-11']],
    ['what needs legitimate interest', { restrictions: [[3, REQUIRE_INTEREST, [[5, 11]]]] }, ['3: 5-11']], // biome-ignore format: a row
    ['what it does in no way that is known', { restrictions: [[3, 3, [[11, 11]]]] }, ['3: 11-11']],
    ['nothing, where it asks for consent', { restrictions: [[3, REQUIRE_CONSENT, [[1, 900]]]] }, []], // biome-ignore format: a row
    ['the last purpose', { restrictions: [[24, FORBID, [[1, 1]]]] }, ['24: 1-1']],
    ['nothing of what there is no consent to', { restrictions: [[4, FORBID, [[11, 11]]]] }, []],
    ['nothing of what is no purpose', { restrictions: [[0, FORBID, [[1, 9]]], [25, FORBID, [[1, 9]]], [33, FORBID, [[1, 9]]]] }, []], // biome-ignore format: a row
    ['a purpose from nobody', { restrictions: [[3, FORBID, []]] }, []],
    [
      'several purposes, in whatever way',
      {
        restrictions: [
          [1, REQUIRE_CONSENT, [[1, 2], [9, 9]]], // biome-ignore format: pairs
          [2, FORBID, [[7, 7], [9, 30]]], // biome-ignore format: pairs
          [3, REQUIRE_INTEREST, [[8, 8]]],
          [2, REQUIRE_INTEREST, [[40, 41]]],
        ],
      },
      ['2: 7-7', '2: 9-30', '3: 8-8', '2: 40-41'],
    ],
    [
      'what stands behind vendors of legitimate interest',
      { interests: [1, 2, 700], restrictions: [[3, FORBID, [[11, 11]]]] },
      ['3: 11-11'],
    ],
    [
      'what stands behind ranges of them',
      { interests: [[1, 3], [5, 5], [9, 700]], restrictions: [[3, FORBID, [[11, 11]]]] }, // biome-ignore format: pairs
      ['3: 11-11'],
    ],
    [
      'what concerns vendors that are kept',
      { restrictions: [[3, FORBID, [[1, 65_535], [MAX_VENDOR, MAX_VENDOR + 1], [5_000, 5_000]]]] }, // biome-ignore format: pairs
      [`3: 1-${MAX_VENDOR}`, `3: ${MAX_VENDOR}-${MAX_VENDOR}`],
    ],
    ['nothing, where a string ends with its vendors', { endsWithVendors: true }, []],
  ])('%s', (_, options, expected) => {
    const text = tcf({ ...consented, ...options });
    expect(withheld(text)).toEqual(expected);
    expect(withheld(`${text}.IAAA`)).toEqual(expected);
    expect(read(text)).toEqual({ purposes: [1, 2, 3, 24], vendors: [11] });
  });

  it('as much as is kept, else the purposes with most ranges from everybody', () => {
    const few = [manyOf(1, 4), manyOf(2, 20)];
    const all = [...few, manyOf(3, MAX_RESTRICTIONS - 24)];
    expect(withheld(tcf({ ...consented, restrictions: all }))).toHaveLength(MAX_RESTRICTIONS);
    const tooMany = [manyOf(3, MAX_RESTRICTIONS - 23), ...few];
    expect(withheld(tcf({ ...consented, restrictions: tooMany }))).toEqual([
      ...[`3: 1-${MAX_VENDOR}`, ...withheld(tcf({ ...consented, restrictions: few }))],
    ]);
    const wild = [manyOf(1, 300), manyOf(24, 400), manyOf(3, 2)];
    expect(withheld(tcf({ ...consented, restrictions: wild }))).toEqual([
      ...[`1: 1-${MAX_VENDOR}`, `24: 1-${MAX_VENDOR}`, '3: 1-1', '3: 3-3'],
    ]);
  });

  it('no less than the string says, whatever it says', () => {
    const anyVendor = fc.integer({ min: 1, max: 80 });
    const anyRange = fc
      .tuple(anyVendor, anyVendor)
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const anyRestriction = fc.tuple(
      fc.integer({ min: 0, max: 30 }),
      fc.nat(3),
      fc.array(anyRange, { maxLength: 50 }),
    );
    const anyInterests = fc.oneof(fc.array(anyVendor), fc.array(anyRange, { minLength: 1 }));
    fc.assert(
      fc.property(
        fc.array(anyRestriction, { maxLength: 6 }),
        anyInterests,
        anyVendor,
        (restrictions, interests, vendor) => {
          const found = readTcf(tcf({ ...consented, restrictions, interests }), NOW);
          if (typeof found === 'string') throw new Error(found);
          const hits = (from: number, to: number) => vendor >= from && vendor <= to;
          const missing = consented.purposes.map(
            (purpose) =>
              restrictions.some(
                ([p, type, of]) =>
                  p === purpose && type !== REQUIRE_CONSENT && of.some((r) => hits(...r)),
              ) && !found.restrictions.some((r) => r.purpose === purpose && hits(r.from, r.to)),
          );
          expect(missing).toEqual([false, false, false, false]);
          expect(found.restrictions.length).toBeLessThanOrEqual(MAX_RESTRICTIONS);
          const count = restrictions.reduce((sum, [, , of]) => sum + of.length, 0);
          if (count > MAX_RESTRICTIONS) return;
          for (const { purpose, from, to } of found.restrictions) {
            const said = restrictions.filter(([p, type]) => p === purpose && type !== REQUIRE_CONSENT); // biome-ignore format: a row
            expect(said.flatMap(([, , of]) => of)).toContainEqual([from, to]);
          }
        },
      ),
    );
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
    ['a restriction from nothing', tcf({ ...recently, restrictions: [[3, FORBID, [[0, 0]]]] }), /no TCF string/], // biome-ignore format: a row
    ['a restriction backwards', tcf({ ...recently, restrictions: [[3, REQUIRE_CONSENT, [[9, 3]]]] }), /no TCF string/], // biome-ignore format: a row
    ['one of 13 months ago', tcf({ updated: NOW - 397 * DAY, purposes: [1] }), /13 months/],
    ['a very long one', 'C'.repeat(MAX_STRING + 1), /longer than/],
    ['a macro that nobody filled', '$' + '{GDPR_CONSENT_7}', /no TCF string/],
  ])('%s', (_, text, expected) => {
    expect(read(text)).toMatch(expected);
  });

  it.each<[string, TcfOptions]>([
    ['restrictions', { restrictions: [[1, FORBID, [[3, 9], [11, 11]]], [2, FORBID, [[3, 3]]]] }], // biome-ignore format: pairs
    ['vendors of legitimate interest', { interests: [1, 30] }],
    ['ranges of them', { interests: [[3, 9], [11, 30]] }], // biome-ignore format: pairs
  ])('a string that was cut off after its vendors, where it has %s', (_, options) => {
    const vendors = { ...recently, purposes: [1], vendors: [1, 500] };
    const start = tcf({ ...vendors, endsWithVendors: true }).length;
    const whole = tcf({ ...vendors, ...options });
    // Two characters may fill up what was written as bytes.
    for (let end = start + 3; end < whole.length; end++) {
      expect(read(whole.slice(0, end)), `${end} of ${whole.length}`).toMatch(/cut off/);
    }
    expect(read(whole)).toEqual({ purposes: [1], vendors: [1, 500] });
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
          if (typeof found !== 'string') {
            expect(found.vendors.length).toBeLessThanOrEqual(512);
            expect(found.restrictions.length).toBeLessThanOrEqual(MAX_RESTRICTIONS);
          }
          expect(readTcf(whole.repeat(50), NOW)).toBeDefined();
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
