/**
 * The outbox in Redis: one server, Sentinel or Cluster.
 *
 *     PREFIXagenda:{all}           whom to examine, see `script.ts`; in a Cluster one for each slot
 *     PREFIX{DEVICE ID}:told       what partners were told of a visitor, see `store/told.ts`
 *     PREFIXout:{DESTINATION}      a queue, see `queue.ts`
 *     PREFIXout                    a set: destinations that have, or had, a queue
 *     PREFIXlease:NAME             who has the right to something; expires by itself
 *
 * What came out of an examination is kept by `settlement.ts`.
 */
import { Cluster } from 'ioredis';
import {
  type Batch,
  type Cause,
  type DeadLetter,
  type Entry,
  isReadable,
  type Letters,
  type Outbox,
  type Outcome,
  type QueueState,
  type Sealed,
  type Subject,
  type Unreadable,
} from '../outbox.ts';
import { StoreError } from '../store.ts';
import { readTold } from '../told.ts';
import { Agenda, memberOf, microsecondsIn } from './agenda.ts';
import type { RedisClient } from './client.ts';
import { type Command, Connection, inPieces, type Script } from './connection.ts';
import { defineQueueScripts, Queue, type QueueScripts } from './queue.ts';
import { HEADER, visitorKey } from './script.ts';
import { type Found, Settlement } from './settlement.ts';
import { digestOf, type Primary, primariesOf } from './slot.ts';
import { toldKey } from './told.ts';
import { profileIn } from './value.ts';

export interface OutboxRedisOptions {
  readonly prefix: string;
  /** `REDIS_WAIT_REPLICAS`: so many have to have what is queued in a Cluster. */
  readonly waitReplicas: number;
  /** How often a Cluster is looked through for visitors of whom no hint came, in milliseconds; 30 s. */
  readonly sweepMs?: number;
}

const SWEEP_MS = 30_000;
/** Redis serves nobody else while it works on a call. */
const VISITORS = 64;
const LOOKED = 200;
const NAMES = 500;
const FEW = 10;
/** Calls for names in one part of a walk, where few of them are visitors'. */
const CALLS = 50;
/** What one server is called. */
const ALL: Primary = { name: 'all', address: '', slots: [0] };

const LEASE = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
`;

/** How far a walk is on a primary. */
interface Place {
  /** Names the server since it was started. */
  readonly run: string;
  /** The cursor of `SCAN`. */
  readonly next: string;
  /** Keys, more or less. */
  readonly passed: number;
  readonly progress: number;
  readonly isOver: boolean;
}

const START: Place = { run: '', next: '0', passed: 0, progress: 0, isOver: false };

export class OutboxRedis implements Outbox {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #agenda: Agenda;
  readonly #lease: Script;
  readonly #release: Script;
  readonly #settlement: Settlement;
  readonly #queueScripts: QueueScripts;
  readonly #queues = new Map<number, Queue>();

  /** @param open opens a connection of its own: pages never wait behind what is asked here */
  constructor(
    open: () => RedisClient,
    { prefix, waitReplicas, sweepMs = SWEEP_MS }: OutboxRedisOptions,
  ) {
    const connection = new Connection(open, 'the outbox in Redis');
    this.#connection = connection;
    this.#prefix = prefix;
    this.#agenda = new Agenda(connection, open, { prefix, sweepMs });
    this.#lease = connection.define('outboxLease', LEASE);
    this.#release = connection.define('outboxRelease', RELEASE);
    this.#settlement = new Settlement(connection, this.#agenda, { prefix, waitReplicas });
    this.#queueScripts = defineQueueScripts(connection);
  }

  async shards(): Promise<string[]> {
    return (await this.#primaries()).map(({ name }) => name);
  }

  async lease(name: string, holder: string, milliseconds: number): Promise<boolean> {
    const args = [holder, milliseconds];
    return (await this.#lease<number>([`${this.#prefix}lease:${name}`], args)) === 1;
  }

  async release(name: string, holder: string): Promise<void> {
    await this.#release([`${this.#prefix}lease:${name}`], [holder]);
  }

  async due(shard: string, limit: number, by: Cause = 'visit'): Promise<Batch> {
    const ids = await this.#agenda.due(await this.#primary(shard), limit, by);
    const batch = batchOf(await this.#read(ids));
    await this.#agenda.putOff(batch.unreadable);
    return batch;
  }

  async walk(
    shard: string,
    cursor: string | undefined,
    limit: number,
  ): Promise<{ batch: Batch; cursor: string | undefined; progress: number }> {
    const primary = await this.#primary(shard);
    let at = cursor === undefined ? START : (JSON.parse(cursor) as Place);
    const visitors = new Map<string, 'stored' | 'told'>();
    for (let calls = 0; visitors.size < limit && calls < CALLS && !at.isOver; calls++) {
      at = await this.#scan(primary, at, Math.max(FEW, limit - visitors.size), visitors);
    }
    const { candidates, unreadable } = batchOf(await this.#read([...visitors.keys()]));
    await this.#agenda.putOff(unreadable);
    return {
      batch: {
        // Who is stored is met by their own key.
        candidates: candidates.filter(
          ({ deviceId, profile }) => visitors.get(deviceId) === 'stored' || profile === undefined,
        ),
        unreadable,
      },
      cursor: at.isOver ? undefined : JSON.stringify(at),
      progress: at.progress,
    };
  }

  async settle({ candidates }: Batch, outcomes: readonly Outcome[]): Promise<void> {
    const found = new Map(candidates.map((one) => [one.deviceId, one as Found]));
    const pairs = outcomes.flatMap((outcome): [Found, Outcome][] => {
      const candidate = found.get(outcome.deviceId);
      return candidate ? [[candidate, outcome]] : [];
    });
    await this.#settlement.keep(pairs);
  }

  async look(deviceIds: readonly string[]): Promise<(Subject | Unreadable)[]> {
    return this.#byVisitor(deviceIds, LOOKED, async (node, ids) => {
      const keys = ids.flatMap((id) => [visitorKey(this.#prefix, id), toldKey(this.#prefix, id)]);
      // While a slot moves, its keys may be apart.
      const commands: Command[] = this.#isCluster
        ? keys.map((key) => ['GET', key])
        : [['MGET', ...keys]];
      const answers = (await this.#connection.together(node, commands)).flat();
      // Of several keys at once, Redis does not say which of them holds something else.
      const missing = keys.filter((_, i) => answers[i] === null && !this.#isCluster);
      if (missing.length > 0) {
        const others = await this.#connection.together(
          node,
          missing.map((key) => ['GET', key]),
        );
        for (const [i, key] of missing.entries()) answers[keys.indexOf(key)] = others[i];
      }
      return ids.map((id, i) => subjectIn(id, answers.slice(2 * i, 2 * i + 2)));
    });
  }

  async queues(): Promise<QueueState[]> {
    const ids = await this.#connection.run<Buffer[]>(['SMEMBERS', `${this.#prefix}out`]);
    const states: QueueState[] = [];
    for (const piece of inPieces(ids.map(Number), VISITORS)) {
      states.push(...(await Promise.all(piece.map((id) => this.#queue(id).state()))));
    }
    return states
      .filter(({ waiting, dead }) => waiting > 0 || dead > 0)
      .sort((a, b) => a.destination - b.destination);
  }

  recover(destination: number): Promise<{ sealed: Sealed[]; read: Entry[] }> {
    return this.#queue(destination).recover();
  }

  read(destination: number, limit: number): Promise<Entry[]> {
    return this.#queue(destination).read(limit);
  }

  seal(destination: number, ...messages: readonly Sealed[]): Promise<void> {
    return this.#queue(destination).seal(messages);
  }

  done(destination: number, messages: readonly Sealed[]): Promise<void> {
    return this.#queue(destination).done(messages);
  }

  discard(destination: number, entries: readonly Entry[]): Promise<void> {
    return this.#queue(destination).discard(entries);
  }

  putBack(destination: number, _message: Sealed, entries: readonly Entry[]): Promise<void> {
    return this.#queue(destination).putBack(entries);
  }

  bury(destination: number, letter: DeadLetter): Promise<void> {
    return this.#queue(destination).bury(letter);
  }

  dead(destination: number, limit: number): Promise<DeadLetter[]> {
    return this.#queue(destination).dead(limit);
  }

  oldestDead(destination: number, limit: number, after?: DeadLetter): Promise<DeadLetter[]> {
    return this.#queue(destination).oldestDead(limit, after);
  }

  amend(destination: number, letter: DeadLetter): Promise<void> {
    return this.#queue(destination).amend(letter);
  }

  replay(destination: number, letters: Letters): Promise<number> {
    return this.#queue(destination).unbury(letters, true);
  }

  drop(destination: number, letters: Letters): Promise<number> {
    return this.#queue(destination).unbury(letters, false);
  }

  clear(destination: number): Promise<void> {
    return this.#queue(destination).clear();
  }

  async close(): Promise<void> {
    this.#agenda.close();
    this.#connection.close();
  }

  get #isCluster(): boolean {
    return this.#connection.client instanceof Cluster;
  }

  #queue(destination: number): Queue {
    let queue = this.#queues.get(destination);
    if (!queue) {
      queue = new Queue(this.#connection, this.#queueScripts, this.#prefix, destination);
      this.#queues.set(destination, queue);
    }
    return queue;
  }

  #primaries(): Promise<readonly Primary[]> {
    return this.#connection.ask(async () => {
      const { client } = this.#connection;
      return client instanceof Cluster ? primariesOf(client) : [ALL];
    });
  }

  async #primary(shard: string): Promise<Primary> {
    const primary = (await this.#primaries()).find(({ name }) => name === shard);
    if (primary) return primary;
    throw new StoreError(
      `the outbox in Redis: there is no shard ${shard} any more, slots have moved: ask which there are`,
    );
  }

  /**
   * Who is scanned while keys leave or arrive may be missed.
   *
   * @throws StoreError where a primary does not have exactly the slots that it is known for
   */
  async #checkSlots({ name, address, slots }: Primary): Promise<void> {
    if (!this.#isCluster) return;
    const [text] = await this.#connection.together(address, [['CLUSTER', 'NODES']]);
    const lines = String(text).split('\n');
    const fields = lines.find((line) => line.split(' ')[2]?.includes('myself'))?.split(' ') ?? [];
    const ranges = fields.slice(8);
    const own = ranges.flatMap((range) => {
      const [from, to = from] = range.split('-').map(Number);
      return Number.isNaN(from) ? [] : Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
    const isMoving = ranges.some((range) => range.startsWith('['));
    if (!isMoving && digestOf(own) === digestOf(slots)) return;
    throw new StoreError(`the outbox in Redis: slots of ${name} are on the move: try again soon`);
  }

  /** Goes on by some names: of who is stored, and of who may only be told of. */
  async #scan(
    primary: Primary,
    from: Place,
    limit: number,
    visitors: Map<string, 'stored' | 'told'>,
  ): Promise<Place> {
    const count = Math.min(limit, NAMES);
    const [info, [next, names], size] = (await this.#connection.together(primary.address, [
      ['INFO', 'server'],
      ['SCAN', from.next, 'MATCH', `${this.#prefix}{*}*`, 'COUNT', count],
      ['DBSIZE'],
    ])) as [Buffer, [Buffer, Buffer[]], number];
    const run = /run_id:(\w+)/.exec(info.toString())?.[1] ?? '';
    if (from.run === '') await this.#checkSlots(primary);
    // A server that was started again has another order.
    else if (from.run !== run) return START;
    for (const name of names) {
      const text = name.toString('latin1', this.#prefix.length);
      const [, id, told] = /^\{(\d{38})\}(:told)?$/.exec(text) ?? [];
      if (id && !(told && visitors.has(id))) visitors.set(id, told ? 'told' : 'stored');
    }
    const passed = from.passed + count;
    const isOver = String(next) === '0';
    if (isOver) await this.#checkSlots(primary);
    // Keys come and go; progress only goes on.
    const progress = isOver ? 1 : Math.max(from.progress, Math.min(0.999, passed / size));
    return { run, next: String(next), passed, progress, isOver };
  }

  /**
   * Visitors as of now, in this order. When each is on the agenda is read before anything else of them:
   * so `settle` can tell who has come back since.
   */
  #read(deviceIds: readonly string[]): Promise<(Found | Unreadable)[]> {
    return this.#byVisitor(deviceIds, VISITORS, async (node, ids) => {
      const commands = ids.flatMap((id): Command[] => {
        const key = visitorKey(this.#prefix, id);
        return [
          ['ZSCORE', this.#agenda.keyOf(id), memberOf(id)],
          ['PTTL', key],
          ['GET', key],
          ['GET', toldKey(this.#prefix, id)],
        ];
      });
      const [time, ...answers] = await this.#connection.together(node, [['TIME'], ...commands]);
      const now = Math.floor(microsecondsIn(time) / 1e3);
      return ids.map((id, i) => candidateIn(id, answers.slice(4 * i, 4 * i + 4), now));
    });
  }

  /** Something of each visitor, in this order; some of one server at a time. */
  async #byVisitor<Answer>(
    deviceIds: readonly string[],
    together: number,
    ask: (node: string, ids: readonly string[]) => Promise<Answer[]>,
  ): Promise<Answer[]> {
    const found = new Map<string, Answer>();
    const visitors = [...new Set(deviceIds)];
    const keys = visitors.map((id) => visitorKey(this.#prefix, id));
    const nodes = await this.#connection.nodesOf(keys);
    const byNode = Map.groupBy(visitors, (_, i) => nodes[i]);
    await Promise.all(
      [...byNode].map(async ([node, ids]) => {
        for (const piece of inPieces(ids, together)) {
          const answers = await ask(node, piece);
          for (const [i, id] of piece.entries()) found.set(id, answers[i]);
        }
      }),
    );
    return deviceIds.map((id) => found.get(id) as Answer);
  }
}

const EMPTY = Buffer.alloc(0);

/** @param answers value, and what was told */
function subjectIn(deviceId: string, answers: readonly unknown[]): Subject | Unreadable {
  const [value, told] = answers as [Buffer?, Buffer?];
  try {
    const problem = answers.find((answer) => answer instanceof Error);
    if (problem) throw problem;
    if (value && value.length < HEADER) throw new Error(`is only ${value.length} bytes long`);
    return {
      deviceId,
      profile: value ? profileIn(value) : undefined,
      ...readTold(told ?? EMPTY),
    };
  } catch (error) {
    return { deviceId, problem: `visitor ${deviceId}: ${(error as Error).message}` };
  }
}

/** @param now Unix milliseconds by Redis' clock */
function candidateIn(
  deviceId: string,
  [due, left, ...answers]: readonly unknown[],
  now: number,
): Found | Unreadable {
  const subject = subjectIn(deviceId, answers);
  if (!isReadable(subject)) return subject;
  const isForgotten = subject.profile !== undefined && Number(left) >= 0;
  return {
    ...subject,
    // As Redis will have it: from the time of the visit, so up to a day later than the days say.
    keptUntil: isForgotten ? now + Number(left) : undefined,
    due: (due as Buffer | null) ?? EMPTY,
    toldBytes: (answers[1] as Buffer | null) ?? EMPTY,
  };
}

function batchOf(found: readonly (Found | Unreadable)[]) {
  const [candidates, unreadable]: [Found[], Unreadable[]] = [[], []];
  for (const one of found) {
    if ('problem' in one) unreadable.push(one);
    else candidates.push(one);
  }
  return { candidates, unreadable };
}
