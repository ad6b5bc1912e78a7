/** Races of the embedded store between processes that share a folder, and with its fold. */
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Base } from '../../src/store/embedded/base.ts';
import type { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts';
import { fileOf, segmentsIn } from '../../src/store/embedded/log.ts';
import { temporaryFolder } from '../server.ts';
import {
  countOf,
  device,
  foldNow,
  openEmbedded,
  startFold,
  TODAY,
  visit,
  visited,
  visitOf,
} from './workbench.ts';

let folder: string;
const stores: EmbeddedStore[] = [];
const open = (segmentSize?: number) => {
  const store = openEmbedded(folder, { segmentSize });
  stores.push(store);
  return store;
};
beforeEach(() => {
  folder = temporaryFolder();
});
const closeAll = async () => {
  for (const store of stores.splice(0)) await store.close();
};
afterEach(async () => {
  vi.restoreAllMocks();
  await closeAll();
});

const logFolder = () => path.join(folder, 'log');
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Visits one after the other, so that each is a frame. */
async function visits(store: EmbeddedStore, times: number, n = 1): Promise<number> {
  let count = 0;
  for (let i = 0; i < times; i++)
    count = countOf((await visited(store, visitOf(device(n), 1))).profile, 1);
  return count;
}
async function stored(n = 1): Promise<number> {
  const store = openEmbedded(folder);
  const { profile } = await store.look(visitOf(device(n)));
  await store.close();
  return countOf(profile, 1);
}
/** Folds when the last seal is written, which no visit waits for. */
async function fold(keep?: Parameters<typeof foldNow>[1]): Promise<void> {
  await pause(20);
  foldNow(folder, keep);
}
/** Fails where a visit is neither kept nor refused in time. */
const inTime = <T>(promise: Promise<T>, store: EmbeddedStore): Promise<T> =>
  Promise.race([
    promise,
    pause(1_500).then(() => {
      throw new Error(`no answer; the store says: ${store.problem}`);
    }),
  ]);

describe('a process that was idle while others wrote and folded', () => {
  it('counts on where they are, before it has noticed', async () => {
    const idle = open();
    expect(await visits(idle, 1)).toBe(1);
    const busy = open(1);
    expect(await visits(busy, 5)).toBe(6);
    await fold();
    expect(await inTime(visits(idle, 1), idle)).toBe(7);
    expect(await visits(busy, 1)).toBe(8);
    expect(await stored()).toBe(8);
  });

  it('counts on where they are, after it has noticed', async () => {
    const idle = open();
    expect(await visits(idle, 1)).toBe(1);
    const busy = open(1);
    expect(await visits(busy, 5)).toBe(6);
    await fold();
    await pause(1_300);
    expect(await inTime(visits(idle, 1), idle)).toBe(7);
    expect(await stored()).toBe(7);
  });

  it('does not count twice what was folded before it was read', async () => {
    const busy = open();
    await visits(busy, 1, 2);
    const idle = open();
    // Five visits that `idle` has not read, in a segment that is folded before it does.
    const sealing = open(1);
    await visits(busy, 4);
    await visits(sealing, 1);
    await fold();
    expect(await inTime(visits(idle, 1), idle)).toBe(6);
    expect(await stored()).toBe(6);
  });

  it('follows a link that was made meanwhile', async () => {
    const login = { dataSource: 1, id: 'login' };
    const idle = open();
    await visited(idle, { ...visitOf(device(1), 1), aliases: [login] });
    const busy = open(1);
    await visited(busy, { ...visitOf(device(2), 1), aliases: [login] });
    await visits(busy, 3, 3);
    await fold();
    const { deviceId } = await inTime(
      visited(idle, { ...visitOf(device(9), 1), deviceId: undefined, aliases: [login] }),
      idle,
    );
    expect(deviceId).toBe(device(2));
  });
});

it('a process that is stopped while a visit is written adds it to the log that others read', async () => {
  const sleeper = open();
  await visits(sleeper, 1, 2);
  // It reads the base, so it has a snapshot of it, and starts to write. Then it is stopped.
  const busy = open(1);
  await visits(busy, 3);
  await pause(20);
  const write = fs.write as (...args: unknown[]) => void;
  vi.spyOn(fs, 'write').mockImplementationOnce(((...args: unknown[]) => {
    const done = args.pop() as (...results: unknown[]) => void;
    write(...args, (...results: unknown[]) => {
      foldNow(folder);
      done(...results);
    });
  }) as typeof fs.write);
  await inTime(visits(sleeper, 1), sleeper);
  vi.restoreAllMocks();
  await visits(busy, 1);
  await fold();
  expect(await stored()).toBe(5);
});

describe('a fold', () => {
  it('of the visit does not forget what its decision returned, which stands in the next segment', async () => {
    // A visit is long enough to seal a segment, what its decision returns is not.
    const store = open(60);
    await visited(store, visitOf(device(1), 1, 2, 3), { cookiesSet: [5] });
    await fold();
    await pause(1_200);
    expect(segmentsIn(logFolder())).toEqual([2]);
    const { profile } = await store.look(visitOf(device(1)));
    expect([...profile.cookies]).toEqual([5]);
  });

  it('leaves a segment that has no seal, though there is a later one', async () => {
    // A power cut may keep the next segment and lose the seal.
    await visits(open(1), 1);
    await visits(open(1), 1);
    await closeAll();
    const first = fileOf(logFolder(), 1);
    fs.truncateSync(first, fs.statSync(first).size - 20);
    const store = open(1 << 20);
    await visits(store, 1);
    await fold();
    await visits(store, 1);
    await store.close();
    expect(await stored()).toBe(4);
  });

  it('that is repeated changes nothing', async () => {
    const store = open(1);
    const login = { dataSource: 1, id: 'login' };
    await visited(store, { ...visitOf(device(1), 1), aliases: [login] });
    await visited(store, { ...visitOf(device(2), 1), aliases: [login] });
    await visits(store, 4);
    await store.close();
    const kept = segmentsIn(logFolder()).map(
      (s) => [s, fs.readFileSync(fileOf(logFolder(), s))] as const,
    );
    await fold();
    for (const [s, bytes] of kept) fs.writeFileSync(fileOf(logFolder(), s), bytes);
    await fold();
    expect(await stored()).toBe(5);
    expect(await stored(2)).toBe(1);
  });

  it('that slept while another one did its work does not bring back what is older', async () => {
    const login = { dataSource: 1, id: 'login' };
    const store = open(1);
    for (const n of [1, 2, 3]) {
      await visited(store, { ...visitOf(device(n), 1), aliases: [login] });
    }
    await closeAll();
    // It has read the first segment when it falls asleep.
    const asleep = path.join(folder, 'asleep');
    const awake = path.join(folder, 'awake');
    const sleep = `import fs from 'node:fs';
      const { readFileSync } = fs;
      fs.readFileSync = (...args) => {
        const bytes = readFileSync(...args);
        if (String(args[0]).endsWith('1.log')) {
          fs.writeFileSync(${JSON.stringify(asleep)}, '');
          const cell = new Int32Array(new SharedArrayBuffer(4));
          while (!fs.existsSync(${JSON.stringify(awake)})) Atomics.wait(cell, 0, 0, 10);
        }
        return bytes;
      };`;
    const child = startFold(folder, [
      '--import',
      `data:text/javascript,${encodeURIComponent(sleep)}`,
    ]);
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    while (!fs.existsSync(asleep)) await pause(10);
    // Its lease ends, as it does after a time.
    const base = new Base(path.join(folder, 'base'), 'write');
    base.release();
    foldNow(folder);
    expect(base.link('1\u0001login')).toBe(device(3));
    fs.writeFileSync(awake, '');
    await ended;
    await pause(5);
    expect(base.link('1\u0001login')).toBe(device(3));
    await base.root.close();
    expect([await stored(1), await stored(2), await stored(3)]).toEqual([1, 1, 1]);
  });

  it('that was killed after any part of a segment is taken up again', async () => {
    const store = open(2_000);
    for (let n = 1; n <= 60; n++) await visits(store, 1, n);
    for (let n = 1; n <= 60; n++) await visits(store, 1, n);
    await store.close();
    // Every other visitor of the first segment is folded, the segment itself is not.
    const before = temporaryFolder();
    fs.cpSync(folder, before, { recursive: true });
    foldNow(before);
    const whole = new Base(path.join(before, 'base'), 'write');
    const part = new Base(path.join(folder, 'base'), 'write');
    for (let n = 1; n <= 60; n += 2) {
      const folded = whole.profile(device(n));
      if (folded) part.putProfile(device(n), folded);
    }
    await whole.root.close();
    await part.root.close();
    const reopened = open(2_000);
    for (let n = 1; n <= 60; n++) {
      expect(countOf((await reopened.look(visitOf(device(n)))).profile, 1), `visitor ${n}`).toBe(2);
    }
    await fold();
    for (let n = 1; n <= 60; n++) expect(await visits(reopened, 1, n)).toBe(3);
  });

  /** Folds, and says whether a visitor is still taken for one who may never come back. */
  async function isNewcomer(n: number): Promise<boolean> {
    await closeAll();
    foldNow(folder);
    const base = new Base(path.join(folder, 'base'), 'write');
    expect(base.profile(device(n))).toBeDefined();
    const newcomer = base.profile(device(n))?.newcomer ?? false;
    await base.root.close();
    return newcomer;
  }
  const firstVisit = { ...visitOf(device(1), 1), deviceId: undefined, freshId: device(1) };

  it('moves a newcomer whose id comes back in a later segment', async () => {
    await visited(open(1), firstVisit);
    expect(await isNewcomer(1)).toBe(true);
    expect(await visits(open(1), 1)).toBe(2);
    expect(await isNewcomer(1)).toBe(false);
  });

  it('moves a newcomer whose id comes back with a visit that adds nothing', async () => {
    const store = open(1);
    await visited(store, firstVisit);
    await visited(store, visitOf(device(1)));
    await visits(store, 2, 2);
    expect(await isNewcomer(1)).toBe(false);
  });

  it('forgets who was not seen for long, and nobody else', async () => {
    const store = open(1);
    for (const [n, age] of [
      [1, 130],
      [2, 110],
      [3, 0],
    ]) {
      await visited(store, { ...visitOf(device(n)), change: { day: TODAY - age, realized: [1] } });
    }
    await visited(store, { ...visitOf(device(5)), change: { day: TODAY - 130, optOut: true } });
    await visits(store, 1, 4);
    await store.close();
    await fold({ profileDays: 120, newcomerDays: 7 });
    expect([await stored(1), await stored(2), await stored(3)]).toEqual([0, 1, 1]);
    // An opt-out is for ever.
    const base = new Base(path.join(folder, 'base'), 'read');
    expect(base.profile(device(5))?.profile.optedOut).toBe(true);
    await base.root.close();
  });
});

describe('a stored profile that cannot be read', () => {
  it('stops neither other visitors nor the visits of the same instant', async () => {
    const base = new Base(path.join(folder, 'base'), 'write');
    // A newer version of the program has written it.
    const key = Uint8Array.from(Buffer.from(device(1), 'hex'));
    base.profiles.putSync(key, Uint8Array.of(99, 0, 0, 0, 0, 0, 0));
    await base.root.close();
    const store = open();
    const broken = visited(store, visitOf(device(1), 1));
    broken.catch(() => {});
    expect(await inTime(visits(store, 1, 2), store)).toBe(1);
    await expect(inTime(broken, store)).rejects.toThrow(/version 99/);
    expect(await visits(store, 1, 3)).toBe(1);
  });
});

describe('a disk that does not write', () => {
  const refusing = (
    times: number,
    error = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }),
  ) => {
    const write = fs.write;
    let left = times;
    vi.spyOn(fs, 'write').mockImplementation(((
      file: number,
      bytes: Uint8Array,
      ...rest: unknown[]
    ) => {
      if (left-- <= 0) return (write as (...a: unknown[]) => void)(file, bytes, ...rest);
      const done = rest.at(-1) as (error: Error | null, written?: number) => void;
      // Half of it is written, or nothing.
      if (left % 2) fs.writeSync(file, bytes.subarray(0, bytes.length >> 1));
      setImmediate(() => (left % 2 ? done(null, bytes.length >> 1) : done(error)));
    }) as typeof fs.write);
  };

  it('makes visits wait; then each is written once, in order', async () => {
    const store = open();
    refusing(4);
    const waiting = Promise.all([1, 2, 3].map(() => visited(store, visitOf(device(1), 1))));
    await pause(150);
    expect(store.problem).toContain('cannot be written');
    await pause(50);
    const later = visited(store, visitOf(device(1), 1));
    expect((await waiting).map(({ profile }) => countOf(profile, 1))).toEqual([1, 2, 3]);
    expect(countOf((await later).profile, 1)).toBe(4);
    expect(store.problem).toBeUndefined();
    expect(await stored()).toBe(4);
  });

  it('lets only so many visits wait', async () => {
    const store = openEmbedded(folder, { maxWaiting: 10 });
    stores.push(store);
    refusing(3);
    await Promise.all([visited(store, visitOf(device(1), 1)), pause(50)].slice(1));
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, () => visited(store, visitOf(device(1), 1))),
    );
    const kept = results.filter(({ status }) => status === 'fulfilled').length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(10);
  });

  it('does not keep a store from closing; what waits is refused', async () => {
    const store = open();
    refusing(1_000);
    const waiting = visited(store, visitOf(device(1), 1));
    waiting.catch(() => {});
    await pause(50);
    await inTime(store.close(), store);
    await expect(waiting).rejects.toThrow(/cannot be written/);
    vi.restoreAllMocks();
    expect(await stored()).toBe(0);
  });

  it('or no file that can be opened: at a new segment, too, every visit counts once', async () => {
    const store = open(1);
    const { openSync } = fs;
    vi.spyOn(fs, 'openSync').mockImplementationOnce((...args) => {
      throw Object.assign(new Error(`EMFILE: too many open files, open '${args[0]}'`), {
        code: 'EMFILE',
      });
    });
    let calls = 0;
    const waiting = visit(store, visitOf(device(1), 1), () => {
      calls++;
      return undefined;
    });
    await inTime(waiting, store);
    expect(fs.openSync).not.toBe(openSync);
    expect(await inTime(visits(store, 1), store)).toBe(2);
    expect(calls).toBe(1);
    expect(await stored()).toBe(2);
  });
});

it('a fold that failed is no problem any more when another process has folded', async () => {
  const store = open(1);
  vi.spyOn(process, 'execPath', 'get').mockReturnValue('/nowhere/node');
  await visits(store, 3);
  const end = Date.now() + 4_000;
  while (!store.problem && Date.now() < end) await pause(50);
  expect(store.problem).toContain('cannot be folded');
  vi.restoreAllMocks();
  await fold();
  await pause(2_300);
  expect(store.problem).toBeUndefined();
});
