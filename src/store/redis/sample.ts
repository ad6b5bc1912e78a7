/**
 * Draws visitors in Redis at random, by small calls with pauses between them.
 *
 * Where there are few keys, or few of them are visitors, the names of all are gone through, and some
 * of the visitors are read. Else random keys are asked for, of each primary as many as its part of
 * all: what that takes does not depend on how many there are.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type ChainableCommander, Cluster, type Redis } from 'ioredis';
import type { Profile } from '../../audience/profile.ts';
import type { SamplePart } from '../store.ts';
import type { RedisClient } from './client.ts';
import { HEADER, ID_DIGITS } from './script.ts';
import { isOfServer } from './shard.ts';
import { profileIn } from './value.ts';

/** Redis serves nobody else while it works on a call, nor does this process while it reads the answer. */
const BATCH = 100;
const NAMES = 1_000;
const PAUSE_MS = 4;
/** Up to so many keys for each visitor who is to be drawn, the names of all are gone through. */
const KEYS_PER_VISITOR = 10;
/** Keys that tell how many of all are visitors, and the share from which on it is worth asking on. */
const PILOT = 1_000;
const MIN_SHARE = 0.2;

interface Key {
  readonly primary: Redis;
  readonly name: string;
}

/** What is drawn from. */
interface Source {
  readonly client: RedisClient;
  readonly primaries: readonly Redis[];
  /** Keys of each primary, and of all, whatever they hold. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly prefix: string;
}

export async function* sample(
  client: RedisClient,
  prefix: string,
  size: number,
): AsyncGenerator<SamplePart> {
  const primaries: readonly Redis[] = client instanceof Cluster ? client.nodes('master') : [client];
  const counts = await Promise.all(primaries.map((primary) => primary.dbsize()));
  const count = counts.reduce((sum, one) => sum + one, 0);
  const source = { client, primaries, counts, count, prefix };
  if (count > size * KEYS_PER_VISITOR) {
    const keys = new RandomKeys(source);
    const pilot: Key[] = [];
    while (keys.count < PILOT) pilot.push(...(await keys.draw()));
    if (visitorsIn(pilot, source).length >= MIN_SHARE * pilot.length) {
      yield* drawKeys(source, size, keys, pilot);
      return;
    }
  }
  yield* drawNames(source, size);
}

async function* drawKeys(
  source: Source,
  size: number,
  keys: RandomKeys,
  pilot: readonly Key[],
): AsyncGenerator<SamplePart> {
  const { client, count: of } = source;
  let found = 0;
  for (let drawn = pilot; ; drawn = await keys.draw()) {
    const visitors = visitorsIn(drawn, source);
    for (let i = 0; i < visitors.length; i += BATCH) {
      const part = visitors.slice(i, i + BATCH);
      found += part.length;
      const profiles = await read(client, part);
      yield { profiles, drawn: keys.count, of, progress: Math.min(1, found / size) };
    }
    if (found >= size) return;
  }
}

async function* drawNames(source: Source, size: number): AsyncGenerator<SamplePart> {
  const { client, primaries, count, prefix } = source;
  const kept: Key[] = [];
  const names = new Set<string>();
  let of = 0;
  let passed = 0;
  for (const primary of primaries) {
    let cursor = '0';
    do {
      const answer = await primary.scan(cursor, 'MATCH', `${prefix}{*}`, 'COUNT', NAMES);
      cursor = answer[0];
      const found = answer[1].map((name) => ({ primary, name }));
      for (const key of visitorsIn(found, source)) {
        // Redis may say a name twice.
        if (names.has(key.name)) continue;
        // Each visitor takes the place of another one as often as it takes for all to be as likely.
        const place = ++of > size ? Math.floor(Math.random() * of) : kept.length;
        if (place >= size) continue;
        if (kept[place]) names.delete(kept[place].name);
        names.add(key.name);
        kept[place] = key;
      }
      passed += NAMES;
      yield { profiles: [], drawn: 0, of, progress: Math.min(1, passed / count) / 2 };
      await pause(PAUSE_MS);
    } while (cursor !== '0');
  }
  let drawn = 0;
  do {
    const part = kept.slice(drawn, drawn + BATCH);
    const profiles = await read(client, part);
    drawn += part.length;
    const progress = drawn === kept.length ? 1 : (1 + drawn / kept.length) / 2;
    yield { profiles, drawn, of, progress };
  } while (drawn < kept.length);
}

/** Keys that Redis picks, each once. */
class RandomKeys {
  readonly #source: Source;
  readonly #drawn = new Set<string>();

  constructor(source: Source) {
    this.#source = source;
  }

  /** How many have been drawn. */
  get count(): number {
    return this.#drawn.size;
  }

  /** Some that have not been drawn before. */
  async draw(): Promise<Key[]> {
    const { primaries, counts, count } = this.#source;
    const asked = primaries.map((primary) => ({ primary, pipeline: primary.pipeline() }));
    for (let i = 0; i < BATCH; i++) {
      let place = 0;
      for (let at = Math.random() * count; at >= counts[place]; place++) at -= counts[place];
      asked[place].pipeline.randomkey();
    }
    const answers = await Promise.all(
      asked.map(async ({ primary, pipeline }) =>
        (await answersOf(pipeline)).map(([error, name]) => {
          if (error) throw error;
          return { primary, name: name as string | null };
        }),
      ),
    );
    const keys = answers.flat().filter((key): key is Key => {
      if (key.name === null || this.#drawn.has(key.name)) return false;
      this.#drawn.add(key.name);
      return true;
    });
    if (keys.length === 0) throw new Error('its keys went away while they were counted');
    return keys;
  }
}

const visitorsIn = (keys: readonly Key[], { prefix }: Source): Key[] =>
  keys.filter(
    ({ name }) =>
      name.length === prefix.length + ID_DIGITS + 2 &&
      name.startsWith(prefix) &&
      /^\{\d+\}$/.test(name.slice(prefix.length)),
  );

/** The visitors behind keys; what is something else, or has gone meanwhile, is none. */
async function read(client: RedisClient, keys: readonly Key[]): Promise<Profile[]> {
  const values = await Promise.all(
    [...Map.groupBy(keys, ({ primary }) => primary)].map(async ([primary, some]) => {
      const pipeline = primary.pipeline();
      for (const { name } of some) pipeline.getBuffer(name);
      const answers = await answersOf(pipeline);
      return Promise.all(
        answers.map(([error, value], i) => {
          if (!error) return value as Buffer | null;
          // Its slot has gone to another primary.
          if (/^(MOVED|ASK)/.test(error.message)) return client.getBuffer(some[i].name);
          if (isOfServer(error)) throw error;
          return null;
        }),
      );
    }),
  );
  return values
    .flat()
    .filter((value) => value !== null)
    .filter((value) => value.length >= HEADER)
    .map(profileIn)
    .filter(({ optedOut }) => !optedOut);
}

async function answersOf(pipeline: ChainableCommander): Promise<[Error | null, unknown][]> {
  const answers = await pipeline.exec();
  await pause(PAUSE_MS);
  return answers ?? [];
}
