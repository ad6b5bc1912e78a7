/** The account in Redis, for every node that serves it. */
import { type RedisClient, ready } from './redis-client.ts';
import type { AccountStore, SavedAccount } from './store.ts';

const POLL_MS = 500;
const READY_MS = 5_000;

const SAVE = `
local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[1], 'document', ARGV[1], 'token', ARGV[2])
redis.call('PUBLISH', KEYS[1], revision)
return revision
`;

export class AccountRedis implements AccountStore {
  readonly #client: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #key: string;
  /** What was loaded before anybody watched. */
  #loaded = '';
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
    const fields = ['revision', 'token', 'document'];
    const [revision, token, document] = await this.#client.hmget(this.#key, ...fields);
    this.#loaded = versionOf(revision, token);
    if (!revision || !document) return undefined;
    return { revision: Number(revision), document: JSON.parse(document) };
  }

  async save(document: unknown): Promise<number> {
    await ready(this.#client, READY_MS);
    const values = [JSON.stringify(document), crypto.randomUUID()];
    return (await this.#client.eval(SAVE, 1, this.#key, ...values)) as number;
  }

  watch(changed: (account: SavedAccount) => Promise<void>): void {
    let known = this.#loaded;
    const look = async () => {
      const [revision, token] = await this.#client.hmget(this.#key, 'revision', 'token');
      if (versionOf(revision, token) === known) return;
      const saved = await this.load();
      const version = this.#loaded;
      if (saved) await changed(saved);
      known = version;
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
    this.#subscriber.on('ready', subscribe);
    // Messages can go missing; the number does not.
    this.#poll = setInterval(check, POLL_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#poll);
    this.#client.disconnect();
    this.#subscriber.disconnect();
  }
}

/** A Redis that has forgotten everything counts from 1 again: the number alone does not tell. */
const versionOf = (revision: string | null, token: string | null) => `${revision} ${token}`;
