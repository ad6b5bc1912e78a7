/** Drafts: kept as they are, for everybody, without what is secret. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Collector, TOKEN } from '../collect/collector.ts';

const collector = new Collector();

async function call(
  method: string,
  path = '',
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const response = await collector.send(`/v1/drafts${path}`, {
    method,
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    headers: { Authorization: `Bearer ${TOKEN}`, ...headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    etag: response.headers.get('etag') ?? '',
    location: response.headers.get('location'),
    body: text === '' ? undefined : JSON.parse(text),
  };
}

const DRAFT = {
  name: 'Summer',
  step: 'mappings',
  destination: { destinationType: 'PUSH', name: 'Summer', mappings: [{ sid: 51, url: 'htt' }] },
};

beforeEach(async () => {
  for (const { draftId } of (await call('GET')).body) await call('DELETE', `/${draftId}`);
});

describe('a draft', () => {
  it('is kept as far as it goes, and says who wrote it last', async () => {
    const made = await call('POST', '', { ...DRAFT, destinationId: 801, etag: '"x"' });
    expect(made).toMatchObject({
      status: 201,
      location: `/v1/drafts/${made.body.draftId}`,
      body: { ...DRAFT, destinationId: 801, etag: '"x"', by: 'ADMIN_TOKEN' },
    });
    expect(made.body.dropped).toBeUndefined();
    const { draftId } = made.body;
    expect(await call('GET', `/${draftId}`)).toMatchObject({
      status: 200,
      etag: made.etag,
      body: made.body,
    });
    const changed = await call('PUT', `/${draftId}`, { ...DRAFT, name: 'Autumn' });
    expect(changed).toMatchObject({
      status: 200,
      body: { name: 'Autumn', createTime: made.body.createTime },
    });
    expect(changed.body.destinationId).toBeUndefined();
    expect(changed.etag).not.toBe(made.etag);
    expect((await call('DELETE', `/${draftId}`)).status).toBe(204);
    expect((await call('GET', `/${draftId}`)).status).toBe(404);
    expect((await call('DELETE', `/${draftId}`)).status).toBe(404);
  });

  it('is listed, the one written last first, without its bulk', async () => {
    const first = await call('POST', '', DRAFT);
    await call('POST', '', { ...DRAFT, name: 'Second' });
    await call('PUT', `/${first.body.draftId}`, { ...DRAFT, name: 'First' });
    const { body } = await call('GET');
    expect(body.map(({ name }: { name: string }) => name)).toEqual(['First', 'Second']);
    expect(body[0].destination).toEqual({ destinationType: 'PUSH' });
  });

  it('never keeps what is secret, and says so', async () => {
    const destination = {
      destinationType: 'S2S',
      signatureKeys: ['hush-1'],
      oauth: { tokenUrl: 'https://t.example', clientId: 'c', clientSecret: 'hush-2' },
      credentials: { password: 'hush-3' },
      signatureHeader: 'X-Signature',
    };
    const made = await call('POST', '', { ...DRAFT, destination });
    expect(made.body).toMatchObject({
      dropped: ['signatureKeys', 'oauth', 'credentials'],
      destination: { destinationType: 'S2S', signatureHeader: 'X-Signature' },
    });
    const path = `/${made.body.draftId}`;
    const put = await call('PUT', path, { ...DRAFT, destination });
    expect(put.body.dropped).toEqual(['signatureKeys', 'oauth', 'credentials']);
    const got = await call('GET', path);
    expect(got.body.dropped).toBeUndefined();
    expect(JSON.stringify([made, put, got, await call('GET')])).not.toContain('hush');
  });

  it('keeps that a secret shall go', async () => {
    const destination = { destinationType: 'S2S', oauth: null };
    const made = await call('POST', '', { ...DRAFT, destination });
    expect(made.body.destination).toEqual(destination);
    expect(made.body).not.toHaveProperty('dropped');
  });

  it('is never replaced or thrown away by somebody who has not seen it', async () => {
    const made = await call('POST', '', DRAFT);
    const path = `/${made.body.draftId}`;
    const headers = { 'If-Match': made.etag };
    const results = await Promise.all(
      ['A', 'B', 'C'].map((name) => call('PUT', path, { ...DRAFT, name }, headers)),
    );
    expect(results.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
    expect((await call('DELETE', path, undefined, headers)).status).toBe(412);
    const now = await call('GET', path);
    expect(now.body.name).toBe(results.find(({ status }) => status === 200)?.body.name);
    expect((await call('DELETE', path, undefined, { 'If-Match': now.etag })).status).toBe(204);
  });

  it.each<[string, unknown, number, string]>([
    ['nothing', {}, 400, 'name'],
    ['JSON that is none', '{', 400, '(body)'],
    ['a field that is none', { ...DRAFT, note: 1 }, 400, 'note'],
    ['a destination that is none', { ...DRAFT, destination: 'x' }, 400, 'destination'],
    ['too much', { ...DRAFT, destination: { name: 'x'.repeat(4 * 1024 * 1024) } }, 413, '(body)'],
  ])('of %s is refused', async (_, body, status, path) => {
    const made = await call('POST', '', DRAFT);
    for (const answer of [
      await call('POST', '', body),
      await call('PUT', `/${made.body.draftId}`, body),
    ]) {
      expect(answer.status).toBe(status);
      expect(answer.body.errors.map((problem: { path: string }) => problem.path)).toContain(path);
    }
    expect((await call('GET')).body).toHaveLength(1);
  });

  it.each([
    ['GET', ''],
    ['POST', ''],
    ['GET', '/x'],
    ['PUT', '/x'],
    ['DELETE', '/x'],
  ])('%s %s is for those who are known', async (method, path) => {
    const body = method === 'POST' || method === 'PUT' ? DRAFT : undefined;
    const answer = await call(method, path, body, { Authorization: 'Bearer wrong' });
    expect(answer.status).toBe(401);
  });
});
