/**
 * Keeps in Redis what came out of examinations: what was told, what is queued, when to examine again.
 *
 * On one server that is one step, so whatever a replica has got of it when it takes over is whole: who is not
 * settled there is still on its agenda. In a Cluster, visitors and queues are apart. It is queued first, so
 * who is killed between queues twice and loses nothing; and where replicas have to confirm, nobody counts
 * as told before they have what was queued. Two processes that examine the same visitor at once, since the
 * one lost its lease unawares, are told apart by what was told: of the later one nothing is kept, and the
 * visitor is examined anew.
 */
import { createHash } from 'node:crypto';
import { Cluster } from 'ioredis';
import type { Candidate, Outcome } from '../outbox.ts';
import { Writer } from '../record.ts';
import { StoreError } from '../store.ts';
import { writeTold } from '../told.ts';
import { type Agenda, memberOf } from './agenda.ts';
import {
  type Argument,
  type Command,
  type Connection,
  inPieces,
  type Script,
} from './connection.ts';
import { queueKey } from './queue.ts';
import { BY_TIME, examineFunction, PREAMBLE, writeSection } from './script.ts';
import { entryBytes, toldKey, writeEntry } from './told.ts';

/** A candidate, with what tells whether something has changed since. */
export interface Found extends Candidate {
  /** When it is on the agenda, as Redis says it; empty: it is not. */
  readonly due: Buffer;
  readonly toldBytes: Buffer;
}

/** With what came out. */
export type Pair = readonly [Found, Outcome];

export interface SettlementOptions {
  readonly prefix: string;
  /** Of a Cluster: so many replicas have to have what is queued. */
  readonly waitReplicas: number;
}

/** Redis serves nobody else while it works on a call. */
const WEIGHT = 64;
/** Calls that are on the way together. */
const CALLS = 250;

/** Takes what is to have been told, and the visitor. The keys are its own and the agenda's. */
const fitsScript = (prefix: string) => `${PREAMBLE}${examineFunction(prefix)}
if (call('GET', KEYS[1]) or '') == ARGV[1] then return 1 end
examine(ARGV[2])
return 0
`;

/**
 * Takes visitors, in one blob: device id, packed and as digits; then, each with its length u32, when it
 * was on the agenda (empty: it was not), when it will be, what is to have been told, what was told; then
 * the number of queues u32, and for each of them its destination u32 and, with its length u32, the entry.
 */
const settleScript = (prefix: string) => `${PREAMBLE}${examineFunction(prefix)}
local blob, at, prefix = ARGV[1], 1, '${prefix}'
while at <= #blob do
  local member, id, due, next, before, after, count
  member, id, due, next, before, after, count, at = unpack_('<c19c38I4c0I4c0I4c0I4c0I4', blob, at)
  local key = prefix .. '{' .. id .. '}:told'
  local fits = (call('GET', key) or '') == before
  for i = 1, count do
    local destination, entry
    destination, entry, at = unpack_('<I4I4c0', blob, at)
    destination = string.format('%.0f', destination)
    if fits then
      call('SADD', prefix .. 'out', destination)
      call('XADD', prefix .. 'out:{' .. destination .. '}', '*', 'v', entry)
    end
  end
  if not fits then examine(id)
  else
    if after == '' then call('DEL', key) elseif after ~= before then call('SET', key, after) end
    local stands = call('ZSCORE', agenda, member) or ''
    -- Who came back meanwhile stays; whom somebody else has settled comes again.
    if stands ~= due then
      if stands == '' or tonumber(stands) >= ${BY_TIME} then examine(id) end
    else
      if next ~= '' then call('ZADD', agenda, next, member)
      elseif due ~= '' then call('ZREM', agenda, member) end
    end
  end
end
`;

/** A script that many calls of one pipeline name by its digest. */
interface Named {
  readonly lua: string;
  readonly digest: string;
}

const named = (lua: string): Named => ({
  lua,
  digest: createHash('sha1').update(lua).digest('hex'),
});

export class Settlement {
  readonly #connection: Connection;
  readonly #agenda: Agenda;
  readonly #prefix: string;
  readonly #waitReplicas: number;
  readonly #settle: Script;
  readonly #fits: Named;
  readonly #settleOne: Named;
  /** Servers of which too few replicas confirmed, the last time. */
  readonly #short = new Set<string>();

  constructor(connection: Connection, agenda: Agenda, { prefix, waitReplicas }: SettlementOptions) {
    this.#connection = connection;
    this.#agenda = agenda;
    this.#prefix = prefix;
    this.#waitReplicas = waitReplicas;
    this.#settle = connection.define('outboxSettle', settleScript(prefix));
    this.#settleOne = named(settleScript(prefix));
    this.#fits = named(fitsScript(prefix));
  }

  /** @throws StoreError where it is not sure of all of them that it is kept */
  keep(pairs: readonly Pair[]): Promise<void> {
    const isCluster = this.#connection.client instanceof Cluster;
    return isCluster ? this.#keepApart(pairs) : this.#keepTogether(pairs);
  }

  async #keepTogether(pairs: readonly Pair[]): Promise<void> {
    let writer = new Writer(4_096);
    let weight = 0;
    const send = () => this.#settle([], [Buffer.from(writer.written())]);
    for (const pair of pairs) {
      writeSettled(writer, pair, pair[1].moves);
      weight += 1 + pair[1].moves.size;
      if (weight < WEIGHT) continue;
      await send();
      writer = new Writer(4_096);
      weight = 0;
    }
    if (weight > 0) await send();
  }

  async #keepApart(pairs: readonly Pair[]): Promise<void> {
    /** Of whom something failed, and why. */
    const failed = new Map<string, unknown>();
    const isWell = ([{ deviceId }]: Pair) => !failed.has(deviceId);
    const movers = pairs.filter(([, { moves }]) => moves.size > 0);
    const fits = await this.#call(this.#fits, movers, failed, ([{ toldBytes, deviceId }]) => [
      toldBytes,
      deviceId,
    ]);
    const misfits = new Set(movers.filter((_, i) => fits[i] === 0));
    await this.#queue(
      movers.filter((pair) => isWell(pair) && !misfits.has(pair)),
      failed,
    );
    const settled = pairs.filter((pair) => isWell(pair) && !misfits.has(pair));
    await this.#call(this.#settleOne, settled, failed, (pair) => {
      const writer = new Writer(256);
      writeSettled(writer, pair, NOTHING);
      return [Buffer.from(writer.written())];
    });
    for (const pair of pairs) {
      const [{ deviceId }] = pair;
      if (isWell(pair)) this.#agenda.changed(deviceId);
      // While its slot moves, others are not to wait.
      else this.#agenda.rest(deviceId);
    }
    for (const failure of failed.values()) throw failure;
  }

  async #queue(pairs: readonly Pair[], failed: Map<string, unknown>): Promise<void> {
    const entries = pairs.flatMap(([{ deviceId }, { moves: all, partnerIds }]) =>
      [...all].map(([destination, moves]) => ({
        ...{ deviceId, destination, key: queueKey(this.#prefix, destination) },
        bytes: entryBytes({ deviceId, moves, partnerId: partnerIds?.get(destination) }),
      })),
    );
    if (entries.length === 0) return;
    const destinations = new Set(entries.map(({ destination }) => destination));
    await this.#connection.run(['SADD', `${this.#prefix}out`, ...destinations]);
    await this.#byNode(
      entries,
      ({ key }) => key,
      failed,
      (own) => own.map(({ key, bytes }): Command => ['XADD', key, '*', 'v', bytes]),
    );
  }

  /** Calls a script for each of them. Returns the answers, in this order; undefined where it failed. */
  async #call(
    { lua, digest }: Named,
    pairs: readonly Pair[],
    failed: Map<string, unknown>,
    argsOf: (pair: Pair) => readonly Argument[],
  ): Promise<unknown[]> {
    const calls = pairs.map((pair, i) => {
      const { deviceId } = pair[0];
      const keys = [toldKey(this.#prefix, deviceId), this.#agenda.keyOf(deviceId)];
      return { deviceId, keys, i, args: argsOf(pair) };
    });
    const answers: unknown[] = [];
    await this.#byNode(
      calls,
      ({ keys }) => keys[0],
      failed,
      (own) =>
        own.map(({ keys, args }): Command => ['EVALSHA', digest, keys.length, ...keys, ...args]),
      { before: [['SCRIPT', 'LOAD', lua]], take: ({ i }, answer) => (answers[i] = answer) },
    );
    return answers;
  }

  /** Has commands carried out by the servers that have the keys; one that fails keeps no other. */
  async #byNode<Item extends { readonly deviceId: string }>(
    items: readonly Item[],
    keyOf: (item: Item) => string,
    failed: Map<string, unknown>,
    commandsOf: (items: readonly Item[]) => Command[],
    {
      before = [],
      take = () => {},
    }: {
      before?: readonly Command[];
      take?: (item: Item, answer: unknown) => void;
    } = {},
  ): Promise<void> {
    const nodes = await this.#connection.nodesOf(items.map(keyOf));
    const byNode = Map.groupBy(items, (_, i) => nodes[i]);
    const one = async (node: string, own: readonly Item[]) => {
      try {
        const answers = await this.#confirmed(node, [...before, ...commandsOf(own)]);
        for (const [i, item] of own.entries()) {
          const answer = answers[before.length + i];
          if (answer instanceof Error) failed.set(item.deviceId, inWords(answer));
          else take(item, answer);
        }
      } catch (error) {
        for (const { deviceId } of own) failed.set(deviceId, error);
      }
    };
    await Promise.all(
      [...byNode].map(async ([node, all]) => {
        for (const own of inPieces(all, CALLS)) await one(node, own);
      }),
    );
  }

  /** Replicas have it, too, where they have to. */
  async #confirmed(node: string, commands: readonly Command[]): Promise<unknown[]> {
    const replicas = this.#waitReplicas;
    try {
      // While they are missing nothing is written, or it would be queued with each try.
      if (this.#short.has(node)) await this.#connection.together(node, [], replicas);
      this.#short.delete(node);
      return await this.#connection.together(node, commands, replicas);
    } catch (error) {
      if (replicas > 0) this.#short.add(node);
      throw error;
    }
  }
}

const inWords = ({ message }: Error) => new StoreError(`the outbox in Redis: ${message}`);

const NOTHING: Outcome['moves'] = new Map();

const scoreOf = (next: number) => Math.ceil(next) * 1e3 + (next <= Date.now() ? 0 : BY_TIME);

function writeSettled(
  writer: Writer,
  [{ due, toldBytes }, { deviceId, told, partnerIds, next }]: Pair,
  moves: Outcome['moves'],
): void {
  const section = (write: () => void) => writeSection(writer, write);
  writer.raw(memberOf(deviceId));
  writer.ascii(deviceId);
  section(() => writer.raw(due));
  section(() => writer.ascii(next === undefined ? '' : scoreOf(next).toFixed()));
  section(() => writer.raw(toldBytes));
  section(() => writeTold(writer, { told, partnerIds }));
  writer.u32(moves.size);
  for (const [destination, own] of moves) {
    writer.u32(destination);
    const partnerId = partnerIds?.get(destination);
    section(() => writeEntry(writer, deviceId, { moves: own, partnerId }));
  }
}
