/** Mappings as they are edited. */
import { expect, it } from 'vitest';
import { type Destination, valueless } from '../../../src/builder/web/destinations/destination.ts';

it.each<[string, Destination, object]>([
  ['of one address for all', { destinationType: 'PUSH' }, { valueAlias: 'v' }],
  ['of a server', { destinationType: 'S2S' }, { valueAlias: 'v' }],
  [
    'of a cookie with keys, which stay',
    { destinationType: 'ADS', formatType: 'key_value' },
    { traitAlias: 't' },
  ],
  [
    'of a cookie with a single key, where either may be the value',
    { destinationType: 'ADS', formatType: 'single_key' },
    {},
  ],
])('only the value is filled in anew: %s', (_, destination, left) => {
  const rest = { sid: 1, priority: 2, startDate: '2030-01-01' };
  const mapping = { ...rest, traitAlias: 't', valueAlias: 'v' };
  expect(valueless(destination, mapping)).toEqual({ ...rest, ...left });
});
