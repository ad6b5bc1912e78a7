/**
 * `npm run bench`: a full visit, on the embedded store or on Redis, against a fixed answer through the
 * same Hono and adapter. Both run at once, are loaded in turn (A B B A, several rounds), and only their
 * ratio is reported: it carries over to other machines, requests a second do not.
 */
import { parseArgs } from 'node:util';
import { LIMITS, SMALL } from './account.ts';
import {
  answerOf,
  bench,
  inMicroseconds,
  inThousands,
  type Measurement,
  mean,
  range,
  residentMegabytes,
  saturate,
  startNode,
  startRedis,
  startSwitchyard,
} from './contender.ts';

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

async function run(): Promise<void> {
  const load = {
    connections: Number(values.connections),
    seconds: Number(values.duration),
    visitors: Number(values.visitors),
  };
  const redis = values.store === 'redis' ? await startRedis() : undefined;
  const storeOf = (port: number): Record<string, string> =>
    redis ? { REDIS_URL: redis.url, REDIS_PREFIX: `${port}:` } : {};
  const size = values.limits ? LIMITS : SMALL;
  const ours = await startSwitchyard('Switchyard', size, 9301, storeOf(9301));
  const other = values.limits
    ? await startSwitchyard('10 of each', SMALL, 9302, storeOf(9302))
    : await startNode('fixed answer', 'bench/baseline.ts', 9302, { BODY: await answerOf(ours) });
  // Every visitor has been here before, and every path is warm.
  for (const contender of [ours, other]) await saturate(contender, { ...load, seconds: 3 });
  const ratios: number[] = [];
  const figures = new Map<string, Measurement[]>([
    [ours.name, []],
    [other.name, []],
  ]);
  for (let round = 0; round < Number(values.rounds); round++) {
    const sums = new Map<string, number>();
    for (const contender of [ours, other, other, ours]) {
      const measurement = await saturate(contender, load);
      sums.set(contender.name, (sums.get(contender.name) ?? 0) + measurement.rate);
      figures.get(contender.name)?.push(measurement);
    }
    ratios.push((sums.get(ours.name) ?? 0) / (sums.get(other.name) ?? 0));
    console.log(`round ${round + 1}: ratio ${ratios[round].toFixed(2)}`);
  }
  for (const contender of [ours, other]) {
    const measured = figures.get(contender.name) ?? [];
    const rates = measured.map(({ rate }) => rate);
    const cpu = measured.map(({ cpu }) => cpu);
    console.log(
      `${contender.name.padEnd(14)} ${range(rates, inThousands)} requests/s, ` +
        `${range(cpu, inMicroseconds)} µs of CPU each, ` +
        `${Math.round(residentMegabytes(contender))} MB`,
    );
  }
  const what = values.limits ? 'at the limits / 10 of each' : 'full visit / fixed answer';
  console.log(`${what}: ${mean(ratios).toFixed(2)} (${range(ratios, (r) => r.toFixed(2))})`);
}

if (values.help) console.log(HELP);
else await bench(run);
