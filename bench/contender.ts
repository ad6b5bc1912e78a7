/** What benchmarks start and load: servers as processes of their own, on fixed ports of 127.0.0.1. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import autocannon from 'autocannon';
import { benchAccount, HEADERS, queryOf, type Size, visitorOf } from './account.ts';

export interface Contender {
  readonly name: string;
  readonly origin: string;
  /** The processes that answer. */
  readonly pids: readonly number[];
}

/** What one measurement gives: requests a second, and seconds of the server's CPU for each. */
export interface Measurement {
  readonly rate: number;
  readonly cpu: number;
}

export interface Load {
  readonly connections: number;
  readonly seconds: number;
  readonly visitors: number;
}

/** A folder for everything that a benchmark writes. */
export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'switchyard-bench-'));
const children: ChildProcess[] = [];
const root = new URL('..', import.meta.url);
const REDIS_PORT = 9303;

/** Runs a benchmark, and ends whatever it has started. */
export async function bench(run: () => Promise<void>): Promise<void> {
  const end = () => {
    for (const child of children) child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true, force: true });
  };
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  process.once('exit', end);
  try {
    await run();
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
  process.exit(0);
}

/** Starts a process; it has started when it says so, or, where it says nothing, takes connections. */
export async function startProcess(
  name: string,
  command: string,
  args: readonly string[],
  environment: Record<string, string>,
  port: number,
): Promise<Contender> {
  const child = spawn(command, args, {
    cwd: root,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  let failure: string | undefined;
  child.once('error', (error) => {
    failure = `${name}: ${error.message}`;
  });
  child.once('exit', (code) => {
    failure ??= `${name} ended with ${code}`;
  });
  const origin = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const answers = await fetch(`${origin}/`).then(
      () => true,
      // What is no HTTP answer is one, too.
      ({ cause }) => cause?.code !== 'ECONNREFUSED',
    );
    if (failure) throw new Error(failure);
    if (answers) return { name, origin, pids: [child.pid as number] };
    if (tries === 300) throw new Error(`${name} does not answer`);
    await pause(100);
  }
}

/** A Redis without persistence. */
export async function startRedis(): Promise<Contender & { readonly url: string }> {
  const line = `--port ${REDIS_PORT} --bind 127.0.0.1 --dir ${folder} --loglevel warning`;
  const args = [...line.split(' '), '--save', '', '--appendonly', 'no'];
  const redis = await startProcess('Redis', 'redis-server', args, {}, REDIS_PORT);
  return { ...redis, url: `redis://127.0.0.1:${REDIS_PORT}` };
}

const CLUSTER_PORTS = [9321, 9322, 9323];

/** A Cluster of three primaries, without persistence. */
export async function startCluster(): Promise<{ readonly url: string }> {
  const members = CLUSTER_PORTS.map((port) => `127.0.0.1:${port}`);
  for (const port of CLUSTER_PORTS) {
    const line = `--port ${port} --bind 127.0.0.1 --dir ${folder} --loglevel warning --cluster-enabled yes`;
    const args = [...line.split(' '), '--cluster-config-file', `${port}.conf`, '--save', ''];
    await startProcess(`Redis on ${port}`, 'redis-server', args, {}, port);
  }
  const create = ['--cluster', 'create', ...members, '--cluster-replicas', '0', '--cluster-yes'];
  await promisify(execFile)('redis-cli', create, { timeout: 20_000 });
  // Each of them has to have heard of it.
  for (const port of CLUSTER_PORTS) {
    const asked = ['-p', String(port), 'cluster', 'info'];
    while (!(await promisify(execFile)('redis-cli', asked)).stdout.includes('cluster_state:ok'))
      await pause(100);
  }
  return { url: `redis+cluster://${members.join(',')}` };
}

export function startSwitchyard(
  name: string,
  size: Size,
  port: number,
  environment: Record<string, string> = {},
): Promise<Contender> {
  const data = path.join(folder, String(port));
  fs.mkdirSync(data);
  const account = path.join(data, 'bench-account.json');
  fs.writeFileSync(account, JSON.stringify(benchAccount(size)));
  return startNode(name, 'src/node.ts', port, {
    DATA_DIR: data,
    ACCOUNT_FILE: account,
    MAX_CALLS_PER_ID: '0',
    ...environment,
  });
}

/** A program of this project. */
export const startNode = (
  name: string,
  program: string,
  port: number,
  environment: Record<string, string>,
) => startProcess(name, process.execPath, [program], { PORT: String(port), ...environment }, port);

/** A body as long as a real one. */
export async function answerOf({ origin }: Contender): Promise<string> {
  const response = await fetch(`${origin}/event?${queryOf(0)}`, { headers: HEADERS });
  return response.text();
}

/** As many requests as it takes: each connection sends the next one when it has its answer. */
export async function saturate(contender: Contender, load: Load): Promise<Measurement> {
  const { name, origin } = contender;
  const before = cpuSeconds(contender);
  let n = 0;
  const result = await autocannon({
    url: origin,
    connections: load.connections,
    duration: load.seconds,
    requests: [
      {
        method: 'GET',
        setupRequest: (request) => {
          n = (n + 7_919) % load.visitors;
          request.path = `/event?${queryOf(n)}`;
          request.headers = { ...HEADERS, Cookie: `demdex=${visitorOf(n)}` };
          return request;
        },
      },
    ],
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${name}: ${result.non2xx} bad answers, ${result.errors} errors`);
  }
  const cpu = (cpuSeconds(contender) - before) / result.requests.total;
  return { rate: result.requests.average, cpu };
}

/** CPU time that a contender has used, by Linux; elsewhere NaN. */
export function cpuSeconds({ pids }: Contender): number {
  let ticks = 0;
  for (const pid of pids) {
    const file = `/proc/${pid}/stat`;
    if (!fs.existsSync(file)) return Number.NaN;
    const fields = fs.readFileSync(file, 'utf8').split(') ')[1].split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

/** The process that delivers for a server, by Linux; none elsewhere, or where there is nothing to send. */
export function delivererOf({ pids: [pid] }: Contender): Pick<Contender, 'pids'> {
  const list = `/proc/${pid}/task/${pid}/children`;
  const children = fs.existsSync(list) ? fs.readFileSync(list, 'utf8').trim().split(' ') : [];
  const delivers = (child: string) =>
    fs.readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('src/node.ts');
  return { pids: children.filter((child) => child && delivers(child)).map(Number) };
}

export function residentMegabytes({ pids }: Pick<Contender, 'pids'>): number {
  const sizes = pids.map((pid) => {
    const file = `/proc/${pid}/status`;
    if (!fs.existsSync(file)) return Number.NaN;
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(file, 'utf8'))?.[1]) / 1024;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

export const mean = (numbers: readonly number[]) =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** Lowest to highest. */
export const range = (numbers: readonly number[], show: (number: number) => string) =>
  `${show(Math.min(...numbers))} to ${show(Math.max(...numbers))}`;

export const inThousands = (rate: number) => `${(rate / 1000).toFixed(1)}k`;
export const inMicroseconds = (seconds: number) => (seconds * 1e6).toFixed(0);
