/** Traces of recorded calls, of one destination, and in brief. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { Recording } from '../../src/collect/recording.ts';
import type { Trace } from '../../src/collect/trace.ts';
import { CRM, changed, exampleAccount, OWN, SHOP } from '../account/example.ts';
import { Collector } from '../collect/collector.ts';
import { RecordingCollector } from '../collect/recorder.ts';
import { ask } from './ask.ts';

const page = { referer: `https://${SHOP}/` };
const json = 'd_rtbd=json&d_dst=1&d_cts=1';
const traced = async (collector: Pick<Collector, 'send'>, question: object): Promise<Trace> => {
  const { status, body } = await ask(collector, 'trace', question);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const reasonsOf = (list: readonly { sid: number; reason: string }[]) =>
  Object.fromEntries(list.map(({ sid, reason }) => [sid, reason]));

describe('a recorded call', () => {
  const collector = new RecordingCollector({
    account: changed({ 'destinations[0].frequencyCap': { count: 1, hours: 24 } }),
  });
  const uuid = newDeviceId();
  const callIds: string[] = [];

  beforeAll(async () => {
    for (const query of ['c_page=home', 'c_page=home&c_product=shoes', 'p_income=200000'])
      callIds.push((await collector.ask(`${json}&d_uuid=${uuid}&${query}`, page)).tid);
    await collector.written(3);
  });

  it('is decided for the visitor as they were then', async () => {
    const [first, second] = await Promise.all(callIds.map((call) => traced(collector, { call })));
    expect(first.uuid).toBe(uuid);
    expect(first.traits.slice(0, 2)).toMatchObject([
      { sid: 11, reason: 'realized', count: 1 },
      { sid: 12, reason: 'no-signal', count: 0 },
    ]);
    expect(second.traits.slice(0, 2)).toMatchObject([
      { sid: 11, reason: 'realized', count: 2 },
      { sid: 12, reason: 'realized', count: 1 },
    ]);
    // Then, it was due; now, it is capped.
    const ofFirst = (trace: Trace) => trace.destinations[0].reason;
    expect([ofFirst(first), ofFirst(second)]).toEqual(['delivered', 'capped']);
    const now = await traced(collector, { url: `/event?${json}&c_page=home`, headers: page, uuid });
    expect(ofFirst(now)).toBe('capped');
  });

  it('is decided at its time, or at another one', async () => {
    const [{ at }] = (await ask(collector, 'calls?limit=1')).body;
    const [call] = callIds.slice(-1);
    expect((await traced(collector, { call })).at).toBe(new Date(at).toISOString());
    const later = new Date(at + 40 * 86_400_000).toISOString();
    const trace = await traced(collector, { call, at: later });
    expect(trace.at).toBe(later);
    // Shoes last for 30 days.
    expect(trace.traits.map(({ has }) => has)).toEqual([true, false, true, false, true, false]);
  });

  it('has realized what private signals realized, though they are not there any more', async () => {
    const trace = await traced(collector, { call: callIds[2] });
    expect(trace.traits[2]).toMatchObject({ sid: 13, reason: 'realized', has: true, count: 1 });
    expect(JSON.stringify(trace)).not.toContain('200000');
  });

  it('stores nothing', async () => {
    const before = (await collector.look(uuid)).profile;
    for (const call of callIds) await traced(collector, { call });
    expect((await collector.look(uuid)).profile).toEqual(before);
    expect(await collector.recorded()).toHaveLength(3);
  });

  it.each<[string, question: object, status: number, path: string]>([
    ['a call that is not there', { call: 'AAAAAAAAAAA=' }, 404, 'call'],
    ['a call that is none', { call: 5 }, 400, 'call'],
    ['a call with an address of its own', { call: 'A', url: '/event' }, 400, 'url'],
    ['a call with a visitor of its own', { call: 'A', uuid }, 400, 'uuid'],
    ['a destination that is not there', { url: '/event', destination: 1 }, 404, 'destination'],
    ['a destination that is none', { url: '/event', destination: 'x' }, 400, 'destination'],
    ['brief that is neither', { url: '/event', brief: 'yes' }, 400, 'brief'],
  ])('%s is an error', async (_name, question, status, path) => {
    const answer = await ask(collector, 'trace', question);
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0]).toMatchObject({ path, instead: expect.any(String) });
  });

  it('is decided again as it was answered, whatever the visitor did before', async () => {
    const account = changed({
      'destinations[0].frequencyCap': { count: 2, hours: 24 },
      'destinations[3].frequencyCap': { count: 1, hours: 1 },
      'sites[0].pageBudget': 2,
      'traits[4].folderId': 101,
      'traits[5].traitRule': 'c_page == "home" AND NOT p_age > 30',
    });
    const base = new RecordingCollector({ account });
    const part = fc.constantFrom(
      'c_page=home',
      'c_product=shoes',
      'p_income=200000',
      'p_age=40',
      'd_sid=14',
      `d_tdpid=${OWN}`,
      `d_cid=${CRM}%01someone`,
      'd_coppa=1',
      'd_ptfm=ios',
      'd_dst=0',
    );
    const visits = fc.array(fc.array(part, { maxLength: 4 }), { minLength: 1, maxLength: 6 });
    // Once it is there, the registry takes what is recorded at once.
    await base.ask('', page);
    await base.written(1);
    let delivered = 0;
    await fc.assert(
      fc.asyncProperty(visits, async (all) => {
        const { registry, store } = base;
        const recording = new Recording(registry, store);
        const own = new Collector({ account, store, registry, recording });
        const visitor = newDeviceId();
        const answers = [];
        for (const parts of all)
          answers.push(await own.ask([...parts, json, `d_uuid=${visitor}`].join('&'), page));
        await recording.close();
        for (const answer of answers) {
          const trace = await traced(own, { call: answer.tid });
          expect(trace.answer.urls).toEqual((answer.dests ?? []).map(({ c }) => c));
          expect(trace.answer.cookies).toEqual(
            answer.stuff.map(({ cn, cv }) => ({ name: cn, value: cv })),
          );
          const realized = trace.traits.filter(({ reason }) => /^(real|declar)/.test(reason));
          expect(realized.map(({ sid }) => sid)).toEqual(answer.traits?.sort());
          const holding = trace.segments.filter(({ reason }) => reason === 'holds');
          expect(holding.map(({ sid }) => sid)).toEqual(answer.segments?.sort());
          delivered += trace.answer.urls.length;
        }
      }),
      { numRuns: 30 },
    );
    expect(delivered).toBeGreaterThan(20);
  });
});

describe('in brief', () => {
  const account = changed({ 'destinations[0].mappings': [], 'destinations[1].mappings': [] });
  const collector = new Collector({ account });
  const question = { url: `/event?${json}&c_product=shoes`, headers: page };

  it('only traits that were realized or are held, only segments that hold or are mapped', async () => {
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_partner=1`, page);
    const [brief, full] = await Promise.all(
      [true, false].map((one) => traced(collector, { ...question, uuid, brief: one })),
    );
    // Shoes from now with their folder, the partner's from before.
    expect(brief.traits.map(({ sid }) => sid)).toEqual([12, 15, 16]);
    // Shoes and the partner's hold; 51, 54 and 55 are mapped.
    expect(brief.segments.map(({ sid }) => sid)).toEqual([51, 52, 54, 55, 56]);
    for (const list of ['traits', 'segments'] as const) {
      expect(full[list]).toEqual(expect.arrayContaining([...brief[list]]));
    }
    const rest = ({ traits, segments, answer, at, ...more }: Trace) => more;
    expect(rest(brief)).toEqual(rest(full));
  });

  it('of a call that is disregarded, what the visitor has all the same', async () => {
    const uuid = newDeviceId();
    await collector.ask(`d_uuid=${uuid}&c_page=home`, page);
    const trace = await traced(collector, {
      url: '/event?x=%zz',
      headers: page,
      uuid,
      brief: true,
    });
    expect(reasonsOf(trace.traits)).toEqual({ 11: 'disregarded', 15: 'disregarded' });
  });
});

describe('of one destination', () => {
  const account = exampleAccount();
  account.traits[1].traitRule =
    'c_product == "shoes" AND (h_referer contains "shop" OR c_x == "1")';
  account.traits[2].traitRule = 'p_income >= 100000 OR c_rich == "1"';
  account.segments[0].segmentRule = '11T AND NOT 13T';
  const collector = new Collector({ account });
  const uuid = newDeviceId();
  const today = new Date().toISOString().slice(0, 10);
  const ask1 = (destination: number, query = '', more: object = {}) =>
    traced(collector, {
      url: `/event?${json}&${query}`,
      headers: { referer: `https://${SHOP}/?a=1&p_x=secret` },
      uuid,
      destination,
      ...more,
    });
  beforeAll(() => collector.ask(`d_uuid=${uuid}&c_page=home`, page));

  it('its mappings, their segments and the traits that these are about, with signals', async () => {
    const trace = await ask1(802, 'c_product=shoes,boots&c_x=2&p_income=7');
    expect(trace.destinations).toEqual([
      {
        destinationId: 802,
        name: 'Bidder',
        reason: 'delivered',
        mappings: [
          { sid: 51, reason: 'delivered' },
          { sid: 52, reason: 'delivered' },
          { sid: 53, reason: 'no-segment' },
        ],
      },
    ]);
    expect(trace.segments).toEqual([
      { sid: 51, name: 'Home', segmentRule: '11T AND NOT 13T', reason: 'holds', because: [] },
      { sid: 52, name: 'Shoes', segmentRule: '12T', reason: 'holds', because: [] },
      { sid: 53, name: 'Income', segmentRule: '13T', reason: 'lacks-trait', because: [13] },
    ]);
    expect(trace.traits).toEqual([
      {
        sid: 11,
        name: 'Came home',
        traitRule: 'c_page == "home"',
        reason: 'no-signal',
        has: true,
        count: 1,
        ttl: 120,
        lastRealized: today,
        signals: [{ key: 'c_page', values: [] }],
      },
      {
        sid: 12,
        name: 'Looked at shoes',
        traitRule: account.traits[1].traitRule,
        reason: 'realized',
        has: true,
        count: 1,
        ttl: 30,
        lastRealized: today,
        signals: [
          { key: 'c_product', values: ['shoes', 'boots'] },
          { key: 'h_referer', values: [`https://${SHOP}/?a=1`] },
          { key: 'c_x', values: ['2'] },
        ],
      },
      {
        sid: 13,
        name: 'Earns well',
        traitRule: account.traits[2].traitRule,
        reason: 'rule-not-met',
        has: false,
        count: 0,
        ttl: 120,
        lastRealized: null,
        signals: [
          { key: 'p_income', isPrivate: true },
          { key: 'c_rich', values: [] },
        ],
      },
    ]);
    expect(JSON.stringify(trace)).not.toContain('secret');
  });

  it('a folder tells of its traits, too; an onboarded one has no rule', async () => {
    const trace = await ask1(804);
    expect(trace.traits).toMatchObject([
      { sid: 11, signals: [{ key: 'c_page', values: [] }] },
      { sid: 13 },
      { sid: 15, reason: 'folder', traitRule: null, members: [11], lastRealized: today, count: 1 },
    ]);
    expect(reasonsOf(trace.segments)).toEqual({ 51: 'holds', 54: 'count-not-met' });
    expect((await ask1(805)).traits).toMatchObject([
      { sid: 14, reason: 'no-rule', traitRule: null, signals: [], lastRealized: null },
    ]);
  });

  it('a trait that has lapsed says when it was realized last', async () => {
    const at = new Date(Date.now() + 121 * 86_400_000).toISOString();
    const { traits } = await ask1(801, '', { at });
    expect(traits[0]).toMatchObject({ sid: 11, has: false, count: 0, lastRealized: today });
  });

  it('one without mappings has nothing that leads to it', async () => {
    const empty = new Collector({ account: changed({ 'destinations[0].mappings': [] }) });
    const trace = await traced(empty, { url: '/event', headers: page, destination: 801 });
    expect([trace.traits, trace.segments]).toEqual([[], []]);
    expect(trace.destinations[0].reason).toBe('not-mapped');
  });

  it('says the same as the whole trace', async () => {
    const query = 'c_page=home&c_product=shoes&d_sid=14';
    const full = await traced(collector, { url: `/event?${json}&${query}`, headers: page, uuid });
    for (const [i, { destinationId }] of full.destinations.entries()) {
      const one = await traced(collector, {
        url: `/event?${json}&${query}`,
        headers: page,
        uuid,
        destination: destinationId,
      });
      expect(one.destinations).toEqual([full.destinations[i]]);
      for (const { sid, reason, has, count } of one.traits) {
        expect(full.traits).toContainEqual(expect.objectContaining({ sid, reason, has, count }));
      }
      for (const { sid, reason, because } of one.segments) {
        expect(full.segments).toContainEqual(expect.objectContaining({ sid, reason, because }));
      }
    }
  });
});

it('a private value in the page’s address is in no trace', async () => {
  const account = changed({ 'traits[0].traitRule': 'h_referer contains "home"' });
  const collector = new Collector({ account });
  const referer = `https://${SHOP}/home?p_income=7654321`;
  for (const question of [
    { url: `/event?${json}`, headers: { referer } },
    { url: `/event?${json}&h_referer=${encodeURIComponent(referer)}`, headers: page },
  ]) {
    const trace = await traced(collector, question);
    expect(trace.signals).toEqual({ h_referer: [`https://${SHOP}/home`] });
    expect(JSON.stringify(trace)).not.toContain('7654321');
  }
});
