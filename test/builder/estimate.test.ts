/** Estimates of how many stored visitors qualify for a rule. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Estimate, outcomeOf } from '../../src/builder/estimate.ts';
import { interval } from '../../src/builder/interval.ts';
import { newDeviceId } from '../../src/collect/identity.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import type { Store } from '../../src/store/store.ts';
import { ABSENT, type AccountInput, changed, exampleAccount, OWN } from '../account/example.ts';
import { Collector, embeddedStore, TOKEN } from '../collect/collector.ts';
import { redisServer, startRedis } from '../redis.ts';
import { startServer, temporaryFolder } from '../server.ts';
import { come, turnsWhile } from '../store/sample.ts';
import { foldNow, openEmbedded, visitOf } from '../store/workbench.ts';

describe('the interval', () => {
  // Wilson's, as tables and other programs have it.
  it.each([
    [0, 100, 0, 0.037],
    [7, 100, 0.0343, 0.1375],
    [50, 100, 0.4038, 0.5962],
    [100, 100, 0.963, 1],
    [1_400, 20_000, 0.0665, 0.0736],
    [1, 1, 0.2065, 1],
  ])('of %i in %i is %d to %d', (hits, drawn, low, high) => {
    const found = interval({ hits, drawn, of: 1e12 });
    expect(found.low).toBeCloseTo(low, 4);
    expect(found.high).toBeCloseTo(high, 4);
  });

  it('is the narrower the more of all were drawn', () => {
    const width = (of: number) => {
      const { low, high } = interval({ hits: 700, drawn: 10_000, of });
      return high - low;
    };
    expect(width(20_000) / width(1e12)).toBeCloseTo(Math.SQRT1_2, 2);
    expect(width(10_001) / width(1e12)).toBeLessThan(0.02);
  });
});

describe('what a sample says of all', () => {
  it.each([
    [{ hits: 70, visitors: 1_000, drawn: 1_000, of: 50_000 }, [3_500, 2_795, 4_367, 50_000]],
    // Of the keys that were drawn, half are visitors: how many there are is as unsure as the rest.
    [{ hits: 70, visitors: 500, drawn: 1_000, of: 50_000 }, [3_500, 2_795, 4_367, 25_000]],
    [{ hits: 0, visitors: 990, drawn: 1_000, of: 50_000 }, [0, 0, 188, 49_500]],
    // Who was seen is there, and who was seen not to qualify does not.
    [{ hits: 1, visitors: 99, drawn: 99, of: 100 }, [1, 1, 2, 100]],
  ])('%j: %j', (found, [visitors, low, high, total]) => {
    const { visitors: sampled } = found;
    expect(outcomeOf(found)).toEqual({ visitors, low, high, total, sampled, isExact: false });
  });

  it('is exact where that was all', () => {
    const found = { hits: 3, visitors: 8, drawn: 10, of: 10 };
    const outcome = { visitors: 3, low: 3, high: 3, sampled: 8, total: 8, isExact: true };
    expect(outcomeOf(found)).toEqual(outcome);
    const nobody = { visitors: 0, low: 0, high: 0, sampled: 0, total: 0, isExact: true };
    expect(outcomeOf({ hits: 0, visitors: 0, drawn: 0, of: 0 })).toEqual(nobody);
  });

  describe('of many', () => {
    let store: Store;
    // Of 50,000 visitors, 7 in 100 have trait 1.
    beforeAll(async () => {
      const folder = temporaryFolder();
      const before = openEmbedded(folder, { segmentSize: 100_000 });
      await come(before, [...Array(50_000).keys()], (n) =>
        visitOf(newDeviceId(), n % 100 < 7 ? 1 : 2),
      );
      await before.close();
      foldNow(folder);
      store = openEmbedded(folder);
    });
    afterAll(() => store.close());

    it.each([1_000, 300])('holds the truth nearly always: 20 samples of %i', async (size) => {
      let right = 0;
      for (let run = 0; run < 20; run++) {
        const found = { hits: 0, visitors: 0, drawn: 0, of: 0 };
        for await (const { profiles, drawn, of } of store.sample(size)) {
          for (const { realizations } of profiles) if (realizations[0] === 1) found.hits++;
          found.visitors += profiles.length;
          found.drawn = drawn;
          found.of = of;
        }
        const { low = 0, high = 0, total } = outcomeOf(found);
        expect(total).toBe(50_000);
        expect(high - low).toBeLessThan(4_000);
        if (low <= 3_500 && 3_500 <= high) right++;
      }
      // At 95 %, fewer than 14 happen once in 30,000 times.
      expect(right).toBeGreaterThanOrEqual(14);
    });
  });
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: JSON, looked at field by field
  readonly body: any;
}

async function send(
  to: Collector | string,
  method: string,
  path: string,
  body?: unknown,
  token = TOKEN,
): Promise<Answer> {
  const init = {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { Authorization: `Bearer ${token}` },
  };
  const address = `/v1/${path}`;
  const response = await (typeof to === 'string'
    ? fetch(`${to}${address}`, init)
    : to.send(address, init));
  return { status: response.status, headers: response.headers, body: await response.json() };
}

async function ask(to: Collector | string, segmentRule: string): Promise<Estimate> {
  const { status, body } = await send(to, 'POST', 'estimates', { segmentRule });
  expect(status).toBe(202);
  return body;
}

/** Waits until an estimate is over. */
async function over(to: Collector | string, { estimateId }: Estimate): Promise<Estimate> {
  for (let last = 0; ; await pause(20)) {
    const { status, body } = await send(to, 'GET', `estimates/${estimateId}`);
    expect(status).toBe(200);
    expect(body.progress).toBeGreaterThanOrEqual(last);
    last = body.progress;
    if (body.state !== 'running') return body;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A store of which samples are drawn only after something else has happened. */
const samplingAfter = (real: Store, first: () => Promise<unknown>): Store => ({
  visit: (visit, waiter) => real.visit(visit, waiter),
  look: (visit) => real.look(visit),
  async *sample(size) {
    await first();
    yield* real.sample(size);
  },
  problem: undefined,
  lost: 0,
  whyLost: undefined,
  close: async () => {},
});

describe('an estimate', () => {
  const registry = new RegistryFile(temporaryFolder());
  afterAll(() => registry.close());
  /** For tests that do not mind what is in it. */
  const any = new Collector({ registry });

  it('of few visitors is what asking each of them comes to', async () => {
    const rules = [
      '11T',
      '11T AND 12T',
      '12T AND NOT 11T',
      'FREQUENCY([15T] <= 30D) >= 2',
      'FREQUENCY([11T, 12T]) == 1',
      'FREQUENCY([11T] >= 1D) >= 1',
    ];
    const account = exampleAccount();
    account.segments = rules.map((segmentRule, i) => ({ sid: 60 + i, name: 'S', segmentRule }));
    account.destinations = [];
    const collector = new Collector({ account, registry });
    const qualify = rules.map(() => 0);
    const pages = ['c_page=home', 'c_product=shoes', 'c_page=home&c_product=shoes', 'c_page=x'];
    for (let n = 0; n < 60; n++) {
      const uuid = newDeviceId();
      let segments: number[] = [];
      for (let visit = 0; visit <= n % 3; visit++) {
        const page = pages[(n + visit) % pages.length];
        ({ segments = [] } = await collector.ask(`${page}&d_uuid=${uuid}&d_cts=1`));
      }
      for (const sid of segments) qualify[sid - 60]++;
    }
    expect(qualify.filter((count) => count === 0)).toHaveLength(1);
    const estimates = await Promise.all(
      rules.map(async (rule) => over(collector, await ask(collector, rule))),
    );
    expect(estimates).toEqual(
      qualify.map((count, i) => ({
        estimateId: estimates[i].estimateId,
        state: 'done',
        progress: 1,
        confidence: 0.95,
        visitors: count,
        low: count,
        high: count,
        sampled: estimates[i].total,
        total: estimates[0].total,
        isExact: true,
      })),
    );
  });

  it('leaves out who has opted out', async () => {
    const collector = new Collector({ registry });
    const uuids = [newDeviceId(), newDeviceId(), newDeviceId()];
    for (const uuid of uuids) await collector.ask(`c_page=home&d_uuid=${uuid}`);
    await collector.send(`/demoptout.jpg?d_uuid=${uuids[0]}`);
    const { visitors, total } = await over(collector, await ask(collector, '11T OR 12T OR 13T'));
    expect([visitors, total]).toEqual([2, 2]);
  });

  it('says where it is', async () => {
    const rule = { segmentRule: '11T AND 16T' };
    const { status, body, headers } = await send(any, 'POST', 'estimates/', rule);
    expect([status, body.state, body.progress]).toEqual([202, 'running', 0]);
    expect(headers.get('location')).toBe(`/v1/estimates/${body.estimateId}`);
  });

  it.each([
    [{}, 'segmentRule', /missing/],
    [{ segmentRule: 11 }, 'segmentRule', /not a text/],
    [{ segmentRule: '' }, 'segmentRule', /the rule ends at character 1/],
    [{ segmentRule: '11T AND' }, 'segmentRule', /\n +11T AND\n +\^$/],
    [{ segmentRule: 'NOT 11T' }, 'segmentRule', /visitors with none of these traits/],
    [{ segmentRule: '11T OR 99T' }, 'segmentRule', /there is no trait 99/],
    [{ segmentRule: 'FREQUENCY([14T]) >= 2' }, 'segmentRule', /trait 14 is onboarded/],
    [{ segmentRule: '11T', sample: 5 }, 'sample', /no such field/],
    [[], '(document)', /object/],
  ])('of %j is refused', async (body, path, problem) => {
    const answer = await send(any, 'POST', 'estimates', body);
    expect(answer.status).toBe(400);
    const [{ path: place, wrong, instead }] = answer.body.errors;
    expect(place).toBe(path);
    expect(`${wrong} ${instead}`).toMatch(problem);
  });

  it('that nobody asked for is unknown, and nobody is told who has no token', async () => {
    expect((await send(any, 'GET', 'estimates/nothing')).status).toBe(404);
    for (const [method, path] of [
      ['POST', 'estimates'],
      ['GET', 'estimates/nothing'],
    ]) {
      expect((await send(any, method, path, undefined, 'wrong')).status).toBe(401);
    }
  });

  it('may be about a trait that was saved a moment ago', async () => {
    // The collector goes on deciding by the account that it was started with.
    const collector = new Collector({ registry });
    const rule = { traitType: 'RULE_BASED_TRAIT', traitRule: 'c_x == 1', dataSourceId: OWN };
    const { body } = await send(collector, 'POST', 'traits', { name: 'New', ...rule });
    const estimate = await over(collector, await ask(collector, `${body.sid}T`));
    expect(estimate).toMatchObject({ state: 'done', visitors: 0 });
  });

  it('is the same for who asks the same, of whichever process, until the account is another', async () => {
    const store = embeddedStore();
    const { promise: free, resolve: isFree } = Promise.withResolvers<void>();
    const drawn: number[] = [];
    const slow = samplingAfter(store, () => {
      drawn.push(1);
      return free;
    });
    const here = new Collector({ registry, store: slow });
    const there = new Collector({ registry, store: slow });
    await here.ask('c_page=home');
    const rules = ['12T AND 16T', ' 12t  and (16T) '];
    const asked = await Promise.all(
      [...rules, ...rules].flatMap((rule) => [ask(here, rule), ask(there, rule)]),
    );
    expect(new Set(asked.map(({ estimateId }) => estimateId)).size).toBe(1);
    expect(new Set(asked.map(({ state }) => state))).toEqual(new Set(['running']));
    isFree();
    const done = await over(there, asked[0]);
    expect(done).toMatchObject({ state: 'done', total: 1 });
    await here.ask('c_page=home');
    expect(await ask(here, rules[1])).toEqual(done);
    expect(drawn).toHaveLength(1);
    await send(here, 'POST', 'sites', { name: 'New', domains: ['new.example'] });
    const anew = await ask(here, rules[0]);
    expect(anew.estimateId).not.toBe(done.estimateId);
    expect(await over(here, anew)).toMatchObject({ total: 2 });
  });

  it('waits while two others are counted; where 20 wait, no more are taken', async () => {
    const store = embeddedStore();
    const { promise: free, resolve: isFree } = Promise.withResolvers<void>();
    let counted = 0;
    const slow = samplingAfter(store, () => {
      counted++;
      return free;
    });
    const collector = new Collector({ registry, store: slow });
    const rule = (n: number) => `FREQUENCY([12T]) >= ${n}`;
    const asked: Estimate[] = [];
    for (let n = 1; n <= 22; n++) asked.push(await ask(collector, rule(n)));
    expect(asked.map(({ state, progress }) => [state, progress])).toEqual(
      Array(22).fill(['running', 0]),
    );
    expect(counted).toBe(2);
    const refused = await send(collector, 'POST', 'estimates', { segmentRule: rule(23) });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(refused.body.errors[0].instead).toMatch(/again/);
    // Who asks for one that waits already is given that.
    expect((await ask(collector, rule(22))).estimateId).toBe(asked[21].estimateId);
    isFree();
    const all = await Promise.all(asked.map((estimate) => over(collector, estimate)));
    expect(all.map(({ state }) => state)).toEqual(Array(22).fill('done'));
    expect((await over(collector, await ask(collector, rule(23)))).state).toBe('done');
  });

  it('that cannot be counted says why, and is counted when it is asked for again', async () => {
    const closed = openEmbedded(temporaryFolder());
    await closed.close();
    const store = embeddedStore();
    const stores = [closed, store];
    const collector = new Collector({
      registry,
      store: {
        ...samplingAfter(store, async () => {}),
        sample: (size) => (stores.shift() as Store).sample(size),
      },
    });
    const failed = await over(collector, await ask(collector, '13T AND 16T'));
    expect(failed).toMatchObject({ state: 'failed', problem: 'the store is closing' });
    expect(failed.visitors).toBeUndefined();
    expect(collector.reports).toEqual([]);
    expect(await over(collector, await ask(collector, '13T AND 16T'))).toMatchObject({
      state: 'done',
    });
  });

  it('leaves the time to the pages', async () => {
    const store = embeddedStore();
    await come(store, [...Array(5_000).keys()], () => visitOf(newDeviceId(), 11, 12, 16));
    const collector = new Collector({ registry, store });
    const turns = await turnsWhile(store, async () => {
      const estimate = await over(collector, await ask(collector, '11T AND FREQUENCY([15T]) >= 2'));
      expect(estimate).toMatchObject({ visitors: 5_000, isExact: true });
    });
    expect(turns.length).toBeGreaterThanOrEqual(5_000 / 128);
    // A millisecond.
    expect(Math.max(...turns)).toBeLessThanOrEqual(128);
  });

  it('is described', async () => {
    const { body } = await send(any, 'GET', 'openapi.json');
    const { post } = body.paths['/v1/estimates'];
    expect(Object.keys(post.responses)).toEqual(expect.arrayContaining(['202', '400', '429']));
    const { schema } = post.responses[202].content['application/json'];
    expect(schema.properties.state.enum).toEqual(['running', 'done', 'failed']);
    expect(body.paths['/v1/estimates/{estimateId}'].get.responses).toHaveProperty('404');
  });
});

describe('on real servers', () => {
  const folder = temporaryFolder();
  let account: AccountInput;
  beforeAll(async () => {
    account = changed({ 'sites[0].hosts': ABSENT, 'sites[1].hosts': ABSENT });
    const store = openEmbedded(folder);
    await come(store, [...Array(20_000).keys()], () => visitOf(newDeviceId(), 11, 16));
    await store.close();
  });

  it('an estimate whose server was killed has failed, one that waits has not', async () => {
    const [dying, living] = [
      await startServer({ folder, account }),
      await startServer({ folder, account }),
    ];
    const { promise: free, resolve: isFree } = Promise.withResolvers<void>();
    const waits = new Collector({ store: samplingAfter(embeddedStore(), () => free) });
    const begin = Date.now();
    const waiting = await ask(waits, '16T');
    const rules = [1, 2, 3, 4, 5, 6].map((n) => `FREQUENCY([11T]) >= ${n}`);
    const asked = await Promise.all(rules.map((rule) => ask(dying.origin, rule)));
    await dying.stop('SIGKILL');
    const last = asked[5];
    const { body } = await send(living.origin, 'GET', `estimates/${last.estimateId}`);
    expect(body.state).toBe('running');
    // Who asks for it now waits with the others.
    expect((await ask(living.origin, rules[5])).state).toBe('running');
    const failed = await over(living.origin, last);
    expect(failed).toMatchObject({ state: 'failed', problem: expect.stringMatching(/stopped/) });
    expect(await over(living.origin, await ask(living.origin, rules[0]))).toMatchObject({
      state: 'done',
      visitors: 20_000,
      isExact: true,
    });
    // A silence of ten seconds is what tells.
    await pause(begin + 12_000 - Date.now());
    const { body: still } = await send(waits, 'GET', `estimates/${waiting.estimateId}`);
    expect(still.state).toBe('running');
    isFree();
    expect(await over(waits, waiting)).toMatchObject({ state: 'done' });
    await living.stop();
  }, 180_000);

  it.skipIf(!redisServer)(
    'that share a Redis, one says what the other has counted',
    async () => {
      const redis = await startRedis();
      const environment = { REDIS_URL: redis.url };
      const [here, there] = [
        await startServer({ account, environment }),
        await startServer({ account, environment }),
      ];
      for (let n = 0; n < 12; n++) {
        const page = n % 3 === 0 ? 'home' : 'other';
        await fetch(
          `${here.origin}/event?d_rtbd=json&c_page=${page}&c_partner=1&d_uuid=${newDeviceId()}`,
        );
      }
      const asked = await ask(here.origin, '11T AND 16T');
      const counted = { state: 'done', visitors: 4, total: 12, isExact: true };
      const done = await over(there.origin, asked);
      expect(done).toMatchObject(counted);
      expect(await ask(there.origin, '11T and 16T')).toEqual(done);
      await redis.stop();
      const away = await send(there.origin, 'GET', `estimates/${asked.estimateId}`);
      expect(away.status).toBe(503);
      await Promise.all([here.stop(), there.stop()]);
    },
    60_000,
  );
});
