/**
 * Whom aliases lead to, in a Cluster: they and the visitor are on different servers, so they are asked
 * before the visit. Visits that share an alias are asked one after the other.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Profile } from '../../audience/profile.ts';
import { aliasKey, derivedId } from '../alias.ts';
import { statesConsent } from '../record.ts';
import { ECID_SOURCE, StoreError, type Visit } from '../store.ts';
import { nodeOf, type RedisClient } from './client.ts';
import { aliasesOf } from './lane.ts';
import { aliasKeyOf, ID_DIGITS, OPTED_OUT, REFUSED, secondsOf, visitorKey } from './script.ts';
import { isOfServer } from './shard.ts';
import { profileIn } from './value.ts';

export interface AliasOptions {
  readonly prefix: string;
  readonly profileDays: number;
  /** Milliseconds that a page waits. */
  readonly patience: number;
}

const RETRY_MS = 100;

/** One server, as far as questions to it are concerned. */
interface Gate {
  /** When each question that is open was asked, the oldest first. */
  readonly open: Set<{ readonly at: number }>;
  /** Until something is answered again; whoever has failed waits for it. */
  recovery: Promise<void> | undefined;
}

export class Aliases {
  readonly #client: RedisClient;
  readonly #options: AliasOptions;
  /** The last visit that asks for an alias: the next one with the same alias comes after it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #gates = new Map<string, Gate>();
  #closed = false;

  constructor(client: RedisClient, options: AliasOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Whether a visit should not wait for its answer. */
  isAway(visit: Visit): boolean {
    const now = performance.now();
    return this.#keysOf(visit).some((key) => {
      const gate = this.#gates.get(nodeOf(this.#client, key));
      return gate !== undefined && this.#isShut(gate, now);
    });
  }

  /** Whether any server leaves questions open. */
  get problem(): string | undefined {
    const now = performance.now();
    const isShut = [...this.#gates.values()].some((gate) => this.#isShut(gate, now));
    return isShut ? 'ids cannot be looked up' : undefined;
  }

  close(): void {
    this.#closed = true;
  }

  /**
   * Finds the device, however long that takes, and has the aliases lead there; before an opt-out, all
   * ids that lead there are kept for ever, since nobody knows them afterwards.
   *
   * @throws StoreError where what is stored under an id is none of Switchyard's
   */
  async find(visit: Visit): Promise<string> {
    const aliases = aliasesOf(visit);
    const before = Promise.all(aliases.map((alias) => this.#turns.get(alias)));
    const turn = before.then(() => this.#identify(visit));
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

  /** After a visit: keeps its aliases for as long as the visitor. */
  refresh(aliases: readonly string[], deviceId: string, isOptedOut: boolean): void {
    for (const alias of aliases) {
      const key = aliasKeyOf(this.#options.prefix, alias);
      const kept = isOptedOut
        ? this.#persist(key, deviceId)
        : this.#client.expire(key, secondsOf(this.#options.profileDays));
      // The next visit tries again.
      kept.catch(() => undefined);
    }
  }

  #keysOf({ aliases, deviceId }: Visit): string[] {
    const { prefix } = this.#options;
    const keys = aliases.map(({ dataSource, id }) => aliasKeyOf(prefix, aliasKey(dataSource, id)));
    return keys.length > 0 || deviceId === undefined ? keys : [visitorKey(prefix, deviceId)];
  }

  #isShut({ recovery, open }: Gate, now: number): boolean {
    if (recovery) return true;
    for (const { at } of open) return now - at > this.#options.patience;
    return false;
  }

  async #identify(visit: Visit): Promise<string> {
    const { deviceId, aliases, change } = visit;
    if (aliases.length === 0) {
      await this.#keepIds(deviceId as string);
      return deviceId as string;
    }
    const keys = this.#keysOf(visit);
    const linked = await Promise.all(keys.map((key) => this.#linkOf(key)));
    // Whether the one that is found first has opted out, the visit itself tells.
    let found = deviceId;
    for (const other of linked) {
      if (other === null || other === found) continue;
      if (found !== undefined && (await this.#isOptedOut(other))) return other;
      found ??= other;
    }
    const target = found ?? derivedId(aliases[0]);
    if (change.optOut) {
      await this.#keepIds(target);
      await Promise.all(keys.map((key) => this.#ask(key, () => this.#client.set(key, target))));
      return target;
    }
    const isNew = linked.some((other) => other !== target);
    if (!isNew) return target;
    const state = await this.#stateOf(target);
    // Of who has refused it, no id is kept either, unless the visit itself says something else.
    const isRefused = (state & REFUSED) !== 0 && !statesConsent(change);
    if ((state & OPTED_OUT) !== 0 || isRefused) return target;
    const seconds = secondsOf(this.#options.profileDays);
    await Promise.all(
      keys.map((key, i) =>
        linked[i] === target
          ? undefined
          : this.#ask(key, () => this.#client.set(key, target, 'EX', seconds)),
      ),
    );
    return target;
  }

  async #linkOf(key: string): Promise<string | null> {
    const deviceId = await this.#ask(key, () => this.#client.get(key));
    if (deviceId === null || deviceId.length === ID_DIGITS) return deviceId;
    throw new StoreError(`${key} holds no device id`);
  }

  async #isOptedOut(deviceId: string): Promise<boolean> {
    return ((await this.#stateOf(deviceId)) & OPTED_OUT) !== 0;
  }

  async #stateOf(deviceId: string): Promise<number> {
    const key = visitorKey(this.#options.prefix, deviceId);
    const state = await this.#ask(key, () => this.#client.getrangeBuffer(key, 1, 1));
    return state[0] ?? 0;
  }

  /** Keeps what leads to a visitor for ever. */
  async #keepIds(deviceId: string): Promise<void> {
    const { prefix } = this.#options;
    const key = visitorKey(prefix, deviceId);
    const value = await this.#ask(key, () => this.#client.getBuffer(key));
    const profile = value && readable(value);
    if (!profile) return;
    const { ecid, declared } = profile;
    const ids = [...declared].flatMap(([source, all]) => all.map((id) => aliasKey(source, id)));
    if (ecid !== undefined) ids.push(aliasKey(ECID_SOURCE, ecid));
    await Promise.all(ids.map((id) => this.#persist(aliasKeyOf(prefix, id), deviceId)));
  }

  /** An id that leads to somebody else by now is left alone. */
  async #persist(key: string, deviceId: string): Promise<void> {
    if ((await this.#linkOf(key)) === deviceId) {
      await this.#ask(key, () => this.#client.persist(key));
    }
  }

  /** Asks the server that has a key, until it answers. */
  async #ask<Answer>(key: string, question: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const gate = this.#gateOf(key);
      const asked = { at: performance.now() };
      gate.open.add(asked);
      try {
        return await question();
      } catch (error) {
        if (this.#closed) throw error;
        if (!isOfServer(error as Error))
          throw new StoreError(`${key}: ${(error as Error).message}`);
        gate.recovery ??= this.#probe(gate, key);
      } finally {
        gate.open.delete(asked);
      }
      await gate.recovery;
    }
  }

  #gateOf(key: string): Gate {
    const node = nodeOf(this.#client, key);
    let gate = this.#gates.get(node);
    if (!gate) {
      gate = { open: new Set(), recovery: undefined };
      this.#gates.set(node, gate);
    }
    return gate;
  }

  /** One question finds out for all whether there are answers again. */
  async #probe(gate: Gate, key: string): Promise<void> {
    for (let isAnswered = false; !isAnswered && !this.#closed; ) {
      await pause(RETRY_MS, undefined, { ref: false });
      isAnswered = await this.#client.exists(key).then(
        () => true,
        (error) => !isOfServer(error),
      );
    }
    gate.recovery = undefined;
  }
}

/** Undefined where a newer program has written it: the visit itself says so. */
function readable(value: Buffer): Profile | undefined {
  try {
    return profileIn(value);
  } catch {
    return undefined;
  }
}
