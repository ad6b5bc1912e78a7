import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, Page, Request } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { tcf as stringOf } from '../collect/consent-string.ts';
import { executable, launch } from '../demo/browser.ts';
import { type RunningServer, startServer } from '../server.ts';

interface Manager {
  say(name: string, data: object | null): void;
}

interface Answer {
  readonly uuid?: string;
  readonly traits: readonly number[];
  readonly dests: readonly { id: string }[];
  readonly errors?: readonly { code: number }[];
}

declare global {
  interface Window {
    switchyard: { send(signals: object): Promise<Answer | undefined> };
    answers: Answer[];
    spoilt?: boolean;
  }
}

function account(partner: string) {
  const trait = (sid: number, traitRule: string) => ({
    sid,
    name: traitRule,
    traitType: 'RULE_BASED_TRAIT',
    traitRule,
    ttl: 120,
    dataSourceId: 1,
    folderId: 1,
  });
  const cookie = (destinationId: number, cookieName: string, more: object) => ({
    destinationId,
    name: cookieName,
    destinationType: 'ADS',
    cookieName,
    cnameDomain: '',
    domainRestrictions: 'all_domains',
    formatType: 'single_key',
    singleKey: 'k',
    ...more,
  });
  const pixel = (destinationId: number, path: string, more: object) => ({
    destinationId,
    name: path,
    destinationType: 'PUSH',
    ...more,
    mappings: [
      { sid: 11, traitType: 'SEGMENT', url: partner + path, secureUrl: `https://x.example${path}` },
    ],
  });
  const mapped = (sid: number) => [{ sid, traitType: 'SEGMENT', valueAlias: 'a b;c', priority: 1 }];
  return {
    dataSources: [{ dataSourceId: 1, name: 'Ours' }],
    folders: [{ folderId: 1, name: 'All' }],
    traits: [
      trait(1, 'c_page == "concert"'),
      trait(2, 'c_step == "paid"'),
      trait(3, 'c_genre == "jazz" AND c_genre == "folk"'),
    ],
    segments: [
      { sid: 11, name: 'Looked', segmentRule: '1T' },
      { sid: 12, name: 'Has not paid', segmentRule: '1T AND NOT 2T' },
    ],
    destinations: [
      cookie(21, 'for_the_session', { ttl: 0, mappings: mapped(11) }),
      cookie(22, 'for_a_month', { ttl: 30, mappings: mapped(11) }),
      cookie(23, 'until_paid', { ttl: 30, mappings: mapped(12) }),
      cookie(24, 'everywhere', { ttl: 1, cnameDomain: '.shop.localhost', mappings: mapped(11) }),
      pixel(31, '/hidden.gif', { tagType: 0, fallbackDestinationId: 35 }),
      pixel(32, '/shown.gif', { tagType: 0, hideReferrer: false }),
      pixel(33, '/frame', { tagType: 1 }),
      {
        destinationId: 35,
        name: 'The other way',
        destinationType: 'S2S',
        // Node does not know the names below localhost that a browser does.
        endpointUrl: `${partner.replace('partner.localhost', '127.0.0.1')}/messages`,
        mappings: [{ sid: 11, traitType: 'SEGMENT', traitAlias: 'looked' }],
      },
    ],
    sites: [{ siteId: 1, name: 'Shop', domains: ['shop.localhost', '127.0.0.1'] }],
  };
}

const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64');
const image = { 'Content-Type': 'image/gif' };

/** What partners answer; `none`: nothing ever, `broken`: they hang up. */
const PARTNERS: Record<
  string,
  { status: number; headers: http.OutgoingHttpHeaders; body?: Buffer | string } | 'none' | 'broken'
> = {
  '/gif': { status: 200, headers: image, body: GIF },
  '/hidden.gif': { status: 200, headers: image, body: GIF },
  '/shown.gif': { status: 200, headers: image, body: GIF },
  '/404-gif': { status: 404, headers: image, body: GIF },
  '/204': { status: 204, headers: {} },
  '/204-open': { status: 204, headers: { 'Timing-Allow-Origin': '*' } },
  '/html': { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<p>Thank you' },
  '/500': { status: 500, headers: {} },
  '/none': 'none',
  '/broken': 'broken',
};

/** What the tag tells, with its ids in order; of whom is another matter. */
const reportOf = (body: string): Record<string, string> =>
  Object.fromEntries(
    [...new URLSearchParams(body)].flatMap(([how, ids]) =>
      how === 'd_uuid' ? [] : [[how, ids.split(',').sort().join()]],
    ),
  );

let server: RunningServer;
/** Partners and the shop are of one server, under several names. */
const web = http.createServer();
let partner: string;
/** As it is served. */
let tag: string;

beforeAll(async () => {
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  partner = `http://partner.localhost:${(web.address() as AddressInfo).port}`;
  server = await startServer({
    account: account(partner),
    environment: { OUTBOUND_ALLOW_PRIVATE: '1' },
  });
  tag = await (await fetch(`${server.origin}/tag.js`)).text();
});
afterAll(async () => {
  web.closeAllConnections();
  web.close();
  await server?.stop();
});

test('the tag has at most 2,048 bytes gzipped', () => {
  expect(tag).toContain('currentScript');
  expect(gzipSync(tag, { level: 9 }).length).toBeLessThanOrEqual(2_048);
});

describe.skipIf(!executable)('the tag in a browser', () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  /** Calls of the collection endpoint, of the partner, and what was told of the latter. */
  let sent: URLSearchParams[];
  let fired: Request[];
  let told: Record<string, string>[];
  /** What the partner was told server to server. */
  let messages: object[][];
  /** What the stand-in for the collection endpoint answers. */
  let due: object[];
  let problems: string[];
  // Served for real: a browser keeps what has no address of this machine from calling this machine.
  let html: string;
  const referers = new Map<string, string | undefined>();
  web.on('request', (request, response) => {
    referers.set(request.url as string, request.headers.referer);
    const { pathname } = new URL(request.url as string, partner);
    const answer = PARTNERS[pathname];
    if (pathname === '/tag.js') {
      response.end(tag);
    } else if (pathname === '/event') {
      const cors = { 'Access-Control-Allow-Origin': new URL(shop).origin };
      response.writeHead(200, { ...cors, 'Access-Control-Allow-Credentials': 'true' });
      response.end(JSON.stringify({ uuid: '1'.repeat(38), stuff: [], dests: due }));
    } else if (pathname === '/pixels') {
      text(request).then((body) => told.push(reportOf(body)));
      response.writeHead(204).end();
    } else if (pathname === '/messages') {
      text(request).then((body) => messages.push(JSON.parse(body).Users));
      response.end();
    } else if (answer === 'none') return;
    else if (answer === 'broken') request.socket.destroy();
    else if (answer) response.writeHead(answer.status, answer.headers).end(answer.body);
    else response.writeHead(200, { 'Content-Type': 'text/html' }).end(pathname === '/page' && html);
  });
  /** A page on another site than the collection endpoint, as most are. */
  let shop: string;

  beforeAll(async () => {
    shop = partner.replace('partner', 'www.shop').concat('/page');
    browser = await launch();
  });
  afterAll(() => browser?.close());

  beforeEach(async () => {
    [sent, fired, told, messages, problems] = [[], [], [], [], []];
    referers.clear();
    context = await browser.newContext();
    context.on('weberror', (error) => problems.push(String(error.error())));
    context.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    context.on('request', (request) => {
      const { pathname, origin } = new URL(request.url());
      if (pathname === '/event') sent.push(new URLSearchParams(request.postData() ?? ''));
      if (origin === partner) fired.push(request);
    });
    page = await context.newPage();
  });
  afterEach(() => context.close());

  /** Opens a page that carries the tag. */
  async function open(
    attributes: string,
    { at = shop, before = '', from = server.origin } = {},
  ): Promise<void> {
    const script = `<script async src="${new URL('/tag.js', from)}" data-d_cts="1" ${attributes}></script>`;
    const listen =
      '<script>answers = []; document.addEventListener("switchyard", (e) => answers.push(e.detail))</script>';
    html = `<!doctype html><title>Page</title>${listen}${before}${script}<p>Text</p>`;
    await page.goto(at);
  }

  async function answers(count = 1): Promise<Answer[]> {
    await page.waitForFunction((n) => window.answers.length >= n, count);
    return page.evaluate(() => window.answers);
  }

  const send = (signals: object) => page.evaluate((s) => window.switchyard.send(s), signals);
  const cookies = async () =>
    new Map((await context.cookies(shop)).map((cookie) => [cookie.name, cookie]));
  const stored = () => page.evaluate(() => localStorage.getItem('switchyard'));

  test('data attributes become signals, with the names as they are', async () => {
    await open('data-c_page="concert" data-c-x="1" data-c_empty="" id="t" class="no"');
    const [{ traits }] = await answers();
    expect(traits).toEqual([1]);
    expect(Object.fromEntries(sent[0])).toEqual({
      h_referer: shop,
      d_cts: '1',
      c_page: 'concert',
      'c-x': '1',
      c_empty: '',
    });
    expect(problems).toEqual([]);
  });

  describe('a call that something in the browser blocks', () => {
    const blocked = () => context.route(/hidden\.gif/, (route) => route.abort('blockedbyclient'));

    test('goes server to server, once', async () => {
      await blocked();
      await open('data-c_page="concert"');
      const [{ uuid }] = await answers();
      await page.goto(partner);
      await expect
        .poll(() => messages)
        .toEqual([
          [
            expect.objectContaining({
              AAM_UUID: uuid,
              Segments: [expect.objectContaining({ Segment_ID: 'looked', Status: '1' })],
            }),
          ],
        ]);
      await open('data-c_page="concert"');
      await answers();
      await page.goto(partner);
      // Whoever comes later is told of later.
      await context.close();
      context = await browser.newContext();
      await blocked();
      page = await context.newPage();
      await open('data-c_page="concert"');
      const [{ uuid: next }] = await answers();
      await page.goto(partner);
      await expect
        .poll(() => messages.flat().map((user) => (user as { AAM_UUID: string }).AAM_UUID))
        .toEqual([uuid, next]);
    });
  });

  test('switchyard.send tells more, several values too, and brings the answer back', async () => {
    await open('data-c_page="home" data-gdpr="0" data-us_privacy="1YNN" data-d_sid="1"');
    const [first] = await answers();
    expect(first.traits).toEqual([1]);
    const answer = await send({ c_step: 'paid', c_genre: ['jazz', 'folk'], c_none: null });
    expect(answer?.traits.toSorted()).toEqual([2, 3]);
    expect(answer?.uuid).toBe(first.uuid);
    // Consent holds for the page; what happened when it was opened does not happen again.
    expect(Object.fromEntries(sent[1])).toMatchObject({
      ...{ gdpr: '0', us_privacy: '1YNN', d_uuid: first.uuid },
    });
    expect(sent[1].getAll('c_genre')).toEqual(['jazz', 'folk']);
    for (const name of ['c_page', 'd_sid', 'c_none']) expect(sent[1].has(name)).toBe(false);
  });

  describe('what consent managers of the page tell', () => {
    /** Stand-ins that say it when the test does: `say(manager, …)`. */
    const managers = (...names: string[]) => `<script>
      listeners = {};
      say = (name, data) => listeners[name](data, true);
      for (const name of ${JSON.stringify(names)})
        window[name] = (...args) => {
          if (args[0] === 'addEventListener') listeners[name] = args.find((a) => a instanceof Function);
          if (name === '__tcfapi' && args[1] !== 2) throw new Error('version');
        };
    </script>`;
    const say = (name: string, data: object | null) =>
      page.evaluate(([n, d]) => (window as unknown as Manager).say(n, d), [name, data] as const);
    const [some, less] = [stringOf({ purposes: [1, 3] }), stringOf({ purposes: [3] })];
    const tcf = (eventStatus: string, tcString: string) =>
      say('__tcfapi', { eventStatus, gdprApplies: true, tcString });
    const gpp = (eventName: string, signalStatus: string, gppString: string) =>
      say('__gpp', {
        eventName,
        pingData: { signalStatus, gppString, applicableSections: [7, 8] },
      });
    const statements = () =>
      sent.map((body) => {
        const { gdpr, gdpr_consent, gpp, gpp_sid } = Object.fromEntries(body);
        return [gdpr, gdpr_consent, gpp, gpp_sid].filter((value) => value !== undefined).join(' ');
      });
    const ready = () => page.waitForFunction(() => 'send' in (window.switchyard ?? {}));

    test('is waited for, and goes with every call', async () => {
      await open('data-c_page="concert"', { before: managers('__tcfapi') });
      await ready();
      await tcf('cmpuishown', 'NOTHING');
      await say('__tcfapi', null);
      expect(sent).toEqual([]);
      await tcf('useractioncomplete', some);
      expect((await answers())[0].traits).toEqual([1]);
      await send({ c_step: 'paid' });
      expect(statements()).toEqual([`1 ${some}`, `1 ${some}`]);
      expect(problems).toEqual([]);
    });

    test('and outdoes what the page has as attributes', async () => {
      await open('data-gdpr="0" data-c_page="concert"', { before: managers('__tcfapi') });
      await ready();
      await tcf('tcloaded', some);
      await answers();
      expect(statements()).toEqual([`1 ${some}`]);
    });

    test('and is sent at once where it changes', async () => {
      await open('data-c_page="concert"', { before: managers('__tcfapi') });
      await ready();
      await tcf('tcloaded', some);
      await answers();
      await tcf('useractioncomplete', less);
      const [before, after] = await answers(2);
      expect(statements()).toEqual([`1 ${some}`, `1 ${less}`]);
      expect([before, after].map(({ errors }) => errors?.map(({ code }) => code))).toEqual([
        undefined,
        [315],
      ]);
      expect(sent[1].has('c_page')).toBe(false);
    });

    test.each([
      [true, '1'],
      [undefined, '1'],
      [false, '0'],
    ])('where the GDPR applies: %s', async (applies, gdpr) => {
      await open('data-c_page="concert"', { before: managers('__tcfapi') });
      await ready();
      await say('__tcfapi', { eventStatus: 'tcloaded', gdprApplies: applies, tcString: '' });
      await answers();
      expect(sent[0].get('gdpr')).toBe(gdpr);
    });

    test('one manager is waited for as well as the other', async () => {
      await open('data-c_page="concert"', { before: managers('__tcfapi', '__gpp') });
      await ready();
      await tcf('tcloaded', some);
      await gpp('listenerRegistered', 'not ready', 'EARLY');
      await gpp('cmpDisplayStatus', 'ready', 'EARLY');
      expect(sent).toEqual([]);
      await gpp('signalStatus', 'ready', 'DBAA');
      await answers();
      expect(statements()).toEqual([`1 ${some} DBAA 7,8`]);
    });
  });

  test('what was pushed before the tag has loaded is sent, all for one visitor', async () => {
    const before =
      '<script>(window.switchyard = window.switchyard || []).push({ c_step: "paid" }, { c_page: "concert" })</script>';
    await open('data-c_page="home"', { before });
    const all = await answers(3);
    expect(all.map(({ traits }) => traits)).toEqual([[], [2], [1]]);
    expect(new Set(all.map(({ uuid }) => uuid)).size).toBe(1);
    await page.evaluate(() => {
      (window.switchyard as unknown as object[]).push({ c_page: 'concert' }, { c_step: 'paid' });
    });
    expect(await answers(5)).toHaveLength(5);
  });

  test('the id lives in the page’s storage where the endpoint’s cookie cannot', async () => {
    await open('data-c_page="home"');
    const [{ uuid }] = await answers();
    expect(await stored()).toBe(uuid);
    expect(await context.cookies(server.origin)).toEqual([]);
    await page.reload();
    expect((await answers())[0].uuid).toBe(uuid);
    expect(sent[1].get('d_uuid')).toBe(uuid);
  });

  test('without storage the id lives as long as the page', async () => {
    const before =
      '<script>Object.defineProperty(window, "localStorage", { get() { throw new Error("no") } })</script>';
    await open('data-c_page="home"', { before });
    const [{ uuid }] = await answers();
    expect((await send({ c_page: 'concert' }))?.uuid).toBe(uuid);
    expect(problems).toEqual([]);
  });

  test('cookies are written for the session, for days, for the domain, and removed', async () => {
    await open('data-c_page="concert"');
    await answers();
    const written = await cookies();
    const value = `k=${encodeURIComponent('a b;c')}`;
    expect(written.get('for_the_session')).toMatchObject({ value, expires: -1, path: '/' });
    const month = written.get('for_a_month');
    expect(month).toMatchObject({ value, sameSite: 'Lax', domain: 'www.shop.localhost' });
    const days = ((month?.expires ?? 0) - Date.now() / 1000) / 86_400;
    expect(days).toBeCloseTo(30, 1);
    expect(written.get('everywhere')?.domain).toBe('.shop.localhost');
    expect(written.has('until_paid')).toBe(true);

    await send({ c_step: 'paid' });
    const after = await cookies();
    expect(after.has('until_paid')).toBe(false);
    expect(after.has('for_a_month')).toBe(true);
  });

  test('a cookie that the server has set itself is left to it: by a script it would live shorter', async () => {
    const before = `<script>
      written = [];
      const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
      Object.defineProperty(document, 'cookie', {
        get() { return get.call(document) },
        set(text) { written.push(text.split('=')[0]); set.call(document, text) },
      });
    </script>`;
    const from = server.origin.replace('127.0.0.1', 'collect.shop.localhost');
    await open('data-c_page="concert"', { before, from });
    await answers();
    const written = () => page.evaluate(() => (window as unknown as { written: string[] }).written);
    expect((await written()).toSorted()).toEqual(['for_a_month', 'for_the_session', 'until_paid']);
    expect((await cookies()).get('everywhere')?.domain).toBe('.shop.localhost');
    // Where the browser did not take it, the tag does.
    await open('data-c_page="concert"', { before });
    await answers();
    expect(await written()).toContain('everywhere');
  });

  test('images and frames are called, with the Referer only where it is wanted', async () => {
    await open('data-c_page="concert"');
    const [{ dests }] = await answers();
    expect(dests).toHaveLength(3);
    await expect
      .poll(() => ['/hidden.gif', '/shown.gif', '/frame'].every((p) => referers.has(p)))
      .toBe(true);
    expect(referers.get('/hidden.gif')).toBeUndefined();
    expect(referers.get('/shown.gif')).toBe(`${new URL(shop).origin}/`);
    expect(referers.get('/frame')).toBeUndefined();
    const frame = page.locator('iframe');
    expect(await frame.isVisible()).toBe(false);
    expect(await frame.getAttribute('aria-hidden')).toBe('true');
    expect(await frame.getAttribute('sandbox')).toBe('allow-scripts allow-same-origin');
  });

  /** Has the collection endpoint answer something that it never would. */
  const answerWith = (answer: { status?: number; body?: string } | 'hang' | 'abort') =>
    page.route('**/event?*', (route) => {
      if (answer === 'hang') return;
      if (answer === 'abort') return route.abort();
      return route.fulfill({
        ...answer,
        headers: {
          'Access-Control-Allow-Origin': new URL(shop).origin,
          'Access-Control-Allow-Credentials': 'true',
        },
      });
    });

  test('only http and https are called', async () => {
    const addresses = [
      ['img', 'javascript:spoilt=true'],
      ['iframe', 'javascript:parent.spoilt=true'],
      ['iframe', 'JaVaScRiPt:parent.spoilt=true'],
      ['iframe', ' javascript:parent.spoilt=true'],
      ['iframe', 'data:text/html,<script>parent.spoilt=true</script>'],
      ['iframe', 'blob:x'],
      ['iframe', '/relative'],
      ['img', `${partner.slice(5)}/schemeless`],
      ['img', `${partner}/plain.gif`],
      ['iframe', `HTTP${partner.slice(4)}/loud`],
    ];
    const dests = addresses.map(([y, c]) => ({ id: '1', y, c }));
    await answerWith({ body: JSON.stringify({ uuid: '1'.repeat(38), stuff: [], dests }) });
    await open('data-c_page="home"');
    await answers();
    await expect.poll(() => fired.length).toBe(2);
    expect(fired.map((request) => new URL(request.url()).pathname).toSorted()).toEqual([
      '/loud',
      '/plain.gif',
    ]);
    expect(await page.locator('iframe').count()).toBe(1);
    expect(await page.evaluate(() => window.spoilt)).toBeUndefined();
  });

  describe('tells once how the calls of an answer went', () => {
    /** Loads a page for whom these are due, `1` being the first of them; returns when they are called. */
    async function fire(...urls: [y: 'img' | 'iframe', path: string][]): Promise<void> {
      due = urls.map(([y, path], i) => ({ id: String(i + 1), y, c: partner + path }));
      await open('data-c_page="home"', { from: shop.replace('www.shop', 'collect') });
      await answers();
      await expect.poll(() => urls.every(([, path]) => referers.has(path)), LONG).toBe(true);
    }
    const LONG = { timeout: 15_000 };

    test('which loaded, and which failed', async () => {
      await fire(['img', '/gif'], ['img', '/broken'], ['iframe', '/frame'], ['img', '/gif?again']);
      await expect.poll(() => told, LONG).toEqual([{ loaded: '1,3,4', failed: '2', timedOut: '' }]);
      expect(problems.filter((text) => !text.includes('ERR_EMPTY_RESPONSE'))).toEqual([]);
    });

    test.each<[string, string, 'loaded' | 'failed']>([
      ['nothing, and lets the page see it', '/204-open', 'loaded'],
      ['nothing', '/204', 'failed'],
      ['a page', '/html', 'failed'],
      ['an error without an image', '/500', 'failed'],
      ['an error with an image', '/404-gif', 'loaded'],
    ])('an image that is answered with %s: as far as the browser says', async (_, path, how) => {
      await fire(['img', path]);
      await expect
        .poll(() => told, LONG)
        .toEqual([{ loaded: '', failed: '', timedOut: '', [how]: '1' }]);
    });

    test('what the page forbids has failed', async () => {
      const before = `<meta http-equiv="Content-Security-Policy" content="img-src 'none'">`;
      due = [{ id: '1', y: 'img', c: `${partner}/gif` }];
      await open('data-c_page="home"', { before, from: shop.replace('www.shop', 'collect') });
      await expect.poll(() => told, LONG).toEqual([{ loaded: '', failed: '1', timedOut: '' }]);
      expect(referers.has('/gif')).toBe(false);
    });

    test('which had no answer after ten seconds', async () => {
      await fire(['img', '/gif'], ['img', '/none'], ['iframe', '/none?frame']);
      const called = performance.now();
      await expect.poll(() => told, LONG).toEqual([{ loaded: '1', failed: '', timedOut: '2,3' }]);
      expect(performance.now() - called).toBeGreaterThan(8_000);
    });

    test('which had none when the page is left', async () => {
      await fire(['img', '/none'], ['img', '/gif']);
      await page.waitForFunction(
        (name) => performance.getEntriesByName(name).length > 0,
        `${partner}/gif`,
      );
      expect(told).toEqual([]);
      await page.goto(`${partner}/other`);
      await expect.poll(() => told, LONG).toEqual([{ loaded: '2', failed: '', timedOut: '1' }]);
    });

    test('many in several reports, none in none', async () => {
      const many = Array.from({ length: 150 }, (_, i): ['img', string] => ['img', `/gif?${i}`]);
      await fire(...many);
      await expect.poll(() => told.length, LONG).toBe(2);
      const ids = told.flatMap(({ loaded }) => loaded.split(','));
      expect(ids.toSorted()).toEqual(many.map((_, i) => String(i + 1)).toSorted());
      await fire();
      await page.goto(`${partner}/other`);
      expect(told).toHaveLength(2);
    });

    test('and the endpoint takes it, without a preflight', async () => {
      const taken: [string, number][] = [];
      context.on('response', (response) => {
        const { pathname } = new URL(response.url());
        if (pathname === '/pixels') taken.push([response.request().method(), response.status()]);
      });
      await open('data-c_page="concert"');
      await answers();
      await expect.poll(() => taken, LONG).toEqual([['POST', 204]]);
    });

    test('a browser that cannot tell does without', async () => {
      const before = '<script>navigator.sendBeacon = undefined</script>';
      await open('data-c_page="concert"', { before });
      await answers();
      await expect.poll(() => fired.length).toBe(3);
      expect(problems).toEqual([]);
    });
  });

  test.each([
    ['an error', { status: 500, body: '{"stuff":[{"cn":"a","cv":"b"}]}' }],
    ['no JSON', { body: '<html>' }],
    ['JSON of another shape', { body: '{"stuff":7,"dests":"x","errors":null}' }],
    ['destinations of another shape', { body: '{"dests":"x"}' }],
    ['a destination that is nothing', { body: '{"dests":[null]}' }],
    ['JSON that is nothing', { body: 'null' }],
    ['no connection', 'abort' as const],
  ])('the page is not disturbed by %s', async (_, answer) => {
    await answerWith(answer);
    await open('data-c_page="concert"');
    await page.waitForFunction(() => 'send' in (window.switchyard ?? {}));
    expect(await page.evaluate(() => window.switchyard.send({ c_step: 'x' }))).toBeFalsy();
    expect(problems.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
    expect(await cookies()).toEqual(new Map());
  });

  test('the page is loaded while the endpoint hangs', async () => {
    await answerWith('hang');
    // `goto` waits for the load event.
    await open('data-c_page="concert"');
    expect(await page.getByText('Text').isVisible()).toBe(true);
    expect(problems).toEqual([]);
  });

  test('who has opted out gets 171, and the tag forgets the id', async () => {
    // On the endpoint's own host, where its cookie comes along.
    const at = shop.replace('www.shop.localhost', '127.0.0.1');
    await open('data-c_page="concert"', { at });
    const [first] = await answers();
    expect(await stored()).toBe(first.uuid);
    await expect.poll(() => fired.length).toBe(3);

    await page.goto(`${server.origin}/demoptout.jpg`);
    await page.goto(at);
    const [answer] = await answers();
    expect(answer.errors).toContainEqual(expect.objectContaining({ code: 171 }));
    expect(answer.dests).toEqual([]);
    expect(answer.uuid).toBeUndefined();
    expect(await stored()).toBeNull();
    const left = (await context.cookies(at)).map(({ name }) => name);
    expect(left.filter((name) => !name.startsWith('demdex'))).toEqual([]);
    expect((await send({ c_step: 'paid' }))?.errors?.[0].code).toBe(171);
    expect(fired).toHaveLength(3);
  });

  test('who has opted out by id gets 171 without a cookie, too', async () => {
    await open('data-c_page="concert"');
    const [{ uuid }] = await answers();
    await fetch(`${server.origin}/demoptout.jpg?d_uuid=${uuid}`);
    expect((await send({ c_step: 'paid' }))?.errors?.[0].code).toBe(171);
    expect(await stored()).toBeNull();
  });

  test('cookies of who has opted out are removed on other sites than the endpoint’s, too', async () => {
    await open('data-c_page="concert"');
    const [{ uuid }] = await answers();
    expect((await cookies()).has('for_a_month')).toBe(true);
    await fetch(`${server.origin}/demoptout.jpg?d_uuid=${uuid}`);
    await send({ c_step: 'paid' });
    expect([...(await cookies()).keys()]).toEqual([]);
  });
});
