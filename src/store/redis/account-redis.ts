/** The account in Redis, for every node that serves it. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { AccountConflict, type AccountStore, type Origin, type SavedAccount } from '../store.ts';
import { type RedisClient, ready } from './client.ts';

const POLL_MS = 500;
const READY_MS = 5_000;
const SILENCE_MS = 1_000;
/** So many revisions are kept. */
const KEPT = 20;

/** Returns the revision, or, as a text, the one that was not to be there. */
const SAVE = `
local last = tonumber(redis.call('HGET', KEYS[1], 'revision') or 0)
if ARGV[3] ~= '' and tonumber(ARGV[3]) ~= last then return tostring(last) end
local revision = last + 1
redis.call('HSET', KEYS[1], 'revision', revision, 'token', ARGV[2], 'document:' .. revision, ARGV[1])
redis.call('HDEL', KEYS[1], 'document:' .. (revision - ${KEPT}))
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

  async revision(): Promise<number> {
    await ready(this.#client, READY_MS);
    return Number(await this.#client.hget(this.#key, 'revision'));
  }

  async load(revision?: number): Promise<SavedAccount | undefined> {
    await ready(this.#client, READY_MS);
    if (revision !== undefined) return this.#read(revision);
    const { version, saved } = await this.#last();
    this.#loaded = version;
    return saved;
  }

  async save(document: unknown, origin: Origin, after?: number): Promise<number> {
    await ready(this.#client, READY_MS);
    const bytes = await promisify(gzip)(JSON.stringify({ origin, document }));
    const values = [bytes, crypto.randomUUID(), after ?? ''];
    const answer = await this.#client.eval(SAVE, 1, this.#key, ...values);
    if (typeof answer === 'string') throw new AccountConflict(Number(answer));
    return answer as number;
  }

  watch(changed: (account: SavedAccount) => Promise<void>): void {
    let known = this.#loaded;
    const look = async () => {
      if ((await this.#versionSoon()) === known) return;
      const { version, saved } = await this.#last();
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

  /** A connection that is dead but not closed would be waited for as long as a large document may take. */
  async #versionSoon(): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        for (const connection of [this.#client, this.#subscriber]) connection.disconnect(true);
        reject(new Error('no answer'));
      }, SILENCE_MS);
    });
    try {
      return await Promise.race([this.#version(), silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #last(): Promise<{ version: string; saved: SavedAccount | undefined }> {
    for (;;) {
      const version = await this.#version();
      const revision = Number.parseInt(version, 10);
      const saved = revision === 0 ? undefined : await this.#read(revision);
      if (saved || revision === 0) return { version, saved };
      // So many may have been saved meanwhile that it is gone.
      if (version === (await this.#version())) {
        throw new Error(`${this.#key} names revision ${revision}, but does not hold it`);
      }
    }
  }

  async #read(revision: number): Promise<SavedAccount | undefined> {
    const bytes = await this.#client.hgetBuffer(this.#key, `document:${revision}`);
    return bytes ? { revision, ...(await unpacked(bytes)) } : undefined;
  }

  /** A Redis that has forgotten everything counts from 1 again: the number alone does not tell. */
  async #version(): Promise<string> {
    const [revision, token] = await this.#client.hmget(this.#key, 'revision', 'token');
    return `${revision ?? 0} ${token}`;
  }
}

async function unpacked(bytes: Buffer): Promise<Omit<SavedAccount, 'revision'>> {
  // Whoever mends it by hand writes JSON as it is.
  const isPacked = bytes[0] === GZIP;
  return JSON.parse((isPacked ? await promisify(gunzip)(bytes) : bytes).toString());
}

/** What gzip starts with. */
const GZIP = 0x1f;
