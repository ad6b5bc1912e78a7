/** Real servers on a real Redis that is killed, stopped, mute or late; and several of them. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { openAccounts } from '../../src/engine.ts';
import { type RedisProxy, startProxy } from '../proxy.ts';
import {
  type RunningCluster,
  type RunningRedis,
  redisServer,
  startCluster,
  startRedis,
  until,
} from '../redis.ts';
import { freePort, type RunningServer, type ServerOptions, startServer } from '../server.ts';
import { device } from './workbench.ts';

const accountWith = (traitRule: string, name = 'Home') => ({
  dataSources: [{ dataSourceId: 1, name: 'Own' }],
  folders: [],
  traits: [{ sid: 1, name, traitType: 'RULE_BASED_TRAIT', traitRule, dataSourceId: 1 }],
  segments: [{ sid: 2, name: 'Homely', segmentRule: '1T' }],
  destinations: [],
  sites: [{ siteId: 1, name: 'Shop', domains: ['shop.test'] }],
});
const account = accountWith('c_page == "home"');

const servers: RunningServer[] = [];
const redises: RunningRedis[] = [];
const proxies: RedisProxy[] = [];
const clusters: RunningCluster[] = [];
async function redis(...args: string[]): Promise<RunningRedis> {
  const one = await startRedis(...args);
  redises.push(one);
  return one;
}
async function proxyOf({ port }: RunningRedis): Promise<RedisProxy> {
  const proxy = await startProxy(port);
  proxies.push(proxy);
  return proxy;
}
async function start(url: string, environment = {}, more: ServerOptions = {}) {
  const server = await startServer({
    account,
    ...more,
    environment: { REDIS_URL: url, MAX_CALLS_PER_ID: '0', DEADLINE_MS: '50', ...environment },
  });
  servers.push(server);
  return server;
}
const stopAll = async () => {
  for (const { process: child } of servers.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
  await Promise.all(clusters.splice(0).map((cluster) => cluster.stop()));
  await Promise.all(redises.splice(0).map((one) => one.stop()));
};
afterEach(stopAll);
afterAll(stopAll);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Load {
  readonly acknowledged: number[];
  readonly late: number[];
  /** Milliseconds of the slowest answer. */
  slowest: number;
  stop(): Promise<void>;
}

/** Calls in an endless stream until told to stop; every second visitor is known by another id, too. */
function load({ origin }: RunningServer, visitors = 20, parallel = 8): Load {
  let stopped = false;
  const told: Load = {
    acknowledged: Array<number>(visitors).fill(0),
    late: Array<number>(visitors).fill(0),
    slowest: 0,
    async stop() {
      stopped = true;
      await ended;
    },
  };
  const one = async (k: number) => {
    for (let i = k; !stopped; i += parallel) {
      const begin = performance.now();
      try {
        const n = i % visitors;
        const other = n % 2 ? `&d_cid=1%01person-${n}` : '';
        const response = await fetch(
          `${origin}/event?d_uuid=${device(n)}${other}&c_page=home&d_rtbd=json`,
        );
        await response.arrayBuffer();
        expect(response.status).toBe(200);
        const counts = response.headers.get('x-error') === '200' ? told.late : told.acknowledged;
        counts[i % visitors]++;
      } catch (error) {
        if (error instanceof TypeError) return;
        throw error;
      }
      told.slowest = Math.max(told.slowest, performance.now() - begin);
      await pause(1);
    }
  };
  const ended = Promise.all(Array.from({ length: parallel }, (_, k) => one(k)));
  return told;
}

async function countsAt({ origin }: RunningServer, visitors = 20): Promise<number[]> {
  return Promise.all(
    Array.from({ length: visitors }, async (_, n) => {
      const response = await fetch(`${origin}/v1/trace`, {
        method: 'POST',
        headers: { Authorization: 'Bearer test-token' },
        body: JSON.stringify({ url: '/event?c_page=other', uuid: device(n) }),
      });
      const { traits } = (await response.json()) as { traits: { count: number }[] };
      return traits[0].count;
    }),
  );
}

const readiness = async ({ origin }: RunningServer) => (await fetch(`${origin}/readyz`)).text();
const isReady = async (server: RunningServer) => (await readiness(server)).includes('"ready"');
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

describe.skipIf(!redisServer)('a Redis', () => {
  const faults: [string, (one: RunningRedis) => Promise<void>, string[]][] = [
    [
      'that is stopped for two seconds',
      async (one) => {
        one.signal('SIGSTOP');
        await pause(2_000);
        one.signal('SIGCONT');
      },
      [],
    ],
    [
      'that is stopped until connections are given up',
      async (one) => {
        one.signal('SIGSTOP');
        await pause(4_500);
        one.signal('SIGCONT');
      },
      [],
    ],
    [
      'that is killed and comes back with what it has written (appendfsync always)',
      async (one) => {
        await one.stop('SIGKILL');
        await pause(1_000);
        await one.start();
      },
      ['--appendonly', 'yes', '--appendfsync', 'always'],
    ],
    [
      'that is full for two seconds',
      async (one) => {
        await one.cli('config', 'set', 'maxmemory', '1');
        await pause(2_000);
        await one.cli('config', 'set', 'maxmemory', '0');
      },
      ['--maxmemory-policy', 'noeviction'],
    ],
  ];
  it.each(faults)(
    '%s loses nothing, counts nothing twice, and holds up no page',
    async (_, fault, args) => {
      const one = await redis(...args);
      const server = await start(one.url);
      const calls = load(server);
      await until('load', () => sum(calls.acknowledged) > 100);
      calls.slowest = 0;
      await fault(one);
      const before = sum(calls.acknowledged);
      await until('it goes on', () => sum(calls.acknowledged) > before + 100);
      await calls.stop();
      await until('ready', () => isReady(server));
      // Late ones are written, too, when Redis is back.
      const expected = calls.acknowledged.map((count, n) => count + calls.late[n]);
      await expect.poll(() => countsAt(server), { timeout: 10_000 }).toEqual(expected);
      expect(sum(calls.late)).toBeGreaterThan(20);
      // The deadline is 50 ms; the rest is what two busy cores take.
      expect(calls.slowest).toBeLessThan(1_000);
      console.log(
        `slowest answer ${Math.round(calls.slowest)} ms; ${sum(calls.acknowledged)} in time, ${sum(calls.late)} late, all stored`,
      );
    },
  );

  it('that takes requests and never answers costs a few pages the deadline, the others nothing', async () => {
    const one = await redis();
    const proxy = await proxyOf(one);
    const server = await start(`redis://127.0.0.1:${proxy.port}`);
    proxy.deaf();
    const times: number[] = [];
    for (let i = 0; i < 40; i++) {
      const begin = performance.now();
      const response = await fetch(
        `${server.origin}/event?d_uuid=${device(0)}&c_page=home&d_rtbd=json&d_cts=1`,
      );
      const answer = (await response.json()) as { traits: number[]; errors: { code: number }[] };
      expect(answer.traits).toEqual([1]);
      expect(answer.errors.map(({ code }) => code)).toEqual([200]);
      times.push(performance.now() - begin);
    }
    // One after the other: only the first had to find out.
    expect(times.filter((time) => time > 45).length).toBeLessThan(8);
    expect(await readiness(server)).toMatch(/does not answer; 40 visits wait/);
    proxy.heal();
    await until('ready', () => isReady(server));
    expect(await countsAt(server, 1)).toEqual([40]);
  });

  it('that answers late does not hold up pages, and counts once', async () => {
    const one = await redis();
    const proxy = await proxyOf(one);
    const server = await start(`redis://127.0.0.1:${proxy.port}`);
    proxy.delay(300);
    const calls = load(server, 5);
    await pause(2_000);
    await calls.stop();
    proxy.delay(0);
    const expected = calls.acknowledged.map((count, n) => count + calls.late[n]);
    await expect.poll(() => countsAt(server, 5), { timeout: 10_000 }).toEqual(expected);
  });

  it('that is restarted empty counts from then on, once', async () => {
    const one = await redis();
    const server = await start(one.url);
    const first = load(server);
    await until('load', () => sum(first.acknowledged) > 100);
    await first.stop();
    await until('written', () => isReady(server));
    await one.stop();
    const calls = load(server);
    await until('load', () => sum(calls.late) > 200);
    await one.start();
    await until('it goes on', () => sum(calls.acknowledged) > 200);
    await calls.stop();
    await until('ready', () => isReady(server));
    const expected = calls.acknowledged.map((count, n) => count + calls.late[n]);
    await expect.poll(() => countsAt(server), { timeout: 10_000 }).toEqual(expected);
    expect(calls.slowest).toBeLessThan(1_000);
  });

  it('keeps what a killed server has answered for', async () => {
    const one = await redis();
    const server = await start(one.url);
    const calls = load(server);
    await until('load', () => sum(calls.acknowledged) > 200);
    await server.stop('SIGKILL');
    await calls.stop();
    const next = await start(one.url);
    const counts = await countsAt(next);
    expect(counts.every((count, n) => count >= calls.acknowledged[n])).toBe(true);
  });

  it('that stays away until the bound is reached costs what is beyond it, and that is logged', async () => {
    const one = await redis();
    const proxy = await proxyOf(one);
    const server = await start(`redis://127.0.0.1:${proxy.port}`, { MAX_WAITING: '25' });
    proxy.blackHole();
    for (let i = 0; i < 40; i++) {
      const response = await fetch(`${server.origin}/event?d_uuid=${device(0)}&c_page=home`);
      expect(response.status).toBe(200);
      expect(response.headers.get('x-error')).toBe('200');
    }
    const logged = () =>
      [...server.output().matchAll(/"visits":(\d+).*visits were not kept/g)].map(([, n]) =>
        Number(n),
      );
    await until('it is logged', () => sum(logged()) === 15);
    proxy.heal();
    await until('ready', () => isReady(server));
    expect(await countsAt(server, 1)).toEqual([25]);
  });

  it('that is away when the server stops does not hold it up, and what is lost is logged', async () => {
    const one = await redis();
    const server = await start(one.url, { SHUTDOWN_MS: '1500' });
    one.signal('SIGSTOP');
    for (let i = 0; i < 7; i++) {
      await fetch(`${server.origin}/event?d_uuid=${device(0)}&c_page=home`);
    }
    const begin = performance.now();
    await server.stop('SIGTERM');
    expect(performance.now() - begin).toBeLessThan(3_000);
    expect(server.output()).toMatch(/"visits":7.*visits were not written/);
  });

  it('that comes back while the server stops still gets everything', async () => {
    const one = await redis();
    const server = await start(one.url);
    one.signal('SIGSTOP');
    for (let i = 0; i < 7; i++) {
      await fetch(`${server.origin}/event?d_uuid=${device(0)}&c_page=home`);
    }
    const stopped = server.stop('SIGTERM');
    await pause(300);
    one.signal('SIGCONT');
    await stopped;
    expect(await countsAt(await start(one.url), 1)).toEqual([7]);
  });

  it('that is not there is named at the start, without the password', async () => {
    const url = `redis://user:secret@127.0.0.1:${await freePort()}`;
    const error: Error = await start(url).then(
      () => new Error('it started'),
      (reason) => reason,
    );
    expect(error.message).toMatch(/Redis at 127\.0\.0\.1:\d+.*start it, or write where it is/s);
    expect(error.message).not.toContain('secret');
  });
});

describe.skipIf(!redisServer)('a Cluster', () => {
  it('whose primary is killed loses nothing that was answered for, and holds up no page', async () => {
    const cluster = await startCluster();
    clusters.push(cluster);
    const server = await start(cluster.url, { REDIS_WAIT_REPLICAS: '1' });
    const calls = load(server);
    await until('load', () => sum(calls.acknowledged) > 100);
    calls.slowest = 0;
    const dead = await cluster.primaryOf(`sy:{${device(1)}}`);
    await dead.stop();
    await cluster.failedOver(dead);
    await dead.start();
    const before = [...calls.acknowledged];
    await until('all go on', () => calls.acknowledged.every((n, i) => n > before[i]));
    await calls.stop();
    await until('ready', () => isReady(server));
    const counts = await countsAt(server);
    for (const [n, count] of counts.entries()) {
      expect(count).toBeGreaterThanOrEqual(calls.acknowledged[n]);
      expect(count).toBeLessThanOrEqual(calls.acknowledged[n] + calls.late[n]);
    }
    expect(calls.slowest).toBeLessThan(1_000);
    console.log(
      `slowest answer ${Math.round(calls.slowest)} ms; ${sum(calls.acknowledged)} in time, ${sum(calls.late)} late, ${sum(counts)} stored`,
    );
  });
});

describe.skipIf(!redisServer)('several servers on one Redis', () => {
  it('have a saved account in force within a second, without a failed or mixed answer', async () => {
    const one = await redis();
    // The rule and the name change together: an answer of two accounts would show.
    const environment = { DEADLINE_MS: '10000' };
    const a = await start(one.url, environment);
    const b = await start(one.url, environment, { account: undefined });
    let stopped = false;
    const wrong: unknown[] = [];
    const seen = new Map<RunningServer, string>();
    const ask = async (server: RunningServer) => {
      while (!stopped) {
        const url = `${server.origin}/event?c_page=home&c_step=2&d_rtbd=json&d_cts=1`;
        const response = await fetch(url);
        const { traits, segments, errors } = (await response.json()) as Record<string, number[]>;
        if (response.status !== 200 || errors) wrong.push({ traits, errors });
        if (traits[0] !== segments[0] - 1) wrong.push({ traits, segments });
        seen.set(server, String(traits));
        await pause(2);
      }
    };
    const asking = Promise.all([ask(a), ask(a), ask(b), ask(b)]);
    const accounts = openAccounts(readConfig({ REDIS_URL: one.url }));
    await accounts.load();
    const took: number[] = [];
    for (let sid = 11; sid < 61; sid += 10) {
      const next = {
        ...account,
        traits: [{ ...account.traits[0], sid }],
        segments: [{ ...account.segments[0], sid: sid + 1, segmentRule: `${sid}T` }],
      };
      const begin = performance.now();
      await accounts.save(next, { at: 0, by: 'a test' });
      await until('both', () => seen.get(a) === String(sid) && seen.get(b) === String(sid));
      took.push(performance.now() - begin);
    }
    stopped = true;
    await asking;
    await accounts.close();
    expect(wrong).toEqual([]);
    // One of them may meet a moment in which the whole machine stands still.
    expect(took.toSorted((x, y) => x - y)[2]).toBeLessThan(1_000);
    console.log(`in force on both ${took.map(Math.round).join(', ')} ms after it was saved`);
  });
});

const byHand = (document: unknown) =>
  JSON.stringify({ origin: { at: 0, by: 'somebody' }, document });

describe.skipIf(!redisServer)('a server that missed the message of a saved account', () => {
  it('has it in force within a second all the same', async () => {
    const one = await redis();
    const server = await start(one.url);
    const traits = async () => {
      const response = await fetch(`${server.origin}/event?c_page=home&d_rtbd=json&d_cts=1`);
      return ((await response.json()) as { traits: number[] }).traits;
    };
    expect(await traits()).toEqual([1]);
    const next = { ...account, traits: [{ ...account.traits[0], sid: 9 }], segments: [] };
    // Written without a message.
    await one.cli('hset', 'sy:account', 'revision', '77', 'document:77', byHand(next));
    await until('it is in force', async () => (await traits())[0] === 9, 1_000);
  });

  it('says so where it cannot be taken over, and goes on with the one before', async () => {
    const one = await redis();
    const server = await start(one.url);
    await one.cli('hset', 'sy:account', 'revision', '77', 'document:77', byHand({ traits: [{}] }));
    await until('it says so', async () => (await readiness(server)).includes('revision 77'));
    const response = await fetch(`${server.origin}/event?c_page=home&d_rtbd=json&d_cts=1`);
    expect(await response.json()).toMatchObject({ traits: [1] });
  });
});

describe('WORKERS', () => {
  it('share a port; one that is killed is replaced; a stop answers what is open and ends all', async () => {
    const server = await startServer({
      account,
      environment: { WORKERS: '3', MAX_CALLS_PER_ID: '0' },
    });
    servers.push(server);
    const workers = () =>
      execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(server.process.pid)])
        .toString()
        .split('\n')
        .filter((line) => line.includes('node.ts'))
        .map((line) => Number.parseInt(line, 10));
    await until('three', () => workers().length === 3);
    const [first] = workers();
    process.kill(first, 'SIGKILL');
    await until('another', () => workers().length === 3 && !workers().includes(first));
    const calls = load(server);
    await until('load', () => sum(calls.acknowledged) > 100);
    const pids = workers();
    const begin = performance.now();
    await server.stop('SIGTERM');
    expect(performance.now() - begin).toBeLessThan(6_000);
    await calls.stop();
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
    const next = await startServer({ account, folder: server.folder });
    servers.push(next);
    const counts = await countsAt(next);
    expect(counts.every((count, n) => count >= calls.acknowledged[n])).toBe(true);
  });
});
