/**
 * What one destination has to be told: a stream `PREFIXout:{DESTINATION}` whose entries are read by one
 * consumer, `reader`. A message is a consumer that has claimed its entries, so it outlives who sends it.
 * Dead letters are beside it: `…:dead`, a sorted set of messages by time, and `…:letters`, a hash.
 */
import type { DeadLetter, Entry, Letters, QueueState, Sealed } from '../outbox.ts';
import { StoreError } from '../store.ts';
import { LATE_MARK } from '../told.ts';
import {
  type Argument,
  type Command,
  type Connection,
  inPieces,
  type Script,
} from './connection.ts';
import { PREAMBLE } from './script.ts';
import { DEVICE_ID_BYTES, entryBytes, entryIn, letterBytes, letterIn } from './told.ts';

const GROUP = 'delivery';
const READER = 'reader';
/** Entries, and messages, of one call: Redis serves nobody else meanwhile. */
const ENTRIES = 200;
const LETTERS = 20;

export const queueKey = (prefix: string, destination: number | string) =>
  `${prefix}out:{${destination}}`;

/** Takes, time and again, a consumer, a number of entries, and their ids. */
const DONE = `${PREAMBLE}
local function done(i)
  while i <= #ARGV do
    local consumer, count = ARGV[i], tonumber(ARGV[i + 1])
    if count > 0 then
      call('XACK', KEYS[1], '${GROUP}', unpack(ARGV, i + 2, i + 1 + count))
      call('XDEL', KEYS[1], unpack(ARGV, i + 2, i + 1 + count))
    end
    if consumer ~= '${READER}' then
      local left = redis.pcall('XPENDING', KEYS[1], '${GROUP}', '-', '+', 1, consumer)
      if not left.err and #left == 0 then
        call('XGROUP', 'DELCONSUMER', KEYS[1], '${GROUP}', consumer)
      end
    end
    i = i + 2 + count
  end
end
`;

/** Takes time, name and bytes of a letter, then its entries as above. */
const BURY = `${DONE}
call('ZADD', KEYS[2], ARGV[1], ARGV[2])
call('HSET', KEYS[3], ARGV[2], ARGV[3])
done(4)
`;

/** Takes, time and again, an entry's id and what it is to be when it comes once more. */
const PUT_BACK = `
for i = 1, #ARGV, 2 do
  redis.call('XACK', KEYS[1], '${GROUP}', ARGV[i])
  -- Whoever does not know whether it was put back says it again.
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
    redis.call('XADD', KEYS[1], '*', 'v', ARGV[i + 1])
  end
end
`;

/** Takes name and bytes of a letter; without bytes it is dropped. */
const AMEND = `
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0 then return end
if ARGV[2] then redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
else
  redis.call('HDEL', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
`;

/**
 * Takes whether the letters are queued again, and their names: then all can be read. Returns how many there
 * were.
 */
const UNBURY = `${PREAMBLE}
local count, late = 0, '${[...LATE_MARK].map((byte) => `\\${byte}`).join('')}'
for i = 2, #ARGV do
  local letter = call('HGET', KEYS[3], ARGV[i])
  if letter and ARGV[1] == '1' then
    local at = 5 + unpack_('<I4', letter)
    while at <= #letter do
      local id, entry
      id, entry, at = unpack_('<I4c0I4c0', letter, at)
      if sub(entry, ${DEVICE_ID_BYTES + 1}, ${DEVICE_ID_BYTES} + #late) ~= late then
        entry = sub(entry, 1, ${DEVICE_ID_BYTES}) .. late .. sub(entry, ${DEVICE_ID_BYTES + 1})
      end
      call('XADD', KEYS[1], '*', 'v', entry)
    end
  end
  count = count + call('HDEL', KEYS[3], ARGV[i])
  call('ZREM', KEYS[2], ARGV[i])
end
return count
`;

export interface QueueScripts {
  readonly done: Script;
  readonly putBack: Script;
  readonly bury: Script;
  readonly amend: Script;
  readonly unbury: Script;
}

export const defineQueueScripts = (connection: Connection): QueueScripts => ({
  done: connection.define('outboxDone', `${DONE}\ndone(1)`),
  putBack: connection.define('outboxPutBack', PUT_BACK),
  bury: connection.define('outboxBury', BURY),
  amend: connection.define('outboxAmend', AMEND),
  unbury: connection.define('outboxUnbury', UNBURY),
});

/** As Redis gives it: id, and the field with its value; none where somebody has deleted it. */
type Row = [id: Buffer, fields: [Buffer, Buffer] | null];

export class Queue {
  readonly destination: number;
  readonly #connection: Connection;
  readonly #scripts: QueueScripts;
  readonly #keys: readonly [stream: string, dead: string, letters: string];
  /** The last entry that was handed on. */
  #last = '0';
  /** Whether entries may have been read that were not handed on: the answer got lost. */
  #isTorn = false;

  constructor(connection: Connection, scripts: QueueScripts, prefix: string, destination: number) {
    const stream = queueKey(prefix, destination);
    this.destination = destination;
    this.#connection = connection;
    this.#scripts = scripts;
    this.#keys = [stream, `${stream}:dead`, `${stream}:letters`];
  }

  async state(): Promise<QueueState> {
    const [stream, dead] = this.#keys;
    const [waiting, first, letters] = await Promise.all([
      this.#connection.run<number>(['XLEN', stream]),
      this.#connection.run<Row[]>(['XRANGE', stream, '-', '+', 'COUNT', 1]),
      this.#connection.run<number>(['ZCARD', dead]),
    ]);
    const oldest = first.length > 0 ? Number.parseInt(first[0][0].toString(), 10) : undefined;
    return { destination: this.destination, waiting, oldest, dead: letters };
  }

  async recover(): Promise<{ sealed: Sealed[]; read: Entry[] }> {
    const sealed: Sealed[] = [];
    let read: Entry[] = [];
    for (const consumer of await this.#consumers()) {
      const entries = await this.#pendingOf(consumer);
      if (consumer === READER) read = entries;
      else if (entries.length > 0) sealed.push({ message: consumer, entries });
      // A message that was taken apart.
      else {
        const [stream] = this.#keys;
        await this.#connection.run(['XGROUP', 'DELCONSUMER', stream, GROUP, consumer]);
      }
    }
    this.#last = read.at(-1)?.id ?? '0';
    this.#isTorn = false;
    return { sealed: sealed.sort((a, b) => inOrder(a.entries[0], b.entries[0])), read };
  }

  async read(limit: number): Promise<Entry[]> {
    const torn = this.#isTorn ? await this.#pendingOf(READER, this.#last) : [];
    const entries = torn;
    this.#isTorn = true;
    while (entries.length < limit) {
      const count = Math.min(ENTRIES, limit - entries.length);
      const rows = await this.#next(READER, '>', count);
      entries.push(...entriesIn(rows));
      if (rows.length < count) break;
    }
    this.#isTorn = false;
    this.#last = entries.at(-1)?.id ?? this.#last;
    return entries;
  }

  async seal(messages: readonly Sealed[]): Promise<void> {
    const [stream] = this.#keys;
    const commands = messages.flatMap(({ message, entries }) =>
      [...inPieces(idsOf(entries), ENTRIES)].map(
        (ids): Command => ['XCLAIM', stream, GROUP, message, 0, ...ids, 'JUSTID'],
      ),
    );
    const [node] = await this.#connection.nodesOf([stream]);
    for (const some of inPieces(commands, LETTERS)) {
      const answers = await this.#connection.together(node, some);
      for (const answer of answers)
        if (answer instanceof Error) throw new StoreError(answer.message);
    }
  }

  async done(messages: readonly Sealed[]): Promise<void> {
    let args: Argument[] = [];
    for (const { message, entries } of messages) {
      // Without entries, the consumer goes all the same.
      const pieces = entries.length > 0 ? inPieces(idsOf(entries), ENTRIES) : [[]];
      for (const ids of pieces) {
        if (args.length + ids.length > ENTRIES) {
          await this.#done(args);
          args = [];
        }
        args.push(message, ids.length, ...ids);
      }
    }
    if (args.length > 0) await this.#done(args);
  }

  discard(entries: readonly Entry[]): Promise<void> {
    return this.done([{ message: READER, entries }]);
  }

  async putBack(entries: readonly Entry[]): Promise<void> {
    for (const piece of inPieces(entries, ENTRIES / 2)) {
      const args = piece.flatMap((entry) => [entry.id, entryBytes({ ...entry, isLate: true })]);
      await this.#scripts.putBack([this.#keys[0]], args);
    }
  }

  async bury(letter: DeadLetter): Promise<void> {
    const { message, at, entries } = letter;
    const ids = idsOf(entries);
    const args = [at, message, letterBytes(letter), message, ids.length, ...ids];
    await this.#scripts.bury(this.#keys, args);
  }

  dead(limit: number): Promise<DeadLetter[]> {
    return this.#letters(['ZREVRANGE', this.#keys[1], 0, limit - 1, 'WITHSCORES']);
  }

  async oldestDead(limit: number, after: DeadLetter | undefined): Promise<DeadLetter[]> {
    const [, dead] = this.#keys;
    let from = 0;
    if (after) {
      const rank = await this.#connection.run<number | null>(['ZRANK', dead, after.message]);
      // Of the same instant, some may come once more.
      const before: Command = ['ZCOUNT', dead, '-inf', `(${after.at}`];
      from = rank === null ? await this.#connection.run<number>(before) : rank + 1;
    }
    return this.#letters(['ZRANGE', dead, from, from + limit - 1, 'WITHSCORES']);
  }

  async amend(letter: DeadLetter): Promise<void> {
    const { message, entries } = letter;
    await this.#scripts.amend(
      this.#keys,
      entries.length > 0 ? [message, letterBytes(letter)] : [message],
    );
  }

  /** @param which asks for names with their times */
  async #letters(which: Command): Promise<DeadLetter[]> {
    const found: DeadLetter[] = [];
    const rows = await this.#connection.run<Buffer[]>(which);
    // RESP3 has a row for each, RESP2 one for all.
    for (const piece of inPieces(rows.flat(), 2 * ENTRIES)) {
      const names = piece.filter((_, i) => i % 2 === 0);
      for (const [i, letter] of (await this.#bytesOf(names)).entries()) {
        // Who has replayed it meanwhile was quicker.
        if (letter) found.push(letterIn(names[i].toString(), Number(piece[2 * i + 1]), letter));
      }
    }
    return found;
  }

  /** @returns how many there were */
  async unbury(which: Letters, queueAgain: boolean): Promise<number> {
    let [count, left] = [0, 0];
    const unbury = async (names: readonly Argument[]) => {
      const some = queueAgain ? await this.#readable(names) : names;
      count += await this.#scripts.unbury<number>(this.#keys, [queueAgain ? 1 : 0, ...some]);
      left += names.length - some.length;
    };
    if (!('until' in which)) {
      for (const piece of inPieces(which, LETTERS)) await unbury(piece);
      return count;
    }
    while (count < which.limit) {
      const names = await this.#connection.run<Buffer[]>([
        'ZRANGEBYSCORE',
        this.#keys[1],
        ...['-inf', which.until, 'LIMIT', left, Math.min(LETTERS, which.limit - count)],
      ]);
      if (names.length === 0) break;
      await unbury(names);
    }
    return count;
  }

  #bytesOf(names: readonly Argument[]): Promise<(Buffer | null)[]> {
    return this.#connection.run(['HMGET', this.#keys[2], ...names]);
  }

  /** Those that are not there any more are among them. */
  async #readable(names: readonly Argument[]): Promise<Argument[]> {
    const letters = await this.#bytesOf(names);
    return names.filter((_, i) => {
      const letter = letters[i];
      return !letter || !letterIn('', 0, letter).isUnreadable;
    });
  }

  async clear(): Promise<void> {
    await this.#connection.run(['UNLINK', ...this.#keys]);
  }

  #done(args: readonly Argument[]): Promise<void> {
    return this.#scripts.done([this.#keys[0]], args);
  }

  async #consumers(): Promise<string[]> {
    const command = ['XINFO', 'CONSUMERS', this.#keys[0], GROUP] as const;
    const rows = await this.#connection.run<Buffer[][]>(command).catch((error: Error) => {
      if (/no such key|NOGROUP/.test(error.message)) return [];
      throw error;
    });
    return rows.map((row) => row[1].toString());
  }

  /** What a consumer has claimed. */
  async #pendingOf(consumer: string, after = '0'): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (let last = after; ; ) {
      const rows = await this.#next(consumer, last, ENTRIES);
      entries.push(...entriesIn(rows));
      if (rows.length < ENTRIES) return entries;
      last = rows[rows.length - 1][0].toString();
    }
  }

  async #next(consumer: string, after: string, count: number): Promise<Row[]> {
    const [stream] = this.#keys;
    const from = ['COUNT', count, 'STREAMS', stream, after] as const;
    // In small letters: `ioredis` makes the answer of RESP3 what that of RESP2 is.
    const ask = () =>
      this.#connection.run<[Buffer, Row[]][] | null>([
        'xreadgroup',
        'GROUP',
        GROUP,
        consumer,
        ...from,
      ]);
    const answer = await ask().catch(async (error: Error) => {
      if (!error.message.includes('NOGROUP')) throw error;
      if ((await this.#connection.run(['EXISTS', stream])) === 0) return null;
      await this.#connection.run(['XGROUP', 'CREATE', stream, GROUP, 0]).catch((failure: Error) => {
        if (!failure.message.includes('BUSYGROUP')) throw failure;
      });
      return ask();
    });
    return answer?.[0]?.[1] ?? [];
  }
}

const idsOf = (entries: readonly Entry[]) => entries.map(({ id }) => id);

const entriesIn = (rows: readonly Row[]): Entry[] =>
  rows.flatMap(([id, fields]) => (fields ? [entryIn(id.toString(), fields[1])] : []));

/** As they were queued. */
function inOrder(a: Entry, b: Entry): number {
  const [[time, number], [other, otherNumber]] = [a, b].map(({ id }) => id.split('-').map(Number));
  return time - other || number - otherNumber;
}
