/** Real Redis servers for tests: one, a Cluster, or a primary with Sentinels; killed for real. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeCertificate } from './certificate.ts';
import { endWithTests, freePort, temporaryFolder } from './server.ts';
import { service } from './services.ts';

/** Undefined where Redis is not installed: its tests are skipped then, and say so. */
export const redisServer = service('redis-server', 'apt-get install redis-server');

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something is so. */
export async function until(
  what: string,
  condition: () => unknown,
  milliseconds = 15_000,
): Promise<void> {
  for (const end = Date.now() + milliseconds; !(await condition()); await pause(25)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}

export class RunningRedis {
  readonly port: number;
  readonly folder = temporaryFolder();
  readonly #args: readonly string[];
  readonly #cliArgs: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;

  constructor(
    port: number,
    args: readonly string[],
    cliArgs: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.port = port;
    this.#args = args;
    this.#cliArgs = cliArgs;
    this.#environment = environment;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Waits until it has read what it kept: on a busy machine that takes its time. */
  async start(): Promise<void> {
    await until(
      `Redis on ${this.port}`,
      async () => {
        // Its port may be that of somebody's connection for a moment: it is tried again then.
        if (!this.isRunning) this.#spawn();
        return (await this.cli('ping').catch(() => '')).includes('PONG');
      },
      60_000,
    );
  }

  #spawn(): void {
    const ownPort = this.#args.includes('--tls-port') ? '0' : String(this.port);
    const child = spawn(
      redisServer as string,
      [...this.#args, '--port', ownPort, '--bind', '127.0.0.1', '--dir', this.folder],
      { stdio: 'ignore', env: { ...process.env, ...this.#environment } },
    );
    this.#process = child;
    endWithTests(child);
  }

  /** A command through `redis-cli`. */
  async cli(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(
      'redis-cli',
      ['-e', '-p', String(this.port), ...this.#cliArgs, ...args],
      { timeout: 5_000 },
    );
    return stdout.trim();
  }

  get isRunning(): boolean {
    const child = this.#process;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (!child || !this.isRunning) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

const QUICK = ['--save', '', '--repl-diskless-sync-delay', '0'];

export async function startRedis(...args: string[]): Promise<RunningRedis> {
  const redis = new RunningRedis(await freePort(), [...QUICK, ...args]);
  await redis.start();
  return redis;
}

/** Redis that speaks TLS only, with a certificate of its own authority. */
export async function startTlsRedis(
  ...args: string[]
): Promise<{ redis: RunningRedis; caFile: string }> {
  const { ca, key, certificate } = makeCertificate();
  const port = await freePort();
  const tls = ['--tls-port', String(port), '--tls-auth-clients', 'no'];
  const files = [
    ...['--tls-cert-file', certificate],
    ...['--tls-key-file', key],
    ...['--tls-ca-cert-file', ca],
  ];
  const redis = new RunningRedis(
    port,
    [...QUICK, ...tls, ...files, ...args],
    ['--tls', '--cacert', ca],
  );
  await redis.start();
  return { redis, caFile: ca };
}

interface Member {
  readonly port: number;
  readonly failed: boolean;
  /** Slots that it serves, ends included. */
  readonly ranges: readonly [number, number][];
}

/** The members of a Cluster as one of them sees them. */
async function membersAt(node: RunningRedis): Promise<Member[]> {
  const answer = await node.cli('cluster', 'nodes').catch(() => '');
  return answer
    .split('\n')
    .filter((line) => line)
    .map((line) => {
      const [, address, flags, , , , , , ...ranges] = line.split(' ');
      return {
        port: Number(/:(\d+)@/.exec(address)?.[1]),
        failed: flags.split(',').includes('fail'),
        ranges: ranges
          .filter((range) => !range.startsWith('['))
          .map((range) => {
            const [from, to = from] = range.split('-').map(Number);
            return [from, to];
          }),
      };
    });
}

export class RunningCluster {
  readonly nodes: readonly RunningRedis[];

  constructor(nodes: readonly RunningRedis[]) {
    this.nodes = nodes;
  }

  get url(): string {
    return `redis+cluster://${this.nodes
      .slice(0, 3)
      .map(({ port }) => `127.0.0.1:${port}`)
      .join(',')}`;
  }

  /** Whether this node thinks that all slots are served, and what it thinks of the others. */
  async #healthy(node: RunningRedis): Promise<boolean> {
    return (await node.cli('cluster', 'info').catch(() => '')).includes('cluster_state:ok');
  }

  /** Who serves a key, as a node sees it that is alive. */
  async primaryOf(key: string): Promise<RunningRedis> {
    const asked = this.nodes.find(({ isRunning }) => isRunning) as RunningRedis;
    const slot = Number(await asked.cli('cluster', 'keyslot', key));
    for (const { port, ranges } of await membersAt(asked)) {
      if (ranges.some(([from, to]) => from <= slot && slot <= to)) {
        return this.nodes.find((node) => node.port === port) as RunningRedis;
      }
    }
    throw new Error(`nobody serves slot ${slot}`);
  }

  /** Waits until all others have given the slots of a node that was killed to its replica. */
  async failedOver(dead: RunningRedis): Promise<void> {
    await until('failover', async () => {
      for (const node of this.nodes) {
        if (node === dead) continue;
        const member = (await membersAt(node)).find(({ port }) => port === dead.port);
        if (!member?.failed || member.ranges.length > 0 || !(await this.#healthy(node))) {
          return false;
        }
      }
      return true;
    });
  }

  /** Gives a slot and its keys to another primary, as an operator would. */
  async moveSlot(slot: number, from: RunningRedis, to: RunningRedis): Promise<void> {
    const idOf = (node: RunningRedis) => node.cli('cluster', 'myid');
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    await to.cli('cluster', 'setslot', String(slot), 'importing', fromId);
    await from.cli('cluster', 'setslot', String(slot), 'migrating', toId);
    for (;;) {
      const keys = await from.cli('cluster', 'getkeysinslot', String(slot), '100');
      if (!keys) break;
      const list = keys.split('\n');
      await from.cli(
        ...['migrate', '127.0.0.1', String(to.port), '', '0', '5000', 'keys', ...list],
      );
    }
    for (const node of [to, from, ...this.nodes]) {
      // Replicas hear of it from their primaries.
      if ((await node.cli('role')).startsWith('slave')) continue;
      await node.cli('cluster', 'setslot', String(slot), 'node', toId);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

/** Three primaries with a replica each. */
export async function startCluster(): Promise<RunningCluster> {
  const nodes = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const [port, bus] = [await freePort(), await freePort()];
      const node = new RunningRedis(port, [
        ...QUICK,
        ...['--cluster-enabled', 'yes', '--cluster-port', String(bus)],
        ...['--cluster-node-timeout', '1000', '--cluster-replica-validity-factor', '0'],
      ]);
      await node.start();
      return node;
    }),
  );
  await promisify(execFile)(
    'redis-cli',
    [
      ...['--cluster', 'create', ...nodes.map(({ port }) => `127.0.0.1:${port}`)],
      ...['--cluster-replicas', '1', '--cluster-yes'],
    ],
    { timeout: 20_000 },
  );
  await until('Cluster', async () => {
    for (const node of nodes) {
      const info = `${await node.cli('cluster', 'info')}\n${await node.cli('info', 'replication')}`;
      const isReplica = info.includes('role:slave');
      if (!info.includes('cluster_state:ok')) return false;
      if (isReplica && !info.includes('master_link_status:up')) return false;
      if (!isReplica && !info.includes('connected_slaves:1')) return false;
    }
    return true;
  });
  return new RunningCluster(nodes);
}

export class RunningSentinels {
  readonly nodes: readonly RunningRedis[];
  readonly sentinels: readonly RunningRedis[];

  constructor(nodes: readonly RunningRedis[], sentinels: readonly RunningRedis[]) {
    this.nodes = nodes;
    this.sentinels = sentinels;
  }

  get url(): string {
    return `redis+sentinel://${this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`;
  }

  /** The primary, as the Sentinels see it. */
  async primary(): Promise<RunningRedis> {
    const answer = await this.sentinels[0].cli('sentinel', 'get-master-addr-by-name', 'main');
    const port = Number(answer.split('\n')[1]);
    return this.nodes.find((node) => node.port === port) as RunningRedis;
  }

  async failedOver(dead: RunningRedis): Promise<void> {
    await until('failover', async () => {
      const primary = await this.primary();
      if (primary === dead) return false;
      return (await primary.cli('role').catch(() => '')).startsWith('master');
    });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.nodes].map((node) => node.stop()));
  }
}

/** A primary, two replicas and three Sentinels that agree by two. */
export async function startSentinels(): Promise<RunningSentinels> {
  const primary = await startRedis();
  const replicas = await Promise.all(
    [1, 2].map(() => startRedis('--replicaof', '127.0.0.1', String(primary.port))),
  );
  const sentinels = await Promise.all(
    [1, 2, 3].map(async () => {
      const port = await freePort();
      const file = path.join(temporaryFolder(), 'sentinel.conf');
      fs.writeFileSync(
        file,
        [
          `sentinel monitor main 127.0.0.1 ${primary.port} 2`,
          'sentinel down-after-milliseconds main 1000',
          'sentinel failover-timeout main 3000',
        ].join('\n'),
      );
      const sentinel = new RunningRedis(port, [file, '--sentinel']);
      await sentinel.start();
      return sentinel;
    }),
  );
  await until('Sentinels', async () => {
    if (!/connected_slaves:2/.test(await primary.cli('info', 'replication'))) return false;
    for (const sentinel of sentinels) {
      const info = await sentinel.cli('info', 'sentinel');
      if (!/slaves=2,sentinels=3/.test(info)) return false;
    }
    return true;
  });
  return new RunningSentinels([primary, ...replicas], sentinels);
}
