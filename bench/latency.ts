/** `npm run bench:latency`: how long pages wait at given rates, by an open-loop generator. */
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import type { Histogram } from 'hdr-histogram-js';
import { SMALL } from './account.ts';
import { bench, startRedis, startSwitchyard } from './contender.ts';
import { isLocal, openLoop } from './generator.ts';
import { latencyPicture } from './picture.ts';

const HELP = `npm run bench:latency -- [options]

  --rate LIST       requests a second, one run for each (default 1000,4000,8000)
  --duration N      seconds of each run, at most 120 (default 10)
  --connections N   connections, at most 1000 (default 64)
  --visitors N      visitors (default 20000)
  --url ORIGIN      a server that runs on this machine already; otherwise one is started
  --store NAME      of the one that is started: embedded (default) or redis
  --workers N       of the one that is started (default 1)
  --picture FILE    draws the latency curves (SVG)
  --help            this text
`;

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000,4000,8000' },
    duration: { type: 'string', default: '10' },
    connections: { type: 'string', default: '64' },
    visitors: { type: 'string', default: '20000' },
    url: { type: 'string' },
    store: { type: 'string', default: 'embedded' },
    workers: { type: 'string', default: '1' },
    picture: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function number(name: string, text: string, highest: number): number {
  const value = Number(text);
  if (value > 0 && value <= highest) return value;
  throw new Error(`--${name}: write a number from 1 to ${highest}, not ${text}`);
}

async function run(): Promise<void> {
  const rates = values.rate.split(',').map((rate) => number('rate', rate, 200_000));
  const plan = {
    origin: values.url ?? (await start()),
    seconds: number('duration', values.duration, 120),
    connections: number('connections', values.connections, 1_000),
    visitors: number('visitors', values.visitors, 1_000_000),
  };
  if (!isLocal(plan.origin)) {
    throw new Error('--url: only servers of this machine are loaded; write http://127.0.0.1:PORT');
  }
  // Every visitor has been here before, and every path is warm.
  await openLoop({ ...plan, rate: rates[0], seconds: 5 });
  console.log(
    '    rate     p50     p90     p99   p99.9     max  answered    late  errors  generator late by',
  );
  const curves: { name: string; latency: Histogram }[] = [];
  for (const rate of rates) {
    const { latency, lag, answers, late, errors } = await openLoop({ ...plan, rate });
    curves.push({ name: `${rate}/s`, latency });
    const quantiles = [50, 90, 99, 99.9].map((p) => latency.getValueAtPercentile(p));
    const columns = [rate, ...[...quantiles, latency.maxValue].map(inMilliseconds)];
    console.log(
      `${columns.map((text) => String(text).padStart(8)).join('')}` +
        `${String(answers).padStart(10)}${String(late).padStart(8)}${String(errors).padStart(8)}` +
        `  p99 ${inMilliseconds(lag.getValueAtPercentile(99))}, max ${inMilliseconds(lag.maxValue)}`,
    );
  }
  console.log('Milliseconds, from the moment on which a request was to leave.');
  if (!values.picture) return;
  fs.writeFileSync(values.picture, latencyPicture(curves));
  console.log(`Drawn in ${values.picture}`);
}

async function start(): Promise<string> {
  const environment: Record<string, string> = { WORKERS: values.workers };
  if (values.store === 'redis') environment.REDIS_URL = (await startRedis()).url;
  return (await startSwitchyard('Switchyard', SMALL, 9301, environment)).origin;
}

const inMilliseconds = (microseconds: number) => (microseconds / 1_000).toFixed(2);

if (values.help) console.log(HELP);
else await bench(run);
