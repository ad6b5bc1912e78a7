/** The calls that were recorded, as people look for one. */
import { beforeAll, describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { COLLECTOR, NEWS, SHOP } from '../account/example.ts';
import { RecordingCollector } from '../collect/recorder.ts';
import { ask } from './ask.ts';

const collector = new RecordingCollector();
const [ann, bob] = [newDeviceId(), newDeviceId()];

/** Each with what tells the page. */
const SENT: [uuid: string, query: string, headers: Record<string, string>][] = [
  [ann, 'n=1', { referer: `https://${SHOP}/a` }],
  [bob, 'n=2', { origin: `https://${NEWS}` }],
  [ann, `n=3&h_referer=https%3A%2F%2F${SHOP}%2FA%3Fq%3D1`, { referer: `https://${SHOP}/` }],
  [bob, 'n=4&c_page=home&p_income=200000', { referer: `https://${SHOP}/a?q=2&p_x=7` }],
  [ann, 'n=5', { referer: `https://sub.${SHOP}/a` }],
  [ann, 'n=6', {}],
];

beforeAll(async () => {
  for (const [uuid, query, headers] of SENT) {
    await collector.ask(`d_uuid=${uuid}&${query}`, headers);
    // Each at a time of its own.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await collector.written(SENT.length);
});

const numbers = async (query: string): Promise<number[]> => {
  const { status, body } = await ask(collector, `calls?${query}`);
  expect(status).toBe(200);
  return body.map(({ url }: { url: string }) => Number(/\bn=(\d)/.exec(url)?.[1]));
};

describe('who may look', () => {
  it.each([
    ['nobody', {}],
    ['another token', { authorization: 'Bearer test-tokem' }],
  ])('not %s', async (_name, headers) => {
    expect((await ask(collector, 'calls', undefined, headers)).status).toBe(401);
  });
});

describe('which calls are found', () => {
  const address = (text: string) => `page=${encodeURIComponent(text)}`;

  it.each<[string, query: string, found: number[]]>([
    ['all, the newest first', '', [6, 5, 4, 3, 2, 1]],
    ['the newest', 'limit=2', [6, 5]],
    ['of a visitor', `uuid=${ann}`, [6, 5, 3, 1]],
    ['the newest of a visitor', `uuid=${bob}&limit=1`, [4]],
    ['of a visitor who never came', `uuid=${newDeviceId()}`, []],
    ['of a part of an address, in any case', address('NEWS'), [2]],
    ['of a path', address('/a'), [5, 4, 3, 1]],
    ['of a page, then of its site', address(`https://${SHOP}/a`), [4, 1, 3]],
    ['whatever else the pasted address has', address(`http://${SHOP}/a?x=1#part `), [4, 1, 3]],
    ['of a page that none came from, its site', address(`https://${NEWS}/b`), [2]],
    ['of another site', address('https://other.example/a'), []],
    ['of a page and a visitor', `${address(`https://${SHOP}/a`)}&uuid=${bob}`, [4]],
    ['the newest of a page', `${address(`https://${SHOP}/a`)}&limit=1`, [4]],
    ['no address, but something like it', address('https://'), [5, 4, 3, 2, 1]],
  ])('%s', async (_name, query, found) => {
    expect(await numbers(query)).toEqual(found);
  });

  it.each<[query: string, path: string, instead: string]>([
    ['limit=0', 'limit', '1 to 1000'],
    ['limit=1001', 'limit', '1 to 1000'],
    ['limit=many', 'limit', '1 to 1000'],
    ['uuid=1', 'uuid', '38 digits'],
    [`page=${'x'.repeat(8_193)}`, 'page', 'at most 8192 characters'],
  ])('not by %.20s', async (query, path, instead) => {
    const { status, body } = await ask(collector, `calls?${query}`);
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ path, instead: expect.stringContaining(instead) }]);
  });
});

describe('what is shown of a call', () => {
  it('is what it said and what came of it, and neither the profile nor anything private', async () => {
    const { body } = await ask(collector, `calls?uuid=${bob}`);
    expect(body[0]).toEqual({
      callId: expect.stringMatching(/^.{12}$/),
      at: expect.any(Number),
      uuid: bob,
      page: `https://${SHOP}/a?q=2`,
      url: `/event?d_rtbd=json&d_uuid=${bob}&n=4&c_page=home`,
      headers: { host: COLLECTOR, referer: `https://${SHOP}/a?q=2` },
      traits: [11, 13],
      destinations: [804],
    });
    expect(body[1].page).toBe(`https://${NEWS}`);
    const [last] = (await ask(collector, `calls?limit=1`)).body;
    expect(last.page).toBeNull();
  });

  it('can be asked about as it is', async () => {
    const { body } = await ask(collector, `calls?uuid=${bob}`);
    const { callId, url, headers, uuid } = body[0];
    for (const question of [{ call: callId }, { url, headers, uuid }]) {
      expect((await ask(collector, 'trace', question)).status).toBe(200);
    }
  });
});
