/** The outbox in LMDB: the contract, and what only this engine can get wrong. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts';
import { fileOf, segmentsIn } from '../../src/store/embedded/log.ts';
import { OutboxBase } from '../../src/store/embedded/outbox-base.ts';
import { OutboxFile } from '../../src/store/embedded/outbox-file.ts';
import { readThrough, throughFileOf } from '../../src/store/embedded/through.ts';
import { isReadable } from '../../src/store/outbox.ts';
import { StoreError } from '../../src/store/store.ts';
import { temporaryFolder } from '../server.ts';
import { DAYS, type OutboxEngine, outboxContract } from './outbox-contract.ts';
import { countOf, device, foldNow, openEmbedded, visited, visitOf } from './workbench.ts';

const openOutbox = (folder: string) => new OutboxFile({ folder, ...DAYS, access: 'write' });

const run = (program: string, ...args: string[]) => {
  const file = fileURLToPath(new URL(program, import.meta.url));
  execFileSync(process.execPath, [file, ...args], { timeout: 20_000 });
};
const spoiling: Pick<OutboxEngine, 'spoil' | 'mend' | 'spoilLetter'> = {
  spoil(folder, deviceId) {
    foldNow(folder, DAYS);
    run('./spoil-process.ts', folder, deviceId, 'spoil');
  },
  mend: (folder, deviceId) => run('./spoil-process.ts', folder, deviceId, 'mend'),
  spoilLetter: (folder, destination, message, how) =>
    run('./spoil-letter-process.ts', folder, String(destination), message, how),
};

describe('the embedded outbox', () => {
  outboxContract({
    ...spoiling,
    place: temporaryFolder,
    openStore: (folder) => openEmbedded(folder, DAYS),
    openOutbox,
    kill: (outbox) => outbox.close(),
  });
});

describe('the embedded outbox, with a new segment every few frames and folds in between', () => {
  outboxContract({
    ...spoiling,
    place: temporaryFolder,
    openStore: (folder) => openEmbedded(folder, { ...DAYS, segmentSize: 150 }),
    openOutbox,
    kill: (outbox) => outbox.close(),
    tidy: (folder) => foldNow(folder, DAYS),
  });
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something is so. */
async function until(what: string, condition: () => unknown): Promise<void> {
  for (const end = Date.now() + 20_000; !(await condition()); await pause(20)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}

let folder: string;
let store: EmbeddedStore;
/** Each visit fills a segment. */
const open = () => openEmbedded(folder, { ...DAYS, segmentSize: 1 });
beforeEach(() => {
  folder = temporaryFolder();
  store = open();
});
afterEach(() => store.close());

const come = (n: number, examine = true) => visited(store, { ...visitOf(device(n), 1), examine });
const segments = () => segmentsIn(path.join(folder, 'log'));
/** Folds when the last seal is written, which no visit waits for. */
async function fold(): Promise<void> {
  await pause(20);
  foldNow(folder, DAYS);
}
/** Everybody who is due, examined with nothing coming of it. */
async function dueOf(outbox: OutboxFile): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    let batch = await outbox.due('all', 1_000);
    // Also where it is not known who came, so that all are to be examined.
    if (batch.candidates.length === 0) batch = await outbox.due('all', 1_000, 'time');
    if (batch.candidates.length === 0) return ids.sort();
    const outcomes = batch.candidates.map(({ deviceId }) => {
      ids.push(deviceId);
      return { deviceId, told: new Map(), moves: new Map(), next: undefined };
    });
    await outbox.settle(batch, outcomes);
  }
}
/** Delivers for a moment. */
async function delivered(): Promise<string[]> {
  const outbox = openOutbox(folder);
  const ids = await dueOf(outbox);
  await outbox.close();
  return ids;
}

describe('a fold', () => {
  it('keeps no segments where nobody ever delivered', async () => {
    for (const n of [1, 2, 3]) await come(n);
    await fold();
    expect(segments().length).toBeLessThanOrEqual(1);
  });

  it('keeps them while the deliverer is away, and nobody is missed', async () => {
    await delivered();
    for (const n of [1, 2, 3]) await come(n, n !== 2);
    await fold();
    expect(segments()).toEqual(expect.arrayContaining([1, 2, 3]));
    for (const n of [4, 5]) await come(n);
    await fold();
    await store.close();
    store = open();
    expect(await delivered()).toEqual([1, 3, 4, 5].map(device));
    await fold();
    expect(segments().length).toBeLessThanOrEqual(1);
    expect(await delivered()).toEqual([]);
  });

  it('removes them while the deliverer keeps up', async () => {
    const outbox = openOutbox(folder);
    for (const n of [1, 2, 3]) {
      await come(n);
      expect(await dueOf(outbox)).toEqual([device(n)]);
      await fold();
    }
    await dueOf(outbox);
    await fold();
    expect(segments().length).toBeLessThanOrEqual(1);
    await outbox.close();
  });

  it('keeps no more than 64; then everybody is examined', async () => {
    await delivered();
    for (let n = 1; n <= 70; n++) await come(n, n === 1);
    await fold();
    expect(segments().filter((segment) => segment <= 70)).toEqual(
      Array.from({ length: 64 }, (_, i) => i + 7),
    );
    expect(await delivered()).toEqual(Array.from({ length: 70 }, (_, i) => device(i + 1)));
    expect(await delivered()).toEqual([]);
  });
});

describe('a deliverer', () => {
  it('that comes for the first time examines everybody who is folded', async () => {
    for (const n of [1, 2, 3]) await come(n, false);
    await fold();
    expect(await delivered()).toEqual([1, 2, 3].map(device));
    expect(await delivered()).toEqual([]);
  });

  it('goes on examining everybody after a kill', async () => {
    const many = Array.from({ length: 2_500 }, (_, n) => n);
    await Promise.all(many.map((n) => come(n, false)));
    await fold();
    const outbox = openOutbox(folder);
    // Takes the first of them to the agenda.
    const { candidates } = await outbox.due('all', 10, 'time');
    expect(candidates.length).toBe(10);
    await outbox.close();
    expect(await delivered()).toEqual(many.map(device));
  });

  it('that slept while segments were folded reads them when it wakes up', async () => {
    const outbox = openOutbox(folder);
    await come(1);
    expect(await dueOf(outbox)).toEqual([device(1)]);
    // It would look at the log every second.
    for (const n of [2, 3, 4]) await come(n);
    await fold();
    expect(await dueOf(outbox)).toEqual([2, 3, 4].map(device));
    await outbox.close();
  });

  it('takes over from another one', async () => {
    const [one, other] = [openOutbox(folder), openOutbox(folder)];
    for (const n of [1, 2, 3]) await come(n);
    expect(await dueOf(one)).toEqual([1, 2, 3].map(device));
    await come(4);
    await one.close();
    await come(5);
    await fold();
    expect(await dueOf(other)).toEqual(expect.arrayContaining([4, 5].map(device)));
    await other.close();
  });

  it.each([
    ['and the deliverer starts first', () => openOutbox(folder).close()],
    ['and only pages are served at first', () => {}],
  ])('misses nobody where a power cut took the end of the log, %s', async (_, first) => {
    for (const n of [1, 2, 3, 4, 5]) await come(n);
    expect(await delivered()).toEqual([1, 2, 3, 4, 5].map(device));
    await store.close();
    for (const segment of segments().filter((segment) => segment > 2)) {
      fs.rmSync(fileOf(path.join(folder, 'log'), segment));
    }
    await first();
    store = open();
    for (const n of [6, 7, 8]) await come(n);
    await fold();
    expect(await delivered()).toEqual(expect.arrayContaining([6, 7, 8].map(device)));
  });

  it('does not take whom it hears of then for long brought to the agenda', async () => {
    for (const n of [1, 2, 3, 4, 5]) await come(n);
    await delivered();
    await store.close();
    fs.rmSync(path.join(folder, 'log'), { recursive: true });
    const outbox = openOutbox(folder);
    store = open();
    await come(6);
    // So that it has looked, too, without being asked.
    await pause(1_500);
    expect(await dueOf(outbox)).toContain(device(6));
    await outbox.close();
  });

  it('keeps no profile in memory, and shows each as it is', async () => {
    const outbox = openOutbox(folder);
    for (let i = 1; i <= 3; i++) {
      await come(1);
      const [{ profile }] = (await outbox.due('all', 1)).candidates;
      expect(profile && countOf(profile, 1)).toBe(i);
      profile?.apply({ day: 1, realized: [1] });
      const [again] = (await outbox.look([device(1)])).filter(isReadable);
      expect(again.profile && countOf(again.profile, 1)).toBe(i);
    }
    await outbox.close();
  });

  it('does not count as stored who is to be forgotten', async () => {
    const outbox = openOutbox(folder);
    const { day, ...change } = visitOf(device(1), 1).change;
    const old = { ...visitOf(device(1)), change: { ...change, day: day - DAYS.profileDays - 1 } };
    await visited(store, { ...old, examine: true });
    const [{ profile, keptUntil }] = (await outbox.due('all', 1)).candidates;
    expect([profile, keptUntil]).toEqual([undefined, undefined]);
    await outbox.close();
  });
});

const program = fileURLToPath(new URL('./outbox-process.ts', import.meta.url));
function startDeliverer(sends: boolean, heard: (line: string) => void): ChildProcess {
  const options = JSON.stringify({ folder, ...DAYS, access: 'write', sends });
  const child = spawn(process.execPath, [program, options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  child.stdout.on('data', (text) => {
    const lines = `${rest}${text}`.split('\n');
    // Of a killed process, the end of a line may be missing.
    rest = lines.pop() as string;
    lines.forEach(heard);
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

it('whoever recovers a queue leaves nothing of messages that were taken apart', async () => {
  for (const n of [1, 2]) await come(n);
  let outbox = openOutbox(folder);
  const batch = await outbox.due('all', 10);
  const at = 1_700_000_000_000;
  await outbox.settle(
    batch,
    batch.candidates.map(({ deviceId }) => ({
      ...{ deviceId, told: new Map(), next: undefined },
      moves: new Map([[7, [{ sid: 5, isMember: true, at }]]]),
    })),
  );
  const entries = await outbox.read(7, 10);
  expect(entries).toHaveLength(2);
  await outbox.seal(7, { message: 'before', entries });
  const [one, other] = entries;
  const after = { message: 'after', entries: [other, one] };
  await outbox.seal(7, after);
  await outbox.done(7, [after]);
  await outbox.close();
  outbox = openOutbox(folder);
  expect(await outbox.recover(7)).toEqual({ sealed: [], read: [] });
  await outbox.close();
  const base = new OutboxBase(folder, 'read');
  expect([...base.sealed.getKeys()]).toEqual([]);
  await base.root.close();
});

it('a deliverer that is killed again and again misses nothing', { timeout: 120_000 }, async () => {
  await store.close();
  store = openEmbedded(folder, { ...DAYS, segmentSize: 2_000 });
  const VISITORS = 40;
  const messages = new Map<string, string>();
  const arrived = new Map<string, number>();
  const hear = (line: string) => {
    const [message, ...users] = line.split(' ');
    // It is the same message whenever it comes.
    const isRepeated = messages.has(message);
    if (isRepeated) expect(messages.get(message)).toBe(line);
    messages.set(message, line);
    for (const user of users) {
      const [deviceId, count] = user.split(':');
      if (!isRepeated) expect(Number(count)).toBeGreaterThan(arrived.get(deviceId) ?? 0);
      arrived.set(deviceId, Number(count));
    }
  };
  const counts = Array<number>(VISITORS).fill(0);
  let isOver = false;
  const pages = (async () => {
    for (let n = 0; !isOver; n++) {
      const together = [0, 1, 2, 3].map((i) => (4 * n + i) % VISITORS);
      await Promise.all(together.map((visitor) => come(visitor)));
      for (const visitor of together) counts[visitor]++;
      await pause(2);
    }
  })();
  for (let round = 0; round < 6; round++) {
    const before = messages.size;
    const child = startDeliverer(true, hear);
    await until('something arrives', () => messages.size > before + 3 * round);
    child.kill('SIGKILL');
    await once(child, 'close');
    foldNow(folder, DAYS);
  }
  isOver = true;
  await pages;
  foldNow(folder, DAYS);
  const child = startDeliverer(true, hear);
  await until('all that happened has arrived', () =>
    counts.every((count, n) => arrived.get(device(n)) === count),
  );
  child.kill('SIGKILL');
  await once(child, 'close');
});

describe('a page server', () => {
  it('sees queues and dead letters, and nothing more', async () => {
    const reader = new OutboxFile({ folder, ...DAYS, access: 'read' });
    expect(await reader.queues()).toEqual([]);
    startDeliverer(false, () => {});
    for (const n of [1, 2, 3]) await come(n);
    await until('they are queued', async () => (await reader.queues())[0]?.waiting === 3);
    expect((await reader.queues())[0]).toMatchObject({ destination: 1, dead: 0 });
    expect(await reader.dead(1, 10)).toEqual([]);
    for (const attempt of [
      () => reader.due('all', 1),
      () => reader.walk('all', undefined, 1),
      () => reader.look([device(1)]),
      () => reader.lease('all', 'reader', 1),
      () => reader.replay(1, ['m']),
      () => reader.putBack(1, { message: 'm', entries: [] }, []),
      () => reader.clear(1),
      () => reader.read(1, 1),
    ]) {
      await expect(attempt()).rejects.toThrow(StoreError);
    }
    await reader.close();
    await expect(reader.queues()).rejects.toThrow('closed');
  });

  it('whose visits come before any deliverer loses none', async () => {
    await come(1);
    expect(readThrough(throughFileOf(folder))).toBeUndefined();
    expect(await delivered()).toEqual([device(1)]);
    expect(readThrough(throughFileOf(folder))).toBe(segments().at(-1));
  });
});
