/**
 * The account in Redis, for every node that serves it: a hash `PREFIXaccount` with the fields `revision`,
 * `token`, and for each revision `document:N`, packed, and `origin:N`, which stays longer.
 */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { createGzip, gunzip } from 'node:zlib';
import { originIn, savedIn, savedObjectParts } from '../saved.ts';
import {
  AccountConflict,
  type AccountStore,
  type Origin,
  type Past,
  REMEMBERED,
  type SavedAccount,
} from '../store.ts';
import { type RedisClient, ready } from './client.ts';

const POLL_MS = 500;
const READY_MS = 5_000;
const SILENCE_MS = 1_000;
/** So many documents are kept. */
const KEPT = 20;
/** More than an origin usually is. */
const HEAD = 64 * 1024;

/** Returns the revision, or, as a text, the one that was not to be there. */
const SAVE = `
local last = tonumber(redis.call('HGET', KEYS[1], 'revision') or 0)
if ARGV[3] ~= '' and tonumber(ARGV[3]) ~= last then return tostring(last) end
local revision = last + 1
redis.call('HSET', KEYS[1], 'revision', revision, 'token', ARGV[2],
  'document:' .. revision, ARGV[1], 'origin:' .. revision, ARGV[4])
redis.call('HDEL', KEYS[1], 'document:' .. (revision - ${KEPT}), 'origin:' .. (revision - ${REMEMBERED}))
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
    const parts = Readable.from(savedObjectParts({ origin, document })).pipe(createGzip());
    const bytes = await buffer(parts);
    const values = [bytes, crypto.randomUUID(), after ?? '', JSON.stringify(origin)];
    const answer = await this.#client.eval(SAVE, 1, this.#key, ...values);
    if (typeof answer === 'string') throw new AccountConflict(Number(answer));
    return answer as number;
  }

  async history(): Promise<Past[]> {
    await ready(this.#client, READY_MS);
    const fields = await this.#client.hkeys(this.#key);
    const [documents, origins] = [numbersOf(fields, 'document:'), numbersOf(fields, 'origin:')];
    const revisions = [...documents.union(origins)].sort((a, b) => b - a).slice(0, REMEMBERED);
    if (revisions.length === 0) return [];
    const texts = await this.#client.hmget(this.#key, ...revisions.map((n) => `origin:${n}`));
    const history: Past[] = [];
    for (const [i, revision] of revisions.entries()) {
      const text = texts[i];
      const origin = text ? (JSON.parse(text) as Origin) : await this.#oldOrigin(revision);
      if (origin) history.push({ revision, origin, canRestore: documents.has(revision) });
    }
    return history;
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

  /** Before revisions had a history, only the document told who saved it. */
  async #oldOrigin(revision: number): Promise<Origin | undefined> {
    const bytes = await this.#client.hgetBuffer(this.#key, `document:${revision}`);
    if (!bytes) return undefined;
    const text = await unpacked(bytes);
    const origin = originIn(text.toString('utf8', 0, HEAD)) ?? savedIn(text.toString()).origin;
    if (origin) await this.#client.hsetnx(this.#key, `origin:${revision}`, JSON.stringify(origin));
    return origin;
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
    return bytes ? { revision, ...savedIn((await unpacked(bytes)).toString()) } : undefined;
  }

  /** A Redis that has forgotten everything counts from 1 again: the number alone does not tell. */
  async #version(): Promise<string> {
    const [revision, token] = await this.#client.hmget(this.#key, 'revision', 'token');
    return `${revision ?? 0} ${token}`;
  }
}

async function unpacked(bytes: Buffer): Promise<Buffer> {
  // Whoever mends it by hand writes JSON as it is.
  return bytes[0] === GZIP ? promisify(gunzip)(bytes) : bytes;
}

/** What gzip starts with. */
const GZIP = 0x1f;

/** The numbers behind a name, of the fields that start with it. */
function numbersOf(fields: readonly string[], name: string): Set<number> {
  const named = fields.filter((field) => field.startsWith(name));
  return new Set(named.map((field) => Number(field.slice(name.length))));
}
