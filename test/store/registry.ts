/** The registry's contract as tests, which every engine has to pass. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { openRegistry } from '../../src/engine.ts';
import {
  type Kept,
  type Kind,
  type Recent,
  type Registry,
  RegistryConflict,
  startOf,
  UNIT_MS,
} from '../../src/store/registry.ts';
import { StoreError } from '../../src/store/store.ts';
import { endWithTests, plainEnvironment } from '../server.ts';

export type Environment = Readonly<Record<string, string>>;

export const registryOf = (environment: Environment): Registry =>
  openRegistry(readConfig({ ...environment }));

/** Another process that uses a registry; `call` rejects with what the registry said. */
export interface RegistryProcess {
  readonly process: ChildProcess;
  call(name: keyof Registry, ...args: unknown[]): Promise<unknown>;
}

export function registryProcess(environment: Environment): RegistryProcess {
  const program = fileURLToPath(new URL('./registry-process.ts', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { ...plainEnvironment(), ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  endWithTests(child);
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    async call(name, ...args) {
      child.stdin.write(`${JSON.stringify({ name, args })}\n`);
      const { value: line, done } = await lines.next();
      if (done) throw new Error('the process has ended');
      const { value, error } = JSON.parse(line);
      if (error !== undefined) throw new Error(error);
      return value;
    },
  };
}

const idsOf = (kept: readonly Kept<unknown>[]) => kept.map(({ id }) => id);
const valuesOf = (recent: readonly Recent<unknown>[]) => recent.map(({ value }) => value);

let tests = 0;

/** @param place the environment of a server with a new registry */
export function registryContract(place: () => Environment): void {
  let environment: Environment;
  let one: Registry;
  let other: Registry;
  // Starting takes longer than everything else: each test has kinds and lists of its own instead.
  beforeAll(() => {
    environment = place();
    one = registryOf(environment);
    other = registryOf(environment);
  });
  afterAll(() => Promise.all([one.close(), other.close()]));
  let kind: Kind;
  let kind2: Kind;
  let list: string;
  let list2: string;
  let scope: string;
  beforeEach(() => {
    const test = ++tests;
    kind = `draft ${test}` as Kind;
    kind2 = `${kind}+` as Kind;
    list = `calls ${test}`;
    list2 = `${list}+`;
    scope = `destination ${test}`;
  });

  describe('what is kept', () => {
    it.each<[string, string, unknown]>([
      ['an object', 'Ada', { role: 'admin', at: 1_790_000_000_000, tags: [], no: null }],
      ['a text', 'text', 'ä\u0000\n"漢\u{1f600}'],
      ['a number', 'number', -0.5],
      ['nothing', 'nothing', null],
      ['a list', 'list', [1, [2, ['3']]]],
      ['an id in any script', 'Ørsolya Fehér-漢字-\u{1f3b7}', 1],
      ['an id with what separates elsewhere', 'a:b/c {d} "e"\u0000\u0001\u001ff ', 2],
      ['an id of digits', '007', 3],
      ['a long id', '漢'.repeat(500), 4],
      ['a large value', 'large', 'x'.repeat(300_000)],
    ])('is found again by its id, here and elsewhere: %s', async (_, id, value) => {
      const version = await one.put(kind, id, value);
      for (const registry of [one, other]) {
        expect(await registry.get(kind, id)).toEqual({ id, value, version });
        expect(await registry.list(kind)).toEqual([{ id, value, version }]);
      }
    });

    it('is of one kind, and listed by id', async () => {
      const ids = ['b', 'a', '漢', '2', '10', 'B', '\u{1f600}', 'ab', 'a b'];
      for (const id of ids) await one.put(kind, id, { id });
      await one.put(kind2, 'a', 'of another kind');
      const inOrder = ['10', '2', 'B', 'a', 'a b', 'ab', 'b', '漢', '\u{1f600}'];
      const people = await other.list<{ id: string }>(kind);
      expect(idsOf(people)).toEqual(inOrder);
      expect(people.map(({ value }) => value.id)).toEqual(inOrder);
      expect(idsOf(await other.list(`${kind}x` as Kind))).toEqual([]);
      expect(await other.get(kind2, 'b')).toBeUndefined();
    });

    it('is replaced, and its version grows', async () => {
      const versions = [
        await one.put(kind, 'x', 1),
        await other.put(kind, 'x', 2),
        await one.put(kind, 'x', 3),
      ];
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      expect(await other.get(kind, 'x')).toEqual({ id: 'x', value: 3, version: versions[2] });
    });

    it('can be removed, once', async () => {
      await one.put(kind, 'x', 1);
      await one.put(kind, 'y', 2);
      expect(await other.remove(kind, 'x')).toBe(true);
      expect(await one.remove(kind, 'x')).toBe(false);
      expect(await one.get(kind, 'x')).toBeUndefined();
      expect(idsOf(await one.list(kind))).toEqual(['y']);
    });

    it('may be thousands of a kind', async () => {
      const put = Array.from({ length: 3_000 }, (_, i) =>
        one.put(kind, `s${i}`, { name: 'Ada', csrf: 'x'.repeat(200) }, { ttl: 60_000 }),
      );
      await Promise.all(put);
      const begin = performance.now();
      expect(await other.list(kind)).toHaveLength(3_000);
      expect(performance.now() - begin).toBeLessThan(1_000);
    });
  });

  describe('a put on a condition', () => {
    it('replaces what was seen, and nothing else', async () => {
      const first = await one.put(kind, 'x', 1, { after: 0 });
      await expect(other.put(kind, 'x', 2, { after: 0 })).rejects.toThrow(RegistryConflict);
      const second = await other.put(kind, 'x', 2, { after: first });
      await expect(one.put(kind, 'x', 3, { after: first })).rejects.toThrow(RegistryConflict);
      await expect(one.put(kind, 'y', 3, { after: first })).rejects.toThrow(RegistryConflict);
      expect(await one.get(kind, 'x')).toEqual({ id: 'x', value: 2, version: second });
    });

    it('does not take what was made anew for what was there before', async () => {
      const first = await one.put(kind, 'x', 1);
      await one.remove(kind, 'x');
      await expect(one.put(kind, 'x', 2, { after: first })).rejects.toThrow(RegistryConflict);
      await pause(2);
      const second = await one.put(kind, 'x', 2, { after: 0 });
      expect(second).toBeGreaterThan(first);
    });

    it.each([['where there is none'], ['where there is one']])(
      'is won by exactly one of twenty at the same instant, %s',
      async (where) => {
        for (let round = 0; round < 5; round++) {
          const id = `${where} ${round}`;
          const after = where.endsWith('none') ? 0 : await one.put(kind, id, 'first');
          const tries = await Promise.allSettled(
            Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).put(kind, id, i, { after })),
          );
          const won = tries.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
          expect(won).toHaveLength(1);
          for (const one of tries) {
            if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(RegistryConflict);
          }
          expect((await one.get(kind, id))?.value).toBe(won[0]);
        }
      },
    );
  });

  describe('a time to live', () => {
    it('ends', async () => {
      const version = await one.put(kind, 'x', 1, { ttl: 300 });
      await one.put(kind, 'y', 1, { ttl: 60_000 });
      expect(idsOf(await other.list(kind))).toEqual(['x', 'y']);
      await pause(350);
      expect(await other.get(kind, 'x')).toBeUndefined();
      expect(idsOf(await other.list(kind))).toEqual(['y']);
      await expect(other.put(kind, 'x', 2, { after: version })).rejects.toThrow();
      expect(await other.remove(kind, 'x')).toBe(false);
      expect(await other.put(kind, 'x', 2, { after: 0 })).toBeGreaterThan(version);
    });

    it('is that of the last put', async () => {
      await one.put(kind, 'longer', 1, { ttl: 300 });
      await one.put(kind, 'longer', 2, { ttl: 60_000 });
      await one.put(kind, 'for ever', 1, { ttl: 300 });
      await one.put(kind, 'for ever', 2);
      await one.put(kind, 'shorter', 1);
      await one.put(kind, 'shorter', 2, { ttl: 300 });
      await pause(350);
      expect(idsOf(await other.list(kind))).toEqual(['for ever', 'longer']);
    });
  });

  describe('counts', () => {
    const now = Date.now();
    const today = startOf('day', now);
    const yesterday = today - UNIT_MS.day;
    const fired = (name: string, count: number, of = scope) => ({ scope: of, name, count });

    it('are of the hour and the day in which it happened', async () => {
      await one.add([fired('delivered', 2), fired('capped', 1)], today);
      await one.add([fired('delivered', 3)], today - 1);
      await other.add([fired('delivered', 5)], today + UNIT_MS.hour - 1);
      await other.add([fired('delivered', 7)], today + UNIT_MS.hour);
      await other.add([fired('delivered', 9, `${scope}+`)], today);
      const sorted = async (unit: 'hour' | 'day', from: number, to: number) =>
        (await one.counts(scope, unit, from, to)).map(
          ({ at, name, count }) => `${(at - today) / UNIT_MS[unit]} ${name} ${count}`,
        );
      // In order of time; the names of one hour in any.
      expect(
        (await sorted('hour', yesterday, today + UNIT_MS.hour)).map((text) => text[0]),
      ).toEqual(['-', '0', '0', '1']);
      expect((await sorted('hour', yesterday, now + UNIT_MS.day)).sort()).toEqual([
        '-1 delivered 3',
        '0 capped 1',
        '0 delivered 7',
        '1 delivered 7',
      ]);
      expect((await sorted('hour', today + 5, today + 6)).sort()).toEqual([
        '0 capped 1',
        '0 delivered 7',
      ]);
      expect((await sorted('day', yesterday, now)).sort()).toEqual([
        '-1 delivered 3',
        '0 capped 1',
        '0 delivered 14',
      ]);
      expect(await sorted('day', yesterday - 1, yesterday - 1)).toEqual([]);
    });

    it('all count, whoever adds at the same instant', async () => {
      const process = registryProcess(environment);
      const adding = Array.from({ length: 60 }, (_, i) =>
        (i % 2 ? one : other).add([fired('delivered', 1), fired('capped', 2)], now),
      );
      for (let i = 0; i < 10; i++) await process.call('add', [fired('delivered', 1)], now);
      await Promise.all(adding);
      process.process.kill();
      const counts = await one.counts(scope, 'hour', now, now);
      expect(Object.fromEntries(counts.map(({ name, count }) => [name, count]))).toEqual({
        delivered: 70,
        capped: 120,
      });
    });

    it('of a batch are added once, however often it is given', async () => {
      const batch = (writer: string, number: number) => ({ writer, number });
      const several = Array.from({ length: 3_000 }, (_, i) =>
        fired(`n${i}`, 1, `${scope}:${i % 3}`),
      );
      for (const registry of [one, other, one]) await registry.add(several, now, batch('a', 1));
      await Promise.all([one, other].map((registry) => registry.add(several, now, batch('a', 2))));
      await one.add(several, now, batch('b', 1));
      await other.add(several, now, batch('a', 1));
      await one.add(several, now);
      for (const n of [0, 1, 2]) {
        const counts = await other.counts(`${scope}:${n}`, 'hour', now, now);
        expect(counts).toHaveLength(1_000);
        expect(counts.filter(({ count }) => count !== 4)).toEqual([]);
      }
    });

    it('may be of thousands of scopes and names at once', async () => {
      const many = Array.from({ length: 6_000 }, (_, i) =>
        fired(`n${i % 6}`, i, `${scope}:${i >> 2}`),
      );
      await one.add(many, now);
      const sum = (await other.counts(`${scope}:1499`, 'hour', now, now)).reduce(
        (n, c) => n + c.count,
        0,
      );
      expect(sum).toBe(5_996 + 5_997 + 5_998 + 5_999);
    });

    it('are forgotten after two days, and after a hundred', async () => {
      await one.add([fired('delivered', 1)], now - 52 * UNIT_MS.hour);
      await one.add([fired('delivered', 1)], now - 102 * UNIT_MS.day);
      await one.add([fired('delivered', 1)], now - 47 * UNIT_MS.hour);
      const begin = performance.now();
      expect(await one.counts(scope, 'hour', 0, 9e15)).toHaveLength(1);
      expect(await one.counts(scope, 'day', 0, 9e15)).toHaveLength(
        startOf('day', now - 52 * UNIT_MS.hour) === startOf('day', now - 47 * UNIT_MS.hour) ? 1 : 2,
      );
      expect(performance.now() - begin).toBeLessThan(1_000);
    });
  });

  describe('what happened recently', () => {
    const entry = (at: number, value: unknown, owner = 'somebody') => ({ at, owner, value });

    it('is listed newest first, whoever added it when, up to a limit', async () => {
      await one.append(list, [entry(30, 'c'), entry(10, 'a')], 100);
      await other.append(list, [entry(20, 'b', 'Ж'), entry(40, { d: '漢' })], 100);
      await other.append(list2, [entry(50, 'x')], 100);
      expect(await one.recent(list, 10)).toEqual([
        entry(40, { d: '漢' }),
        entry(30, 'c'),
        entry(20, 'b', 'Ж'),
        entry(10, 'a'),
      ]);
      expect(valuesOf(await one.recent(list, 2))).toEqual([{ d: '漢' }, 'c']);
      expect(await one.recent(list, 0)).toEqual([]);
      expect(await one.recent(`${list}x`, 10)).toEqual([]);
    });

    it('keeps everything that happened in the same millisecond, in the order in which it came', async () => {
      await one.append(
        list,
        [1, 2, 2, 3].map((n) => entry(10, n)),
        100,
      );
      await one.append(list, [entry(10, 4)], 100);
      expect(valuesOf(await other.recent(list, 10))).toEqual([4, 3, 2, 2, 1]);
    });

    it('is bounded: the newest stay', async () => {
      for (let n = 1; n <= 5; n++) {
        await (n % 2 ? one : other).append(list, [entry(n * 10, n), entry(n * 10 + 5, -n)], 4);
      }
      expect(valuesOf(await one.recent(list, 100))).toEqual([-5, 5, -4, 4]);
      await one.append(list, [entry(1, 'too old')], 4);
      expect(valuesOf(await one.recent(list, 100))).toEqual([-5, 5, -4, 4]);
      await one.append(
        list,
        [6, 7, 8].map((n) => entry(n * 10, n)),
        2,
      );
      expect(valuesOf(await one.recent(list, 100))).toEqual([8, 7]);
    });

    it('is forgotten of one, in one list', async () => {
      for (const each of [list, list2]) {
        const owners = ['a', 'b', 'aa', 'a', ''];
        await one.append(
          each,
          owners.map((owner, i) => entry(i, i, owner)),
          100,
        );
      }
      await other.forget(list, 'a');
      expect(valuesOf(await one.recent(list, 10))).toEqual([4, 2, 1]);
      await other.forget(list, 'nobody');
      expect(valuesOf(await one.recent(list, 10))).toEqual([4, 2, 1]);
      expect(valuesOf(await one.recent(list2, 10))).toHaveLength(5);
    });

    it('may be a thousand entries of 3 kB', async () => {
      const value = { url: `/event?${'x'.repeat(3_000)}` };
      for (let i = 0; i < 60; i++) {
        const batch = Array.from({ length: 20 }, (_, k) => entry(i * 20 + k, value, `device ${k}`));
        await one.append(list, batch, 1_000);
      }
      const recent = await other.recent(list, 5_000);
      expect(recent).toHaveLength(1_000);
      expect(recent[999].at).toBe(200);
      await one.forget(list, 'device 7');
      expect(await other.recent(list, 5_000)).toHaveLength(950);
    });
  });

  it('is there after it was opened again', async () => {
    const first = registryOf(environment);
    await first.put(kind, 'Ada', 1);
    await first.add([{ scope, name: 'n', count: 4 }], Date.now());
    await first.append(list, [{ at: 1, owner: 'a', value: 1 }], 10);
    await first.close();
    const next = registryOf(environment);
    expect((await next.get(kind, 'Ada'))?.value).toBe(1);
    expect(await next.counts(scope, 'day', 0, Date.now())).toHaveLength(1);
    expect(await next.recent(list, 10)).toHaveLength(1);
    await next.close();
  });

  it('says of what comes after it was closed that it is not kept', async () => {
    const closed = registryOf(environment);
    await closed.put(kind, 'in time', 1);
    await closed.close();
    await closed.close();
    await expect(closed.put(kind, 'late', 1)).rejects.toThrow(StoreError);
    expect(idsOf(await one.list(kind))).toEqual(['in time']);
  });

  it('has what a process was told is kept, also where that is killed at once', async () => {
    for (let round = 0; round < 2; round++) {
      const process = registryProcess(environment);
      await process.call('put', kind, `p${round}`, round);
      await process.call('add', [{ scope, name: 'n', count: 1 }], Date.now());
      await process.call('append', list, [{ at: round, owner: 'a', value: round }], 10);
      const version = await process.call('put', kind2, 's', round, { ttl: 60_000 });
      const ended = once(process.process, 'exit');
      process.process.kill('SIGKILL');
      expect((await one.get(kind2, 's'))?.version).toBe(version);
      expect(await one.list(kind)).toHaveLength(round + 1);
      const [{ count }] = await one.counts(scope, 'day', 0, Date.now());
      expect(count).toBe(round + 1);
      expect(valuesOf(await one.recent(list, 1))).toEqual([round]);
      await ended;
    }
  });

  it('is the same for every process at every moment', async () => {
    const process = registryProcess(environment);
    for (let n = 1; n <= 20; n++) {
      const version = await one.put(kind, 'x', n);
      expect(await process.call('get', kind, 'x')).toEqual({ id: 'x', value: n, version });
      await process.call('put', kind, 'x', -n, { after: version });
      expect((await one.get(kind, 'x'))?.value).toBe(-n);
    }
    await expect(process.call('put', kind, 'x', 1, { after: 1 })).rejects.toThrow(/meanwhile/);
    process.process.kill();
  });
}
