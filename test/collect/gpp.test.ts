import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectionIn, sectionsIn } from '../../src/collect/gpp.ts';
import { encoded, gpp, int, usSection } from './consent-string.ts';

describe('the sections of a GPP string', () => {
  const TCF = 'CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA';
  it.each<[string, string, Record<number, string>]>([
    // Those of the specification, which were written by other programs.
    ['one', `DBABM~${TCF}`, { 2: TCF }],
    ['two', `DBACNY~${TCF}~1YNN`, { 2: TCF, 6: '1YNN' }],
    ['a group', `DBABjw~${TCF}~1YNN`, { 5: TCF, 6: '1YNN' }],
    ['US privacy alone', 'DBABTA~1YNN', { 6: '1YNN' }],
    ['none', 'DBAA', {}],
    ['numbers far apart', gpp({ 2: 'a', 7: 'b', 27: 'c' }), { 2: 'a', 7: 'b', 27: 'c' }],
    ['with segments', gpp({ 7: 'BAAA.YA' }), { 7: 'BAAA.YA' }],
  ])('%s', (_, text, expected) => {
    expect(Object.fromEntries(sectionsIn(text) ?? [[0, 'none']])).toEqual(expected);
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['another type', `${encoded(int(2, 6) + int(1, 6) + int(0, 12))}`],
    ['another version', `${encoded(int(3, 6) + int(2, 6) + int(0, 12))}`],
    ['a TCF string', TCF],
    ['a section less than the header names', `DBACNY~${TCF}`],
    ['a section more than the header names', `DBABM~${TCF}~1YNN`],
    ['a header that was cut', 'DBA'],
    [
      'thousands of sections',
      encoded(int(3, 6) + int(1, 6) + int(4_095, 12) + '011'.repeat(4_095)),
    ],
    ['a group without an end', encoded(`${int(3, 6)}${int(1, 6)}${int(1, 12)}1${'0'.repeat(50)}`)],
    ['a very long one', `DBABM~${'C'.repeat(9_000)}`],
  ])('are none of %s', (_, text) => {
    expect(sectionsIn(text)).toBeUndefined();
  });

  it('are read again, whichever they are', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 12 });
    fc.assert(
      fc.property(numbers, (some) => {
        const sections = Object.fromEntries(
          some.toSorted((a, b) => a - b).map((number) => [number, `s${number}`]),
        );
        expect(Object.fromEntries(sectionsIn(gpp(sections)) ?? [])).toEqual(sections);
      }),
    );
  });
});

describe('an objection to sale, by a section of the US', () => {
  const [, YES, NO] = [0, 1, 2];
  it.each<[boolean | undefined, string, number, string]>([
    [true, 'national, of sale', 7, usSection(6, [YES, NO, NO])],
    [true, 'national, of sharing', 7, usSection(6, [NO, YES, NO])],
    [true, 'national, of targeted advertising', 7, usSection(6, [NO, NO, YES])],
    [false, 'national, of nothing', 7, usSection(6, [NO, NO, NO])],
    [undefined, 'national, where nothing applies', 7, usSection(6, [0, 0, 0])],
    [true, 'national, by GPC', 7, usSection(6, [NO, NO, NO], true)],
    [false, 'national, without GPC', 7, usSection(6, [NO, NO, NO], false)],
    [true, 'California, of sale', 8, usSection(3, [YES, NO])],
    [true, 'California, of sharing', 8, usSection(3, [NO, YES])],
    [true, 'California, by GPC', 8, usSection(3, [0, 0], true)],
    [false, 'California, of nothing', 8, usSection(3, [NO, NO])],
    ...[9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23].flatMap(
      (section): [boolean, string, number, string][] => [
        [true, 'of sale', section, usSection(3, [YES, NO])],
        [true, 'of targeted advertising', section, usSection(3, [NO, YES])],
        [false, 'of nothing', section, usSection(3, [NO, 0])],
      ],
    ),
    ...[11, 18].flatMap((section): [boolean, string, number, string][] => [
      [true, 'of sale', section, usSection(4, [YES, NO])],
      [true, 'of targeted advertising', section, usSection(4, [NO, YES])],
      [false, 'of nothing', section, usSection(4, [NO, NO])],
    ]),
    ...[24, 25, 26, 27].flatMap((section): [boolean, string, number, string][] => [
      [true, 'of sale', section, `BAAA.${usSection(5, [YES, NO])}`],
      [true, 'of targeted advertising', section, `BAAA.${usSection(5, [NO, YES])}`],
      [false, 'of nothing', section, `BAAA.${usSection(5, [NO, NO])}`],
    ]),
    [true, 'Maryland, by GPC', 24, `BAAA.${usSection(5, [NO, NO], true)}`],
    // What follows there is of sensitive data.
    ...[25, 26, 27].map((section): [boolean, string, number, string] => [
      ...([false, 'of sensitive data', section] as const),
      `BAAA.${usSection(5, [NO, NO], true)}`,
    ]),
    [undefined, 'a section of Europe', 2, usSection(3, [YES, YES])],
    [undefined, 'a section that there is not yet', 60, usSection(3, [YES, YES])],
    [undefined, 'a section that was cut', 8, 'BA'],
    [undefined, 'no section', 8, '!!!!'],
  ])('%j: %s (%d)', (expected, _, section, text) => {
    expect(objectionIn(section, text)).toBe(expected);
  });

  it('is never an error, whatever it is read from', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.integer({ min: 0, max: 30 }),
        (text, section) => {
          expect([true, false, undefined]).toContain(objectionIn(section, text));
          expect(sectionsIn(text) ?? sectionsIn(`DBABM~${text}`) ?? 'none').toBeDefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
