import { beforeEach, expect, it } from 'vitest';
import { exampleAccount } from '../account/example.ts';
import { Collector, TOKEN } from '../collect/collector.ts';

let collector: Collector;
beforeEach(() => {
  collector = new Collector();
});

const call = async (method: string, path: string, body?: object, headers = {}) => {
  const response = await collector.send(`/v1${path}`, {
    method,
    body: body && JSON.stringify(body),
    headers: { Authorization: `Bearer ${TOKEN}`, ...headers },
  });
  const etag = response.headers.get('etag');
  return { status: response.status, etag, body: JSON.parse(await response.text()) };
};

it('what the account needs is shown, also where it says nothing', async () => {
  expect(await call('GET', '/consent')).toMatchObject({
    status: 200,
    body: { purposes: [1], vendorId: null },
  });
});

it('is changed, and is part of the document', async () => {
  const needed = { purposes: [1, 10], vendorId: 565 };
  expect(await call('PUT', '/consent', needed)).toMatchObject({ status: 200, body: needed });
  expect((await call('GET', '/consent')).body).toEqual(needed);
  expect((await call('GET', '/export')).body.consent).toEqual(needed);
  const [{ changes }] =
    (await call('GET', '/activity')).body.list ?? (await call('GET', '/activity')).body;
  expect(changes.join()).toMatch(/consent/);
});

it('comes and goes with the whole document', async () => {
  await call('POST', '/import', { ...exampleAccount(), consent: { purposes: [2] } });
  expect((await call('GET', '/consent')).body).toEqual({ purposes: [2], vendorId: null });
  await call('POST', '/import', exampleAccount());
  expect((await call('GET', '/consent')).body).toEqual({ purposes: [1], vendorId: null });
});

it('is not replaced by who has not seen what is there', async () => {
  const { etag } = await call('GET', '/consent');
  await call('PUT', '/consent', { purposes: [3] });
  const late = await call('PUT', '/consent', { purposes: [4] }, { 'If-Match': etag });
  expect(late.status).toBe(412);
  const now = (await call('GET', '/consent')).etag;
  expect((await call('PUT', '/consent', { purposes: [4] }, { 'If-Match': now })).status).toBe(200);
});

it.each<[object, string, RegExp]>([
  [{ purposes: [0] }, 'purposes[0]', /0 is too small/],
  [{ purposes: [25] }, 'purposes[0]', /25 is too large/],
  [{ purposes: 1 }, 'purposes', /not a list/],
  [{ purposes: ['all'] }, 'purposes[0]', /"all" is not a number/],
  [{ vendorId: 4_097 }, 'vendorId', /too large/],
  [{ vendor: 7 }, 'vendor', /no such field/],
])('%j is refused', async (given, path, wrong) => {
  const { status, body } = await call('PUT', '/consent', given);
  expect(status).toBe(400);
  expect(body.errors).toEqual([
    { path, wrong: expect.stringMatching(wrong), instead: expect.any(String) },
  ]);
});
