/**
 * A destination that gets everybody with each file is queued nothing for; one that is changed to get changes,
 * or back, misses none. A server as people start it, on both stores.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningRedis, redisServer, startRedis } from '../../redis.ts';
import { type RunningServer, startServer, temporaryFolder } from '../../server.ts';
import { account, realtime, segment, trait } from '../example.ts';
import { arrived, type Shelf } from './runs.ts';

const files = (syncMode: 'full' | 'iter') => ({
  ...realtime(801, [51, 52], { endpointUrl: undefined, clientId: undefined }),
  ...{ transfer: 'file', target: 'in', syncMode },
});
const ENGINES: [name: string, isThere: boolean][] = [
  ['embedded', true],
  ['Redis', redisServer !== undefined],
];

describe.each(ENGINES)('on the %s store', (name, isThere) => {
  let redis: RunningRedis | undefined;
  let server: RunningServer;
  const output = temporaryFolder();
  const shelf: Shelf = {
    names: () => fs.readdirSync(path.join(output, 'in')),
    read: (file) => fs.readFileSync(path.join(output, 'in', file)),
  };
  beforeAll(async () => {
    if (!isThere) return;
    if (name === 'Redis') redis = await startRedis();
    server = await startServer({
      folder: temporaryFolder(),
      account: account({
        traits: [trait(1), trait(2)],
        segments: [segment(51, '1T AND NOT 2T'), segment(52, '2T')],
        destinations: [files('full')],
      }),
      environment: { OUTBOUND_FOLDER: output, ...(redis && { REDIS_URL: redis.url }) },
    });
  });
  afterAll(async () => {
    await server?.stop();
    await redis?.stop();
  });

  const come = (signals: string, uuid: string) =>
    fetch(`${server.origin}/event?d_rtbd=json&${signals}&d_uuid=${uuid}`);
  const rest = async (method: string, at: string, body?: unknown) => {
    const response = await fetch(`${server.origin}/v1${at}`, {
      method,
      headers: { Authorization: `Bearer ${server.adminToken}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    expect(response.status, await response.clone().text()).toBeLessThan(300);
    return response.json();
  };
  /** Everybody has been examined anew when it returns. */
  const changeTo = async (syncMode: 'full' | 'iter') => {
    const before = Date.now();
    await rest('PUT', '/destinations/801', files(syncMode));
    const isPassed = async () =>
      (await rest('GET', '/deliveries')).passes.every(
        ({ startedAt, finishedAt }: { startedAt: number; finishedAt?: number }) =>
          startedAt >= before && finishedAt !== undefined,
      );
    await expect.poll(isPassed, { timeout: 20_000 }).toBe(true);
  };
  const waiting = async () => (await rest('GET', '/deliveries/801')).waiting;
  /** The lines of the files of a run. */
  const run = async () => {
    const past = async () => (await rest('GET', '/deliveries/801')).runs.past.length;
    const before = await past();
    await rest('POST', '/deliveries/801/runs');
    await expect.poll(past, { timeout: 20_000 }).toBe(before + 1);
    return arrived(shelf).at(-1)?.lines.toSorted();
  };
  const [stays, moves, late] = [1, 2, 3].map((n) => `8${String(n).padStart(37, '0')}`);

  it.skipIf(!isThere)(
    'every change is in the files, whatever they are made',
    { timeout: 120_000 },
    async () => {
      await come('c_t=1', stays);
      await come('c_t=1', moves);
      await expect.poll(run, { timeout: 40_000 }).toEqual([`${stays} a51`, `${moves} a51`]);
      expect(await waiting()).toBe(0);

      // Since then, and before anything is queued.
      await come('c_t=2', moves);
      await expect.poll(run, { timeout: 40_000 }).toEqual([`${stays} a51`, `${moves} a52`]);
      expect(await waiting()).toBe(0);
      await changeTo('iter');
      await expect.poll(waiting, { timeout: 20_000 }).toBe(2);
      await come('c_t=1', late);
      await expect.poll(waiting, { timeout: 20_000 }).toBe(3);
      expect(await run()).toEqual([`${stays} a51`, `${moves} a52`, `${late} a51`]);

      await changeTo('full');
      await come('c_t=2', late);
      await expect
        .poll(run, { timeout: 40_000 })
        .toEqual([`${stays} a51`, `${moves} a52`, `${late} a52`]);
      expect(await waiting()).toBe(0);
      // What has changed since it got changes, and nothing else.
      await changeTo('iter');
      await expect.poll(waiting, { timeout: 20_000 }).toBe(1);
      expect(await run()).toEqual([`${late} a52 a51`]);
    },
  );
});
