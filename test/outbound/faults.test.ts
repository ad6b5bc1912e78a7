/**
 * Everything is killed at random moments, for real, while visitors move: the server, the process that
 * delivers, Redis, the partner. In the end the partner has heard of every change, and knows what the
 * profiles say. `CHANGES=100000` makes more of them.
 */
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunningRedis, redisServer, startRedis } from '../redis.ts';
import {
  childrenOf,
  freePort,
  type RunningServer,
  startServer,
  temporaryFolder,
} from '../server.ts';
import { device } from '../store/workbench.ts';
import { account, realtime, segment, trait } from './example.ts';

const CHANGES = Number(process.env.CHANGES ?? 3_000);
/** Everybody enters 51, then leaves it for 52. */
const VISITORS = Math.ceil(CHANGES / 3);
const AT_ONCE = 16;

type State = Record<string, string>;

/** A partner that remembers what it acknowledged, and misbehaves when it is told to. */
class Partner {
  /** What each visitor is in, as it was heard last. */
  readonly states = new Map<string, State>();
  /** Everything that was ever heard, as `visitor segment=status`. */
  readonly heard = new Set<string>();
  mood: 'well' | 'silent' | 'broken' | 'rude' = 'well';
  readonly #port: number;
  #server: http.Server | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/in`;
  }

  async start(): Promise<void> {
    const server = http.createServer((request, response) => void this.#take(request, response));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = undefined;
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return;
    }
    if (this.mood === 'silent') return;
    if (this.mood === 'broken') {
      response.writeHead(500).end('oh');
      return;
    }
    const { Users } = JSON.parse(Buffer.concat(parts).toString());
    for (const { AAM_UUID, Segments } of Users) {
      const state = this.states.get(AAM_UUID) ?? {};
      for (const { Segment_ID, Status } of Segments) {
        state[Segment_ID] = Status;
        this.heard.add(`${AAM_UUID} ${Segment_ID}=${Status}`);
      }
      this.states.set(AAM_UUID, state);
    }
    // It has taken the message, but nobody hears of it.
    if (this.mood === 'rude') request.socket.destroy();
    else response.end();
  }
}

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

describe.each([
  ['embedded', true],
  ['Redis', redisServer !== undefined],
])('on the %s store', (name, isThere) => {
  const test = isThere ? it : it.skip;

  test(`${CHANGES} changes arrive, whatever is killed`, {
    timeout: 60_000 + CHANGES * 20,
  }, async () => {
    const partner = new Partner(await freePort());
    await partner.start();
    ended.push(() => partner.stop());
    const redis: RunningRedis | undefined =
      name === 'Redis'
        ? await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
        : undefined;
    if (redis) ended.push(() => redis.stop());
    const folder = temporaryFolder();
    const document = account({
      traits: [trait(1), trait(2)],
      segments: [segment(51, '1T AND NOT 2T'), segment(52, '2T')],
      destinations: [realtime(801, [51, 52], { endpointUrl: partner.url })],
    });
    const port = await freePort();
    const start = () =>
      startServer({
        folder,
        account: document,
        environment: {
          PORT: String(port),
          OUTBOUND_ALLOW_PRIVATE: '1',
          MAX_CALLS_PER_ID: '0',
          ...(redis && { REDIS_URL: redis.url }),
        },
      });
    let server: RunningServer = await start();
    ended.push(() => server.stop('SIGKILL'));

    let isOver = false;
    const deeds: Record<string, () => Promise<void>> = {
      async server() {
        await server.stop('SIGKILL');
        server = await start();
      },
      async deliverer() {
        for (const pid of childrenOf(server)) process.kill(pid, 'SIGKILL');
      },
      async partner() {
        partner.stop();
        await pause(500);
        await partner.start();
      },
      async mood() {
        partner.mood = (['silent', 'broken', 'rude'] as const)[Math.floor(Math.random() * 3)];
        await pause(1_000);
        partner.mood = 'well';
      },
      ...(redis && {
        async redis() {
          await redis.stop('SIGKILL');
          await redis.start();
        },
      }),
    };
    const done: string[] = [];
    const chaos = (async () => {
      for (let i = 0; !isOver; i++) {
        const names = Object.keys(deeds);
        const deed = names[i % names.length];
        await pause(300 + Math.random() * 1_500);
        if (isOver) return;
        await deeds[deed]();
        done.push(deed);
      }
    })();

    /** Comes until the visit is answered for. */
    const come = async (n: number, signals: string) => {
      for (;;) {
        try {
          const response = await fetch(
            `http://127.0.0.1:${port}/event?d_rtbd=json&${signals}&d_uuid=${device(n)}`,
            { signal: AbortSignal.timeout(5_000) },
          );
          const { uuid, errors = [] } = (await response.json()) as {
            uuid?: string;
            errors?: { code: number }[];
          };
          if (uuid && errors.length === 0) return;
        } catch {
          // Nobody was there.
        }
        await pause(50);
      }
    };
    const all = async (signals: string) => {
      let n = 0;
      const one = async () => {
        while (n < VISITORS) await come(n++, signals);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, one));
    };
    const missing = (what: string) =>
      Array.from({ length: VISITORS }, (_, n) => device(n)).filter(
        (id) => !partner.heard.has(`${id} ${what}`),
      ).length;
    const everybodyHeardOf = async (...changes: string[]) => {
      for (const end = Date.now() + 60_000 + CHANGES * 5; Date.now() < end; await pause(200)) {
        if (changes.every((what) => missing(what) === 0)) return;
      }
      for (const what of changes) expect([what, missing(what)]).toEqual([what, 0]);
    };

    await all('c_t=1');
    await everybodyHeardOf('a51=1');
    await all('c_t=2');
    await everybodyHeardOf('a51=0', 'a52=1');
    isOver = true;
    await chaos;
    // What was heard twice says the same.
    await expect
      .poll(
        async () => {
          const response = await fetch(`http://127.0.0.1:${port}/v1/deliveries/801`, {
            headers: { Authorization: 'Bearer test-token' },
          });
          return ((await response.json()) as { waiting: number }).waiting;
        },
        { timeout: 60_000 },
      )
      .toBe(0);
    const wrong = [...partner.states].filter(([, state]) => state.a51 !== '0' || state.a52 !== '1');
    expect(wrong).toEqual([]);
    expect(partner.states.size).toBe(VISITORS);
    expect(new Set(done).size).toBeGreaterThan(2);
  });
});
