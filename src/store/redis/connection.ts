/** A connection for what pages do not wait for: it says in words when Redis is away, and soon. */
import type { ChainableCommander } from 'ioredis';
import { StoreError } from '../store.ts';
import { connectionTo, nodeOf, type RedisClient, ready } from './client.ts';
import { isOfServer } from './shard.ts';

/** The first connection, at the start, may take its time. */
const FIRST_READY_MS = 5_000;
const READY_MS = 500;
/** A Cluster tries several of its members, one after the other. */
const ANSWER_MS = 3_000;
/** So long, replicas are waited for. */
const WAIT_MS = 500;

export type Argument = string | number | Buffer;
export type Command = readonly [name: string, ...args: Argument[]];

export class Connection {
  readonly client: RedisClient;
  readonly #whose: string;
  #patience = FIRST_READY_MS;

  /**
   * @param open opens a connection of its own: pages never wait behind what is asked here
   * @param whose what errors start with
   */
  constructor(open: () => RedisClient, whose: string) {
    this.client = open();
    this.#whose = whose;
    this.client.once('ready', () => {
      this.#patience = READY_MS;
    });
    // Where Redis is gone, the visitors' store says so.
    this.client.on('error', () => {});
  }

  /** @throws StoreError where there is no answer, or another error */
  async ask<Answer>(command: () => Promise<Answer>): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await ready(this.client, this.#patience);
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer')), ANSWER_MS);
      });
      return await Promise.race([command(), late]);
    } catch (error) {
      throw new StoreError(`${this.#whose}: ${(error as Error).message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** One command; texts come as bytes. */
  run<Answer>([name, ...args]: Command): Promise<Answer> {
    return this.ask(() => this.client.callBuffer(name, ...args) as Promise<Answer>);
  }

  /** A script that is sent once to each server, and named by its digest from then on. */
  define(name: string, lua: string): Script {
    this.client.defineCommand(name, { lua });
    const commands = this.client as unknown as Record<
      string,
      (...all: Argument[]) => Promise<unknown>
    >;
    return <Answer>(keys: readonly string[], args: readonly Argument[]) =>
      this.ask(() => commands[`${name}Buffer`](keys.length, ...keys, ...args) as Promise<Answer>);
  }

  /**
   * Commands for one server, together and in this order; what it has given away meanwhile, its heir
   * answers. An error about one key stands in place of its answer.
   *
   * @param node see `nodeOf`
   * @param replicas so many have to have what was written; then nobody else answers for the server
   */
  together(node: string, commands: readonly Command[], replicas = 0): Promise<unknown[]> {
    return this.ask(async () => {
      const connection = connectionTo(this.client, node);
      if (!connection)
        throw new Error(node ? `no connection to ${node}` : 'no server has the slot');
      const pipeline: ChainableCommander = connection.pipeline();
      for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args);
      // On the same connection: it is about what that connection has written.
      if (replicas > 0) pipeline.wait(replicas, WAIT_MS);
      const answers = (await pipeline.exec()) ?? [];
      if (replicas > 0) checkReplicas(answers.pop(), replicas);
      return Promise.all(
        answers.map(([error, answer], i) => {
          if (!error) return answer;
          const [name, ...args] = commands[i];
          if (/^(MOVED|ASK)/.test(error.message) && replicas === 0)
            return this.client.callBuffer(name, ...args);
          if (isOfServer(error)) throw error;
          return error;
        }),
      );
    });
  }

  /** Which servers have keys now; all the same one where there is only one. */
  nodesOf(keys: readonly string[]): Promise<string[]> {
    return this.ask(async () => keys.map((key) => nodeOf(this.client, key)));
  }

  close(): void {
    this.client.disconnect();
  }
}

function checkReplicas(answer: [Error | null, unknown] | undefined, replicas: number): void {
  const [error, confirmed] = answer ?? [];
  if (error) throw error;
  if (Number(confirmed) < replicas) {
    throw new Error(`only ${confirmed} of ${replicas} replicas confirm what is queued`);
  }
}

export type Script = <Answer>(
  keys: readonly string[],
  args: readonly Argument[],
) => Promise<Answer>;

/** Redis serves others between them. */
export function* inPieces<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}
