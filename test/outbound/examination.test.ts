import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bitsOfPurposes,
  type Gdpr,
  NO_RESTRICTIONS,
  NO_VENDORS,
} from '../../src/audience/consent.ts';
import { type Change, Profile } from '../../src/audience/profile.ts';
import { examine } from '../../src/outbound/examination.ts';
import type { Outcome } from '../../src/store/outbox.ts';
import {
  account,
  candidateOf,
  DAY_MS,
  groundsOf,
  NOW,
  profileOf,
  realtime,
  segment,
  TODAY,
  trait,
} from './example.ts';

/** What a partner is told, as `+51` and `-51` by destination. */
const inWords = ({ moves }: Outcome) =>
  Object.fromEntries(
    [...moves].map(([destination, all]) => [
      destination,
      all.map(({ sid, isMember }) => `${isMember ? '+' : '-'}${sid}`),
    ]),
  );
const toldInWords = ({ told }: Outcome) =>
  Object.fromEntries([...told].map(([destination, sids]) => [destination, [...sids.keys()]]));

const before = NOW - DAY_MS;

const FORBIDDING = { dataSourceId: 2, name: 'strict', dataExportRestrictions: ['PII'] };
const basic = account({
  traits: [trait(1), trait(2), trait(3, { ttl: 5 }), trait(4)],
  segments: [
    segment(51, '1T'),
    segment(52, '2T AND NOT 1T'),
    segment(53, '3T'),
    segment(54, 'FREQUENCY([4T] <= 2D) >= 1'),
    segment(55, 'FREQUENCY([4T] >= 3D) >= 1'),
  ],
  destinations: [
    realtime(801, [51, 52, 53]),
    realtime(802, [51, 54, 55]),
    realtime(803, [51], { status: 'inactive' }),
    realtime(804, [51, 53], {
      mappings: [
        { sid: 51, traitAlias: 'x', startDate: '2026-11-25' },
        { sid: 53, traitAlias: 'y', endDate: '2026-11-23' },
      ],
    }),
  ],
});

describe('a partner is told', () => {
  const grounds = groundsOf(basic);
  const optedOut = profileOf([], { optOut: true });

  it.each<[name: string, ...Parameters<typeof candidateOf>, moves: object, told: object]>([
    ['nothing of whom nothing is known', undefined, {}, {}, {}, {}],
    [
      'nothing of who qualifies for nothing',
      profileOf(
        [
          [2, 0],
          [1, 0],
        ].slice(2) as [],
      ),
      {},
      {},
      {},
      {},
    ],
    [
      'who enters, at every destination that the segment is mapped to',
      profileOf([[1, 0]]),
      {},
      {},
      { 801: ['+51'], 802: ['+51'] },
      { 801: [51], 802: [51] },
    ],
    [
      'nothing twice',
      profileOf([[1, 0]]),
      { 801: { 51: before }, 802: { 51: before } },
      {},
      {},
      { 801: [51], 802: [51] },
    ],
    [
      'who leaves by rule, and what that brings',
      profileOf([
        [1, 0],
        [2, 0],
      ]),
      { 801: { 52: before }, 802: { 51: before } },
      {},
      { 801: ['-52', '+51'] },
      { 801: [51], 802: [51] },
    ],
    ['who leaves by TTL', profileOf([[3, 6]]), { 801: { 53: before } }, {}, { 801: ['-53'] }, {}],
    [
      'who still holds on the last day of a TTL',
      profileOf([[3, 5]]),
      {},
      {},
      { 801: ['+53'] },
      { 801: [53] },
    ],
    [
      'who leaves one recency and enters another by time',
      profileOf([[4, 3]]),
      { 802: { 54: before } },
      {},
      { 802: ['-54', '+55'] },
      { 802: [55] },
    ],
    [
      'that who has opted out has left everything',
      optedOut,
      { 801: { 51: before, 53: before }, 802: { 51: before } },
      {},
      { 801: ['-51', '-53'], 802: ['-51'] },
      {},
    ],
    ['nothing more of who has opted out', optedOut, {}, {}, {}, {}],
    [
      'that who is forgotten has left everything',
      undefined,
      { 801: { 51: before } },
      {},
      { 801: ['-51'] },
      {},
    ],
    [
      'nothing while it is switched off, and the rest when it is on again',
      undefined,
      { 803: { 51: before } },
      {},
      {},
      { 803: [51] },
    ],
    [
      'that a mapping has ended',
      profileOf([[3, 0]]),
      { 801: { 53: before }, 804: { 53: before } },
      {},
      { 804: ['-53'] },
      { 801: [53] },
    ],
    [
      'nothing of what is mapped no more, nor by destinations that are gone',
      profileOf([[1, 0]]),
      { 801: { 51: before, 54: before }, 802: { 51: before }, 999: { 51: before } },
      {},
      {},
      { 801: [51], 802: [51] },
    ],
  ])('%s', (_, profile, told, more, moves, after) => {
    const outcome = examine(candidateOf(profile, told, more), grounds, NOW);
    expect(inWords(outcome)).toEqual(moves);
    expect(toldInWords(outcome)).toEqual(after);
  });

  it('since when, in whole seconds; what was told before keeps its time', () => {
    const { told, moves } = examine(
      candidateOf(profileOf([[1, 0]]), { 802: { 51: before } }),
      grounds,
      NOW + 567,
    );
    expect(told.get(802)?.get(51)).toBe(before);
    expect(told.get(801)?.get(51)).toBe(NOW);
    expect(moves.get(801)).toEqual([{ sid: 51, isMember: true, at: NOW }]);
  });

  it('nothing that export controls forbid: such an account is refused', () => {
    const document = account({
      dataSources: [FORBIDDING],
      traits: [trait(1, { dataSourceId: 2 })],
      segments: [segment(51, '1T')],
      destinations: [realtime(801, [51], { dataExportLabels: ['PII'] })],
    });
    expect(() => groundsOf(document)).toThrow(/export controls forbid it/);
  });
});

describe('a partner that gets everybody with each file', () => {
  const as = (syncMode: string, more = {}) =>
    groundsOf(
      account({
        traits: [trait(1), trait(2), trait(3)],
        segments: [segment(51, '1T'), segment(52, '2T'), segment(53, '3T')],
        destinations: [
          {
            ...realtime(801, [51, 52, 53], { endpointUrl: undefined, clientId: undefined }),
            ...{ transfer: 'file', target: 'in', syncMode, ...more },
          },
        ],
      }),
    );
  const [full, iter, off] = [as('full'), as('iter'), as('full', { status: 'inactive' })];
  const held: Record<number, Record<number, number>> = { 801: { 51: before, 53: before } };
  const profile = profileOf([
    [1, 0],
    [2, 0],
  ]);

  it.each<[string, Parameters<typeof candidateOf>]>([
    ['who enters', [profile]],
    ['who enters and leaves', [profile, held]],
  ])('is queued nothing for: %s', (_, given) => {
    const { moves, told } = examine(candidateOf(...given), full, NOW);
    expect(moves).toEqual(new Map());
    // As it was when changes were queued last.
    expect(told).toEqual(candidateOf(...given).told);
  });

  it.each<[string, Parameters<typeof candidateOf>]>([
    ['who opts out', [profileOf([], { optOut: true }), held]],
    ['who is forgotten', [undefined, held]],
  ])('is queued that they have left, and nothing is kept: %s', (_, given) => {
    const outcome = examine(candidateOf(...given), full, NOW);
    expect(inWords(outcome)).toEqual({ 801: ['-51', '-53'] });
    expect(toldInWords(outcome)).toEqual({});
    expect(examine({ ...candidateOf(given[0]), told: outcome.told }, full, NOW).moves).toEqual(
      new Map(),
    );
  });

  it('keeps what it was told, while it is switched off, of who is gone, too', () => {
    const { moves, told } = examine(candidateOf(undefined, held), off, NOW);
    expect(moves).toEqual(new Map());
    expect(told).toEqual(candidateOf(undefined, held).told);
  });

  it.each<[string, Parameters<typeof candidateOf>, object]>([
    ['everybody, where nothing was ever queued', [profile], { 801: ['+51', '+52'] }],
    ['else what has changed since', [profile, held], { 801: ['-53', '+52'] }],
  ])('is queued, when it gets changes from now on: %s', (_, given, expected) => {
    const { told } = examine(candidateOf(...given), full, NOW - 1_000);
    const outcome = examine({ ...candidateOf(...given), told }, iter, NOW);
    expect(inWords(outcome)).toEqual(expected);
    expect(inWords(examine({ ...candidateOf(given[0]), told: outcome.told }, iter, NOW))).toEqual(
      {},
    );
  });

  it('has all stored visitors examined when that changes', () => {
    expect(full.terms.digest).not.toBe(iter.terms.digest);
  });
});

describe('consent', () => {
  // Everybody needs purpose 1; 801 is vendor 11, 802 needs purpose 3, 803 is a service provider.
  const grounds = groundsOf(
    account({
      traits: [trait(1)],
      segments: [segment(51, '1T')],
      destinations: [
        realtime(801, [51], { iabVendorId: 11 }),
        realtime(802, [51], { iabPurposes: [3] }),
        realtime(803, [51], { serviceProvider: true }),
      ],
    }),
  );
  const gdpr = (purposes: number[], more: Partial<Gdpr> = {}) => ({
    gdpr: {
      ...{ applies: true, purposes: bitsOfPurposes(purposes), refused: false },
      ...{ vendors: Uint8Array.of(0, 0b0010_0000), restrictions: NO_RESTRICTIONS },
      ...more,
    },
  });
  const withheld = (purpose: number, from: number, to = from) => ({
    restrictions: [{ purpose, from, to }],
  });
  const everywhere = { 801: { 51: before }, 802: { 51: before }, 803: { 51: before } };

  it.each<[string, Partial<Change>, gone: number[]]>([
    ['all is there', gdpr([1, 3]), []],
    ['GDPR does not apply', gdpr([], { applies: false }), []],
    ['the visitor is asked nothing', {}, []],
    ['the account’s is withdrawn', gdpr([3]), [801, 802, 803]],
    ['a purpose is withdrawn', gdpr([1]), [802]],
    ['a vendor is refused', gdpr([1, 3], { vendors: NO_VENDORS }), [801]],
    ['the publisher withholds a purpose from a vendor', gdpr([1, 3], withheld(1, 11)), [801]],
    ['the publisher withholds it from all vendors', gdpr([1, 3], withheld(1, 1, 4_096)), [801]],
    ['the publisher withholds it from other vendors', gdpr([1, 3], withheld(1, 12, 99)), []],
    ['the publisher withholds what nobody needs', gdpr([1, 3], withheld(3, 11)), []],
    ['the visitor objects to sale', { objectsToSale: true }, [801, 802]],
  ])('is seen at once where %s', (_, change, gone) => {
    const profile = profileOf([[1, 0]], change);
    const stay = [801, 802, 803].filter((id) => !gone.includes(id));
    const words = (ids: number[], word: string) =>
      Object.fromEntries(ids.map((id) => [id, [word]]));
    // Whom partners know leaves, once; whom they do not know does not come, until there is consent.
    const left = examine(candidateOf(profile, everywhere), grounds, NOW);
    expect(inWords(left)).toEqual(words(gone, '-51'));
    const again = examine({ ...candidateOf(profile), told: left.told }, grounds, NOW);
    expect(inWords(again)).toEqual({});
    expect(inWords(examine(candidateOf(profile), grounds, NOW))).toEqual(words(stay, '+51'));
    const given = profileOf([[1, 0]], { ...gdpr([1, 3]), objectsToSale: false });
    const back = examine({ ...candidateOf(given), told: left.told }, grounds, NOW);
    expect(inWords(back)).toEqual(words(gone, '+51'));
  });
});

describe('a partner that knows visitors by ids of its own', () => {
  const DATA_SOURCE = 1;
  const grounds = groundsOf(
    account({
      traits: [trait(1), trait(2)],
      segments: [segment(51, '1T'), segment(52, '2T')],
      destinations: [realtime(801, [51, 52], { userDataSourceId: DATA_SOURCE })],
    }),
  );
  const declared = (id: string) => ({ declared: [{ dataSource: DATA_SOURCE, id }] });
  const known = (id: string) => ({ partnerIds: new Map([[801, id]]) });
  const inside = { 801: { 51: before } };
  const idsOf = ({ partnerIds = new Map() }: Outcome) => partnerIds.get(801);

  it.each<[string, Parameters<typeof candidateOf>, moves: object, id: string, told: object]>([
    [
      'hears by that id',
      [profileOf([[1, 0]], declared('p1'))],
      { 801: ['+51'] },
      '1 p1',
      { 801: [51] },
    ],
    [
      'by the device id, where there is none',
      [profileOf([[1, 0]])],
      { 801: ['+51'] },
      '',
      { 801: [51] },
    ],
    [
      'hears nothing twice by the same one',
      [profileOf([[1, 0]], declared('p1')), inside, known('1 p1')],
      {},
      '1 p1',
      { 801: [51] },
    ],
    ['nor by the device id', [profileOf([[1, 0]]), inside], {}, '', { 801: [51] }],
    [
      'hears of an opt-out by the id that it knows',
      [profileOf([], { optOut: true }), inside, known('1 p1')],
      { 801: ['-51'] },
      '1 p1',
      {},
    ],
    [
      'likewise of who is forgotten',
      [undefined, inside, known('1 p1')],
      { 801: ['-51'] },
      '1 p1',
      {},
    ],
  ])('%s', (_, candidate, moves, id, after) => {
    const outcome = examine(candidateOf(...candidate), grounds, NOW);
    expect(inWords(outcome)).toEqual(moves);
    expect(idsOf(outcome)).toBe(id);
    expect(toldInWords(outcome)).toEqual(after);
  });

  it.each<[string, Profile, before: string, after: string]>([
    ['once there is one', profileOf([[1, 0]], declared('p1')), '', '1 p1'],
    ['by another one', profileOf([[1, 0]], declared('p2')), '1 p1', '1 p2'],
    [
      'by one of the data source that counts by now',
      profileOf([[1, 0]], declared('p1')),
      '2 p1',
      '1 p1',
    ],
    ['by the device id, where there is none of that data source', profileOf([[1, 0]]), '2 p1', ''],
  ])(
    '%s, hears that they have left by the one, then all of it by the other',
    (_, profile, before, after) => {
      const first = examine(candidateOf(profile, inside, known(before)), grounds, NOW);
      expect(inWords(first)).toEqual({ 801: ['-51'] });
      expect([idsOf(first), toldInWords(first), first.next]).toEqual([before, {}, NOW]);
      const { told, partnerIds } = first;
      const next = examine({ ...candidateOf(profile), told, partnerIds }, grounds, NOW);
      expect(inWords(next)).toEqual({ 801: ['+51'] });
      expect([idsOf(next), toldInWords(next)]).toEqual([after, { 801: [51] }]);
    },
  );
});

describe('a visitor is examined again', () => {
  const dayOfNext = (outcome: Outcome) =>
    outcome.next === undefined ? undefined : Math.floor(outcome.next / DAY_MS) - TODAY;

  it.each<[name: string, ...Parameters<typeof candidateOf>, days: number | undefined]>([
    ['when a TTL ends', profileOf([[3, 2]]), {}, {}, 4],
    ['when a recency ends', profileOf([[4, 0]]), {}, {}, 3],
    [
      'when a recency begins, though nothing was told',
      profileOf([[4, 1]]),
      {},
      { keptUntil: undefined },
      2,
    ],
    [
      'when the first of several ends',
      profileOf([
        [3, 0],
        [4, 1],
      ]),
      {},
      {},
      2,
    ],
    ['when they are forgotten', profileOf([[1, 20]]), { 801: { 51: before } }, {}, 101],
    [
      'never, where nothing can change',
      profileOf([
        [2, 0],
        [1, 0],
      ]),
      {},
      { keptUntil: undefined },
      undefined,
    ],
    [
      'never, once they have opted out',
      profileOf([], { optOut: true }),
      { 801: { 51: before } },
      {},
      undefined,
    ],
    ['never, once they are forgotten', undefined, { 801: { 51: before } }, {}, undefined],
  ])('%s', (_, profile, told, more, days) => {
    expect(dayOfNext(examine(candidateOf(profile, told, more), groundsOf(basic), NOW))).toBe(days);
  });

  it('soon enough: whatever the profile and the day, nobody moves before that', () => {
    const grounds = groundsOf(basic);
    const realized = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 12 })),
      {
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(realized, (all) => {
        const profile = profileOf(all.toSorted(([, a], [, b]) => b - a));
        const first = examine(candidateOf(profile), grounds, NOW);
        const settled = { ...candidateOf(profile), told: first.told };
        for (let days = 1; days <= 20; days++) {
          const then = NOW + days * DAY_MS;
          if (first.next !== undefined && then >= first.next) return;
          const { moves } = examine(settled, grounds, then);
          // Of 804 the mappings themselves begin and end: that is what the digest is for.
          expect([...moves.keys()].filter((id) => id !== 804)).toEqual([]);
        }
      }),
    );
  });
});

describe('everybody has to be examined', () => {
  const digestOf = (document: object, today = TODAY) => groundsOf(document, today).terms.digest;
  const changed = (change: (document: ReturnType<typeof account>) => void) => {
    const document = structuredClone(basic) as never as Record<string, Record<string, unknown>[]>;
    change(document as never);
    return document;
  };
  type Lists = Record<'traits' | 'segments' | 'destinations', Record<string, unknown>[]>;

  it.each<[name: string, change: (document: Lists) => void]>([
    ['a rule', ({ segments }) => Object.assign(segments[0], { segmentRule: '1T OR 2T' })],
    [
      'a segment that is switched off',
      ({ segments }) => Object.assign(segments[0], { status: 'inactive' }),
    ],
    ['a TTL', ({ traits }) => Object.assign(traits[2], { ttl: 6 })],
    [
      'a new mapping',
      ({ destinations }) =>
        (destinations[0].mappings as object[]).push({ sid: 54, traitAlias: 'z' }),
    ],
    ['a mapping that is gone', ({ destinations }) => (destinations[0].mappings as object[]).pop()],
    [
      'a destination that is switched on',
      ({ destinations }) => Object.assign(destinations[2], { status: 'active' }),
    ],
    ['a new destination', ({ destinations }) => destinations.push(realtime(805, [51]))],
    [
      'whose ids the partner knows',
      ({ destinations }) => Object.assign(destinations[0], { userDataSourceId: 1 }),
    ],
    [
      'which vendor the partner is',
      ({ destinations }) => Object.assign(destinations[0], { iabVendorId: 11 }),
    ],
    [
      'what the partner needs consent to',
      ({ destinations }) => Object.assign(destinations[0], { iabPurposes: [3] }),
    ],
    [
      'whether the partner sells nothing',
      ({ destinations }) => Object.assign(destinations[0], { serviceProvider: true }),
    ],
    [
      'what the account needs consent to',
      (document) => Object.assign(document, { consent: { purposes: [1, 10] } }),
    ],
    [
      'which vendor the operator is',
      (document) => Object.assign(document, { consent: { vendorId: 7 } }),
    ],
  ])('after %s', (_, change) => {
    expect(digestOf(changed(change as never))).not.toBe(digestOf(basic));
  });

  it.each<[name: string, change: (document: Lists) => void]>([
    ['a name', ({ segments }) => Object.assign(segments[0], { name: 'another' })],
    [
      'a value',
      ({ destinations }) =>
        Object.assign((destinations[0].mappings as object[])[0], { traitAlias: 'b' }),
    ],
    ['a trait that no mapped segment asks for', ({ traits }) => traits.push(trait(9))],
    [
      'consent that is needed anyway',
      (document) => Object.assign(document, { consent: { purposes: [1] } }),
    ],
    [
      'an endpoint',
      ({ destinations }) =>
        Object.assign(destinations[0], { endpointUrl: 'https://other.example/' }),
    ],
  ])('not after %s', (_, change) => {
    expect(digestOf(changed(change as never))).toBe(digestOf(basic));
  });

  it('on the day a mapping begins, not on one on which none does', () => {
    expect(digestOf(basic, TODAY + 1)).not.toBe(digestOf(basic, TODAY));
    expect(digestOf(basic, TODAY + 2)).toBe(digestOf(basic, TODAY + 1));
  });
});

describe('whatever happens in between', () => {
  it('what a partner heard in order is what was told', () => {
    const grounds = groundsOf(basic);
    const step = fc.record({
      realized: fc.subarray([1, 2, 3, 4]),
      days: fc.integer({ min: 0, max: 4 }),
      optOut: fc.boolean().map((is) => is && undefined),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const profile = new Profile();
        const heard = new Map<string, boolean>();
        let told: Outcome['told'] = new Map();
        let now = NOW;
        for (const { realized, days } of steps) {
          now += days * DAY_MS;
          profile.apply({ day: Math.floor(now / DAY_MS), realized });
          const outcome = examine({ ...candidateOf(profile), told }, grounds, now);
          told = outcome.told;
          for (const [destination, moves] of outcome.moves) {
            for (const { sid, isMember } of moves) heard.set(`${destination}.${sid}`, isMember);
          }
        }
        const members = [...heard].flatMap(([what, isMember]) => (isMember ? [what] : [])).sort();
        const kept = [...told].flatMap(([id, sids]) =>
          [...sids.keys()].map((sid) => `${id}.${sid}`),
        );
        expect(members).toEqual(kept.sort());
      }),
    );
  });
});
