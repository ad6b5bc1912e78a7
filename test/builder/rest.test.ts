/** The REST interface: every route with good, wrong, unauthorised and concurrent requests. */
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { compileAccount } from '../../src/account/snapshot.ts';
import { Line } from '../../src/builder/line.ts';
import { RESOURCES } from '../../src/builder/resource.ts';
import { exampleAccount, OWN } from '../account/example.ts';
import { Collector, TOKEN } from '../collect/collector.ts';
import { startServer } from '../server.ts';

let collector: Collector;
beforeEach(() => {
  collector = new Collector();
});

interface Answer {
  readonly status: number;
  readonly etag: string | null;
  readonly location: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: JSON, looked at field by field
  readonly body: any;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await collector.send(`/v1/${path}`, {
    method,
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    headers: { Authorization: `Bearer ${TOKEN}`, ...headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    location: response.headers.get('location'),
    body: text === '' ? undefined : JSON.parse(text),
  };
}
const get = (path: string, headers?: Record<string, string>) =>
  call('GET', path, undefined, headers);

/** For each resource, an entry that can be made of nothing else, and one that is there. */
const CASES = [
  ['destinations', 'destinationId', { name: 'New', destinationType: 'PUSH' }, 801],
  [
    'traits',
    'sid',
    {
      name: 'New',
      traitType: 'RULE_BASED_TRAIT',
      traitRule: 'c_x == "1"',
      dataSourceId: OWN,
    },
    13,
  ],
  ['segments', 'sid', { name: 'New', segmentRule: '11T AND 12T' }, 54],
  ['datasources', 'dataSourceId', { name: 'New', dataExportRestrictions: ['PII'] }, OWN],
  ['folders', 'folderId', { name: 'New', parentFolderId: 100 }, 101],
  ['sites', 'siteId', { name: 'New', domains: ['new.example'] }, undefined],
] as const;

describe.each(CASES)('/v1/%s', (path, id, fresh) => {
  it('creates, gives, lists, changes and deletes', async () => {
    const before = (await get(path)).body.length;
    const made = await call('POST', `${path}/`, fresh);
    expect(made).toMatchObject({ status: 201, body: { ...fresh, pid: 1 } });
    const own = made.body[id];
    expect(made.location).toBe(`/v1/${path}/${own}`);
    expect(made.body.createTime).toBe(made.body.updateTime);
    expect(await get(`${path}/${own}`)).toMatchObject({
      status: 200,
      etag: made.etag,
      body: made.body,
    });
    expect((await get(path)).body).toHaveLength(before + 1);
    const changed = await call('PUT', `${path}/${own}`, { ...made.body, name: 'Newer' });
    expect(changed).toMatchObject({
      status: 200,
      body: { name: 'Newer', createTime: made.body.createTime },
    });
    expect(changed.etag).not.toBe(made.etag);
    expect(await call('DELETE', `${path}/${own}/`)).toMatchObject({ status: 204, body: undefined });
    expect((await get(`${path}/${own}`)).status).toBe(404);
    expect((await get(path)).body).toHaveLength(before);
  });

  it('deletes several, or none of them', async () => {
    const ids: number[] = [];
    for (let n = 0; n < 3; n++) {
      ids.push((await call('POST', path, { ...fresh, name: `N${n}` })).body[id]);
    }
    expect(new Set(ids).size).toBe(3);
    expect((await call('POST', `${path}/bulk-delete/`, [...ids, 999_999])).status).toBe(404);
    expect((await get(`${path}/${ids[0]}`)).status).toBe(200);
    expect((await call('POST', `${path}/bulk-delete`, ids)).status).toBe(204);
    expect((await get(`${path}/${ids[0]}`)).status).toBe(404);
  });

  it('says everything that is wrong, and saves nothing of it', async () => {
    const revision = (await get('export')).etag;
    const wrong = await call('POST', path, { ...fresh, name: '', nonsense: 1 });
    expect(wrong.status).toBe(400);
    expect(wrong.body.errors.map((problem: { path: string }) => problem.path).sort()).toEqual([
      'name',
      'nonsense',
    ]);
    for (const problem of wrong.body.errors) expect(problem.instead).toBeTruthy();
    expect((await get('export')).etag).toBe(revision);
  });

  it('never lets two people replace each other unseen', async () => {
    const { body, etag } = await call('POST', path, fresh);
    const one = `${path}/${body[id]}`;
    const results = await Promise.all(
      ['A', 'B', 'C'].map((name) =>
        call('PUT', one, { ...body, name }, { 'If-Match': etag as string }),
      ),
    );
    expect(results.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
    expect((await call('DELETE', one, undefined, { 'If-Match': etag as string })).status).toBe(412);
    const now = await get(one);
    expect(await get(one, { 'If-None-Match': now.etag as string })).toMatchObject({ status: 304 });
    const headers = { 'If-Match': now.etag as string };
    expect((await call('DELETE', one, undefined, headers)).status).toBe(204);
  });

  it('never gives an id to something new that another one had, whatever became of it', async () => {
    const { body: document } = await get('export');
    const make = async () => (await call('POST', path, fresh)).body[id] as number;
    const first = await make();
    await call('DELETE', `${path}/${first}`);
    const trial = await call('POST', `${path}?dryRun=true`, fresh);
    expect(trial.body[id]).toBe(first + 1);
    const second = await make();
    expect(second).toBe(first + 1);
    const { body: activity } = await get('activity?pageSize=1');
    await call('POST', `activity/${activity.list[0].revision}/undo`);
    expect((await get(`${path}/${second}`)).status).toBe(404);
    const third = await make();
    expect(third).toBe(second + 1);
    await call('POST', 'import', document);
    expect(await make()).toBe(third + 1);
  });

  it('has an id for something new even where somebody has used the highest', async () => {
    const highest = 2 ** 32 - 1;
    await call('POST', path, { ...fresh, [id]: highest });
    const { status, body } = await call('POST', path, fresh);
    expect(status).toBe(201);
    expect(body[id]).toBeLessThan(highest);
  });

  it('keeps all of what many create at the same moment, each with an id of its own', async () => {
    const before = (await get(path)).body.length;
    const made = await Promise.all(
      Array.from({ length: 12 }, (_, n) => call('POST', path, { ...fresh, name: `N${n}` })),
    );
    expect(made.every(({ status }) => status === 201)).toBe(true);
    expect(new Set(made.map(({ body }) => body[id])).size).toBe(12);
    expect((await get(path)).body).toHaveLength(before + 12);
  });

  it.each([
    ['GET', ''],
    ['POST', ''],
    ['GET', '/1'],
    ['PUT', '/1'],
    ['DELETE', '/1'],
    ['POST', '/bulk-delete'],
  ])('%s %s is for those with the token', async (method, rest) => {
    const answer = await call(method, `${path}${rest}`, method === 'GET' ? undefined : {}, {
      Authorization: 'Bearer wrong',
    });
    expect(answer.status).toBe(401);
  });

  it.each([
    ['PUT of one that is not there', 'PUT', '/999999', fresh, 404],
    ['DELETE of one that is not there', 'DELETE', '/999999', undefined, 404],
    ['a body that is not JSON', 'POST', '', '{', 400],
    ['a body that is no object', 'POST', '', [], 400],
    ['a body that is no list of ids', 'POST', '/bulk-delete', { ids: [1] }, 400],
    ['an empty list of ids', 'POST', '/bulk-delete', [], 400],
    ['a page that is no number', 'GET', '?page=x', undefined, 400],
    ['a page size of 0', 'GET', '?pageSize=0', undefined, 400],
  ])('%s: what is wrong, and what to write', async (_, method, rest, body, status) => {
    const answer = await call(method, `${path}${rest}`, body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0]).toMatchObject({
      path: expect.any(String),
      wrong: expect.any(String),
      instead: expect.any(String),
    });
  });
});

describe('a list', () => {
  it.each([
    ['search=shoe', [12]],
    ['search=SHOES', [12]],
    ['search=p_income', [13]],
    ['search=nothing+at+all', []],
    ['sortBy=name', [15, 14, 11, 13, 16, 12]],
    ['sortBy=sid&descending=true', [16, 15, 14, 13, 12, 11]],
    ['sortBy=ttl&search=o', [16, 12, 11, 13, 14]],
  ])('of traits with %s', async (query, sids) => {
    const { body } = await get(`traits?${query}`);
    expect(body.map(({ sid }: { sid: number }) => sid)).toEqual(sids);
  });

  it.each([
    ['traits?folderId=100', [11, 12, 15]],
    ['traits?folderId=101', [12]],
    ['traits?folderId=999', []],
    ['traits?traitType=ON_BOARDED_TRAIT', [14]],
    ['traits?folderId=100&traitType=RULE_BASED_TRAIT&search=shoes', [12]],
    ['segments?containsTrait=11', [51]],
    // Not because of 11 and 15: traits are named as a whole.
    ['segments?containsTrait=1', []],
    ['segments?containsTrait=.', []],
  ])('%s', async (path, sids) => {
    const { body } = await get(path);
    expect(body.map(({ sid }: { sid: number }) => sid)).toEqual(sids);
  });

  it('has pages, from 0', async () => {
    const page = async (n: number) => (await get(`traits/?page=${n}&pageSize=4&sortBy=sid`)).body;
    expect(await page(0)).toMatchObject({ page: 0, pageSize: 4, total: 6 });
    expect((await page(0)).list.map(({ sid }: { sid: number }) => sid)).toEqual([11, 12, 13, 14]);
    expect((await page(1)).list.map(({ sid }: { sid: number }) => sid)).toEqual([15, 16]);
    expect((await page(2)).list).toEqual([]);
  });

  it('of destinations knows their segments, and shows mappings where it is asked to', async () => {
    const ids = async (query: string) =>
      (await get(`destinations?${query}`)).body.map(
        ({ destinationId }: { destinationId: number }) => destinationId,
      );
    const { destinations } = exampleAccount();
    const expected = destinations
      .filter(({ mappings }) => mappings?.some(({ sid }) => sid === 52))
      .map(({ destinationId }) => destinationId);
    expect(await ids('containsSegment=52')).toEqual(expected);
    expect(await ids('destinationType=ADS')).toEqual([804]);
    expect(await ids('destinationType=ADS,S2S')).toEqual([804, 805]);
    expect((await get('destinations/802')).body.mappings).toBeUndefined();
    const { body } = await get('destinations/802?includeMappings=true');
    expect(body.mappings).toMatchObject([
      { sid: 51, destinationMappingId: 1, traitAlias: 'home' },
      { sid: 52, destinationMappingId: 2 },
      { sid: 53, destinationMappingId: 3 },
    ]);
  });
});

describe('what belongs together', () => {
  it.each([
    ['a destination with mappings', 'DELETE', 'destinations/801', /has mappings/],
    ['a trait that a segment needs', 'DELETE', 'traits/11', /there is no trait 11/],
    ['a segment that is mapped', 'DELETE', 'segments/51', /there is no segment 51/],
    ['a data source that has traits', 'DELETE', `datasources/${OWN}`, /there is no data source/],
    ['a folder that holds traits', 'DELETE', 'folders/101', /there is no folder 101/],
  ])('%s stays', async (_, method, path, words) => {
    const answer = await call(method, path);
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body.errors)).toMatch(words);
    expect((await get(path)).status).toBe(200);
  });

  it('an id that is taken is refused; traits and segments share theirs', async () => {
    const segment = { name: 'S', segmentRule: '11T' };
    expect((await call('POST', 'segments', { ...segment, sid: 11 })).status).toBe(409);
    expect((await call('POST', 'segments', { ...segment, sid: 4_711 })).body.sid).toBe(4_711);
    expect((await call('PUT', 'segments/4711', { ...segment, sid: 4_712 })).status).toBe(400);
    const next = await call('POST', 'segments', segment);
    expect(next.body.sid).toBe(4_712);
  });

  it('a rule is checked, and shown under its character', async () => {
    const body = { name: 'S', segmentRule: '11T AND' };
    const answer = await call('POST', 'segments', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([
      { path: 'segmentRule', instead: expect.stringContaining('^') },
    ]);
  });
});

describe('mappings of a destination', () => {
  const path = 'destinations/802/mappings';

  it('are made, given, listed, changed and deleted', async () => {
    const made = await call('POST', path, { sid: 56, traitAlias: 'partner' });
    expect(made).toMatchObject({
      status: 201,
      body: { sid: 56, traitAlias: 'partner', destinationMappingId: 4, elementStatus: 'active' },
    });
    expect((await get(`${path}/4`)).etag).toBe(made.etag);
    expect((await get(path)).body).toHaveLength(4);
    const headers = { 'If-Match': made.etag as string };
    const body = { sid: 56, traitAlias: 'other', endDate: '2030-01-01' };
    const results = await Promise.all([1, 2].map(() => call('PUT', `${path}/4`, body, headers)));
    expect(results.map(({ status }) => status).sort()).toEqual([200, 412]);
    expect((await call('POST', `${path}/bulk-delete`, [1, 4])).status).toBe(204);
    expect((await get(path)).body.map(({ sid }: { sid: number }) => sid)).toEqual([52, 53]);
    expect((await call('DELETE', `${path}/2`)).status).toBe(204);
    expect((await get(`${path}/2`)).status).toBe(404);
    expect((await get(`${path}/3`)).body.sid).toBe(53);
    // Not that of the one that is gone.
    expect((await call('POST', path, { sid: 56, traitAlias: 'new' })).body).toMatchObject({
      destinationMappingId: 5,
    });
  });

  it.each([
    ['of a segment that is not there', { sid: 4_711, traitAlias: 'x' }, 'sid'],
    ['with a date that is none', { sid: 56, traitAlias: 'x', endDate: '1st May' }, 'endDate'],
    ['with a field that is none', { sid: 56, traitAlias: 'x', alias: 'x' }, 'alias'],
    ['without what is to be sent', { sid: 56 }, 'traitAlias'],
  ])('%s are refused', async (_, body, where) => {
    const answer = await call('POST', path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ path: where }]);
  });

  it('stay when the destination is written without them, and go with it when it is written so', async () => {
    const { body } = await get('destinations/802');
    await call('PUT', 'destinations/802', { ...body, name: 'Renamed' });
    expect((await get(path)).body).toHaveLength(3);
    await call('PUT', 'destinations/802', { ...body, mappings: [] });
    expect((await get(path)).body).toHaveLength(0);
    expect((await call('DELETE', 'destinations/802')).status).toBe(204);
  });

  it('go with their destination where that is asked for, in one change', async () => {
    const one = await get('destinations/802');
    const { etag: before } = await get('export');
    const refused = await call('DELETE', 'destinations/802?withMappings=false');
    expect(refused).toMatchObject({
      status: 409,
      body: { errors: [{ wrong: expect.stringContaining('has mappings') }] },
    });
    const stale = { 'If-Match': '"another"' };
    const late = await call('DELETE', 'destinations/802?withMappings=true', undefined, stale);
    expect(late.status).toBe(412);
    const seen = { 'If-Match': one.etag as string };
    const gone = await call('DELETE', 'destinations/802?withMappings=true', undefined, seen);
    expect(gone.status).toBe(204);
    expect((await get('destinations/802')).status).toBe(404);
    const revision = (etag: string | null) => Number(etag?.replaceAll('"', ''));
    expect(revision((await get('export')).etag)).toBe(revision(before) + 1);
  });

  it('of an unknown destination are not there', async () => {
    expect((await get('destinations/1/mappings')).status).toBe(404);
  });
});

it.each<[Record<string, unknown>, Record<string, unknown>]>([
  [
    { endpointUrl: 'https://partner.example/', signatureHeader: 'X-Signature' },
    { signatureKeys: ['hush-1'] },
  ],
  [
    { transfer: 'file', target: 's3://bucket/in' },
    { credentials: { accessKeyId: 'id', secretAccessKey: 'hush-1' } },
  ],
])('secrets are written, kept, and never given back: %o', async (fields, secrets) => {
  const body = { name: 'S', destinationType: 'S2S', ...fields };
  const made = await call('POST', 'destinations', { ...body, ...secrets });
  expect(made.status).toBe(201);
  const path = `destinations/${made.body.destinationId}`;
  expect((await call('PUT', path, { ...body, name: 'T' })).status).toBe(200);
  const answers = [made, await get(path), await get('destinations')];
  expect(JSON.stringify(answers)).not.toContain('hush');
  expect(JSON.stringify((await get('export')).body)).toContain('hush-1');
});

describe('a secret of which only a part is written', () => {
  const server = { name: 'S', destinationType: 'S2S', endpointUrl: 'https://partner.example/' };
  const signed = { ...server, signatureHeader: 'X-Signature' };
  const oauth = { tokenUrl: 'https://t.example/', clientId: 'c', clientSecret: 'hush' };
  const make = async (entry: object) => {
    const { status, body } = await call('POST', 'destinations', entry);
    expect(status).toBe(201);
    return body.destinationId as number;
  };
  const stored = async (id: number) => {
    const { destinations } = (await get('export')).body;
    return destinations.find((one: { destinationId: number }) => one.destinationId === id);
  };

  it.each([
    ['a second key beside the kept one', [{ kept: 0 }, 'new'], ['old', 'new']],
    ['the kept ones the other way round', [{ kept: 1 }, { kept: 0 }], ['older', 'old']],
    ['only the second', [{ kept: 1 }], ['older']],
    ['another one', ['new'], ['new']],
  ])('keys: %s', async (_, signatureKeys, keys) => {
    const id = await make({ ...signed, signatureKeys: ['old', 'older'] });
    const { status, body } = await call('PUT', `destinations/${id}`, { ...signed, signatureKeys });
    expect(status).toBe(200);
    expect(body.notShown).toEqual(keys.map((_, at) => `signatureKeys[${at}]`));
    expect((await stored(id)).signatureKeys).toEqual(keys);
  });

  it('a key that is not there cannot be kept', async () => {
    const id = await make({ ...signed, signatureKeys: ['old'] });
    const path = `destinations/${id}`;
    const put = await call('PUT', path, { ...signed, signatureKeys: [{ kept: 1 }] });
    expect(put).toMatchObject({ status: 400, body: { errors: [{ path: 'signatureKeys[0]' }] } });
  });

  it('of OAuth the rest stays, and all of it goes', async () => {
    const id = await make({ ...server, oauth });
    const path = `destinations/${id}`;
    expect((await get(path)).body.notShown).toEqual([
      'oauth.tokenUrl',
      'oauth.clientId',
      'oauth.clientSecret',
    ]);
    // As it was given, with one part.
    const { body } = await get(path);
    await call('PUT', path, { ...body, oauth: { clientId: 'd' } });
    const next = await stored(id);
    expect(next.oauth).toEqual({ ...oauth, clientId: 'd' });
    expect(next).not.toHaveProperty('notShown');
    await call('PUT', path, { ...body, oauth: null });
    expect((await get(path)).body).not.toHaveProperty('notShown');
  });
});

it('destinations are found by whom they fall back to', async () => {
  const server = { name: 'S', destinationType: 'S2S', endpointUrl: 'https://partner.example/' };
  const { body } = await call('POST', 'destinations', server);
  const url = { name: 'U', destinationType: 'PUSH', fallbackDestinationId: body.destinationId };
  const made = await call('POST', 'destinations', url);
  expect(made.status).toBe(201);
  const found = await get(`destinations?fallbackDestinationId=${body.destinationId}`);
  expect(found.body.map(({ destinationId }: { destinationId: number }) => destinationId)).toEqual([
    made.body.destinationId,
  ]);
});

describe('the whole document', () => {
  it('is exported as it was imported, and can be looked at before', async () => {
    const { body: document, etag } = await get('export');
    const next = { ...document, segments: [{ ...document.segments[0], name: 'House' }] };
    next.destinations = [];
    const trial = await call('POST', 'import?dryRun=true', next);
    expect(trial.body.differences).toContain('~ segments 51 "House"');
    expect(trial.etag).toBe(etag);
    expect((await get('export')).etag).toBe(etag);
    const done = await call('POST', 'import', next, { 'If-Match': etag as string });
    expect(done).toMatchObject({ status: 200, body: { differences: trial.body.differences } });
    expect((await get('export')).body).toEqual(next);
    // Another one who looked at the one before.
    const late = await call('POST', 'import', document, { 'If-Match': etag as string });
    expect(late.status).toBe(412);
    const lateTrial = await call('POST', 'import?dryRun=true', document, {
      'If-Match': etag as string,
    });
    expect(lateTrial.status).toBe(412);
  });

  it('is refused beforehand where it would lead to where it must not', async () => {
    collector = new Collector({
      screen: async () => [{ path: 'destinations[0]', wrong: 'inside', instead: 'outside' }],
    });
    const { body: document } = await get('export');
    for (const query of ['', '?dryRun=true']) {
      const { status, body } = await call('POST', `import${query}`, document);
      expect([status, body.errors[0].wrong]).toEqual([400, 'inside']);
    }
  });

  it('is replaced by one of those who have looked at the same one, at the same moment', async () => {
    const { body: document, etag } = await get('export');
    const answers = await Promise.all(
      ['A', 'B', 'C'].map((name) => {
        const next = { ...document, sites: [{ ...document.sites[0], name }] };
        return call('POST', 'import', next, { 'If-Match': etag as string });
      }),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
  });

  it.each<[string, (document: unknown) => [string, unknown], number]>([
    ['imports', (document) => ['import?dryRun=true', document], 1 + 3],
    ['trials', () => ['trials', { list: 'traits', entry: CASES[1][2] }], 1 + 20],
  ])('%s go one after the other, a few wait, and the rest is to come back', async (_, of, some) => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    let [now, atOnce] = [0, 0];
    collector = new Collector({
      screen: async () => {
        atOnce = Math.max(atOnce, ++now);
        await opened;
        now--;
        return [];
      },
    });
    const [path, body] = of((await get('export')).body);
    const ask = () =>
      collector.send(`/v1/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { Authorization: `Bearer ${TOKEN}` },
      });
    const within = Array.from({ length: some }, ask);
    const refused = await ask();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
    expect((await refused.json()).errors[0].instead).toBe('try again in a few seconds');
    open();
    expect((await Promise.all(within)).map(({ status }) => status)).toEqual(within.map(() => 200));
    expect(atOnce).toBe(1);
    expect((await ask()).status).toBe(200);
  });

  it('nobody waits for what somebody wanted who has gone', async () => {
    const line = new Line('turns', 1);
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const { signal } = new AbortController();
    const first = line.take(
      signal,
      async () => 1,
      () => opened,
    );
    const leaving = new AbortController();
    const second = line.take(
      leaving.signal,
      async () => 2,
      async () => expect.unreachable(),
    );
    await Promise.resolve();
    leaving.abort();
    await expect(second).rejects.toThrow('gone');
    const third = line.take(
      signal,
      async () => 3,
      async (given) => given,
    );
    open();
    await first;
    expect(await third).toBe(3);
  });

  it('that is wrong is refused with every error', async () => {
    const { body: document, etag } = await get('export');
    for (const query of ['', '?dryRun=true']) {
      const answer = await call('POST', `import${query}`, { ...document, traits: [{}], x: 1 });
      expect(answer.status).toBe(400);
      expect(answer.body.errors.length).toBeGreaterThan(3);
    }
    expect((await get('export')).etag).toBe(etag);
  });
});

describe('OpenAPI', () => {
  it('describes every route with the schemas that check the requests', async () => {
    const { body } = await get('openapi.json');
    expect(body.openapi).toBe('3.1.0');
    for (const { path } of RESOURCES) {
      expect(Object.keys(body.paths[`/v1/${path}`])).toEqual(
        expect.arrayContaining(['get', 'post']),
      );
      expect(Object.keys(body.paths[`/v1/${path}/{id}`])).toEqual(
        expect.arrayContaining(['get', 'put', 'delete']),
      );
    }
    const { properties, required } = body.components.schemas.trait;
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(['traitRule', 'ttl']));
    expect(required).toEqual(expect.arrayContaining(['name', 'traitType', 'dataSourceId']));
    expect(required).not.toContain('sid');
    // What it refers to is there.
    const names = [...JSON.stringify(body).matchAll(/"#\/components\/schemas\/(\w+)"/g)];
    for (const [, name] of names) expect(body.components.schemas[name]).toBeDefined();
    // It is itself JSON Schema that a validator can read.
    expect(() => z.fromJSONSchema(body.components.schemas.segment)).not.toThrow();
  });
});

it('everything that is saved can be served', async () => {
  for (const [path, , fresh] of CASES) await call('POST', path, fresh);
  expect(() => compileAccount(exampleAccount())).not.toThrow();
  const { body } = await get('export');
  expect(() => compileAccount(body)).not.toThrow();
});

it('on a real server, a change is in force within a second', async () => {
  const account = {
    dataSources: [{ dataSourceId: 1, name: 'Own' }],
    folders: [],
    traits: [],
    segments: [],
    destinations: [],
    sites: [{ siteId: 1, name: 'Shop', domains: ['shop.test'] }],
  };
  const server = await startServer({ account });
  const send = async (path: string, body: unknown) => {
    const response = await fetch(`${server.origin}/v1/${path}`, {
      method: 'POST',
      headers: { Authorization: 'Bearer test-token' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(201);
    return (await response.json()) as Record<string, number>;
  };
  const rule = { traitType: 'RULE_BASED_TRAIT', traitRule: 'c_page == "home"', dataSourceId: 1 };
  const trait = await send('traits', { name: 'Home', ...rule });
  const segment = await send('segments', { name: 'Home', segmentRule: `${trait.sid}T` });
  const destination = { name: 'DSP', destinationType: 'PUSH' };
  const { destinationId } = await send('destinations', destination);
  await send(`destinations/${destinationId}/mappings`, {
    sid: segment.sid,
    url: 'http://dsp.example/p',
  });
  const ask = async () => {
    const url = `${server.origin}/event?c_page=home&d_rtbd=json&d_dst=1`;
    return ((await (await fetch(url)).json()) as { dests: unknown[] }).dests;
  };
  await expect.poll(ask, { timeout: 1_000 }).toMatchObject([{ c: 'http://dsp.example/p' }]);
  await server.stop();
});

it('the demo stays the demo when it is edited, until another account takes its place', async () => {
  const first = await startServer();
  const { folder } = first;
  const ask = async (path: string, method = 'GET', body?: unknown) => {
    const response = await fetch(`${server.origin}${path}`, {
      method,
      headers: { Authorization: 'Bearer test-token' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  let server = first;
  const site = { name: 'Mine', domains: ['mine.example'] };
  expect((await ask('/v1/sites', 'POST', site)).status).toBe(201);
  await server.stop();
  server = await startServer({ folder });
  expect((await ask('/v1/sites')).text).toContain('mine.example');
  expect((await ask('/demo/')).status).toBe(200);
  await server.stop();
  server = await startServer({ folder, account: exampleAccount() });
  expect((await ask('/v1/sites')).text).not.toContain('mine.example');
  expect((await ask('/demo/')).status).toBe(404);
  await server.stop();
});
