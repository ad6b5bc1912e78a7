/** A whole installation, with what it keeps everything in: killed for real, always at the same port. */
import { setTimeout as pause } from 'node:timers/promises';
import { OutboxBase } from '../../src/store/embedded/outbox-base.ts';
import type { Clock } from '../clock.ts';
import { RunningRedis, redisServer, until } from '../redis.ts';
import {
  childrenOf,
  freePort,
  type RunningServer,
  startServer,
  temporaryFolder,
} from '../server.ts';
import { device } from '../store/workbench.ts';

/** What there is to be tested on. */
export const STORES: readonly [store: 'embedded' | 'Redis', isThere: boolean][] = [
  ['embedded', true],
  ['Redis', redisServer !== undefined],
];

export interface InstallationOptions {
  readonly store: 'embedded' | 'Redis';
  readonly account: object;
  readonly environment?: Readonly<Record<string, string>>;
  /** For Redis, too, where there is a compiler of C; the machine's. */
  readonly clock?: Clock;
  readonly compiler?: string;
}

const KEEPS_EVERYTHING = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];

/** Delivery as `GET /v1/deliveries/{id}` tells it. */
export interface Standing {
  readonly waiting: number;
  readonly dead: number;
  readonly problem?: string;
}

export class Installation {
  readonly origin: string;
  readonly folder = temporaryFolder();
  readonly redis: RunningRedis | undefined;
  server!: RunningServer;
  readonly #options: InstallationOptions;
  /** Processes that delivered for a server that is gone, or were killed. */
  readonly #ending: number[] = [];

  static async start(options: InstallationOptions): Promise<Installation> {
    const { store, clock, compiler } = options;
    const environment = compiler && clock ? clock.ofProgram(compiler) : {};
    const redis =
      store === 'Redis'
        ? new RunningRedis(await freePort(), KEEPS_EVERYTHING, [], environment)
        : undefined;
    await redis?.start();
    const installation = new Installation(options, await freePort(), redis);
    await installation.#serve();
    return installation;
  }

  private constructor(options: InstallationOptions, port: number, redis: RunningRedis | undefined) {
    this.#options = options;
    this.redis = redis;
    this.origin = `http://127.0.0.1:${port}`;
  }

  /** What may happen to it, by name; each resolves when all is there again. */
  get deeds(): Record<string, () => Promise<void>> {
    const { redis } = this;
    return {
      server: async () => {
        await this.#kill();
        await this.#serve();
      },
      deliverer: async () => {
        const pids = childrenOf(this.server);
        for (const pid of pids) process.kill(pid, 'SIGKILL');
        this.#ending.push(...pids);
        await this.#allEnded();
        await this.#endLeases();
      },
      ...(redis && {
        redis: async () => {
          await redis.stop('SIGKILL');
          await redis.start();
        },
      }),
    };
  }

  async rest<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.origin}/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.server.adminToken}` },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return (await response.json()) as Answer;
  }

  standing(destination: number): Promise<Standing> {
    return this.rest('GET', `/deliveries/${destination}`);
  }

  async stop(): Promise<void> {
    await this.#kill();
    await this.#allEnded();
    await this.redis?.stop();
  }

  /** Who delivers for the server ends then, by itself, and lets what is under way finish. */
  async #kill(): Promise<void> {
    this.#ending.push(...childrenOf(this.server));
    await this.server.stop('SIGKILL');
  }

  async #allEnded(): Promise<void> {
    await until('the end of who delivered', () => !this.#ending.some(isAlive), 60_000);
    this.#ending.length = 0;
  }

  async #serve(): Promise<void> {
    const { account, environment, clock } = this.#options;
    this.server = await startServer({
      folder: this.folder,
      account,
      environment: {
        PORT: new URL(this.origin).port,
        OUTBOUND_ALLOW_PRIVATE: '1',
        MAX_CALLS_PER_ID: '0',
        DEADLINE_MS: '50',
        ...(this.redis && { REDIS_URL: this.redis.url }),
        ...clock?.ofNode,
        ...environment,
      },
    });
  }

  /** What a killed process had the right to runs out within 12 s: here at once, so more can be killed. */
  async #endLeases(): Promise<void> {
    if (this.redis) {
      const keys = await this.redis.cli('keys', 'sy:lease:*');
      if (keys) await this.redis.cli('del', ...keys.split('\n'));
      return;
    }
    const base = new OutboxBase(this.folder, 'write');
    base.leases.clearSync();
    await base.root.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Does one deed after the other, at random moments, until it is over. */
export class Chaos {
  /** How often each was done. */
  readonly done = new Map<string, number>();
  readonly #progress: () => number;
  #isOver = false;
  readonly #ended: Promise<void>;

  /** @param progress changes as the work goes on: what was killed works for a while before it is killed again */
  constructor(deeds: Record<string, () => Promise<void>>, progress: () => number) {
    this.#progress = progress;
    this.#ended = this.#rage(Object.entries(deeds));
    // Whoever ends it hears of it.
    this.#ended.catch(() => {});
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }

  async #rage(deeds: [name: string, deed: () => Promise<void>][]): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const [name, deed] = deeds[i % deeds.length];
      const before = this.#progress();
      while (!this.#isOver && this.#progress() === before) await pause(50);
      await pause(300 + Math.random() * 1_500);
      if (this.#isOver) return;
      await deed();
      this.done.set(name, (this.done.get(name) ?? 0) + 1);
    }
  }
}

const AT_ONCE = 16;

/** Visitors, numbered from 0, who come until they are answered for. */
export class Crowd {
  readonly size: number;
  /** How often nobody answered, or with another status than 200. */
  refusals = 0;
  readonly #origin: string;
  readonly #rest: number;

  /** @param rest pause of each after a visit, in milliseconds; 16 come at the same time */
  constructor(origin: string, size: number, rest = 0) {
    this.#origin = origin;
    this.size = size;
    this.#rest = rest;
  }

  /** Returns the segments that the visitor is in then. */
  async come(n: number, signals = ''): Promise<number[]> {
    for (;;) {
      try {
        const response = await fetch(
          `${this.#origin}/event?d_rtbd=json&d_cts=1&${signals}&d_uuid=${device(n)}`,
          { signal: AbortSignal.timeout(5_000) },
        );
        if (response.status !== 200) throw new Error(`${response.status}`);
        const { uuid, segments, errors } = (await response.json()) as {
          uuid?: string;
          segments?: number[];
          errors?: object[];
        };
        if (uuid && segments && !errors?.length) return segments;
      } catch {
        this.refusals++;
      }
      await pause(50);
    }
  }

  /** Everybody comes; returns the segments of each. */
  async all(signals?: string): Promise<number[][]> {
    const segments: number[][] = [];
    let next = 0;
    const some = async () => {
      while (next < this.size) {
        const n = next++;
        segments[n] = await this.come(n, signals);
        if (this.#rest > 0) await pause(this.#rest);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, some));
    return segments;
  }
}
