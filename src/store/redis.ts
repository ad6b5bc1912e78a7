/**
 * The store on Redis: one server, Sentinel or Cluster.
 *
 * A visit is one call of a script that adds and reads (`redis-script.ts`); all visits of a tick share
 * the call. Of each visitor at most one write of this process is under way: what comes meanwhile waits
 * and goes together. A write that was not answered is repeated until it is; a mark in it lets Redis
 * tell a repetition. So what Redis cannot take now is kept here, up to a bound, and counts once.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Change, Profile } from '../audience/profile.ts';
import { aliasKey, derivedId } from './entry.ts';
import {
  addsAnything,
  MARK_BYTES,
  readRecords,
  readU16,
  readU32,
  Writer,
  writeChange,
  writeProfile,
} from './record.ts';
import { inWords, type RedisAddress } from './redis-address.ts';
import { nodeOf, openRedis, type RedisClient } from './redis-client.ts';
import {
  ABSENT,
  aliasKeyOf,
  closeSection,
  compactedOf,
  FALLBACK,
  generationOf,
  HEADER,
  NEWCOMER,
  OPT_OUT,
  openSection,
  REPEATED,
  Reply,
  type ScriptOptions,
  secondsOf,
  seenOf,
  UNREADABLE,
  VERSION,
  visitorKey,
  writeAliases,
  writeHead,
} from './redis-script.ts';
import { type Store, StoreError, type Visit, type Visitor, type Waiter } from './store.ts';

export interface RedisStoreOptions extends ScriptOptions {
  readonly address: RedisAddress;
  readonly ca?: Buffer;
  /** Replicas that have to have a visit before it is answered for. */
  readonly waitReplicas: number;
  /** Visits that may wait for Redis; more are refused. */
  readonly maxWaiting: number;
  /** After so many milliseconds without an answer nobody waits any more, until there is one. */
  readonly patience: number;
}

const RETRY_MS = 100;
const WAIT_MS = 1_000;
/** Calls under way at the same time; when Redis has more to do, calls become larger instead. */
const MAX_CALLS = 8;
/** So many visitors are sent before the tick ends: Redis works on them while the others are read. */
const EARLY = 16;
/** Entries of a call: Redis serves nobody else meanwhile. */
const MAX_ENTRIES = 256;
/** A value is compacted when it has grown by as much as it had, and by so many bytes. */
const MIN_GROWTH = 512;
/** Of each process, so many marks are kept: more writes of one are never unanswered at once. */
const MARKS_KEPT = 4;
const DAY_MINUTES = 1_440;

interface Waiting {
  readonly visit: Visit;
  readonly waiter: Waiter;
}

/** What was sent for a visitor, until it is answered. */
interface Entry {
  readonly waiting: readonly Waiting[];
  readonly afterwards: readonly Change[];
  /** Where it stands in the bytes that were sent. */
  readonly bytes: { blob: Uint8Array; from: number; to: number };
}

/** What waits for one visitor, in order. */
class Lane {
  /** Undefined where Redis has to find out by the aliases of the only visit. */
  readonly deviceId: string | undefined;
  waiting: Waiting[] = [];
  /** What was decided and is to be remembered. */
  afterwards: Change[] = [];
  /** Under way, or to be repeated. */
  sent: Entry | undefined;
  queued = false;
  newcomer = true;

  constructor(deviceId: string | undefined) {
    this.deviceId = deviceId;
  }
}

/** One Redis server, as far as this process knows it. */
class Shard {
  queue: Lane[] = [];
  calls = 0;
  /** Since when something waits without any answer. */
  since: number | undefined;
  /** Whether the last answer took too long. */
  slow = false;
  paused = false;
  error: string | undefined;
}

export class RedisStore implements Store {
  readonly client: RedisClient;
  readonly #options: RedisStoreOptions;
  readonly #where: string;
  readonly #isCluster: boolean;
  readonly #lanes = new Map<string, Lane>();
  readonly #shards = new Map<string, Shard>();
  /** Visits whose aliases are being followed (in a Cluster). */
  readonly #following = new Set<Waiting>();
  /** The last visit that follows an alias: the next one with the same alias comes after it. */
  readonly #followed = new Map<string, Promise<void>>();
  /** Visits that are neither decided nor refused. */
  #held = 0;
  #lost = 0;
  #connectionError: string | undefined;
  #scheduled = false;
  #closing = false;
  readonly #writer = randomInt(2 ** 32);
  #number = randomInt(2 ** 32);

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.#where = inWords(options.address);
    this.#isCluster = options.address.kind === 'cluster';
    this.client = openRedis(options.address, options, options.ca);
    this.client.on('error', (error: Error) => {
      this.#connectionError = error.message;
    });
    this.client.on('ready', () => {
      this.#connectionError = undefined;
      for (const shard of this.#shards.values()) shard.paused = false;
      this.#flush();
    });
  }

  get problem(): string | undefined {
    const now = performance.now();
    const stuck = [...this.#shards.values()].find((shard) => this.#isAway(shard, now));
    const reason =
      this.client.status === 'ready'
        ? stuck && (stuck.error ?? (stuck.slow ? 'answers slowly' : 'does not answer'))
        : (this.#connectionError ?? 'no connection');
    if (reason === undefined) return undefined;
    return `${this.#where}: ${reason}; ${this.#held} visits wait`;
  }

  get lost(): number {
    return this.#lost;
  }

  visit(visit: Visit, waiter: Waiter): void {
    const waiting = { visit, waiter };
    const isFull = this.#held >= this.#options.maxWaiting;
    if (this.#closing || isFull) {
      this.#refuse(waiting, isFull ? 'too many visits wait for Redis' : 'the store is closing');
      return;
    }
    this.#held++;
    if (visit.aliases.length > 0 && this.#isCluster) {
      this.#followInTurn(waiting);
      return;
    }
    if (visit.aliases.length > 0) {
      const lane = new Lane(undefined);
      lane.waiting.push(waiting);
      this.#queue(lane, waiter);
      return;
    }
    const deviceId = visit.deviceId ?? visit.freshId;
    const isKnown = deviceId !== visit.freshId;
    if (!isKnown && !addsAnything(visit.change)) {
      // Nobody has this id yet: there is nothing to read, and nothing to keep.
      this.#decide(waiting, { deviceId, profile: new Profile() });
      return;
    }
    const lane = this.#laneOf(deviceId);
    if (isKnown) lane.newcomer = false;
    lane.waiting.push(waiting);
    this.#queue(lane, waiter);
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

  async close(milliseconds = 60_000): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const end = performance.now() + milliseconds;
    while (this.#isBusy() && performance.now() < end) {
      this.#flush();
      await pause(5);
    }
    for (const waiting of this.#following) this.#refuse(waiting, 'the store has closed');
    this.#following.clear();
    const lanes = new Set([...this.#shards.values()].flatMap(({ queue }) => queue));
    for (const lane of [...this.#lanes.values(), ...lanes]) {
      const all = [...(lane.sent?.waiting ?? []), ...lane.waiting.splice(0)];
      lane.sent = undefined;
      for (const waiting of all) this.#refuse(waiting, 'the store has closed');
    }
    this.client.disconnect();
  }

  #isBusy(): boolean {
    if (this.#lanes.size > 0 || this.#following.size > 0) return true;
    return [...this.#shards.values()].some(({ queue, calls }) => queue.length > 0 || calls > 0);
  }

  async #profileOf(deviceId: string): Promise<Profile> {
    const value = await this.client.getBuffer(visitorKey(this.#options.prefix, deviceId));
    return value ? profileIn(value) : new Profile();
  }

  #refuse({ waiter }: Waiting, why: string): void {
    this.#lost++;
    waiter.refuse(new StoreError(why));
  }

  #laneOf(deviceId: string): Lane {
    let lane = this.#lanes.get(deviceId);
    if (!lane) {
      lane = new Lane(deviceId);
      this.#lanes.set(deviceId, lane);
    }
    return lane;
  }

  #shardOf({ deviceId }: Lane): Shard {
    const node =
      this.#isCluster && deviceId !== undefined
        ? nodeOf(this.client, visitorKey(this.#options.prefix, deviceId))
        : '';
    let shard = this.#shards.get(node);
    if (!shard) {
      shard = new Shard();
      this.#shards.set(node, shard);
    }
    return shard;
  }

  #isAway({ since, slow }: Shard, now: number): boolean {
    return slow || (since !== undefined && now - since > this.#options.patience);
  }

  /** Has a lane sent at the end of the tick, unless something of it is under way. */
  #queue(lane: Lane, waiter?: Waiter): void {
    const shard = this.#shardOf(lane);
    const now = performance.now();
    if (waiter && this.#isAway(shard, now)) waiter.late();
    shard.since ??= now;
    if (!lane.queued && !lane.sent) {
      lane.queued = true;
      shard.queue.push(lane);
      if (shard.queue.length >= EARLY && shard.calls < MAX_CALLS) this.#flush();
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the poll phase: all requests that have arrived by then share one call.
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const [entries, calls] = this.#isCluster ? [1, MAX_ENTRIES] : [MAX_ENTRIES, MAX_CALLS];
    for (const shard of this.#shards.values()) {
      let taken = 0;
      while (!shard.paused && shard.calls < calls && taken < shard.queue.length) {
        const lanes = shard.queue.slice(taken, taken + entries);
        taken += lanes.length;
        this.#call(shard, lanes);
      }
      if (taken > 0) shard.queue.splice(0, taken);
    }
  }

  /** Sends what waits in some lanes, in one call. */
  #call(shard: Shard, lanes: readonly Lane[]): void {
    const writer = new Writer(lanes.length * 128);
    for (const lane of lanes) {
      lane.queued = false;
      if (lane.sent) {
        const { blob, from, to } = lane.sent.bytes;
        writer.raw(blob.subarray(from, to));
      } else lane.sent = this.#write(writer, lane);
    }
    const blob = Buffer.from(writer.bytes.buffer, 0, writer.length);
    for (const { sent } of lanes) {
      if (sent?.bytes.blob === NOTHING) sent.bytes.blob = blob;
    }
    shard.calls++;
    const begin = performance.now();
    this.#exchange(lanes, blob).then(
      ({ replies, confirmed }) => {
        const now = performance.now();
        shard.calls--;
        shard.error = undefined;
        shard.slow = now - begin > this.#options.patience;
        shard.since = shard.calls > 0 || shard.queue.length > 0 ? now : undefined;
        let at = 0;
        for (const lane of lanes) {
          const reply = new Reply(replies, at);
          at = reply.end;
          this.#settle(lane, reply, confirmed);
        }
        this.#flush();
      },
      (error: Error) => {
        shard.calls--;
        shard.error = error.message;
        shard.since ??= begin;
        for (const lane of lanes) lane.queued = true;
        shard.queue.unshift(...lanes);
        this.#pause(shard);
      },
    );
  }

  #pause(shard: Shard): void {
    if (shard.paused) return;
    shard.paused = true;
    setTimeout(() => {
      shard.paused = false;
      this.#flush();
    }, RETRY_MS).unref();
  }

  async #exchange(
    lanes: readonly Lane[],
    blob: Buffer,
  ): Promise<{ replies: Buffer; confirmed: number | undefined }> {
    const { prefix, waitReplicas } = this.#options;
    const { client } = this;
    const [{ deviceId }] = lanes;
    const keys = this.#isCluster && deviceId !== undefined ? [visitorKey(prefix, deviceId)] : [];
    if (waitReplicas === 0) {
      return {
        replies: await client.visitBuffer(keys.length, ...keys, blob),
        confirmed: undefined,
      };
    }
    // Both on one connection, one after the other: WAIT is about what that connection has written.
    const pipeline = client.pipeline() as ReturnType<RedisClient['pipeline']> & RedisClient;
    pipeline.visitBuffer(keys.length, ...keys, blob);
    pipeline.wait(waitReplicas, WAIT_MS);
    const results = (await pipeline.exec()) as [Error | null, unknown][];
    const failed = results.find(([error]) => error);
    if (failed) throw failed[0];
    return { replies: results[0][1] as Buffer, confirmed: results[1][1] as number };
  }

  #write(writer: Writer, lane: Lane): Entry {
    const { waiting, afterwards } = lane;
    lane.waiting = [];
    lane.afterwards = [];
    const [first] = waiting;
    const isStranger = lane.deviceId === undefined;
    const changes = waiting.map(({ visit }) => visit.change);
    const optOut = changes.findLastIndex((change) => change.optOut);
    let day = 0;
    for (const change of changes) day = Math.max(day, change.day);
    for (const change of afterwards) day = Math.max(day, change.day);
    const given = lane.deviceId ?? first.visit.deviceId;
    const from = writer.length;
    writeHead(
      writer,
      (lane.newcomer && !isStranger ? NEWCOMER : 0) |
        (optOut >= 0 ? OPT_OUT : 0) |
        (given === undefined ? FALLBACK : 0),
      day,
      given ?? derivedId(first.visit.aliases[0]),
      { minute: minuteOf(Date.now()), writer: this.#writer, number: this.#nextNumber() },
    );
    const added = openSection(writer);
    for (const [i, change] of changes.entries()) {
      // Nothing is kept of what came before an opt-out.
      if (i >= optOut && addsAnything(change)) writeChange(writer, change);
    }
    closeSection(writer, added);
    const remembered = openSection(writer);
    for (const change of afterwards) writeChange(writer, change);
    closeSection(writer, remembered);
    const aliases = isStranger ? first.visit.aliases : [];
    writeAliases(
      writer,
      aliases.map(({ dataSource, id }) => aliasKey(dataSource, id)),
    );
    return { waiting, afterwards, bytes: { blob: NOTHING, from, to: writer.length } };
  }

  #nextNumber(): number {
    this.#number = (this.#number + 1) >>> 0;
    return this.#number;
  }

  /** Decides what was sent for a visitor, and is in Redis now. */
  #settle(lane: Lane, reply: Reply, confirmed: number | undefined): void {
    const { waiting, afterwards } = lane.sent as Entry;
    lane.sent = undefined;
    const { status, value } = reply;
    const deviceId = lane.deviceId ?? reply.deviceId;
    const home = lane.deviceId === undefined ? this.#lanes.get(deviceId) : lane;
    const { waitReplicas } = this.#options;
    try {
      if (status === UNREADABLE) throw new StoreError(new TextDecoder().decode(value));
      if (confirmed !== undefined && confirmed < waitReplicas) {
        throw new StoreError(`only ${confirmed} of ${waitReplicas} replicas have the visit`);
      }
      const profile = status === ABSENT ? new Profile() : profileIn(value);
      // After a repetition, the value tells what was added.
      const adds = status !== REPEATED;
      if (adds) for (const change of afterwards) profile.apply(change);
      if (lane.deviceId === undefined && home) {
        for (const change of home.sent?.afterwards ?? []) profile.apply(change);
        for (const change of home.afterwards) profile.apply(change);
      }
      for (const one of waiting) {
        const { change } = one.visit;
        if (adds && addsAnything(change)) profile.apply(change);
        const remember = this.#decide(one, { deviceId, profile });
        if (remember) profile.apply(remember);
      }
      this.#compact(deviceId, status, value);
    } catch (error) {
      for (const { waiter } of waiting) waiter.refuse(error);
      this.#held -= waiting.length;
    }
    if (lane.deviceId === undefined) return;
    if (lane.waiting.length > 0 || lane.afterwards.length > 0) this.#queue(lane);
    else if (!lane.queued) this.#lanes.delete(lane.deviceId);
  }

  /** Returns what is to be remembered; it is on its way. */
  #decide({ visit, waiter }: Waiting, visitor: Visitor): Change | undefined {
    this.#held--;
    try {
      const decided = waiter.decide(visitor);
      if (!decided) return undefined;
      const { deviceId, profile } = visitor;
      const { day } = visit.change;
      // Of who has opted out only the cookies to remove are remembered.
      const { cookiesSet, cookiesRemoved } = decided;
      const change = profile.optedOut ? { day, cookiesSet, cookiesRemoved } : { ...decided, day };
      if (!addsAnything(change)) return undefined;
      const lane = this.#laneOf(deviceId);
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
  #compact(deviceId: string, status: number, value: Uint8Array): void {
    if (status === ABSENT) return;
    const compacted = compactedOf(value);
    if (value.length - compacted <= Math.max(MIN_GROWTH, compacted)) return;
    const key = visitorKey(this.#options.prefix, deviceId);
    const generation = Buffer.from(generationOf(value));
    const next = Buffer.alloc(4);
    next.writeUInt32LE(this.#nextNumber());
    this.client
      .compact(key, generation, value.length, next, Buffer.from(foldedIn(value)))
      // The next visit tries again.
      .catch(() => undefined);
  }

  #followInTurn(waiting: Waiting): void {
    const aliases = waiting.visit.aliases.map(({ dataSource, id }) => aliasKey(dataSource, id));
    const before = aliases.map((alias) => this.#followed.get(alias));
    this.#following.add(waiting);
    const turn = Promise.all(before).then(() => this.#follow(waiting));
    for (const alias of aliases) this.#followed.set(alias, turn);
    turn.then(() => {
      for (const alias of aliases) {
        if (this.#followed.get(alias) === turn) this.#followed.delete(alias);
      }
    });
  }

  /** Finds whom the aliases of a visit lead to, where they and the visitor are on different servers. */
  async #follow(waiting: Waiting): Promise<void> {
    const { visit, waiter } = waiting;
    while (this.#following.has(waiting)) {
      try {
        const deviceId = await this.#identify(visit);
        if (!this.#following.delete(waiting)) return;
        const lane = this.#laneOf(deviceId);
        lane.newcomer = false;
        lane.waiting.push(waiting);
        this.#queue(lane, waiter);
        return;
      } catch (error) {
        this.#connectionError = (error as Error).message;
        waiter.late();
        await pause(RETRY_MS);
      }
    }
  }

  async #identify({ deviceId, aliases, change }: Visit): Promise<string> {
    const { prefix, profileDays } = this.#options;
    const { client } = this;
    const keys = aliases.map(({ dataSource, id }) => aliasKeyOf(prefix, aliasKey(dataSource, id)));
    const linked = await Promise.all(keys.map((key) => client.get(key)));
    let found = deviceId;
    for (const other of linked) {
      if (other === null) continue;
      if (other !== deviceId && (await this.#isOptedOut(other))) return other;
      found ??= other;
    }
    found ??= derivedId(aliases[0]);
    if (await this.#isOptedOut(found)) return found;
    const target = found;
    await Promise.all(
      keys.map((key, i) => {
        if (change.optOut) return client.set(key, target);
        return linked[i] === target
          ? client.expire(key, secondsOf(profileDays))
          : client.set(key, target, 'EX', secondsOf(profileDays));
      }),
    );
    return target;
  }

  async #isOptedOut(deviceId: string): Promise<boolean> {
    const key = visitorKey(this.#options.prefix, deviceId);
    const state = await this.client.getrangeBuffer(key, 1, 1);
    return state.length === 1 && state[0] >= 2;
  }
}

const NOTHING = new Uint8Array(0);

const minuteOf = (milliseconds: number) => Math.floor(milliseconds / 60_000) % 65_536;

function profileIn(value: Uint8Array): Profile {
  if (value[0] !== VERSION) {
    throw new StoreError(
      `a stored visitor has version ${value[0]}, this program reads ${VERSION}: it is kept, update this program`,
    );
  }
  const profile = new Profile();
  readRecords(value, profile, HEADER);
  profile.seen = Math.max(profile.seen, seenOf(value));
  return profile;
}

/** What the records of a value come to: as few as possible, with the marks that are still needed. */
function foldedIn(value: Uint8Array): Uint8Array {
  const marks: number[] = [];
  const profile = new Profile();
  readRecords(value, profile, HEADER, value.length, marks);
  const writer = new Writer(value.length);
  const kept = new Map<number, number>();
  const now = minuteOf(Date.now());
  for (const at of marks.reverse()) {
    const process = readU32(value, at + 3);
    const count = kept.get(process) ?? 0;
    const age = (now - readU16(value, at + 1) + 65_536) % 65_536;
    if (count === MARKS_KEPT || age > DAY_MINUTES) continue;
    kept.set(process, count + 1);
    writer.raw(value.subarray(at, at + MARK_BYTES));
  }
  writeProfile(writer, profile);
  return writer.written();
}
