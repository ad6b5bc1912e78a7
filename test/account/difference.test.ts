import { expect, it } from 'vitest';
import {
  type AccountDocument,
  differences,
  differencesInTurns,
  shortened,
} from '../../src/account/difference.ts';
import { meaningOf } from '../../src/account/document.ts';

const document = (...traits: Record<string, unknown>[]): AccountDocument => ({ traits });
const trait = { sid: 1, name: 'Home', traitRule: 'c_page == "home"' };
const destination = (mapping: object, more = {}) => ({
  destinationId: 1,
  name: 'D',
  destinationType: 'PUSH',
  mappings: [mapping],
  ...more,
});

it.each<[string, AccountDocument, AccountDocument, string[]]>([
  ['the same', document(trait), document({ ...trait }), []],
  ['a new one', document(), document(trait), ['+ traits 1 "Home"']],
  ['one that is gone', document(trait), {}, ['- traits 1 "Home"']],
  [
    'a changed field',
    document(trait),
    document({ ...trait, name: 'House' }),
    ['~ traits 1 "House"', '    name: "Home" → "House"'],
  ],
  [
    'a field that comes and one that goes',
    document({ sid: 1, name: 'Home', ttl: 3 }),
    document({ sid: 1, name: 'Home', folderId: 2 }),
    ['~ traits 1 "Home"', '    ttl: 3 → (none)', '    folderId: (none) → 2'],
  ],
  ['another order', document(trait, { sid: 2 }), document({ sid: 2 }, trait), []],
  [
    'which mapping, wherever it stands',
    document({
      sid: 1,
      mappings: [
        { sid: 7, url: 'a' },
        { sid: 8, url: 'b' },
      ],
    }),
    document({ sid: 1, mappings: [{ sid: 9 }, { sid: 8, url: 'c' }, { sid: 7, url: 'a' }] }),
    [
      '~ traits 1 ""',
      '    mappings[sid 8].url: "b" → "c"',
      '    mappings[sid 9]: (none) → {"sid":9}',
    ],
  ],
  [
    'nothing where only its times differ',
    document(trait),
    document({ ...trait, updateTime: 5 }),
    [],
  ],
  [
    'that a secret is another one, and no more',
    { destinations: [{ destinationId: 1, signatureKeys: ['old'], oauth: { clientSecret: 'x' } }] },
    { destinations: [{ destinationId: 1, signatureKeys: ['new'] }] },
    [
      '~ destinations 1 ""',
      '    signatureKeys: (secret) → (secret)',
      '    oauth: (secret) → (none)',
    ],
  ],
  [
    'nothing of what is only written down: a default, a number as text, an id of a mapping',
    { destinations: [destination({ sid: 1, priority: 3 })] },
    {
      destinations: [
        destination(
          { sid: 1, priority: '3', elementStatus: 'Active', destinationMappingId: 1 },
          { autoFill: 'NONE', priority: 0 },
        ),
      ],
    },
    [],
  ],
  [
    'what is of the whole account',
    { organizationId: 'A' },
    { organizationId: 'B' },
    ['~ account', '    organizationId: "A" → "B"'],
  ],
  [
    'that secrets changed, and not which they are',
    { destinations: [{ destinationId: 1, oauth: { clientSecret: 'hush' }, signatureKeys: ['a'] }] },
    { destinations: [{ destinationId: 1, signatureKeys: ['b', 'hush'], name: 'N' }] },
    [
      '~ destinations 1 "N"',
      '    oauth: (secret) → (none)',
      '    signatureKeys: (secret) → (secret)',
      '    name: (none) → "N"',
    ],
  ],
])('shows %s', async (_, before, after, lines) => {
  expect(differences(before, after, meaningOf)).toEqual(lines);
  expect(await differencesInTurns(before, after, meaningOf)).toEqual(lines);
});

it.each([
  ['few', 3, 3, 'line 2'],
  ['as many as fit', 200, 200, 'line 199'],
  ['one too many', 201, 200, '… and 2 more lines'],
  ['thousands', 10_000, 200, '… and 9801 more lines'],
])('keeps at most 200 lines: %s', (_, given, kept, last) => {
  const lines = shortened(Array.from({ length: given }, (_, i) => `line ${i}`));
  expect(lines).toHaveLength(kept);
  expect(lines.at(-1)).toBe(last);
});

it('keeps at most 200 characters of a line', () => {
  const [short, long] = shortened(['x'.repeat(200), 'y'.repeat(201)]);
  expect(short).toBe('x'.repeat(200));
  expect(long).toBe(`${'y'.repeat(199)}…`);
});

it('lets others work in between, however much there is to compare', async () => {
  const large = () =>
    document(...Array.from({ length: 50_000 }, (_, sid) => ({ sid, name: `Trait ${sid}` })));
  let others = 0;
  const working = setInterval(() => others++, 1);
  const after = large();
  (after.traits as unknown[])[7] = { sid: 7, name: 'Seven' };
  expect(await differencesInTurns(large(), after)).toEqual([
    '~ traits 7 "Seven"',
    '    name: "Trait 7" → "Seven"',
  ]);
  clearInterval(working);
  expect(others).toBeGreaterThan(2);
});
