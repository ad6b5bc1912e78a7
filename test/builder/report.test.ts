/** Reports, through real page requests: what fired, what was capped or blocked, and by what. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Ledger } from '../../src/builder/ledger.ts';
import { newDeviceId } from '../../src/collect/identity.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { type Registry, UNIT_MS } from '../../src/store/registry.ts';
import { changed, exampleAccount, SHOP } from '../account/example.ts';
import { Collector, embeddedStore, TOKEN } from '../collect/collector.ts';
import { redisServer, startRedis } from '../redis.ts';
import { endWithTests, type RunningServer, startServer, temporaryFolder } from '../server.ts';

const { hour: HOUR, day: DAY } = UNIT_MS;
const shopPage = { referer: `https://${SHOP}/x`, origin: `https://${SHOP}` };
const ALL = 'd_rtbd=json&d_dst=1';
const HOME = 'c_page=home';
const SHOES = 'c_product=shoes';

interface Report {
  readonly unit: string;
  readonly series: ({ at: number; reasons: Record<string, number> } & Record<string, number>)[];
  readonly segments: { sid: number; reasons: Record<string, number> }[];
  readonly destinations: { destinationId: number; reasons: Record<string, number> }[];
}

/** The sums of a series. */
function summed({ series }: Report): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { at, reasons, ...others } of series) {
    for (const [name, count] of Object.entries({ ...reasons, ...others })) {
      sums[name] = (sums[name] ?? 0) + count;
    }
  }
  return sums;
}

const NONE_SEEN = { loaded: 0, failed: 0, timedOut: 0 };

const shared = new RegistryFile(temporaryFolder());
afterAll(() => shared.close());
let views = 0;

/** The registry, with counts of its own for each test: making one takes time. */
function viewOf(registry: Registry): Registry {
  const of = `${++views}:`;
  const own: Partial<Registry> = {
    add: (counts, ...rest) =>
      registry.add(
        counts.map((count) => ({ ...count, scope: of + count.scope })),
        ...rest,
      ),
    counts: (scope, ...rest) => registry.counts(of + scope, ...rest),
  };
  return new Proxy(registry, {
    get(target, name: keyof Registry) {
      return own[name] ?? target[name].bind(target);
    },
  });
}

describe('reports of page requests', () => {
  let registry: Registry;
  let collector: Collector;
  let ledger: Ledger;

  function collect(options: ConstructorParameters<typeof Collector>[0] = {}): Collector {
    registry = viewOf(shared);
    const collector = new Collector({ registry, ...options });
    ledger = new Ledger({ tally: collector.tally, registry, report: () => {} });
    return collector;
  }
  beforeEach(() => {
    collector = collect();
  });

  async function report<Body = Report>(address: string): Promise<Body> {
    // A busy machine may take its time.
    await expect.poll(() => ledger.close(10_000), { timeout: 25_000 }).toBe(0);
    const headers = { Authorization: `Bearer ${TOKEN}` };
    const response = await collector.send(`/v1/reports/${address}`, { headers });
    expect(response.status).toBe(200);
    return (await response.json()) as Body;
  }

  it('a destination: its calls in the series, its mappings by segment', async () => {
    await collector.ask(`${ALL}&${HOME}&${SHOES}`, shopPage);
    await collector.ask(`d_rtbd=json&${HOME}`, shopPage);
    const own = await report('destinations/802');
    // One call carried two segments.
    expect(summed(own)).toEqual({ delivered: 1, 'not-requested': 1, ...NONE_SEEN });
    expect(own.segments).toEqual([
      { sid: 51, reasons: { delivered: 1, 'not-requested': 1 } },
      { sid: 52, reasons: { delivered: 1 } },
      { sid: 53, reasons: {} },
    ]);
    expect(own).toMatchObject({ unit: 'hour' });
    expect(own.series).toHaveLength(24);
    const { at } = own.series[23];
    expect(at % HOUR).toBe(0);
    expect(Date.now() - at).toBeLessThan(HOUR + 60_000);
    expect(own.series.map((row) => row.at)).toEqual(
      Array.from({ length: 24 }, (_, i) => at - (23 - i) * HOUR),
    );
  });

  it.each<[string, object, string, string[], Record<string, number>]>([
    [
      'capped',
      { 'destinations[0].frequencyCap': { count: 2, hours: 24 } },
      'destinations/801',
      [`${ALL}&${HOME}`, `${ALL}&${HOME}`, `${ALL}&${HOME}`],
      { delivered: 2, capped: 1 },
    ],
    [
      'blocked by the page budget',
      { 'sites[0].pageBudget': 1 },
      'destinations/802',
      [`${ALL}&${HOME}`],
      { 'page-budget': 1 },
    ],
    [
      'blocked by an end date',
      { 'destinations[0].mappings[0].endDate': '2026-01-01' },
      'destinations/801',
      [`${ALL}&${HOME}`],
      { ended: 1 },
    ],
    ['under child protection', {}, 'destinations/802', [`${ALL}&${HOME}&d_coppa=1`], { coppa: 1 }],
    ['an image calls one', {}, 'destinations/801', [HOME], { delivered: 1 }],
    ['an image calls no other', {}, 'destinations/802', [HOME], { 'one-per-image': 1 }],
    ['an image calls no iframe', {}, 'destinations/803', [SHOES], { 'needs-iframe': 1 }],
    ['an iframe calls all', {}, 'destinations/803', [`d_rtbd=iframe&${SHOES}`], { delivered: 1 }],
    ['a cookie', {}, 'destinations/804', [`${ALL}&${HOME}`], { delivered: 1 }],
    ['server to server', {}, 'destinations/805', [`${ALL}&d_sid=14`], { later: 1 }],
  ])('%s', async (_name, changes, address, calls, expected) => {
    collector = collect({ account: changed(changes as Record<string, unknown>) });
    const d_uuid = newDeviceId();
    for (const call of calls) await collector.event(`${call}&d_uuid=${d_uuid}`, shopPage);
    expect(summed(await report(address))).toEqual({ ...NONE_SEEN, ...expected });
  });

  it('a cookie that is removed', async () => {
    const mapping = { sid: 51, valueAlias: 'home' };
    const account = changed({
      'segments[0].segmentRule': '11T AND NOT 12T',
      'destinations[3].mappings': [mapping],
    });
    collector = collect({ account });
    const { uuid } = await collector.ask(`${ALL}&${HOME}`, shopPage);
    await collector.ask(`${ALL}&${SHOES}&d_uuid=${uuid}`, shopPage);
    const own = await report('destinations/804');
    expect(summed(own)).toEqual({ delivered: 1, removed: 1, ...NONE_SEEN });
    expect(own.segments).toEqual([{ sid: 51, reasons: { delivered: 1 } }]);
  });

  it('who has opted out belongs to no segment: nothing is due, and nothing counted', async () => {
    const { uuid } = await collector.ask(`${ALL}&${HOME}`, shopPage);
    await collector.send(`/demoptout.jpg?d_uuid=${uuid}`);
    const answer = await collector.ask(`${ALL}&${HOME}&d_uuid=${uuid}`, shopPage);
    expect([answer.dests, answer.errors?.[0].code]).toEqual([[], 171]);
    expect(summed(await report('destinations/801'))).toEqual({ delivered: 1, ...NONE_SEEN });
    expect(summed(await report('total'))).toEqual({ calls: 2, pixels: 2, late: 0 });
  });

  it('what was decided without the store: never delivered to who is known', async () => {
    const real = embeddedStore();
    const silent = Object.create(real, { visit: { value: () => {} } });
    collector = collect({ store: silent, deadline: 20 });
    const known = await collector.ask(`${ALL}&${HOME}&d_uuid=${newDeviceId()}`, shopPage);
    expect([known.dests, known.stuff]).toEqual([[], []]);
    const alias = await collector.ask(`${ALL}&${HOME}&d_cid=3001%01me`, shopPage);
    expect(alias.dests).toEqual([]);
    const stranger = await collector.ask(`${ALL}&${HOME}`, shopPage);
    expect(stranger.dests).toHaveLength(2);
    for (const id of [801, 802, 804]) {
      const own = await report(`destinations/${id}`);
      expect(summed(own)).toEqual({ 'not-read': 2, delivered: 1, ...NONE_SEEN });
      expect(own.segments[0]).toEqual({ sid: 51, reasons: { 'not-read': 2, delivered: 1 } });
    }
    expect(summed(await report('total'))).toEqual({ calls: 3, pixels: 2, late: 3 });
  });

  it('of all page requests, those that were disregarded are none', async () => {
    await collector.ask(`${ALL}&${HOME}&${SHOES}`, shopPage);
    await collector.event(HOME, shopPage);
    await collector.event(HOME, { referer: 'https://elsewhere.example/' });
    expect(summed(await report('total'))).toEqual({ calls: 2, pixels: 4, late: 0 });
  });

  it('what is asked of the trace is not counted', async () => {
    const trace = await collector.send('/v1/trace', {
      method: 'POST',
      headers: { Authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ url: `/event?${ALL}&${HOME}`, headers: shopPage }),
    });
    const { destinations } = (await trace.json()) as {
      destinations: { destinationId: number; reason: string; mappings: object[] }[];
    };
    // And it is as it was: reasons of mappings, none of calls.
    expect(destinations[1]).toEqual({
      destinationId: 802,
      name: 'Bidder',
      reason: 'delivered',
      mappings: [
        { sid: 51, reason: 'delivered' },
        { sid: 52, reason: 'no-segment' },
        { sid: 53, reason: 'no-segment' },
      ],
    });
    expect(summed(await report('total'))).toEqual({ calls: 0, pixels: 0, late: 0 });
    expect(summed(await report('destinations/802'))).toEqual(NONE_SEEN);
  });

  it('a segment: everywhere that it is mapped to', async () => {
    await collector.ask(`${ALL}&${HOME}&${SHOES}`, shopPage);
    await collector.event(`${HOME}`, shopPage);
    const own = await report('segments/51');
    expect(own.destinations).toEqual([
      { destinationId: 801, reasons: { delivered: 2 } },
      { destinationId: 802, reasons: { delivered: 1, 'one-per-image': 1 } },
      { destinationId: 804, reasons: { delivered: 1, 'cookie-domain': 1 } },
    ]);
    expect(summed(own)).toEqual({ delivered: 4, 'one-per-image': 1, 'cookie-domain': 1 });
    expect((await report('segments/56')).destinations).toEqual([]);
  });

  it('the list: the last day of each, by the hour', async () => {
    await collector.ask(`${ALL}&${HOME}`, shopPage);
    await collector.send('/pixels', {
      method: 'POST',
      body: 'loaded=801&failed=802,802&timedOut=',
    });
    const now = Date.now();
    const past = (scope: string, name: string, hours: number) =>
      registry.add([{ scope, name, count: 10 }], now - hours * HOUR);
    await past('destinations', '801.delivered', 23);
    await past('destinations', '801.delivered', 24);
    await past('destinations', '801.timedOut', 5);
    await past('destinations', '999.delivered', 5);
    const list = await report<{ destinationId: number; hours: number[] }[]>('destinations');
    expect(list.map(({ destinationId }) => destinationId)).toEqual([801, 802, 803, 804, 805]);
    expect(list[0]).toEqual({
      destinationId: 801,
      fired: 11,
      loaded: 1,
      failed: 0,
      timedOut: 10,
      hours: [10, ...Array(22).fill(0), 1],
    });
    expect(list[1]).toMatchObject({ fired: 1, loaded: 0, failed: 2, timedOut: 0 });
    expect(list[4]).toMatchObject({ fired: 0, hours: Array(24).fill(0) });
  });

  it('by the day, as far back as counts are kept', async () => {
    await collector.ask(`${ALL}&${HOME}`, shopPage);
    const today = Date.now() - (Date.now() % DAY);
    const days = (n: number) => today - n * DAY;
    const scope = 'destination:801';
    await registry.add([{ scope, name: '0.delivered', count: 5 }], days(99) + 17 * HOUR);
    await registry.add([{ scope, name: '51.delivered', count: 5 }], days(99));
    const own = await report(`destinations/801?unit=day&from=${days(99)}&to=${Date.now()}`);
    expect(own.series).toHaveLength(100);
    expect(own.series[0]).toEqual({ at: days(99), reasons: { delivered: 5 }, ...NONE_SEEN });
    expect(own.series[1]).toEqual({ at: days(98), reasons: {}, ...NONE_SEEN });
    expect(own.series[99]).toEqual({ at: today, reasons: { delivered: 1 }, ...NONE_SEEN });
    expect(own.segments).toEqual([{ sid: 51, reasons: { delivered: 6 } }]);
    expect((await report('total?unit=day')).series).toHaveLength(30);
  });

  it('a period within the hours, which begins and ends within one', async () => {
    const hour = Date.now() - (Date.now() % HOUR);
    const { series } = await report(`total?from=${hour - 3 * HOUR + 1}&to=${hour - HOUR - 1}`);
    expect(series.map(({ at }) => (hour - at) / HOUR)).toEqual([3, 2]);
    // Of what is still to come there is nothing to report.
    const open = await report(`total?from=${hour}&to=${hour + DAY}`);
    expect(open.series.map(({ at }) => at)).toEqual([hour]);
  });

  it('the description of the interface fits what is answered', async () => {
    await collector.ask(`${ALL}&${HOME}`, shopPage);
    const headers = { Authorization: `Bearer ${TOKEN}` };
    const response = await collector.send('/v1/openapi.json', { headers });
    // biome-ignore lint/suspicious/noExplicitAny: JSON, looked at field by field
    const { paths } = (await response.json()) as any;
    for (const [address, described] of [
      ['destinations', '/v1/reports/destinations'],
      ['destinations/801', '/v1/reports/destinations/{id}'],
      ['segments/51', '/v1/reports/segments/{sid}'],
      ['total', '/v1/reports/total'],
    ]) {
      const { get } = paths[described];
      const schema = z.fromJSONSchema(get.responses[200].content['application/json'].schema);
      expect(schema.safeParse(await report(address)).error).toBeUndefined();
    }
  });
});

describe('what no report can be of', () => {
  const collector = new Collector();
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const now = Date.now();
  it.each<[string, string, RegExp, RegExp]>([
    ['unit=week', 'unit', /week/, /"hour", "day"/],
    ['from=yesterday', 'from', /no time/, /Unix milliseconds/],
    ['from=-1', 'from', /no time/, /Unix milliseconds/],
    ['to=1e3', 'to', /no time/, /Unix milliseconds/],
    [`from=${now - 60 * HOUR}`, 'from', /too long ago.*last 50 hours/, /at least \d+, or unit=day/],
    [`unit=day&from=${now - 101 * DAY}`, 'from', /too long ago.*last 100 days/, /at least \d+$/],
    [`to=${now - 60 * HOUR}`, 'to', /too long ago/, /at least \d+/],
    [`from=${now - HOUR}&to=${now - 2 * HOUR}`, 'from', /later than to/, /at most \d+/],
    [`from=${now + HOUR}`, 'from', /later than now/, /at most \d+/],
  ])('400: ?%s', async (query, field, wrong, instead) => {
    for (const address of ['destinations/801', 'segments/51', 'total']) {
      const response = await collector.send(`/v1/reports/${address}?${query}`, { headers });
      expect(response.status).toBe(400);
      const { errors } = (await response.json()) as { errors: Record<string, string>[] };
      expect(errors).toHaveLength(1);
      expect(errors[0].path).toBe(field);
      expect(errors[0].wrong).toMatch(wrong);
      expect(errors[0].instead).toMatch(instead);
    }
  });

  it.each([
    'destinations/51',
    'destinations/999',
    'segments/801',
    'segments/0',
    'destinations/x',
    'nothing',
  ])('404: %s', async (address) => {
    expect((await collector.send(`/v1/reports/${address}`, { headers })).status).toBe(404);
  });

  it('401: without a token', async () => {
    for (const address of ['destinations', 'destinations/801', 'segments/51', 'total']) {
      expect((await collector.send(`/v1/reports/${address}`)).status).toBe(401);
    }
  });
});

// Several servers each, and some seconds until counts are brought: the tests wait for them together.
describe.concurrent('reports of real servers', { timeout: 90_000 }, () => {
  const headers = { Authorization: 'Bearer test-token' };
  const running: { process: ChildProcess }[] = [];
  afterAll(() => {
    for (const { process: child } of running) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    }
  });
  const account = changed({
    'sites[0].hosts': [],
    'sites[1].hosts': [],
  });

  async function start(options: Parameters<typeof startServer>[0] = {}): Promise<RunningServer> {
    const server = await startServer({
      account,
      ...options,
      environment: { MAX_CALLS_PER_ID: '0', ...options.environment },
    });
    running.push(server);
    return server;
  }

  async function visit({ origin }: RunningServer, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      // On a connection of its own, so that every worker gets some.
      const response = await fetch(`${origin}/event?${ALL}&${HOME}`, {
        headers: { Connection: 'close', Referer: `https://${SHOP}/` },
      });
      await response.arrayBuffer();
      if (response.status !== 200) throw new Error(`a visit: ${response.status}`);
    }
  }

  const saw = ({ origin }: RunningServer, body: string) =>
    fetch(`${origin}/pixels`, { method: 'POST', body, headers: { Connection: 'close' } });

  const totalOf = async ({ origin }: RunningServer) => {
    const response = await fetch(`${origin}/v1/reports/total`, { headers });
    return summed((await response.json()) as Report);
  };
  const reportOf = async ({ origin }: RunningServer, id: number) => {
    const response = await fetch(`${origin}/v1/reports/destinations/${id}`, { headers });
    return summed((await response.json()) as Report);
  };

  it('a stop loses no count', async ({ expect }) => {
    const first = await start();
    await visit(first, 20);
    await saw(first, 'loaded=801,801&timedOut=802');
    await first.stop();
    const second = await start({ folder: first.folder });
    expect(await totalOf(second)).toEqual({ calls: 20, pixels: 40, late: 0 });
    const seen = { failed: 0, timedOut: 0, loaded: 2 };
    expect(await reportOf(second, 801)).toEqual({ delivered: 20, ...seen });
    await visit(second, 1);
    await second.stop();
    expect(second.output()).not.toContain('counts');
  });

  it('several processes count together', async ({ expect }) => {
    const server = await start({ environment: { WORKERS: '2' } });
    await visit(server, 60);
    await expect
      .poll(() => totalOf(server), { timeout: 20_000, interval: 500 })
      .toMatchObject({ calls: 60 });
    await visit(server, 40);
    await server.stop();
    const after = await start({ folder: server.folder });
    expect(await totalOf(after)).toEqual({ calls: 100, pixels: 200, late: 0 });
    await after.stop();
  });

  it('counts outlast the account that they were counted by', async ({ expect }) => {
    const server = await start();
    await visit(server, 5);
    const response = await fetch(`${server.origin}/v1/destinations/801`, {
      method: 'PUT',
      headers,
      body: JSON.stringify({ ...exampleAccount().destinations[0], status: 'inactive' }),
    });
    expect(response.status).toBe(200);
    await expect
      .poll(
        async () => {
          await visit(server, 1);
          return server.output() + JSON.stringify(await trial(server));
        },
        { timeout: 10_000 },
      )
      .toContain('inactive');
    await visit(server, 3);
    await server.stop();
    const after = await start({ folder: server.folder });
    const { delivered, inactive } = await reportOf(after, 801);
    expect(delivered).toBeGreaterThanOrEqual(5);
    expect(inactive).toBeGreaterThanOrEqual(3);
    expect(delivered + inactive).toBe((await totalOf(after)).calls);
    await after.stop();
  });

  /** What the trace says of destination 801. */
  async function trial({ origin }: RunningServer): Promise<unknown> {
    const body = { url: `/event?${ALL}&${HOME}`, headers: { Referer: `https://${SHOP}/` } };
    const response = await fetch(`${origin}/v1/trace`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    const { destinations } = (await response.json()) as { destinations: unknown[] };
    return destinations[0];
  }

  it('while the registry takes nothing, pages are answered; later every count is there once', async ({
    expect,
  }) => {
    const server = await start();
    await visit(server, 10);
    await expect
      .poll(() => totalOf(server), { timeout: 20_000, interval: 500 })
      .toMatchObject({ calls: 10 });
    const holder = await holdRegistry(server.folder);
    await visit(server, 10);
    // Until these were brought, and nobody waits any more to hear that they are written.
    await expect.poll(server.output, { timeout: 30_000 }).toContain('counts wait');
    const began = performance.now();
    await visit(server, 10);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect((await totalOf(server)).calls).toBe(10);
    holder.kill('SIGKILL');
    await expect
      .poll(() => totalOf(server), { timeout: 20_000, interval: 500 })
      .toEqual({ calls: 30, pixels: 60, late: 0 });
    await server.stop();
    const after = await start({ folder: server.folder });
    expect(await totalOf(after)).toEqual({ calls: 30, pixels: 60, late: 0 });
    await after.stop();
  });

  it.skipIf(!redisServer)('likewise while Redis hangs', async ({ expect }) => {
    const redis = await startRedis('--maxmemory-policy', 'noeviction');
    const environment = { REDIS_URL: redis.url, DEADLINE_MS: '200' };
    const [one, other] = [await start({ environment }), await start({ environment })];
    await visit(one, 10);
    await visit(other, 10);
    redis.signal('SIGSTOP');
    await visit(one, 5);
    // Redis will get these counts, but their writer has given up waiting for its word.
    await expect.poll(one.output, { timeout: 30_000 }).toContain('counts wait');
    redis.signal('SIGCONT');
    await expect
      .poll(() => totalOf(other).catch(() => undefined), { timeout: 30_000, interval: 500 })
      .toMatchObject({ calls: 25, pixels: 50 });
    await Promise.all([one.stop(), other.stop()]);
    const after = await start({ environment });
    expect(await totalOf(after)).toMatchObject({ calls: 25, pixels: 50 });
    await after.stop();
    await redis.stop();
  });

  /** Another process that holds the writer's lock, and does not let go of it. */
  async function holdRegistry(folder: string): Promise<ChildProcess> {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const file = JSON.stringify(path.join(folder, 'registry'));
    const code = `import { open } from 'lmdb';
      open({ path: ${file}, maxDbs: 4 }).transactionSync(() => {
        require('node:fs').writeSync(1, 'held');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`.replace('require(', 'process.getBuiltinModule(');
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    endWithTests(child);
    await once(child.stdout, 'data');
    return child;
  }
});
