/** Which calls are recorded, what is kept of them, and that it goes with an opt-out. */
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Profile } from '../../src/audience/profile.ts';
import { newDeviceId } from '../../src/collect/identity.ts';
import {
  CALLS,
  KEPT_CALLS,
  type RecordedCall,
  recordedCalls,
} from '../../src/collect/recorded-call.ts';
import { Recording } from '../../src/collect/recording.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { readProfile } from '../../src/store/record.ts';
import type { Store, Visit, Visitor, Waiter } from '../../src/store/store.ts';
import { COLLECTOR, CRM, changed, NEWS, PARTNER, SHOP } from '../account/example.ts';
import { redisServer, startRedis } from '../redis.ts';
import { startServer, temporaryFolder } from '../server.ts';
import { Collector, embeddedStore } from './collector.ts';
import { REST_MS, RecordingCollector } from './recorder.ts';

const page = { referer: `https://${SHOP}/` };
const json = 'd_rtbd=json&d_dst=1&d_cts=1';

const profileOf = ({ profile }: RecordedCall) => readProfile(Uint8Array.fromBase64(profile));
const countsIn = ({ realizations, length }: Profile) => {
  const counts: Record<number, number> = {};
  for (let i = 0; i < length; i += 2) counts[realizations[i]] = realizations[i + 1] & 0xffff;
  return counts;
};

describe('what is kept of a call', () => {
  it('query and body without private keys, the headers that decide, what it led to', async () => {
    const collector = new RecordingCollector();
    const uuid = newDeviceId();
    const began = Date.now();
    const response = await collector.send(`/event?${json}&c_page=home&p_income=200000`, {
      method: 'POST',
      body: `d_uuid=${uuid}&c_product=shoes&p_age=7`,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        referer: `https://${SHOP}/a?x=1&p_mood=glad`,
        'user-agent': 'Test/1.0',
        'accept-language': 'de',
        'sec-fetch-site': 'same-site',
        cookie: 'session=secret; demdex=1',
        authorization: 'Bearer secret',
        'x-forwarded-for': '192.0.2.1',
      },
    });
    const { tid } = (await response.json()) as { tid: string };
    const [{ at, owner, value }] = await collector.written(1);
    expect(owner).toBe(uuid);
    expect(at).toBeGreaterThanOrEqual(began);
    expect(at).toBeLessThanOrEqual(Date.now());
    const { profile, ...rest } = value;
    expect(rest).toEqual({
      callId: tid,
      query: `${json}&c_page=home&d_uuid=${uuid}&c_product=shoes`,
      headers: {
        host: COLLECTOR,
        referer: `https://${SHOP}/a?x=1`,
        'user-agent': 'Test/1.0',
        'accept-language': 'de',
        'sec-fetch-site': 'same-site',
      },
      traits: [11, 12, 13],
      destinations: [801, 802, 803, 804],
    });
    expect(countsIn(profileOf(value))).toEqual({});
  });

  it('the visitor as they were right before: what the call adds is not there yet', async () => {
    const collector = new RecordingCollector({
      account: changed({ 'destinations[0].frequencyCap': { count: 2, hours: 24 } }),
    });
    const uuid = newDeviceId();
    const ask = (query: string) => collector.ask(`d_uuid=${uuid}&d_dst=1&${query}`, page);
    for (const query of [
      'c_page=home',
      'c_page=home&c_product=shoes',
      'd_sid=14,14',
      'c_page=home',
    ])
      await ask(query);
    const calls = await collector.written(4);
    const profiles = calls.reverse().map(({ value }) => profileOf(value));
    expect(profiles.map(countsIn)).toEqual([
      {},
      { 11: 1 },
      { 11: 2, 12: 1 },
      { 11: 2, 12: 1, 14: 1 },
    ]);
    expect(profiles.map(({ firings }) => firings.length)).toEqual([0, 1, 2, 2]);
    expect(calls.map(({ value }) => value.destinations)).toEqual([
      [801, 802, 804],
      [801, 802, 803, 804],
      [802, 803, 804],
      [802, 803, 804],
    ]);
  });

  it('nothing private, wherever in a call it stood', async () => {
    const collector = new RecordingCollector();
    const recording = () => new Recording(collector.registry, collector.store);
    const secret = fc.stringMatching(/^[a-z]{16}$/).map((text) => `secret-${text}`);
    const send = fc.constantFrom<(secret: string) => [string, Record<string, string>]>(
      (s) => [`p_name=${s}`, {}],
      (s) => [`p_name=x&p_name=${s}`, {}],
      (s) => [`%70_name=${s}`, {}],
      (s) => [`h_referer=${encodeURIComponent(`https://${SHOP}/?a=1&p_name=${s}#p_b=${s}`)}`, {}],
      (s) => [`h_referer=https://${SHOP}/?p_name=${s}`, {}],
      (s) => ['', { referer: `https://${SHOP}/?p_name=${s}&b=2` }],
      (s) => ['', { referrer: `https://${SHOP}/?q=${encodeURIComponent(`/?p_name=${s}`)}` }],
    );
    const sent: string[] = [];
    await fc.assert(
      fc.asyncProperty(send, secret, async (make, value) => {
        const [query, headers] = make(value);
        sent.push(value);
        const own = new Collector({ recording: recording(), store: collector.store });
        await own.ask(`c_page=home&${query}`, { ...page, ...headers });
      }),
      { numRuns: 25 },
    );
    await collector.written(sent.length);
    const bytes = fs.readFileSync(path.join(collector.folder, 'registry', 'data.mdb'), 'latin1');
    expect(bytes).toContain('c_page=home');
    for (const value of sent) expect(bytes).not.toContain(value);
  });
});

/** A store that takes its time. */
class SlowStore implements Store {
  readonly lost = 0;
  readonly whyLost = undefined;
  readonly problem = undefined;
  readonly #store = embeddedStore();
  readonly settled: Promise<void>[] = [];

  visit(visit: Visit, waiter: Waiter): void {
    setTimeout(() => this.#store.visit(visit, waiter), 100);
  }
  look(visit: Visit): Promise<Visitor> {
    return this.#store.look(visit);
  }
  sample(size: number) {
    return this.#store.sample(size);
  }
  async close(): Promise<void> {}
}

describe('what is not recorded', () => {
  const uuid = newDeviceId();
  it.each<[string, query: string, headers: Record<string, string>]>([
    ['a browser that has opted out', `d_uuid=${uuid}`, { ...page, cookie: 'demdex_optout=1' }],
    [
      'a browser that can never come back',
      'c_page=home',
      { ...page, 'sec-fetch-storage-access': 'none' },
    ],
    ['a call that is disregarded', `d_uuid=${uuid}&c_page=%zz`, page],
    ['a call of a foreign page', `d_uuid=${uuid}`, { referer: 'https://evil.example/' }],
    ['more than is kept of a call', `d_uuid=${uuid}&h_x=${'ä'.repeat(7_000)}`, page],
  ])('%s', async (_name, query, headers) => {
    const collector = new RecordingCollector();
    const body = query.length > 5_000 ? query : '';
    await collector.send(`/event?${body ? '' : query}`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      ...(body && { method: 'POST', body }),
    });
    await collector.ask('c_page=last', page);
    const [{ value }] = await collector.written(1);
    expect(value.query).toContain('c_page=last');
  });

  it('visitors who have opted out, by whatever id they come', async () => {
    const collector = new RecordingCollector();
    await collector.send(`/demoptout.jpg?d_uuid=${uuid}`);
    await collector.send(`/demoptout.jpg?d_cid=${CRM}%01gone`);
    await collector.ask(`d_uuid=${uuid}&c_page=home`, page);
    await collector.ask(`d_cid=${CRM}%01gone&c_page=home`, page);
    await collector.ask('c_page=last', page);
    expect((await collector.written(1))[0].value.query).toContain('c_page=last');
  });

  it('calls that had their answer before the store had the visit', async () => {
    const store = new SlowStore();
    const late = new RecordingCollector({ store, deadline: 5 });
    await late.ask(`d_uuid=${uuid}&c_page=late`, page);
    await late.ask('c_page=late', page);
    await expect.poll(() => late.realizations(uuid)).toEqual({});
    const inTime = new RecordingCollector({ store, deadline: 60_000 }, late.folder);
    await inTime.ask(`d_uuid=${uuid}&c_page=home`, page);
    const [{ value }] = await inTime.written(1);
    expect(value.query).toContain('c_page=home');
  });

  it('ID syncs and opt-outs', async () => {
    const collector = new RecordingCollector();
    await collector.send(`/ibs:dpid=${PARTNER}&dpuuid=x`, { headers: page });
    await collector.send('/demoptout.jpg', { headers: page });
    await collector.ask('c_page=last', page);
    expect((await collector.written(1))[0].value.query).toContain('c_page=last');
  });
});

describe('a sample that costs next to nothing', () => {
  it('is of twenty calls a second, or at once after a quiet one, whatever the clock does', async () => {
    const registry = new RegistryFile(temporaryFolder());
    const recording = new Recording(registry, embeddedStore());
    const taken = (at: number) => {
      for (let tapes = 0; ; tapes++) if (!recording.begin(at)) return tapes;
    };
    const t = Date.now();
    const counts = [0, 10, 49, 50, 99, 350, 5_000, 4_990, 5_050].map((later) => taken(t + later));
    expect(counts).toEqual([20, 0, 0, 1, 0, 6, 20, 0, 1]);
    // An hour back: recording goes on.
    expect([0, 50, 100].map((later) => taken(t - 3_600_000 + later))).toEqual([1, 1, 1]);
    await recording.close();
    await registry.close();
  });

  it('takes twenty calls at once after a quiet time, and then twenty a second', async () => {
    const collector = new RecordingCollector();
    const began = performance.now();
    for (let i = 0; i < 400; i++) await collector.ask(`c_page=${i}`, page);
    const seconds = (performance.now() - began) / 1_000;
    await expect
      .poll(async () => (await collector.recorded()).length, { timeout: 20_000 })
      .toBeGreaterThanOrEqual(20);
    const calls = await collector.recorded();
    expect(calls.length).toBeLessThanOrEqual(20 + Math.ceil(seconds * 20));
    // The first ones among them, since nothing was before.
    expect(calls.at(-1)?.value.query).toContain('c_page=0');
  });

  it('keeps the newest thousand', async () => {
    const collector = new RecordingCollector();
    const old = Array.from({ length: KEPT_CALLS + 50 }, (_, i) => ({
      at: i,
      owner: newDeviceId(),
      value: {},
    }));
    await collector.registry.append(CALLS, old, KEPT_CALLS);
    await collector.ask('c_page=newest', page);
    await expect
      .poll(async () => (await collector.recorded())[0].value.query, { timeout: 20_000 })
      .toContain('c_page=newest');
    expect(await collector.recorded()).toHaveLength(KEPT_CALLS);
  });

  it('holds at most a hundred calls while the registry takes none, and pages go on', async () => {
    class StuckRegistry extends RegistryFile {
      appended = 0;
      override async append(_list: string, entries: readonly unknown[]): Promise<void> {
        this.appended += entries.length;
        await new Promise(() => {});
      }
    }
    const registry = new StuckRegistry(temporaryFolder());
    const store = embeddedStore();
    const recording = new Recording(registry, store, REST_MS);
    const collector = new Collector({ registry, recording, store });
    const began = Date.now();
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    for (let sent = 0; sent < 200; sent++) {
      // As far apart as calls that are recorded are.
      vi.setSystemTime(began + sent * 50);
      expect((await collector.ask('c_page=home', page)).uuid).toBeDefined();
    }
    await expect.poll(() => registry.appended).toBeGreaterThan(0);
    // One write that never ends, and what waits behind it.
    expect(registry.appended).toBeLessThanOrEqual(100);
    for (let i = 0; i < 100; i++) expect(recording.begin(Date.now())).toBeUndefined();
    await registry.close();
  });

  it('a registry that fails costs calls of the sample, and nothing else', async () => {
    class FailingRegistry extends RegistryFile {
      isFailing = true;
      failures = 0;
      override async append(...given: Parameters<RegistryFile['append']>): Promise<void> {
        if (this.isFailing) {
          this.failures++;
          throw new Error('the disk is full');
        }
        await super.append(...given);
      }
    }
    const registry = new FailingRegistry(temporaryFolder());
    const store = embeddedStore();
    const recording = new Recording(registry, store, REST_MS);
    const collector = new Collector({ registry, recording, store });
    await collector.ask('c_page=first', page);
    await expect.poll(() => registry.failures).toBeGreaterThan(0);
    registry.isFailing = false;
    await collector.ask('c_page=second', page);
    await expect.poll(() => recordedCalls(registry), { timeout: 20_000 }).toHaveLength(1);
    expect(collector.reports).toEqual([]);
    await recording.close();
    await registry.close();
  });
});

describe('an opt-out leaves nothing of what was recorded of the visitor', () => {
  const other = newDeviceId();
  const cid = `${CRM}%01customer`;

  it.each<[string, path: (uuid: string) => string, cookie: (uuid: string) => string]>([
    ['named by its device id', (uuid) => `/demoptout.jpg?d_uuid=${uuid}`, () => ''],
    ['by the cookie of its browser', () => '/demoptout.jpg', (uuid) => `demdex=${uuid}`],
    ['by a declared id', () => `/demoptout.jpg?d_cid=${cid}`, () => ''],
    ['by the code of a data source', () => '/demoptout.jpg?d_cid_ic=crm%01customer', () => ''],
    [
      'told by the browser, which remembers it',
      () => '/event?c_page=home',
      (uuid) => `demdex=${uuid}; demdex_optout=1`,
    ],
  ])('%s', async (_name, path, cookie) => {
    const collector = new RecordingCollector();
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_page=home&d_cid=${cid}`, page);
    await collector.ask(`d_uuid=${other}&c_page=home`, page);
    await collector.written(2);
    // Of this one, nothing is written yet.
    await collector.ask(`d_uuid=${uuid}&c_page=home`, page);
    await collector.send(path(uuid), { headers: { ...page, cookie: cookie(uuid) } });
    await expect
      .poll(async () => (await collector.recorded()).map(({ owner }) => owner), { timeout: 20_000 })
      .toEqual([other]);
    // What waits is written now, or never.
    await collector.recording.close();
    expect((await collector.recorded()).map(({ owner }) => owner)).toEqual([other]);
  });

  it('what another process has yet to write goes, too, however long that takes', async () => {
    class SlowRegistry extends RegistryFile {
      override async append(...given: Parameters<RegistryFile['append']>): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, given[1].length > 0 ? 5 * REST_MS : 0));
        await super.append(...given);
      }
    }
    const here = new RecordingCollector();
    const { store } = here;
    const registry = new SlowRegistry(here.folder);
    const recording = new Recording(registry, store, REST_MS);
    const there = new Collector({ store, registry, recording });
    const uuid = newDeviceId();
    await there.ask(`d_uuid=${uuid}&c_page=home`, page);
    await here.send(`/demoptout.jpg?d_uuid=${uuid}`);
    await there.ask(`d_uuid=${other}&c_page=home`, page);
    await expect
      .poll(async () => (await here.recorded()).map(({ owner }) => owner), { timeout: 20_000 })
      .toEqual([other]);
    await recording.close();
    await registry.close();
  });

  it('an opt-out that the store took late is heard, too', async () => {
    const store = new SlowStore();
    const collector = new RecordingCollector({ store, deadline: 60_000 });
    const uuid = (await collector.ask(`d_cid=${cid}&c_page=home`, page)).uuid;
    await collector.written(1);
    const hurried = new RecordingCollector({ store, deadline: 5 }, collector.folder);
    const response = await hurried.send(`/demoptout.jpg?d_cid=${cid}`);
    expect(response.headers.get('x-error')).toBe('200');
    expect((await collector.recorded()).map(({ owner }) => owner)).toEqual([uuid]);
    await collector.written(0);
  });

  it('also where the registry fails at first', async () => {
    class FailingRegistry extends RegistryFile {
      failures = 2;
      override async forget(...given: Parameters<RegistryFile['forget']>): Promise<void> {
        if (this.failures-- > 0) throw new Error('the disk is full');
        await super.forget(...given);
      }
    }
    const registry = new FailingRegistry(temporaryFolder());
    const store = embeddedStore();
    const recording = new Recording(registry, store, REST_MS);
    const collector = new Collector({ registry, recording, store });
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_page=home`, page);
    await expect.poll(() => recordedCalls(registry), { timeout: 20_000 }).toHaveLength(1);
    await collector.send(`/demoptout.jpg?d_uuid=${uuid}`);
    await expect.poll(() => recordedCalls(registry), { timeout: 20_000 }).toEqual([]);
    expect(registry.failures).toBeLessThan(0);
    await recording.close();
    await registry.close();
  });

  it('a stop right after it keeps to it', async () => {
    const collector = new RecordingCollector();
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_page=home`, page);
    await collector.written(1);
    await collector.ask(`d_uuid=${uuid}&c_page=home`, page);
    await collector.ask(`d_uuid=${other}&c_page=home`, page);
    await collector.send(`/demoptout.jpg?d_uuid=${uuid}`);
    await collector.recording.close();
    expect((await collector.recorded()).map(({ owner }) => owner)).toEqual([other]);
  });

  it('any number of them cost one look through the list a rest', async () => {
    class CountingRegistry extends RegistryFile {
      looks = 0;
      override recent<Value>(list: string, limit: number) {
        this.looks++;
        return super.recent<Value>(list, limit);
      }
    }
    const registry = new CountingRegistry(temporaryFolder());
    const recording = new Recording(registry, embeddedStore(), REST_MS);
    const began = performance.now();
    while (registry.looks < 5) {
      for (let i = 0; i < 50; i++) recording.forget(newDeviceId());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const rests = (performance.now() - began) / REST_MS;
    expect(registry.looks).toBeLessThanOrEqual(1 + Math.ceil(rests));
    await recording.close();
    await registry.close();
  });
});

describe('real servers', () => {
  const account = changed({ 'sites[0].hosts': [], 'sites[1].hosts': [] });

  /** Sends calls to servers in turn, then one opt-out. */
  async function share(origins: readonly string[]): Promise<void> {
    const uuids = Array.from({ length: 12 }, newDeviceId).sort();
    let calls = 0;
    const get = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${origins[calls++ % origins.length]}${path}`, {
        headers: { referer: `https://${NEWS}/`, connection: 'close', ...headers },
      });
    const owners = async () => {
      const response = await get('/v1/calls', { authorization: 'Bearer test-token' });
      const recorded = (await response.json()) as { uuid: string }[];
      return [...new Set(recorded.map(({ uuid }) => uuid))].sort();
    };
    const recorded = async () => {
      const known = await owners();
      // A process whose registry is not there yet leaves gaps.
      for (const uuid of uuids.filter((one) => !known.includes(one)))
        await get(`/event?d_rtbd=json&c_page=home&d_uuid=${uuid}&p_income=7654321`);
      return known;
    };
    await expect.poll(recorded, { timeout: 30_000, interval: 1_250 }).toEqual(uuids);
    const [gone, ...rest] = uuids;
    await get(`/demoptout.jpg?d_uuid=${gone}`);
    await expect.poll(owners, { timeout: 20_000 }).toEqual(rest);
  }

  it('workers share what they recorded, and forget it together', async () => {
    const server = await startServer({ account, environment: { WORKERS: '2' } });
    await share([server.origin]);
    await server.stop();
    const bytes = fs.readFileSync(path.join(server.folder, 'registry', 'data.mdb'), 'latin1');
    expect(bytes).toContain('c_page=home');
    expect(bytes).not.toContain('7654321');
  }, 90_000);

  it.skipIf(!redisServer)(
    'nodes on one Redis do, too',
    async () => {
      const redis = await startRedis('--maxmemory-policy', 'noeviction');
      const onRedis = { REDIS_URL: redis.url };
      const one = await startServer({ account, environment: onRedis });
      const two = await startServer({ environment: onRedis });
      await share([one.origin, two.origin]);
      await Promise.all([one.stop(), two.stop()]);
      const values = await redis.cli('hvals', 'sy:recent:{calls}:values');
      expect(values).toContain('c_page=home');
      expect(values).not.toContain('7654321');
      await redis.stop();
    },
    120_000,
  );
});
