/**
 * Whom aliases lead to, in a Cluster: they and the visitor are on different servers, so they are asked
 * before the visit. Visits that share an alias are asked one after the other.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { aliasKey, derivedId } from './entry.ts';
import type { RedisClient } from './redis-client.ts';
import { aliasesOf } from './redis-lane.ts';
import { aliasKeyOf, secondsOf, visitorKey } from './redis-script.ts';
import type { Visit } from './store.ts';

export interface AliasOptions {
  readonly prefix: string;
  readonly profileDays: number;
  /** Milliseconds that a page waits. */
  readonly patience: number;
}

const RETRY_MS = 100;

export class Aliases {
  readonly #client: RedisClient;
  readonly #options: AliasOptions;
  /** The last visit that asks for an alias: the next one with the same alias comes after it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** When each question that is open was asked, the oldest first. */
  readonly #open = new Set<{ readonly at: number }>();
  /** Until something is answered again; whoever has failed waits for it. */
  #recovery: Promise<void> | undefined;
  #closed = false;

  constructor(client: RedisClient, options: AliasOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Whether nobody should wait for an answer. */
  isAway(now: number): boolean {
    if (this.#recovery) return true;
    for (const { at } of this.#open) return now - at > this.#options.patience;
    return false;
  }

  close(): void {
    this.#closed = true;
  }

  /** Finds the device, however long that takes, and has the aliases lead there. */
  async find(visit: Visit): Promise<string> {
    const aliases = aliasesOf(visit);
    const before = Promise.all(aliases.map((alias) => this.#turns.get(alias)));
    const turn = before.then(() => this.#persistently(() => this.#identify(visit)));
    const settled = turn.catch(() => undefined);
    for (const alias of aliases) this.#turns.set(alias, settled);
    try {
      return await turn;
    } finally {
      for (const alias of aliases) {
        if (this.#turns.get(alias) === settled) this.#turns.delete(alias);
      }
    }
  }

  /** After a visit: keeps its aliases for as long as the visitor, or for ever if that one has opted out. */
  refresh(aliases: readonly string[], deviceId: string, isOptedOut: boolean): void {
    const { prefix, profileDays } = this.#options;
    for (const alias of aliases) {
      const key = aliasKeyOf(prefix, alias);
      if (isOptedOut) this.#persistently(() => this.#client.set(key, deviceId)).catch(() => {});
      // The next visit tries again.
      else this.#client.expire(key, secondsOf(profileDays)).catch(() => undefined);
    }
  }

  async #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const question = { at: performance.now() };
      this.#open.add(question);
      try {
        return await ask();
      } catch (error) {
        if (this.#closed) throw error;
        this.#recovery ??= this.#probe(ask);
      } finally {
        this.#open.delete(question);
      }
      await this.#recovery;
    }
  }

  /** One question finds out for all whether there are answers again. */
  async #probe(ask: () => Promise<unknown>): Promise<void> {
    for (let isAnswered = false; !isAnswered && !this.#closed; ) {
      await pause(RETRY_MS, undefined, { ref: false });
      isAnswered = await ask().then(
        () => true,
        () => false,
      );
    }
    this.#recovery = undefined;
  }

  async #identify({ deviceId, aliases, change }: Visit): Promise<string> {
    const { prefix, profileDays } = this.#options;
    const client = this.#client;
    const keys = aliases.map(({ dataSource, id }) => aliasKeyOf(prefix, aliasKey(dataSource, id)));
    const linked = await Promise.all(keys.map((key) => client.get(key)));
    // Whether the one that is found first has opted out, the visit itself tells.
    let found = deviceId;
    for (const other of linked) {
      if (other === null || other === found) continue;
      if (found !== undefined && (await this.#isOptedOut(other))) return other;
      found ??= other;
    }
    const target = found ?? derivedId(aliases[0]);
    const isNew = linked.some((other) => other !== target);
    if (!isNew || (await this.#isOptedOut(target))) return target;
    await Promise.all(
      keys.map((key, i) => {
        if (linked[i] === target) return undefined;
        if (change.optOut) return client.set(key, target);
        return client.set(key, target, 'EX', secondsOf(profileDays));
      }),
    );
    return target;
  }

  async #isOptedOut(deviceId: string): Promise<boolean> {
    const key = visitorKey(this.#options.prefix, deviceId);
    const state = await this.#client.getrangeBuffer(key, 1, 1);
    return state.length === 1 && state[0] >= 2;
  }
}
