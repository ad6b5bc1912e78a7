/** The account in Redis, for every node that serves it. */
import { type RedisClient, ready } from './redis-client.ts';
import type { AccountStore, SavedAccount } from './store.ts';

const POLL_MS = 500;
const READY_MS = 5_000;

const SAVE = `
local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[1], 'document', ARGV[1])
redis.call('PUBLISH', KEYS[1], revision)
return revision
`;

export class AccountRedis implements AccountStore {
  readonly #client: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #key: string;
  /** The revision that was loaded before anybody watched. */
  #loaded = 0;
  #looking: Promise<void> | undefined;
  #again = false;
  #poll: NodeJS.Timeout | undefined;

  /** @param open opens connections of its own: a large account holds up what comes behind it */
  constructor(open: () => RedisClient, prefix: string) {
    this.#client = open();
    this.#subscriber = open();
    this.#key = `${prefix}account`;
    // Where Redis is gone, the visitors' store says so.
    for (const connection of [this.#client, this.#subscriber]) connection.on('error', () => {});
  }

  async load(): Promise<SavedAccount | undefined> {
    await ready(this.#client, READY_MS);
    const [revision, document] = await this.#client.hmget(this.#key, 'revision', 'document');
    if (!revision || !document) return undefined;
    this.#loaded = Number(revision);
    return { revision: this.#loaded, document: JSON.parse(document) };
  }

  async save(document: unknown): Promise<number> {
    await ready(this.#client, READY_MS);
    return (await this.#client.eval(SAVE, 1, this.#key, JSON.stringify(document))) as number;
  }

  watch(changed: (account: SavedAccount) => Promise<void>): void {
    let known = this.#loaded;
    const look = async () => {
      const revision = Number(await this.#client.hget(this.#key, 'revision'));
      if (revision === known) return;
      const saved = await this.load();
      if (saved) await changed(saved);
      known = saved?.revision ?? 0;
    };
    const check = () => {
      if (this.#looking) {
        this.#again = true;
        return;
      }
      this.#looking = look()
        .catch(() => undefined)
        .then(() => {
          this.#looking = undefined;
          if (!this.#again) return;
          this.#again = false;
          check();
        });
    };
    this.#subscriber.on('message', check);
    const subscribe = () => {
      this.#subscriber.subscribe(this.#key).catch(() => undefined);
    };
    if (this.#subscriber.status === 'ready') subscribe();
    // ioredis subscribes again by itself after a connection was lost.
    else this.#subscriber.once('ready', subscribe);
    // Messages can go missing; the number does not.
    this.#poll = setInterval(check, POLL_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#poll);
    this.#client.disconnect();
    this.#subscriber.disconnect();
  }
}
