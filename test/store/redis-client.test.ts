/** A client of Redis that cannot be used yet, or not now, and that much waits for. */
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { type RedisAddress, readRedisAddress } from '../../src/store/redis/address.ts';
import { openRedis } from '../../src/store/redis/client.ts';
import { Connection } from '../../src/store/redis/connection.ts';
import { StoreError } from '../../src/store/store.ts';
import { redisServer, startCluster, startRedis } from '../redis.ts';

const MANY = 50;

let connection: Connection;
let warned: MockInstance<typeof process.emitWarning>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning');
});
afterEach(() => {
  connection.close();
  vi.restoreAllMocks();
});

const open = (url: string) => {
  connection = new Connection(() => openRedis(readRedisAddress(url) as RedisAddress), 'Redis');
};
const many = () => Promise.allSettled(Array.from({ length: MANY }, () => connection.run(['TIME'])));

describe.runIf(redisServer)('what waits for Redis has its answer, and no warning is given', () => {
  it.each([
    ['one server', startRedis],
    ['a Cluster', startCluster],
  ])('of %s, when it is there', async (_, start) => {
    const redis = await start();
    open(redis.url);
    expect((await many()).map(({ status }) => status)).toEqual(Array(MANY).fill('fulfilled'));
    await redis.stop();
    expect(warned).not.toHaveBeenCalled();
  });

  it('which says why, while it is away', async () => {
    const redis = await startRedis();
    open(redis.url);
    await connection.run(['TIME']);
    await redis.stop();
    await expect.poll(() => connection.client.status).not.toBe('ready');
    for (const answer of await many()) {
      expect(answer).toMatchObject({ reason: expect.any(StoreError) });
      expect((answer as PromiseRejectedResult).reason.message).toMatch(/^Redis: .*ECONNREFUSED/);
    }
    await redis.start();
    expect((await many()).map(({ status }) => status)).toEqual(Array(MANY).fill('fulfilled'));
    expect(warned).not.toHaveBeenCalled();
  });
});
