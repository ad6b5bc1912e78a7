/** The registry: its contract on every engine, and what faults do to it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RegistryBase } from '../../src/store/embedded/registry-base.ts';
import { type Registry, startOf } from '../../src/store/registry.ts';
import { StoreError } from '../../src/store/store.ts';
import { startProxy } from '../proxy.ts';
import {
  type RunningCluster,
  type RunningRedis,
  redisServer,
  startCluster,
  startRedis,
  until,
} from '../redis.ts';
import { endWithTests, temporaryFolder } from '../server.ts';
import { type Environment, registryContract, registryOf, registryProcess } from './registry.ts';

let places = 0;
const newPrefix = () => `r${++places}:`;

const open: Registry[] = [];
function opened(environment: Environment): Registry {
  const registry = registryOf(environment);
  open.push(registry);
  return registry;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((registry) => registry.close()));
});

/** How long something took, in milliseconds, and that it was refused. */
async function refusal(asked: Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await expect(asked).rejects.toThrow(StoreError);
  return performance.now() - begin;
}

describe('the registry in files', () => {
  registryContract(() => ({ DATA_DIR: temporaryFolder() }));

  it('removes what is over', async () => {
    const folder = temporaryFolder();
    const first = opened({ DATA_DIR: folder });
    await first.put('session', 'over', 1, { ttl: 500 });
    await first.put('session', 'not yet', 1, { ttl: 60_000 });
    await first.add([{ scope: 's', name: 'n', count: 1 }], Date.now() - 200 * 86_400_000);
    const base = new RegistryBase(folder, 'read');
    const kept = () => {
      base.root.resetReadTxn();
      return [base.records.getCount(), base.counts.getCount()];
    };
    expect(kept()).toEqual([2, 2]);
    await first.close();
    await pause(500);
    // A writer looks when it starts, and once an hour.
    await opened({ DATA_DIR: folder }).put('session', 'another', 1);
    await expect.poll(kept).toEqual([2, 0]);
    await base.root.close();
  });

  it('is written again after its writer was killed', async () => {
    const one = registryProcess({ DATA_DIR: temporaryFolder() });
    await one.call('put', 'person', 'Ada', 1);
    const args = ['-o', 'pid=,args=', '--ppid', String(one.process.pid)];
    const writers = execFileSync('ps', args).toString().split('\n');
    const writer = writers.find((line) => line.includes('registry-writer')) as string;
    process.kill(Number.parseInt(writer, 10), 'SIGKILL');
    // What was sent to the one that is gone is refused.
    const tries = [1, 2].map(() => one.call('put', 'person', 'Bob', 1).catch(() => 0));
    await Promise.all(tries);
    expect(await one.call('put', 'person', 'Bob', 2)).toBeGreaterThan(0);
    expect(await one.call('list', 'person')).toHaveLength(2);
    one.process.kill();
  });
});

/** A process that takes the writer's lock and is stopped at that moment. */
async function stoppedHolder(folder: string): Promise<{ goOn(): Promise<void> }> {
  const program = fileURLToPath(
    new URL('../../src/store/embedded/registry-base.ts', import.meta.url),
  );
  const code = `
    import fs from 'node:fs';
    import { RegistryBase } from ${JSON.stringify(program)};
    const { root } = new RegistryBase(${JSON.stringify(folder)}, 'write');
    root.transactionSync(() => {
      fs.writeSync(1, 'has it');
      process.kill(process.pid, 'SIGSTOP');
    });`;
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithTests(holder);
  await once(holder.stdout, 'data');
  const state = () => fs.readFileSync(`/proc/${holder.pid}/stat`, 'utf8').split(') ')[1][0];
  await until('it is stopped', () => state() === 'T');
  return {
    async goOn() {
      const ended = once(holder, 'exit');
      holder.kill('SIGCONT');
      await ended;
    },
  };
}

describe.runIf(process.platform === 'linux')('a stopped process that may write', () => {
  it('holds up no timer and no read of others; writes are refused, and happen later', async () => {
    const folder = temporaryFolder();
    const one = opened({ DATA_DIR: folder });
    await one.put('person', 'Ada', 1);
    const holder = await stoppedHolder(folder);
    let [last, slowest, ticks] = [performance.now(), 0, 0];
    const timer = setInterval(() => {
      const now = performance.now();
      slowest = Math.max(slowest, now - last);
      last = now;
      ticks++;
    }, 5);
    const writes: Promise<number>[] = [
      refusal(one.put('person', 'Bob', 2)),
      refusal(one.remove('person', 'Ada')),
      refusal(one.add([{ scope: 's', name: 'n', count: 1 }], Date.now())),
      refusal(one.append('calls', [{ at: 1, owner: 'a', value: 1 }], 10)),
      refusal(one.forget('calls', 'a')),
    ];
    for (let i = 0; i < 50; i++) {
      expect((await one.get('person', 'Ada'))?.value).toBe(1);
      expect(await one.list('person')).toHaveLength(1);
      expect(await one.counts('s', 'hour', 0, Date.now())).toEqual([]);
      expect(await one.recent('calls', 10)).toEqual([]);
      await pause(10);
    }
    for (const took of await Promise.all(writes)) expect(took).toBeLessThan(5_000);
    // Whoever comes now does not wait in vain.
    expect(await refusal(one.put('person', 'Cyd', 3))).toBeLessThan(1_000);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(100);
    expect(slowest).toBeLessThan(1_000);
    await holder.goOn();
    await expect.poll(async () => (await one.list('person')).map(({ id }) => id)).toEqual(['Bob']);
    await one.put('person', 'Cyd', 3);
    expect(await one.counts('s', 'hour', 0, Date.now())).toHaveLength(1);
  });

  it('keeps no other one from starting and ending', async () => {
    const folder = temporaryFolder();
    const one = opened({ DATA_DIR: folder });
    await one.put('person', 'Ada', 1);
    const holder = await stoppedHolder(folder);
    const other = registryProcess({ DATA_DIR: folder });
    expect(await other.call('list', 'person')).toHaveLength(1);
    const written = other.call('put', 'person', 'Bob', 2).catch((error: Error) => error.message);
    other.process.stdin?.end();
    const ended = once(other.process, 'exit');
    expect(await written).toMatch(/lock/);
    expect(await ended).toEqual([0, null]);
    await holder.goOn();
  });
});

function mounted(): string | undefined {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    console.warn('Skipped: a full disk, since this user may not mount a tmpfs; run as root');
    return undefined;
  }
}
const disk = mounted();
afterAll(() => {
  if (disk) execFileSync('umount', ['-l', disk], { stdio: 'ignore' });
});

it.skipIf(!disk)('a full disk takes no write, loses nothing, and ends nobody', async () => {
  const ballast = path.join(disk as string, 'ballast');
  const one = opened({ DATA_DIR: disk as string });
  await one.put('draft', 'first', 'x'.repeat(50_000));
  const file = fs.openSync(ballast, 'w');
  try {
    for (;;) fs.writeSync(file, new Uint8Array(4_096));
  } catch {}
  fs.closeSync(file);
  const puts = Array.from({ length: 5 }, (_, i) => one.put('draft', `${i}`, 'y'.repeat(50_000)));
  for (const put of puts) await refusal(put);
  expect((await one.list('draft')).map(({ id }) => id)).toEqual(['first']);
  fs.rmSync(ballast);
  await one.put('draft', 'next', 'x'.repeat(50_000));
  expect((await one.list('draft')).map(({ id }) => id)).toEqual(['first', 'next']);
});

describe.skipIf(!redisServer)('the registry on one Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis('--maxmemory-policy', 'noeviction');
  });
  afterAll(() => redis.stop());
  registryContract(() => ({ REDIS_URL: redis.url, REDIS_PREFIX: newPrefix() }));

  it('removes what is over', async () => {
    const prefix = newPrefix();
    const one = opened({ REDIS_URL: redis.url, REDIS_PREFIX: prefix });
    for (let i = 0; i < 50; i++) await one.put('session', `s${i}`, 1, { ttl: 1 });
    await one.put('session', 'not yet', 1, { ttl: 60_000 });
    await pause(5);
    await one.put('session', 'another', 1);
    const key = `${prefix}registry:{session}`;
    expect(await redis.cli('hkeys', key)).toBe('not yet\nanother');
    expect(await redis.cli('zrange', `${key}:until`, '0', '-1')).toBe('not yet');
    const now = Date.now();
    await one.add([{ scope: 's', name: 'n', count: 1 }], now);
    const days = async (unit: 'hour' | 'day') =>
      Number(await redis.cli('ttl', `${prefix}counts:{s}:${unit}:${startOf(unit, now)}`)) / 86_400;
    expect(await days('hour')).toBeCloseTo(2.1, 0);
    expect(Math.abs((await days('day')) - 100)).toBeLessThan(1.1);
  });

  it('takes one round trip to count, of dozens of scopes', async () => {
    const proxy = await startProxy(redis.port);
    const url = `redis://127.0.0.1:${proxy.port}`;
    const one = opened({ REDIS_URL: url, REDIS_PREFIX: newPrefix() });
    const counts = Array.from({ length: 200 }, (_, i) => ({
      scope: `destination:${i >> 2}`,
      name: `reason ${i % 4}`,
      count: 1,
    }));
    await one.add(counts, Date.now());
    proxy.delay(400);
    const begin = performance.now();
    await one.add(counts, Date.now());
    expect(performance.now() - begin).toBeLessThan(790);
    expect(await one.counts('destination:7', 'day', 0, Date.now())).toHaveLength(4);
    await proxy.stop();
  });

  it('refuses soon while Redis is killed, stopped or full, and goes on when it is back', async () => {
    const own = await startRedis('--maxmemory-policy', 'noeviction');
    const one = opened({ REDIS_URL: own.url, REDIS_PREFIX: newPrefix() });
    const asked = () => [
      one.get('person', 'Ada'),
      one.list('person'),
      one.put('person', 'Ada', 1),
      one.add([{ scope: 's', name: 'n', count: 1 }], Date.now()),
      one.recent('calls', 10),
    ];
    await Promise.all(asked());
    await own.stop('SIGKILL');
    for (const took of await Promise.all(asked().map(refusal))) expect(took).toBeLessThan(2_000);
    await own.start();
    await expect.poll(() => Promise.all(asked()), { timeout: 5_000 }).toBeDefined();
    own.signal('SIGSTOP');
    for (const took of await Promise.all(asked().map(refusal))) expect(took).toBeLessThan(5_000);
    own.signal('SIGCONT');
    await expect.poll(() => Promise.all(asked()), { timeout: 5_000 }).toBeDefined();
    await own.cli('config', 'set', 'maxmemory', '1');
    await refusal(one.put('person', 'Bob', 1));
    expect(await one.list('person')).toHaveLength(1);
    await own.cli('config', 'set', 'maxmemory', '0');
    await one.put('person', 'Bob', 1);
    await own.stop();
  });
});

describe.skipIf(!redisServer)('the registry on a Cluster', () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.stop());
  registryContract(() => ({ REDIS_URL: cluster.url, REDIS_PREFIX: newPrefix() }));

  it('refuses soon while a primary is gone, and goes on with the next one', async () => {
    const prefix = newPrefix();
    const one = opened({ REDIS_URL: cluster.url, REDIS_PREFIX: prefix });
    await one.put('person', 'Ada', 1);
    const primary = await cluster.primaryOf(`${prefix}registry:{person}`);
    // What is acknowledged has reached the replica: the failover is not what this is about.
    await pause(200);
    await primary.stop('SIGKILL');
    expect(await refusal(one.put('person', 'Bob', 1))).toBeLessThan(5_000);
    await cluster.failedOver(primary);
    await expect
      .poll(() => one.put('person', 'Cyd', 1).catch(() => 0), { timeout: 10_000 })
      .toBeGreaterThan(0);
    expect((await one.list('person')).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['Ada', 'Cyd']),
    );
  });
});
