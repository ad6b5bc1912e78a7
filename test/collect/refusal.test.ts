/** Consent, from the request to what is kept and answered: on the collection endpoint and at ID syncs. */
import { describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import type { Store, Visit, Waiter } from '../../src/store/store.ts';
import { type AccountInput, changed, exampleAccount, PARTNER, SHOP } from '../account/example.ts';
import { Collector, codes, embeddedStore } from './collector.ts';
import { FORBID, REQUIRE_CONSENT, REQUIRE_INTEREST, tcf } from './consent-string.ts';

const ALL = 'd_dst=1&d_cts=1';
const shopPage = { origin: `https://${SHOP}`, referer: `https://${SHOP}/` };
const query = (text: string) => `gdpr=1&gdpr_consent=${text}`;
const YES = query(tcf({ purposes: [1, 3], vendors: [11] }));
const NO = query(tcf({ purposes: [2] }));
const OUTSIDE = 'gdpr=0';
const UNTOLD = '';

/** Onboarded trait 14 leads to a segment that a server is told of: then visits are examined. */
const collector = new Collector();
const home = async (uuid: string, consent: string, to = collector, headers = {}) =>
  to.ask(`${ALL}&d_uuid=${uuid}&c_page=home&${consent}`, { ...shopPage, ...headers });
const idsOf = ({ dests }: { dests?: { id: string }[] }) => (dests ?? []).map(({ id }) => id).sort();
const profileOf = async (uuid: string, of = collector) => (await of.look(uuid)).profile;

/** A store that says which visits come, and what is remembered of them. */
function overheard(store: Store = embeddedStore()) {
  const visits: Visit[] = [];
  const remembered: ReturnType<Waiter['decide']>[] = [];
  const listening = Object.create(store, {
    visit: {
      value(visit: Visit, waiter: Waiter) {
        visits.push(visit);
        store.visit(visit, {
          decide(visitor) {
            const remember = waiter.decide(visitor);
            remembered.push(remember);
            return remember;
          },
          late: () => waiter.late(),
          refuse: (error) => waiter.refuse(error),
        });
      },
    },
    look: { value: (visit: Visit) => store.look(visit) },
    problem: { get: () => store.problem },
  }) as Store;
  return { collector: new Collector({ store: listening }), visits, remembered };
}

describe('a call that refuses consent', () => {
  it('gets an answer without an id, and nothing of it is kept', async () => {
    const uuid = newDeviceId();
    const response = await collector.event(
      `d_rtbd=json&${ALL}&d_uuid=${uuid}&c_page=home&d_cid=${PARTNER}%01me-${uuid}&d_mid=${newDeviceId()}&${NO}`,
      shopPage,
    );
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(response.headers.get('x-error')).toBe('315');
    const answer = await response.json();
    expect(answer).toEqual({
      ...{ dcs_region: 7, tid: expect.any(String), stuff: [], dests: [], traits: [], segments: [] },
      errors: [{ code: 315, msg: 'No consent' }],
    });
    const profile = await profileOf(uuid);
    expect([profile.length, profile.ecid, profile.declared.size]).toEqual([0, undefined, 0]);
    expect(profile.gdpr).toMatchObject({ applies: true, refused: true, purposes: 2 });
    const other = await collector.look(undefined, [{ dataSource: PARTNER, id: `me-${uuid}` }]);
    expect(other.deviceId).not.toBe(uuid);
  });

  it.each([
    ['without a string', 'gdpr=1', /there is no consent string/],
    ['with one that cannot be read', query('ABC'), /version 0, not 2/],
  ])('%s says what is wrong', async (_, consent, msg) => {
    const answer = await home(newDeviceId(), consent);
    expect(answer.errors).toEqual([{ code: 315, msg: expect.stringMatching(msg) }]);
  });

  it('leaves nothing at all of who is known by nothing', async () => {
    const { collector, visits } = overheard();
    const answer = await collector.ask(`${ALL}&c_page=home&${NO}`, shopPage);
    expect([answer.uuid, codes(answer)]).toEqual([undefined, [315]]);
    expect(visits).toMatchObject([{ aliases: [], change: { day: expect.any(Number) } }]);
    expect(Object.keys(visits[0].change)).toEqual(['day']);
    expect(await profileOf(visits[0].freshId, collector)).toMatchObject({
      seen: 0,
      gdpr: undefined,
    });
  });

  it('removes the cookies of destinations', async () => {
    const uuid = newDeviceId();
    expect((await home(uuid, UNTOLD)).stuff).toMatchObject([{ cn: 'audience', ttl: 30 }]);
    expect((await home(uuid, NO)).stuff).toMatchObject([{ cn: 'audience', ttl: -1 }]);
    expect((await home(uuid, NO)).stuff).toEqual([]);
    expect([...(await profileOf(uuid)).cookies]).toEqual([]);
  });

  it('is examined, where there are servers to be told', async () => {
    const { collector, visits } = overheard();
    await home(newDeviceId(), NO, collector);
    expect(visits).toMatchObject([{ examine: true, change: { gdpr: { refused: true } } }]);
  });

  it('is answered as such also while the store does not answer', async () => {
    const silent = { ...embeddedStore(), visit: () => undefined, problem: undefined } as never;
    const late = new Collector({ store: silent, deadline: 5 });
    const answer = await home(newDeviceId(), NO, late);
    expect([answer.uuid, answer.traits, idsOf(answer)]).toEqual([undefined, [], []]);
    expect(codes(answer).sort()).toEqual([200, 315]);
  });
});

describe('after a refusal', () => {
  it('a call without a word is treated as refused', async () => {
    const uuid = newDeviceId();
    await home(uuid, UNTOLD);
    await home(uuid, NO);
    const answer = await home(uuid, UNTOLD);
    expect([answer.uuid, answer.traits, answer.segments, idsOf(answer)]).toEqual([
      ...[undefined, [], [], []],
    ]);
    expect(answer.errors).toEqual([{ code: 315, msg: expect.stringMatching(/refused it before/) }]);
    expect(await collector.realizations(uuid)).toEqual({ 11: 1 });
  });

  it.each([
    ['consents', YES],
    ['is outside of GDPR', OUTSIDE],
  ])('all goes on, with what there was, when a call %s', async (_, consent) => {
    const uuid = newDeviceId();
    await home(uuid, UNTOLD);
    await home(uuid, NO);
    const answer = await home(uuid, consent);
    expect([answer.uuid, answer.traits, codes(answer)]).toEqual([uuid, [11], []]);
    // Twice, so keen.
    expect(answer.segments).toContain(54);
    expect(idsOf(answer)).toEqual(['801', '802']);
    expect(idsOf(await home(uuid, UNTOLD))).toEqual(['801', '802']);
    expect(await collector.realizations(uuid)).toEqual({ 11: 3 });
  });

  it('a call that consents and adds nothing is enough', async () => {
    const uuid = newDeviceId();
    await home(uuid, NO);
    await collector.ask(`d_uuid=${uuid}&${YES}`, shopPage);
    expect((await home(uuid, UNTOLD)).traits).toEqual([11]);
  });
});

describe('what is stated', () => {
  it('is remembered when it is new, and only then', async () => {
    const { collector, remembered } = overheard();
    const uuid = newDeviceId();
    const gdpr = expect.objectContaining({ applies: true, purposes: 5, refused: false });
    for (const [consent, headers, expected] of [
      [UNTOLD, {}, {}],
      [YES, {}, { gdpr, examine: true }],
      [YES, {}, {}],
      [UNTOLD, {}, {}],
      ['us_privacy=1YYN', {}, {}],
      [YES, { 'sec-gpc': '1' }, {}],
      ['us_privacy=1YNN', { 'sec-gpc': '1' }, {}],
      ['us_privacy=1YNN', {}, { objectsToSale: false, examine: true }],
      [OUTSIDE, {}, { gdpr: expect.objectContaining({ applies: false }), examine: true }],
    ] as const) {
      await home(uuid, consent, collector, headers);
      const { gdpr, objectsToSale, examine } = remembered.at(-1) ?? {};
      expect({ gdpr, objectsToSale, examine }, `${consent} ${Object.keys(headers)}`).toEqual({
        ...{ gdpr: undefined, objectsToSale: undefined, examine: undefined },
        ...expected,
      });
    }
  });

  it('goes with the visit itself, where it is an objection: nothing comes between', async () => {
    const { collector, visits, remembered } = overheard();
    await home(newDeviceId(), 'us_privacy=1YYN', collector);
    const statedAt = expect.any(Number);
    expect(visits).toMatchObject([{ examine: true, change: { objectsToSale: true, statedAt } }]);
    expect(remembered[0]?.objectsToSale).toBeUndefined();
  });

  it('goes with the visit itself, where the visitor is new', async () => {
    const { collector, visits, remembered } = overheard();
    const some = query(tcf({ purposes: [1] }));
    await collector.ask(`${ALL}&c_page=home&${some}`, shopPage);
    expect(visits).toMatchObject([{ change: { gdpr: { purposes: 1, refused: false } } }]);
    expect(remembered[0]?.gdpr).toBeUndefined();
  });

  it('is kept all the same when the profile could not be read in time', async () => {
    let release: (() => void) | undefined;
    const store = embeddedStore();
    const slow = Object.create(store, {
      visit: {
        value: (visit: Visit, waiter: Waiter) => {
          release = () => store.visit(visit, waiter);
          waiter.late();
        },
      },
      look: { value: (visit: Visit) => store.look(visit) },
    }) as Store;
    const collector = new Collector({ store: slow });
    const uuid = newDeviceId();
    await home(uuid, `${YES}&us_privacy=1YYN`, collector);
    release?.();
    await expect
      .poll(async () => (await profileOf(uuid, collector)).gdpr)
      .toMatchObject({ purposes: 5, refused: false });
    expect((await profileOf(uuid, collector)).objectsToSale).toBe(true);
  });

  it('is forgotten by an opt-out', async () => {
    const uuid = newDeviceId();
    await home(uuid, `${YES}&us_privacy=1YYN`);
    await collector.send(`/demoptout.jpg?d_uuid=${uuid}`);
    expect(codes(await home(uuid, YES))).toEqual([171]);
    expect(await profileOf(uuid)).toMatchObject({ gdpr: undefined, objectsToSale: false });
  });
});

describe('what is due', () => {
  const partners = changed({
    'destinations[0].iabVendorId': 11,
    'destinations[1].iabVendorId': 12,
    'destinations[1].serviceProvider': true,
    'destinations[3].iabPurposes': [3],
  });
  const due = async (consent: string, account: AccountInput = partners, headers = {}) => {
    const answer = await home(newDeviceId(), consent, new Collector({ account }), headers);
    return [...idsOf(answer), ...answer.stuff.map(({ cn }) => cn)];
  };

  it.each<[string, string, string[], object?]>([
    ['everything, where nothing was stated', UNTOLD, ['801', '802', 'audience']],
    ['everything, outside of GDPR', OUTSIDE, ['801', '802', 'audience']],
    ['what was consented to', YES, ['801', 'audience']],
    ['by vendor', query(tcf({ purposes: [1, 3], vendors: [12] })), ['802', 'audience']],
    ['by purpose', query(tcf({ purposes: [1], ranges: [[11, 12]] })), ['801', '802']],
    ['what the publisher does not forbid', query(tcf({ purposes: [1, 3], vendors: [11, 12], restrictions: [[1, FORBID, [[11, 11]]]] })), ['802', 'audience']], // biome-ignore format: a row
    ['what the publisher leaves to consent', query(tcf({ purposes: [1, 3], vendors: [11, 12], restrictions: [[1, REQUIRE_INTEREST, [[12, 99]]], [1, REQUIRE_CONSENT, [[1, 99]]]] })), ['801', 'audience']], // biome-ignore format: a row
    ['what is not sold, where the visitor objects', 'us_privacy=1YYN', ['802', 'audience']],
    ['likewise, by the browser', UNTOLD, ['802', 'audience'], { 'sec-gpc': '1' }],
    ['nothing that both keep back', YES, ['audience'], { 'sec-gpc': '1' }],
  ])('%s', async (_, consent, expected, headers) => {
    expect(await due(consent, partners, headers)).toEqual(expected);
  });

  it('by what the publisher has restricted before, until that is taken back', async () => {
    const to = new Collector({ account: partners });
    const uuid = newDeviceId();
    const consent = { purposes: [1, 3], vendors: [11, 12] };
    const restricted = tcf({ ...consent, restrictions: [[1, FORBID, [[11, 11]]]] });
    const due = async (consent: string) => idsOf(await home(uuid, consent, to));
    expect(await due(query(restricted))).toEqual(['802']);
    expect((await profileOf(uuid, to)).gdpr?.restrictions).toEqual([
      { purpose: 1, from: 11, to: 11 },
    ]);
    expect(await due(UNTOLD)).toEqual(['802']);
    expect(await due(query(tcf(consent)))).toEqual(['801', '802']);
    expect(await due(UNTOLD)).toEqual(['801', '802']);
  });

  it('nothing, where the publisher restricts what the account needs', async () => {
    const account = { ...exampleAccount(), consent: { vendorId: 11 } };
    const to = new Collector({ account });
    const uuid = newDeviceId();
    const restrictions = [[1, FORBID, [[1, 65_535]]]] as const;
    const answer = await home(
      uuid,
      query(tcf({ purposes: [1, 3], vendors: [11], restrictions })),
      to,
    );
    expect([answer.uuid, idsOf(answer), answer.stuff]).toEqual([undefined, [], []]);
    expect(answer.errors).toEqual([{ code: 315, msg: expect.stringMatching(/publisher/) }]);
    expect((await profileOf(uuid, to)).length).toBe(0);
    expect(codes(await home(uuid, UNTOLD, to))).toEqual([315]);
  });

  it.each<[string, object, string[]]>([
    ['another purpose', { purposes: [1, 10] }, []],
    ['no purpose that is missing', { purposes: [1, 3] }, ['801', '802', 'audience']],
    ['the operator as a vendor', { vendorId: 11 }, ['801', '802', 'audience']],
    ['another vendor', { vendorId: 565 }, []],
  ])('by what the account needs: %s', async (_, consent, expected) => {
    expect(await due(YES, { ...exampleAccount(), consent })).toEqual(expected);
  });
});

describe('an ID sync', () => {
  const redir = encodeURIComponent('https://partner.example/?u=$' + '{DD_UUID}');
  const sync = (uuid: string | undefined, id: string, consent: string) =>
    collector.send(`/ibs:dpid=${PARTNER}&dpuuid=${id}&redir=${redir}&${consent}`, {
      headers: { ...shopPage, ...(uuid && { cookie: `demdex=${uuid}` }) },
    });
  const leadsTo = async (id: string) =>
    (await collector.look(undefined, [{ dataSource: PARTNER, id }])).deviceId;

  it('is honoured with consent, which is kept', async () => {
    const uuid = newDeviceId();
    const response = await sync(uuid, `a-${uuid}`, YES);
    expect(response.headers.get('location')).toBe(`https://partner.example/?u=${uuid}`);
    expect(await leadsTo(`a-${uuid}`)).toBe(uuid);
    expect((await profileOf(uuid)).gdpr).toMatchObject({ purposes: 5 });
  });

  it.each<[string, string, object]>([
    ['by a string', 'us_privacy=1YYN', {}],
    ['by the browser', UNTOLD, { 'sec-gpc': '1' }],
  ])('is not honoured of who objects to sale %s, then or before', async (_, words, headers) => {
    const uuid = newDeviceId();
    const id = `c-${uuid}`;
    const ask = async (consent: string, more: object) => {
      const response = await collector.send(
        `/ibs:dpid=${PARTNER}&dpuuid=${id}&redir=${redir}&${consent}`,
        { headers: { ...shopPage, cookie: `demdex=${uuid}`, ...more } },
      );
      expect(response.headers.get('location')).toBe('https://partner.example/?u=');
      expect(response.headers.get('x-error')).toBe('315');
    };
    await ask(words, headers);
    expect(await leadsTo(id)).not.toBe(uuid);
    expect(await profileOf(uuid)).toMatchObject({ objectsToSale: true, declared: new Map() });
    await ask(UNTOLD, {});
  });

  it.each([
    ['of a device', newDeviceId()],
    ['of nobody', undefined],
  ])('%s is not honoured without it: only the refusal is kept', async (_, uuid) => {
    const id = `b-${newDeviceId()}`;
    const response = await sync(uuid, id, NO);
    expect(response.headers.get('location')).toBe('https://partner.example/?u=');
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(response.headers.get('x-error')).toBe('315');
    expect(await leadsTo(id)).not.toBe(uuid);
    const { deviceId, profile } = await collector.look(uuid, [{ dataSource: PARTNER, id }]);
    expect(profile.declared.size).toBe(0);
    expect(profile.gdpr?.refused).toBe(deviceId === uuid ? true : undefined);
  });

  it('is not honoured after a refusal, until there is consent', async () => {
    const uuid = newDeviceId();
    await home(uuid, NO);
    const response = await sync(uuid, `c-${uuid}`, UNTOLD);
    expect(response.headers.get('location')).toBe('https://partner.example/?u=');
    expect(response.headers.get('x-error')).toBe('315');
    expect(await leadsTo(`c-${uuid}`)).not.toBe(uuid);
    await sync(uuid, `c-${uuid}`, YES);
    expect(await leadsTo(`c-${uuid}`)).toBe(uuid);
    expect((await profileOf(uuid)).idIn(PARTNER)).toBe(`c-${uuid}`);
  });
});
