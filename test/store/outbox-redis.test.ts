/** The outbox on Redis: its contract on one server and on a Cluster, and what faults do to it. */
import slotOf from 'cluster-key-slot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Candidate,
  type Cause,
  type Entry,
  isReadable,
  type Outcome,
} from '../../src/store/outbox.ts';
import { type RedisAddress, readRedisAddress } from '../../src/store/redis/address.ts';
import { openRedis, type RedisClient, ready } from '../../src/store/redis/client.ts';
import { hintChannel } from '../../src/store/redis/hint.ts';
import { OutboxRedis, type OutboxRedisOptions } from '../../src/store/redis/outbox-redis.ts';
import { queueKey } from '../../src/store/redis/queue.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { agendaKey, BY_TIME, visitorKey } from '../../src/store/redis/script.ts';
import { tagOf } from '../../src/store/redis/slot.ts';
import { StoreError, type Visit } from '../../src/store/store.ts';
import {
  type RunningCluster,
  type RunningRedis,
  redisServer,
  startCluster,
  startRedis,
  startSentinels,
  until,
} from '../redis.ts';
import { DAYS, type OutboxEngine, outboxContract } from './outbox-contract.ts';
import { device, TODAY, visited, visitOf } from './workbench.ts';

let places = 0;
const newPrefix = () => `o${++places}:`;
const addressOf = (url: string) => readRedisAddress(url) as RedisAddress;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function openStore(url: string, prefix: string): Promise<RedisStore> {
  const store = new RedisStore({
    address: addressOf(url),
    prefix,
    ...DAYS,
    waitReplicas: 0,
    maxWaiting: 10_000,
    patience: 1_000,
  });
  open.push(store);
  await ready(store.client, 5_000);
  return store;
}

function openOutbox(url: string, prefix: string, more: Partial<OutboxRedisOptions> = {}) {
  const options = { prefix, waitReplicas: 0, ...more };
  const outbox = new OutboxRedis(() => openRedis(addressOf(url)), options);
  open.push(outbox);
  return outbox;
}

const engineOn = (url: () => string): OutboxEngine => ({
  place: newPrefix,
  openStore: (prefix) => openStore(url(), prefix),
  openOutbox: (prefix) => openOutbox(url(), prefix),
  kill: (outbox) => outbox.close(),
  // A newer program's.
  spoil: (prefix, deviceId) => setVersion(url(), visitorKey(prefix, deviceId), 9),
  mend: (prefix, deviceId) => setVersion(url(), visitorKey(prefix, deviceId), 1),
  spoilLetter: (prefix, destination, message, how) =>
    withClient(url(), async (client) => {
      const key = `${queueKey(prefix, destination)}:letters`;
      const letter = (await client.hgetBuffer(key, message)) as Buffer;
      // The last move's kind.
      letter[letter.length - 5] = 9;
      await client.hset(key, message, how === 'new' ? letter : 'no letter');
    }),
});

const setVersion = (url: string, key: string, version: number) =>
  withClient(url, (client) => client.setrange(key, 0, Buffer.of(version)));

async function withClient(url: string, work: (client: RedisClient) => Promise<unknown>) {
  const client = openRedis(addressOf(url));
  await ready(client, 5_000);
  await work(client);
  client.disconnect();
}

/** A visit that partners may have to hear of. */
const flagged = (n: number, more: Partial<Visit> = {}): Visit => ({
  ...visitOf(device(n), 1),
  examine: true,
  ...more,
});

const SECOND = 1_700_000_000_000;
/** Entering segment 5 of destination 7. */
const entering = ({ deviceId }: Candidate, next?: number): Outcome => ({
  deviceId,
  told: new Map([[7, new Map([[5, SECOND]])]]),
  moves: new Map([[7, [{ sid: 5, isMember: true, at: SECOND }]]]),
  next,
});

/** All whose time has come, of all shards. */
async function allDue(outbox: OutboxRedis): Promise<Candidate[]> {
  const batches = [];
  for (const shard of await outbox.shards()) {
    for (const by of ['visit', 'time'] as const) batches.push(await outbox.due(shard, 1_000, by));
  }
  return batches.flatMap(({ candidates }) => candidates);
}

const idsOf = (all: readonly { deviceId: string }[]) => all.map(({ deviceId }) => deviceId).sort();

/** Everybody that a pass meets. */
async function walked(outbox: OutboxRedis): Promise<string[]> {
  const met = new Set<string>();
  for (const shard of await outbox.shards()) {
    let cursor: string | undefined;
    do {
      const step = await outbox.walk(shard, cursor, 10);
      for (const { deviceId } of step.batch.candidates) met.add(deviceId);
      cursor = step.cursor;
    } while (cursor !== undefined);
  }
  return [...met].sort();
}

async function settleAll(outbox: OutboxRedis): Promise<void> {
  for (const shard of await outbox.shards()) {
    const batch = await outbox.due(shard, 1_000);
    await outbox.settle(
      batch,
      batch.candidates.map((one) => entering(one)),
    );
  }
}

describe.skipIf(!redisServer)('the outbox on one Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis('--maxmemory-policy', 'noeviction');
  });
  afterAll(() => redis.stop());

  outboxContract(engineOn(() => redis.url));

  const person = [{ dataSource: 1, id: 'Ada' }];
  it.each<[string, Visit[], number[]]>([
    ['nobody, where no visit asks for it', [visitOf(device(1), 1)], []],
    ['who is known by a device id', [flagged(1)], [1]],
    ['who is new', [flagged(1, { deviceId: undefined, freshId: device(1) })], [1]],
    ['who opts out', [flagged(1, { change: { day: TODAY, optOut: true } })], [1]],
    [
      'whom another id leads to',
      [
        { ...visitOf(device(1), 1), aliases: person },
        flagged(2, { deviceId: undefined, aliases: person }),
      ],
      [1],
    ],
  ])('has on the agenda: %s', async (_, visits, expected) => {
    const prefix = newPrefix();
    const store = await openStore(redis.url, prefix);
    for (const one of visits) await visited(store, one);
    expect(idsOf(await allDue(openOutbox(redis.url, prefix)))).toEqual(expected.map(device));
  });

  it('has somebody on the agenda where one of several visits that go together asks for it', async () => {
    const prefix = newPrefix();
    const store = await openStore(redis.url, prefix);
    await Promise.all([
      visited(store, visitOf(device(1), 1)),
      visited(store, visitOf(device(1), 2)),
      visited(store, flagged(1)),
      visited(store, visitOf(device(2), 2)),
    ]);
    expect(idsOf(await allDue(openOutbox(redis.url, prefix)))).toEqual([device(1)]);
  });

  it('says when a profile is forgotten: a newcomer soon, who came back later, who opted out never', async () => {
    const prefix = newPrefix();
    const store = await openStore(redis.url, prefix);
    await visited(store, flagged(1, { deviceId: undefined, freshId: device(1) }));
    await visited(store, flagged(2));
    await visited(store, flagged(3, { change: { day: TODAY, optOut: true } }));
    const outbox = openOutbox(redis.url, prefix);
    const found = (await outbox.due('all', 10)).candidates;
    const days = found.map(({ keptUntil }) => keptUntil && (keptUntil - Date.now()) / 86_400_000);
    expect(days).toEqual([expect.closeTo(11, 2), expect.closeTo(101, 2), undefined]);
    expect(found.map(({ profile }) => profile?.optedOut)).toEqual([false, false, true]);
  });

  it('is refused in words while Redis is away, and has lost nothing when it is back', async () => {
    const own = await startRedis('--appendonly', 'yes', '--appendfsync', 'always');
    const prefix = newPrefix();
    const store = await openStore(own.url, prefix);
    const outbox = openOutbox(own.url, prefix);
    for (let n = 1; n <= 4; n++) await visited(store, flagged(n));
    const batch = await outbox.due('all', 3);
    await outbox.settle(
      batch,
      batch.candidates.map((one) => entering(one)),
    );
    const entries = await outbox.read(7, 2);
    await outbox.seal(7, { message: 'm-1', entries });
    const rest = await outbox.due('all', 10);
    await own.stop('SIGKILL');
    for (const asked of [
      () => outbox.due('all', 1),
      () => outbox.walk('all', undefined, 1),
      () =>
        outbox.settle(
          rest,
          rest.candidates.map((one) => entering(one)),
        ),
      () => outbox.look([device(1)]),
      () => outbox.lease('all', 'one', 1_000),
      () => outbox.queues(),
      () => outbox.read(7, 1),
      () => outbox.recover(7),
    ]) {
      await expect(asked()).rejects.toThrow(StoreError);
      await expect(asked()).rejects.toThrow(/the outbox in Redis: /);
    }
    await own.start();
    await until('the outbox is back', () => outbox.shards().catch(() => undefined));
    expect(idsOf((await outbox.due('all', 10)).candidates)).toEqual([device(4)]);
    const { sealed, read } = await outbox.recover(7);
    expect([sealed, read]).toEqual([[{ message: 'm-1', entries }], []]);
    expect(await outbox.read(7, 10)).toHaveLength(1);
    expect(
      idsOf(
        (await outbox.look([1, 2, 3].map(device))).filter(
          (one) => isReadable(one) && one.told.has(7),
        ),
      ),
    ).toEqual([1, 2, 3].map(device));
    await own.stop();
  });

  it('hands on what was read while the answer got lost', async () => {
    const prefix = newPrefix();
    const store = await openStore(redis.url, prefix);
    const outbox = openOutbox(redis.url, prefix);
    for (let n = 1; n <= 3; n++) await visited(store, flagged(n));
    await settleAll(outbox);
    const [first] = await outbox.read(7, 1);
    const stream = `${prefix}out:{7}`;
    await redis.cli('rename', stream, `${stream}away`);
    await redis.cli('set', stream, 'no stream');
    await expect(outbox.read(7, 1)).rejects.toThrow(/WRONGTYPE/);
    await redis.cli('del', stream);
    await redis.cli('rename', `${stream}away`, stream);
    // As if Redis had read it for this process, and the answer had not come.
    await redis.cli(
      'xreadgroup',
      'group',
      'delivery',
      'reader',
      'count',
      '1',
      'streams',
      stream,
      '>',
    );
    const others = await outbox.read(7, 10);
    expect(idsOf([first, ...others])).toEqual([1, 2, 3].map(device));
  });

  it('has no consumer of a message that is done, or was taken apart', async () => {
    const prefix = newPrefix();
    const store = await openStore(redis.url, prefix);
    const outbox = openOutbox(redis.url, prefix);
    for (let n = 1; n <= 3; n++) await visited(store, flagged(n));
    await settleAll(outbox);
    const entries = await outbox.read(7, 3);
    const consumers = async () => {
      const client = openRedis(addressOf(redis.url));
      await ready(client, 5_000);
      const rows = (await client.xinfo('CONSUMERS', `${prefix}out:{7}`, 'delivery')) as string[][];
      client.disconnect();
      return rows.map((row) => String(row[1])).sort();
    };
    await outbox.seal(7, { message: 'whole', entries });
    const parts = entries.map((entry, i) => ({ message: `part-${i}`, entries: [entry] }));
    await outbox.seal(7, ...parts);
    await outbox.done(7, [{ message: 'whole', entries: [] }]);
    expect(await consumers()).toEqual(['part-0', 'part-1', 'part-2', 'reader']);
    await outbox.done(7, [parts[0], { message: 'whole', entries: [] }, parts[2]]);
    expect(await consumers()).toEqual(['part-1', 'reader']);
  });

  it('goes through everybody again where Redis was started anew in the middle', async () => {
    const own = await startRedis('--appendonly', 'yes', '--appendfsync', 'always');
    const prefix = newPrefix();
    const store = await openStore(own.url, prefix);
    const all = Array.from({ length: 200 }, (_, n) => device(n));
    await Promise.all(all.map((_, n) => visited(store, flagged(n))));
    const outbox = openOutbox(own.url, prefix);
    let step = await outbox.walk('all', undefined, 10);
    while (step.progress < 0.5) step = await outbox.walk('all', step.cursor, 10);
    await own.stop('SIGKILL');
    await own.start();
    await until('the outbox is back', () => outbox.shards().catch(() => undefined));
    const met = new Set<string>();
    for (let { cursor } = step; cursor !== undefined; { cursor } = step) {
      step = await outbox.walk('all', cursor, 10);
      for (const { deviceId } of step.batch.candidates) met.add(deviceId);
    }
    expect([...met].sort()).toEqual(all);
    await own.stop();
  });

  it('walks by who is told of, too, though nothing else is stored of them any more', async () => {
    const prefix = newPrefix();
    const store = await openStore(redis.url, prefix);
    const outbox = openOutbox(redis.url, prefix);
    await visited(store, flagged(1));
    await visited(store, flagged(2));
    await settleAll(outbox);
    await redis.cli('del', visitorKey(prefix, device(1)));
    await redis.cli('set', `${prefix}{no visitor}`, 'x');
    const { batch } = await outbox.walk('all', undefined, 500);
    const met = batch.candidates.map(({ deviceId, profile }) => [deviceId, profile !== undefined]);
    expect(met.sort()).toEqual([
      [device(1), false],
      [device(2), true],
    ]);
  });

  it('lets nobody who cannot be read be in the way of others', async () => {
    const prefix = newPrefix();
    const store = await openStore(redis.url, prefix);
    const outbox = openOutbox(redis.url, prefix);
    for (const n of [1, 2, 3]) await visited(store, flagged(n));
    // A newer program's, and something else.
    await redis.cli('setrange', visitorKey(prefix, device(1)), '0', '\x09');
    await redis.cli('del', visitorKey(prefix, device(2)));
    await redis.cli('lpush', visitorKey(prefix, device(2)), 'x');
    const unreadable = [
      { deviceId: device(1), problem: expect.stringMatching(/update this program/) },
      { deviceId: device(2), problem: expect.stringMatching(/WRONGTYPE/) },
    ];
    expect(await outbox.due('all', 2)).toEqual({ candidates: [], unreadable });
    expect(idsOf((await outbox.due('all', 2)).candidates)).toEqual([device(3)]);
    expect(await outbox.look([1, 2, 4].map(device))).toMatchObject([
      ...unreadable,
      { deviceId: device(4), profile: undefined },
    ]);
    // Nothing of them is lost.
    expect(await redis.cli('zcard', agendaKey(prefix))).toBe('3');
  });
});

/** What holds on one server as on several. */
function competition(place: () => { url: string; prefix: string }) {
  it('gives a right to one of two deliverers, until it is released or its time is over', async () => {
    const { url, prefix } = place();
    const [one, other] = [openOutbox(url, prefix), openOutbox(url, prefix)];
    expect(await one.lease('queue:7', 'one', 60_000)).toBe(true);
    expect(await other.lease('queue:7', 'other', 60_000)).toBe(false);
    expect(await other.lease('queue:8', 'other', 60_000)).toBe(true);
    await other.release('queue:7', 'other');
    expect(await other.lease('queue:7', 'other', 60_000)).toBe(false);
    await one.release('queue:7', 'one');
    expect(await other.lease('queue:7', 'other', 1)).toBe(true);
    await expect.poll(() => one.lease('queue:7', 'one', 60_000)).toBe(true);
    const shards = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? one : other).lease('shard', `${i % 2}`, 60_000),
      ),
    );
    const [ones, others] = [0, 1].map((rest) => shards.filter((_, i) => i % 2 === rest));
    expect([ones, others].filter((all) => all.every((has) => has))).toHaveLength(1);
    expect([ones, others].filter((all) => all.every((has) => !has))).toHaveLength(1);
  });

  it('keeps what is told and queued of thousands, whoever comes back meanwhile', async () => {
    const { url, prefix } = place();
    const store = await openStore(url, prefix);
    const all = Array.from({ length: 2_000 }, (_, n) => device(n));
    await Promise.all(all.map((_, n) => visited(store, flagged(n))));
    const outbox = openOutbox(url, prefix);
    const examined = new Map<string, number>();
    const back = new Set<string>();
    await until('all are examined, and who came back once more', async () => {
      for (const shard of await outbox.shards()) {
        const batch = await outbox.due(shard, 300);
        for (const { deviceId } of batch.candidates) {
          examined.set(deviceId, (examined.get(deviceId) ?? 0) + 1);
          if (!deviceId.endsWith('77') || back.has(deviceId)) continue;
          back.add(deviceId);
          await visited(store, { ...flagged(0), deviceId });
        }
        const outcomes = batch.candidates.map((one) =>
          one.told.size === 0 ? entering(one) : { ...entering(one), moves: new Map() },
        );
        await outbox.settle(batch, outcomes);
      }
      return (
        examined.size + back.size === [...examined.values()].reduce((sum, n) => sum + n, 0) &&
        examined.size === all.length
      );
    });
    expect([...back].map((id) => examined.get(id))).toEqual(Array(20).fill(2));
    const entries: Entry[] = [];
    for (let some = await outbox.read(7, 700); some.length > 0; some = await outbox.read(7, 700)) {
      entries.push(...some);
    }
    expect(idsOf(entries)).toEqual(all);
    await outbox.discard(7, entries);
    expect(await outbox.queues()).toEqual([]);
    expect(await walked(outbox)).toEqual(all);
  });
}

describe.skipIf(!redisServer)('deliverers on one Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  competition(() => ({ url: redis.url, prefix: newPrefix() }));
});

it.skipIf(!redisServer)('the outbox on Sentinels goes on with the next primary', async () => {
  const sentinels = await startSentinels();
  const prefix = newPrefix();
  const store = await openStore(sentinels.url, prefix);
  const outbox = openOutbox(sentinels.url, prefix);
  for (let n = 1; n <= 4; n++) await visited(store, flagged(n));
  const batch = await outbox.due('all', 3);
  await outbox.settle(
    batch,
    batch.candidates.map((one) => entering(one)),
  );
  const primary = await sentinels.primary();
  // What was written before has reached them, too.
  await until('replicas', async () => {
    await primary.cli('set', 'mark', '1');
    return (await primary.cli('wait', '2', '1000')) === '2';
  });
  await primary.stop('SIGKILL');
  await expect(outbox.due('all', 10)).rejects.toThrow(StoreError);
  await sentinels.failedOver(primary);
  await expect
    .poll(async () => idsOf((await outbox.due('all', 10).catch(() => batch)).candidates))
    .toEqual([device(4)]);
  expect(idsOf(await outbox.read(7, 10))).toEqual([1, 2, 3].map(device));
  await sentinels.stop();
});

describe.skipIf(!redisServer)('the outbox on a Cluster', () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.stop());
  outboxContract(engineOn(() => cluster.url));
  competition(() => ({ url: cluster.url, prefix: newPrefix() }));

  const slotIn = (prefix: string, n: number) => slotOf(visitorKey(prefix, device(n)));
  /** Puts a visitor on the agenda as a page server does that ends before it says so. */
  const silently = async (prefix: string, n: number, score = Date.now() * 1e3) => {
    const key = agendaKey(prefix, tagOf(slotIn(prefix, n)));
    const member = Buffer.from(device(n), 'hex').toString('latin1');
    const client = openRedis(addressOf(cluster.url));
    await ready(client, 5_000);
    await client.zadd(key, score, Buffer.from(member, 'latin1'));
    client.disconnect();
  };

  it('has a shard for each primary', async () => {
    expect(await openOutbox(cluster.url, newPrefix()).shards()).toHaveLength(3);
  });

  it('hears of who comes by a hint, and of whom no hint came by looking through all', async () => {
    const prefix = newPrefix();
    const store = await openStore(cluster.url, prefix);
    const outbox = openOutbox(cluster.url, prefix, { sweepMs: 3_600_000 });
    await until('it listens', async () => {
      await visited(store, flagged(1));
      return (await allDue(outbox)).length === 1;
    });
    await settleAll(outbox);
    await silently(prefix, 2);
    await visited(store, flagged(3));
    await expect.poll(async () => idsOf(await allDue(outbox))).toContain(device(3));
    expect(idsOf(await allDue(outbox))).not.toContain(device(2));
    const sweeping = openOutbox(cluster.url, prefix, { sweepMs: 100 });
    await allDue(sweeping);
    await silently(prefix, 4);
    await expect
      .poll(async () => idsOf(await allDue(sweeping)))
      .toEqual(expect.arrayContaining([device(2), device(4)]));
  });

  it('examines at a time that was set, without a hint', async () => {
    const prefix = newPrefix();
    const store = await openStore(cluster.url, prefix);
    const outbox = openOutbox(cluster.url, prefix, { sweepMs: 3_600_000 });
    await visited(store, flagged(1));
    await expect.poll(async () => (await allDue(outbox)).length).toBe(1);
    for (const shard of await outbox.shards()) {
      const batch = await outbox.due(shard, 10);
      await outbox.settle(
        batch,
        batch.candidates.map((one) => entering(one, Date.now() + 1_000)),
      );
    }
    expect(await allDue(outbox)).toEqual([]);
    await expect.poll(async () => (await allDue(outbox)).length).toBe(1);
  });

  it('finds whom time has brought, however many visits wait in other slots', async () => {
    const prefix = newPrefix();
    const one = await cluster.primaryOf(visitorKey(prefix, device(1)));
    const own: number[] = [];
    const slots = new Set<number>();
    for (let n = 1; own.length < 14; n++) {
      if ((await cluster.primaryOf(visitorKey(prefix, device(n)))) !== one) continue;
      if (slots.has(slotIn(prefix, n))) continue;
      slots.add(slotIn(prefix, n));
      own.push(n);
    }
    const visits = own.slice(0, 10);
    const byTime = own.slice(10);
    for (const n of visits) await silently(prefix, n);
    for (const n of byTime) await silently(prefix, n, BY_TIME + Date.now() * 1e3);
    const outbox = openOutbox(cluster.url, prefix);
    const shard = (await outbox.shards()).find((name) => name.startsWith(`127.0.0.1:${one.port}/`));
    const due = async (limit: number, by: Cause) =>
      idsOf((await outbox.due(shard as string, limit, by)).candidates);
    expect(await due(4, 'time')).toEqual(byTime.map(device).sort());
    expect(await due(10, 'visit')).toEqual(visits.map(device).sort());
    expect(await due(100, 'time')).toEqual(byTime.map(device).sort());
  });

  it('loses nobody whose slot moves, at rest or in the middle of it', async () => {
    const prefix = newPrefix();
    const store = await openStore(cluster.url, prefix);
    const outbox = openOutbox(cluster.url, prefix);
    for (let n = 1; n <= 5; n++) await visited(store, flagged(n));
    const key = visitorKey(prefix, device(1));
    const slot = String(slotOf(key));
    const before = await outbox.shards();
    const from = await cluster.primaryOf(key);
    const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as RunningRedis;
    const shard = before.find((name) => name.startsWith(`127.0.0.1:${from.port}/`)) as string;

    // Half way: the visitor has gone, the agenda has not.
    await to.cli('cluster', 'setslot', slot, 'importing', await from.cli('cluster', 'myid'));
    await from.cli('cluster', 'setslot', slot, 'migrating', await to.cli('cluster', 'myid'));
    await from.cli('migrate', '127.0.0.1', String(to.port), key, '0', '5000');
    expect(idsOf(await allDue(outbox))).toEqual([1, 2, 3, 4, 5].map(device));
    let kept = 0;
    const again = visited(store, flagged(1)).then(() => kept++);
    await expect(outbox.walk(shard, undefined, 500)).rejects.toThrow(/on the move/);
    await expect(settleAll(outbox)).rejects.toThrow(StoreError);
    expect(kept).toBe(0);

    await cluster.moveSlot(Number(slot), from, to);
    await again;
    const isNew = async () => !(await outbox.shards()).includes(shard);
    await expect.poll(isNew).toBe(true);
    await expect(outbox.due(shard, 1)).rejects.toThrow(/ask which there are/);
    await expect(outbox.walk(shard, undefined, 1)).rejects.toThrow(/ask which there are/);
    expect(await walked(outbox)).toEqual([1, 2, 3, 4, 5].map(device));
    await expect.poll(async () => idsOf(await allDue(outbox))).toContain(device(1));
    await settleAll(outbox);
    await expect.poll(async () => idsOf(await outbox.read(7, 100)).length).toBe(0);
  });

  it('listens to hints only where somebody asks whose time has come, as no page server does', async () => {
    const prefix = newPrefix();
    const outbox = openOutbox(cluster.url, prefix);
    await outbox.queues();
    await outbox.dead(7, 10);
    const listeners = async () => {
      const asked = cluster.nodes.map((node) => node.cli('pubsub', 'numsub', hintChannel(prefix)));
      return (await Promise.all(asked)).reduce((sum, text) => sum + Number(text.split('\n')[1]), 0);
    };
    // What was opened with it would have subscribed by now.
    await openOutbox(cluster.url, newPrefix()).shards();
    expect(await listeners()).toBe(0);
    await allDue(outbox);
    await expect.poll(listeners).toBe(1);
  });

  it('counts nobody as told before replicas have what is queued, where they have to', async () => {
    const prefix = newPrefix();
    const store = await openStore(cluster.url, prefix);
    const outbox = openOutbox(cluster.url, prefix, { waitReplicas: 1 });
    const primary = await cluster.primaryOf(`${prefix}out:{7}`);
    let n = 1;
    while ((await cluster.primaryOf(visitorKey(prefix, device(n)))) === primary) n++;
    await visited(store, flagged(n));
    const batch: { candidates: Candidate[] } = { candidates: [] };
    await until('the visitor is due', async () => {
      batch.candidates = await allDue(outbox);
      return batch.candidates.length === 1;
    });
    const outcomes = batch.candidates.map((one) => entering(one));
    const roles = await Promise.all(cluster.nodes.map((node) => node.cli('role')));
    const at = roles.findIndex((role) => role.split('\n')[2] === String(primary.port));
    const replica = cluster.nodes[at];
    replica.signal('SIGSTOP');
    for (let tries = 0; tries < 3; tries++) {
      await expect(outbox.settle(batch, outcomes)).rejects.toThrow(/only 0 of 1 replicas confirm/);
    }
    expect(await outbox.look([device(n)])).toMatchObject([{ told: new Map() }]);
    // Whether it will be there, nobody knows; but not once for each try.
    expect(await outbox.queues()).toMatchObject([{ destination: 7, waiting: 1 }]);
    replica.signal('SIGCONT');
    await until('it is settled', () =>
      outbox.settle(batch, outcomes).then(
        () => true,
        () => false,
      ),
    );
    expect(await outbox.look([device(n)])).toMatchObject([
      { told: new Map([[7, new Map([[5, SECOND]])]]) },
    ]);
    await until('the replica', async () => (await primary.cli('wait', '1', '1000')) === '1');
  });

  it('goes on with the next primary where one is killed', async () => {
    const prefix = newPrefix();
    const store = await openStore(cluster.url, prefix);
    const outbox = openOutbox(cluster.url, prefix);
    for (let n = 1; n <= 20; n++) await visited(store, flagged(n));
    const primary = await cluster.primaryOf(visitorKey(prefix, device(1)));
    const killed = (await outbox.shards()).find((name) => name.includes(`:${primary.port}/`));
    const node = await primary.cli('wait', '1', '2000');
    expect(node).toBe('1');
    await primary.stop('SIGKILL');
    await expect(outbox.due(killed as string, 10)).rejects.toThrow(StoreError);
    await cluster.failedOver(primary);
    await expect
      .poll(async () => idsOf(await allDue(outbox).catch(() => [])))
      .toEqual(Array.from({ length: 20 }, (_, n) => device(n + 1)));
    await settleAll(outbox);
    expect(await outbox.queues()).toMatchObject([{ destination: 7, waiting: 20 }]);
  });
});
