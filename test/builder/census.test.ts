/** Exact counts by REST: on real servers, over both stores. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Estimate } from '../../src/builder/estimate.ts';
import { readConfig } from '../../src/config.ts';
import { openStore } from '../../src/engine.ts';
import { account, trait } from '../outbound/example.ts';
import { type RunningRedis, redisServer, startRedis, until } from '../redis.ts';
import { childrenOf, type RunningServer, startServer, temporaryFolder } from '../server.ts';
import { come } from '../store/sample.ts';
import { device, TODAY, visitOf } from '../store/workbench.ts';

/** Nobody is to be delivered to: a process that delivers is there for the census alone. */
const DOCUMENT = account({ traits: [trait(1), trait(2)] });
const VISITORS = 3_000;
/** The last of them have opted out. */
const OUT = 100;

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: JSON, looked at field by field
  readonly body: any;
}

async function call(
  { origin, adminToken }: RunningServer,
  method: string,
  at: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${origin}/v1/estimates${at}`, {
    method,
    headers: { Authorization: `Bearer ${adminToken}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : undefined };
}

const ask = async (server: RunningServer, segmentRule: string): Promise<Estimate> => {
  const { status, body } = await call(server, 'POST', '', { segmentRule, exact: true });
  expect(status, JSON.stringify(body)).toBe(202);
  return body;
};
const stateOf = async (server: RunningServer, { estimateId }: Estimate): Promise<Estimate> => {
  const { status, body } = await call(server, 'GET', `/${estimateId}`);
  expect(status).toBe(200);
  return body;
};
const over = async (server: RunningServer, asked: Estimate): Promise<Estimate> => {
  let last = asked;
  await until(
    'the census',
    async () => {
      const { progress } = last;
      last = await stateOf(server, asked);
      expect(last.progress).toBeGreaterThanOrEqual(progress);
      return last.state !== 'running';
    },
    120_000,
  );
  return last;
};

const ENGINES: [name: string, isThere: boolean][] = [
  ['embedded', true],
  ['Redis', redisServer !== undefined],
];

describe.each(ENGINES)('on the %s store', { timeout: 180_000 }, (name, isThere) => {
  let redis: RunningRedis | undefined;
  let folder: string;
  let environment: Record<string, string>;
  const running: RunningServer[] = [];
  const start = async (more: Record<string, string> = {}) => {
    const server = await startServer({
      folder,
      account: DOCUMENT,
      environment: { ...environment, ...more },
    });
    running.push(server);
    return server;
  };

  beforeAll(async () => {
    if (!isThere) return;
    redis = name === 'Redis' ? await startRedis() : undefined;
    environment = redis ? { REDIS_URL: redis.url } : {};
    folder = temporaryFolder();
    const store = openStore(readConfig({ DATA_DIR: folder, ...environment }));
    await come(store, [...Array(VISITORS).keys()], (n) => ({
      ...visitOf(device(n)),
      change: { day: TODAY, realized: n % 3 === 0 ? [1] : [2], optOut: n >= VISITORS - OUT },
    }));
    await store.close();
  });
  afterAll(async () => {
    await Promise.all(running.map((server) => server.stop()));
    await redis?.stop();
  });

  const total = VISITORS - OUT;
  const visitors = Math.ceil(total / 3);
  const counted = {
    ...{ state: 'done', progress: 1, isExact: true },
    ...{ visitors, low: visitors, high: visitors, sampled: total, total },
  };

  it.skipIf(!isThere)('all are counted, though who counts is killed in the midst', async () => {
    // Three parts to gather them, and as many to look at them.
    const server = await start({ OUTBOUND_EXAMINED_PER_SECOND: '700' });
    expect(childrenOf(server)).toEqual([]);
    const asked = await ask(server, '1T');
    expect(asked).toMatchObject({ state: 'running', progress: 0 });
    expect((await ask(server, ' 1t ')).estimateId).toBe(asked.estimateId);
    const sampled = await call(server, 'POST', '', { segmentRule: '1T' });
    expect(sampled.body.estimateId).not.toBe(asked.estimateId);

    const waiting = await ask(server, '2T AND NOT 1T');
    await until('a half', async () => (await stateOf(server, asked)).progress > 0.5, 60_000);
    const [deliverer] = childrenOf(server);
    process.kill(deliverer, 'SIGKILL');
    const there = await start({ ROLE: 'collect' });
    expect(await over(there, asked)).toMatchObject(counted);
    expect(childrenOf(server)).not.toContain(deliverer);
    const others = { visitors: total - visitors, total, isExact: true };
    expect(await over(there, waiting)).toMatchObject(others);
    await Promise.all(running.splice(0).map((one) => one.stop()));
  });

  it.skipIf(!isThere)('one that nobody waits for any more is broken off', async () => {
    const server = await start({ OUTBOUND_EXAMINED_PER_SECOND: '10' });
    const [slow, next] = [await ask(server, '1T OR 2T'), await ask(server, '1T AND 2T')];
    await until('it is found', () => childrenOf(server).length > 0);
    for (const { estimateId } of [slow, next]) {
      expect((await call(server, 'DELETE', `/${estimateId}`)).status).toBe(204);
      expect((await call(server, 'GET', `/${estimateId}`)).status).toBe(404);
      expect((await call(server, 'DELETE', `/${estimateId}`)).status).toBe(404);
    }
    await Promise.all(running.splice(0).map((one) => one.stop()));
    const fast = await start();
    expect(await over(fast, await ask(fast, '1T'))).toMatchObject(counted);
    await Promise.all(running.splice(0).map((one) => one.stop()));
  });

  it.skipIf(!isThere)('where no process delivers, it says so', async () => {
    const server = await start({ ROLE: 'collect' });
    const failed = await over(server, await ask(server, 'FREQUENCY([1T]) >= 5'));
    expect(failed).toMatchObject({
      state: 'failed',
      problem: expect.stringMatching(/no process delivers.*ROLE=deliver/),
    });
  });
});
