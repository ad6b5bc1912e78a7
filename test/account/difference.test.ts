import { expect, it } from 'vitest';
import { type AccountDocument, differences } from '../../src/account/difference.ts';

const document = (...traits: Record<string, unknown>[]): AccountDocument => ({ traits });
const trait = { sid: 1, name: 'Home', traitRule: 'c_page == "home"' };

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
    'what is of the whole account',
    { organizationId: 'A' },
    { organizationId: 'B' },
    ['~ account', '    organizationId: "A" → "B"'],
  ],
])('shows %s', (_, before, after, lines) => {
  expect(differences(before, after)).toEqual(lines);
});
