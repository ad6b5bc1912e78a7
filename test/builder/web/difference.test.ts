import { describe, expect, test } from 'vitest';
import { differences, shortened } from '../../../src/account/difference.ts';
import { inShort, readDifferences } from '../../../src/builder/web/difference.ts';

const site = { siteId: 1, name: 'Shop', domains: ['shop.example'], pageBudget: 3 };
const destination = {
  destinationId: 8001,
  name: 'A "quoted" → name',
  mappings: [{ sid: 7001, startDate: '2026-07-04' }],
};

describe('differences, read again', () => {
  test.each<[string, object, object, object[]]>([
    [
      'an entry that is new',
      { sites: [] },
      { sites: [site] },
      [{ kind: 'new', noun: 'site', id: '1', name: 'Shop', changes: [] }],
    ],
    [
      'one that is gone, with signs in its name',
      { destinations: [destination] },
      { destinations: [] },
      [
        {
          kind: 'gone',
          noun: 'destination',
          id: '8001',
          name: 'A "quoted" → name',
          changes: [],
        },
      ],
    ],
    [
      'one that changed',
      { sites: [site] },
      { sites: [{ ...site, name: 'Store', pageBudget: undefined }] },
      [
        {
          kind: 'changed',
          noun: 'site',
          id: '1',
          name: 'Store',
          changes: [
            { field: 'name', before: 'Shop', after: 'Store' },
            { field: 'pageBudget', before: '3', after: '(none)' },
          ],
        },
      ],
    ],
    [
      'arrows in values',
      { segments: [{ sid: 1, name: 'S', description: 'a → b' }] },
      { segments: [{ sid: 1, name: 'S', description: 'b → "c" → d' }] },
      [
        {
          kind: 'changed',
          noun: 'segment',
          id: '1',
          name: 'S',
          changes: [{ field: 'description', before: 'a → b', after: 'b → "c" → d' }],
        },
      ],
    ],
    [
      'the account itself',
      { organizationId: 'A' },
      { organizationId: 'B' },
      [
        {
          kind: 'changed',
          noun: 'account',
          name: undefined,
          changes: [{ field: 'organizationId', before: 'A', after: 'B' }],
        },
      ],
    ],
  ])('%s', (_, before, after, expected) => {
    expect(readDifferences(differences({ ...before }, { ...after }))).toEqual(expected);
  });

  test('lines that were cut say what is left of them', () => {
    const long = (name: string) => ({
      traits: [{ sid: 1, name, traitRule: `f == "${name.repeat(90)}"` }],
    });
    const [cut] = readDifferences(shortened(differences(long('a'), long('b'))));
    expect(cut.name).toBe('b');
    expect(cut.changes.map(({ field }) => field)).toEqual(['name', 'traitRule']);
    const many = Array.from({ length: 300 }, (_, i) => ({ siteId: i + 1, name: 'x'.repeat(300) }));
    const read = readDifferences(shortened(differences({ sites: [] }, { sites: many })));
    expect(read[0]).toMatchObject({
      kind: 'new',
      noun: 'site',
      id: '1',
      name: /^x+…$/.exec(read[0].name as string)?.[0],
    });
    expect(read.at(-1)).toMatchObject({ kind: 'other', noun: '… and 101 more lines' });
  });

  test.each([
    [['+ people ada (editor)'], 'person “ada (editor)” new'],
    [['~ people ada', '    role: viewer → editor'], 'person “ada” changed: role'],
    [['~ people ada', '    password: a new one-time password'], 'person “ada” changed: password'],
    [['- keys nightly import'], 'key “nightly import” removed'],
    [['+ sites 1 "A"', '+ sites 2 "B"', '- traits 3 "C"'], '2 sites new, trait “C” removed'],
    [
      [
        '~ destinations 1 "D"',
        '    mappings[sid 7].url: "a" → "b"',
        '    domainRestrictions: 1 → 2',
      ],
      'destination “D” changed: mapping of segment 7, address, which sites',
    ],
    [['… and 7 more lines'], '… and 7 more lines'],
  ])('in a line: %s', (lines, words) => {
    expect(inShort(lines)).toBe(words);
  });
});
