/**
 * One Redis server, as far as this process knows it: what waits for it, what is under way, and whether
 * it answers. A write that was not answered is repeated until it is.
 */
import { createHash } from 'node:crypto';
import slotOf from 'cluster-key-slot';
import type { Redis } from 'ioredis';
import { type Mark, Writer } from '../record.ts';
import type { Lane, Sent } from './lane.ts';
import { agendaKey, Reply, type ScriptOptions, visitorKey, visitScript } from './script.ts';
import { tagOf } from './slot.ts';

export interface ShardOptions extends ScriptOptions {
  /** Replicas that have to have a visit before it is answered for. */
  readonly waitReplicas: number;
  /** Milliseconds that a page waits. */
  readonly patience: number;
}

/** What a shard works for. */
export interface Owner {
  /** The connection to a server; undefined while there is none. */
  connection(name: string): Redis | undefined;
  mark(): Mark;
  /** Decides what was sent for a lane, and is in Redis now. */
  settle(lane: Lane, reply: Reply, confirmed: number | undefined): void;
  /** Puts a lane where it belongs: in a Cluster, another server may have taken over. */
  dispatch(lane: Lane): void;
  /** Something failed: it may be time to ask who serves what. */
  failed(): void;
}

const RETRY_MS = 100;
/** While replicas are missing. Redis takes up to a tenth of a second to say that they are. */
const WAIT_AGAIN_MS = 1_000;
/** Longer, and the connection would be given up. */
const MAX_WAIT_MS = 1_000;
/** Calls under way at the same time; when Redis has more to do, calls become larger instead. */
const MAX_CALLS = 8;
/** Entries of a call: Redis serves nobody else meanwhile. */
const MAX_ENTRIES = 256;
/** So many visitors are sent before the tick ends: Redis works on them while the others are read. */
const EARLY = 16;
/** Errors that are about the server, not about one visitor. */
const OF_SERVER =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|OOM|MISCONF|NOREPLICAS|BUSY|NOAUTH|NOPERM|WRONGPASS)/;

/** Whether an error is about the connection or the whole server, so that everything else would fail, too. */
export const isOfServer = (error: Error): boolean =>
  error.name !== 'ReplyError' || OF_SERVER.test(error.message);

interface Outcome {
  /** For each lane. */
  readonly replies: readonly (Reply | Error)[];
  readonly confirmed: number | undefined;
}

export class Shard {
  readonly name: string;
  readonly #owner: Owner;
  readonly #options: ShardOptions;
  readonly #script: string;
  readonly #digest: string;
  #queue: Lane[] = [];
  #calls = 0;
  /** Lanes that failed by themselves, and will be tried again. */
  #resting = 0;
  /** Since when something waits without any answer. */
  #since: number | undefined;
  /** Whether the last answer took too long. */
  #slow = false;
  #paused = false;
  #error: string | undefined;
  /** Whether Redis has to be told the script again. */
  #untold = true;
  /** How many replicas had the last visit, where that was too few. */
  #short: number | undefined;
  #shortAt = 0;
  #waitAgain = 0;

  constructor(name: string, options: ShardOptions, owner: Owner) {
    this.name = name;
    this.#options = options;
    this.#owner = owner;
    this.#script = visitScript(options);
    this.#digest = createHash('sha1').update(this.#script).digest('hex');
  }

  get isBusy(): boolean {
    return this.#isWaiting || this.#resting > 0;
  }

  get #isWaiting(): boolean {
    return this.#calls > 0 || this.#queue.length > 0;
  }

  /** Whether nobody should wait for it: who comes when nothing is under way finds out anew. */
  isAway(now: number): boolean {
    if (!this.#isWaiting) return false;
    return this.#slow || (this.#since !== undefined && now - this.#since > this.#options.patience);
  }

  /** What is wrong with it, in words. */
  problem(now: number): string | undefined {
    if (this.isAway(now)) {
      return this.#error ?? (this.#slow ? 'answers slowly' : 'does not answer');
    }
    // Where nobody comes, nobody finds out that they are back.
    if (this.#short !== undefined && now - this.#shortAt < 2 * WAIT_AGAIN_MS) {
      return `only ${this.#short} of ${this.#options.waitReplicas} replicas confirm`;
    }
    return undefined;
  }

  /** Sends a lane with the next call, unless something of it is under way. */
  push(lane: Lane): void {
    if (lane.queued || lane.sent) return;
    lane.queued = true;
    this.#enter(lane);
    if (this.#queue.length >= EARLY) this.flush();
  }

  flush(): void {
    while (!this.#paused && this.#calls < MAX_CALLS && this.#queue.length > 0) {
      this.#call(this.#nextLanes());
    }
  }

  /** Tries again at once. */
  resume(): void {
    this.#paused = false;
    this.flush();
  }

  #enter(lane: Lane): void {
    this.#since ??= performance.now();
    this.#queue.push(lane);
  }

  /** Lanes that can share a call, first come, first served. */
  #nextLanes(): Lane[] {
    const queue = this.#queue;
    const [{ alone, asked }] = queue;
    let count = 1;
    while (!alone && count < queue.length && count < MAX_ENTRIES) {
      if (queue[count].alone || queue[count].asked !== asked) break;
      count++;
    }
    return queue.splice(0, count);
  }

  #call(lanes: readonly Lane[]): void {
    this.#calls++;
    const begin = performance.now();
    this.#exchange(lanes).then(
      (outcome) => this.#settle(lanes, outcome, performance.now() - begin),
      (error: Error) => {
        this.#calls--;
        this.#since ??= begin;
        this.#waitAgain = 0;
        this.#failed(lanes, error);
      },
    );
  }

  #settle(lanes: readonly Lane[], { replies, confirmed }: Outcome, milliseconds: number): void {
    this.#calls--;
    this.#slow = milliseconds > this.#options.patience;
    this.#error = undefined;
    this.#since = this.#isWaiting ? performance.now() : undefined;
    if (confirmed !== undefined && confirmed >= this.#options.waitReplicas) this.#short = undefined;
    else if (confirmed !== undefined) {
      this.#short = confirmed;
      this.#shortAt = performance.now();
      this.#waitAgain = Math.min(this.#waitAgain, this.#shortAt + WAIT_AGAIN_MS);
    }
    const failures = new Map<string, [Error, Lane[]]>();
    for (const [i, lane] of lanes.entries()) {
      const reply = replies[i];
      if (reply instanceof Error) {
        const same = failures.get(reply.message);
        if (same) same[1].push(lane);
        else failures.set(reply.message, [reply, [lane]]);
        continue;
      }
      lane.queued = false;
      lane.alone = false;
      lane.asked = undefined;
      this.#owner.settle(lane, reply, confirmed);
    }
    for (const [error, failed] of failures.values()) this.#failed(failed, error);
    this.flush();
  }

  /** Has lanes sent again: at once, where it is known how, else after a while. */
  #failed(lanes: readonly Lane[], error: Error): void {
    const [kind, , address] = error.message.split(' ');
    if (kind === 'NOSCRIPT') {
      this.#untold = true;
      this.#queue.unshift(...lanes);
      this.flush();
      return;
    }
    // Whom one server sends to another, that one may send back: then it is not known yet who has the slot.
    if ((kind === 'MOVED' || kind === 'ASK') && lanes[0].asked === undefined) {
      this.#owner.failed();
      for (const lane of lanes) lane.asked = address;
      this.#queue.unshift(...lanes);
      this.flush();
      return;
    }
    this.#error = error.message;
    this.#owner.failed();
    const isOfLanes = lanes[0].asked !== undefined || !isOfServer(error);
    for (const lane of lanes) lane.asked = undefined;
    if (!isOfLanes) {
      this.#queue.unshift(...lanes);
      this.#pause();
      return;
    }
    if (lanes.length > 1 && !this.#options.isCluster) {
      // One of them is the reason; by themselves, the others arrive.
      for (const lane of lanes) lane.alone = true;
      this.#queue.push(...lanes);
      this.flush();
      return;
    }
    this.#resting++;
    setTimeout(() => {
      this.#resting--;
      this.#redispatch(lanes);
    }, RETRY_MS).unref();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    setTimeout(() => {
      this.#paused = false;
      if (this.#options.isCluster) this.#redispatch(this.#queue.splice(0));
      this.flush();
    }, RETRY_MS).unref();
  }

  #redispatch(lanes: readonly Lane[]): void {
    for (const lane of lanes) this.#owner.dispatch(lane);
    if (!this.#isWaiting) this.#since = undefined;
  }

  /** Takes a lane that was sent elsewhere before. */
  adopt(lane: Lane): void {
    this.#enter(lane);
  }

  /** The entries of some lanes, one after the other. */
  #write(lanes: readonly Lane[]): Buffer {
    const writer = new Writer(lanes.length * 160);
    const ends = lanes.map((lane) => {
      lane.send(writer, this.#owner.mark);
      return writer.length;
    });
    const blob = Buffer.from(writer.bytes.buffer, 0, writer.length);
    for (let i = 0; i < lanes.length; i++) {
      const sent = lanes[i].sent as Sent;
      sent.blob = blob;
      sent.from = ends[i - 1] ?? 0;
      sent.to = ends[i];
    }
    return blob;
  }

  async #exchange(lanes: readonly Lane[]): Promise<Outcome> {
    const { isCluster, prefix, waitReplicas } = this.#options;
    const [{ asked }] = lanes;
    const connection = this.#owner.connection(asked ?? this.name);
    if (!connection) throw new Error(`no connection to ${asked ?? this.name}`);
    const blob = this.#write(lanes);
    // In a Cluster, a script may touch the keys of one slot only.
    const calls: [number, ...(string | Buffer)[]][] = isCluster
      ? lanes.map(({ deviceId, sent }) => {
          const keys = [visitorKey(prefix, deviceId as string)];
          if (sent?.examines) keys.push(agendaKey(prefix, tagOf(slotOf(keys[0]))));
          return [keys.length, ...keys, blob.subarray(sent?.from, sent?.to)];
        })
      : [[0, blob]];
    const isTold = !this.#untold && asked === undefined;
    if (calls.length === 1 && isTold && waitReplicas === 0) {
      const reply = await connection.callBuffer('EVALSHA', this.#digest, ...calls[0]);
      return { replies: repliesIn(reply as Buffer, lanes.length), confirmed: undefined };
    }
    const pipeline = connection.pipeline();
    const places: number[] = [];
    for (const call of calls) {
      if (asked !== undefined) pipeline.asking();
      places.push(pipeline.length);
      if (isTold) pipeline.callBuffer('EVALSHA', this.#digest, ...call);
      else pipeline.callBuffer('EVAL', this.#script, ...call);
    }
    // On the same connection: WAIT is about what that connection has written. While replicas are missing,
    // only now and then a call waits for them, since nothing else goes over the connection meanwhile.
    const waits = this.#short === undefined || performance.now() > this.#waitAgain;
    if (waits) this.#waitAgain = Number.POSITIVE_INFINITY;
    if (waitReplicas > 0)
      pipeline.wait(waits ? waitReplicas : 0, Math.min(this.#options.patience, MAX_WAIT_MS));
    const results = (await pipeline.exec()) as [Error | null, unknown][];
    const replies = places.flatMap((place): (Reply | Error)[] => {
      const [error, reply] = results[place];
      return error ? [error] : repliesIn(reply as Buffer, lanes.length / calls.length);
    });
    const answered = replies.some((reply) => !(reply instanceof Error));
    const [first] = replies;
    if (!answered && first instanceof Error) {
      if (!isCluster || isOfServer(first)) throw first;
    }
    if (answered && asked === undefined) this.#untold = false;
    if (waitReplicas === 0) return { replies, confirmed: undefined };
    const [error, confirmed] = results[results.length - 1];
    return { replies, confirmed: error ? 0 : (confirmed as number) };
  }
}

function repliesIn(bytes: Buffer, count: number): Reply[] {
  const replies: Reply[] = [];
  for (let at = 0; replies.length < count; ) {
    const reply = new Reply(bytes, at);
    replies.push(reply);
    at = reply.end;
  }
  return replies;
}
