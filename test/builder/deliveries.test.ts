/** Deliveries by REST: what waits, what was given up, orders. On real servers, over the embedded store. */
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { account, DEVICE, realtime, segment, trait } from '../outbound/example.ts';
import { type RunningServer, startServer, temporaryFolder } from '../server.ts';
import { bury, type Letter } from './outbox.ts';

/** Hangs up, until it is back. */
let isBack = false;
const partner = http.createServer(({ socket }, response) =>
  isBack ? response.end() : socket.destroy(),
);
await once(partner.listen(0, '127.0.0.1'), 'listening');
afterAll(() => {
  partner.close();
});
const { port } = partner.address() as AddressInfo;
const AWAY = `http://127.0.0.1:${port}/in`;
const AT = Math.floor(Date.now() / 1_000) * 1_000;

const letter = (n: number): Letter => ({
  message: `m-${n}`,
  at: AT + n,
  problem: 'the partner answered 500',
  deviceId: DEVICE,
  moves: [{ sid: 51, isMember: n % 2 === 0, at: AT }],
});

const DOCUMENT = account({
  traits: [trait(1)],
  segments: [segment(51, '1T')],
  destinations: [
    realtime(801, [51], { endpointUrl: AWAY }),
    realtime(802, [51], { endpointUrl: AWAY }),
    realtime(806, [51], { endpointUrl: AWAY, status: 'inactive' }),
    {
      destinationId: 803,
      name: 'files',
      destinationType: 'S2S',
      transfer: 'file',
      target: 'partner/in',
      schedule: '0 2 * * *',
      mappings: [{ sid: 51, traitAlias: 'a51' }],
    },
    { destinationId: 804, name: 'pixel', destinationType: 'PUSH' },
  ],
});

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: JSON, looked at field by field
  readonly body: any;
}

const callerOf =
  (server: () => RunningServer, token: () => string = () => server().adminToken) =>
  async (method: string, at: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(`${server().origin}/v1/${at}`, {
      method,
      headers: { Authorization: `Bearer ${token()}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };

describe('where somebody delivers', () => {
  let server: RunningServer;
  let output: string;
  const call = callerOf(() => server);
  const messages = async () =>
    (await call('GET', 'deliveries/802/dead-letters')).body.map(
      ({ message }: { message: string }) => message,
    );
  beforeAll(async () => {
    const folder = temporaryFolder();
    output = temporaryFolder();
    await bury(folder, 802, [1, 2, 3, 4, 5].map(letter));
    server = await startServer({
      folder,
      account: DOCUMENT,
      environment: { OUTBOUND_ALLOW_PRIVATE: '1', OUTBOUND_FOLDER: output },
    });
  });
  afterAll(() => server?.stop());

  it('all server-to-server destinations are listed, and no others', async () => {
    const { status, body } = await call('GET', 'deliveries');
    expect(status).toBe(200);
    expect(body.destinations).toEqual([
      { destinationId: 801, waiting: 0, dead: 0 },
      { destinationId: 802, waiting: 0, dead: 5 },
      { destinationId: 806, waiting: 0, dead: 0 },
      { destinationId: 803, waiting: 0, dead: 0 },
    ]);
  });

  it('so is the process that delivers', async () => {
    const look = async () => (await call('GET', 'deliveries')).body;
    await expect
      .poll(async () => (await look()).deliverers, { timeout: 20_000 })
      .toEqual([
        { node: expect.stringMatching(`:${server.process.pid}$`), at: expect.any(Number) },
      ]);
    expect(await look()).not.toHaveProperty('problem');
  });

  it('a pass is said with its shard, without what is of no use to others', async () => {
    const passes = async () => (await call('GET', 'deliveries')).body.passes;
    await expect
      .poll(async () => (await passes())[0]?.finishedAt, { timeout: 30_000 })
      .toBeTypeOf('number');
    const [{ startedAt, finishedAt, ...pass }, ...others] = await passes();
    expect(startedAt).toBeLessThanOrEqual(finishedAt);
    const none = { examined: 0, moved: 0, perSecond: 0 };
    expect(pass).toEqual({ shard: 'all', revision: 1, progress: 1, ...none });
    expect(others).toEqual([]);
  });

  it('dead letters are listed newest first, with why and of whom', async () => {
    const { status, body } = await call('GET', 'deliveries/802/dead-letters');
    expect(status).toBe(200);
    expect(body).toHaveLength(5);
    expect(body[0]).toEqual({
      message: 'm-5',
      at: AT + 5,
      problem: 'the partner answered 500',
      users: [
        {
          deviceId: DEVICE,
          queuedAt: expect.any(Number),
          segments: [{ sid: 51, isMember: false, at: AT }],
        },
      ],
    });
    expect((await call('GET', 'deliveries/801/dead-letters')).body).toEqual([]);
  });

  it.each([
    ['GET', 'deliveries/805', 404],
    ['GET', 'deliveries/804', 404],
    ['GET', 'deliveries/804/dead-letters', 404],
    ['POST', 'deliveries/804/dead-letters/replay', 404],
    ['POST', 'deliveries/805/dead-letters/drop', 404],
    ['POST', 'deliveries/805/runs', 404],
    ['POST', 'deliveries/801/runs', 409],
    ['POST', 'deliveries/805/probe', 404],
    ['POST', 'deliveries/803/probe', 409],
    ['POST', 'deliveries/806/probe', 409],
  ])('%s %s: %i', async (method, at, status) => {
    const answer = await call(method, at, method === 'POST' ? {} : undefined);
    expect(answer).toMatchObject({
      status,
      body: { errors: [{ wrong: expect.any(String), instead: expect.any(String) }] },
    });
  });

  it.each([
    ['of none', { messages: [] }, 'messages'],
    ['no list', { messages: 'm-1' }, 'messages'],
    ['no names', { messages: [1] }, 'messages[0]'],
    ['too long a name', { messages: ['m'.repeat(65)] }, 'messages[0]'],
    ['something else', { message: ['m-1'] }, 'message'],
  ])('an order %s is refused', async (_, body, at) => {
    for (const kind of ['replay', 'drop']) {
      const answer = await call('POST', `deliveries/802/dead-letters/${kind}`, body);
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: at }] } });
    }
    expect(await messages()).toHaveLength(5);
  });

  it('who may only look orders nothing', async () => {
    const { body } = await call('POST', 'keys', { name: 'looks', role: 'viewer' });
    const look = callerOf(
      () => server,
      () => body.key,
    );
    expect((await look('GET', 'deliveries/802')).body).toMatchObject({ dead: 5 });
    expect((await look('GET', 'deliveries/802/dead-letters')).status).toBe(200);
    for (const at of [
      '802/dead-letters/replay',
      '802/dead-letters/drop',
      '803/runs',
      '802/probe',
    ]) {
      const answer = await look('POST', `deliveries/${at}`, {});
      expect(answer).toMatchObject({ status: 403, body: { errors: [{ path: '(role)' }] } });
    }
    expect(await messages()).toHaveLength(5);
  });

  it('some are dropped, some sent once more, and then all', async () => {
    const order = (kind: string, body: object) =>
      call('POST', `deliveries/802/dead-letters/${kind}`, body);
    expect(await order('drop', { messages: ['m-2', 'no-such'] })).toEqual({
      status: 200,
      body: { count: 1, isUnderWay: false },
    });
    expect(await messages()).toEqual(['m-5', 'm-4', 'm-3', 'm-1']);
    expect(await order('replay', { messages: ['m-4', 'm-1'] })).toEqual({
      status: 200,
      body: { count: 2, isUnderWay: false },
    });
    expect(await messages()).toEqual(['m-5', 'm-3']);
    expect((await call('GET', 'deliveries/802')).body).toMatchObject({
      waiting: 2,
      oldest: expect.any(Number),
      dead: 2,
    });
    expect((await order('drop', {})).body).toEqual({ count: 2, isUnderWay: false });
    expect(await messages()).toEqual([]);
    expect((await order('replay', {})).body).toEqual({ count: 0, isUnderWay: false });
  });

  it('a partner that is away is said, with since when', async () => {
    const delivery = async () => (await call('GET', 'deliveries/802')).body;
    await expect
      .poll(async () => (await delivery()).problem, { timeout: 40_000 })
      .toContain(`127.0.0.1:${port} `);
    expect((await delivery()).since).toBeLessThanOrEqual(Date.now());
    await expect.poll(async () => (await delivery()).next).toSatisfy(Number.isInteger);
    const { destinations } = (await call('GET', 'deliveries')).body;
    expect(destinations[1].problem).toBe((await delivery()).problem);
    expect(destinations[0]).not.toHaveProperty('problem');
  });

  it('and is tried at once where that is asked for', async () => {
    isBack = true;
    expect(await call('POST', 'deliveries/802/probe')).toEqual({ status: 202, body: { count: 1 } });
    const delivery = async () => (await call('GET', 'deliveries/802')).body;
    await expect.poll(delivery).toMatchObject({ waiting: 0, deliveredAt: expect.any(Number) });
    expect(await delivery()).not.toHaveProperty('problem');
  });

  it('files are written now, and the run is kept', async () => {
    const runs = async () => (await call('GET', 'deliveries/803')).body.runs;
    const next = new Date((await runs()).next).toISOString();
    expect(next).toMatch(/T02:00:00.000Z$/);
    expect((await call('POST', 'deliveries/803/runs')).status).toBe(202);
    await expect.poll(async () => (await runs()).past, { timeout: 20_000 }).toHaveLength(1);
    const [run] = (await runs()).past;
    expect(run).toMatchObject({ mode: 'iter', lines: 0 });
    expect(await call('GET', 'deliveries/801')).not.toHaveProperty('body.runs');
  });

  it('where files cannot be brought, that is what is wrong', async () => {
    const delivery = async () => (await call('GET', 'deliveries/803')).body;
    fs.rmSync(path.join(output, 'partner'), { recursive: true, force: true });
    fs.writeFileSync(path.join(output, 'partner'), 'no folder');
    // A run of nothing brings nothing.
    const uuid = `8${'2'.padStart(37, '0')}`;
    await fetch(`${server.origin}/event?d_rtbd=json&c_t=1&d_uuid=${uuid}`);
    await expect.poll(async () => (await delivery()).waiting, { timeout: 20_000 }).toBe(1);
    expect((await call('POST', 'deliveries/803/runs')).status).toBe(202);
    await expect
      .poll(async () => (await delivery()).problem, { timeout: 20_000 })
      .toBeTypeOf('string');
    expect((await delivery()).runs.current).toMatchObject({
      state: 'failing',
      problem: (await delivery()).problem,
      next: expect.toSatisfy(Number.isInteger),
    });
    fs.rmSync(path.join(output, 'partner'));
    expect((await call('POST', 'deliveries/803/runs')).status).toBe(202);
    await expect.poll(delivery, { timeout: 40_000 }).toMatchObject({
      waiting: 0,
      deliveredAt: expect.any(Number),
      runs: { past: [{ lines: 1 }, {}] },
    });
    expect(await delivery()).not.toHaveProperty('problem');
  });

  it('nobody sees any of it without a login', async () => {
    for (const at of ['deliveries', 'deliveries/802', 'deliveries/802/dead-letters']) {
      expect((await fetch(`${server.origin}/v1/${at}`)).status).toBe(401);
    }
  });
});

describe('where nobody delivers', () => {
  let server: RunningServer;
  const call = callerOf(() => server);
  beforeAll(async () => {
    const folder = temporaryFolder();
    await bury(folder, 801, [letter(1)]);
    const environment = { ROLE: 'collect', OUTBOUND_ALLOW_PRIVATE: '1' };
    server = await startServer({ folder, account: DOCUMENT, environment });
  });
  afterAll(() => server?.stop());

  it('every order says so, and nothing is lost', async () => {
    const orders = ['801/dead-letters/replay', '801/dead-letters/drop', '801/probe', '803/runs'];
    const refused = {
      status: 503,
      body: {
        errors: [
          {
            path: '(deliverer)',
            wrong: 'no process delivers now',
            instead: 'start a server with ROLE=deliver, or with ROLE=all, and order it again',
          },
        ],
      },
    };
    const answers = await Promise.all(orders.map((at) => call('POST', `deliveries/${at}`, {})));
    expect(answers).toEqual(orders.map(() => refused));
    expect((await call('GET', 'deliveries/801')).body).toMatchObject({ waiting: 0, dead: 1 });
  });
});

it('where nothing was ever delivered, all is empty', async () => {
  const environment = { ROLE: 'collect', OUTBOUND_ALLOW_PRIVATE: '1' };
  const server = await startServer({ account: DOCUMENT, environment });
  const call = callerOf(() => server);
  expect(await call('GET', 'deliveries')).toMatchObject({
    status: 200,
    body: {
      ...{ problem: 'no process delivers now', deliverers: [], passes: [] },
      destinations: Array(4).fill({ waiting: 0, dead: 0 }),
    },
  });
  expect(await call('GET', 'deliveries/801/dead-letters')).toEqual({ status: 200, body: [] });
  await server.stop();
});
