/** Which revision of the account is in force in each process that answers pages. */
import os from 'node:os';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Registry } from '../store/registry.ts';
import type { AccountBook } from './book.ts';
import type { Behind } from './caller.ts';
import type { Paths } from './operation.ts';
import { either } from './request.ts';

/** Each process says so often that it is there; whoever has not for a while is gone. */
const BEAT_MS = 3_000;
const TTL_MS = 10_000;
/** So long a stop waits for a registry that does not answer. */
const CLOSE_MS = 1_000;

type NodeState = z.output<typeof nodeState>;

/** Tells the others what this process has in force. */
export class Heartbeat {
  readonly #registry: Registry;
  readonly #problem: () => string | undefined;
  readonly #node = `${os.hostname()}:${process.pid}`;
  readonly #timer: NodeJS.Timeout;
  #revision: number;
  #since = Date.now();
  #writing: Promise<unknown> | undefined;
  #isChanged = false;
  #isOver = false;

  /**
   * @param revision what is in force at the start
   * @param problem what is wrong with this process now
   */
  constructor(registry: Registry, revision: number, problem: () => string | undefined) {
    this.#registry = registry;
    this.#revision = revision;
    this.#problem = problem;
    this.#timer = setInterval(() => this.beat(), BEAT_MS).unref();
    this.beat();
  }

  /** Another revision is in force from now on. */
  tookOver(revision: number): void {
    this.#revision = revision;
    this.#since = Date.now();
    this.beat();
  }

  /** Says at once what is so now. */
  beat(): void {
    if (this.#isOver) return;
    if (this.#writing) {
      this.#isChanged = true;
      return;
    }
    this.#isChanged = false;
    const [at, problem] = [Date.now(), this.#problem()];
    const state: NodeState = {
      node: this.#node,
      revision: this.#revision,
      at,
      since: this.#since,
      ...(problem !== undefined && { problem }),
    };
    this.#writing = this.#registry
      .put('node', this.#node, state, { ttl: TTL_MS })
      // Where the registry is gone, the next beat says it again.
      .catch(() => undefined)
      .then(() => {
        this.#writing = undefined;
        if (this.#isChanged) this.beat();
      });
  }

  /** This process will be gone. */
  async close(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#timer);
    const removed = (this.#writing ?? Promise.resolve())
      .then(() => this.#registry.remove('node', this.#node))
      .catch(() => undefined);
    await Promise.race([removed, new Promise((resolve) => setTimeout(resolve, CLOSE_MS))]);
  }
}

export function nodes(book: AccountBook, registry: Registry): Hono<Behind> {
  const app = new Hono<Behind>();
  app.on('GET', either('/nodes'), async (c) => {
    const [revision, all] = await Promise.all([book.revision(), registry.list<NodeState>('node')]);
    return c.json({ revision, nodes: all.map(({ value }) => value) });
  });
  return app;
}

const nodeState = z.object({
  node: z.string().meta({ description: 'Host name and process id.' }),
  revision: z.int().meta({ description: 'Of the account that is in force there.' }),
  at: z.int().meta({ description: 'When it said so last, in Unix milliseconds.' }),
  since: z.int().meta({ description: 'Likewise when it took that revision over.' }),
  problem: z.string().optional().meta({ description: 'What is wrong there now.' }),
});

export const nodePaths: Paths = {
  '/v1/nodes': {
    get: {
      summary: 'Whether what was saved last is in force everywhere',
      answers: {
        200: [
          'The revision that was saved last, and the one of each process.',
          z.object({ revision: z.int(), nodes: z.array(nodeState) }),
        ],
      },
    },
  },
};
