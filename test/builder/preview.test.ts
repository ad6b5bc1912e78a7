/** The preview shows exactly what a partner will get, and says all that saving would find wrong. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccountError } from '../../src/account/problem.ts';
import { compileAccount } from '../../src/account/snapshot.ts';
import { atOnce } from '../../src/account/turns.ts';
import { Profile } from '../../src/audience/profile.ts';
import { previewOf, type Setting } from '../../src/builder/preview.ts';
import { sketch } from '../../src/builder/sketch.ts';
import { answer } from '../../src/collect/answer.ts';
import { readCall } from '../../src/collect/call.ts';
import { decide, NO_REALIZATION } from '../../src/collect/decision.ts';
import { DeviceCookie } from '../../src/collect/device-cookie.ts';
import { COLLECTOR, CRM, changed, exampleAccount, SHOP } from '../account/example.ts';
import { Collector, TOKEN } from '../collect/collector.ts';
import { DAY, DEVICE, NOON } from '../destinations/example.ts';

type Fields = Record<string, unknown>;

const SETTING: Setting = {
  uuid: DEVICE,
  region: 7,
  at: NOON,
  site: undefined,
  page: undefined,
  hosts: [COLLECTOR],
  maySign: true,
};

const previewed = (destination: Fields, setting: Partial<Setting> = {}, account: Fields = {}) =>
  previewOf(atOnce(sketch({ ...exampleAccount(), ...account }, destination)), {
    ...SETTING,
    ...setting,
  });

const PUSH = { name: 'D', destinationType: 'PUSH' };
const ADS = {
  name: 'D',
  destinationType: 'ADS',
  cookieName: 'audience',
  cnameDomain: `.${SHOP}`,
  formatType: 'single_key',
  singleKey: 'k',
  ttl: 30,
};
const S2S = { name: 'D', destinationType: 'S2S', endpointUrl: 'https://partner.example/in' };

describe('the calls of a URL destination', () => {
  it.each<[string, string]>([
    ['https://p.example/', 'https://p.example/'],
    ['https://p.example/?u=%DID%', `https://p.example/?u=${DEVICE}`],
    ['https://p.example/?r=%RND%', 'https://p.example/?r=1234567890'],
    ['https://p.example/?t=%TIMESTAMP%', `https://p.example/?t=${NOON / 1000}`],
    ['https://p.example/?e=%MCID%', 'https://p.example/?e=98765432109876543210987654321098765432'],
    ['https://p.example/?i=%DPID_2001%', 'https://p.example/?i=id-in-2001'],
    ['https://p.example/?g=${GDPR}&c=${GDPR_CONSENT_7}', 'https://p.example/?g=1&c=CONSENT'],
    ['%HTTP_PROTO%://p.example/?r=%REGION%', 'https://p.example/?r=7'],
  ])('%s becomes %s', (url, filled) => {
    const { calls, problems } = previewed({ ...PUSH, mappings: [{ sid: 51, url }] });
    expect(problems).toEqual([]);
    expect(calls).toEqual([{ sids: [51], url: filled, secureUrl: filled }]);
  });

  it('are one for each mapping, or one for all', () => {
    const mappings = [51, 52].map((sid) => ({ sid, url: `https://p.example/${sid}` }));
    expect(previewed({ ...PUSH, mappings }).calls.map(({ sids }) => sids)).toEqual([[51], [52]]);
    const serialized = {
      ...PUSH,
      serializationEnabled: true,
      urlFormatString: 'https://p.example/?s=%ALIAS%',
      delimiter: '|',
      autoFill: 'SEGMENT_ID',
      mappings: [{ sid: 51, traitAlias: 'a b' }, { sid: 52 }],
    };
    expect(previewed(serialized).calls).toMatchObject([
      { sids: [51, 52], url: 'https://p.example/?s=a%20b%7C52' },
    ]);
  });

  it('on a page without https are plain', () => {
    const mappings = [{ sid: 51, url: 'http://p.example/' }];
    const page = { host: SHOP, secure: false };
    expect(previewed({ ...PUSH, mappings }, { page }).calls).toMatchObject([
      { url: 'http://p.example/', secureUrl: 'https://p.example/' },
    ]);
  });
});

describe('what is half written', () => {
  it.each<[string, Fields, path: string, shown: Fields]>([
    [
      'without a name',
      { ...PUSH, name: '', mappings: [{ sid: 51, url: 'https://p.example/' }] },
      'name',
      { calls: [{ sids: [51], url: 'https://p.example/', secureUrl: 'https://p.example/' }] },
    ],
    [
      'with one mapping that has no address yet',
      { ...PUSH, mappings: [{ sid: 51 }, { sid: 52, url: 'https://p.example/' }] },
      'mappings[0].url',
      { calls: [{ sids: [52], url: 'https://p.example/', secureUrl: 'https://p.example/' }] },
    ],
    [
      'with an unknown macro',
      { ...PUSH, mappings: [{ sid: 51, url: 'https://p.example/?u=%UUID%' }] },
      'mappings[0].url',
      { calls: [] },
    ],
    [
      'with a mapping of no segment',
      { ...PUSH, mappings: [{ url: 'https://p.example/' }] },
      'mappings[0].sid',
      { calls: [] },
    ],
    [
      'with a date that is none',
      { ...PUSH, mappings: [{ sid: 51, url: 'https://p.example/', startDate: 'soon' }] },
      'mappings[0].startDate',
      { calls: [{ sids: [51], url: 'https://p.example/', secureUrl: 'https://p.example/' }] },
    ],
    [
      'without a cookie name',
      { ...ADS, cookieName: '', mappings: [{ sid: 51, valueAlias: 'a' }] },
      'cookieName',
      { cookie: { name: 'cookie', value: 'k=a', bytes: 3 } },
    ],
    [
      'with mappings that are no list',
      { ...ADS, mappings: 7 },
      'mappings',
      { cookie: { value: '' } },
    ],
    ['without a type', { name: 'D' }, 'destinationType', { calls: [] }],
    ['with a field that is none', { ...ADS, url: 'x' }, 'url', { cookie: { name: 'audience' } }],
    [
      'without an endpoint',
      { ...S2S, endpointUrl: undefined, mappings: [{ sid: 55, traitAlias: 'x' }] },
      'endpointUrl',
      { message: { body: { Users: [{ Segments: [{ Segment_ID: 'x' }] }] } } },
    ],
    ['with nothing in it', {}, 'destinationType', { calls: [] }],
  ])('%s is shown as far as it goes', (_, destination, path, shown) => {
    const result = previewed(destination);
    expect(result.problems.map((problem) => problem.path)).toContain(path);
    for (const { wrong, instead } of result.problems) expect([wrong, instead]).not.toContain('');
    expect(result).toMatchObject(shown);
  });

  it('says of an export control which mapping it is about', () => {
    const account = changed({ 'dataSources[1].dataExportRestrictions': ['PII'] }) as Fields;
    const mappings = [51, 56].map((sid) => ({ sid, url: 'https://p.example/' }));
    const result = previewed({ ...PUSH, dataExportLabels: ['PII'], mappings }, {}, account);
    expect(result.problems).toMatchObject([{ path: 'mappings[1]', wrong: /export controls/ }]);
    expect(result.calls.map(({ sids }) => sids)).toEqual([[51]]);
  });
});

describe('a cookie', () => {
  const mappings = [
    { sid: 51, valueAlias: 'low', priority: 1 },
    { sid: 52, valueAlias: 'high', priority: 9 },
  ];

  it('is the header as it goes out', () => {
    expect(previewed({ ...ADS, mappings }).cookie).toMatchObject({
      name: 'audience',
      value: 'k=high,k=low',
      line: `audience=k=high,k=low; Max-Age=2592000; Domain=${SHOP}; Path=/; Secure; SameSite=None`,
      bytes: 12,
      maxSize: 2_048,
      leftOut: [],
    });
  });

  it('says which mappings are left out where it is full', () => {
    const { cookie } = previewed({ ...ADS, maxSize: 8, mappings });
    expect(cookie).toMatchObject({ value: 'k=high', bytes: 6, maxSize: 8, leftOut: [51] });
    expect(previewed({ ...ADS, maxSize: 3, mappings }).cookie).toMatchObject({
      value: '',
      line: '',
      leftOut: [52, 51],
    });
  });

  it.each<[string, domain: string, hosts: string[], how: string[], isOwn: boolean]>([
    ['under the endpoint', `.${SHOP}`, [`collect.${SHOP}`], ['server'], true],
    ['under the page only', `.${SHOP}`, [COLLECTOR], ['script'], true],
    [
      'under one of two endpoints',
      `.${SHOP}`,
      [`c.${SHOP}`, COLLECTOR],
      ['server', 'script'],
      true,
    ],
    ['of the page itself', '', [COLLECTOR], ['script'], true],
    ['of the page, which the endpoint is on', '', [SHOP], ['server'], true],
    ['of another site', '.other.example', [COLLECTOR], ['nobody'], false],
    ['of the endpoint, which is another site', '.collect.example', [COLLECTOR], ['server'], false],
  ])('%s is written by', (_, cnameDomain, hosts, how, isOwn) => {
    const page = { host: SHOP, secure: true };
    const { cookie } = previewed({ ...ADS, cnameDomain, mappings }, { page, site: 1, hosts });
    expect(cookie?.reach.map((reach) => reach.how)).toEqual(how);
    expect(cookie?.reach.some((reach) => reach.isOwn)).toBe(isOwn);
  });

  it.each<[ttl: number, domain: string, how: string, browser: string, days: number[]]>([
    [30, `.${SHOP}`, 'server', 'Safari', [30, 7]],
    [30, `.${SHOP}`, 'script', 'Safari', [7, 1]],
    [30, `.${SHOP}`, 'script', 'Chrome, Edge', [30]],
    [400, `.${SHOP}`, 'server', 'Chrome, Edge', [400]],
    [400, `.${SHOP}`, 'server', 'Firefox', [400]],
    [400, `.${SHOP}`, 'script', 'Brave', [180]],
    [1, `.${SHOP}`, 'script', 'Safari', [1, 1]],
    [0, `.${SHOP}`, 'script', 'Safari', [0, 0]],
    [30, '.collect.example', 'server', 'Safari', [0]],
    [30, '.collect.example', 'script', 'Safari', []],
  ])(
    'set for %d days on %s by a %s lives in %s for %o days',
    (ttl, cnameDomain, how, browser, days) => {
      const page = { host: SHOP, secure: true };
      const { cookie } = previewed({ ...ADS, ttl, cnameDomain, mappings }, { page });
      const lives = cookie?.lifetimes.filter(
        (life) => life.how === how && life.browser === browser,
      );
      expect(lives?.map((life) => life.days)).toEqual(days);
      for (const { why } of lives ?? []) expect(why).not.toBe('');
    },
  );
});

describe('what keeps it from being delivered', () => {
  const url = 'https://p.example/';
  const SHOP_PAGE: Partial<Setting> = { site: 1, page: { host: SHOP, secure: true } };
  it.each<[string, Fields, Partial<Setting>, string[]]>([
    ['nothing', { ...PUSH, mappings: [{ sid: 51, url }] }, {}, []],
    ['off', { ...PUSH, status: 'inactive', mappings: [{ sid: 51, url }] }, {}, ['inactive']],
    [
      'a mapping that is off',
      {
        ...PUSH,
        mappings: [
          { sid: 51, url, elementStatus: 'inactive' },
          { sid: 52, url },
        ],
      },
      {},
      ['inactive'],
    ],
    [
      'dates',
      {
        ...PUSH,
        mappings: [
          { sid: 51, url, startDate: '2030-01-01' },
          { sid: 52, url, endDate: '2020-01-01' },
        ],
      },
      {},
      ['not-started', 'ended'],
    ],
    [
      'the site',
      { ...PUSH, domainRestrictions: 'exclusion', siteIDs: [1], mappings: [{ sid: 51, url }] },
      SHOP_PAGE,
      ['domain'],
    ],
    [
      'another site',
      { ...PUSH, domainRestrictions: 'exclusion', siteIDs: [2], mappings: [{ sid: 51, url }] },
      SHOP_PAGE,
      [],
    ],
    [
      'no site that is asked about',
      { ...PUSH, domainRestrictions: 'inclusion', siteIDs: [2], mappings: [{ sid: 51, url }] },
      {},
      [],
    ],
    [
      'the cookie domain',
      { ...ADS, cnameDomain: 'other.example', mappings: [{ sid: 51, valueAlias: 'a' }] },
      SHOP_PAGE,
      ['cookie-domain'],
    ],
  ])('%s', (_, destination, setting, reasons) => {
    const result = previewed(destination, setting);
    expect(result.problems).toEqual([]);
    expect(result.blocked.map(({ reason }) => reason)).toEqual(reasons);
    for (const { why } of result.blocked) expect(why).not.toBe('');
    // What it would be is shown all the same.
    expect(result.calls.length + (result.cookie?.bytes ?? 0)).toBeGreaterThan(0);
  });
});

describe('server to server', () => {
  const mappings = [{ sid: 55, traitAlias: 'store' }];

  it('shows the message, with the signature of its text', () => {
    const destination = {
      ...S2S,
      clientId: '74323',
      userDataSourceId: CRM,
      signatureHeader: 'X-Signature',
      signatureAlgorithm: 'sha256',
      signatureKeys: ['hush-1'],
      mappings,
    };
    const { message, problems } = previewed(destination);
    expect(problems).toEqual([]);
    const text = message?.text ?? '';
    const signature = createHmac('sha256', 'hush-1').update(text).digest('base64');
    expect(message).toMatchObject({
      url: 'https://partner.example/in',
      headers: { 'Content-Type': 'application/json', 'X-Signature': signature },
      body: {
        User_DPID: String(CRM),
        Client_ID: '74323',
        AAM_Destination_Id: '806',
        Users: [
          {
            AAM_UUID: DEVICE,
            DataPartner_UUID: `id-in-${CRM}`,
            Segments: [{ Segment_ID: 'store', Status: '1' }],
          },
        ],
      },
    });
    expect(JSON.parse(text)).toEqual(message?.body);
  });

  it('shows both signatures while keys are rotated', () => {
    const keys = { signatureHeader: 'X-S', signatureKeys: ['old', 'new'] };
    const { message } = previewed({ ...S2S, ...keys, mappings });
    const [first, second] = ['old', 'new'].map((key) =>
      createHmac('sha1', key)
        .update(message?.text ?? '')
        .digest('base64'),
    );
    expect(message?.headers['X-S']).toBe(`${first}, ${second}`);
  });

  it.each([false, true])('shows the file, compressed: %s', (compress) => {
    const destination = {
      name: 'D',
      destinationType: 'S2S',
      transfer: 'file',
      target: 'sftp://us@partner.example/in',
      credentials: { hostKey: `SHA256:${'a'.repeat(43)}`, password: 'secret' },
      alias: 'XYZCustomer',
      userDataSourceId: 2001,
      compress,
      mappings: [...mappings, { sid: 51, traitAlias: 'home' }],
    };
    const { file, problems } = previewed(destination);
    const root = `ftp_806_2001_XYZCustomer_iter_${NOON}`;
    expect(problems).toEqual([]);
    expect(file).toMatchObject({
      name: `${root}.sync${compress ? '.gz' : ''}`,
      lines: ['id-in-2001 store,home'],
      infoName: `${root}.info`,
      info: { Totals: { TotalNumberFiles: 1, TotalNumberLines: 1 } },
    });
    if (compress) return;
    const text = 'id-in-2001 store,home\n';
    expect(file?.info.Files).toEqual([
      {
        FileByteSize: text.length,
        FileLineCount: 1,
        FileName: file?.name,
        FileSequenceNumber: 1,
        md5: createHash('md5').update(text).digest('hex'),
      },
    ]);
  });
});

/** Destinations of all kinds that can be saved. */
const destinations = (() => {
  const text = fc.string({ minLength: 1, maxLength: 8 });
  const sids = fc.uniqueArray(fc.integer({ min: 51, max: 56 }), { minLength: 1 });
  const macro = fc.constantFrom('%DID%', '%RND%', '%TIMESTAMP%', '%MCID%', '%DPID_2001%', '${GPP}');
  const url = fc
    .tuple(fc.constantFrom('http', 'https'), fc.array(macro))
    .map(
      ([scheme, macros]) =>
        `${scheme}://p.example/?${macros.map((m, i) => `p${i}=${m}`).join('&')}`,
    );
  const common = {
    destinationId: fc.constant(900),
    name: fc.constant('D'),
    priority: fc.integer({ min: -5, max: 5 }),
    autoFill: fc.constant('SEGMENT_ID'),
  };
  const each = (fields: fc.Arbitrary<object>) =>
    sids.chain((all) => fc.tuple(...all.map((sid) => fields.map((more) => ({ sid, ...more })))));
  const plain = fc.record({
    ...common,
    destinationType: fc.constant('PUSH'),
    tagType: fc.constantFrom(0, 1),
    mappings: each(fc.record({ url })),
  });
  const serialized = fc.record({
    ...common,
    destinationType: fc.constant('PUSH'),
    serializationEnabled: fc.constant(true),
    urlFormatString: url.map((one) => `${one}&s=%ALIAS%`),
    delimiter: fc.constantFrom(',', '|', '%2C'),
    mappings: each(fc.record({ traitAlias: fc.option(text, { nil: undefined }) })),
  });
  const cookie = fc.record({
    ...common,
    destinationType: fc.constant('ADS'),
    cookieName: fc.constant('audience'),
    cnameDomain: fc.constantFrom('', `.${SHOP}`, 'www.shop.example'),
    ttl: fc.constantFrom(0, 1, 30),
    maxSize: fc.integer({ min: 1, max: 60 }),
    formatType: fc.constant('key_value'),
    serializationEnabled: fc.boolean(),
    mappings: each(
      fc.record({ traitAlias: text, valueAlias: text, priority: fc.integer({ min: 0, max: 3 }) }),
    ),
  });
  return fc.oneof(plain, serialized, cookie) as fc.Arbitrary<Fields>;
})();

describe('the preview of a destination that can be saved', () => {
  it('is what a visitor who holds all its segments gets', () => {
    fc.assert(
      fc.property(
        destinations,
        fc.constantFrom('www.shop.example', COLLECTOR),
        (destination, host) => {
          const account = { ...exampleAccount(), destinations: [destination] } as Fields;
          (account.sites as Fields[])[0].hosts = [];
          const snapshot = compileAccount(account);
          const pageHost = 'www.shop.example';
          const setting = { page: { host: pageHost, secure: true }, site: 1, hosts: [host] };
          const { calls, cookie, problems, visitor } = previewed(destination, setting, account);
          expect(problems).toEqual([]);

          const raw = {
            query: `d_rtbd=json&d_dst=1&${new URLSearchParams(visitor.consent)}`,
            body: '',
            foreignBody: false,
            header: (name: string) =>
              ({ host, referer: `https://${pageHost}/`, 'x-forwarded-proto': 'https' })[name] ??
              null,
            cookies: {},
            at: NOON,
          };
          const settings = { region: 7, cookieName: 'd', deviceCookie: new DeviceCookie('d') };
          const read = readCall(raw, snapshot, settings);
          const call = {
            ...read,
            transaction: { ...read.transaction, nonce: 1_234_567_890 },
            // The sample stands for whichever string consents.
            stated: { gdpr: undefined, objectsToSale: undefined, at: NOON },
          };
          const profile = new Profile();
          for (const trait of [11, 12, 13, 14, 16]) profile.realize(trait, NOON / DAY - 0.5, 2);
          profile.ecid = visitor.ecid;
          for (const [id, known] of Object.entries(visitor.ids)) profile.declare(Number(id), known);
          const decision = decide(snapshot, call, DEVICE, profile, 7);
          expect(decision.urls.map(({ url, secureUrl }) => ({ url, secureUrl }))).toEqual(
            calls.map(({ url, secureUrl }) => ({ url, secureUrl })),
          );
          const response = answer(
            { call, realization: NO_REALIZATION, decision, deviceId: undefined },
            snapshot,
            settings,
          );
          const how = cookie?.reach[0].how;
          const bytes = cookie?.bytes ?? 0;
          expect(response.headers.getSetCookie()).toEqual(
            how === 'server' && bytes > 0 ? [cookie?.line] : [],
          );
          expect(decision.cookies.map(({ name, value }) => ({ name, value }))).toEqual(
            how !== 'nobody' && bytes > 0 ? [{ name: cookie?.name, value: cookie?.value }] : [],
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('finds wrong what saving finds wrong', () => {
    const spoilt = fc.record(
      {
        siteIDs: fc.constantFrom([1], [7], []),
        domainRestrictions: fc.constantFrom('inclusion', 'exclusion'),
        dataExportLabels: fc.constantFrom(['PII'], ['PII', 'ON_SITE_AD_TARGETING']),
        platform: fc.constantFrom('ios', 'browser'),
        autoFill: fc.constantFrom('NONE', 'INTEGRATION_CODE'),
      },
      { requiredKeys: [] },
    );
    const mapping = fc.constantFrom(
      {},
      { sid: 99 },
      { url: 'ftp://x' },
      { url: 'https://x/?%NO%' },
      { traitAlias: '', valueAlias: '' },
      { startDate: '2026-07-04', endDate: '2026-07-03' },
      { elementStatus: 'inactive' },
    );
    const account = changed({
      'dataSources[1].dataExportRestrictions': ['PII'],
      'dataSources[0].dataExportRestrictions': ['ON_SITE_AD_TARGETING'],
    }) as Fields;
    const places = (problems: readonly { path: string; wrong: string }[]) =>
      problems.map(({ path, wrong }) => `${path}: ${wrong}`).sort();
    fc.assert(
      fc.property(destinations, spoilt, fc.array(mapping), (destination, change, mappings) => {
        const given = (destination.mappings as Fields[]).map((one, i) => ({
          ...one,
          ...mappings[i],
        }));
        const whole = { ...destination, ...change, mappings: given };
        const at = (account.destinations as unknown[]).length;
        let saving: string[] = [];
        try {
          compileAccount({
            ...account,
            destinations: [...(account.destinations as unknown[]), whole],
          });
        } catch (error) {
          if (!(error instanceof AccountError)) throw error;
          const prefix = `destinations[${at}].`;
          saving = places(
            error.problems
              // Destinations of the example are blocked, too.
              .filter(({ path }) => path.startsWith(prefix))
              .map((problem) => ({ ...problem, path: problem.path.slice(prefix.length) })),
          );
        }
        expect(places(previewed(whole, {}, account).problems)).toEqual(saving);
      }),
      { numRuns: 300 },
    );
  });
});

describe('POST /v1/preview', () => {
  const collector = new Collector();
  const ask = async (body: unknown, token = TOKEN) => {
    const response = await collector.send('/v1/preview', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${token}` },
    });
    return { status: response.status, body: await response.json() };
  };

  it('answers for the visitor, site and page that are asked about', async () => {
    const mappings = [{ sid: 51, valueAlias: 'a' }];
    const destination = { ...ADS, mappings };
    const { status, body } = await ask({ destination, siteId: 1, uuid: DEVICE });
    expect(status).toBe(200);
    expect(body.visitor.uuid).toBe(DEVICE);
    expect(body.cookie.reach).toMatchObject([{ host: COLLECTOR, how: 'script' }]);
    const page = 'https://news.example/today';
    const other = await ask({ destination, page });
    expect(other.body.blocked).toMatchObject([{ sid: 51, reason: 'cookie-domain' }]);
  });

  it('takes what is not given of a stored destination from there', async () => {
    const { body } = await ask({ destination: { destinationId: 802, ...PUSH, name: 'Renamed' } });
    // It is no longer serialized, so its mappings lack their addresses.
    expect(body.problems.map(({ path }: { path: string }) => path)).toEqual([
      'mappings[0].url',
      'mappings[1].url',
      'mappings[2].url',
    ]);
  });

  it.each([
    ['nothing', {}, 400, 'destination'],
    ['a field that is none', { destination: PUSH, url: 1 }, 400, 'url'],
    ['a site that is none', { destination: PUSH, siteId: 9 }, 400, 'siteId'],
    ['a page that is none', { destination: PUSH, page: 'shop' }, 400, 'page'],
    ['a device id that is none', { destination: PUSH, uuid: '1' }, 400, 'uuid'],
  ])('%s is refused', async (_, body, status, path) => {
    const answer = await ask(body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors).toMatchObject([{ path }]);
  });

  it('is for those who may look', async () => {
    expect((await ask({ destination: PUSH }, 'wrong')).status).toBe(401);
  });
});

it('does not sign for those who may only look', () => {
  const keys = { signatureHeader: 'X-S', signatureKeys: ['hush'] };
  const { message } = previewed({ ...S2S, ...keys, mappings: [] }, { maySign: false });
  expect(message?.headers).toEqual({
    'Content-Type': 'application/json',
    'X-S': '(a signature, for editors to see)',
  });
});
