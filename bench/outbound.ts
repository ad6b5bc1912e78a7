/**
 * `npm run bench:outbound`: how fast stored visitors are examined after a new mapping, how fast partners
 * are told, and what pages feel of it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { benchAccount, SMALL, visitorOf } from './account.ts';
import {
  bench,
  type Contender,
  mean,
  range,
  startNode,
  startRedis,
  startSwitchyard,
} from './contender.ts';
import { openLoop } from './generator.ts';

const HELP = `npm run bench:outbound -- [options]

  --store NAME      embedded (default) or redis
  --visitors N      stored visitors, at most 1000000 (default 100000)
  --partners N      destinations that are told of each visitor, at most 100 (default 1)
  --rate N          pages a second meanwhile (default 1000)
  --rounds N        rounds with and without (default 3)
  --pass N          OUTBOUND_EXAMINED_PER_SECOND (default: as it comes)
  --help            this text
`;

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'embedded' },
    visitors: { type: 'string', default: '100000' },
    partners: { type: 'string', default: '1' },
    rate: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    pass: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});

const PORT = 9301;
const PARTNER_PORT = 9310;
const TOKEN = 'bench';
const SECONDS = 8;
/** A segment that every visitor of the benchmark is in. */
const SEGMENT = 1_000_001;

function number(name: keyof typeof values, highest: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0 && value <= highest) return value;
  throw new Error(`--${name}: write a whole number from 1 to ${highest}`);
}

interface Deliveries {
  readonly destinations: { readonly waiting: number }[];
  readonly passes: {
    readonly startedAt: number;
    readonly finishedAt?: number;
    readonly examined: number;
    readonly moved: number;
  }[];
}

async function rest<Answer>(origin: string, method: string, path: string, body?: unknown) {
  const response = await fetch(`${origin}/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok)
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

const told = async (partner: Contender) =>
  (await (await fetch(partner.origin)).json()) as { messages: number; users: number };

const destinationFor = (id: number, partner: Contender) => ({
  destinationId: id,
  name: `Partner ${id}`,
  destinationType: 'S2S',
  endpointUrl: `${partner.origin}/in`,
  clientId: '1',
  mappings: [{ sid: SEGMENT, traitAlias: 'a' }],
});

async function run(): Promise<void> {
  const visitors = number('visitors', 1_000_000);
  const partners = number('partners', 100);
  const rate = number('rate', 100_000);
  const rounds = number('rounds', 50);
  const partner = await startNode('the partner', 'bench/partner.ts', PARTNER_PORT, {});
  const redis = values.store === 'redis' ? await startRedis() : undefined;
  const server = await startSwitchyard('Switchyard', SMALL, PORT, {
    ADMIN_TOKEN: TOKEN,
    OUTBOUND_ALLOW_PRIVATE: '1',
    ...(values.pass && { OUTBOUND_EXAMINED_PER_SECOND: values.pass }),
    ...(redis && { REDIS_URL: redis.url }),
  });
  const { origin } = server;
  await rest(origin, 'PUT', `/segments/${SEGMENT}`, { ...segment(), segmentRule: '1T' });
  await fill(server, visitors);
  const p99 = { without: [] as number[], with: [] as number[] };
  const passed: number[] = [];
  const sent = { messages: [] as number[], users: [] as number[] };
  const pages = async () => {
    const { latency, errors } = await openLoop({
      origin,
      rate,
      seconds: SECONDS,
      connections: 64,
      visitors: 20_000,
    });
    if (errors > 0) throw new Error(`${errors} pages failed`);
    return latency.getValueAtPercentile(99) / 1_000;
  };
  await pages();
  for (let round = 0; round < rounds; round++) {
    p99.without.push(await pages());
    const before = await told(partner);
    const began = performance.now();
    for (let id = 1; id <= partners; id++) {
      await rest(origin, 'POST', '/destinations', destinationFor(20_000 + id, partner));
    }
    p99.with.push(await pages());
    let state = await rest<Deliveries>(origin, 'GET', '/deliveries');
    const isOver = ({ passes, destinations }: Deliveries) =>
      passes.length > 0 &&
      passes.every(({ finishedAt }) => finishedAt !== undefined) &&
      destinations.every(({ waiting }) => waiting === 0);
    while (!isOver(state)) {
      await pause(100);
      state = await rest<Deliveries>(origin, 'GET', '/deliveries');
    }
    const seconds = (performance.now() - began) / 1_000;
    const after = await told(partner);
    sent.messages.push((after.messages - before.messages) / seconds);
    sent.users.push((after.users - before.users) / seconds);
    const [pass] = state.passes;
    passed.push((pass.examined / ((pass.finishedAt as number) - pass.startedAt)) * 1_000);
    for (let id = 1; id <= partners; id++) {
      const unmapped = { ...destinationFor(20_000 + id, partner), mappings: [] };
      await rest(origin, 'PUT', `/destinations/${20_000 + id}`, unmapped);
      await rest(origin, 'DELETE', `/destinations/${20_000 + id}`);
    }
    await pause(3_000);
  }
  const show = (figures: readonly number[], digits = 0) =>
    `${mean(figures).toFixed(digits)} (${range(figures, (n) => n.toFixed(digits))})`;
  console.log(
    `${values.store}, ${visitors} visitors, ${partners} partners, ${rate} pages a second`,
  );
  console.log(`profiles examined a second   ${show(passed)}`);
  console.log(`messages a second            ${show(sent.messages)}`);
  console.log(`visitors told a second       ${show(sent.users)}`);
  console.log(`p99 of pages without, ms     ${show(p99.without, 1)}`);
  console.log(`p99 of pages meanwhile, ms   ${show(p99.with, 1)}`);
}

function segment(): object {
  const { segments } = benchAccount(SMALL) as { segments: { sid: number }[] };
  return segments.find(({ sid }) => sid === SEGMENT) as object;
}

/** Has every visitor come once. */
async function fill(server: Contender, visitors: number): Promise<void> {
  let n = 0;
  const one = async () => {
    while (n < visitors) {
      const id = visitorOf(n++);
      await fetch(`${server.origin}/event?d_rtbd=json&c_page=concert&d_uuid=${id}`).then((r) =>
        r.arrayBuffer(),
      );
    }
  };
  await Promise.all(Array.from({ length: 64 }, one));
}

if (values.help) console.log(HELP);
else await bench(run);
