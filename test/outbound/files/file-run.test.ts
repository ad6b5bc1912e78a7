/** Runs: what is in the files, and that each change is in them once, whatever is killed. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayOf } from '../../../src/audience/profile.ts';
import type { FileTarget, FileTransfer } from '../../../src/destinations/destination.ts';
import {
  type FileDestination,
  FileRuns,
  type FileRunsOptions,
} from '../../../src/outbound/files/file-run.ts';
import { openTarget } from '../../../src/outbound/files/open-target.ts';
import { type Target, TargetError } from '../../../src/outbound/files/target.ts';
import type { Meet } from '../../../src/outbound/unreadable.ts';
import { isReadable } from '../../../src/store/outbox.ts';
import { until } from '../../redis.ts';
import { endWithTests, temporaryFolder } from '../../server.ts';
import { MemoryOutbox } from '../outbox-memory.ts';
import type { Task } from './file-run-process.ts';
import {
  aliasOf,
  arrived,
  destinationOf,
  deviceId,
  ID,
  mappingsOf,
  membersIn,
  RunProcess,
  type Shelf,
  termsOf,
  Visitors,
} from './runs.ts';
import { type S3Server, startS3Server } from './s3-server.ts';
import { hasSftpServer, type SftpServer, startSftpServer } from './sftp-server.ts';

/** Dozens of processes are started, one after the other. */
const PATIENT_MS = 240_000;

const FOLDER: FileTarget = { kind: 'folder', path: 'in' };

/** A folder as target, and whoever runs files into it. */
function workbench(transfer: Partial<FileTransfer> = {}, visitors = new Visitors()) {
  const base = temporaryFolder();
  const folder = path.join(temporaryFolder(), String(ID));
  const inbox = path.join(base, 'in');
  const destination = destinationOf({ target: FOLDER, ...transfer });
  const shelf: Shelf = {
    names: () => (fs.existsSync(inbox) ? fs.readdirSync(inbox) : []),
    read: (name) => fs.readFileSync(path.join(inbox, name)),
  };
  /** As a process that has just started. */
  const runs = (change: Partial<FileRunsOptions> = {}) =>
    new FileRuns({
      ...{ id: ID, folder, outbox: new MemoryOutbox(visitors.memory), pace: async () => {} },
      terms: () => termsOf(destination),
      members: membersIn,
      unreadable: () => {},
      open: (target) => openTarget(target, { folder: base, allowPrivate: true }),
      ...change,
    });
  const run = async (change: Partial<FileRunsOptions> = {}, as: FileDestination = destination) => {
    const own = runs({ terms: () => termsOf(as), ...change });
    await own.recover();
    return await own.run(as);
  };
  const task: Task = { destination, mappings: mappingsOf(destination), folder, base };
  return { visitors, base, folder, destination, shelf, runs, run, task };
}

describe('changes', () => {
  it('are lines of who joined and left, in order, each once', async () => {
    const { visitors, shelf, run } = workbench();
    visitors.move(1, [1, 2]);
    visitors.move(2, [3], [4]);
    visitors.move(1, [], [2]);
    const { root } = await run();
    expect(arrived(shelf)).toEqual([
      {
        root,
        names: [`${root}.sync`],
        lines: [`${deviceId(1)} m1,m2`, `${deviceId(2)} m3 m4`, `${deviceId(1)}  m2`],
      },
    ]);
    expect(await visitors.waiting()).toBe(0);
  });

  it('are only those since the last run', async () => {
    const { visitors, shelf, run } = workbench();
    const before = visitors.stir(50);
    await run();
    const since = visitors.stir(50);
    await pause(2);
    await run();
    expect(arrived(shelf).map(({ lines }) => lines)).toEqual([before, since]);
  });

  it('of who cannot be read come with the next run, as they are by then; all others at once', async () => {
    const { visitors, shelf, run } = workbench();
    visitors.move(1, [1]);
    visitors.move(2, [1, 2]);
    visitors.move(3, [3]);
    visitors.move(2, [], [1]);
    const met: unknown[] = [];
    visitors.memory.unreadable.add(deviceId(2));
    await run({ unreadable: (some) => met.push(...some.filter((one) => !isReadable(one))) });
    expect(met).toHaveLength(2);
    expect(await visitors.waiting()).toBe(2);
    visitors.memory.unreadable.clear();
    visitors.move(2, [4]);
    await pause(2);
    await run();
    expect(await visitors.waiting()).toBe(0);
    expect(arrived(shelf).map(({ lines }) => lines)).toEqual([
      [`${deviceId(1)} m1`, `${deviceId(3)} m3`],
      [`${deviceId(2)} m2 m1`, `${deviceId(2)}  m1`, `${deviceId(2)} m4`],
    ]);
  });

  it('leave nothing at the target where there are none', async () => {
    const { shelf, run, folder } = workbench();
    expect((await run()).files).toEqual([]);
    expect(shelf.names()).toEqual([]);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it.each([
    [1_000, 1_000, 1],
    [1_001, 1_000, 2],
    [2_500, 700, 4],
    [3, undefined, 1],
    [4_100, undefined, 1],
  ])('%i of them, %o lines a file, are %i files', async (changes, splitLines, expected) => {
    const { visitors, shelf, run } = workbench({ splitLines });
    const lines = visitors.stir(changes);
    const { files, root } = await run();
    expect(files.map(({ name }) => name)).toEqual(
      expected === 1
        ? [`${root}.sync`]
        : Array.from(
            { length: expected },
            (_, i) => `${root}${String(i + 1).padStart(3, '0')}.sync`,
          ),
    );
    expect(arrived(shelf)[0].lines).toEqual(lines);
  });

  it('are compressed where that is wished', async () => {
    const { visitors, shelf, run } = workbench({ compress: true, splitLines: 60 });
    const lines = visitors.stir(100);
    await run();
    const [set] = arrived(shelf);
    expect(set.names.every((name) => name.endsWith('.sync.gz'))).toBe(true);
    expect(set.lines).toEqual(lines);
  });

  it('name the visitor by the id that the partner knows', async () => {
    const { visitors, shelf, run } = workbench({ userDataSource: 2001 });
    visitors.add(1, (profile) => {
      profile.declare(2001, 'old');
      profile.declare(2001, 'new');
    });
    visitors.add(2, (profile) => profile.declare(2002, 'elsewhere'));
    visitors.add(3, (profile) => profile.declare(2001, 'two words'));
    for (const number of [1, 2, 3]) visitors.move(number, [1]);
    await run();
    expect(arrived(shelf)[0].lines).toEqual(['new m1', `${deviceId(2)} m1`, `${deviceId(3)} m1`]);
  });

  it.each([
    ['has opted out', { optOut: true }],
    ['objects to the sale of data', { objectsToSale: true }],
  ])('tell nobody of who %s since but that they left', async (_, change) => {
    const { visitors, shelf, run } = workbench();
    visitors.move(1, [1]);
    visitors.move(2, [1]);
    visitors.add(1, (profile) => profile.apply({ day: dayOf(Date.now()), ...change }));
    visitors.move(1, [], [1]);
    await run();
    expect(arrived(shelf)[0].lines).toEqual([`${deviceId(2)} m1`, `${deviceId(1)}  m1`]);
  });

  it('use the mappings as they are when the file is written', async () => {
    const { visitors, shelf, run, destination } = workbench();
    visitors.move(1, [1, 2, 3]);
    visitors.move(2, [2]);
    const today = dayOf(Date.now());
    const mappings = mappingsOf(destination, (sid) =>
      sid === 1 ? { alias: 'renamed' } : sid === 2 ? { to: today - 1 } : {},
    );
    await run({ terms: () => termsOf(destination, mappings) });
    expect(arrived(shelf)[0].lines).toEqual([`${deviceId(1)} renamed,m3`]);
  });

  it('obey export controls', async () => {
    const { visitors, shelf, run } = workbench();
    const labelled = destinationOf({ target: FOLDER }, 0b01);
    const mappings = mappingsOf(labelled, (sid) => ({ restrictions: sid === 1 ? 0b01 : 0b10 }));
    visitors.move(1, [1, 2]);
    visitors.move(2, [1]);
    await run({ terms: () => termsOf(labelled, mappings) }, labelled);
    expect(arrived(shelf)[0].lines).toEqual([`${deviceId(1)} m2`]);
  });

  it('that are too many for one run go into the next', async () => {
    const { visitors, shelf, runs, destination } = workbench();
    const lines = visitors.stir(5_000);
    const own = runs({ maxEntries: 2_500 });
    await own.recover();
    expect((await own.run(destination)).hasMore).toBe(true);
    expect((await own.run(destination)).hasMore).toBe(false);
    const sets = arrived(shelf);
    expect(sets.map((set) => set.lines.length)).toEqual([4_000, 1_000]);
    expect(sets.flatMap((set) => set.lines)).toEqual(lines);
  });

  it('that were on their way in real time when the destination was changed are told', async () => {
    const { visitors, shelf, run } = workbench();
    const outbox = new MemoryOutbox(visitors.memory);
    const lines = visitors.stir(30);
    for (const message of ['first', 'second']) {
      await outbox.seal(ID, { message, entries: await outbox.read(ID, 10) });
    }
    await run();
    expect(arrived(shelf)[0].lines).toEqual(lines);
    expect(await visitors.waiting()).toBe(0);
  });
});

describe('everybody', () => {
  const full = { syncMode: 'full' } as const;

  it('is there once, with all segments that they are in, whatever was told', async () => {
    const { visitors, shelf, run } = workbench(full);
    visitors.move(1, [1, 2]);
    visitors.move(1, [3], [2]);
    visitors.move(2, [4]);
    visitors.move(3, [5], []);
    visitors.move(3, [], [5]);
    visitors.move(4, [1]);
    visitors.add(4, (profile) => profile.apply({ day: dayOf(Date.now()), optOut: true }));
    visitors.add(5);
    visitors.add(6, (profile) => profile.realize(2, 20_000, 1));
    await run();
    expect(arrived(shelf)[0].lines).toEqual([
      `${deviceId(1)} m1,m3`,
      `${deviceId(2)} m4`,
      `${deviceId(6)} m2`,
    ]);
  });

  it('is an empty file where there is nobody', async () => {
    const { shelf, run } = workbench(full);
    const { root } = await run();
    expect(arrived(shelf)).toEqual([{ root, names: [`${root}.sync`], lines: [] }]);
  });

  it('is once in the files however often the walk meets them', async () => {
    const { visitors, shelf, run } = workbench({ ...full, splitLines: 100 });
    for (let number = 0; number < 1_000; number++) visitors.move(number, [1]);
    class Repeating extends MemoryOutbox {
      override async shards() {
        return ['a', 'b', 'c'];
      }
    }
    await run({ outbox: new Repeating(visitors.memory) });
    const [{ lines, names }] = arrived(shelf);
    expect(names).toHaveLength(10);
    expect(lines).toEqual(
      Array.from({ length: 1_000 }, (_, number) => `${deviceId(number)} m1`).sort(),
    );
  });

  it('is in the next file again when they could not be read', async () => {
    const { visitors, shelf, run } = workbench(full);
    for (const number of [1, 2, 3]) visitors.move(number, [1]);
    const met: unknown[] = [];
    const unreadable: Meet = (some) => met.push(...some.filter((one) => !isReadable(one)));
    visitors.memory.unreadable.add(deviceId(2));
    await run({ unreadable });
    visitors.memory.unreadable.clear();
    await pause(2);
    await run();
    expect(arrived(shelf).map(({ lines }) => lines)).toEqual([
      [1, 3].map((number) => `${deviceId(number)} m1`),
      [1, 2, 3].map((number) => `${deviceId(number)} m1`),
    ]);
  });

  it.each<[string, (outbox: MemoryOutbox) => Promise<unknown>]>([
    ['that nobody has read', async () => {}],
    ['that was read', (outbox) => outbox.read(ID, 10)],
    [
      'that was on its way in real time',
      async (outbox) => outbox.seal(ID, { message: 'm', entries: await outbox.read(ID, 10) }),
    ],
    [
      'that nobody else was on the way with',
      async (outbox) => outbox.seal(ID, { message: 'm', entries: await outbox.read(ID, 1) }),
    ],
  ])('leaves what waits of who cannot be read to the changes: %s', async (_, reach) => {
    const { visitors, shelf, run, destination } = workbench(full);
    for (const number of [1, 2, 3]) visitors.move(number, [number]);
    const queue = visitors.memory.queue(ID);
    for (const entry of queue.unread) Object.assign(entry, { queuedAt: Date.now() - 3_600_000 });
    await reach(new MemoryOutbox(visitors.memory));
    visitors.memory.unreadable.add(deviceId(1));
    for (let time = 1; time <= 2; time++) {
      await run();
      await pause(2);
      expect(await visitors.waiting()).toBe(1);
    }
    visitors.memory.unreadable.clear();
    const { transfer } = destination;
    await run({}, { ...destination, transfer: { ...transfer, syncMode: 'iter' } });
    expect(arrived(shelf).at(-1)?.lines).toEqual([`${deviceId(1)} m1`]);
    expect(await visitors.waiting()).toBe(0);
  });

  it('is in the file where they can be read by the time that it is written', async () => {
    const { visitors, shelf, run } = workbench(full);
    for (const number of [1, 2]) visitors.move(number, [1]);
    visitors.memory.unreadable.add(deviceId(2));
    let paces = 0;
    // Before they are met, and before they are looked at.
    await run({ pace: async () => void (++paces === 2 && visitors.memory.unreadable.clear()) });
    expect(arrived(shelf)[0].lines).toEqual([1, 2].map((number) => `${deviceId(number)} m1`));
  });

  it('makes what waited in the queue needless, but not what is new', async () => {
    const { visitors, run } = workbench(full);
    visitors.move(1, [1]);
    const [old] = visitors.memory.queue(ID).unread;
    Object.assign(old, { queuedAt: Date.now() - 3_600_000 });
    visitors.move(2, [1]);
    await run();
    expect(await visitors.waiting()).toBe(1);
  });
});

/** Takes so many files, then fails. */
const failing = (base: string, files: number) => {
  const put: string[] = [];
  const open = async (target: FileTarget): Promise<Target> => {
    const real = await openTarget(target, { folder: base, allowPrivate: true });
    return {
      async put(file, name) {
        if (put.length === files) throw new TargetError('no more');
        put.push(name);
        await real.put(file, name);
      },
      close: () => real.close(),
    };
  };
  return { put, open };
};

describe('a target that fails', () => {
  it.each([0, 1, 4, 5])('after %i files gets the others later, and none twice', async (files) => {
    const { visitors, shelf, run, base } = workbench({ splitLines: 100 });
    const lines = visitors.stir(500);
    const first = failing(base, files);
    await expect(run({ open: first.open })).rejects.toThrow('no more');
    expect(arrived(shelf)).toEqual([]);
    const more = visitors.stir(10);
    const second = failing(base, Number.POSITIVE_INFINITY);
    await run({ open: second.open });
    const [{ lines: told, root, names }] = arrived(shelf);
    expect(told).toEqual(lines);
    expect([...first.put, ...second.put]).toEqual([...names, `${root}.info`]);
    await run();
    expect(arrived(shelf)[1].lines).toEqual(more);
  });
});

describe('a machine that comes back to a run that has grown elsewhere', () => {
  it.each<[string, number | undefined, RegExp[]]>([
    ['the one that was there already', undefined, [/\d\.sync$/]],
    ['several', 8, [/\d001\.sync$/, /\d002\.sync$/]],
  ])('puts all of it, in files that are %s', async (_, splitLines, names) => {
    const { visitors, shelf, run, base } = workbench({ splitLines });
    const lines = visitors.stir(6);
    await expect(run({ open: failing(base, 1).open })).rejects.toThrow('no more');
    lines.push(...visitors.stir(6));
    const elsewhere = path.join(base, 'other');
    await expect(run({ folder: elsewhere, open: failing(base, 0).open })).rejects.toThrow(
      'no more',
    );
    await run();
    const [set, ...others] = arrived(shelf);
    expect(others).toEqual([]);
    expect(set.lines).toEqual(lines);
    expect(set.names).toEqual(names.map((name) => expect.stringMatching(name)));
    expect(await visitors.waiting()).toBe(0);
  });
});

describe('a machine that has nothing of the run', () => {
  it('goes on with it under its name', async () => {
    const { visitors, shelf, run, base, folder } = workbench({ splitLines: 2_000 });
    const lines = visitors.stir(5_000);
    const failed = run({
      open: async () => {
        throw new TargetError('down');
      },
    });
    await expect(failed).rejects.toThrow('down');
    const { root } = JSON.parse(fs.readFileSync(path.join(folder, 'run.json'), 'utf8'));
    await run({ folder: path.join(base, 'other') });
    expect(arrived(shelf)).toMatchObject([{ root, lines }]);
    // The first one comes back, and finds that all has been said.
    await run();
    expect(arrived(shelf)).toHaveLength(1);
    expect(await visitors.waiting()).toBe(0);
  });

  it('knows a run that had arrived when it was broken off', async () => {
    const { visitors, shelf, run, base } = workbench();
    visitors.stir(5_000);
    let calls = 0;
    class Breaking extends MemoryOutbox {
      override async done(...given: Parameters<MemoryOutbox['done']>) {
        if (++calls === 2) throw new Error('killed');
        await super.done(...given);
      }
    }
    await expect(run({ outbox: new Breaking(visitors.memory) })).rejects.toThrow('killed');
    await run({ folder: path.join(base, 'other') });
    expect(arrived(shelf)).toHaveLength(1);
    expect(await visitors.waiting()).toBe(0);
  });
});

describe('killed around each call to the outbox', { timeout: PATIENT_MS }, () => {
  it('a run leaves who cannot be read for the next one, once', async () => {
    const { visitors, shelf, task } = workbench({ splitLines: 900 });
    visitors.memory.unreadable.add(deviceId(0));
    const lines: string[] = [];
    let changes = 0;
    const stir = (some: number) => {
      for (let number = 0; number < some; number++) {
        visitors.move(number % 1_000, [1]);
        if (number % 1_000 > 0) lines.push(`${deviceId(number % 1_000)} m1`);
        else changes++;
      }
    };
    stir(4_100);
    await killedAroundEachCall({ visitors, shelf, task }, () => stir(700));
    visitors.memory.unreadable.clear();
    await complete(visitors, task);
    const written = arrived(shelf).flatMap((set) => set.lines);
    const own = (line: string) => line === `${deviceId(0)} m1`;
    expect(written.filter((line) => !own(line))).toEqual(lines);
    expect(written.filter(own)).toHaveLength(changes);
  });

  it.each(['iter', 'full'] as const)('runs of mode %s say everything once', async (syncMode) => {
    const { visitors, shelf, task } = workbench({ syncMode, splitLines: 900 });
    const lines = visitors.stir(4_100);
    const everybody = everybodyIn(visitors);
    await killedAroundEachCall({ visitors, shelf, task }, () => {
      if (syncMode === 'iter') lines.push(...visitors.stir(700));
    });
    await complete(visitors, task);
    const sets = arrived(shelf).map((set) => set.lines);
    if (syncMode === 'iter') expect(sets.flat()).toEqual(lines);
    else for (const set of sets) expect(set).toEqual(everybody);
  });
});

/**
 * Kills processes before and after a call to the outbox, each time one call later, until none is left.
 *
 * @param stir is called after each that was killed
 */
async function killedAroundEachCall(
  { visitors, shelf, task }: Pick<ReturnType<typeof workbench>, 'visitors' | 'shelf' | 'task'>,
  stir: () => void,
): Promise<void> {
  let isOver = false;
  for (let step = 1; !isOver; step++) {
    for (const isPerformed of [false, true]) {
      let calls = 0;
      let isStuck = false;
      const running = new RunProcess(visitors, task, async (_, perform) => {
        if (++calls < step) return await perform();
        if (calls === step && isPerformed) await perform();
        isStuck = true;
        return await new Promise(() => {});
      });
      await until('the fatal call, or the end', () => isStuck || running.isComplete, 40_000);
      isOver = !isStuck;
      await running.kill();
      // Whatever has a control file is whole.
      arrived(shelf);
      if (!isOver) stir();
    }
  }
}

/** Runs until nothing is left to say. */
async function complete(visitors: Visitors, task: Task): Promise<void> {
  do {
    const running = new RunProcess(visitors, task);
    await until('a complete run', () => running.isComplete, 40_000).catch((error) => {
      throw new Error(`${error.message}; ${JSON.stringify(running.reports)}`);
    });
    await running.kill();
  } while (task.destination.transfer.syncMode === 'iter' && (await visitors.waiting()) > 0);
}

/** The lines of a full file. */
const everybodyIn = ({ memory }: Visitors) =>
  [...memory.told]
    .flatMap(([id, told]) => {
      const sids = [...(told.get(ID)?.keys() ?? [])].sort();
      return sids.length > 0 ? `${id} ${sids.map(aliasOf).join(',')}` : [];
    })
    .sort();

describe('killed at random moments', { timeout: PATIENT_MS }, () => {
  let sftp: SftpServer;
  let s3: S3Server;
  beforeAll(async () => {
    if (hasSftpServer) sftp = await startSftpServer();
    s3 = await startS3Server();
  });
  afterAll(async () => {
    await sftp?.stop();
    await s3.stop();
  });

  const kinds: [string, boolean, () => { target: FileTarget; shelf?: Shelf }][] = [
    ['a folder', true, () => ({ target: FOLDER })],
    [
      'SFTP',
      hasSftpServer,
      () => ({
        target: sftp.target,
        shelf: {
          names: () => fs.readdirSync(sftp.folder),
          read: (name) => fs.readFileSync(path.join(sftp.folder, name)),
        },
      }),
    ],
    ['S3', true, () => ({ target: s3.target, shelf: s3 })],
  ];
  for (const [name, isThere, given] of kinds) {
    it.skipIf(!isThere)(`runs to ${name} say each change once`, async () => {
      const { target, shelf: own } = given();
      const {
        visitors,
        shelf: inFolder,
        task,
      } = workbench({ target, splitLines: 250, compress: true });
      const shelf = own ?? inFolder;
      const lines: string[] = [];
      for (let kill = 0; kill < 12; kill++) {
        lines.push(...visitors.stir(1_000));
        const running = new RunProcess(visitors, task);
        await pause(150 + Math.random() * 700);
        await running.kill();
        // Whatever has a control file is whole.
        arrived(shelf);
      }
      await complete(visitors, task);
      expect(arrived(shelf).flatMap((set) => set.lines)).toEqual(lines);
    });
  }

  it.skipIf(!hasSftpServer)('and the partner, too', async () => {
    const { visitors, task } = workbench({ target: { ...sftp.target }, splitLines: 300 });
    fs.rmSync(sftp.folder, { recursive: true });
    fs.mkdirSync(sftp.folder);
    const lines = visitors.stir(6_000);
    const running = new RunProcess(visitors, task);
    for (let kill = 0; kill < 4; kill++) {
      await pause(300 + Math.random() * 700);
      await sftp.stop();
      await pause(100);
      await sftp.start();
    }
    await until('a complete run', () => running.isComplete, 40_000);
    await running.kill();
    const shelf: Shelf = {
      names: () => fs.readdirSync(sftp.folder),
      read: (name) => fs.readFileSync(path.join(sftp.folder, name)),
    };
    expect(arrived(shelf).map((set) => set.lines)).toEqual([lines]);
  });
});

it.each(['full', 'iter'])(
  'a run of mode %s takes no more memory for more visitors',
  async (mode) => {
    const [folder, base] = [temporaryFolder(), temporaryFolder()];
    const program = fileURLToPath(new URL('./memory-process.ts', import.meta.url));
    const visitors = 600_000;
    const child = fork(program, [mode, folder, base, String(visitors)], {
      // Not even the ids of all visitors would fit in.
      execArgv: ['--max-old-space-size=48', '--max-semi-space-size=2'],
    });
    endWithTests(child);
    const said = once(child, 'message');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(await said).toEqual([[visitors], undefined]);
  },
);
