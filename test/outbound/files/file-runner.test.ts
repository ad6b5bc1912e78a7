/** Runners: when runs are made, by whom, and what is told of them. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { FileTransfer } from '../../../src/destinations/destination.ts';
import {
  FileRunner,
  type FileRunnerOptions,
  type RunReport,
} from '../../../src/outbound/files/file-runner.ts';
import { openTarget } from '../../../src/outbound/files/open-target.ts';
import { dueAfter } from '../../../src/outbound/files/run-history.ts';
import { TargetError } from '../../../src/outbound/files/target.ts';
import { Sender } from '../../../src/outbound/realtime/sender.ts';
import { RegistryFile } from '../../../src/store/embedded/registry-file.ts';
import { until } from '../../redis.ts';
import { temporaryFolder } from '../../server.ts';
import { serverDestination } from '../destination.ts';
import { MemoryOutbox } from '../outbox-memory.ts';
import { startLine } from './line.ts';
import { arrived, destinationOf, deviceId, ID, membersIn, termsOf, Visitors } from './runs.ts';
import { hasSftpServer, startSftpServer } from './sftp-server.ts';

const running: FileRunner[] = [];
afterEach(async () => {
  for (const runner of running.splice(0)) await runner.close();
});

function workbench(transfer: Partial<FileTransfer> = {}) {
  const base = temporaryFolder();
  const work = path.join(temporaryFolder(), 'work');
  const visitors = new Visitors();
  const given = {
    destination: destinationOf({ target: { kind: 'folder', path: '' }, ...transfer }),
  };
  const start = (change: Partial<FileRunnerOptions> = {}) => {
    const reports: RunReport[] = [];
    const outbox = new MemoryOutbox(visitors.memory);
    const runner = new FileRunner({
      ...{ id: ID, outbox, folder: work, retry: { first: 10, longest: 20 } },
      terms: () => termsOf(given.destination),
      members: membersIn,
      unreadable: () => {},
      open: (target) => openTarget(target, { folder: base, allowPrivate: true }),
      dueAfter: async (now) => now,
      report: async (report) => {
        reports.push(report);
      },
      ...change,
    });
    running.push(runner);
    runner.start();
    const completed = () => reports.filter(({ state }) => state === 'complete');
    return { runner, reports, completed, outbox };
  };
  const shelf = {
    names: () => fs.readdirSync(base),
    read: (name: string) => fs.readFileSync(path.join(base, name)),
  };
  return { visitors, given, start, shelf };
}

/** The destination's target. */
const TO_FOLDER = { target: { kind: 'folder', path: '' } } as const;
const DAY = 86_400_000;
const MIDNIGHT = Date.UTC(2026, 6, 4);

describe('a run is made', () => {
  it('when it is asked for, and not else where there is no schedule', async () => {
    const { visitors, start, shelf } = workbench();
    const lines = visitors.stir(10);
    const { runner, reports, completed } = start({ dueAfter: async () => 0 });
    await until('the lease', () => visitors.memory.leases.has(`queue:${ID}`));
    expect(reports).toEqual([]);
    runner.run();
    await until('a run', () => completed().length === 1);
    expect(arrived(shelf).map((set) => set.lines)).toEqual([lines]);
    expect(reports.map(({ state }) => state)).toEqual(['running', 'complete']);
    expect(reports[1]).toMatchObject({ run: { mode: 'iter', files: [{ lines: 10 }] } });
  });

  it('when the schedule says so, once', async () => {
    const { visitors, start } = workbench({ schedule: '@daily' });
    visitors.stir(10);
    // Midnight is near.
    const started = performance.now();
    const now = () => Math.floor(MIDNIGHT - 300 + performance.now() - started);
    const { completed, reports } = start({ now });
    await until('a run', () => completed().length === 1);
    const [{ at }] = reports as { at: number }[];
    expect(at).toBeGreaterThanOrEqual(MIDNIGHT);
    expect(reports).toHaveLength(2);
  });

  it('when one was missed, at once', async () => {
    const { start } = workbench({ schedule: '@daily' });
    const now = () => MIDNIGHT + DAY / 2;
    const { completed } = start({ now, dueAfter: async () => MIDNIGHT - DAY / 2 });
    await until('a run', () => completed().length === 1);
  });

  it('when the first one was missed, too, but not for times before the destination was there', async () => {
    const { visitors, given, start } = workbench({ schedule: '0 3 1 * *' });
    visitors.stir(10);
    const registry = new RegistryFile(temporaryFolder());
    /** A process that has just started, at its own time. */
    const startAt = async (time: number) => {
      let isAsked = false;
      const started = start({
        now: () => time,
        dueAfter: (now) =>
          dueAfter(registry, ID, now).finally(() => {
            isAsked = true;
          }),
      });
      await until('the question', () => isAsked);
      return started;
    };
    const close = async ({ runner, reports }: Awaited<ReturnType<typeof startAt>>) => {
      // What is due begins at once.
      await pause(200);
      expect(reports).toEqual([]);
      await runner.close();
    };
    try {
      await close(await startAt(Date.UTC(2026, 6, 15)));
      given.destination = destinationOf({ ...TO_FOLDER, schedule: '0 3 10 * *' });
      await close(await startAt(Date.UTC(2026, 6, 20)));
      given.destination = destinationOf({ ...TO_FOLDER, schedule: '0 3 1 * *' });
      await close(await startAt(Date.UTC(2026, 7, 1, 2, 59)));
      const { completed } = await startAt(Date.UTC(2026, 7, 1, 3, 1));
      await until('a run', () => completed().length === 1);
    } finally {
      await registry.close();
    }
  });

  it('when the destination is switched on and gets a schedule', async () => {
    const { visitors, given, start } = workbench();
    given.destination = { ...given.destination, active: false };
    const dueAfter = async () => 0;
    const { runner, completed, reports } = start({ dueAfter });
    await until('the lease', () => visitors.memory.leases.has(`queue:${ID}`));
    runner.run();
    expect(reports).toEqual([]);
    given.destination = destinationOf({
      target: { kind: 'folder', path: '' },
      schedule: '@daily',
    });
    runner.wake();
    await until('a run', () => completed().length === 1);
  });

  it('by one process, and by another one once that is gone', async () => {
    const { visitors, start, shelf } = workbench();
    const first = start();
    await until('the lease', () => visitors.memory.leases.has(`queue:${ID}`));
    const second = start();
    visitors.stir(5);
    second.runner.run();
    first.runner.run();
    await until('a run', () => first.completed().length === 1);
    await first.runner.close();
    visitors.stir(5);
    await until(
      'the lease',
      () => visitors.memory.leases.get(`queue:${ID}`)?.process === second.outbox,
    );
    second.runner.run();
    await until('a run', () => second.completed().length === 1);
    expect(arrived(shelf)).toHaveLength(2);
  });
});

describe('while another process still sends in real time what is written to files now', () => {
  it('it waits for the queue, then tells all that was not sent', async () => {
    const { visitors, start, shelf } = workbench();
    for (let n = 0; n < 5; n++) visitors.move(n, [1]);
    const outbox = new MemoryOutbox(visitors.memory);
    const before = serverDestination({ endpointUrl: 'http://127.0.0.1:1/' }, { id: ID });
    const sender = new Sender({
      ...{ id: ID, outbox, region: 1, allowPrivate: true, retryHours: 24 },
      terms: () => ({
        ...termsOf(destinationOf(TO_FOLDER)),
        destinations: new Map([[ID, before]]),
      }),
      ...{ unreadable: () => {}, report: () => {}, tally: () => {} },
    });
    sender.start();
    const { sealed } = visitors.memory.queue(ID);
    await until('messages under way', () => visitors.memory.queue(ID).sealed !== sealed);
    const { runner, completed, reports } = start();
    expect(runner.run()).toBe(false);
    for (let n = 5; n < 10; n++) visitors.move(n, [1]);
    sender.wake();
    await until(
      'nothing that nobody has read',
      () => visitors.memory.queue(ID).unread.length === 0,
    );
    expect(reports).toEqual([]);
    await sender.close(0);
    await until('the lease', () => runner.run());
    await until('a run', () => completed().length > 0);
    const lines = Array.from({ length: 10 }, (_, n) => `${deviceId(n)} m1`);
    expect(arrived(shelf)[0].lines).toEqual(lines);
  });
});

describe('a lease that is lost in the middle of an upload', () => {
  it.skipIf(!hasSftpServer)(
    'breaks it off before another one goes on, whose files stay whole',
    async () => {
      const server = await startSftpServer();
      const line = await startLine(server.target.port);
      try {
        const { visitors, start } = workbench();
        const lines = visitors.stir(20_000);
        // So that another file follows from more lines, not a longer one.
        const to = (port: number) =>
          destinationOf({ target: { ...server.target, port }, compress: true });
        const puts: Promise<unknown>[] = [];
        const first = start({
          terms: () => termsOf(to(line.port)),
          open: async (target, signal) => {
            const opened = await openTarget(target, { folder: '', allowPrivate: true, signal });
            const put = (file: string, name: string) => {
              const own = opened.put(file, name);
              puts.push(own);
              return own;
            };
            return { put, close: () => opened.close() };
          },
        });
        line.breakAfter(50_000, 'held');
        first.runner.run();
        await until('an upload under way', () => line.broken === 1);
        first.outbox.problem = 'Redis is away';
        // On another machine.
        const second = start({
          terms: () => termsOf(to(server.target.port)),
          folder: path.join(temporaryFolder(), 'work'),
          open: (target) => openTarget(target, { folder: '', allowPrivate: true }),
        });
        lines.push(...visitors.stir(10));
        await expect(puts[0]).rejects.toThrow('broken off');
        const holder = visitors.memory.leases.get(`queue:${ID}`)?.process;
        expect(holder).toBe(first.outbox);
        await until('a run', () => second.completed().length === 1, 30_000);
        // What the first one had sent arrives only now.
        line.heal();
        await until('the end of the line', () => line.open === 0);
        const names = () => fs.readdirSync(server.folder);
        const read = (name: string) => fs.readFileSync(path.join(server.folder, name));
        expect(arrived({ names, read }).map((set) => set.lines)).toEqual([lines]);
        expect(first.completed()).toEqual([]);
      } finally {
        await line.stop();
        await server.stop();
      }
    },
  );
});

describe('a run that fails', () => {
  it('is tried again until the target takes files; the next one waits', async () => {
    const { visitors, start, shelf } = workbench({ schedule: '@daily' });
    const lines = visitors.stir(10);
    let tries = 0;
    const base = temporaryFolder();
    const { runner, completed, reports } = start({
      open: async () => {
        if (++tries < 6) throw new TargetError('the partner is down');
        return await openTarget({ kind: 'folder', path: '' }, { folder: base, allowPrivate: true });
      },
    });
    runner.run();
    await until('a run', () => completed().length === 1);
    expect(shelf.names()).toEqual([]);
    const failed = reports.filter(({ state }) => state === 'failing');
    expect(failed).toHaveLength(5);
    for (const report of failed) expect(report).toMatchObject({ problem: 'the partner is down' });
    const sets = arrived({
      names: () => fs.readdirSync(base),
      read: (name) => fs.readFileSync(path.join(base, name)),
    });
    expect(sets.map((set) => set.lines)).toEqual([lines]);
  });

  it('goes where the destination says now', async () => {
    const { visitors, given, start, shelf } = workbench({
      target: {
        ...{ kind: 'sftp', host: '127.0.0.1', port: 1, user: 'us', path: '/in' },
        ...{ hostKeys: [], password: 'secret', privateKey: undefined, passphrase: undefined },
      },
    });
    visitors.stir(10);
    const { runner, completed, reports } = start();
    runner.run();
    await until('a failure', () => reports.some(({ state }) => state === 'failing'));
    expect(JSON.stringify(reports)).toContain('127.0.0.1:1 cannot be used');
    expect(JSON.stringify(reports)).not.toContain('secret');
    given.destination = destinationOf({ target: { kind: 'folder', path: '' } });
    runner.wake();
    await until('a run', () => completed().length === 1);
    expect(arrived(shelf)).toHaveLength(1);
  });

  it('because of the store goes on when that is there again', async () => {
    const { visitors, start, shelf } = workbench();
    const lines = visitors.stir(5_000);
    const { runner, completed, reports, outbox } = start({
      pace: async () => {
        if (outbox.memory.queue(ID).sealed.length === 1) outbox.problem ??= 'Redis is away';
      },
    });
    runner.run();
    await until('a failure', () => reports.some(({ state }) => state === 'failing'));
    expect(reports.at(-1)).toMatchObject({ problem: 'Redis is away' });
    outbox.problem = '';
    await until('a run', () => completed().length === 1);
    expect(arrived(shelf).flatMap((set) => set.lines)).toEqual(lines);
  });
});
