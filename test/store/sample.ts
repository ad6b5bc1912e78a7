/** What every engine's samples have to be like, as tests. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SamplePart, Store } from '../../src/store/store.ts';
import type { Engine } from './contract.ts';
import { device, TODAY, visited, visitOf } from './workbench.ts';

/** Who was drawn, by the first trait that they have; each visitor of these tests has one of their own. */
export interface Drawn {
  readonly names: readonly number[];
  readonly drawn: number;
  readonly of: number;
}

export async function drawnFrom(store: Store, size: number): Promise<Drawn> {
  const names: number[] = [];
  let last: SamplePart = { profiles: [], drawn: -1, of: -1, progress: 0 };
  for await (const part of store.sample(size)) {
    names.push(...part.profiles.map(({ realizations }) => realizations[0]));
    expect(part.progress).toBeGreaterThanOrEqual(last.progress);
    last = part;
  }
  expect(last.progress).toBe(1);
  return { names, drawn: last.drawn, of: last.of };
}

const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
const upTo = (count: number, from = 1) => Array.from({ length: count }, (_, i) => i + from);

/** A visit of somebody who is known already, by a name. */
export const known = (name: number, deviceId = device(name)) => visitOf(deviceId, name);
/** The first visit of somebody. */
export const newcomer = (name: number, deviceId = device(name)) => ({
  ...visitOf(deviceId, name),
  deviceId: undefined,
  freshId: deviceId,
});
const optOut = (name: number) => ({
  ...visitOf(device(name)),
  change: { day: TODAY, optOut: true },
});

/** Has many come, some at a time. */
export async function come(store: Store, names: readonly number[], visit = known): Promise<void> {
  for (let i = 0; i < names.length; i += 2_000) {
    await Promise.all(names.slice(i, i + 2_000).map((name) => visited(store, visit(name))));
  }
}

export function sampleContract({ open, place: newPlace, tidy = () => {} }: Engine): void {
  let place: string;
  let store: Store;
  beforeEach(async () => {
    place = newPlace();
    store = await open(place);
  });
  afterEach(() => store.close());
  const reopen = async () => {
    await store.close();
    await tidy(place);
    store = await open(place);
  };

  describe('a sample of no more visitors than it may hold', () => {
    it('of nobody is nobody', async () => {
      expect(await drawnFrom(store, 10)).toEqual({ names: [], drawn: 0, of: 0 });
    });

    it('is everybody once, newcomers too, wherever they are kept', async () => {
      await come(store, upTo(30));
      await come(store, upTo(20, 31), newcomer);
      await tidy(place);
      // Some come back, and some come for the first time.
      await come(store, upTo(5));
      await come(store, upTo(5, 31));
      await come(store, upTo(10, 51));
      const everybody = { names: upTo(60), drawn: 60, of: 60 };
      for (const size of [60, 20_000]) {
        const { names, ...counts } = await drawnFrom(store, size);
        expect({ names: sorted(names), ...counts }).toEqual(everybody);
      }
      await reopen();
      const { names, ...counts } = await drawnFrom(store, 60);
      expect({ names: sorted(names), ...counts }).toEqual(everybody);
    });

    it('is of what visitors are now', async () => {
      await visited(store, visitOf(device(1), 1, 2));
      await tidy(place);
      await visited(store, visitOf(device(1), 2, 3));
      const profiles = [];
      for await (const part of store.sample(10)) profiles.push(...part.profiles);
      // What comes later does not change what was drawn.
      await visited(store, visitOf(device(1), 1));
      const [{ realizations, length }] = profiles;
      const today = TODAY * 65_536;
      expect([...realizations.subarray(0, length)]).toEqual([
        ...[1, today + 1, 2, today + 2, 3, today + 1],
      ]);
    });

    it('leaves out who has opted out', async () => {
      await come(store, upTo(10));
      await visited(store, optOut(1));
      await tidy(place);
      await visited(store, optOut(2));
      await visited(store, optOut(11));
      expect(sorted((await drawnFrom(store, 20)).names)).toEqual(upTo(8, 3));
      await reopen();
      expect(sorted((await drawnFrom(store, 20)).names)).toEqual(upTo(8, 3));
    });

    it('leaves alone what pages see', async () => {
      await come(store, upTo(10));
      let times = 1;
      for await (const { profiles } of store.sample(20)) {
        for (const profile of profiles) expect(profile.length).toBe(2);
        await come(store, upTo(10));
        times++;
      }
      for (const name of upTo(10)) {
        const { profile } = await visited(store, known(name));
        expect([...profile.realizations.subarray(0, profile.length)]).toEqual([
          name,
          TODAY * 65_536 + times + 1,
        ]);
      }
    });

    it('is everybody once while they come back, others come, and all of it is tidied up', async () => {
      await come(store, upTo(1_500));
      await come(store, upTo(1_500, 1_501), newcomer);
      await tidy(place);
      await come(store, upTo(500, 3_001), newcomer);
      const names: number[] = [];
      let next = 0;
      for await (const { profiles } of store.sample(20_000)) {
        names.push(...profiles.map(({ realizations }) => realizations[0]));
        if (names.length < next * 400) continue;
        const back = upTo(200).map((i) => ((next + i * 37) % 3_500) + 1);
        await Promise.all([come(store, back), come(store, upTo(10, 3_501 + next * 10), newcomer)]);
        if (next++ % 2 === 0) await tidy(place);
      }
      expect(new Set(names).size).toBe(names.length);
      const drawn = new Set(names);
      expect(upTo(3_500).filter((name) => !drawn.has(name))).toEqual([]);
    });
  });
}

/** A part of the visitors, as a part of a sample that is as large. */
export type Share = readonly [what: string, of: number, has: (name: number) => boolean];

/** Draws again and again; each part of all visitors has to be met as often as it is large. */
export async function expectFair(
  store: Store,
  size: number,
  shares: readonly Share[],
  total: number,
  runs = 20,
): Promise<void> {
  const met = shares.map(() => 0);
  let all = 0;
  // Together: each of them rests most of the time.
  const draws = await Promise.all(Array.from({ length: runs }, () => drawnFrom(store, size)));
  for (const { names, drawn, of } of draws) {
    expect(new Set(names).size).toBe(names.length);
    // What was drawn says how many there are.
    expect(Math.abs((of * names.length) / drawn / total - 1)).toBeLessThan(0.1);
    all += names.length;
    for (const [i, [, , has]] of shares.entries()) met[i] += names.filter(has).length;
  }
  expect(all / runs / size).toBeGreaterThan(0.9);
  for (const [i, [what, count]] of shares.entries()) {
    const share = count / total;
    const deviation = Math.sqrt(share * (1 - share) * all);
    expect(Math.abs(met[i] - share * all) / deviation, what).toBeLessThan(5);
  }
}

/**
 * How many visitors are drawn in each turn while something samples a store, of which each has to let
 * something else happen before the next. The clock goes on by a 128th of a millisecond whenever it is
 * looked at: how fast the machine is makes no difference.
 */
export async function turnsWhile(store: Store, work: () => Promise<unknown>): Promise<number[]> {
  const turns: number[] = [];
  let others = 0;
  let isOver = false;
  const happen = () => {
    others++;
    if (!isOver) setImmediate(happen);
  };
  setImmediate(happen);
  const sample = store.sample.bind(store);
  const sampling = vi.spyOn(store, 'sample').mockImplementation(async function* (size) {
    let last = -1;
    for await (const part of sample(size)) {
      expect(others).toBeGreaterThan(last);
      last = others;
      turns.push(part.profiles.length);
      yield part;
    }
  });
  let looks = Math.ceil(performance.now()) * 128;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => ++looks / 128);
  try {
    await work();
  } finally {
    isOver = true;
    clock.mockRestore();
    sampling.mockRestore();
  }
  return turns;
}
