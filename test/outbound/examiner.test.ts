/**
 * The examiner on real stores, while very many are due by time: at midnight, or where it is not known who
 * came. Whoever comes is told of before them; they go at the rate.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compileAccount } from '../../src/account/snapshot.ts';
import { atOnce } from '../../src/account/turns.ts';
import { Profile } from '../../src/audience/profile.ts';
import { Examiner } from '../../src/outbound/examiner.ts';
import { termsOf } from '../../src/outbound/terms.ts';
import { OutboxFile } from '../../src/store/embedded/outbox-file.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import type { Outbox } from '../../src/store/outbox.ts';
import { readRedisAddress } from '../../src/store/redis/address.ts';
import { openRedis } from '../../src/store/redis/client.ts';
import { OutboxRedis } from '../../src/store/redis/outbox-redis.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { RegistryRedis } from '../../src/store/redis/registry-redis.ts';
import type { Registry } from '../../src/store/registry.ts';
import type { Store } from '../../src/store/store.ts';
import { type RunningRedis, redisServer, startRedis } from '../redis.ts';
import { temporaryFolder } from '../server.ts';
import { device, openEmbedded, visited, visitOf } from '../store/workbench.ts';
import { account, realtime, segment, trait } from './example.ts';
import { MemoryOutbox } from './outbox-memory.ts';

const DAYS = { profileDays: 100, newcomerDays: 10 };
const MANY = 20_000;
const RATE = 200;
const DESTINATION = 801;

interface Opened {
  readonly store: Store;
  readonly outbox: Outbox;
  readonly registry: Registry;
}

const snapshot = compileAccount(
  account({
    traits: [trait(1)],
    segments: [segment(51, '1T')],
    destinations: [realtime(DESTINATION, [51])],
  }),
);
const inForce = { snapshot, revision: 1, terms: atOnce(termsOf(snapshot, 20_000)) };

/** Everybody is due by time, whenever that was. */
async function scheduleAll({ store, outbox }: Opened): Promise<void> {
  const ids = Array.from({ length: MANY }, (_, n) => device(n));
  for (let from = 0; from < MANY; from += 1_000) {
    await Promise.all(ids.slice(from, from + 1_000).map((id) => visited(store, visitOf(id, 2))));
  }
  let cursor: string | undefined;
  do {
    const step = await outbox.walk('all', cursor, 500);
    const outcomes = step.batch.candidates.map(({ deviceId }) => ({
      deviceId,
      told: new Map(),
      moves: new Map(),
      // Not before it is settled: what is due by then counts as a visit.
      next: Date.now() + 5_000,
    }));
    await outbox.settle(step.batch, outcomes);
    cursor = step.cursor;
  } while (cursor !== undefined);
  for (let due = 0; due < MANY; ) {
    await pause(100);
    due = (await outbox.due('all', MANY, 'time')).candidates.length;
  }
}

const ENGINES: [name: string, isThere: boolean][] = [
  ['embedded', true],
  ['Redis', redisServer !== undefined],
];

describe.each(ENGINES)('on the %s store, with 20,000 due by time', (name, isThere) => {
  let redis: RunningRedis | undefined;
  let opened: Opened;
  beforeAll(async () => {
    if (!isThere) return;
    if (name === 'Redis') {
      redis = await startRedis();
      const address = readRedisAddress(redis.url);
      if (!address) throw new Error('no address');
      const open = () => openRedis(address, {});
      const prefix = 'examiner:';
      opened = {
        store: new RedisStore({
          ...{ address, prefix, ...DAYS },
          ...{ waitReplicas: 0, maxWaiting: 10_000, patience: 1_000 },
        }),
        outbox: new OutboxRedis(open, { prefix, waitReplicas: 0 }),
        registry: new RegistryRedis(open, prefix),
      };
    } else {
      const folder = temporaryFolder();
      opened = {
        store: openEmbedded(folder, DAYS),
        outbox: new OutboxFile({ folder, ...DAYS, access: 'write' }),
        registry: new RegistryFile(folder),
      };
    }
    await scheduleAll(opened);
  }, 120_000);
  afterAll(async () => {
    const { store, outbox, registry } = opened ?? {};
    await Promise.all([outbox?.close(), store?.close(0), registry?.close()]);
    await redis?.stop();
  });

  it.runIf(isThere)('who comes is told of before them, and they go at the rate', async () => {
    const { store, outbox, registry } = opened;
    /** Of those who have not come, in order. */
    let examined = 0;
    const watched = new Proxy(outbox, {
      get(target, key) {
        if (key === 'settle') {
          return (...[batch, outcomes]: Parameters<Outbox['settle']>) => {
            examined += outcomes.filter(({ deviceId }) => deviceId < device(MANY)).length;
            return target.settle(batch, outcomes);
          };
        }
        const value = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const problems: unknown[] = [];
    const examiner = new Examiner('all', {
      ...{ outbox: watched, registry, rate: () => RATE, inForce: () => inForce },
      isEverywhere: async () => true,
      unreadable: () => {},
      moved: () => {},
      report: (message, error) => problems.push(message, error),
    });
    const began = performance.now();
    examiner.start();
    await expect.poll(() => examined).toBeGreaterThan(RATE);
    const told: string[] = [];
    for (let n = 0; n < 10; n++) {
      const before = examined;
      const comes = device(MANY + n);
      await visited(store, { ...visitOf(comes, 1), examine: true });
      while (!told.includes(comes)) {
        for (const { deviceId } of await outbox.read(DESTINATION, 100)) told.push(deviceId);
        await pause(5);
        // Else they stand in front.
        if (examined - before > MANY / 2) throw new Error('they came first');
      }
    }
    expect(examiner.behindSince).toBeLessThanOrEqual(Date.now());
    await examiner.close();
    // As much again is the moment that may be made up for, and what is under way at the end.
    const allowed = (RATE * (performance.now() - began)) / 1_000 + RATE / 2;
    expect(examined).toBeGreaterThan(RATE);
    expect(examined).toBeLessThan(allowed);
    expect(problems).toEqual([]);
    expect(told).toEqual(Array.from({ length: 10 }, (_, n) => device(MANY + n)));
  });
});

it('whose shard was lost while it read keeps nothing of what came out', async () => {
  const registry = new RegistryFile(temporaryFolder());
  const outbox = new MemoryOutbox();
  const profile = new Profile();
  profile.apply({ day: 20_000, realized: [1] });
  outbox.memory.keep(device(1), profile);
  const due = outbox.due.bind(outbox);
  let reads = 0;
  outbox.due = async (...which) => {
    const batch = await due(...which);
    if (batch.candidates.length > 0 && ++reads === 1) {
      outbox.memory.leases.set('shard:all', { holder: 'another', until: Number.MAX_VALUE });
      vi.advanceTimersByTime(10_000);
    }
    return batch;
  };
  const settle = vi.spyOn(outbox, 'settle');
  const problems: string[] = [];
  vi.useFakeTimers({ toFake: ['performance'] });
  const examiner = new Examiner('all', {
    ...{ outbox, registry, rate: () => RATE, inForce: () => inForce },
    isEverywhere: async () => true,
    unreadable: () => {},
    moved: () => {},
    report: (message) => problems.push(message),
  });
  try {
    examiner.start();
    await expect.poll(() => reads).toBe(1);
    await pause(300);
    expect(settle).not.toHaveBeenCalled();
    outbox.memory.leases.clear();
    await expect.poll(() => outbox.memory.queue(DESTINATION).unread).toHaveLength(1);
    expect(problems).toEqual([]);
  } finally {
    vi.useRealTimers();
    await examiner.close();
    await registry.close();
  }
});
