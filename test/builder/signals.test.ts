/** Keys for those who write a rule, with examples from rules and from calls. */
import { beforeAll, describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { CRM, exampleAccount, OWN, SHOP } from '../account/example.ts';
import { RecordingCollector } from '../collect/recorder.ts';
import { ask } from './ask.ts';

const account = exampleAccount();
const rule = (sid: number, traitRule: string) => ({
  sid,
  name: `Rule ${sid}`,
  traitType: 'RULE_BASED_TRAIT' as const,
  traitRule,
  dataSourceId: OWN,
});
account.traits.push(
  rule(21, 'c_price >= 80 AND c_shop_price < 90'),
  rule(22, 'c_name contains "part" OR c_name matchesregex "^p" OR c_name != "Ann"'),
  ...Array.from({ length: 8 }, (_, i) => rule(30 + i, `c_many == "rule ${i}"`)),
  ...Array.from({ length: 60 }, (_, i) => rule(100 + i, `z_key${i} == "1"`)),
);
const collector = new RecordingCollector({ account });
const uuid = newDeviceId();

beforeAll(async () => {
  const queries = [
    'c_page=home&c_product=shoes,boots&c_unknown=1',
    `c_page=other&p_income=7654321&p_new=1&c_long=${'x'.repeat(300)}&5=1&c%20space=1`,
    `d_cid=${CRM}%01customer&d_mid=${'5'.repeat(38)}&c_many=call&c_empty=`,
  ];
  for (const query of queries) {
    await collector.ask(`d_uuid=${uuid}&${query}`, {
      referer: `https://${SHOP}/?p_x=secret`,
      'user-agent': 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1',
    });
  }
  await collector.written(3);
});

const found = async (search: string): Promise<Record<string, string[]>> => {
  const { status, body } = await ask(collector, `signals?search=${encodeURIComponent(search)}`);
  expect(status).toBe(200);
  return Object.fromEntries(
    (body as { key: string; values: string[] }[]).map(({ key, values }) => [key, values]),
  );
};

describe('the keys that are found', () => {
  it.each<[search: string, expected: Record<string, string[]>]>([
    ['c_pa', { c_page: ['other', 'home'], c_partner: ['1'] }],
    ['C_PAGE', { c_page: ['other', 'home'] }],
    ['product', { c_product: ['shoes', 'boots'] }],
    ['unknown', { c_unknown: ['1'] }],
    ['price', { c_price: ['80'], c_shop_price: ['90'] }],
    ['c_name', { c_name: ['Ann'] }],
    ['c_many', { c_many: ['call', 'rule 0', 'rule 1', 'rule 2', 'rule 3'] }],
    ['c_long', { c_long: [] }],
    ['c_empty', { c_empty: [] }],
    ['income', { p_income: [] }],
    ['p_new', {}],
    ['space', {}],
    ['nothing like this', {}],
    ['h_referer', { h_referer: [`https://${SHOP}/`] }],
    ['os_name', { d_device_os_name: ['ios'] }],
    // Who it was is no signal.
    ['d_uuid', {}],
    ['d_mid', {}],
    ['d_cid', {}],
  ])('%s', async (search, expected) => {
    const keys = await found(search);
    expect(Object.keys(keys)).toEqual(Object.keys(expected));
    expect(keys).toEqual(expected);
  });

  it('at most fifty; those that start with what is searched go first', async () => {
    const all = Object.keys(await found(''));
    expect(all).toHaveLength(50);
    expect(all).toEqual(expect.arrayContaining(['c_page', 'c_product']));
    expect(Object.keys(await found('z_key1'))).toEqual([
      'z_key1',
      ...Array.from({ length: 10 }, (_, i) => `z_key1${i}`),
    ]);
    expect(Object.keys(await found('c_p'))).toEqual([
      'c_page',
      'c_partner',
      'c_price',
      'c_product',
    ]);
    expect(Object.keys(await found('pr')).slice(0, 2)).toEqual(['c_price', 'c_product']);
  });

  it('nothing private', async () => {
    for (const search of ['', 'p_', 'h_', 'c_']) {
      const text = JSON.stringify(await found(search));
      expect(text).not.toMatch(/7654321|secret|100000/);
    }
  });

  it.each([
    ['nobody', 'signals', {}, 401],
    ['too much', `signals?search=${'x'.repeat(300)}`, undefined, 400],
  ])('%s', async (_name, path, headers, status) => {
    expect((await ask(collector, path, undefined, headers)).status).toBe(status);
  });
});
