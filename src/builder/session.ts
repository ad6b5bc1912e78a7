/** Logged-in people: a random token in a cookie, of which only the hash is kept. */
import { createHash, randomBytes } from 'node:crypto';
import { type Registry, RegistryConflict } from '../store/registry.ts';
import { BuilderCookie } from './cookie.ts';
import type { People, Person } from './people.ts';

interface Session {
  readonly name: string;
  /** Of the person; with another one, the session is over. */
  readonly era: string;
  /** Unix milliseconds. */
  readonly startTime: number;
  readonly seenTime: number;
}

const IDLE_MS = 12 * 3_600_000;
const LIFE_MS = 7 * 86_400_000;
/** A session in use is not written more often than this. */
const RENEW_MS = 60_000;

export class Sessions {
  readonly #registry: Registry;
  readonly #people: People;

  constructor(registry: Registry, people: People) {
    this.#registry = registry;
    this.#people = people;
  }

  /** Returns the token. */
  async start({ name, era }: Person): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    const now = Date.now();
    const session: Session = { name, era, startTime: now, seenTime: now };
    await this.#registry.put('session', hashOf(token), session, { after: 0, ttl: IDLE_MS });
    await this.#people.see(name);
    return token;
  }

  /** Whose it is; undefined where it is over. */
  async find(token: string): Promise<Person | undefined> {
    const [kept, people] = await Promise.all([
      this.#registry.get<Session>('session', hashOf(token)),
      this.#people.all(),
    ]);
    if (!kept) return undefined;
    const { name, era, startTime, seenTime } = kept.value;
    const person = people.find((one) => one.name === name && one.era === era);
    const now = Date.now();
    if (person && now - seenTime >= RENEW_MS) {
      const ttl = Math.min(IDLE_MS, startTime + LIFE_MS - now);
      const session: Session = { ...kept.value, seenTime: now };
      try {
        await this.#registry.put('session', kept.id, session, { after: kept.version, ttl });
        await this.#people.see(name);
      } catch (error) {
        // Another call of the same moment has renewed it, or it was ended.
        if (!(error instanceof RegistryConflict)) throw error;
      }
    }
    return person;
  }

  async end(token: string): Promise<void> {
    await this.#registry.remove('session', hashOf(token));
  }
}

const hashOf = (token: string) => createHash('sha256').update(token).digest('base64url');

/** The cookie that carries the token. */
export const sessionCookie = new BuilderCookie('__Host-switchyard', 'switchyard_session');
