/** Try before publishing: what an entry would change, checked by hand on the example account. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { RESOURCES, shown } from '../../src/builder/resource.ts';
import { newDeviceId } from '../../src/collect/identity.ts';
import { Recording } from '../../src/collect/recording.ts';
import { changed, exampleAccount, OWN, SHOP } from '../account/example.ts';
import { Collector, TOKEN } from '../collect/collector.ts';
import { RecordingCollector } from '../collect/recorder.ts';
import { ask } from './ask.ts';

const page = { referer: `https://${SHOP}/` };
const json = 'd_rtbd=json&d_dst=1';
const account = exampleAccount();
const [pixels, bidder, frame, cookie, server] = account.destinations;

const collector = new RecordingCollector();
let from = 0;

/**
 * | call | visitor | segments | URL calls | besides |
 * | --- | --- | --- | --- | --- |
 * | home | Ann | 51 | 801, 802 | cookie 804 |
 * | shoes | Ann | 51, 52, 54 | 801, 802, 803 | cookie 804 |
 * | other | Bob | | | |
 * | named | Bob | 55 | | message 805 |
 * | rich | Cid | 53 | 802 | |
 */
beforeAll(async () => {
  const [ann, bob, cid] = [newDeviceId(), newDeviceId(), newDeviceId()];
  from = Date.now();
  await collector.ask(`${json}&d_uuid=${ann}&c_page=home`, page);
  await collector.ask(`${json}&d_uuid=${ann}&c_product=shoes`, page);
  await collector.ask(`${json}&d_uuid=${bob}&c_page=other`, page);
  await collector.ask(`${json}&d_uuid=${bob}&d_sid=14`, page);
  await collector.ask(`${json}&d_uuid=${cid}&p_income=200000`, page);
  await collector.written(5);
});

const tried = async (list: string, entry: object, through: Pick<Collector, 'send'> = collector) => {
  const { status, body } = await ask(through, 'trials', { list, entry });
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const without = <Entry extends object>(entry: Entry, field: keyof Entry) => {
  const { [field]: _, ...rest } = entry;
  return rest;
};

describe('what an entry would change', () => {
  const BEFORE = { mean: 6 / 5, max: 3 };
  type Called = [destinationId: number, before: number, after: number];

  it.each<[string, list: string, entry: object, Called[], mean: number, max: number]>([
    [
      'a destination that is switched off',
      'destinations',
      { ...pixels, status: 'inactive' },
      [[801, 2, 0]],
      4 / 5,
      2,
    ],
    [
      'a destination with another mapping; without mappings, it keeps them',
      'destinations',
      { ...without(pixels, 'mappings'), name: 'Other' },
      [[801, 2, 2]],
      6 / 5,
      3,
    ],
    [
      'a destination without mappings',
      'destinations',
      { ...bidder, mappings: [] },
      [[802, 3, 0]],
      3 / 5,
      2,
    ],
    [
      'a new destination',
      'destinations',
      {
        name: 'New',
        destinationType: 'PUSH',
        mappings: [
          { sid: 52, url: 'https://new.example/shoes' },
          { sid: 54, url: 'https://new.example/keen' },
        ],
      },
      [[806, 0, 2]],
      8 / 5,
      5,
    ],
    [
      'a destination that only some pages reach',
      'destinations',
      { ...frame, domainRestrictions: 'inclusion', siteIDs: [2] },
      [[803, 1, 0]],
      5 / 5,
      2,
    ],
    ['a smaller cookie', 'destinations', { ...cookie, maxSize: 1 }, [[804, 2, 0]], 6 / 5, 3],
    [
      'messages to a server',
      'destinations',
      { ...server, status: 'inactive' },
      [[805, 1, 0]],
      6 / 5,
      3,
    ],
    [
      'a segment for more visitors',
      'segments',
      { sid: 52, name: 'Shoes', segmentRule: '11T OR 12T' },
      [
        [802, 3, 3],
        [803, 1, 2],
      ],
      7 / 5,
      3,
    ],
    [
      'a new segment, which nothing is mapped to',
      'segments',
      { name: 'New', segmentRule: '11T' },
      [],
      6 / 5,
      3,
    ],
    [
      'a trait for other calls',
      'traits',
      { ...account.traits[1], traitRule: 'c_page == "other"' },
      // Folder trait 15, of which it is a part, leads to the cookie.
      [
        [802, 3, 4],
        [803, 1, 1],
        [804, 2, 2],
      ],
      // home 2, shoes 2 (51 only), other 2, named 0, rich 1
      7 / 5,
      2,
    ],
    ['a trait that nobody needs', 'traits', { ...account.traits[5], ttl: 1 }, [], 6 / 5, 3],
  ])('%s', async (_name, list, entry, called, mean, max) => {
    const result = await tried(list, entry);
    expect(result).toMatchObject({ calls: 5, privateKeys: [] });
    expect(
      result.destinations.map((d: { destinationId: number; before: number; after: number }) => [
        d.destinationId,
        d.before,
        d.after,
      ]),
    ).toEqual(called);
    expect(result.pixels).toEqual({ before: BEFORE, after: { mean, max } });
  });

  it('when the calls were, and how destinations are called', async () => {
    const result = await tried('destinations', { ...pixels, name: 'Renamed' });
    expect(result.destinations).toEqual([
      { destinationId: 801, name: 'Renamed', before: 2, after: 2 },
    ]);
    expect(result.from).toBeGreaterThanOrEqual(from);
    expect(result.to).toBeGreaterThanOrEqual(result.from);
    expect(result.to).toBeLessThanOrEqual(Date.now());
  });

  it('a new rule over private signals is tried without them, and says so', async () => {
    const income = account.traits[2];
    expect((await tried('traits', { ...income, ttl: 7 })).privateKeys).toEqual([]);
    const result = await tried('traits', {
      ...income,
      traitRule: 'p_income >= 50000 OR p_rich == "1" OR c_product == "shoes"',
    });
    expect(result.privateKeys).toEqual(['p_income', 'p_rich']);
    expect(result.destinations).toEqual([
      { destinationId: 802, name: 'Bidder', before: 3, after: 2 },
    ]);
  });

  it('nothing was recorded: nothing to compare', async () => {
    const result = await tried('destinations', pixels, new RecordingCollector());
    expect(result).toMatchObject({
      calls: 0,
      from: null,
      to: null,
      destinations: [{ destinationId: 801, before: 0, after: 0 }],
      pixels: { before: { mean: 0, max: 0 }, after: { mean: 0, max: 0 } },
    });
  });

  it('is compared with the account as it is now, and nothing is saved', async () => {
    const own = new RecordingCollector();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const uuid = newDeviceId();
    await own.ask(`${json}&d_uuid=${uuid}&c_page=home`, page);
    await own.written(1);
    const change = { ...pixels, status: 'inactive' };
    const put = () =>
      own.send('/v1/destinations/801', { method: 'PUT', headers, body: JSON.stringify(change) });
    expect((await tried('destinations', change, own)).destinations).toMatchObject([
      { before: 1, after: 0 },
    ]);
    expect((await ask(own, 'destinations/801')).body.status).toBe('active');
    expect((await put()).status).toBe(200);
    expect((await tried('destinations', change, own)).destinations).toMatchObject([
      { before: 0, after: 0 },
    ]);
    expect((await own.look(uuid)).profile.length).toBe(2);
    expect(await own.recorded()).toHaveLength(1);
  });
});

describe('an entry that is as it was changes nothing', () => {
  it('whatever was recorded', async () => {
    const special = changed({
      'destinations[0].frequencyCap': { count: 1, hours: 24 },
      'sites[0].pageBudget': 2,
      'traits[5].traitRule': 'c_page == "home" AND NOT p_age > 30',
    });
    const base = new RecordingCollector({ account: special });
    const part = fc.constantFrom(
      'c_page=home',
      'c_product=shoes',
      'p_income=200000',
      'p_age=40',
      'd_sid=14',
      `d_tdpid=${OWN}`,
      'd_coppa=1',
      'd_dst=0',
    );
    const visits = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 2 }), fc.array(part, { maxLength: 4 })),
      { minLength: 1, maxLength: 8 },
    );
    // Once it is there, the registry takes what is recorded at once.
    await base.ask('', page);
    await base.written(1);
    let pixelsSeen = 0;
    await fc.assert(
      fc.asyncProperty(visits, async (all) => {
        const { registry, store } = base;
        const recording = new Recording(registry, store);
        const own = new Collector({ account: special, store, registry, recording });
        const uuids = [newDeviceId(), newDeviceId(), newDeviceId()];
        for (const [i, parts] of all)
          await own.ask([...parts, json, `d_uuid=${uuids[i]}`].join('&'), page);
        await recording.close();
        const answers = await base.recorded();
        for (const resource of RESOURCES.slice(0, 3)) {
          const entries = special[resource.list as 'traits' | 'segments' | 'destinations'];
          for (const entry of entries) {
            const result = await tried(resource.list, shown(entry, resource.schema), own);
            expect(result.calls).toBe(answers.length);
            for (const { before, after } of result.destinations) expect(after).toBe(before);
            expect(result.pixels.after).toEqual(result.pixels.before);
            expect(result.privateKeys).toEqual([]);
            pixelsSeen += result.pixels.before.max;
          }
        }
      }),
      { numRuns: 5 },
    );
    expect(pixelsSeen).toBeGreaterThan(10);
  });

  it('and what was is what the pages were answered', async () => {
    const uuid = newDeviceId();
    const own = new RecordingCollector({
      account: changed({ 'destinations[0].frequencyCap': { count: 1, hours: 24 } }),
    });
    let calls = 0;
    const dests = new Map<string, number>();
    for (const query of ['c_page=home', 'c_page=home', 'c_product=shoes', 'p_income=200000']) {
      for (const { id } of (await own.ask(`${json}&d_uuid=${uuid}&${query}`, page)).dests ?? []) {
        calls++;
        dests.set(id, (dests.get(id) ?? 0) + 1);
      }
    }
    await own.written(4);
    for (const [i, destination] of account.destinations.slice(0, 3).entries()) {
      const cap = i === 0 ? { frequencyCap: { count: 1, hours: 24 } } : {};
      const result = await tried('destinations', { ...destination, ...cap }, own);
      expect(result.pixels.before.mean).toBe(calls / 4);
      expect(result.destinations[0].before).toBe(dests.get(String(destination.destinationId)));
    }
  });
});

describe('what cannot be tried', () => {
  it.each<[string, body: unknown, status: number, paths: string[]]>([
    ['no JSON', '{', 400, ['(body)']],
    ['nothing', {}, 400, ['list', 'entry']],
    ['another list', { list: 'sites', entry: {} }, 400, ['list']],
    ['no entry', { list: 'traits', entry: [] }, 400, ['entry']],
    ['something else besides', { list: 'traits', entry: {}, at: 1 }, 400, ['at']],
    [
      'an entry with wrong fields, all of them said',
      { list: 'destinations', entry: { ...pixels, name: '', priority: 'x', color: 'red' } },
      400,
      ['name', 'priority', 'color'],
    ],
    [
      'an entry with wrong mappings',
      {
        list: 'destinations',
        entry: {
          ...pixels,
          mappings: [
            { sid: 51, url: 'nonsense' },
            { sid: 99, url: 'http://a/' },
          ],
        },
      },
      400,
      ['mappings[0].url', 'mappings[0].secureUrl', 'mappings[1].sid'],
    ],
    [
      'a rule that is none',
      { list: 'segments', entry: { name: 'New', segmentRule: '11T AND' } },
      400,
      ['segmentRule'],
    ],
    [
      'an id that a segment has',
      { list: 'traits', entry: { ...account.traits[0], sid: 51 } },
      409,
      ['segments[0].sid'],
    ],
  ])('%s', async (_name, body, status, paths) => {
    const answer = await ask(collector, 'trials', body);
    expect(answer.status).toBe(status);
    const errors = (answer.body.errors ?? []) as { path: string; wrong: string; instead: string }[];
    expect([...new Set(errors.map(({ path }) => path))].sort()).toEqual(paths.toSorted());
    for (const { wrong, instead } of errors) expect(wrong && instead).toBeTruthy();
  });

  it('without a login, nothing', async () => {
    const body = { list: 'destinations', entry: pixels };
    expect((await ask(collector, 'trials', body, {})).status).toBe(401);
  });
});
