/** Who changed what when, and one step back to before it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { changed, exampleAccount } from '../account/example.ts';
import { Collector, TOKEN } from '../collect/collector.ts';

let collector: Collector;
beforeEach(() => {
  collector = new Collector();
});

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const response = await collector.send(`/v1/${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { Authorization: `Bearer ${TOKEN}`, ...headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    etag: response.headers.get('etag') ?? '',
    body: text === '' ? undefined : JSON.parse(text),
  };
}
const get = (path: string) => call('GET', path);
const document = async () => (await get('export')).body;
const SEGMENT = { name: 'Both', segmentRule: '11T AND 12T' };

/** Revision 1, so that there is something before the next one. */
const begin = () => call('POST', 'import', exampleAccount());

describe('the list of activities', () => {
  it('has every change of the account, newest first, with who made it and what it was', async () => {
    const before = Date.now();
    await begin();
    const { body: segment } = await call('POST', 'segments', SEGMENT);
    await call('PUT', `segments/${segment.sid}`, { ...segment, name: 'Two' });
    await call('DELETE', `segments/${segment.sid}`);
    const { body } = await get('activity?pageSize=3');
    expect(body).toMatchObject({ page: 0, pageSize: 3, total: 4 });
    expect(body.list).toMatchObject([
      { revision: 4, what: 'account', by: 'ADMIN_TOKEN', changes: ['- segments 57 "Two"'] },
      {
        revision: 3,
        changes: ['~ segments 57 "Two"', '    name: "Both" → "Two"'],
        canRestore: true,
      },
      { revision: 2, changes: ['+ segments 57 "Both"'], canRestore: true },
    ]);
    for (const { at } of body.list) expect(at).toBeGreaterThanOrEqual(before);
    const last = await get('activity?page=1&pageSize=3');
    // Nothing was there before the first.
    expect(last.body.list).toMatchObject([{ revision: 1, canRestore: false }]);
  });

  it('has what changed of people and keys in between', async () => {
    await begin();
    await call('POST', 'people', { name: 'Ines', role: 'viewer' });
    await call('POST', 'segments', SEGMENT);
    const { body } = await get('activity?pageSize=3');
    expect(body.list).toMatchObject([
      { what: 'account', revision: 2 },
      { what: 'people', by: 'ADMIN_TOKEN', canRestore: false },
      { what: 'account', revision: 1 },
    ]);
    expect(body.list[1].revision).toBeUndefined();
    expect(JSON.stringify(body.list[1].changes)).toContain('ines');
    await call('DELETE', 'people/ines');
  });

  it('is empty where nothing was ever changed', async () => {
    expect(
      (await get('activity')).body.list.filter((one: { what: string }) => one.what === 'account'),
    ).toEqual([]);
  });
});

describe('going back to before', () => {
  it.each<[string, make: () => Promise<unknown>, lines: string[]]>([
    ['an entry was made', () => call('POST', 'segments', SEGMENT), ['- segments 57 "Both"']],
    [
      'an entry was changed',
      () => call('PUT', 'traits/12', { ...exampleAccount().traits[1], ttl: 7 }),
      ['~ traits 12 "Looked at shoes"', '    ttl: 7 → 30'],
    ],
    [
      'several were deleted',
      async () => {
        await call('PUT', 'destinations/805', {
          ...exampleAccount().destinations[4],
          mappings: [],
        });
        await call('POST', 'destinations/bulk-delete', [805]);
      },
      ['+ destinations 805 "Server"'],
    ],
    [
      'the whole document was replaced',
      () => call('POST', 'import', changed({ 'sites[0].name': 'Store' })),
      ['~ sites 1 "Shop"', '    name: "Store" → "Shop"'],
    ],
  ])('%s', async (_, make, lines) => {
    await begin();
    await make();
    const { list } = (await get('activity')).body;
    const { revision } = list[0];
    const shown = await get(`activity/${revision}`);
    expect(shown.body).toMatchObject({ revision, toNow: lines, canRestore: true });
    expect(shown.body.changes).toEqual(list[0].changes);
    const undone = await call('POST', `activity/${revision}/undo`, undefined, {
      'If-Match': shown.etag,
    });
    expect(undone).toMatchObject({
      status: 200,
      body: { revision: revision + 1, differences: lines },
    });
    expect((await get(`activity/${revision + 1}`)).body.changes).toEqual(lines);
    // And back again.
    const again = await call('POST', `activity/${revision + 1}/undo`);
    expect(again.status).toBe(200);
    expect((await get(`activity/${revision + 2}`)).body.changes).toEqual(list[0].changes);
  });

  it('puts back exactly what was there', async () => {
    await begin();
    const before = await document();
    await call('POST', 'segments', SEGMENT);
    await call('POST', 'folders', { name: 'New' });
    await call('POST', 'activity/2/undo');
    expect(await document()).toEqual(before);
  });

  it('in the middle undoes what came after it, too, and says so before', async () => {
    await begin();
    await call('POST', 'segments', SEGMENT);
    await call('POST', 'segments', { ...SEGMENT, name: 'Later' });
    const lines = ['- segments 57 "Both"', '- segments 58 "Later"'];
    expect((await get('activity/2')).body.toNow).toEqual(lines);
    expect((await call('POST', 'activity/2/undo')).body.differences).toEqual(lines);
    // What was undone is still in the history.
    expect((await get('activity')).body.total).toBeGreaterThanOrEqual(4);
    expect((await call('POST', 'activity/3/undo')).body.differences).toEqual([
      '+ segments 57 "Both"',
    ]);
  });

  it('never undoes what the caller has not seen', async () => {
    await begin();
    await call('POST', 'segments', SEGMENT);
    const { etag } = await get('activity/2');
    await call('POST', 'folders', { name: 'New' });
    const headers = { 'If-Match': etag };
    expect((await call('POST', 'activity/2/undo', undefined, headers)).status).toBe(412);
    expect((await document()).folders).toHaveLength(3);
    const now = { 'If-Match': (await get('activity/2')).etag };
    const results = await Promise.all(
      [1, 2, 3].map(() => call('POST', 'activity/2/undo', undefined, now)),
    );
    expect(results.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
  });

  it('is a change like any other while others edit', async () => {
    await begin();
    await call('POST', 'segments', SEGMENT);
    await Promise.all([
      call('POST', 'activity/2/undo'),
      ...['A', 'B', 'C'].map((name) => call('POST', 'folders', { name })),
    ]);
    const { list } = (await get('activity')).body;
    const revisions = list.flatMap(({ revision }: { revision?: number }) => revision ?? []);
    expect(revisions.slice(0, 6)).toEqual([6, 5, 4, 3, 2, 1]);
  });

  it.each([
    ['GET', 'activity/99'],
    ['POST', 'activity/99/undo'],
    ['GET', 'activity/0'],
  ])('%s %s: there is no such revision', async (method, path) => {
    await begin();
    expect((await call(method, path)).status).toBe(404);
  });

  it('says where that state is not kept any more', async () => {
    await begin();
    const first = await call('POST', 'activity/1/undo');
    expect(first.status).toBe(409);
    for (let n = 0; n < 52; n++) await call('POST', 'folders', { name: `F${n}` });
    const late = await call('POST', 'activity/2/undo');
    expect(late.status).toBe(409);
    expect(late.body.errors).toMatchObject([
      { wrong: expect.stringContaining('not kept any more') },
    ]);
    const { body } = await get('activity/2');
    expect(body).toMatchObject({ canRestore: false, toNow: [], changes: ['+ folders 102 "F0"'] });
    const entry = (await get('activity?pageSize=100')).body.list.find(
      ({ revision }: { revision?: number }) => revision === 2,
    );
    expect(entry.canRestore).toBe(false);
  });

  it('shows no secret', async () => {
    await begin();
    const body = {
      name: 'S',
      destinationType: 'S2S',
      endpointUrl: 'https://partner.example/',
      signatureHeader: 'X-Signature',
      signatureKeys: ['hush-1'],
    };
    const { body: made } = await call('POST', 'destinations', body);
    const path = `destinations/${made.destinationId}`;
    await call('PUT', path, { ...body, signatureKeys: ['hush-1', 'hush-2'] });
    const answers = [await get('activity'), await get('activity/3'), await get('activity/2')];
    answers.push(await call('POST', 'activity/3/undo'));
    expect(answers[1].body.changes).toHaveLength(2);
    expect(answers[1].body.changes[1]).toContain('signatureKeys');
    expect(JSON.stringify(answers)).not.toContain('hush');
    // It was put back all the same.
    const { destinations } = await document();
    expect(destinations.at(-1).signatureKeys).toEqual(['hush-1']);
  });

  it.each([
    ['GET', 'activity'],
    ['GET', 'activity/1'],
    ['POST', 'activity/1/undo'],
  ])('%s %s is for those who are known', async (method, path) => {
    const answer = await call(method, path, undefined, { Authorization: 'Bearer wrong' });
    expect(answer.status).toBe(401);
  });
});
