/**
 * The store on Redis: one server, Sentinel or Cluster.
 *
 * A visit is one call of a script that adds and reads (`script.ts`); visits of a tick share the
 * call. Of each visitor at most one write of this process is under way: what comes meanwhile waits and
 * goes together. A write that was not answered is repeated until it is; a mark in it lets Redis tell a
 * repetition. So what Redis cannot take now is kept here, up to a bound, and counts once.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import slotOf from 'cluster-key-slot';
import type { Redis } from 'ioredis';
import { type Change, Profile } from '../../audience/profile.ts';
import { aliasKey, derivedId } from '../alias.ts';
import { addsAnything, type Mark } from '../record.ts';
import {
  type SamplePart,
  type Store,
  StoreError,
  type Visit,
  type Visitor,
  type Waiter,
} from '../store.ts';
import { inWords, type RedisAddress } from './address.ts';
import { Aliases } from './alias.ts';
import { connectionTo, nodeOf, openRedis, type RedisClient } from './client.ts';
import { Hints } from './hint.ts';
import { aliasesOf, cookiesOf, Lane, strangerKey, type Waiting } from './lane.ts';
import { sample } from './sample.ts';
import { ABSENT, aliasKeyOf, REPEATED, type Reply, UNREADABLE, visitorKey } from './script.ts';
import { type Owner, Shard, type ShardOptions } from './shard.ts';
import { foldedIn, generationOf, isTooLong, minuteOf, profileIn } from './value.ts';

export interface RedisStoreOptions extends Omit<ShardOptions, 'isCluster'> {
  readonly address: RedisAddress;
  readonly ca?: Buffer;
  /** Visits that may wait for Redis; more are refused. */
  readonly maxWaiting: number;
}

export class RedisStore implements Store, Owner {
  readonly client: RedisClient;
  readonly #options: ShardOptions;
  readonly #maxWaiting: number;
  readonly #where: string;
  readonly #lanes = new Map<string, Lane>();
  readonly #shards = new Map<string, Shard>();
  readonly #aliases: Aliases;
  readonly #hints: Hints;
  /** Visits that are neither decided nor refused. */
  #held = 0;
  #lost = 0;
  #whyLost: string | undefined;
  #connectionError: string | undefined;
  #scheduled = false;
  #closing = false;
  #closed = false;
  readonly #writer = randomInt(2 ** 32);
  #number = randomInt(2 ** 32);

  constructor({ address, ca, maxWaiting, ...options }: RedisStoreOptions) {
    this.#options = { ...options, isCluster: address.kind === 'cluster' };
    this.#maxWaiting = maxWaiting;
    this.#where = inWords(address);
    this.client = openRedis(address, { ca });
    this.#aliases = new Aliases(this.client, options);
    this.#hints = new Hints(this.client, options.prefix);
    this.client.on('error', (error: Error) => {
      this.#connectionError = error.message;
    });
    this.client.on('ready', () => {
      this.#connectionError = undefined;
      for (const shard of this.#shards.values()) shard.resume();
    });
  }

  get problem(): string | undefined {
    const reason = this.#reason();
    return reason && `${this.#where}: ${reason}; ${this.#held} visits wait`;
  }

  get lost(): number {
    return this.#lost;
  }

  get whyLost(): string | undefined {
    return this.#whyLost;
  }

  visit(visit: Visit, waiter: Waiter): void {
    const waiting = { visit, waiter };
    const isFull = this.#held >= this.#maxWaiting;
    if (this.#closing || isFull) {
      this.#lose(waiting, isFull ? 'too many visits wait for Redis' : 'the store is closing');
      return;
    }
    this.#held++;
    const { isCluster } = this.#options;
    const optsOut = visit.change.optOut === true && visit.deviceId !== undefined;
    const isStranger = visit.aliases.length > 0 || (isCluster && optsOut);
    const deviceId = visit.deviceId ?? visit.freshId;
    const isKnown = isStranger || deviceId !== visit.freshId;
    if (!isKnown && !addsAnything(visit.change)) {
      // Nobody has this id yet: there is nothing to read, and nothing to keep.
      this.#decide(waiting, { deviceId, profile: new Profile() });
      return;
    }
    const lane = isStranger
      ? this.#laneOf(strangerKey(visit), undefined)
      : this.#laneOf(deviceId, deviceId);
    if (isKnown) lane.newcomer = false;
    lane.waiting.push(waiting);
    if (isStranger && isCluster) this.#follow(lane, waiting);
    else this.#queue(lane, waiter);
  }

  async look({ deviceId, aliases, freshId }: Visit): Promise<Visitor> {
    try {
      const { prefix } = this.#options;
      const linked = await Promise.all(
        aliases.map(({ dataSource, id }) =>
          this.client.get(aliasKeyOf(prefix, aliasKey(dataSource, id))),
        ),
      );
      let found = deviceId;
      for (const other of linked) {
        if (other === null) continue;
        if (other !== deviceId) {
          const profile = await this.#profileOf(other);
          if (profile.optedOut) return { deviceId: other, profile };
        }
        found ??= other;
      }
      found ??= aliases.length > 0 ? derivedId(aliases[0]) : freshId;
      return { deviceId: found, profile: await this.#profileOf(found) };
    } catch (error) {
      throw new StoreError(`${this.#where}: ${(error as Error).message}`);
    }
  }

  async *sample(size: number): AsyncGenerator<SamplePart> {
    try {
      yield* sample(this.client, this.#options.prefix, size);
    } catch (error) {
      throw new StoreError(`${this.#where}: ${this.#connectionError ?? (error as Error).message}`);
    }
  }

  async close(milliseconds = 60_000): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const end = performance.now() + milliseconds;
    while (this.#lanes.size > 0 && performance.now() < end) {
      this.#flush();
      await pause(5);
    }
    this.#closed = true;
    this.#aliases.close();
    this.#hints.close();
    for (const { sent, waiting } of this.#lanes.values()) {
      this.#refuse([...(sent?.waiting ?? []), ...waiting], 'the store has closed');
    }
    this.#lanes.clear();
    this.client.disconnect();
  }

  connection(name: string): Redis | undefined {
    return connectionTo(this.client, name);
  }

  readonly mark = (): Mark => ({
    minute: minuteOf(Date.now()),
    writer: this.#writer,
    number: this.#nextNumber(),
  });

  failed(): void {
    if ('refreshSlotsCache' in this.client && !this.#closed)
      this.client.refreshSlotsCache(() => {});
  }

  dispatch(lane: Lane): void {
    if (this.#closed) return;
    const shard = this.#shardOf(lane);
    shard.adopt(lane);
    shard.flush();
  }

  settle(lane: Lane, reply: Reply, confirmed: number | undefined): void {
    if (this.#closed || !lane.sent) return;
    const { waiting, afterwards, examines } = lane.sent;
    lane.sent = undefined;
    const { status, value } = reply;
    const { waitReplicas, isCluster } = this.#options;
    if (examines && isCluster) {
      this.#hints.add(slotOf(visitorKey(this.#options.prefix, lane.deviceId as string)));
    }
    if (status === UNREADABLE) this.#refuse(waiting, new TextDecoder().decode(value));
    else if (confirmed !== undefined && confirmed < waitReplicas) {
      // It is in Redis, but not as safe as it was to be.
      const why = `only ${confirmed} of ${waitReplicas} replicas have the visit`;
      this.#held -= waiting.length;
      for (const { waiter } of waiting) waiter.refuse(new StoreError(why));
    } else {
      let profile: Profile | undefined;
      try {
        profile = status === ABSENT ? new Profile() : profileIn(value);
      } catch (error) {
        this.#refuse(waiting, (error as Error).message);
      }
      const deviceId = lane.deviceId ?? reply.deviceId;
      if (profile) {
        if (isCluster) {
          const aliases = waiting.flatMap(({ visit }) => aliasesOf(visit));
          this.#aliases.refresh(aliases, deviceId, profile.optedOut);
        }
        this.#decideAll(lane, { deviceId, profile }, waiting, afterwards, status !== REPEATED);
        if (status !== ABSENT && isTooLong(value)) this.#compact(deviceId, value);
      }
    }
    if (!lane.isEmpty) this.#queue(lane);
    // Deciding may have sent more of it already.
    else if (!lane.queued) this.#lanes.delete(lane.key);
  }

  /** @param adds whether the visits are not in the profile yet */
  #decideAll(
    lane: Lane,
    visitor: Visitor,
    waiting: readonly Waiting[],
    afterwards: readonly Change[],
    adds: boolean,
  ): void {
    const { deviceId, profile } = visitor;
    if (adds) for (const change of afterwards) profile.apply(change);
    // What was decided meanwhile for the same visitor, known by other ids.
    const home = this.#lanes.get(deviceId);
    if (home) {
      if (home !== lane) for (const change of home.sent?.afterwards ?? []) profile.apply(change);
      for (const change of home.afterwards) profile.apply(change);
    }
    for (const one of waiting) {
      const { change } = one.visit;
      if (adds && addsAnything(change)) profile.apply(change);
      const remember = this.#decide(one, visitor);
      if (remember) profile.apply(remember);
    }
  }

  /** Returns what is to be remembered; it is on its way. */
  #decide({ visit, waiter }: Waiting, visitor: Visitor): Change | undefined {
    this.#held--;
    try {
      const decided = waiter.decide(visitor);
      if (!decided) return undefined;
      const { deviceId, profile } = visitor;
      const all = { ...decided, day: visit.change.day };
      const change = profile.optedOut ? cookiesOf(all) : all;
      if (!addsAnything(change)) return undefined;
      const lane = this.#laneOf(deviceId, deviceId);
      if (deviceId !== visit.freshId) lane.newcomer = false;
      lane.afterwards.push(change);
      this.#queue(lane);
      return change;
    } catch (error) {
      waiter.refuse(error);
      return undefined;
    }
  }

  /** Replaces a value that has grown by what it comes to; whatever others append stays. */
  #compact(deviceId: string, value: Uint8Array): void {
    const key = visitorKey(this.#options.prefix, deviceId);
    const generation = Buffer.from(generationOf(value));
    const next = Buffer.alloc(4);
    next.writeUInt32LE(this.#nextNumber());
    this.client
      .compact(key, generation, value.length, next, Buffer.from(foldedIn(value)))
      // The next visit tries again.
      .catch(() => undefined);
  }

  /** Finds whom the ids of a lane lead to, and has its visits go there. */
  #follow(lane: Lane, { visit, waiter }: Waiting): void {
    if (this.#aliases.isAway(visit)) waiter.late();
    if (lane.queued) return;
    lane.queued = true;
    this.#aliases.find(visit).then(
      (deviceId) => {
        this.#lanes.delete(lane.key);
        if (this.#closed) return;
        const home = this.#laneOf(deviceId, deviceId);
        home.newcomer = false;
        for (const waiting of lane.waiting) {
          home.waiting.push(waiting);
          this.#queue(home, waiting.waiter);
        }
      },
      (error: Error) => {
        // Whoever waits when the store has closed has been told.
        if (this.#closed) return;
        this.#lanes.delete(lane.key);
        this.#refuse(lane.waiting, error.message);
      },
    );
  }

  #reason(): string | undefined {
    if (this.client.status !== 'ready') return this.#connectionError ?? 'no connection';
    const now = performance.now();
    for (const shard of this.#shards.values()) {
      const problem = shard.problem(now);
      if (problem) return problem;
    }
    return this.#aliases.problem;
  }

  async #profileOf(deviceId: string): Promise<Profile> {
    const value = await this.client.getBuffer(visitorKey(this.#options.prefix, deviceId));
    return value ? profileIn(value) : new Profile();
  }

  #refuse(held: readonly Waiting[], why: string): void {
    this.#held -= held.length;
    for (const waiting of held) this.#lose(waiting, why);
  }

  #lose({ waiter }: Waiting, why: string): void {
    this.#lost++;
    this.#whyLost = why;
    waiter.refuse(new StoreError(why));
  }

  #nextNumber(): number {
    this.#number = (this.#number + 1) >>> 0;
    return this.#number;
  }

  #laneOf(key: string, deviceId: string | undefined): Lane {
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new Lane(key, deviceId);
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #shardOf({ deviceId }: Lane): Shard {
    const { isCluster, prefix } = this.#options;
    const name =
      isCluster && deviceId !== undefined ? nodeOf(this.client, visitorKey(prefix, deviceId)) : '';
    let shard = this.#shards.get(name);
    if (!shard) {
      // Servers come and go.
      for (const [other, { isBusy }] of this.#shards) if (!isBusy) this.#shards.delete(other);
      shard = new Shard(name, this.#options, this);
      this.#shards.set(name, shard);
    }
    return shard;
  }

  /** Has a lane sent at the end of the tick at the latest, unless something of it is under way. */
  #queue(lane: Lane, waiter?: Waiter): void {
    const shard = this.#shardOf(lane);
    if (waiter && shard.isAway(performance.now())) waiter.late();
    shard.push(lane);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the poll phase: requests that have arrived by then share a call.
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    for (const shard of this.#shards.values()) shard.flush();
  }
}
