/** The store on Redis: the contract on every kind of Redis, and what only Redis has to show. */
import fs from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NO_CONSENT } from '../../src/audience/consent.ts';
import { AccountRedis } from '../../src/store/redis/account-redis.ts';
import { type RedisAddress, readRedisAddress } from '../../src/store/redis/address.ts';
import { openRedis, ready } from '../../src/store/redis/client.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { StoreError, type Visit } from '../../src/store/store.ts';
import { type RedisProxy, startProxy } from '../proxy.ts';
import {
  type RunningCluster,
  type RunningRedis,
  type RunningSentinels,
  redisServer,
  startCluster,
  startRedis,
  startSentinels,
  startTlsRedis,
  until,
} from '../redis.ts';
import { accountContract } from './account.ts';
import { storeContract } from './contract.ts';
import { countOf, device, TODAY, visit, visited, visitOf } from './workbench.ts';

let places = 0;
const newPlace = () => `t${++places}:`;
const addressOf = (url: string) => readRedisAddress(url) as RedisAddress;

async function openStore(
  url: string,
  prefix = newPlace(),
  more: Partial<ConstructorParameters<typeof RedisStore>[0]> = {},
  milliseconds = 5_000,
): Promise<RedisStore> {
  const store = new RedisStore({
    address: addressOf(url),
    prefix,
    profileDays: 120,
    newcomerDays: 7,
    waitReplicas: 0,
    maxWaiting: 10_000,
    patience: 1_000,
    ...more,
  });
  await ready(store.client, milliseconds);
  return store;
}

const origin = { at: 0, by: 'a test' };

/** Revisions of an account whose documents are gone. */
const SEED = `
for n = 1, ARGV[1] do redis.call('HSET', KEYS[1], 'origin:' .. n, '{"at":' .. n .. '}', 'revision', n) end
`;

const countAt = async (store: RedisStore, n: number) =>
  countOf((await store.look(visitOf(device(n)))).profile, 1);

describe.skipIf(!redisServer)('Redis', () => {
  describe('one server', () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());

    storeContract({ place: newPlace, open: (prefix) => openStore(redis.url, prefix) });

    describe('the account', () => {
      let prefix: string;
      beforeEach(() => {
        prefix = newPlace();
      });
      accountContract(
        () => new AccountRedis(() => openRedis(addressOf(redis.url)), prefix),
        (revisions) => redis.cli('eval', SEED, '1', `${prefix}account`, String(revisions)),
      );

      it('is heard of after Redis has forgotten everything and counts from 1 again', async () => {
        const account = new AccountRedis(() => openRedis(addressOf(redis.url)), prefix);
        await account.save({ n: 1 }, origin);
        await account.load();
        const heard: unknown[] = [];
        account.watch(async ({ document }) => {
          heard.push(document);
        });
        await redis.cli('del', `${prefix}account`);
        expect(await account.save({ n: 2 }, origin)).toBe(1);
        await expect.poll(() => heard, { timeout: 1_000 }).toEqual([{ n: 2 }]);
        await account.close();
      });

      it('has a history also of what was saved before there was one', async () => {
        const account = new AccountRedis(() => openRedis(addressOf(redis.url)), prefix);
        await account.save({ n: 1 }, { at: 1, by: 'one' });
        await account.save({ n: 2 }, { at: 2, by: 'other' });
        const key = `${prefix}account`;
        await redis.cli('hdel', key, 'origin:1', 'origin:2');
        await redis.cli('hset', key, 'document:3', '{"document":{},"origin":{"at":3,"by":"hand"}}');
        await redis.cli('hset', key, 'document:4', '{}');
        const history = [
          { revision: 3, origin: { at: 3, by: 'hand' }, canRestore: true },
          { revision: 2, origin: { at: 2, by: 'other' }, canRestore: true },
          { revision: 1, origin: { at: 1, by: 'one' }, canRestore: true },
        ];
        expect(await account.history()).toEqual(history);
        expect(await redis.cli('hget', key, 'origin:2')).toBe('{"at":2,"by":"other"}');
        expect(await account.history()).toEqual(history);
        await account.close();
      });

      it('is heard of by who missed the message', async () => {
        const account = new AccountRedis(() => openRedis(addressOf(redis.url)), prefix);
        const heard: number[] = [];
        account.watch(async ({ revision }) => {
          heard.push(revision);
        });
        await redis.cli('hset', `${prefix}account`, 'revision', '7', 'document:7', '{}');
        await expect.poll(() => heard, { timeout: 1_000 }).toEqual([7]);
        await account.close();
      });
    });

    describe('a visit', () => {
      let proxy: RedisProxy;
      let store: RedisStore;
      beforeEach(async () => {
        proxy = await startProxy(redis.port);
        store = await openStore(`redis://127.0.0.1:${proxy.port}`);
        await visited(store, visitOf(device(1), 1));
        await until('quiet', () => proxy.commands().at(-1) === 'eval');
        proxy.reset();
      });
      afterEach(async () => {
        await store.close();
        await proxy.stop();
      });
      const aliases = [
        { dataSource: 3, id: 'one' },
        { dataSource: 4, id: 'other' },
      ];

      it.each([
        ['that adds nothing', visitOf(device(1))],
        ['that realizes 50 traits', visitOf(device(1), ...Array(50).keys())],
        ['of a new device', visitOf(device(2), 1)],
        ['of a device with aliases', { ...visitOf(device(1), 1), aliases }],
        ['of aliases alone', { ...visitOf(device(1), 1), deviceId: undefined, aliases }],
        ['that opts out', { ...visitOf(device(1)), change: { day: TODAY, optOut: true } }],
      ])('%s is one command, whatever it reads and adds', async (_, one) => {
        await visited(store, one);
        expect(proxy.commands()).toEqual(['evalsha']);
      });

      it('shares its command with others of the same tick, and all of one visitor', async () => {
        await Promise.all(
          Array.from({ length: 400 }, (_, i) => visited(store, visitOf(device(i % 10), 1))),
        );
        expect(proxy.commands()).toEqual(['evalsha']);
        proxy.reset();
        // Eight calls under way of 16 visitors each, and the rest together.
        await Promise.all(
          Array.from({ length: 160 }, (_, i) => visited(store, visitOf(device(i), 1))),
        );
        expect(proxy.commands()).toEqual(Array(9).fill('evalsha'));
      });

      it('who is known by nothing and adds nothing needs none', async () => {
        await visited(store, { ...visitOf(device(9)), deviceId: undefined });
        expect(proxy.commands()).toEqual([]);
      });

      it('counts once, though its answer was lost and it was repeated', async () => {
        proxy.deaf();
        const answers = [1, 1, 2, 3].map((n) => visited(store, visitOf(device(n), 1)));
        await until(
          'it has arrived',
          async () => (await redis.cli('keys', `t${places}:*`)).split('\n').length >= 3,
        );
        proxy.heal();
        await Promise.all(answers);
        expect(await Promise.all([1, 2, 3].map((n) => countAt(store, n)))).toEqual([3, 1, 1]);
      });

      it('counts once, though Redis compacted the visitor before it was repeated', async () => {
        proxy.deaf();
        const answer = visited(store, visitOf(device(1), 1));
        const other = await openStore(redis.url, `t${places}:`);
        await until('it has arrived', async () => (await countAt(other, 1)) === 2);
        for (let i = 0; i < 80; i++) await visited(other, visitOf(device(1), 1));
        proxy.heal();
        await answer;
        expect(await countAt(store, 1)).toBe(82);
        await other.close();
      });

      it('counts once, though many of one person were repeated and Redis compacted meanwhile', async () => {
        proxy.deaf();
        const person = { ...visitOf(device(1), 1), aliases };
        const first = visited(store, person);
        const other = await openStore(redis.url, `t${places}:`);
        await until('it has arrived', async () => (await countAt(other, 1)) === 2);
        const answers = [first, ...Array.from({ length: 12 }, () => visited(store, person))];
        for (let i = 0; i < 80; i++) await visited(other, visitOf(device(1), 1));
        proxy.heal();
        await Promise.all(answers);
        expect(await countAt(store, 1)).toBe(1 + 13 + 80);
        await other.close();
      });

      it('after one slow answer, the store is well as soon as nothing waits', async () => {
        const quick = await openStore(`redis://127.0.0.1:${proxy.port}`, newPlace(), {
          patience: 50,
        });
        await visited(quick, visitOf(device(1), 1));
        proxy.delay(120);
        const slow = visited(quick, visitOf(device(1), 1));
        await until('it is slow', () => quick.problem?.includes('does not answer'));
        await slow;
        proxy.delay(0);
        expect(quick.problem).toBeUndefined();
        let late = 0;
        await new Promise<void>((resolve) => {
          quick.visit(visitOf(device(1), 1), {
            decide: () => {
              resolve();
              return undefined;
            },
            late: () => late++,
            refuse: () => {},
          });
        });
        expect(late).toBe(0);
        await quick.close();
      });

      it('that is under way when the store gives up is refused and counted, whatever ids it has', async () => {
        const quick = await openStore(`redis://127.0.0.1:${proxy.port}`);
        proxy.blackHole();
        const visits = [
          visited(quick, visitOf(device(1), 1)),
          visited(quick, { ...visitOf(device(2), 1), aliases }),
          visited(quick, { ...visitOf(device(2), 1), deviceId: undefined, aliases }),
        ];
        const told = Promise.allSettled(visits);
        await quick.close(50);
        expect((await told).map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
        expect([quick.lost, quick.whyLost]).toEqual([3, 'the store has closed']);
      });

      it('waits for a Redis that takes nothing, and its page does not', async () => {
        proxy.blackHole();
        proxy.cut();
        const quick = await openQuick();
        let late = 0;
        let decided = 0;
        for (let i = 0; i < 300; i++) {
          quick.visit(visitOf(device(i), 1), {
            decide: () => {
              decided++;
              return undefined;
            },
            late: () => late++,
            refuse: () => {},
          });
          if (i === 99) await new Promise((resolve) => setTimeout(resolve, 120));
        }
        // The first ones had to find out.
        expect(late).toBe(200);
        expect(quick.problem).toMatch(/Redis at 127\.0\.0\.1:\d+: .*; 300 visits wait/);
        proxy.heal();
        await until('all are decided', () => decided === 300);
        expect(await Promise.all([0, 150, 299].map((n) => countAt(quick, n)))).toEqual([1, 1, 1]);
        await until('no problem', () => quick.problem === undefined);
        expect(quick.lost).toBe(0);
        await quick.close();
      });
      const openQuick = async () => {
        proxy.heal();
        const quick = await openStore(`redis://127.0.0.1:${proxy.port}`, newPlace(), {
          patience: 50,
        });
        proxy.blackHole();
        return quick;
      };

      it('beyond the bound is refused and counted', async () => {
        const small = await openStore(`redis://127.0.0.1:${proxy.port}`, newPlace(), {
          maxWaiting: 10,
        });
        proxy.blackHole();
        const results = Promise.allSettled(
          Array.from({ length: 15 }, (_, i) => visited(small, visitOf(device(i), 1))),
        );
        expect(small.lost).toBe(5);
        proxy.heal();
        const refused = (await results).filter(({ status }) => status === 'rejected');
        expect(refused).toHaveLength(5);
        await small.close();
      });
    });

    describe('the value of a visitor', () => {
      let store: RedisStore;
      let key: string;
      beforeEach(async () => {
        const prefix = newPlace();
        store = await openStore(redis.url, prefix);
        key = `${prefix}{${device(1)}}`;
      });
      afterEach(() => store.close());

      it('stays short, and nothing that comes meanwhile is lost', async () => {
        const other = await openStore(redis.url, `t${places}:`);
        await Promise.all(
          [store, other].map(async (one) => {
            for (let i = 0; i < 500; i++) await visited(one, visitOf(device(1), 1, 2));
          }),
        );
        expect(await countAt(store, 1)).toBe(1_000);
        expect(Number(await redis.cli('strlen', key))).toBeLessThan(2_000);
        await other.close();
      });

      it('lives as long as it was told to, from the last day on which the visitor was seen', async () => {
        const days = async () => Number(await redis.cli('ttl', key)) / 86_400;
        await visited(store, { ...visitOf(device(1), 1), freshId: device(1) });
        expect(await days()).toBeCloseTo(8, 2);
        await visited(store, visitOf(device(1)));
        expect(await days()).toBeCloseTo(121, 2);
        await redis.cli('expire', key, '1000');
        await visited(store, visitOf(device(1), 1));
        expect(await days()).toBeLessThan(1);
        await visited(store, { ...visitOf(device(1)), change: { day: TODAY + 1 } });
        expect(await days()).toBeCloseTo(121, 2);
        await visited(store, { ...visitOf(device(1)), change: { day: TODAY, optOut: true } });
        expect(await redis.cli('ttl', key)).toBe('-1');
      });

      it('holds nothing any more of who has opted out', async () => {
        const declared = [{ dataSource: 1, id: 'somebody' }];
        // Records of every length that there is stand before the cookie, and are passed over.
        const restrictions = [3, 4].map((purpose) => ({ purpose, from: 1, to: 4_096 }));
        const gdpr = { applies: true, ...NO_CONSENT, restrictions, refused: false };
        await visited(
          store,
          { ...visitOf(device(1)), change: { day: TODAY, realized: [1, 2], declared, gdpr } },
          { cookiesSet: [5] },
        );
        await visited(store, visitOf(device(1)));
        await visited(store, { ...visitOf(device(1)), change: { day: TODAY, optOut: true } });
        expect(await redis.cli('get', key)).not.toContain('somebody');
        expect([...(await store.look(visitOf(device(1)))).profile.cookies]).toEqual([5]);
        const length = await redis.cli('strlen', key);
        await visited(store, visitOf(device(1), 1, 2, 3));
        expect(await redis.cli('strlen', key)).toBe(length);
      });

      it('is written nothing of who has refused it, until there is consent', async () => {
        const gdpr = { applies: true, ...NO_CONSENT, refused: true };
        const declared = [{ dataSource: 1, id: 'somebody' }];
        await visited(store, visitOf(device(1), 1));
        await visited(store, { ...visitOf(device(1)), change: { day: TODAY, gdpr } });
        const length = await redis.cli('strlen', key);
        const adding = { day: TODAY, realized: [1, 2], ecid: 'them', declared };
        await visited(store, { ...visitOf(device(1)), change: adding });
        expect(await redis.cli('get', key)).not.toContain('somebody');
        expect(await redis.cli('strlen', key)).toBe(length);
        await visited(store, { ...visitOf(device(1)), change: { ...adding, consents: true } });
        expect(await redis.cli('get', key)).toContain('somebody');
        expect(await countAt(store, 1)).toBe(2);
      });

      it('of a newer version gets what a visit adds, and says so instead of guessing', async () => {
        await visited(store, visitOf(device(1), 1));
        await redis.cli('setrange', key, '0', '\u0002');
        await expect(visited(store, visitOf(device(1), 1))).rejects.toThrow(/version 2.*reads 1/);
        await redis.cli('setrange', key, '0', '\u0001');
        expect(await countAt(store, 1)).toBe(2);
      });

      it.each([
        ['of another kind', () => redis.cli('rpush', key, 'x')],
        ['that is too short', () => redis.cli('set', key, 'x')],
        [
          'whose id leads to something else',
          () => redis.cli('rpush', `t${places}:id:7\u0001x`, 'x'),
        ],
      ])('%s is refused alone', async (_, spoil) => {
        await spoil();
        const [first, second, third] = await Promise.allSettled([
          visited(store, { ...visitOf(device(1), 1), aliases: [{ dataSource: 7, id: 'x' }] }),
          visited(store, visitOf(device(2), 1)),
          visited(store, visitOf(device(3), 1)),
        ]);
        expect([first.status, second.status, third.status]).toEqual([
          'rejected',
          'fulfilled',
          'fulfilled',
        ]);
        expect(store.lost).toBe(1);
      });

      it('holds nothing of what comes at the same instant as an opt-out', async () => {
        const declared = [{ dataSource: 1, id: 'somebody' }];
        await Promise.all([
          visited(
            store,
            { ...visitOf(device(1)), change: { day: TODAY, realized: [1], declared } },
            { firings: [{ destination: 1, mapping: 1, at: 1, hours: 1 }], cookiesSet: [5] },
          ),
          visited(store, { ...visitOf(device(1)), change: { day: TODAY, optOut: true } }),
          visited(store, { ...visitOf(device(1)), change: { day: TODAY, ecid: 'SECRET' } }),
        ]);
        await visited(store, visitOf(device(1)));
        const value = await redis.cli('get', key);
        expect(value).not.toMatch(/somebody|SECRET/);
        const { profile } = await store.look(visitOf(device(1)));
        expect([profile.optedOut, profile.length, profile.firings]).toEqual([true, 0, []]);
      });

      it('holds nothing of what was decided just before an opt-out', async () => {
        let optedOut: Promise<unknown> | undefined;
        await visit(store, visitOf(device(1), 1), () => {
          optedOut = visited(store, {
            ...visitOf(device(1)),
            change: { day: TODAY, optOut: true },
          });
          return {
            firings: [{ destination: 0x44434241, mapping: 1, at: 1, hours: 1 }],
            cookiesSet: [0x48474645],
          };
        });
        await optedOut;
        const value = await redis.cli('get', key);
        expect(value).not.toContain('ABCD');
        expect(value).toContain('EFGH');
      });

      it('that opted out keeps the ids that lead to it for ever; others are kept as it is used', async () => {
        const alias = (id: string) => `t${places}:id:7\u0001${id}`;
        const declared = [{ dataSource: 7, id: 'a' }];
        await visited(store, {
          ...visitOf(device(1)),
          aliases: declared,
          change: { day: TODAY, declared },
        });
        await redis.cli('expire', alias('a'), '1000');
        await visited(store, { ...visitOf(device(1)), aliases: declared });
        expect(Number(await redis.cli('ttl', alias('a')))).toBeGreaterThan(1_000_000);
        await visited(store, { ...visitOf(device(1)), change: { day: TODAY, optOut: true } });
        expect(await redis.cli('ttl', alias('a'))).toBe('-1');
      });
    });

    it('that is full takes nothing, loses nothing, and goes on when it has room', async () => {
      const full = await startRedis('--maxmemory-policy', 'noeviction');
      const store = await openStore(full.url, newPlace(), { patience: 50 });
      await visited(store, visitOf(device(1), 1));
      await full.cli('config', 'set', 'maxmemory', '1');
      const answers = Promise.all(
        Array.from({ length: 20 }, (_, i) => visited(store, visitOf(device(i % 4), 1))),
      );
      await until('it says so', () => store.problem?.includes('maxmemory'));
      await full.cli('config', 'set', 'maxmemory', '0');
      await answers;
      expect(await Promise.all([0, 1, 2, 3].map((n) => countAt(store, n)))).toEqual([5, 6, 5, 5]);
      await store.close();
      await full.stop();
    });

    it('that has become a replica is left for who has its address now', async () => {
      const [first, second] = [await startRedis(), await startRedis()];
      const proxy = await startProxy(first.port);
      const store = await openStore(`redis://127.0.0.1:${proxy.port}`);
      await visited(store, visitOf(device(1), 1));
      await first.cli('replicaof', '127.0.0.1', String(second.port));
      proxy.lead(second.port);
      await visited(store, visitOf(device(2), 1));
      expect(await second.cli('exists', `t${places}:{${device(2)}}`)).toBe('1');
      await store.close();
      await proxy.stop();
      await Promise.all([first.stop(), second.stop()]);
    });

    it('that was restarted empty is used again', async () => {
      const empty = await startRedis();
      const store = await openStore(empty.url);
      await visited(store, visitOf(device(1), 1));
      await empty.stop();
      const answer = visited(store, visitOf(device(1), 1));
      await empty.start();
      await answer;
      expect(await countAt(store, 1)).toBe(1);
      await store.close();
      await empty.stop();
    });

    it('waits for replicas where it is told to, and says where they are missing', async () => {
      const replica = await startRedis('--replicaof', '127.0.0.1', String(redis.port));
      await until('the replica', async () =>
        (await replica.cli('info', 'replication')).includes('link_status:up'),
      );
      const store = await openStore(redis.url, newPlace(), { waitReplicas: 1 });
      await visited(store, visitOf(device(1), 1));
      expect(await replica.cli('exists', `t${places}:{${device(1)}}`)).toBe('1');
      await replica.stop();
      const refused = () => visit(store, visitOf(device(1), 1), () => undefined);
      await expect(refused()).rejects.toThrow('only 0 of 1 replicas have the visit');
      expect(store.problem).toMatch(/only 0 of 1 replicas confirm/);
      // A script that has to be told again does not make it look as if nothing had to be confirmed.
      await redis.cli('script', 'flush');
      await expect(refused()).rejects.toThrow(StoreError);
      // Who knows that replicas are missing does not wait for them with every call.
      const begin = performance.now();
      for (let i = 0; i < 50; i++) await expect(refused()).rejects.toThrow(StoreError);
      expect(performance.now() - begin).toBeLessThan(2_000);
      // The primary has all of it, so nothing is lost.
      expect(await countAt(store, 1)).toBe(53);
      expect(store.lost).toBe(0);
      await replica.start();
      // A server that nobody sends visits to, since it is not ready, has to become ready.
      await until('it is well', () => store.problem === undefined);
      await until('it is confirmed again', () =>
        refused().then(
          () => true,
          () => false,
        ),
      );
      expect(store.problem).toBeUndefined();
      await store.close();
      await replica.stop();
    });
  });

  it('is reached over TLS with a user and a password, and nobody else is let in', async () => {
    const { redis, caFile } = await startTlsRedis(
      ...'--user default on nopass -@all +ping --user sw on >p:w/d ~* &* +@all'.split(' '),
    );
    const ca = fs.readFileSync(caFile);
    const url = `rediss://sw:${encodeURIComponent('p:w/d')}@127.0.0.1:${redis.port}`;
    const store = await openStore(url, newPlace(), { ca });
    await visited(store, visitOf(device(1), 1));
    expect(await countAt(store, 1)).toBe(1);
    await store.close();
    await expect(openStore(url.replace('p%3Aw', 'x'), newPlace(), { ca }, 500)).rejects.toThrow();
    await expect(openStore(url, newPlace(), {}, 500)).rejects.toThrow(/certificate/);
    await redis.stop();
  });

  describe('a Cluster', () => {
    let cluster: RunningCluster;
    beforeAll(async () => {
      cluster = await startCluster();
    });
    afterEach(() => {
      for (const node of cluster.nodes) node.signal('SIGCONT');
    });
    afterAll(() => cluster.stop());

    storeContract({ place: newPlace, open: (prefix) => openStore(cluster.url, prefix) });

    it('keeps the ids of who has opted out for ever', async () => {
      const prefix = newPlace();
      const store = await openStore(cluster.url, prefix);
      const declared = [{ dataSource: 7, id: 'a' }];
      await visited(store, {
        ...visitOf(device(1)),
        aliases: declared,
        change: { day: TODAY, declared },
      });
      const key = `${prefix}id:7\u0001a`;
      const ttl = async () => Number(await (await cluster.primaryOf(key)).cli('ttl', key));
      expect(await ttl()).toBeGreaterThan(0);
      await visited(store, { ...visitOf(device(1)), change: { day: TODAY, optOut: true } });
      await expect.poll(ttl).toBe(-1);
      await store.close();
    });

    it('that is stopped costs who comes with other ids nothing, either', async () => {
      const store = await openStore(cluster.url, newPlace(), { patience: 50 });
      const person = (n: number): Visit => ({
        ...visitOf(device(n), 1),
        aliases: [{ dataSource: 7, id: `p${n}` }],
      });
      await visited(store, person(1));
      for (const node of cluster.nodes) node.signal('SIGSTOP');
      const late = new Set<number>();
      const decided: number[] = [];
      const come = (n: number) =>
        store.visit(person(n), {
          decide: () => {
            decided.push(n);
            return undefined;
          },
          late: () => late.add(n),
          refuse: () => {},
        });
      // Some find out about each primary.
      for (let n = 2; n < 22; n++) come(n);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(late.size).toBe(0);
      for (let n = 22; n < 40; n++) come(n);
      expect(late.size).toBe(18);
      expect(store.problem).toMatch(/38 visits wait/);
      for (const node of cluster.nodes) node.signal('SIGCONT');
      await until('all are decided', () => decided.length === 38);
      await until('the store is well', () => store.problem === undefined);
      await store.close();
    });

    it('of which one primary is stopped costs those with ids on the others nothing', async () => {
      const store = await openStore(cluster.url, newPlace(), { patience: 50 });
      const prefix = `t${places}:`;
      const person = (n: number): Visit => ({
        ...visitOf(device(n), 1),
        aliases: [{ dataSource: 7, id: `p${n}` }],
      });
      const dead = await cluster.primaryOf(`${prefix}id:7\u0001p0`);
      const isWith = async (n: number) =>
        (
          await Promise.all(
            [`${prefix}id:7\u0001p${n}`, `${prefix}{${device(n)}}`].map((key) =>
              cluster.primaryOf(key),
            ),
          )
        ).includes(dead);
      const others: number[] = [];
      for (let n = 1; others.length < 5; n++) if (!(await isWith(n))) others.push(n);
      await Promise.all([0, ...others].map((n) => visited(store, person(n))));
      dead.signal('SIGSTOP');
      const waits = visited(store, person(0));
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(store.problem).toMatch(/ids cannot be looked up/);
      let late = 0;
      const begin = performance.now();
      await Promise.all(
        others.map(
          (n) =>
            new Promise<void>((resolve) =>
              store.visit(person(n), {
                decide: () => {
                  resolve();
                  return undefined;
                },
                late: () => late++,
                refuse: () => {},
              }),
            ),
        ),
      );
      expect([late, performance.now() - begin < 500]).toEqual([0, true]);
      dead.signal('SIGCONT');
      await waits;
      await until('the store is well', () => store.problem === undefined);
      await store.close();
    });

    it('refuses an id that leads to something else, alone', async () => {
      const store = await openStore(cluster.url);
      const key = `t${places}:id:7\u0001x`;
      await (await cluster.primaryOf(key)).cli('rpush', key, 'x');
      const [bad, good] = await Promise.allSettled(
        ['x', 'y'].map((id) =>
          visited(store, { ...visitOf(device(1), 1), aliases: [{ dataSource: 7, id }] }),
        ),
      );
      expect([bad.status, good.status]).toEqual(['rejected', 'fulfilled']);
      expect([store.lost, store.problem]).toEqual([1, undefined]);
      await store.close();
    });

    it('counts every visit while slots move', async () => {
      const prefix = newPlace();
      const store = await openStore(cluster.url, prefix);
      let answered = 0;
      let stop = false;
      const load = Promise.all(
        Array.from({ length: 8 }, async () => {
          for (; !stop; answered++) await visited(store, visitOf(device(answered % 10), 1));
        }),
      );
      const key = `${prefix}{${device(1)}}`;
      const from = await cluster.primaryOf(key);
      const slot = Number(await from.cli('cluster', 'keyslot', key));
      const others = await Promise.all(
        [2, 3, 4, 5].map((n) => cluster.primaryOf(`${prefix}{${device(n)}}`)),
      );
      const to = others.find((node) => node !== from) as RunningRedis;
      await cluster.moveSlot(slot, from, to);
      stop = true;
      await load;
      const counts = await Promise.all([...Array(10).keys()].map((n) => countAt(store, n)));
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(answered);
      await store.close();
    });

    it('goes on after a primary was killed, and no answered visit that its replica has is lost', async () => {
      const prefix = newPlace();
      const store = await openStore(cluster.url, prefix, { waitReplicas: 1 });
      const answered = Array<number>(10).fill(0);
      const sent = Array<number>(10).fill(0);
      let stop = false;
      const load = Promise.all(
        Array.from({ length: 8 }, async (_, k) => {
          for (let n = k; !stop; n = (n + 3) % 10) {
            sent[n]++;
            await visited(store, visitOf(device(n), 1)).then(
              () => answered[n]++,
              () => undefined,
            );
          }
        }),
      );
      const dead = await cluster.primaryOf(`${prefix}{${device(1)}}`);
      await until('some are answered', () => answered[1] > 5);
      await dead.stop();
      await cluster.failedOver(dead);
      // The one that has taken over has no replica until somebody comes back.
      await dead.start();
      const before = answered[1];
      await until('it goes on', () => answered[1] > before + 5);
      stop = true;
      await load;
      for (let n = 0; n < 10; n++) {
        const count = await countAt(store, n);
        expect(count).toBeGreaterThanOrEqual(answered[n]);
        expect(count).toBeLessThanOrEqual(sent[n]);
      }
      await store.close();
    });
  });

  describe('a primary that Sentinels know', () => {
    let sentinels: RunningSentinels;
    beforeAll(async () => {
      sentinels = await startSentinels();
    });
    afterAll(() => sentinels.stop());

    storeContract({ place: newPlace, open: (prefix) => openStore(sentinels.url, prefix) });

    it('is found again when another one has taken its place', async () => {
      const store = await openStore(sentinels.url, newPlace(), { waitReplicas: 1 });
      await visited(store, visitOf(device(1), 1));
      const dead = await sentinels.primary();
      await dead.stop();
      const later = visited(store, visitOf(device(1), 1)).catch(() => undefined);
      await sentinels.failedOver(dead);
      await later;
      await until('visits are answered', () =>
        visited(store, visitOf(device(1), 1)).then(
          () => true,
          () => false,
        ),
      );
      expect(await countAt(store, 1)).toBeGreaterThanOrEqual(2);
      await store.close();
    });
  });
});
