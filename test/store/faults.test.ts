/** Real servers that are killed, stopped, and run out of space. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { segmentsIn } from '../../src/store/embedded/log.ts';
import { type RunningServer, type ServerOptions, startServer, temporaryFolder } from '../server.ts';
import { countOf, device, openEmbedded, visitOf } from './workbench.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const HOME = 1;
const account = {
  dataSources: [1, 2, 3, 4].map((dataSourceId) => ({
    dataSourceId,
    name: `Source ${dataSourceId}`,
  })),
  folders: [],
  traits: [
    {
      sid: HOME,
      name: 'Came to the home page',
      traitType: 'RULE_BASED_TRAIT',
      traitRule: 'c_page == "home"',
      dataSourceId: 1,
    },
  ],
  segments: [],
  destinations: [],
  sites: [{ siteId: 1, name: 'Shop', domains: ['shop.test'] }],
};

const running: RunningServer[] = [];
async function start(options: ServerOptions = {}): Promise<RunningServer> {
  const server = await startServer({
    account,
    ...options,
    environment: { MAX_CALLS_PER_ID: '0', ...options.environment },
  });
  running.push(server);
  return server;
}
afterAll(async () => {
  for (const { process: child } of running) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something is so. */
async function until(what: string, condition: () => unknown, ms = 15_000): Promise<void> {
  for (const end = Date.now() + ms; !(await condition()); await pause(20)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}

interface Answer {
  readonly errors: string;
  readonly milliseconds: number;
}

async function call({ origin }: RunningServer, n: number, more = ''): Promise<Answer> {
  const begin = performance.now();
  const response = await fetch(
    `${origin}/event?d_uuid=${device(n)}&c_page=home&d_rtbd=json${more}`,
  );
  await response.arrayBuffer();
  expect(response.status).toBe(200);
  const errors = response.headers.get('x-error') ?? '';
  return { errors, milliseconds: performance.now() - begin };
}

/** How often a visitor came to the home page, as the server knows it. */
async function countAt({ origin }: RunningServer, n: number): Promise<number> {
  const response = await fetch(`${origin}/v1/trace`, {
    method: 'POST',
    headers: { Authorization: 'Bearer test-token' },
    body: JSON.stringify({ url: '/event?c_page=other', uuid: device(n) }),
  });
  const { traits } = (await response.json()) as { traits: { sid: number; count: number }[] };
  return traits.find(({ sid }) => sid === HOME)?.count ?? 0;
}

const readiness = async ({ origin }: RunningServer) => {
  const response = await fetch(`${origin}/readyz`);
  return { status: response.status, text: await response.text() };
};

/** Calls in an endless stream until told to stop; counts what was answered for, by visitor. */
function load(server: RunningServer, visitors: number, parallel = 16) {
  const sent = Array<number>(visitors).fill(0);
  const acknowledged = Array<number>(visitors).fill(0);
  let stopped = false;
  const one = async (k: number) => {
    for (let i = k; !stopped; i++) {
      const n = i % visitors;
      sent[n]++;
      try {
        if ((await call(server, n)).errors === '') acknowledged[n]++;
      } catch {
        // The server is gone.
        return;
      }
    }
  };
  const ended = Promise.all(Array.from({ length: parallel }, (_, k) => one(k)));
  return {
    sent,
    acknowledged,
    async stop() {
      stopped = true;
      await ended;
    },
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

describe.concurrent('a server that is killed', () => {
  it('during load has kept every realization that it answered for', async () => {
    let server = await start();
    const kept = Array<number>(10).fill(0);
    const sent = Array<number>(10).fill(0);
    for (let round = 0; round < 3; round++) {
      const loading = load(server, 10);
      await until('there is load', () => sum(loading.acknowledged) > 300);
      await server.stop('SIGKILL');
      await loading.stop();
      server = await start({ folder: server.folder });
      for (let n = 0; n < 10; n++) {
        const count = await countAt(server, n);
        // What was sent and not answered may have been kept, too.
        expect(count).toBeGreaterThanOrEqual(kept[n] + loading.acknowledged[n]);
        expect(count).toBeLessThanOrEqual(sent[n] + loading.sent[n]);
        sent[n] += loading.sent[n];
        kept[n] = count;
      }
    }
    await server.stop();
  });

  it('with FSYNC=always, too', async () => {
    const environment = { FSYNC: 'always' };
    const server = await start({ environment });
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => call(server, i % 3)));
    expect(answers.map(({ errors }) => errors)).toEqual(Array(100).fill(''));
    for (let i = 0; i < 10; i++) await call(server, 0);
    await server.stop('SIGKILL');
    const again = await start({ folder: server.folder, environment });
    expect(await Promise.all([0, 1, 2].map((n) => countAt(again, n)))).toEqual([44, 33, 33]);
    await again.stop();
  });
});

describe.concurrent('a server', () => {
  it('counts 200 calls for one visitor at the same instant', async () => {
    const server = await start();
    const answers = await Promise.all(Array.from({ length: 200 }, () => call(server, 1)));
    expect(answers.filter(({ errors }) => errors !== '')).toEqual([]);
    expect(await countAt(server, 1)).toBe(200);
    await server.stop();
    const again = await start({ folder: server.folder });
    expect(await countAt(again, 1)).toBe(200);
    await again.stop();
  });

  it('that ends on request keeps what it has been sent', async () => {
    const server = await start();
    const calls = Promise.allSettled(Array.from({ length: 100 }, () => call(server, 1)));
    await pause(15);
    await server.stop('SIGTERM');
    const answered = (await calls).filter(
      (result) => result.status === 'fulfilled' && result.value.errors === '',
    ).length;
    const again = await start({ folder: server.folder });
    expect(await countAt(again, 1)).toBeGreaterThanOrEqual(answered);
    await again.stop();
  });
});

describe.concurrent('two servers with one folder', () => {
  it('count together, and one goes on when the other is killed', async () => {
    const one = await start();
    const other = await start({ folder: one.folder });
    const together = Promise.all(
      Array.from({ length: 200 }, (_, i) => call(i % 2 ? one : other, 42)),
    );
    expect((await together).filter(({ errors }) => errors !== '')).toEqual([]);
    expect(await countAt(one, 42)).toBe(200);
    expect(await countAt(other, 42)).toBe(200);

    const loads = [load(one, 5, 8), load(other, 5, 8)];
    await until('there is load', () => loads.every(({ acknowledged }) => sum(acknowledged) > 300));
    await other.stop('SIGKILL');
    const before = sum(loads[0].acknowledged);
    await until('the other goes on', () => sum(loads[0].acknowledged) > before + 200);
    for (const { stop } of loads) await stop();
    for (let n = 0; n < 5; n++) {
      const count = await countAt(one, n);
      expect(count).toBeGreaterThanOrEqual(loads[0].acknowledged[n] + loads[1].acknowledged[n]);
      expect(count).toBeLessThanOrEqual(loads[0].acknowledged[n] + loads[1].sent[n]);
    }
    await one.stop();
  });

  it('do not wait for each other: one that is stopped slows nobody', async () => {
    const one = await start();
    const other = await start({ folder: one.folder });
    const loading = load(other, 5, 8);
    await until('there is load', () => sum(loading.acknowledged) > 100);
    other.process.kill('SIGSTOP');
    const answers: Answer[] = [];
    for (let i = 0; i < 300; i++) answers.push(await call(one, 1));
    expect(answers.filter(({ errors }) => errors !== '')).toEqual([]);
    const times = answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
    expect(times[150]).toBeLessThan(50);
    other.process.kill('SIGCONT');
    await loading.stop();
    expect(await countAt(other, 1)).toBe(300 + loading.acknowledged[1]);
    expect(await countAt(one, 1)).toBe(300 + loading.acknowledged[1]);
    await one.stop();
    await other.stop();
  });
});

/** Fills a segment of a real server: calls with many long ids. */
async function fillSegment(server: RunningServer): Promise<number> {
  const logFolder = path.join(server.folder, 'log');
  const begin = segmentsIn(logFolder).at(-1) as number;
  let calls = 0;
  while ((segmentsIn(logFolder).at(-1) as number) === begin) {
    await Promise.all(
      Array.from({ length: 25 }, () => {
        const ids = [1, 1, 1, 2, 2, 2, 3, 3, 3]
          .map((source) => `&d_cid=${source}%01${`${++made}`.padStart(500, 'x')}`)
          .join('');
        return call(server, calls++ % 400, ids);
      }),
    );
  }
  return calls;
}
let made = 0;

/** The process that folds for a server. */
function foldOf(server: RunningServer): number | undefined {
  const { pid } = server.process;
  const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  return children.map(Number).find((child) => {
    try {
      return child && fs.readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('fold.ts');
    } catch {
      return false;
    }
  });
}

async function caughtFold(server: RunningServer, signal: NodeJS.Signals): Promise<number> {
  const logFolder = path.join(server.folder, 'log');
  for (const end = Date.now() + 15_000; Date.now() < end; await pause(2)) {
    const fold = foldOf(server);
    if (fold === undefined || segmentsIn(logFolder).length < 2) continue;
    // Not at its very start: while it reads, or writes.
    await pause(80);
    try {
      process.kill(fold, signal);
      return fold;
    } catch {}
  }
  throw new Error('no fold was seen');
}

const expectCounts = async (server: RunningServer, calls: number) => {
  for (const n of [0, 1, 199, 399]) {
    expect(await countAt(server, n)).toBe(Math.floor(calls / 400) + (calls % 400 > n ? 1 : 0));
  }
};

/** A program that is given as text. */
const inline = (program: string) =>
  spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });

describe.skipIf(process.platform !== 'linux').concurrent('the program that folds', () => {
  it('may be killed: another one does its work', async () => {
    const server = await start();
    const calls = await fillSegment(server);
    await caughtFold(server, 'SIGKILL');
    await expectCounts(server, calls);
    await until(
      'the segment is folded',
      () => segmentsIn(path.join(server.folder, 'log')).length === 1,
      20_000,
    );
    await until('the server is ready', async () => (await readiness(server)).status === 200);
    await expectCounts(server, calls);
    await server.stop('SIGKILL');
    const again = await start({ folder: server.folder });
    await expectCounts(again, calls);
    await again.stop();
  });

  it('may be stopped: pages are answered, and servers start', async () => {
    const server = await start();
    const calls = await fillSegment(server);
    const fold = await caughtFold(server, 'SIGSTOP');
    try {
      for (let i = 0; i < 50; i++) expect((await call(server, 1_000)).errors).toBe('');
      const second = await start({ folder: server.folder });
      await expectCounts(second, calls);
      expect((await call(second, 1_000)).errors).toBe('');
      await second.stop();
    } finally {
      try {
        process.kill(fold, 'SIGCONT');
      } catch {}
    }
    await until(
      'the segment is folded',
      () => segmentsIn(path.join(server.folder, 'log')).length === 1,
    );
    await expectCounts(server, calls);
    expect(await countAt(server, 1_000)).toBe(51);
    await server.stop();
  });

  it('may be killed while it commits: a process that closes the base does not hang', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const base = JSON.stringify(path.join(temporaryFolder(), 'base'));
        const begin = `import { Base } from '${root}src/store/embedded/base.ts'; const base = new Base(${base}, 'write');`;
        const server = inline(`${begin} console.log('open');
          process.stdin.once('data', async () => { await base.root.close(); process.exit(7); });`);
        await once(server.stdout, 'data');
        const fold = inline(`${begin} console.log('open');
          for (let i = 0; ; i++) base.root.transactionSync(() => { base.folded = i; });`);
        await once(fold.stdout, 'data');
        await pause(100 + 17 * i);
        fold.kill('SIGKILL');
        await once(fold, 'exit');
        const ended = once(server, 'exit');
        server.stdin.write('close');
        const outcome = await Promise.race([ended.then(([code]) => code), pause(3_000)]);
        server.kill('SIGKILL');
        return outcome ?? 'hangs';
      }),
    );
    expect(outcomes).toEqual(Array(6).fill(7));
  });

  it('may hold the lock of the base for ever: servers start, and answer', async () => {
    const first = await start();
    await call(first, 1);
    await first.stop();
    const base = JSON.stringify(path.join(first.folder, 'base'));
    const holder = inline(
      `import { Base } from '${root}src/store/embedded/base.ts';
       new Base(${base}, 'write').root.transactionSync(() => {
         console.log('held');
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 90_000);
       });`,
    );
    try {
      await once(holder.stdout, 'data');
      const server = await Promise.race([
        start({ folder: first.folder }),
        pause(30_000).then(() => {
          throw new Error('the server does not start while the lock is held');
        }),
      ]);
      expect((await call(server, 1)).errors).toBe('');
      expect(await countAt(server, 1)).toBe(2);
      await server.stop();
    } finally {
      holder.kill('SIGKILL');
    }
  });
});

/** Pages are answered, the operator is told, and afterwards everything is there once. */
async function expectFaultSurvived(server: RunningServer, fill: () => void, free: () => void) {
  for (let i = 0; i < 5; i++) expect((await call(server, 1)).errors).toBe('');
  fill();
  const answers = await Promise.all(Array.from({ length: 40 }, () => call(server, 1)));
  for (const { errors } of answers) expect(errors).toBe('200');
  const times = answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  expect(times[20]).toBeLessThan(1_000);
  const { status, text } = await readiness(server);
  expect(status).toBe(503);
  expect(text).toMatch(/the log cannot be written: .*(ENOSPC|EFBIG|only a part)/);
  free();
  await until('the server is ready', async () => (await readiness(server)).status === 200);
  expect((await call(server, 1)).errors).toBe('');
  expect(await countAt(server, 1)).toBe(46);
  await server.stop('SIGKILL');
  const store = openEmbedded(server.folder);
  expect(countOf((await store.look(visitOf(device(1)))).profile, HOME)).toBe(46);
  await store.close();
}

const environment = { DEADLINE_MS: '100' };

function mounted(): string | undefined {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    console.warn('Skipped: a full disk, since this user may not mount a tmpfs; run as root');
    return undefined;
  }
}
const disk = mounted();
afterAll(() => {
  if (disk) execFileSync('umount', ['-l', disk], { stdio: 'ignore' });
});

describe.concurrent('a disk that takes no more', () => {
  it.skipIf(!disk)('since it is full', async () => {
    const server = await start({ folder: disk, environment });
    const ballast = path.join(disk as string, 'ballast');
    await expectFaultSurvived(
      server,
      () => {
        const file = fs.openSync(ballast, 'w');
        try {
          for (;;) fs.writeSync(file, new Uint8Array(4_096));
        } catch {}
        fs.closeSync(file);
        // What is left of the log's last page is soon full, too.
        const log = path.join(disk as string, 'log', '0000000001.log');
        try {
          for (;;) fs.appendFileSync(log, Uint8Array.of(0));
        } catch {}
      },
      () => fs.rmSync(ballast),
    );
  });

  it.skipIf(process.platform !== 'linux')('since a file may not grow', async () => {
    const server = await start({ environment });
    const limit = (size: number | 'unlimited') =>
      execFileSync('prlimit', ['--pid', `${server.process.pid}`, `--fsize=${size}:`]);
    await expectFaultSurvived(
      server,
      // In the middle of the next frame.
      () => limit(fs.statSync(path.join(server.folder, 'log', '0000000001.log')).size + 30),
      () => limit('unlimited'),
    );
  });
});

interface Told {
  readonly counts: number[][];
  readonly others: number[][];
  readonly problem?: string;
}

function visitAtRandom(options: object): { child: ChildProcess; told: Promise<Told> } {
  const program = path.join(root, 'test/store/stress-visits.ts');
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let complaint = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  const told = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`a process ended with ${code}: ${complaint}`);
    return JSON.parse(output);
  });
  told.catch(() => {});
  return { child, told };
}

async function expectStress(
  { segmentSize, idle }: { segmentSize: number; idle?: number },
  during = async (_: ChildProcess[]) => {},
) {
  const folder = temporaryFolder();
  const visitors = 60;
  const processes = Array.from({ length: 3 }, (_, p) =>
    visitAtRandom({ folder, segmentSize, visitors, milliseconds: 1_500, idle: p === 2 ? idle : 0 }),
  );
  await during(processes.map(({ child }) => child));
  const told = await Promise.race([
    Promise.all(processes.map(({ told }) => told)),
    pause(15_000).then(() => {
      for (const { child } of processes) child.kill('SIGKILL');
      throw new Error('a process does not end');
    }),
  ]);
  expect(told.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
  const store = openEmbedded(folder);
  for (let n = 0; n < visitors; n++) {
    const seen = told.flatMap(({ counts }) => counts[n]).sort((a, b) => a - b);
    const { profile } = await store.look(visitOf(device(n)));
    // Nothing is lost and nothing counts twice, in what is kept and in what was decided with.
    expect(countOf(profile, 1), 'kept').toBe(seen.length);
    for (const other of [0, 1, 2]) {
      expect(countOf(profile, 10 + other)).toBe(sum(told.map(({ others }) => others[n][other])));
    }
    expect(seen, 'seen').toEqual(Array.from({ length: seen.length }, (_, i) => i + 1));
    expect(seen.length).toBeGreaterThan(10);
  }
  await store.close();
  return sum(told.flatMap(({ counts }) => counts.map((c) => c.length)));
}

describe('three processes that visit at random, while segments are folded', () => {
  it('count every visit once, also where one has nothing to do now and then', async () => {
    await expectStress({ segmentSize: 20_000, idle: 1_000 });
  });

  it('also where one is stopped for a while', async () => {
    await expectStress({ segmentSize: 20_000 }, async ([first]) => {
      await pause(500);
      first.kill('SIGSTOP');
      await pause(1_300);
      first.kill('SIGCONT');
    });
  });
});
