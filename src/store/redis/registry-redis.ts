/**
 * The registry in Redis, for every node. Keys that one step touches share a hash tag, so it runs on
 * a Cluster, too:
 *
 *     PREFIXregistry:{KIND}                a hash: id → version, space, value as JSON
 *     PREFIXregistry:{KIND}:until          a sorted set: ids by when their time is over, in Unix ms
 *     PREFIXcounts:{SCOPE}:hour:START      a hash: name → count; expires by itself; likewise `day`
 *     PREFIXcounts:{SCOPE}:batch:WRITER    the number of the writer's last batch; expires by itself
 *     PREFIXrecent:{LIST}                  a sorted set: entries by time; an entry is a number and its owner
 *     PREFIXrecent:{LIST}:values           a hash: entry → value as JSON
 */
import { randomBytes, randomInt } from 'node:crypto';
import { inTurns, type Turns } from '../../account/turns.ts';
import {
  BATCH_MS,
  type Batch,
  type Count,
  type Counted,
  KEPT_UNITS,
  type Kept,
  type Kind,
  type PutOptions,
  type Recent,
  type Registry,
  RegistryConflict,
  startOf,
  UNIT_MS,
  UNITS,
  type Unit,
  unitsBetween,
} from '../registry.ts';
import type { RedisClient } from './client.ts';
import { Connection } from './connection.ts';

/** Records that are removed along with one that is put, once their time is over. */
const PRUNED = 100;
/** Scopes that are counted together; more of them would hold up what else this process does. */
const CHUNK = 50;

/** Redis' clock counts, for all nodes. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

const GET = `${NOW}
local till = redis.call('ZSCORE', KEYS[2], ARGV[1])
if till and tonumber(till) <= now then return false end
return redis.call('HGET', KEYS[1], ARGV[1])
`;

/** Returns ids and records, one after the other. */
const LIST = `${NOW}
local over, kept = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do over[id] = true end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if not over[all[i]] then
    kept[#kept + 1] = all[i]
    kept[#kept + 1] = all[i + 1]
  end
end
return kept
`;

/** Takes id, value, the version that is to be there and the time to live, both perhaps empty. */
const PUT = `${NOW}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ${PRUNED})) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
local id, value, after, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local till = redis.call('ZSCORE', KEYS[2], id)
local stored = not (till and tonumber(till) <= now) and redis.call('HGET', KEYS[1], id)
local last = stored and tonumber(string.match(stored, '^%d+')) or 0
if after ~= '' and tonumber(after) ~= last then return 0 end
local version = math.max(last + 1, now)
redis.call('HSET', KEYS[1], id, string.format('%.0f ', version) .. value)
if ttl == '' then redis.call('ZREM', KEYS[2], id)
else redis.call('ZADD', KEYS[2], string.format('%.0f', now + ttl), id) end
return version
`;

const REMOVE = `${NOW}
local till = redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
local removed = redis.call('HDEL', KEYS[1], ARGV[1])
return till and tonumber(till) <= now and 0 or removed
`;

/**
 * The last key is the batch's. Takes when the counts of each other key expire, in seconds; the number
 * of the batch, or nothing; then each name with its count.
 */
const ADD = `
local last = #KEYS
local number = ARGV[last]
if number ~= '' then
  if tonumber(redis.call('GET', KEYS[last]) or 0) >= tonumber(number) then return end
  redis.call('SET', KEYS[last], number, 'PX', ${BATCH_MS})
end
for k = 1, last - 1 do
  for i = last + 1, #ARGV, 2 do redis.call('HINCRBY', KEYS[k], ARGV[i], ARGV[i + 1]) end
  redis.call('EXPIREAT', KEYS[k], ARGV[k])
end
`;

/** Takes how many are kept, then each entry with its time and value. */
const APPEND = `
for i = 2, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
end
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1 - ARGV[1])) do
  redis.call('ZREM', KEYS[1], entry)
  redis.call('HDEL', KEYS[2], entry)
end
`;

/** Returns each entry with its time and value. */
const RECENT = `
local recent = {}
local newest = { '+inf', '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[1] }
local entries = redis.call('ZREVRANGEBYSCORE', KEYS[1], unpack(newest))
for i = 1, #entries, 2 do
  recent[#recent + 1] = entries[i]
  recent[#recent + 1] = entries[i + 1]
  recent[#recent + 1] = redis.call('HGET', KEYS[2], entries[i])
end
return recent
`;

/** What an entry starts with: a number that grows, and what tells apart who has given it. */
const ENTRY_HEAD = 20;

const FORGET = `
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(entry, ${ENTRY_HEAD + 1}) == ARGV[1] then
    redis.call('ZREM', KEYS[1], entry)
    redis.call('HDEL', KEYS[2], entry)
  end
end
`;

type Argument = string | number;

export class RegistryRedis implements Registry {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #writer = randomBytes(4).toString('hex');
  #number = randomInt(2 ** 32);

  /** @param open opens a connection of its own: pages never wait behind what is asked here */
  constructor(open: () => RedisClient, prefix: string) {
    this.#connection = new Connection(open, 'the registry in Redis');
    this.#prefix = prefix;
  }

  async get<Value>(kind: Kind, id: string): Promise<Kept<Value> | undefined> {
    const stored = await this.#run<string | null>(GET, this.#records(kind), [id]);
    return stored === null ? undefined : keptIn(id, stored);
  }

  async list<Value>(kind: Kind): Promise<Kept<Value>[]> {
    const all = await this.#run<string[]>(LIST, this.#records(kind), []);
    const kept = await inTurns(inRows(all, 2, ([id, stored]): Kept<Value> => keptIn(id, stored)));
    return kept.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async put(kind: Kind, id: string, value: unknown, options: PutOptions = {}): Promise<number> {
    const { after = '', ttl = '' } = options;
    const record = [id, JSON.stringify(value ?? null), after, ttl];
    const version = await this.#run<number>(PUT, this.#records(kind), record);
    if (version === 0) throw new RegistryConflict(`${kind} ${id} was changed meanwhile`);
    return version;
  }

  async remove(kind: Kind, id: string): Promise<boolean> {
    return (await this.#run<number>(REMOVE, this.#records(kind), [id])) === 1;
  }

  async add(counts: readonly Count[], at: number, batch?: Batch): Promise<void> {
    const { writer = '', number = '' } = batch ?? {};
    const scopes = [...Map.groupBy(counts, ({ scope }) => scope)];
    const ends = UNITS.map((unit) => endOf(unit, at) / 1_000);
    for (let i = 0; i < scopes.length; i += CHUNK) {
      await Promise.all(
        scopes.slice(i, i + CHUNK).map(([scope, own]) => {
          const keys = UNITS.map((unit) => this.#countsOf(scope, unit, startOf(unit, at)));
          keys.push(`${this.#prefix}counts:{${scope}}:batch:${writer}`);
          const named = own.flatMap(({ name, count }) => [name, count]);
          return this.#run(ADD, keys, [...ends, number, ...named]);
        }),
      );
    }
  }

  async counts(scope: string, unit: Unit, from: number, to: number): Promise<Counted[]> {
    const counted = unitsBetween(unit, from, to, Date.now()).map(async (at) => {
      const key = this.#countsOf(scope, unit, at);
      const counts = await this.#connection.ask(() => this.#connection.client.hgetall(key));
      return Object.entries(counts).map(([name, count]) => ({ at, name, count: Number(count) }));
    });
    return (await Promise.all(counted)).flat();
  }

  async append(list: string, entries: readonly Recent<unknown>[], keep: number): Promise<void> {
    if (entries.length === 0) return;
    const named = entries.flatMap(({ at, owner, value }) => {
      const number = String(++this.#number).padStart(ENTRY_HEAD - this.#writer.length, '0');
      return [`${number}${this.#writer}${owner}`, at, JSON.stringify(value ?? null)];
    });
    await this.#run(APPEND, this.#recent(list), [keep, ...named]);
  }

  async recent<Value>(list: string, limit: number): Promise<Recent<Value>[]> {
    const all = await this.#run<string[]>(RECENT, this.#recent(list), [limit]);
    return inTurns(
      inRows(all, 3, ([entry, at, value]) => ({
        at: Number(at),
        owner: entry.slice(ENTRY_HEAD),
        value: JSON.parse(value),
      })),
    );
  }

  async forget(list: string, owner: string): Promise<void> {
    await this.#run(FORGET, this.#recent(list), [owner]);
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  #records(kind: Kind): string[] {
    const key = `${this.#prefix}registry:{${kind}}`;
    return [key, `${key}:until`];
  }

  #countsOf(scope: string, unit: Unit, start: number): string {
    return `${this.#prefix}counts:{${scope}}:${unit}:${start}`;
  }

  #recent(list: string): string[] {
    const key = `${this.#prefix}recent:{${list}}`;
    return [key, `${key}:values`];
  }

  #run<Answer>(
    script: string,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<Answer> {
    const all = [...keys, ...args];
    const { client } = this.#connection;
    return this.#connection.ask(() => client.eval(script, keys.length, ...all) as Promise<Answer>);
  }
}

/** When the counts of an hour or day are not asked for any more, in Unix milliseconds. */
const endOf = (unit: Unit, at: number) =>
  startOf(unit, at) + (KEPT_UNITS[unit] + 1) * UNIT_MS[unit];

function keptIn<Value>(id: string, stored: string): Kept<Value> {
  const space = stored.indexOf(' ');
  return { id, value: JSON.parse(stored.slice(space)), version: Number(stored.slice(0, space)) };
}

/** Reads what a script has returned, so many values a row. */
function* inRows<Row>(
  values: readonly string[],
  size: number,
  read: (values: readonly string[]) => Row,
): Turns<Row[]> {
  const rows: Row[] = [];
  for (let i = 0; i < values.length; i += size) {
    yield;
    rows.push(read(values.slice(i, i + size)));
  }
  return rows;
}
