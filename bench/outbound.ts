/**
 * `npm run bench:outbound`: how fast stored visitors are examined after a new mapping, how fast partners
 * are told, and what pages feel of it, and of a partner who is down.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { queryOf, SMALL, visitorOf } from './account.ts';
import {
  bench,
  type Contender,
  delivererOf,
  mean,
  range,
  residentMegabytes,
  startCluster,
  startNode,
  startRedis,
  startSwitchyard,
} from './contender.ts';
import { openLoop } from './generator.ts';

const HELP = `npm run bench:outbound -- [options]

  --store NAME      embedded (default), redis, or cluster (three primaries)
  --visitors N      stored visitors, at most 1000000 (default 100000)
  --partners N      partners who are told of 3 of 100 visitors each, at most 100 (default 100)
  --rate N          pages a second meanwhile (default 1000)
  --rounds N        rounds (default 3)
  --pass N          OUTBOUND_EXAMINED_PER_SECOND (default: as it comes)
  --help            this text

In each round pages are opened while nothing is to be sent; then while everybody is examined, since a
partner was mapped to whom all of them are; while this partner is down and all that waits; while it is told,
since it is back; and while many partners are told.
`;

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'embedded' },
    visitors: { type: 'string', default: '100000' },
    partners: { type: 'string', default: '100' },
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
/** Segments of the account, as they are ruled here: all visitors, and 3 of 100. */
const EVERYBODY = { sid: 1_000_001, segmentRule: '1T' };
const FEW = { sid: 1_000_002, segmentRule: '5T OR 6T OR 7T OR 8T OR 9T OR 10T' };

/** In the order of a round. */
const PHASES = ['nothing to send', 'pass', 'one partner down', 'one is told', 'many are told'];

interface Figures {
  /** Of pages, in milliseconds. */
  readonly p99: number[];
  readonly serverMegabytes: number[];
  readonly delivererMegabytes: number[];
  /** A second, where any were sent. */
  readonly messages: number[];
  readonly visitors: number[];
}

interface Deliveries {
  readonly destinations: { readonly waiting: number }[];
  readonly passes: {
    readonly startedAt: number;
    readonly finishedAt?: number;
    readonly examined: number;
  }[];
}

interface Taken {
  readonly messages: number;
  readonly users: number;
}

function number(name: keyof typeof values, highest: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0 && value <= highest) return value;
  throw new Error(`--${name}: write a whole number from 1 to ${highest}`);
}

/** How many shards the store has, and the settings of a server that uses it. */
async function startStore(): Promise<{ shards: number; settings: Record<string, string> }> {
  switch (values.store) {
    case 'embedded':
      return { shards: 1, settings: {} };
    case 'redis':
      return { shards: 1, settings: { REDIS_URL: (await startRedis()).url } };
    case 'cluster':
      return { shards: 3, settings: { REDIS_URL: (await startCluster()).url } };
  }
  throw new Error('--store: write embedded, redis or cluster');
}

async function call<Answer>(url: string, method = 'GET', body?: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok)
    throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  const text = await response.text();
  return (text && JSON.parse(text)) as Answer;
}

async function run(): Promise<void> {
  const visitors = number('visitors', 1_000_000);
  const partners = number('partners', 100);
  const rate = number('rate', 100_000);
  const rounds = number('rounds', 50);
  const { shards, settings } = await startStore();
  const partner = await startNode('the partner', 'bench/partner.ts', PARTNER_PORT, {});
  const server = await startSwitchyard('Switchyard', SMALL, PORT, {
    ADMIN_TOKEN: TOKEN,
    OUTBOUND_ALLOW_PRIVATE: '1',
    // That a partner is down is what is wanted.
    LOG_LEVEL: 'silent',
    ...(values.pass && { OUTBOUND_EXAMINED_PER_SECOND: values.pass }),
    ...settings,
  });
  const v1 = `${server.origin}/v1`;
  const examined: number[] = [];
  const figures = PHASES.map(
    (): Figures => ({
      ...{ p99: [], serverMegabytes: [], delivererMegabytes: [] },
      ...{ messages: [], visitors: [] },
    }),
  );

  const pages = async (phase: number) => {
    const { latency, errors } = await openLoop({
      ...{ origin: server.origin, rate, seconds: SECONDS, connections: 64, visitors: 20_000 },
    });
    if (errors > 0) throw new Error(`${errors} pages failed`);
    const { p99, serverMegabytes, delivererMegabytes } = figures[phase];
    p99.push(latency.getValueAtPercentile(99) / 1_000);
    serverMegabytes.push(residentMegabytes(server));
    delivererMegabytes.push(residentMegabytes(delivererOf(server)));
  };
  const account = { ...(await call<object>(`${v1}/export`)) } as {
    segments: { sid: number }[];
    destinations: object[];
  };
  account.segments = account.segments.map((segment) => ({
    ...segment,
    ...[EVERYBODY, FEW].find(({ sid }) => sid === segment.sid),
  }));
  /** Has so many partners mapped; returns since when. */
  const map = async (segment: number, count: number): Promise<number> => {
    const began = Date.now();
    const told = Array.from({ length: count }, (_, i) => destinationFor(i + 1, segment, partner));
    const destinations = [...account.destinations, ...told];
    await call(`${v1}/import`, 'POST', { ...account, destinations });
    return began;
  };
  /** Waits for the passes that began since; returns how many visitors a second they examined together. */
  const passed = async (since: number): Promise<number> => {
    for (; ; await pause(100)) {
      const { passes } = await call<Deliveries>(`${v1}/deliveries`);
      const own = passes.filter(({ startedAt }) => startedAt >= since);
      const ends = own.flatMap(({ finishedAt }) => finishedAt ?? []);
      if (ends.length < shards) continue;
      const seconds = (Math.max(...ends) - Math.min(...own.map((p) => p.startedAt))) / 1_000;
      return own.reduce((sum, pass) => sum + pass.examined, 0) / seconds;
    }
  };
  const taken = () => call<Taken>(partner.origin);
  /** Partners are told, from the first message until nothing waits; pages meanwhile. */
  const telling = async (phase: number, before: Taken) => {
    while ((await taken()).messages === before.messages) await pause(20);
    const began = performance.now();
    const told = async () => {
      const isWaiting = async () =>
        (await call<Deliveries>(`${v1}/deliveries`)).destinations.some((one) => one.waiting > 0);
      while (await isWaiting()) await pause(50);
      const seconds = (performance.now() - began) / 1_000;
      const { messages, users } = await taken();
      figures[phase].messages.push((messages - before.messages) / seconds);
      figures[phase].visitors.push((users - before.users) / seconds);
    };
    await Promise.all([pages(phase), told()]);
  };

  await fill(server, visitors);
  // From now on there is a process that delivers.
  await passed(await map(FEW.sid, 1));
  await passed(await map(0, 0));
  await pages(0);
  for (const list of Object.values(figures[0])) list.length = 0;
  for (let round = 1; round <= rounds; round++) {
    await pages(0);
    await call(`${partner.origin}/silent`, 'PUT');
    const before = await taken();
    const mapped = await map(EVERYBODY.sid, 1);
    const [aSecond] = await Promise.all([passed(mapped), pages(1)]);
    examined.push(aSecond);
    await pages(2);
    await call(`${partner.origin}/well`, 'PUT');
    await telling(3, before);
    await passed(await map(0, 0));
    const since = await taken();
    const many = await map(FEW.sid, partners);
    await telling(4, since);
    await passed(many);
    await passed(await map(0, 0));
    console.log(`round ${round} of ${rounds} is over`);
  }
  const show = (numbers: readonly number[], digits: number) => {
    if (numbers.length === 0 || numbers.some(Number.isNaN)) return '';
    const among = range(numbers, (n) => n.toFixed(digits));
    return `${mean(numbers).toFixed(digits)}${numbers.length > 1 ? ` (${among})` : ''}`;
  };
  console.log(
    `\n${values.store}, ${visitors} visitors, ${rate} pages a second; mean (lowest to highest)`,
  );
  console.log(`visitors examined a second: ${show(examined, 0)}\n`);
  const row = (cells: readonly string[]) => {
    const [what, ...others] = cells;
    console.log([what.padEnd(18), ...others.map((cell) => cell.padEnd(24))].join(''));
  };
  row(['', 'p99 of pages, ms', 'server, MB', 'deliverer, MB', 'messages/s', 'visitors told/s']);
  for (const [phase, { p99, ...others }] of figures.entries()) {
    const { serverMegabytes, delivererMegabytes, messages, visitors: users } = others;
    const sizes = [serverMegabytes, delivererMegabytes, messages, users];
    row([PHASES[phase], show(p99, 1), ...sizes.map((numbers) => show(numbers, 0))]);
  }
}

const destinationFor = (number: number, sid: number, partner: Contender) => ({
  destinationId: 20_000 + number,
  name: `Partner ${number}`,
  destinationType: 'S2S',
  endpointUrl: `${partner.origin}/in`,
  clientId: '1',
  mappings: [{ sid, traitAlias: 'a' }],
});

/** Has every visitor come once. */
async function fill(server: Contender, visitors: number): Promise<void> {
  let n = 0;
  const one = async () => {
    while (n < visitors) {
      const id = visitorOf(n);
      await fetch(`${server.origin}/event?${queryOf(n++)}&d_uuid=${id}`).then((r) =>
        r.arrayBuffer(),
      );
    }
  };
  await Promise.all(Array.from({ length: 64 }, one));
}

if (values.help) console.log(HELP);
else await bench(run);
