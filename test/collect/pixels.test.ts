/** What the tag tells of the calls: counted for URL destinations of the account, and nothing else. */
import { beforeEach, describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { changed, SHOP } from '../account/example.ts';
import { Collector } from './collector.ts';

const page = { origin: `https://${SHOP}`, 'content-type': 'text/plain;charset=UTF-8' };
let collector: Collector;
beforeEach(() => {
  collector = new Collector();
});

const post = (body: string, headers: Record<string, string> = page) =>
  collector.send('/pixels', { method: 'POST', body, headers });

/** `destination: what` → how often. */
function counted(): Record<string, number> {
  const all = [...collector.tally.take().counts];
  expect(all.every(({ sid }) => sid === 0)).toBe(true);
  return Object.fromEntries(
    all.map(({ destination, what, count }) => [`${destination}: ${what}`, count]),
  );
}

describe('POST /pixels', () => {
  it.each<[string, string, Record<string, number>]>([
    [
      'each as it was seen',
      'loaded=801&failed=802&timedOut=803',
      { '801: loaded': 1, '802: failed': 1, '803: timedOut': 1 },
    ],
    [
      'several calls of one',
      'loaded=801,801,802&failed=801',
      {
        '801: loaded': 2,
        '802: loaded': 1,
        '801: failed': 1,
      },
    ],
    ['as a form writes it', 'loaded=801%2C802&loaded=801', { '801: loaded': 2, '802: loaded': 1 }],
    ['nothing', 'loaded=&failed=&timedOut=', {}],
    ['an empty body', '', {}],
    ['other fields', 'loaded=801&c_page=home&delivered=802', { '801: loaded': 1 }],
    ['a cookie, a server and one that is not there', 'loaded=804,805,9', {}],
    ['a hundred', `failed=${Array(100).fill(802)}`, { '802: failed': 100 }],
  ])('204 and counts %s', async (_name, body, expected) => {
    const response = await post(body);
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
    expect(counted()).toEqual(expected);
  });

  it.each([
    ['a hundred and one', `failed=${Array(101).fill(802)}`],
    ['what is no id', 'loaded=801,x'],
    ['a number that is none', 'loaded=-1'],
    ['an empty id', 'loaded=801,,802'],
    ['broken encoding', 'loaded=801&failed=%zz'],
  ])('400 for %s, and counts nothing of it', async (_name, body) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/Write loaded=8001,8002/);
    expect(counted()).toEqual({});
  });

  it.each([
    ['JSON', { ...page, 'content-type': 'application/json' }, 400],
    ['a form', { ...page, 'content-type': 'application/x-www-form-urlencoded' }, 204],
    ['nothing', { origin: page.origin }, 204],
  ])('a body that is said to be %s', async (_name, headers, status) => {
    // A request that is given bytes says nothing of their type.
    const body = new TextEncoder().encode('loaded=801');
    const response = await collector.send('/pixels', { method: 'POST', body, headers });
    expect(response.status).toBe(status);
    expect(counted()).toEqual(status === 204 ? { '801: loaded': 1 } : {});
  });

  it('413 for more than 4 KiB', async () => {
    expect((await post(`x=${'y'.repeat(4_096)}`)).status).toBe(413);
    expect(counted()).toEqual({});
  });

  it('pages of others count for nothing, and may not read the answer', async () => {
    const response = await post('loaded=801', { origin: 'https://elsewhere.example' });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    expect(counted()).toEqual({});
    const own = await post('loaded=801');
    expect(own.headers.get('access-control-allow-origin')).toBe(page.origin);
    expect(own.headers.get('vary')).toBe('Origin');
  });

  it('answers a preflight, and no other method', async () => {
    const options = await collector.send('/pixels', { method: 'OPTIONS', headers: page });
    expect(options.status).toBe(204);
    expect(options.headers.get('access-control-allow-methods')).toBe('POST, OPTIONS');
    for (const method of ['GET', 'PUT', 'DELETE', 'HEAD']) {
      const response = await collector.send('/pixels', { method });
      expect([method, response.status, response.headers.get('allow')]).toEqual([
        method,
        405,
        'POST, OPTIONS',
      ]);
    }
  });

  it('429 for a client that calls too often', async () => {
    collector = new Collector({ maxCallsPerClient: 2 });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await post('loaded=801')).status);
    expect(statuses).toEqual([204, 204, 429]);
    expect(counted()).toEqual({ '801: loaded': 2 });
  });
});

describe('a call that did not get through, of a destination with another way', () => {
  beforeEach(() => {
    collector = new Collector({
      account: changed({ 'destinations[0].fallbackDestinationId': 805 }),
    });
  });
  const visitor = async () =>
    (await collector.ask('d_dst=1&c_page=home', { origin: page.origin })).uuid as string;
  /** Destinations that are to be told server to server of somebody. */
  const others = async (uuid: string) =>
    (await collector.look(uuid)).profile.firings.flatMap(({ destination }) =>
      destination === 805 ? [destination] : [],
    );

  it.each([
    ['failed', (uuid: string) => [`failed=801&d_uuid=${uuid}`]],
    ['failed, as the cookie says', (uuid: string) => ['failed=801', `demdex=${uuid}`]],
    ['failed often', (uuid: string) => [`failed=801,801,801&d_uuid=${uuid}`]],
  ])('goes server to server, where it %s', async (_, saying) => {
    const uuid = await visitor();
    const [body, cookie = ''] = saying(uuid);
    for (let i = 0; i < 3; i++) await post(body, { ...page, cookie });
    await expect.poll(() => others(uuid)).toEqual([805]);
  });

  it.each<[string, (uuid: string) => [body: string, headers?: Record<string, string>]]>([
    ['loaded', (uuid) => [`loaded=801&d_uuid=${uuid}`]],
    ['was still open when the page was left', (uuid) => [`timedOut=801&d_uuid=${uuid}`]],
    ['is of a destination that has no other way', (uuid) => [`failed=802&d_uuid=${uuid}`]],
    ['is of nobody', () => ['failed=801']],
    ['is of no id', () => ['failed=801&d_uuid=7']],
    [
      'is told by a page of others',
      (uuid) => [`failed=801&d_uuid=${uuid}`, { origin: 'https://elsewhere.example' }],
    ],
    [
      'is of who has opted out',
      (uuid) => [`failed=801&d_uuid=${uuid}`, { cookie: 'demdex_optout=1' }],
    ],
  ])('does not, where it %s', async (_, saying) => {
    const uuid = await visitor();
    const [body, headers = {}] = saying(uuid);
    expect((await post(body, { ...page, ...headers })).status).toBe(204);
    // Whoever comes next goes the same way, and is kept after that.
    const next = await visitor();
    await post(`failed=801&d_uuid=${next}`);
    await expect.poll(() => others(next)).toEqual([805]);
    expect(await others(uuid)).toEqual([]);
  });

  it('does not, where it is of who has refused consent since', async () => {
    const uuid = await visitor();
    await collector.ask(`d_uuid=${uuid}&gdpr=1`, { origin: page.origin });
    await post(`failed=801&d_uuid=${uuid}`);
    const next = await visitor();
    await post(`failed=801&d_uuid=${next}`);
    await expect.poll(() => others(next)).toEqual([805]);
    await collector.ask(`d_uuid=${uuid}&gdpr=0`, { origin: page.origin });
    expect(await others(uuid)).toEqual([]);
  });

  it('makes a visitor of nobody', async () => {
    const uuid = newDeviceId();
    await post(`failed=801&d_uuid=${uuid}`);
    const next = await visitor();
    await post(`failed=801&d_uuid=${next}`);
    await expect.poll(() => others(next)).toEqual([805]);
    expect((await collector.look(uuid)).profile).toMatchObject({ seen: 0, firings: [] });
  });
});
