// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { ECID_SOURCE, type Store, StoreError } from '../../src/store/store.ts';
import {
  ABSENT,
  COLLECTOR,
  CRM,
  changed,
  exampleAccount,
  NEWS,
  OWN,
  PARTNER,
  SHOP,
} from '../account/example.ts';
import { type Answer, Collector, codes, embeddedStore } from './collector.ts';
import { tcf } from './consent-string.ts';

const collector = new Collector();
const ECID = '98765432109876543210987654321098765432';
const shopPage = { origin: `https://${SHOP}`, referer: `https://${SHOP}/` };
const ALL = 'd_dst=1&d_cts=1';
const HOME = 'c_page=home';
const SHOES = 'c_product=shoes';

describe('the JSON answer', () => {
  it('has everything that was asked for', async () => {
    const uuid = newDeviceId();
    const response = await collector.event(
      `d_rtbd=json&${ALL}&d_uuid=${uuid}&${HOME}&${SHOES}`,
      shopPage,
    );
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('cache-control')).toContain('no-store');
    const answer = (await response.json()) as Answer;
    expect(answer).toEqual({
      uuid,
      dcs_region: 7,
      tid: expect.stringMatching(/^[\w+/]{11}=$/),
      // 15 sums up 11 and 12, so 54 (twice) holds, too.
      stuff: [{ cn: 'audience', cv: 'k=keen,k=home', ttl: 30, dmn: `.${SHOP}` }],
      dests: expect.any(Array),
      traits: [11, 12],
      segments: expect.any(Array),
    });
    expect(answer.segments?.sort()).toEqual([51, 52, 54]);
    expect(answer.dests?.sort((a, b) => Number(a.id) - Number(b.id))).toEqual([
      image('801', `https://pixel.example/home?u=${uuid}`),
      image('802', 'https://bid.example/m?s=home,shoes'),
      { ...image('803', 'https://frame.example/shoes'), y: 'iframe', hr: false },
    ]);
    expect(response.headers.get('x-tid')).toBe(answer.tid);
    expect(response.headers.get('x-error')).toBeNull();
  });

  const image = (id: string, url: string) => ({ id, y: 'img', c: url, e: url, hr: true });

  it('has only that', async () => {
    const answer = await collector.ask(HOME, shopPage);
    expect(Object.keys(answer).sort()).toEqual(['dcs_region', 'stuff', 'tid', 'uuid']);
    expect((await collector.ask('', shopPage)).stuff).toEqual([]);
  });

  it('on an http page, the plain address is http and the secure one https', async () => {
    const { dests } = await collector.ask(`${ALL}&${HOME}`, { origin: `http://${SHOP}` });
    const [first] = dests?.filter(({ id }) => id === '801') ?? [];
    expect(first.c).toMatch(/^http:\/\/pixel/);
    expect(first.e).toMatch(/^https:\/\/pixel/);
  });

  it('has a transaction id of its own for each call', async () => {
    const tids = await Promise.all(Array.from({ length: 50 }, () => collector.ask('')));
    expect(new Set(tids.map(({ tid }) => tid)).size).toBe(50);
  });
});

describe('the keys of a request', () => {
  /** Asks as a visitor of its own. */
  async function answerTo(query: string, headers = {}): Promise<Answer> {
    const uuid = newDeviceId();
    return collector.ask(`d_uuid=${uuid}&${ALL}&${query}`, { ...shopPage, ...headers });
  }

  it.each<[query: string, Partial<Answer> & { ids?: string[] }]>([
    [HOME, { traits: [11], segments: [51] }],
    [`${HOME}&d_dst=1`, { ids: ['801', '802'] }],
    ['c_page=HOME', { traits: [] }],
    ['C_page=home', { traits: [] }],
    ['page=home', { traits: [] }],
    ['c_page=other,home', { traits: [11] }],
    ['c_page=other&c_page=home', { traits: [11] }],
    ['c_page=ho%6De', { traits: [11] }],
    ['c_page=home&', { traits: [11] }],
    ['&&c_page=home&&=&', { traits: [11] }],
    ['c_page', { traits: [] }],
    ['c_page=', { traits: [] }],
    ['c_page==home', { traits: [] }],
    ['p_income=250000', { traits: [13], segments: [53] }],
    ['c_partner=1.0', { traits: [16] }],
    // Realized directly.
    ['d_sid=14', { traits: [14], segments: [55] }],
    ['d_sid=14,12', { traits: [14, 12] }],
    ['d_sid=14&d_sid=12', { traits: [14, 12] }],
    [`d_sid=11&${HOME}`, { traits: [11] }],
    // Restricted to data sources.
    [`${HOME}&c_partner=1&d_tdpid=${OWN}`, { traits: [11] }],
    [`${HOME}&c_partner=1&d_tdpid=${PARTNER}`, { traits: [16] }],
    [`${HOME}&c_partner=1&d_tdpid=${OWN},${PARTNER}`, { traits: [11, 16] }],
    [`${HOME}&c_partner=1&d_tdpid_ic=partner`, { traits: [16] }],
    [`${HOME}&d_tdpid=${CRM}`, { traits: [] }],
    [`${HOME}&d_tdpid=nonsense`, { traits: [] }],
    [`${HOME}&d_tdpid_ic=nobody`, { traits: [] }],
    [`d_sid=14&d_tdpid=${OWN}`, { traits: [] }],
    [`d_sid=14&d_tdpid=${CRM}`, { traits: [14] }],
    // What tags send besides.
    [
      `${HOME}&d_jsonv=1&d_nsid=0&d_ld=_ts%3D1&d_px=1&d_dil_ver=9.5&d_caller=x&_ts=1`,
      {
        traits: [11],
      },
    ],
    // Child protection.
    [`${HOME}&d_coppa=1`, { traits: [11], ids: [] }],
    [`${HOME}&d_coppa=0`, { ids: ['801', '802'] }],
  ])('%s', async (query, { ids, ...expected }) => {
    const answer = await answerTo(query);
    const { traits, segments, dests, errors } = answer;
    expect(errors).toBeUndefined();
    if (expected.traits) expect(traits?.toSorted()).toEqual(expected.traits.toSorted());
    if (expected.segments) expect(segments).toEqual(expected.segments);
    if (ids) expect(dests?.map(({ id }) => id).sort()).toEqual(ids);
  });

  it.each([
    ['d_dst=1', true],
    ['d_dst=0', false],
    ['', false],
  ])('URL destinations with "%s": %s', async (query, has) => {
    const { dests } = await collector.ask(`${HOME}&${query}`, shopPage);
    expect(dests !== undefined).toBe(has);
  });

  it.each([
    ['d_cts=1', true],
    ['d_cts=2', true],
    ['d_cts=0', false],
    ['', false],
  ])('traits and segments with "%s": %s', async (query, has) => {
    const { traits, segments } = await collector.ask(`${HOME}&${query}`, shopPage);
    expect([traits !== undefined, segments !== undefined]).toEqual([has, has]);
  });

  it.each([
    ['ios', [], [801]],
    ['android', [], []],
    ['all', ['audience'], [801]],
    ['browser', ['audience'], []],
    ['', ['audience'], []],
    ['fridge', ['audience'], []],
  ])('d_ptfm=%s: cookies %j, calls %j', async (platform, cookies, ids) => {
    const ios = new Collector({ account: changed({ 'destinations[0].platform': 'ios' }) });
    const query = platform && `&d_ptfm=${platform}`;
    const { stuff, dests } = await ios.ask(`${ALL}&${HOME}${query}`, shopPage);
    expect(stuff.map(({ cn }) => cn)).toEqual(cookies);
    expect(dests?.map(({ id }) => Number(id)).filter((id) => id === 801)).toEqual(ids);
  });

  it('the request’s own headers are signals; only of the referer a tag knows better', async () => {
    const rule = (traitRule: string) =>
      new Collector({ account: changed({ 'traits[0].traitRule': traitRule }) });
    const agent = { 'user-agent': 'Quiet, 1', referer: `https://${SHOP}/header` };
    const traits = async (traitRule: string, query: string) =>
      (await rule(traitRule).ask(`${ALL}&${query}`, agent)).traits;
    expect(await traits('h_user-agent == "Quiet, 1"', '')).toEqual([11]);
    expect(await traits('h_user-agent == "Loud"', 'h_user-agent=Loud')).toEqual([]);
    expect(await traits(`h_host == "${COLLECTOR}"`, 'h_host=other.example')).toEqual([11]);
    expect(await traits('h_referer endswith "/header"', '')).toEqual([11]);
    expect(await traits('h_referer endswith "/tag"', `h_referer=https://${SHOP}/tag`)).toEqual([
      11,
    ]);
    expect(await traits('h_date contains "2026"', 'h_date=2026')).toEqual([]);
  });

  it('consent is given on to the destinations that ask for it', async () => {
    const url = 'https://p.example/?g=${GDPR}&c=${GDPR_CONSENT_7}&p=${GPP}&s=${GPP_SID}';
    const consenting = new Collector({
      account: changed({
        'destinations[0].mappings[0].url': url,
        'destinations[0].mappings[0].secureUrl': url,
      }),
    });
    const string = tcf({ purposes: [1] });
    const consent = `gdpr=1&gdpr_consent=${string}&gpp=DBAA%2B&gpp_sid=2%2C6`;
    const { dests } = await consenting.ask(`${ALL}&${HOME}&${consent}`, shopPage);
    expect(dests?.find(({ id }) => id === '801')?.c).toBe(
      `https://p.example/?g=1&c=${string}&p=DBAA%2B&s=2%2C6`,
    );
  });
});

describe('POST', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const post = async (query: string, body: string, headers: Record<string, string> = form) => {
    const response = await collector.send(`/event?${query}`, { method: 'POST', body, headers });
    return (await response.json()) as Answer;
  };

  it('query and body are read together', async () => {
    const answer = await post(`d_rtbd=json&_ts=1&d_dil_ver=9&${HOME}`, `d_cts=1&${SHOES}`);
    expect(answer.traits?.sort()).toEqual([11, 12]);
  });

  it.each<[string, Record<string, string>, number[]]>([
    ['a form', form, []],
    ['with a charset', { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' }, []],
    ['in capitals', { 'content-type': 'Application/X-WWW-Form-URLencoded' }, []],
    ['a beacon', { 'content-type': 'text/plain;charset=UTF-8' }, []],
    ['JSON', { 'content-type': 'application/json' }, [0]],
    ['multipart', { 'content-type': 'multipart/form-data; boundary=x' }, [0]],
  ])('%s', async (_name, headers, expected) => {
    const answer = await post('d_rtbd=json&d_cts=1', HOME, headers);
    expect(codes(answer)).toEqual(expected);
    expect(answer.traits).toEqual(expected.length ? [] : [11]);
  });

  it.each([
    ['query', 8 * 1024, 200],
    ['query', 8 * 1024 + 1, 414],
    ['body', 32 * 1024, 200],
    ['body', 32 * 1024 + 1, 413],
  ])('a %s of %d bytes: %d', async (where, size, status) => {
    const text = (start: string) => start + 'x'.repeat(size - start.length);
    const response = await (where === 'query'
      ? collector.event(text('a='))
      : collector.send('/event', { method: 'POST', body: text('a='), headers: form }));
    expect(response.status).toBe(status);
  });
});

describe('JSONP', () => {
  it.each(['app.answer', 'f', '$', '_x1.$y', `a${'b'.repeat(127)}`])('d_cb=%s', async (name) => {
    const response = await collector.event(`d_rtbd=json&d_cb=${name}&${HOME}`);
    expect(response.headers.get('content-type')).toBe('application/javascript; charset=utf-8');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const text = await response.text();
    const match = /^\/\*\*\/([^(]+)\((.*)\);$/.exec(text);
    expect(match?.[1]).toBe(name);
    expect(JSON.parse(match?.[2] ?? '')).toMatchObject({ dcs_region: 7 });
  });

  it.each([
    'alert(1)',
    'a;b',
    'a b',
    'a[0]',
    '1a',
    'a.',
    '.a',
    'a..b',
    'a-b',
    'a\nb',
    'a\u2028',
    'é',
    '<script>',
    'a//',
    `a${'b'.repeat(128)}`,
  ])('refused: %j', async (name) => {
    const response = await collector.event(`d_rtbd=json&d_cb=${encodeURIComponent(name)}`);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const answer = (await response.json()) as Answer;
    expect(codes(answer)).toEqual([0]);
    expect(answer.errors?.[0].msg).toContain('d_cb');
  });

  it('an empty one is none', async () => {
    expect(await collector.ask('d_cb=')).not.toHaveProperty('errors');
  });
});

describe('the pixel answer', () => {
  it('is a transparent GIF of 43 bytes', async () => {
    const response = await collector.event('');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('image/gif');
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes).toHaveLength(43);
    expect(bytes.subarray(0, 10).toString('latin1')).toBe('GIF89a\x01\0\x01\0');
    // Pixel data as LZW of two bits: clear, colour 0, end; then the trailer.
    expect(bytes.subarray(-6).toString('hex')).toBe('02024401003b');
  });

  it('is a redirect to the first destination that is due, and to the next one next time', async () => {
    const uuid = newDeviceId();
    const targets: (string | null)[] = [];
    for (let i = 0; i < 3; i++) {
      const response = await collector.event(`d_uuid=${uuid}&${HOME}`, shopPage);
      expect(response.status).toBe(302);
      expect(response.headers.get('referrer-policy')).toBe('no-referrer');
      expect(await response.text()).toBe('');
      targets.push(new URL(response.headers.get('location') ?? '').host);
    }
    expect(targets.slice(0, 2).sort()).toEqual(['bid.example', 'pixel.example']);
  });

  it('goes by priority', async () => {
    const ranked = new Collector({ account: changed({ 'destinations[1].priority': 5 }) });
    const response = await ranked.event(HOME, shopPage);
    expect(response.headers.get('location')).toBe('https://bid.example/m?s=home');
  });

  it('carries cookie destinations whose domain covers the host that was called', async () => {
    const own = new Collector({
      account: changed({ 'destinations[3].cnameDomain': 'collect.example' }),
    });
    const cookies = (await own.event(HOME, shopPage)).headers.getSetCookie();
    expect(cookies).toContain(
      'audience=k=home; Max-Age=2592000; Domain=collect.example; Path=/; SameSite=Lax',
    );
    expect((await collector.event(HOME, shopPage)).headers.getSetCookie()).toHaveLength(1);
  });
});

describe('d_rtbd=iframe answers a page with all destinations', () => {
  it('each with the Referer that it may have, under a strict policy', async () => {
    const response = await collector.event(`d_rtbd=iframe&${HOME}&${SHOES}`, shopPage);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'none'; img-src https:; frame-src https:; base-uri 'none'; form-action 'none'",
    );
    const html = await response.text();
    expect(html).toMatch(/<img src="https:\/\/pixel\.example[^"]*" referrerpolicy="no-referrer"/);
    expect(html).toContain('<img src="https://bid.example/m?s=home,shoes"');
    expect(html).toMatch(
      /<iframe src="https:\/\/frame\.example\/shoes" referrerpolicy="strict-origin-when-cross-origin"/,
    );
    expect(html).not.toContain('<script');
  });

  it('on an http page, addresses of both kinds may be called', async () => {
    const response = await collector.event(`d_rtbd=iframe&${HOME}`, { referer: `http://${SHOP}/` });
    expect(response.headers.get('content-security-policy')).toContain('img-src http: https:;');
  });

  it('values of the request stay text', async () => {
    const url = 'https://p.example/?a="><script>&g=${GDPR}';
    const hostile = new Collector({
      account: changed({
        'destinations[0].mappings[0].url': url,
        'destinations[0].mappings[0].secureUrl': url,
      }),
    });
    const gdpr = encodeURIComponent(`"><script>alert(1)</script>'&`);
    const html = await (await hostile.event(`d_rtbd=iframe&${HOME}&gdpr=${gdpr}`, shopPage)).text();
    expect(html).not.toContain('<script');
    expect(html).not.toMatch(/src="[^"]*['<>][^"]*"/);
  });

  it('is empty where nothing is due', async () => {
    const html = await (await collector.event('d_rtbd=iframe', shopPage)).text();
    expect(html).toContain('<!doctype html>');
    expect(html).not.toMatch(/<img|<iframe/);
  });
});

describe('the cookie of the device id', () => {
  const uuid = newDeviceId();
  it.each([
    ['http', {}, 'SameSite=Lax'],
    ['https', { 'x-forwarded-proto': 'https' }, 'Secure; SameSite=None'],
    ['https through two proxies', { 'x-forwarded-proto': 'https, http' }, 'Secure; SameSite=None'],
    ['a proxy that says http', { 'x-forwarded-proto': 'http' }, 'SameSite=Lax'],
  ])('by %s', async (_name, headers, end) => {
    const [cookie, ...others] = (
      await collector.event(`d_uuid=${uuid}`, headers as Record<string, string>)
    ).headers.getSetCookie();
    expect(others).toEqual([]);
    expect(cookie).toBe(`demdex=${uuid}; Max-Age=15552000; Path=/; HttpOnly; ${end}`);
  });

  it('goes with every kind of answer', async () => {
    for (const query of ['d_rtbd=json', 'd_rtbd=iframe', '', HOME]) {
      const [cookie] = (await collector.event(query, shopPage)).headers.getSetCookie();
      expect(cookie).toMatch(/^demdex=\d{38};/);
    }
  });

  it('under child protection, a third party keeps nothing in the browser', async () => {
    const third = new Collector({
      account: changed({ 'destinations[3].cnameDomain': COLLECTOR }),
    });
    const query = `d_coppa=1&${HOME}`;
    for (const answer of ['', 'd_rtbd=json&', 'd_rtbd=iframe&']) {
      const { headers } = await third.event(answer + query, shopPage);
      expect(headers.getSetCookie()).toEqual([]);
    }
  });

  it('under child protection, the page’s own host may', async () => {
    const first = { host: SHOP, ...shopPage };
    const own = new Collector({ account: changed({ 'sites[0].hosts': [SHOP] }) });
    const { headers } = await own.event(`d_coppa=1&${HOME}`, first);
    expect(headers.getSetCookie().map((cookie) => cookie.split('=')[0])).toEqual([
      'demdex',
      'audience',
    ]);
  });
});

describe('CORS: the account’s own pages, and no others, may read the answer', () => {
  const NULL = 'null';
  it.each<
    [string, origin: string | undefined, more: Record<string, string>, query: string, boolean]
  >([
    ['own page', `https://${SHOP}`, {}, '', true],
    ['own page by http, with a port', `http://${SHOP}:8080`, {}, '', true],
    ['own subdomain', `https://www.${SHOP}`, {}, '', true],
    ['another own site', `https://${NEWS}`, {}, '', true],
    ['no origin', undefined, { referer: `https://${SHOP}/` }, '', false],
    ['foreign page', 'https://evil.example', {}, '', false],
    ['foreign page that names an own one', 'https://evil.example', {}, ownReferer(), false],
    [
      'foreign page with the referer of an own one',
      'https://evil.example',
      shopReferer(),
      '',
      false,
    ],
    ['similar name', `https://evil${SHOP}`, {}, '', false],
    ['own name in front', `https://${SHOP}.evil.example`, {}, '', false],
    ['own name as a user', `http://${SHOP}@evil.example`, {}, '', false],
    ['own name as a user, and named', `http://${SHOP}@evil.example`, {}, ownReferer(), false],
    ['own name as a path', `https://evil.example/${SHOP}`, {}, '', false],
    ['another scheme', `ftp://${SHOP}`, {}, ownReferer(), false],
    ['null', NULL, {}, '', false],
    ['null, with the referer of an own page', NULL, shopReferer(), '', false],
    ['null, from a sandbox that names an own page', NULL, {}, ownReferer(), false],
    ['empty', '', {}, ownReferer(), false],
  ])('%s: %s', async (_name, origin, more, query, allowed) => {
    const headers = { ...(origin !== undefined && { origin }), ...more };
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const response = await collector.send(`/event?d_rtbd=json&${query}`, { method, headers });
      expect(response.status).toBe(method === 'OPTIONS' ? 204 : 200);
      expect(response.headers.get('vary')).toBe('Origin');
      expect(response.headers.get('access-control-allow-origin')).toBe(allowed ? origin : null);
      expect(response.headers.get('access-control-allow-credentials')).toBe(
        allowed ? 'true' : null,
      );
    }
  });

  function ownReferer() {
    return `h_referer=https://${SHOP}/`;
  }
  function shopReferer() {
    return { referer: `https://${SHOP}/` };
  }

  it('a preflight says what is possible, and for how long', async () => {
    const headers = { origin: `https://${SHOP}`, 'access-control-request-method': 'POST' };
    const response = await collector.send('/event', { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-methods')).toBe('GET, POST, OPTIONS');
    expect(response.headers.get('access-control-allow-headers')).toBe('Content-Type');
    expect(response.headers.get('access-control-max-age')).toBe('86400');
  });
});

describe('whom a call is about: d_uuid, cookie, ECID, declared id, else a new one', () => {
  const [named, inCookie, ofEcid, ofDeclared] = Array.from({ length: 4 }, newDeviceId);
  const cookie = { cookie: `a=b; demdex=${inCookie}; c=d` };
  const declared = `d_cid=${PARTNER}%01precedence`;

  it.each<[string, query: string, headers: Record<string, string>, expected: string | undefined]>([
    ['all', `d_uuid=${named}&d_mid=${ECID}&${declared}`, cookie, named],
    ['without d_uuid', `d_mid=${ECID}&${declared}`, cookie, inCookie],
    ['without cookie', `d_mid=${ECID}&${declared}`, {}, ofEcid],
    ['without ECID', declared, {}, ofDeclared],
    ['a wrong d_uuid', `d_uuid=1&d_mid=${ECID}`, cookie, inCookie],
    ['an empty d_uuid', `d_uuid=&d_mid=${ECID}`, cookie, inCookie],
    ['a wrong cookie', `d_mid=${ECID}`, { cookie: 'demdex=1' }, ofEcid],
  ])('%s', async (_name, query, headers, expected) => {
    await collector.ask(`d_uuid=${ofDeclared}&${declared}`);
    await collector.ask(`d_uuid=${ofEcid}&d_mid=${ECID}`);
    expect((await collector.ask(query, headers)).uuid).toBe(expected);
  });

  it('nothing: a new one each time', async () => {
    const [a, b] = [await collector.ask(''), await collector.ask('')];
    expect(a.uuid).toMatch(/^\d{38}$/);
    expect(b.uuid).toMatch(/^\d{38}$/);
    expect(a.uuid).not.toBe(b.uuid);
  });

  it('an id that nobody knows leads to one and the same device', async () => {
    const query = `d_cid=${PARTNER}%01unheard-of`;
    const [a, b, c] = [
      await collector.ask(query),
      await collector.ask(query),
      await collector.ask(`d_dpid=${PARTNER}&d_dpuuid=unheard-of`),
    ];
    expect(new Set([a.uuid, b.uuid, c.uuid]).size).toBe(1);
  });

  it.each([
    ['d_cid', `d_cid=${CRM}%01a-1`, [CRM, 'a-1']],
    ['d_cid_ic', 'd_cid_ic=crm%01a-2', [CRM, 'a-2']],
    ['d_dpid and d_dpuuid', `d_dpid=${CRM}&d_dpuuid=a-3`, [CRM, 'a-3']],
    ['with 0x01 in the id', `d_cid=${CRM}%01a%014`, [CRM, 'a\u00014']],
  ] as const)('declared with %s', async (_name, query, [dataSource, id]) => {
    const { uuid, errors } = await collector.ask(query);
    expect(errors).toBeUndefined();
    const { profile } = await collector.look(uuid);
    expect(profile.idIn(dataSource)).toBe(id);
  });

  it('several ids at once', async () => {
    const { uuid } = await collector.ask(
      `d_cid=${CRM}%01x-1&d_cid=${CRM}%01x-2&d_cid_ic=partner%01x-3&d_mid=${'3'.repeat(38)}`,
    );
    const { profile } = await collector.look(uuid);
    expect([...profile.declared]).toEqual([
      [CRM, ['x-1', 'x-2']],
      [PARTNER, ['x-3']],
    ]);
    expect(profile.ecid).toBe('3'.repeat(38));
    for (const alias of [
      { dataSource: CRM, id: 'x-2' },
      { dataSource: PARTNER, id: 'x-3' },
      { dataSource: ECID_SOURCE, id: '3'.repeat(38) },
    ]) {
      expect((await collector.look(undefined, [alias])).deviceId).toBe(uuid);
    }
  });
});

describe('what is kept', () => {
  it('calls add up; the second time a frequency is met', async () => {
    const uuid = newDeviceId();
    const segments: (number[] | undefined)[] = [];
    for (let i = 0; i < 2; i++) {
      segments.push((await collector.ask(`${ALL}&d_uuid=${uuid}&${HOME}`)).segments);
    }
    expect(segments).toEqual([[51], [51, 54]]);
    expect(await collector.realizations(uuid)).toEqual({ 11: 2 });
  });

  it('two calls at the same instant both count', async () => {
    const uuid = newDeviceId();
    await Promise.all(Array.from({ length: 20 }, () => collector.event(`d_uuid=${uuid}&${HOME}`)));
    expect(await collector.realizations(uuid)).toEqual({ 11: 20 });
  });

  it('a browser that takes no cookies and can never come back is not kept', async () => {
    const none = { 'sec-fetch-storage-access': 'none', ...shopPage };
    const response = await collector.event(`${HOME}&d_rtbd=iframe`, none);
    expect(response.headers.get('x-error')).toBe('172');
    expect(await response.text()).toContain('pixel.example');
    const [cookie = ''] = response.headers.getSetCookie();
    const uuid = /\d{38}/.exec(cookie)?.[0];
    expect(await collector.realizations(uuid ?? newDeviceId())).toEqual({});
  });

  it.each([
    ['it is known by an id', `d_mid=${'4'.repeat(38)}&`],
    ['the tag gets its id', 'd_rtbd=json&'],
  ])('but kept where %s', async (_name, query) => {
    const none = { 'sec-fetch-storage-access': 'none', ...shopPage };
    const response = await collector.event(`${query}${HOME}`, none);
    expect(response.headers.get('x-error')).toBeNull();
    const uuid = /demdex=(\d{38})/.exec(response.headers.get('set-cookie') ?? '')?.[1];
    expect(await collector.realizations(uuid ?? '')).toEqual({ 11: 1 });
  });
});

describe('private values are evaluated, then dropped', () => {
  it('never in an answer, a report or a trace', async () => {
    const secret = '987654321';
    const query = `p_income=${secret}&p_mail=${secret}%40x&${ALL}&${SHOES}`;
    const uuid = newDeviceId();
    const seen: string[] = [];
    for (const answer of ['d_rtbd=json&', 'd_rtbd=json&d_cb=f&', 'd_rtbd=iframe&', '']) {
      const response = await collector.event(`${answer}d_uuid=${uuid}&${query}`, shopPage);
      seen.push(await response.text(), JSON.stringify([...response.headers]));
    }
    const traced = await collector.send('/v1/trace', {
      method: 'POST',
      headers: { authorization: 'Bearer test-token' },
      body: JSON.stringify({ url: `/event?${query}`, uuid }),
    });
    expect(traced.status).toBe(200);
    seen.push(await traced.text(), ...collector.reports);
    expect(await collector.realizations(uuid)).toMatchObject({ 13: 4 });
    expect(seen.join('\n')).not.toContain(secret);
  });
});

describe('errors: bad input never costs the visitor the page', () => {
  const GAID = '01234567-89ab-cdef-0123-456789abcdef';
  const IDFA = GAID.toUpperCase();
  const cids = (count: number, source = (i: number) => [OWN, PARTNER, CRM, 20914][i % 4]) =>
    Array.from({ length: count }, (_, i) => `d_cid=${source(i)}%01${idOf(source(i), i)}`).join('&');
  const idOf = (source: number, i: number) => (source === 20914 ? GAID.replace('0', `${i}`) : i);

  it.each<[query: string, headers: Record<string, string>, expected: number[]]>([
    ['', {}, []],
    ['', { host: 'other.example' }, [1]],
    ['d_orgid=wrong', {}, [2]],
    ['d_orgid=0123456789ABCDEF%40Org', {}, []],
    ['d_sid=999', {}, [10]],
    ['d_sid=15', {}, [10]],
    ['d_sid=x', {}, [10]],
    ['d_sid=14,,999', {}, [10, 10]],
    ['d_mid=1', {}, [101]],
    [`d_mid=${'1'.repeat(39)}`, {}, [101]],
    [`d_mid=${ECID}`, {}, []],
    ['d_uuid=1', {}, [102]],
    [`d_uuid=${'x'.repeat(38)}`, {}, [102]],
    [`d_uuid=${'１'.repeat(38)}`, {}, [102]],
    ['d_uuid=', {}, []],
    ['', { origin: 'https://evil.example' }, [109]],
    ['', { referer: 'https://evil.example/x' }, [109]],
    [`h_referer=https://evil.example/`, {}, [109]],
    [`h_referer=https://evil.example/`, { referer: `https://${SHOP}/` }, []],
    [`d_cid=${PARTNER}`, {}, [300, 104]],
    [`d_cid=${PARTNER}%01`, {}, [300, 104]],
    [`d_cid=${PARTNER}%01%20`, {}, [300, 104]],
    [`d_cid=${PARTNER}%01${'x'.repeat(513)}`, {}, [300, 104]],
    [`d_cid=abc%01x`, {}, [300, 104]],
    [`d_cid=0%01x`, {}, [300, 104]],
    [`d_cid=-1%01x`, {}, [300, 104]],
    ['d_cid=', {}, [300, 104]],
    ['d_cid_ic=nobody%01x', {}, [300, 104]],
    [`d_dpid=${PARTNER}`, {}, [300, 104]],
    [`d_cid=999%01x`, {}, [302, 104]],
    [`d_cid=999%01x&d_cid=${PARTNER}%01x`, {}, [302]],
    [cids(10), {}, []],
    [cids(11), {}, [301, 309]],
    [cids(12), {}, [301, 309, 309]],
    [cids(4, () => PARTNER), {}, [310]],
    [cids(5, () => PARTNER), {}, [310, 310]],
    ['c_page=%zz', {}, [311]],
    ['c_page=%', {}, [311]],
    ['c_page=100%&d_uuid=1', {}, [311, 102]],
    ['%zz=1', {}, [311]],
    [`d_cid=20914%01${GAID}`, {}, []],
    [`d_cid=20915%01${IDFA}`, {}, []],
    [`d_cid=20914%01${IDFA}`, {}, [312, 300, 104]],
    [`d_cid=20915%01${GAID}`, {}, [312, 300, 104]],
    [`d_cid=20915%01x`, {}, [312, 300, 104]],
    ['d_mid=1&d_uuid=1&d_cid=x', {}, [102, 101, 300, 104]],
  ])('%s %j: %j', async (query, headers, expected) => {
    const response = await collector.event(`d_rtbd=json&${ALL}&${query}`, headers);
    expect(response.status).toBe(200);
    const answer = (await response.json()) as Answer;
    expect(codes(answer).sort()).toEqual(expected.toSorted());
    expect(answer.stuff).toEqual(expect.any(Array));
    const header = response.headers.get('x-error')?.split(',').map(Number) ?? [];
    expect(header.sort()).toEqual([...new Set(expected)].sort());
    for (const { msg } of answer.errors ?? []) expect(msg).not.toBe('');
    // As an image the codes stand in the header alone.
    const image = await collector.event(query, headers);
    expect([200, 302]).toContain(image.status);
    expect(image.headers.get('x-error')).toBe(response.headers.get('x-error'));
  });

  it('what was discarded is named, and cut', async () => {
    const long = 'x'.repeat(1_000);
    const { errors } = await collector.ask(`d_cid=999%01me&d_cid=998%01${long}&d_cid=${CRM}%01y`);
    expect(errors?.map(({ msg }) => msg)).toEqual([
      'Unauthorized declared id: 999:me',
      expect.stringMatching(/^Invalid declared id: 998:x{10,100}$/),
    ]);
  });

  it.each([
    ['311', `c_x=%zz&${HOME}`, shopPage],
    ['1', HOME, { host: 'other.example' }],
    ['2', `d_orgid=x&${HOME}`, shopPage],
    ['109', HOME, { origin: 'https://evil.example' }],
  ])('with error %s the whole request is disregarded', async (code, query, headers) => {
    const uuid = newDeviceId();
    const answer = await collector.ask(
      `${ALL}&d_uuid=${uuid}&${query}`,
      headers as typeof shopPage,
    );
    expect(codes(answer)).toContain(Number(code));
    expect(answer).toMatchObject({ stuff: [], dests: [], traits: [], segments: [] });
    const { profile } = await collector.look(uuid);
    expect([profile.length, profile.seen]).toEqual([0, 0]);
  });

  it('10: regular expressions that would take too long are not tried', async () => {
    const slow = new Collector({
      account: changed({
        'traits[0].traitRule': 'c_text matchesregex "x{280}"',
      }),
    });
    const response = await slow.send(`/event?d_rtbd=json&${ALL}&${SHOES}`, {
      method: 'POST',
      body: `c_text=${'a'.repeat(32_000)}`,
    });
    const answer = (await response.json()) as Answer;
    expect(codes(answer)).toEqual([10]);
    expect(answer.traits).toEqual([12]);
  });

  it('306, 307: a device that calls abnormally often is answered without its profile', async () => {
    const guarded = new Collector({ maxCallsPerId: 3 });
    const uuid = newDeviceId();
    const answers: number[][] = [];
    for (let i = 0; i < 5; i++) {
      answers.push(codes(await guarded.ask(`d_uuid=${uuid}&${HOME}`)));
    }
    expect(answers).toEqual([[], [], [], [306, 307], [306, 307]]);
    expect(await guarded.realizations(uuid)).toEqual({ 11: 3 });
    expect(codes(await guarded.ask(`d_uuid=${newDeviceId()}`))).toEqual([]);
  });

  it('303: likewise a declared id', async () => {
    const guarded = new Collector({ maxCallsPerId: 2 });
    const ask = () => guarded.ask(`d_cid=${PARTNER}%01busy&${HOME}`);
    const [first] = [await ask(), await ask()];
    expect(codes(await ask())).toEqual([303]);
    expect(await guarded.realizations(first.uuid ?? '')).toEqual({ 11: 2 });
  });

  it('429: a client that calls abnormally often', async () => {
    const guarded = new Collector({ maxCallsPerClient: 2 });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await guarded.event('')).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    const response = await guarded.send('/ibs:dpid=1');
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '60']);
  });

  it.each([
    ['/event', ['PUT', 'DELETE', 'PATCH', 'HEAD'], 'GET, POST, OPTIONS'],
    ['/ibs:dpid=2001&dpuuid=1', ['POST', 'PUT', 'HEAD'], 'GET'],
    ['/demoptout.jpg', ['POST', 'DELETE'], 'GET'],
  ])('405: %s by %j, with Allow: %s', async (path, methods, allow) => {
    for (const method of methods) {
      const response = await collector.send(path, { method });
      expect([method, response.status, response.headers.get('allow')]).toEqual([
        method,
        405,
        allow,
      ]);
    }
  });
});

describe('a store that fails or never answers costs the page its deadline at most', () => {
  const real = embeddedStore();
  const storeThat = (visit: Store['visit']): Store => ({
    visit,
    look: (v) => real.look(v),
    sample: (size) => real.sample(size),
    problem: undefined,
    lost: 0,
    whyLost: undefined,
    close: () => Promise.resolve(),
  });
  const throwing = () =>
    new Collector({
      store: storeThat((_visit, waiter) => waiter.refuse(new StoreError('no disk'))),
      deadline: 50,
    });
  const LATE_MS = 2_000;
  const silent = () => new Collector({ store: storeThat(() => {}), deadline: 50 });
  /** Answers long after the deadline. */
  const late = () =>
    new Collector({
      store: storeThat(async (visit, waiter) => {
        await sleep(LATE_MS);
        real.visit(visit, waiter);
      }),
      deadline: 50,
    });
  const kinds: [string, () => Collector][] = [
    ['throws', throwing],
    ['never answers', silent],
    ['answers late', late],
  ];

  describe.each(kinds)('a store that %s', (_name, make) => {
    it('200: the request alone decides', async () => {
      const uuid = newDeviceId();
      const started = performance.now();
      const answer = await make().ask(`${ALL}&d_uuid=${uuid}&${HOME}`, shopPage);
      // A busy machine takes longer than the 50 ms, though not for as long as a store that is waited for.
      expect(performance.now() - started).toBeLessThan(LATE_MS - 100);
      expect(codes(answer)).toEqual([200]);
      expect(answer).toMatchObject({ uuid, traits: [11], segments: [51] });
      // Whoever is known by an id may have opted out: nothing leaves unread.
      expect([answer.dests, answer.stuff]).toEqual([[], []]);
    });

    it('200: who is known by nothing cannot have opted out, and gets what is due', async () => {
      const answer = await make().ask(`${ALL}&${HOME}`, shopPage);
      expect(codes(answer)).toEqual([200]);
      expect(answer.dests).toHaveLength(2);
      expect(answer.stuff).toMatchObject([{ cv: 'k=home' }]);
    });

    it('201: where a customer’s device had to be found', async () => {
      const answer = await make().ask(`${ALL}&d_cid=${CRM}%01me&${HOME}`, shopPage);
      expect(codes(answer)).toEqual([201]);
      expect(answer.traits).toEqual([11]);
    });

    it('a cookie of the destination stays: whether the visitor still qualifies is not known', async () => {
      const cookie = 'audience=k%3Dkeen';
      const { stuff } = await make().ask(`d_uuid=${newDeviceId()}`, { ...shopPage, cookie });
      expect(stuff).toEqual([]);
    });

    it('ID sync is answered, too', async () => {
      const response = await make().send(
        `/ibs:dpid=${PARTNER}&dpuuid=9&redir=https%3A%2F%2Fpartner.example%2F`,
      );
      expect(response.status).toBe(302);
      expect(response.headers.get('x-error')).toBe('200');
    });

    it('an opt-out is answered, too, and the browser remembers it', async () => {
      const answered = await Promise.race([make().send('/demoptout.jpg'), sleep(2_000)]);
      expect(answered).toBeInstanceOf(Response);
      const cookies = (answered as Response).headers.getSetCookie().join('\n');
      expect(cookies).toContain('demdex_optout=1');
    });
  });

  it('what a late store kept is kept, though the page had its answer', async () => {
    const uuid = newDeviceId();
    const collector = late();
    expect(codes(await collector.ask(`d_uuid=${uuid}&${HOME}`))).toEqual([200]);
    await expect.poll(() => collector.realizations(uuid), { timeout: 5_000 }).toEqual({ 11: 1 });
  });

  it('the operator hears of every opt-out that was not kept; of visits, the store counts them', async () => {
    const collector = throwing();
    await collector.ask(HOME);
    expect(collector.reports).toEqual([]);
    await collector.send(`/demoptout.jpg?d_uuid=${newDeviceId()}`);
    expect(collector.reports).toEqual([expect.stringMatching(/opt-out was not kept.*no disk/)]);
  });

  it('an error while deciding does not leave the page without an answer', async () => {
    const broken = new Collector({
      store: storeThat((_visit, waiter) => {
        const profile = undefined as never;
        waiter.decide({ deviceId: newDeviceId(), profile });
      }),
      deadline: 50,
    });
    const answered = await Promise.race([broken.event(`${HOME}`, shopPage), sleep(2_000)]);
    expect(answered).toBeInstanceOf(Response);
  });

  it('a value that JSON can hold and a URL cannot does not either', async () => {
    const account = changed({ 'destinations[1].mappings[0].traitAlias': 'half \ud83d' });
    const odd = new Collector({ account, deadline: 50 });
    const query = `d_rtbd=json&d_dst=1&${HOME}`;
    const answered = await Promise.race([odd.event(query, shopPage), sleep(2_000)]);
    expect(answered).toBeInstanceOf(Response);
    expect(((await (answered as Response).json()) as Answer).dests).toHaveLength(2);
  });
});

describe('ID sync', () => {
  const sync = (path: string, headers = {}, through = collector) =>
    through.send(`/ibs:${path}`, { headers });
  const redir = (address: string) => `&redir=${encodeURIComponent(address)}`;
  const ids = (id: string) => `dpid=${PARTNER}&dpuuid=${id}`;
  const cookieOf = (response: Response) =>
    /demdex=(\d{38})/.exec(response.headers.get('set-cookie') ?? '')?.[1];

  it('keeps the partner’s id for the device and answers the GIF', async () => {
    const uuid = newDeviceId();
    const response = await sync(ids('s-1'), { cookie: `demdex=${uuid}` });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('image/gif');
    expect(cookieOf(response)).toBe(uuid);
    expect((await collector.look(uuid)).profile.idIn(PARTNER)).toBe('s-1');
    expect((await collector.look(undefined, [{ dataSource: PARTNER, id: 's-1' }])).deviceId).toBe(
      uuid,
    );
  });

  it('is possible from any page: it is the partner’s', async () => {
    const response = await sync(ids('s-2'), { referer: 'https://elsewhere.example/' });
    expect(response.headers.get('x-error')).toBe('109');
    expect((await collector.look(cookieOf(response))).profile.idIn(PARTNER)).toBe('s-2');
  });

  it('keeps at most ten ids of one data source, the oldest goes', async () => {
    const cookie = `demdex=${newDeviceId()}`;
    for (let i = 0; i < 12; i++) await sync(ids(`ten-${i}`), { cookie });
    const { profile } = await collector.look(cookie.slice(7));
    expect(profile.declared.get(PARTNER)).toEqual(
      Array.from({ length: 10 }, (_, i) => `ten-${i + 2}`),
    );
  });

  it.each<[name: string, path: string, errors: string, headers?: Record<string, string>]>([
    ['an unknown data source', 'dpid=999&dpuuid=1', '302,104'],
    ['no id', `dpid=${PARTNER}`, '300,104'],
    ['an advertising id of the wrong form', 'dpid=20914&dpuuid=1', '312,300,104'],
    ['a broken encoding', `${ids('s')}&x=%zz`, '311'],
    ['an unknown host', ids('s'), '1', { host: 'other.example' }],
  ])('%s: nothing is kept', async (_name, path, errors, headers = {}) => {
    const uuid = newDeviceId();
    const response = await sync(path, { cookie: `demdex=${uuid}`, ...headers });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-error')).toBe(errors);
    expect((await collector.look(uuid)).profile.declared.size).toBe(0);
  });

  it.each([
    ['https://partner.example/done?u=${DD_UUID}&x=1', 'https://partner.example/done?u=UUID&x=1'],
    ['https://partner.example/${dd_uuid}/${DD_UUID}', 'https://partner.example/UUID/UUID'],
    ['http://partner.example', 'http://partner.example/'],
    ['https://sync.example:8443/x', 'https://sync.example:8443/x'],
    ['HTTPS://PARTNER.EXAMPLE/', 'https://partner.example/'],
    [
      'https://partner.example/?next=https://evil.example',
      'https://partner.example/?next=https://evil.example',
    ],
  ])('redirects to %s', async (address, expected) => {
    const uuid = newDeviceId();
    const cookie = `demdex=${uuid}`;
    const response = await sync(ids('r') + redir(address), { cookie });
    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe(expected.replaceAll('UUID', uuid));
    expect(response.headers.get('x-error')).toBeNull();
  });

  it('redirects to an address that was not encoded, as partners write it', async () => {
    const response = await sync(`${ids('r')}&redir=https://partner.example/a/b?c=d`);
    expect(response.headers.get('location')).toBe('https://partner.example/a/b?c=d');
  });

  it.each([
    'https://evil.example/',
    'https://sync.example/',
    'https://sync.example:1/',
    'https://www.partner.example/',
    'https://partner.example.evil.example/',
    'https://partner.example@evil.example/',
    'https://partner.example:x@evil.example/',
    'https://evil.example#partner.example',
    'https://evil.example/partner.example',
    'https://evil.example\\@partner.example/',
    'https://evil.example?partner.example',
    '//partner.example/',
    '//evil.example/',
    '\\\\evil.example',
    '/\\evil.example',
    '/',
    'partner.example',
    'javascript:alert(1)//partner.example',
    'javascript://partner.example/%0aalert(1)',
    'data:text/html,partner.example',
    'ftp://partner.example/',
    'https:evil.example',
    'https://${DD_UUID}/',
    'https://${DD_UUID}.partner.example/',
    'https://partner.example\r\n.evil.example/',
    'https://evil.example%2f@partner.example%00/',
    '',
  ])('does not redirect to %j', async (address) => {
    const response = await sync(ids('r') + redir(address));
    expect(response.status).toBe(200);
    expect(response.headers.get('location')).toBeNull();
    expect(response.headers.get('x-error')).toBe('0');
    expect(response.headers.get('content-type')).toBe('image/gif');
  });

  it('a line break in the address ends no header', async () => {
    const response = await sync(
      `${ids('r')}&redir=https%3A%2F%2Fpartner.example%2F%0d%0aSet-Cookie%3A%20a%3Db`,
    );
    expect(response.headers.get('location') ?? '').not.toMatch(/[\r\n]/);
    expect(response.headers.getSetCookie().join()).not.toContain('a=b');
  });
});

describe('opt-out: from then on nothing is kept and nothing delivered', () => {
  const optOut = (query: string, headers = {}) =>
    collector.send(`/demoptout.jpg?${query}`, { headers });
  const everything = `${ALL}&${HOME}&${SHOES}&d_sid=14`;

  type Way = [
    name: string,
    query: (uuid: string, id: string) => string,
    headers: (uuid: string) => Record<string, string>,
  ];
  const WAYS: Way[] = [
    ['d_uuid', (uuid) => `d_uuid=${uuid}`, () => ({})],
    ['d_cid', (_, id) => `d_cid=${PARTNER}%01${id}`, () => ({})],
    ['d_cid_ic', (_, id) => `d_cid_ic=partner%01${id}`, () => ({})],
    ['d_dpid and d_dpuuid', (_, id) => `d_dpid=${PARTNER}&d_dpuuid=${id}`, () => ({})],
    ['the cookie', () => '', (uuid) => ({ cookie: `demdex=${uuid}` })],
    [
      'the cookie, from any page',
      () => '',
      (uuid) => ({ cookie: `demdex=${uuid}`, referer: 'https://elsewhere.example/' }),
    ],
  ];

  it.each(WAYS)('by %s', async (_name, query, headers) => {
    const uuid = newDeviceId();
    const id = `out-${uuid}`;
    await collector.ask(`d_uuid=${uuid}&d_cid=${PARTNER}%01${id}&${everything}`, shopPage);
    expect((await collector.look(uuid)).profile.length).toBeGreaterThan(0);

    const response = await optOut(query(uuid, id), headers(uuid));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('image/gif');

    const forgotten = { optedOut: true, length: 0, ecid: undefined, firings: [] };
    for (let i = 0; i < 2; i++) {
      const { profile } = await collector.look(uuid);
      expect(profile).toMatchObject(forgotten);
      expect(profile.declared.size).toBe(0);
      const answer = await collector.ask(`d_uuid=${uuid}&d_mid=${ECID}&${everything}`, shopPage);
      expect(codes(answer)).toEqual([171]);
      expect(answer).toMatchObject({ dests: [], segments: [] });
      expect(answer).not.toHaveProperty('uuid');
      // What destinations have left in the browser is removed; nothing else is written there.
      for (const { cn, cv, ttl } of answer.stuff)
        expect([cn, cv, ttl]).toEqual(['audience', '-', -1]);
    }
    const last = await collector.ask(`d_uuid=${uuid}&${everything}`, shopPage);
    expect(last.stuff).toEqual([]);
    expect((await collector.look(uuid)).profile.cookies.size).toBe(0);
  });

  it('no answer gives the id back, no image redirects, no sync is kept', async () => {
    const uuid = newDeviceId();
    await optOut(`d_uuid=${uuid}`);
    for (const query of ['', 'd_rtbd=iframe&', 'd_rtbd=json&']) {
      const response = await collector.event(`${query}d_uuid=${uuid}&${HOME}`, shopPage);
      expect(response.status).toBe(200);
      expect(response.headers.get('x-error')).toBe('171');
      expect(response.headers.getSetCookie()).toEqual([]);
      expect(await response.text()).not.toContain('example');
    }
    const synced = await collector.send(`/ibs:dpid=${PARTNER}&dpuuid=after-${uuid}`, {
      headers: { cookie: `demdex=${uuid}` },
    });
    expect(synced.headers.get('x-error')).toBe('171');
    expect((await collector.look(uuid)).profile.declared.size).toBe(0);
  });

  it('not even another id of the visitor is kept afterwards', async () => {
    const uuid = newDeviceId();
    await optOut(`d_uuid=${uuid}`);
    const id = `new-${uuid}`;
    await collector.ask(`d_uuid=${uuid}&d_cid=${CRM}%01${id}`);
    const { deviceId } = await collector.look(undefined, [{ dataSource: CRM, id }]);
    expect(deviceId).not.toBe(uuid);
  });

  it('a cookie that a destination has left is removed', async () => {
    const uuid = newDeviceId();
    await optOut(`d_uuid=${uuid}`);
    const headers = { ...shopPage, cookie: 'audience=k%3Dhome' };
    const { stuff } = await collector.ask(`d_uuid=${uuid}&${HOME}`, headers);
    expect(stuff).toEqual([{ cn: 'audience', cv: '-', ttl: -1, dmn: `.${SHOP}` }]);
  });

  it('the browser remembers it, even where it had no id yet', async () => {
    const cookies = (await optOut('', { 'x-forwarded-proto': 'https' })).headers.getSetCookie();
    expect(cookies).toEqual([
      expect.stringMatching(/^demdex=\d{38}; .*HttpOnly; Secure; SameSite=None$/),
      'demdex_optout=1; Max-Age=34560000; Path=/; HttpOnly; Secure; SameSite=None',
    ]);
  });

  it('which holds for every call, whatever id it carries', async () => {
    const uuid = newDeviceId();
    const headers = { ...shopPage, cookie: 'demdex_optout=1' };
    const answer = await collector.ask(`d_uuid=${uuid}&${everything}`, headers);
    expect(codes(answer)).toEqual([171]);
    expect(answer).toMatchObject({ stuff: [], dests: [], segments: [] });
    expect((await collector.look(uuid)).profile).toMatchObject({ length: 0, seen: 0 });
    const synced = await collector.send(`/ibs:dpid=${PARTNER}&dpuuid=memo`, { headers });
    expect(synced.headers.get('x-error')).toBe('171');
    expect(synced.headers.getSetCookie()).toEqual([]);
  });

  it('a server that opts out an id gives its own browser nothing to remember', async () => {
    expect((await optOut(`d_uuid=${newDeviceId()}`)).headers.getSetCookie()).toEqual([]);
    expect((await optOut(`d_cid=${PARTNER}%01s2s`)).headers.getSetCookie()).toEqual([]);
  });

  it.each([
    ['a wrong device id', 'd_uuid=1', '102'],
    ['an unauthorized id', 'd_cid=999%01x', '302,104'],
    ['an id without a data source', 'd_cid=x', '300,104'],
  ])('%s is complained about', async (_name, query, errors) => {
    expect((await optOut(query)).headers.get('x-error')).toBe(errors);
  });

  it('others are not touched', async () => {
    const [gone, here] = [newDeviceId(), newDeviceId()];
    for (const uuid of [gone, here]) await collector.ask(`d_uuid=${uuid}&${HOME}`);
    await optOut(`d_uuid=${gone}`);
    expect(await collector.realizations(here)).toEqual({ 11: 1 });
  });
});

describe('the other addresses', () => {
  it.each([
    ['/tag.js', 200, 'text/javascript; charset=utf-8', '/* the tag */'],
    ['/healthz', 200, 'application/json', '{"status":"ok"}'],
    ['/readyz', 200, 'application/json', '{"status":"ready"}'],
  ])('%s', async (path, status, type, body) => {
    const response = await collector.send(path);
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      status,
      type,
      body,
    ]);
  });

  it('a store with a problem is not ready', async () => {
    const store = { ...embeddedStore(), problem: 'the disk is full' } as unknown as Store;
    const response = await new Collector({ store }).send('/readyz');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ problem: 'the disk is full' });
  });

  it('what there is not is 404', async () => {
    expect((await collector.send('/nothing')).status).toBe(404);
  });
});

describe('sites that are not told apart', () => {
  it('a call that says nothing of its page is answered, and destinations for sites wait', async () => {
    const account = changed({
      'destinations[0].domainRestrictions': 'inclusion',
      'destinations[0].siteIDs': [1],
    });
    const two = new Collector({ account });
    const idsAt = async (headers: Record<string, string>) =>
      (await two.ask(`${ALL}&${HOME}`, headers)).dests?.map(({ id }) => id).sort();
    expect(await idsAt({})).toEqual(['802']);
    expect(await idsAt(shopPage)).toEqual(['801', '802']);
    expect(await idsAt({ origin: `https://${NEWS}` })).toEqual(['802']);
  });

  it('the page budget is the site’s', async () => {
    const account = changed({ 'sites[0].pageBudget': 1, 'sites[0].hosts': ABSENT });
    const tight = new Collector({ account });
    const at = async (page: string) =>
      (await tight.ask(`${ALL}&${HOME}`, { origin: `https://${page}` })).dests?.length;
    expect([await at(SHOP), await at(NEWS)]).toEqual([1, 2]);
    expect(exampleAccount().sites[0]).not.toHaveProperty('pageBudget');
  });
});
