/** Who comes to qualify while away gets URL and cookie destinations at the next sight, whatever that request says. */
import { describe, expect, it } from 'vitest';
import { type AccountInput, changed, exampleAccount, SHOP } from '../account/example.ts';
import { type Answer, Collector, embeddedStore } from './collector.ts';

const page = { origin: `https://${SHOP}` };
const SILENT = 'd_dst=1';

/** Destinations of an answer, by what they send. */
const delivered = ({ dests = [], stuff }: Answer): string[] => [
  ...dests.map(({ c }) => c.replace(/\?u=.*/, '')),
  ...stuff.map(({ cn, cv }) => `${cn}=${cv}`),
];

const HOME = ['https://pixel.example/home', 'https://bid.example/m?s=home', 'audience=k=home'];

/** The example, in which nothing is mapped, and nothing holds but what a change makes of it. */
const unmapped = (): AccountInput => {
  const account = exampleAccount();
  for (const destination of account.destinations) destination.mappings = [];
  return account;
};
const store55 = (account: AccountInput): AccountInput => {
  const [pixels, , , cookie] = account.destinations;
  pixels.mappings = [{ sid: 55, url: 'https://pixel.example/store' }];
  cookie.mappings = [{ sid: 55, valueAlias: 'store' }];
  return account;
};

describe('the next sight, though it says nothing', () => {
  it.each<[name: string, before: AccountInput, after: AccountInput, signals: string, string[]]>([
    ['after a new mapping', unmapped(), exampleAccount(), 'c_page=home', HOME],
    [
      'after a changed rule',
      changed({ 'segments[0].segmentRule': '11T AND 12T' }),
      exampleAccount(),
      'c_page=home',
      HOME,
    ],
    [
      'after a segment was switched on',
      changed({ 'segments[0].status': 'inactive' }),
      exampleAccount(),
      'c_page=home',
      HOME,
    ],
    [
      'not, where the new rule asks for more',
      unmapped(),
      changed({ 'segments[0].segmentRule': '11T AND 12T', 'segments[2].segmentRule': '12T' }),
      'c_page=home',
      [],
    ],
  ])('%s', async (_, before, after, signals, expected) => {
    const store = embeddedStore();
    const first = new Collector({ account: before, store });
    const { uuid } = await first.ask(`${SILENT}&${signals}`, page);
    const second = new Collector({ account: after, store });
    const answer = await second.ask(`${SILENT}&d_uuid=${uuid}`, page);
    expect(delivered(answer).sort()).toEqual([...expected].sort());
  });

  it('after an import: another system told what somebody did elsewhere', async () => {
    const collector = new Collector({ account: store55(exampleAccount()) });
    const { uuid, ...first } = await collector.ask(SILENT, page);
    expect(delivered(first)).toEqual([]);
    await collector.ask(`d_uuid=${uuid}&d_sid=14`);
    expect(delivered(await collector.ask(`${SILENT}&d_uuid=${uuid}`, page)).sort()).toEqual([
      'audience=k=store',
      'https://pixel.example/store',
    ]);
  });
});
