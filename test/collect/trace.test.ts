import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { SEGMENT_REASONS, TRAIT_REASONS, type Trace } from '../../src/collect/trace.ts';
import { REASONS } from '../../src/destinations/reason.ts';
import { COLLECTOR, CRM, changed, OWN, PARTNER, SHOP } from '../account/example.ts';
import { type Answer, Collector, TOKEN } from './collector.ts';
import { FORBID, tcf } from './consent-string.ts';

const collector = new Collector();
const page = { referer: `https://${SHOP}/` };
const json = 'd_rtbd=json&d_dst=1&d_cts=1';

const post = (body: unknown, headers: Record<string, string> = {}, through = collector) =>
  through.send('/v1/trace', {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function traced(
  query: string,
  more: { uuid?: string; at?: string; headers?: Record<string, string> } = {},
  through = collector,
): Promise<Trace> {
  const response = await post({ url: `/event?${query}`, headers: page, ...more }, {}, through);
  expect(response.status).toBe(200);
  return (await response.json()) as Trace;
}

const traitReasons = ({ traits }: Trace) =>
  Object.fromEntries(traits.map(({ sid, reason }) => [sid, reason]));
const destinationReasons = ({ destinations }: Trace) =>
  Object.fromEntries(destinations.map((d) => [d.destinationId, d.reason]));

describe('who may trace', () => {
  it.each([
    ['nobody', {}, 401],
    ['an empty token', { authorization: 'Bearer ' }, 401],
    ['another token', { authorization: 'Bearer test-tokem' }, 401],
    ['a longer token', { authorization: 'Bearer test-token2' }, 401],
    ['another scheme', { authorization: 'Basic dGVzdC10b2tlbg==' }, 401],
    ['the token', { authorization: `Bearer ${TOKEN}` }, 200],
    ['the scheme in small letters', { authorization: `bearer ${TOKEN}` }, 200],
  ])('%s', async (_name, headers, status) => {
    const body = JSON.stringify({ url: '/event' });
    const response = await collector.send('/v1/trace', {
      method: 'POST',
      headers: headers as Record<string, string>,
      body,
    });
    expect(response.status).toBe(status);
    if (status === 200) return;
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    const isTried = 'authorization' in headers;
    expect(await response.json()).toEqual({
      errors: [
        {
          path: isTried ? 'Authorization' : 'Cookie',
          wrong: isTried ? 'missing or wrong' : 'nobody is logged in',
          instead: expect.stringContaining('Authorization: Bearer'),
        },
      ],
    });
  });
});

describe('wrong input is 400, with the place, what is wrong and what to write', () => {
  it.each<[body: unknown, path: string, wrong: string, instead: string]>([
    ['', '(document)', 'not JSON', '"url"'],
    ['{', '(document)', 'not JSON', '"url"'],
    ['[]', '(document)', '[] is not an object', 'an object in { }'],
    ['null', '(document)', 'null is not an object', 'an object in { }'],
    [{}, 'url', 'missing', 'a text in quotes'],
    [{ url: 5 }, 'url', '5 is not a text', 'a text in quotes'],
    [{ url: 'event' }, 'url', 'no call of the collection endpoint', '/event?c_page=home'],
    [{ url: '/events' }, 'url', 'no call of the collection endpoint', '/event?c_page=home'],
    [{ url: '//event' }, 'url', 'no call of the collection endpoint', '/event?c_page=home'],
    [{ url: `http://${COLLECTOR}/event` }, 'url', 'no call of the collection', '/event?'],
    [{ url: '/event', uuid: '1' }, 'uuid', '"1" is no device id', '38 digits'],
    [{ url: '/event', uuid: 1 }, 'uuid', '1 is not a text', 'a text in quotes'],
    [{ url: '/event', at: 'today' }, 'at', '"today" is no time', '2026-11-23T10:00:00Z'],
    [{ url: '/event', at: '2026-02-30T00:00:00Z' }, 'at', 'no time', '2026-11-23T10:00:00Z'],
    [{ url: '/event', at: 1 }, 'at', '', ''],
    [{ url: '/event', headers: [] }, 'headers', '', ''],
    [{ url: '/event', headers: { referer: 5 } }, 'headers.referer', '5 is not a text', 'a text'],
    [
      { url: '/event', headers: { a: 'x\r\ny: z' } },
      'headers',
      'no set of headers',
      'as HTTP has them',
    ],
    [
      { url: '/event', headers: { 'a b': 'x' } },
      'headers',
      'no set of headers',
      'as HTTP has them',
    ],
    [{ url: '/event', color: 'red' }, 'color', 'no such field', 'leave it out'],
  ])('%j', async (body, path, wrong, instead) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    const { errors } = (await response.json()) as { errors: Record<string, string>[] };
    const error = errors.find((e) => e.path === path);
    expect(error, JSON.stringify(errors)).toBeDefined();
    expect(error?.wrong).toContain(wrong);
    expect(error?.instead).toContain(instead);
  });

  it('a body beyond 128 KiB is 413', async () => {
    const url = `/event?${'x'.repeat(128 * 1024)}`;
    expect((await post({ url })).status).toBe(413);
  });

  it('a query beyond 8 KiB is 414, as it would be without a trace', async () => {
    expect((await post({ url: `/event?${'x'.repeat(9_000)}` })).status).toBe(414);
  });

  it('no text of a query is a failure of the server', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 50 }), async (text) => {
        const response = await post({ url: `/event?c_page=home&d_cid=${PARTNER}%01${text}` });
        expect(response.status).toBe(200);
      }),
    );
    const macro = new Collector({
      account: changed({
        'destinations[0].mappings[0].secureUrl': `https://p.example/%DPID_${PARTNER}%`,
      }),
    });
    const half = { url: `/event?${json}&c_page=home&d_cid=${PARTNER}%01\ud83d`, headers: page };
    expect((await post(half, {}, macro)).status).toBe(200);
  });
});

describe('why each trait was realized, or not', () => {
  const partly = changed({ 'traits[1].status': 'inactive' });
  it.each<[string, query: string, expected: Record<number, keyof typeof TRAIT_REASONS>]>([
    [
      'nothing',
      '',
      {
        11: 'no-signal',
        12: 'inactive',
        13: 'no-signal',
        14: 'no-rule',
        15: 'folder',
        16: 'no-signal',
      },
    ],
    ['a rule that holds', 'c_page=home', { 11: 'realized', 16: 'no-signal' }],
    ['a rule that does not hold', 'c_page=other', { 11: 'rule-not-met' }],
    ['a private key', 'p_income=5', { 13: 'rule-not-met' }],
    ['a switched-off rule', 'c_product=shoes', { 12: 'inactive' }],
    ['named by the request', 'd_sid=14,12,16', { 14: 'declared', 12: 'inactive', 16: 'declared' }],
    [
      'other data sources',
      `c_page=home&c_partner=1&d_tdpid=${PARTNER}`,
      { 11: 'other-data-source', 14: 'other-data-source', 16: 'realized' },
    ],
    ['a broken request', 'c_page=home&x=%zz', { 11: 'disregarded', 14: 'disregarded' }],
  ])('%s', async (_name, query, expected) => {
    const reasons = traitReasons(await traced(query, {}, new Collector({ account: partly })));
    expect(reasons).toMatchObject(expected);
  });

  it('who has opted out realizes nothing', async () => {
    const headers = { ...page, cookie: 'demdex_optout=1' };
    const reasons = traitReasons(await traced('c_page=home', { headers }));
    expect(reasons).toMatchObject({ 11: 'opted-out', 14: 'opted-out', 15: 'folder' });
  });

  it('who refuses consent realizes nothing', async () => {
    const reasons = traitReasons(await traced('c_page=home&gdpr=1'));
    expect(reasons).toMatchObject({ 11: 'no-consent', 14: 'no-consent', 15: 'folder' });
  });

  it('what the visitor has stated is told with what the publisher restricts', async () => {
    const consent = tcf({
      ...{ purposes: [1, 3], vendors: [7, 11] },
      restrictions: [[3, FORBID, [[11, 20]]]],
    });
    expect((await traced(`c_page=home&gdpr_consent=${consent}`)).consent).toEqual({
      gdpr: {
        ...{ applies: true, purposes: [1, 3], vendors: 2 },
        restrictions: [{ purpose: 3, from: 11, to: 20 }],
        ...{ isRefused: false, isStatedNow: true },
      },
      objectsToSale: false,
    });
  });

  it('every reason occurs above', () => {
    const listed = [
      'realized',
      'no-consent',
      'opted-out',
      'declared',
      'no-signal',
      'rule-not-met',
      'other-data-source',
      'no-rule',
      'inactive',
      'folder',
      'disregarded',
    ];
    expect(Object.keys(TRAIT_REASONS).sort()).toEqual(listed.sort());
  });

  it('has and count are as of after the request, folders included', async () => {
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_page=home`);
    const { traits } = await traced('c_page=home&c_product=shoes', { uuid });
    const seen = Object.fromEntries(traits.map(({ sid, has, count }) => [sid, [has, count]]));
    expect(seen).toEqual({
      11: [true, 2],
      12: [true, 1],
      13: [false, 0],
      14: [false, 0],
      15: [true, 3],
      16: [false, 0],
    });
  });
});

describe('why each segment holds, or does not', () => {
  it('each with the traits that the reason is about', async () => {
    const account = changed({ 'segments[1].status': 'inactive' });
    const trace = await traced('c_page=home&c_product=shoes', {}, new Collector({ account }));
    const reasons = trace.segments.map(({ sid, reason, because }) => [sid, reason, because]);
    expect(reasons).toEqual([
      [51, 'holds', []],
      [52, 'inactive', []],
      [53, 'lacks-trait', [13]],
      [54, 'holds', []],
      [55, 'lacks-trait', [14]],
      [56, 'lacks-trait', [16]],
    ]);
  });

  it.each<[rule: string, reason: string, because: number[]]>([
    ['FREQUENCY([11T, 12T] <= 3D) >= 3', 'count-not-met', [11, 12]],
    ['11T AND FREQUENCY([11T]) == 2', 'count-not-met', [11]],
    ['11T AND NOT 12T', 'excluded', [12]],
    ['11T AND NOT FREQUENCY([12T]) >= 1', 'excluded', [12]],
    ['11T AND NOT (13T OR 12T)', 'excluded', [12]],
    ['13T OR 16T', 'lacks-trait', [13]],
    ['11T AND FREQUENCY([12T]) >= 1', 'holds', []],
  ])('%s: %s %j', async (segmentRule, reason, because) => {
    const account = changed({ 'segments[0].segmentRule': segmentRule });
    const trace = await traced('c_page=home&c_product=shoes', {}, new Collector({ account }));
    expect(trace.segments[0]).toMatchObject({ reason, because });
  });
});

describe('why each destination is due, or not', () => {
  it.each<[string, query: string, headers: object, expected: Record<number, string>]>([
    [
      'a tag that asks for everything',
      `${json}&c_page=home`,
      page,
      {
        801: 'delivered',
        802: 'delivered',
        803: 'no-segment',
        804: 'delivered',
        805: 'no-segment',
      },
    ],
    ['nobody asked', 'd_rtbd=json&c_page=home', page, { 801: 'not-requested', 804: 'delivered' }],
    [
      'an image',
      'c_page=home&c_product=shoes',
      page,
      { 803: 'needs-iframe', 804: 'cookie-domain' },
    ],
    ['child protection', `${json}&c_page=home&d_coppa=1`, page, { 801: 'coppa', 802: 'coppa' }],
    ['later', `${json}&d_sid=14`, page, { 805: 'later' }],
    [
      'a cookie that is not qualified any more',
      json,
      { ...page, cookie: 'audience=x' },
      { 804: 'removed' },
    ],
    [
      'the browser has opted out',
      `${json}&c_page=home`,
      { ...page, cookie: 'demdex_optout=1' },
      { 801: 'opted-out', 802: 'opted-out', 803: 'opted-out', 804: 'opted-out' },
    ],
  ])('%s', async (_name, query, headers, expected) => {
    const trace = await traced(query, { headers: headers as Record<string, string> });
    expect(destinationReasons(trace)).toMatchObject(expected);
  });

  it('each mapping has its own reason; a destination without mappings says so', async () => {
    const account = changed({
      'destinations[2].mappings': [],
      'destinations[0].mappings[0].startDate': '2099-01-01',
    });
    const { destinations } = await traced(`${json}&c_page=home`, {}, new Collector({ account }));
    expect(destinations.slice(0, 3)).toEqual([
      {
        destinationId: 801,
        name: 'Pixels',
        reason: 'not-started',
        mappings: [{ sid: 51, reason: 'not-started' }],
      },
      {
        destinationId: 802,
        name: 'Bidder',
        reason: 'delivered',
        mappings: [
          { sid: 51, reason: 'delivered' },
          { sid: 52, reason: 'no-segment' },
          { sid: 53, reason: 'no-segment' },
        ],
      },
      { destinationId: 803, name: 'Frame', reason: 'not-mapped', mappings: [] },
    ]);
  });

  it('and every reason is explained', async () => {
    const { reasons } = await traced('');
    expect(reasons).toEqual({
      traits: TRAIT_REASONS,
      segments: SEGMENT_REASONS,
      destinations: REASONS,
    });
  });
});

describe('what a trace shows of the request', () => {
  it('the site, the signals that rules look at, the errors', async () => {
    const trace = await traced('c_page=home,other&c_unknown=1&d_mid=1&p_income=5');
    expect(trace.site).toBe('Shop');
    expect(trace.signals).toEqual({ c_page: ['home', 'other'] });
    expect(trace.errors.map(({ code }) => code)).toEqual([101]);
  });

  it('header names in any case, as people write them', async () => {
    const { site, errors } = await traced('', {
      headers: { Host: COLLECTOR, Referer: `https://${SHOP}/` },
    });
    expect([site, errors]).toEqual(['Shop', []]);
  });

  it('the cookie of the device finds the visitor', async () => {
    const uuid = newDeviceId();
    expect((await traced('', { headers: { cookie: `demdex=${uuid}` } })).uuid).toBe(uuid);
  });
});

describe('a trace stores nothing', () => {
  it('neither realizations nor ids nor firings nor an opt-out', async () => {
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_page=home`);
    const before = (await collector.look(uuid)).profile;
    const query = `${json}&c_page=home&d_sid=14&d_cid=${CRM}%01traced&d_mid=${'5'.repeat(38)}`;
    for (const headers of [page, { ...page, cookie: 'demdex_optout=1' }]) {
      await traced(query, { uuid, headers });
    }
    expect((await collector.look(uuid)).profile).toEqual(before);
    const { deviceId } = await collector.look(undefined, [{ dataSource: CRM, id: 'traced' }]);
    expect(deviceId).not.toBe(uuid);
  });

  it('nor a new visitor', async () => {
    const { uuid } = await traced('c_page=home');
    expect(uuid).toMatch(/^\d{38}$/);
    expect(await collector.realizations(uuid ?? '')).toEqual({});
  });
});

describe('at: the decision at another time', () => {
  const dated = new Collector({
    account: changed({
      'destinations[0].mappings[0].startDate': '2026-07-01',
      'destinations[0].mappings[0].endDate': '2026-07-31',
    }),
  });
  it.each([
    ['2026-06-30T23:59:59.999Z', 'not-started'],
    ['2026-07-01T00:00:00Z', 'delivered'],
    ['2026-07-31T23:59:59Z', 'delivered'],
    ['2026-08-01T00:00:00Z', 'ended'],
    ['2026-08-01T01:00:00+02:00', 'delivered'],
    ['2099-01-01T00:00:00Z', 'ended'],
    ['1971-01-01T00:00:00Z', 'not-started'],
  ])('%s: %s', async (at, reason) => {
    const trace = await traced(`${json}&c_page=home`, { at }, dated);
    expect(trace.at).toBe(new Date(at).toISOString());
    expect(destinationReasons(trace)[801]).toBe(reason);
  });

  it.each(['1960-01-01T00:00:00Z', '2149-06-07T00:00:00Z', '9999-12-31T00:00:00Z'])(
    '%s: what the request realizes is held',
    async (at) => {
      const response = await post({ url: `/event?${json}&c_page=home`, headers: page, at });
      // Days beyond what a profile can hold may also be refused.
      if (response.status === 400) return;
      const trace = (await response.json()) as Trace;
      expect(trace.traits[0]).toMatchObject({ reason: 'realized', has: true, count: 1 });
    },
  );

  it('traits outlive their time to live', async () => {
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_product=shoes`);
    const inDays = async (days: number) => {
      const at = new Date(Date.now() + days * 86_400_000).toISOString();
      const { traits } = await traced('', { uuid, at });
      return traits.find(({ sid }) => sid === 12)?.has;
    };
    expect([await inDays(0), await inDays(30), await inDays(31)]).toEqual([true, true, false]);
  });
});

describe('the trace’s decision is what /event then answers', () => {
  const part = fc.constantFrom(
    'c_page=home',
    'c_page=other',
    'c_product=shoes',
    'p_income=200000',
    'c_partner=1',
    'd_sid=14',
    'd_sid=999',
    `d_tdpid=${OWN}`,
    'd_coppa=1',
    'd_ptfm=ios',
    'd_dst=0',
    'x=%zz',
    'd_mid=1',
    `d_cid=${CRM}%01someone`,
    `d_cid=999%01someone`,
  );
  const headers = fc.constantFrom<Record<string, string>>(
    {},
    page,
    { origin: `http://${SHOP}` },
    { referer: 'https://evil.example/' },
    { ...page, cookie: 'audience=k%3Dhome' },
    { ...page, cookie: 'demdex_optout=1' },
    { ...page, host: 'other.example' },
  );
  const call = fc
    .tuple(fc.array(part, { maxLength: 4 }), headers)
    // Below, on its own.
    .filter(([parts, { cookie }]) => !(parts.includes('x=%zz') && cookie?.includes('optout')));
  const calls = fc.array(call, { minLength: 1, maxLength: 4 });

  it('where a call is disregarded and the browser has opted out: its id is not given back', async () => {
    const query = `${json}&x=%zz&d_uuid=${newDeviceId()}`;
    const headers = { ...page, cookie: 'demdex_optout=1' };
    const { errors, uuid } = await traced(query, { headers });
    const response = await collector.event(query, headers);
    const answer = (await response.json()) as Answer;
    expect([answer.uuid, uuid]).toEqual([undefined, undefined]);
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(answer.errors).toEqual(errors);
  });

  it('for a visitor who comes several times', async () => {
    const capped = new Collector({
      account: changed({
        'destinations[0].frequencyCap': { count: 1, hours: 24 },
        'sites[0].pageBudget': 2,
      }),
    });
    let delivered = 0;
    await fc.assert(
      fc.asyncProperty(calls, async (visits) => {
        const uuid = newDeviceId();
        for (const [parts, headers] of visits) {
          const query = [...parts, json, `d_uuid=${uuid}`].join('&');
          const trace = await traced(query, { headers }, capped);
          const answer: Answer = await capped.ask(query, headers);
          expect(answer.uuid === undefined ? undefined : trace.uuid).toBe(answer.uuid);
          expect(trace.errors).toEqual(answer.errors ?? []);
          expect(trace.answer.urls).toEqual((answer.dests ?? []).map(({ c }) => c));
          expect(trace.answer.cookies).toEqual(
            answer.stuff.map(({ cn, cv }) => ({ name: cn, value: cv })),
          );
          const realized = trace.traits.filter(({ reason }) =>
            /^(realized|declared)$/.test(reason),
          );
          expect(realized.map(({ sid }) => sid).sort()).toEqual(answer.traits?.sort());
          const holding = trace.segments.filter(({ reason }) => reason === 'holds');
          expect(holding.map(({ sid }) => sid).sort()).toEqual(answer.segments?.sort());
          delivered += trace.answer.urls.length;
        }
      }),
    );
    expect(delivered).toBeGreaterThan(20);
  });

  it('for an image, too', async () => {
    const uuid = newDeviceId();
    for (let i = 0; i < 4; i++) {
      const query = `c_page=home&c_product=shoes&d_uuid=${uuid}`;
      const { answer } = await traced(query);
      const response = await collector.event(query, page);
      expect([response.headers.get('location')]).toEqual(answer.urls);
    }
  });
});
