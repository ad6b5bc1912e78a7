/**
 * `npm run bench`: a full visit, on the embedded store or Redis, against a fixed answer through the same Hono and
 * adapter. Both run at once, are loaded in turn (A B B A, several rounds), and only their ratio is
 * reported: it carries over to other machines, requests a second do not.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { benchAccount, HEADERS, LIMITS, queryOf, type Size, SMALL, visitorOf } from './account.ts';

const HELP = `npm run bench -- [options]

  --rounds N        rounds of A B B A (default 4)
  --duration N      seconds of each measurement (default 4)
  --connections N   connections (default 64)
  --visitors N      returning visitors (default 20000)
  --store NAME      embedded (default) or redis: a redis-server of its own, without persistence
  --limits          instead: an account at the field's limits against one with 10 of each
  --help            this text
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' },
    duration: { type: 'string', default: '4' },
    connections: { type: 'string', default: '64' },
    visitors: { type: 'string', default: '20000' },
    store: { type: 'string', default: 'embedded' },
    limits: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

interface Contender {
  readonly name: string;
  readonly origin: string;
  readonly pid: number;
  readonly stop: () => void;
}

/** What one measurement gives: requests a second, and seconds of the server's CPU for each. */
interface Measurement {
  readonly rate: number;
  readonly cpu: number;
}

const micro = (seconds: number) => `${(seconds * 1e6).toFixed(0)} µs`;
const k = (rate: number) => `${(rate / 1000).toFixed(1)}k`;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'switchyard-bench-'));
const contenders: Contender[] = [];
const REDIS_PORT = 9303;

if (values.help) console.log(HELP);
else {
  try {
    await run();
  } finally {
    for (const { stop } of contenders) stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function run(): Promise<void> {
  if (values.store === 'redis') startRedis();
  const ours = await startSwitchyard('Switchyard', values.limits ? LIMITS : SMALL, 9301);
  const [size, other] = values.limits
    ? (['at the limits / 10 of each', await startSwitchyard('10 of each', SMALL, 9302)] as const)
    : (['full visit / fixed answer', await startBaseline(ours, 9302)] as const);
  // Every visitor has been here before, and every path is warm.
  for (const contender of [ours, other]) await measure(contender, 3);
  const ratios: number[] = [];
  const figures: Record<string, Measurement[]> = { [ours.name]: [], [other.name]: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    const sums = { [ours.name]: 0, [other.name]: 0 };
    for (const contender of [ours, other, other, ours]) {
      const measurement = await measure(contender, Number(values.duration));
      sums[contender.name] += measurement.rate;
      figures[contender.name].push(measurement);
    }
    ratios.push(sums[ours.name] / sums[other.name]);
    console.log(`round ${round + 1}: ratio ${ratios[round].toFixed(2)}`);
  }
  for (const { name, pid } of [ours, other]) {
    const rates = figures[name].map(({ rate }) => rate);
    const cpu = figures[name].map(({ cpu }) => cpu);
    console.log(
      `${name.padEnd(14)} ${k(Math.min(...rates))} to ${k(Math.max(...rates))} requests/s, ` +
        `${micro(Math.min(...cpu))} to ${micro(Math.max(...cpu))} of CPU each, ` +
        `${Math.round(residentMegabytes(pid))} MB`,
    );
  }
  const mean = ratios.reduce((sum, r) => sum + r, 0) / ratios.length;
  console.log(
    `${size}: ${mean.toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
  );
}

async function measure(contender: Contender, duration: number): Promise<Measurement> {
  const { name, origin, pid } = contender;
  const visitors = Number(values.visitors);
  const before = cpuSeconds(pid);
  let n = 0;
  const result = await autocannon({
    url: origin,
    connections: Number(values.connections),
    duration,
    requests: [
      {
        method: 'GET',
        setupRequest: (request) => {
          n = (n + 7_919) % visitors;
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
  const cpu = (cpuSeconds(pid) - before) / result.requests.total;
  return { rate: result.requests.average, cpu };
}

/** CPU time that a process has used, by Linux; elsewhere NaN. */
function cpuSeconds(pid: number): number {
  if (!fs.existsSync(`/proc/${pid}/stat`)) return Number.NaN;
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function startSwitchyard(name: string, size: Size, port: number): Promise<Contender> {
  const data = path.join(folder, String(port));
  fs.mkdirSync(data);
  const account = path.join(data, 'bench-account.json');
  fs.writeFileSync(account, JSON.stringify(benchAccount(size)));
  const environment = {
    PORT: String(port),
    DATA_DIR: data,
    ACCOUNT_FILE: account,
    MAX_CALLS_PER_ID: '0',
    ...(values.store === 'redis'
      ? { REDIS_URL: `redis://127.0.0.1:${REDIS_PORT}`, REDIS_PREFIX: `${port}:` }
      : {}),
  };
  return startProcess(name, 'src/node.ts', port, environment);
}

function startRedis(): void {
  const settings = ['--port', String(REDIS_PORT), '--bind', '127.0.0.1', '--dir', folder];
  const child = spawn('redis-server', [...settings, '--save', '', '--appendonly', 'no'], {
    stdio: 'ignore',
  });
  contenders.push({
    name: 'Redis',
    origin: '',
    pid: child.pid as number,
    stop: () => child.kill('SIGKILL'),
  });
}

async function startBaseline(ours: Contender, port: number): Promise<Contender> {
  // A body as long as a real one.
  const response = await fetch(`${ours.origin}/event?${queryOf(0)}`, { headers: HEADERS });
  return startProcess('fixed answer', 'bench/baseline.ts', port, {
    PORT: String(port),
    BODY: await response.text(),
  });
}

async function startProcess(
  name: string,
  program: string,
  port: number,
  environment: Record<string, string>,
): Promise<Contender> {
  const child = spawn(process.execPath, [program], {
    cwd: new URL('..', import.meta.url),
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const contender = {
    name,
    origin: `http://127.0.0.1:${port}`,
    pid: child.pid as number,
    stop: () => child.kill('SIGKILL'),
  };
  contenders.push(contender);
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text) => String(text).includes('listens on') && resolve());
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)));
  });
  return contender;
}

function residentMegabytes(pid: number): number {
  if (!fs.existsSync(`/proc/${pid}/status`)) return Number.NaN;
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
