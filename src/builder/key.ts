/** Keys for scripts: random, shown once, of which only the hash is kept. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Registry } from '../store/registry.ts';
import type { Role } from './caller.ts';
import { RestError, unknown } from './request.ts';
import { Roll } from './roll.ts';

export interface Key {
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  /** Unix milliseconds. */
  readonly createTime: number;
  /** Who made it. */
  readonly by: string;
  /** SHA-256. */
  readonly hash: string;
}

/** What a key is called; callers by it are `key NAME`. */
export const KEY_NAME = /^[A-Za-z0-9](?:[\w .-]{0,58}[\w.-])?$/;

/** How keys start, so that they are found where they do not belong. */
const PREFIX = 'sy_';
/** Every call by key reads the whole roll. */
const MAX_KEYS = 500;
const HOUR = 3_600_000;
const USED_MS = 400 * 24 * HOUR;

export class Keys {
  readonly #registry: Registry;
  readonly #roll: Roll<Key>;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#roll = new Roll(registry, 'keys');
  }

  all(): Promise<readonly Key[]> {
    return this.#roll.all();
  }

  /** Returns it with its text, which nobody can read again. */
  async add(by: string, name: string, role: Role): Promise<{ key: Key; text: string }> {
    const text = `${PREFIX}${randomBytes(32).toString('base64url')}`;
    const keyId = randomBytes(9).toString('hex');
    const key = { keyId, name, role, createTime: Date.now(), by, hash: hashOf(text) };
    await this.#roll.edit(by, (keys) => {
      if (keys.some((one) => one.name.toLowerCase() === name.toLowerCase())) {
        const wrong = `there is a key ${name} already`;
        throw new RestError(409, { path: 'name', wrong, instead: 'write another name' });
      }
      if (keys.length >= MAX_KEYS) {
        const wrong = `there are ${MAX_KEYS} keys already`;
        throw new RestError(409, { path: '(keys)', wrong, instead: 'delete one first' });
      }
      return { entries: [...keys, key], about: name, changes: [`+ keys ${name} (${role})`] };
    });
    return { key, text };
  }

  async remove(by: string, keyId: string): Promise<void> {
    await this.#roll.edit(by, (keys) => {
      const key = keys.find((one) => one.keyId === keyId);
      if (!key) throw unknown('key', keyId);
      const entries = keys.filter((one) => one !== key);
      return { entries, about: key.name, changes: [`- keys ${key.name}`] };
    });
    await this.#registry.remove('key', usedId(keyId));
  }

  /** Which key it is; notes that it was used. */
  async find(text: string): Promise<Key | undefined> {
    if (!text.startsWith(PREFIX)) return undefined;
    const hash = hashOf(text);
    const key = (await this.all()).find((one) => areEqual(one.hash, hash));
    if (key) await this.#use(key.keyId);
    return key;
  }

  /** When keys were last used, by id, in Unix milliseconds, to the hour. */
  async used(): Promise<ReadonlyMap<string, number>> {
    const kept = await this.#registry.list<unknown>('key');
    return new Map(
      kept.flatMap(({ id, value }) =>
        typeof value === 'number' ? [[id.slice(USED.length), value] as const] : [],
      ),
    );
  }

  async #use(keyId: string): Promise<void> {
    const now = Date.now();
    const last = await this.#registry.get<number>('key', usedId(keyId));
    if (last && now - last.value < HOUR) return;
    await this.#registry.put('key', usedId(keyId), now, { ttl: USED_MS });
  }
}

const USED = 'used ';
const usedId = (keyId: string) => `${USED}${keyId}`;

const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url');

const areEqual = (a: string, b: string) => timingSafeEqual(Buffer.from(a), Buffer.from(b));
