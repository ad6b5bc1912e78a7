/** Random samples of the stored visitors, on every engine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import type { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts';
import { type RedisAddress, readRedisAddress } from '../../src/store/redis/address.ts';
import { ready } from '../../src/store/redis/client.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { StoreError } from '../../src/store/store.ts';
import {
  type RunningCluster,
  type RunningRedis,
  redisServer,
  startCluster,
  startRedis,
} from '../redis.ts';
import { temporaryFolder } from '../server.ts';
import {
  come,
  drawnFrom,
  expectFair,
  known,
  newcomer,
  type Share,
  sampleContract,
  turnsWhile,
} from './sample.ts';
import { device, foldNow, openEmbedded } from './workbench.ts';

const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

describe('the embedded store', () => {
  sampleContract({ place: temporaryFolder, open: (folder) => openEmbedded(folder) });
});

describe('the embedded store, of which most is folded', () => {
  sampleContract({
    place: temporaryFolder,
    open: (folder) => openEmbedded(folder, { segmentSize: 150 }),
    tidy: foldNow,
  });
});

/** Visitors 1 to 33,000: first those who are known, then newcomers, then 3,000 whom only the log has. */
const SHARES: readonly Share[] = [
  ['known', 20_000, (name) => name <= 20_000],
  ['newcomers', 10_000, (name) => name > 20_000 && name <= 30_000],
  ['not folded', 3_000, (name) => name > 30_000],
  ['one in fourteen', 2_357, (name) => name % 14 === 0],
];

describe.each([
  ['random', () => newDeviceId()],
  ['in a row', device],
])('the embedded store with many visitors, whose ids are %s,', (_, idOf) => {
  let store: EmbeddedStore;
  beforeAll(async () => {
    const folder = temporaryFolder();
    const before = openEmbedded(folder, { segmentSize: 100_000 });
    const ids = new Map(from(1, 33_000).map((name) => [name, idOf(name)]));
    await come(before, from(1, 20_000), (name) => known(name, ids.get(name)));
    await come(before, from(20_001, 10_000), (name) => newcomer(name, ids.get(name)));
    await before.close();
    foldNow(folder);
    store = openEmbedded(folder);
    await come(store, from(30_001, 3_000), (name) => known(name, ids.get(name)));
    // Some of those who are folded have come back since.
    await come(store, from(19_001, 2_000), (name) => known(name, ids.get(name)));
  });
  afterAll(() => store.close());

  // Of 33,000, these are one in 66 and one in 165.
  it.each([500, 200])('is sampled fairly, %i at a time', (size) =>
    expectFair(store, size, SHARES, 33_000),
  );

  it('is counted exactly where all of them are looked at', async () => {
    const { names, drawn, of } = await drawnFrom(store, 33_000);
    expect([new Set(names).size, names.length, drawn, of]).toEqual(Array(4).fill(33_000));
  });

  it('is sampled in short turns', async () => {
    const turns = await turnsWhile(store, () => drawnFrom(store, 33_000));
    expect(sum(turns)).toBe(33_000);
    // A millisecond.
    expect(Math.max(...turns)).toBeLessThanOrEqual(128);
  });
});

it('an embedded store that is closed while it is sampled says so', async () => {
  const store = openEmbedded(temporaryFolder());
  await come(store, from(1, 2_000));
  const parts = store.sample(2_000);
  expect((await parts.next()).done).toBe(false);
  await store.close();
  await expect(parts.next()).rejects.toThrow(StoreError);
});

let places = 0;
const newPlace = () => `t${++places}:`;

async function openStore(url: string, prefix = newPlace()): Promise<RedisStore> {
  const store = new RedisStore({
    address: readRedisAddress(url) as RedisAddress,
    prefix,
    profileDays: 120,
    newcomerDays: 7,
    waitReplicas: 0,
    maxWaiting: 10_000,
    patience: 1_000,
  });
  await ready(store.client, 5_000);
  return store;
}

/** Visitors 1 to 9,000, a third of them newcomers. */
const OF_REDIS: readonly Share[] = [
  ['known', 6_000, (name) => name <= 6_000],
  ['newcomers', 3_000, (name) => name > 6_000],
  ['one in fourteen', 642, (name) => name % 14 === 0],
];
async function fill(store: RedisStore): Promise<void> {
  await come(store, from(1, 6_000));
  await come(store, from(6_001, 3_000), newcomer);
}
/** Keys of somebody else. */
const crowd = (redis: RunningRedis, name: string, count: number) =>
  redis.cli('eval', `for i = 1, ${count} do redis.call('set', '${name}' .. i, i) end`, '0');

describe.skipIf(!redisServer)('Redis', () => {
  describe('one server', () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());
    sampleContract({ place: newPlace, open: (prefix) => openStore(redis.url, prefix) });
  });

  describe('one server with many visitors', () => {
    let redis: RunningRedis;
    let store: RedisStore;
    beforeAll(async () => {
      redis = await startRedis();
      store = await openStore(redis.url, 'sy:');
      await fill(store);
      await crowd(redis, 'sy:id:7\u0001', 3_000);
      await crowd(redis, 'sy:{registry}:', 100);
    });
    afterAll(async () => {
      await store.close();
      await redis.stop();
    });

    it.each([
      ['the names of all keys', 1_500],
      ['random keys', 800],
    ])('is sampled fairly by %s', (_, size) => expectFair(store, size, OF_REDIS, 9_000, 10));

    it('that belong to somebody else, mostly, is sampled fairly, too', async () => {
      await crowd(redis, 'other:', 60_000);
      await expectFair(store, 800, OF_REDIS, 9_000, 5);
      const { names, drawn, of } = await drawnFrom(store, 9_000);
      expect([new Set(names).size, names.length, drawn, of]).toEqual(Array(4).fill(9_000));
    });

    it('leaves out what is no visitor', async () => {
      await redis.cli('rpush', `sy:{${device(1)}x}`, 'x');
      await redis.cli('rpush', `sy:{${device(77_777)}}`, 'x');
      await redis.cli('set', `sy:{${device(77_778)}}`, 'x');
      const { names, of } = await drawnFrom(store, 20_000);
      expect([names.length, of]).toEqual([9_000, 9_002]);
    });

    it('of which one is of a newer version says so instead of leaving them out', async () => {
      const key = `sy:{${device(1)}}`;
      await redis.cli('setrange', key, '0', '\u0002');
      await expect(drawnFrom(store, 20_000)).rejects.toThrow(/version 2/);
      await redis.cli('setrange', key, '0', '\u0001');
    });

    it.each([
      ['the names of all keys', 20_000],
      ['random keys', 500],
    ])('that goes away meanwhile fails by %s', async (_, size) => {
      const going = await startRedis();
      const other = await openStore(going.url, 'sy:');
      await fill(other);
      const sampled = (async () => {
        for await (const _part of other.sample(size)) {
          if (going.isRunning) await going.stop();
        }
      })();
      await expect(sampled).rejects.toThrow(StoreError);
      await expect(drawnFrom(other, size)).rejects.toThrow(/Redis at 127\.0\.0\.1/);
      await other.close(10);
    });
  });

  describe('a Cluster', () => {
    let cluster: RunningCluster;
    beforeAll(async () => {
      cluster = await startCluster();
    });
    afterAll(() => cluster.stop());

    sampleContract({ place: newPlace, open: (prefix) => openStore(cluster.url, prefix) });

    it('with many visitors is sampled fairly', async () => {
      for (const node of cluster.nodes) {
        if ((await node.cli('role')).startsWith('master')) await node.cli('flushall');
      }
      const store = await openStore(cluster.url);
      await fill(store);
      await expectFair(store, 2_000, OF_REDIS, 9_000, 10);
      await expectFair(store, 800, OF_REDIS, 9_000, 10);
      await store.close();
    });
  });
});
