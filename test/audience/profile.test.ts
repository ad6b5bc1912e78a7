import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitsOfPurposes, type Gdpr, NO_RESTRICTIONS } from '../../src/audience/consent.ts';
import {
  type Change,
  dayOf,
  type Firing,
  MAX_DAILY_COUNT,
  MAX_IDS_PER_DATA_SOURCE,
  Profile,
} from '../../src/audience/profile.ts';

const profileAfter = (...changes: Change[]): Profile => {
  const profile = new Profile();
  for (const change of changes) profile.apply(change);
  return profile;
};

const gdpr = (refused: boolean, ...purposes: number[]): Gdpr => ({
  ...{ applies: true, purposes: bitsOfPurposes(purposes), vendors: Uint8Array.of(1) },
  ...{ restrictions: NO_RESTRICTIONS, refused },
});

/** Realizations as they are kept, in words. */
function realizationsOf({ realizations, length }: Profile): string[] {
  const words: string[] = [];
  for (let i = 0; i < length; i += 2) {
    words.push(inWords(realizations[i], realizations[i + 1] >>> 16, realizations[i + 1] & 0xffff));
  }
  return words;
}
const inWords = (trait: number, day: number, count: number) => `${trait} on day ${day}: ${count}`;

describe('a day is a UTC day, counted from 1970-01-01', () => {
  it.each([
    ['1970-01-01T00:00:00.000Z', 0],
    ['1970-01-01T23:59:59.999Z', 0],
    ['1970-01-02T00:00:00.000Z', 1],
    ['1969-12-31T23:59:59.999Z', -1],
    ['2024-02-29T12:00:00.000Z', 19_782],
    // The same instant, and therefore the same day.
    ['2024-03-01T01:00:00.000+02:00', 19_782],
  ])('%s is day %d', (time, day) => {
    expect(dayOf(Date.parse(time))).toBe(day);
  });
});

describe('realizing a trait adds one to its count on that day', () => {
  it.each<[string, Change[], string[]]>([
    ['nothing', [{ day: 5 }], []],
    ['once', [{ day: 5, realized: [7] }], ['7 on day 5: 1']],
    ['twice in one request', [{ day: 5, realized: [7, 7] }], ['7 on day 5: 2']],
    [
      'twice in two requests',
      [
        { day: 5, realized: [7] },
        { day: 5, realized: [7] },
      ],
      ['7 on day 5: 2'],
    ],
    [
      'on two days, kept in order',
      [
        { day: 6, realized: [7] },
        { day: 5, realized: [7] },
      ],
      ['7 on day 5: 1', '7 on day 6: 1'],
    ],
    [
      'several traits, kept in order',
      [
        { day: 5, realized: [9, 7, 8] },
        { day: 4, realized: [8] },
      ],
      ['7 on day 5: 1', '8 on day 4: 1', '8 on day 5: 1', '9 on day 5: 1'],
    ],
    [
      'more than the first array holds',
      [{ day: 5, realized: [5, 4, 3, 2, 1, 3] }],
      ['1 on day 5: 1', '2 on day 5: 1', '3 on day 5: 2', '4 on day 5: 1', '5 on day 5: 1'],
    ],
    [
      'the largest id and the last day that fit',
      [{ day: 65_535, realized: [4_294_967_295, 1, 4_294_967_295] }],
      ['1 on day 65535: 1', '4294967295 on day 65535: 2'],
    ],
  ])('%s', (_name, changes, expected) => {
    expect(realizationsOf(profileAfter(...changes))).toEqual(expected);
  });

  it.each([
    ['just below the largest count', [MAX_DAILY_COUNT - 1, 1], MAX_DAILY_COUNT],
    ['beyond it', [MAX_DAILY_COUNT, 1], MAX_DAILY_COUNT],
    ['far beyond it', [40_000, 40_000, 40_000], MAX_DAILY_COUNT],
    ['beyond it at once', [100_000], MAX_DAILY_COUNT],
  ])('%s: a count never runs over into the day', (_name, counts, expected) => {
    const profile = new Profile();
    for (const count of counts) profile.realize(7, 5, count);
    expect(realizationsOf(profile)).toEqual([inWords(7, 5, expected)]);
  });
});

const changes: fc.Arbitrary<Change[]> = fc.array(
  fc.record({
    day: fc.constantFrom(0, 1, 2, 19_782, 65_535),
    realized: fc.array(fc.constantFrom(1, 2, 3, 65_536, 2 ** 32 - 1), { maxLength: 4 }),
    ecid: fc.constantFrom('a', 'b'),
    declared: fc.array(fc.record({ dataSource: fc.constant(1), id: fc.constantFrom('x', 'y') })),
    cookiesSet: fc.array(fc.constantFrom(1, 2)),
    firings: fc.array(fc.constant({ destination: 1, mapping: 0, at: 5, hours: 1 })),
  }),
  { maxLength: 12 },
);
const shuffled = changes.chain((changes) =>
  fc.tuple(
    fc.constant(changes),
    fc.shuffledSubarray(changes, { minLength: changes.length, maxLength: changes.length }),
  ),
);

describe('changes commute', () => {
  it('in any order they leave the same realizations: as many as there were', () => {
    fc.assert(
      fc.property(shuffled, ([changes, permuted]) => {
        const counts = new Map<string, [trait: number, day: number, count: number]>();
        for (const { day, realized = [] } of changes) {
          for (const trait of realized) {
            const key = `${trait} ${day}`;
            counts.set(key, [trait, day, (counts.get(key)?.[2] ?? 0) + 1]);
          }
        }
        const expected = [...counts.values()]
          .sort((a, b) => a[0] - b[0] || a[1] - b[1])
          .map(([trait, day, count]) => inWords(trait, day, count));
        const profile = profileAfter(...permuted);
        expect(realizationsOf(profile)).toEqual(expected);
        expect(profile.seen).toBe(Math.max(0, ...changes.map(({ day }) => day)));
      }),
      { numRuns: 300 },
    );
  });

  it('with an opt-out among them, wherever it is, only the cookies to remove are left', () => {
    fc.assert(
      fc.property(shuffled, fc.nat(), ([changes, permuted], at) => {
        const days = changes.map(({ day }) => day);
        const optOut: Change = { day: 3, optOut: true, realized: [1], ecid: 'c' };
        const profile = profileAfter(...permuted.toSpliced(at % (permuted.length + 1), 0, optOut));
        const forgotten = new Profile();
        forgotten.optedOut = true;
        forgotten.seen = Math.max(3, ...days);
        forgotten.cookies = new Set(permuted.flatMap((c) => c.cookiesSet ?? []));
        expect(profile).toEqual(forgotten);
      }),
      { numRuns: 300 },
    );
  });
});

describe('an opt-out', () => {
  const known: Change = {
    day: 5,
    realized: [7],
    ecid: 'me',
    declared: [{ dataSource: 1, id: 'x' }],
    firings: [{ destination: 1, mapping: 2, at: 10, hours: 1 }],
    cookiesSet: [1],
  };

  // Shows that the change above leaves something to forget in every place.
  it('is needed for a profile to be empty', () => {
    const profile = profileAfter(known);
    expect([profile.length, profile.declared.size, profile.firings.length]).toEqual([2, 1, 1]);
    expect([profile.ecid, profile.cookies.size, profile.optedOut]).toEqual(['me', 1, false]);
  });

  it.each<[string, Change[]]>([
    ['forgets what came before', [known, { day: 6, optOut: true }]],
    ['forgets what comes with it', [{ ...known, day: 6, optOut: true }]],
    ['forgets what comes after', [{ day: 6, optOut: true }, known]],
    ['forgets for ever', [known, { day: 6, optOut: true }, known, { ...known, optOut: false }]],
    ['may come twice', [{ day: 6, optOut: true }, { day: 6, optOut: true }, known]],
  ])('%s', (_name, changes) => {
    const profile = profileAfter(...changes);
    expect(profile.optedOut).toBe(true);
    expect([profile.length, profile.declared.size, profile.firings.length]).toEqual([0, 0, 0]);
    expect(profile.ecid).toBeUndefined();
    // Which cookies are still to be removed from the browser is no data about the visitor.
    expect([...profile.cookies].every((id) => known.cookiesSet?.includes(id))).toBe(true);
    // Not even the memory that they were in.
    expect(profile.realizations.some((number) => number !== 0)).toBe(false);
    expect(profile.seen).toBe(6);
  });
});

describe('a clone', () => {
  const known: Change = {
    day: 5,
    realized: [7, 7, 9],
    ecid: 'me',
    declared: [
      { dataSource: 1, id: 'x' },
      { dataSource: 1, id: 'y' },
    ],
    firings: [{ destination: 1, mapping: 2, at: 10, hours: 0 }],
    cookiesSet: [1, 2],
  };
  const firing = { destination: 1, at: 20, hours: 0 };

  it.each<[string, Change]>([
    ['a count grows', { day: 5, realized: [7] }],
    ['a trait comes before the others', { day: 5, realized: [1] }],
    ['a day comes between the others', { day: 4, realized: [9] }],
    ['more traits than the array holds', { day: 5, realized: [1, 2, 3, 4, 5, 6] }],
    ['a later day', { day: 6 }],
    ['another id of the device', { day: 5, ecid: 'you' }],
    ['another id', { day: 5, declared: [{ dataSource: 1, id: 'z' }] }],
    ['an id becomes the newest', { day: 5, declared: [{ dataSource: 1, id: 'x' }] }],
    ['an id of another data source', { day: 5, declared: [{ dataSource: 2, id: 'x' }] }],
    ['a firing in the place of an older one', { day: 5, firings: [{ ...firing, mapping: 2 }] }],
    ['a firing beside the others', { day: 5, firings: [{ ...firing, mapping: 3 }] }],
    ['a cookie is set', { day: 5, cookiesSet: [3] }],
    ['a cookie is removed', { day: 5, cookiesRemoved: [1] }],
    ['an opt-out', { day: 5, optOut: true }],
    ['a refusal', { day: 5, gdpr: gdpr(true) }],
    ['an objection to sale', { day: 5, objectsToSale: true }],
  ])('and its original do not touch each other: %s', (_name, change) => {
    const original = profileAfter(known);
    const clone = original.clone();
    clone.apply(change);
    expect(original).toEqual(profileAfter(known));
    expect(clone).toEqual(profileAfter(known, change));
    expect(clone).not.toEqual(original);

    const kept = original.clone();
    original.apply(change);
    expect(kept).toEqual(profileAfter(known));
    expect(original).toEqual(clone);
  });

  it.each<[string, Change[]]>([
    ['an empty one', []],
    ['a known one', [known]],
    ['one who opted out', [known, { day: 6, optOut: true }]],
  ])('is a profile like its original: %s', (_name, changes) => {
    const original = profileAfter(...changes);
    const clone = original.clone();
    expect(clone).toBeInstanceOf(Profile);
    expect(clone).not.toBe(original);
    expect(clone).toEqual(original);
  });

  it('whatever came before and comes after', () => {
    fc.assert(
      fc.property(changes, changes, fc.boolean(), (before, after, optOut) => {
        const original = profileAfter(...before);
        const clone = original.clone();
        for (const change of after) clone.apply({ ...change, optOut });
        expect(original).toEqual(profileAfter(...before));
        expect(clone).toEqual(
          profileAfter(...before, ...after.map((change) => ({ ...change, optOut }))),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('consent', () => {
  const refusal = { day: 5, gdpr: gdpr(true, 2) };
  const adding = { realized: [7], ecid: 'me', declared: [{ dataSource: 1, id: 'x' }] };
  const firings = [{ destination: 1, mapping: 2, at: 10, hours: 0 }];

  it('is what was stated last, of each fact', () => {
    const profile = profileAfter(
      { day: 5, gdpr: gdpr(false, 1), objectsToSale: true },
      { day: 5, gdpr: gdpr(false, 1, 3) },
      { day: 6, objectsToSale: false, realized: [1] },
      { day: 6, objectsToSale: true },
      { day: 7, realized: [1] },
    );
    expect(profile.gdpr).toEqual(gdpr(false, 1, 3));
    expect(profile.objectsToSale).toBe(true);
  });

  it('that is refused leaves what there is, and lets nothing in', () => {
    const profile = profileAfter({ day: 4, ...adding }, refusal, {
      day: 5,
      realized: [7, 8],
      ecid: 'you',
      declared: [{ dataSource: 1, id: 'y' }],
      firings,
    });
    expect(realizationsOf(profile)).toEqual(['7 on day 4: 1']);
    expect([profile.ecid, profile.idIn(1), profile.firings]).toEqual(['me', 'x', []]);
    expect(profile.seen).toBe(5);
  });

  it.each<[string, Change]>([
    ['which cookies the browser has', { day: 5, cookiesSet: [4] }],
    ['an objection', { day: 5, objectsToSale: true }],
    ['an opt-out', { day: 5, optOut: true }],
  ])('that is refused still lets in %s', (_, change) => {
    expect(profileAfter(refusal, change)).not.toEqual(profileAfter(refusal));
  });

  it.each<[string, Change[]]>([
    [
      'another statement',
      [
        { day: 5, gdpr: gdpr(false, 1) },
        { day: 5, ...adding },
      ],
    ],
    ['a request that has it', [{ day: 5, ...adding, consents: true }]],
    [
      'such a request, from then on',
      [
        { day: 5, consents: true },
        { day: 5, ...adding },
      ],
    ],
    ['another statement with what it adds', [{ day: 5, gdpr: gdpr(false, 1), ...adding }]],
  ])('that is refused is given by %s', (_, changes) => {
    const profile = profileAfter(refusal, ...changes);
    expect(realizationsOf(profile)).toEqual(['7 on day 5: 1']);
    expect([profile.ecid, profile.idIn(1), profile.isRefused]).toEqual(['me', 'x', false]);
  });

  it('is forgotten with everything else by an opt-out, and never kept again', () => {
    const stated = { day: 5, gdpr: gdpr(false, 1), objectsToSale: true };
    const profile = profileAfter(stated, { day: 5, optOut: true }, stated);
    expect([profile.gdpr, profile.objectsToSale]).toEqual([undefined, false]);
  });
});

describe('the last day on which the visitor was seen', () => {
  it.each([
    [[], 0],
    [[5], 5],
    [[5, 7], 7],
    [[7, 5], 7],
  ])('after %j is %d', (days, seen) => {
    expect(profileAfter(...days.map((day) => ({ day }))).seen).toBe(seen);
  });
});

describe('ids that partners know the visitor by', () => {
  const many = Array.from({ length: MAX_IDS_PER_DATA_SOURCE + 2 }, (_, n) => `id${n}`);
  it.each<[string, string[], string[]]>([
    ['one', ['x'], ['x']],
    ['oldest first', ['x', 'y'], ['x', 'y']],
    ['declared again, an id becomes the newest', ['x', 'y', 'x'], ['y', 'x']],
    ['the oldest goes when there are too many', many, many.slice(2)],
    [
      'declaring one again pushes none out',
      [...many, 'id5'],
      [...many.slice(2).toSpliced(3, 1), 'id5'],
    ],
  ])('%s', (_name, ids, expected) => {
    const profile = profileAfter(
      { day: 5, declared: [{ dataSource: 2, id: 'other' }] },
      ...ids.map((id) => ({ day: 5, declared: [{ dataSource: 1, id }] })),
    );
    expect(profile.declared.get(1)).toEqual(expected);
    expect(profile.idIn(1)).toBe(expected.at(-1));
    // Each data source has its own.
    expect(profile.idIn(2)).toBe('other');
    expect(profile.idIn(3)).toBeUndefined();
  });

  it('and the id of the device, which a request without one leaves as it is', () => {
    expect(profileAfter({ day: 5, ecid: 'a' }, { day: 5 }).ecid).toBe('a');
    expect(profileAfter({ day: 5 }).ecid).toBeUndefined();
  });
});

describe('firings are remembered as long as a cap needs them', () => {
  const firing = (mapping: number, hour: number, hours: number, destination = 1): Firing => ({
    destination,
    mapping,
    at: hour * 3600,
    hours,
  });
  it.each<[string, Firing[], Firing[]]>([
    ['the last one is kept anyway', [firing(1, 0, 0)], [firing(1, 0, 0)]],
    ['without a cap, the last one only', [firing(1, 0, 0), firing(1, 1, 0)], [firing(1, 1, 0)]],
    ['within its hours', [firing(1, 0, 2), firing(1, 1, 2)], [firing(1, 0, 2), firing(1, 1, 2)]],
    ['not once they have passed', [firing(1, 0, 2), firing(1, 2, 2)], [firing(1, 2, 2)]],
    [
      'other mappings are left alone',
      [firing(1, 0, 0), firing(2, 9, 0)],
      [firing(1, 0, 0), firing(2, 9, 0)],
    ],
    [
      'other destinations too',
      [firing(1, 0, 0, 1), firing(1, 9, 0, 2)],
      [firing(1, 0, 0, 1), firing(1, 9, 0, 2)],
    ],
  ])('%s', (_name, firings, expected) => {
    expect(profileAfter(...firings.map((f) => ({ day: 5, firings: [f] }))).firings).toEqual(
      expected,
    );
  });
});

describe('destinations whose cookie the browser has', () => {
  it.each<[string, Omit<Change, 'day'>[], number[]]>([
    ['set', [{ cookiesSet: [1, 2] }], [1, 2]],
    ['set again', [{ cookiesSet: [1] }, { cookiesSet: [1] }], [1]],
    ['removed', [{ cookiesSet: [1, 2] }, { cookiesRemoved: [1] }], [2]],
    ['removed without being there', [{ cookiesRemoved: [1] }], []],
  ])('%s', (_name, changes, expected) => {
    expect([...profileAfter(...changes.map((c) => ({ day: 5, ...c }))).cookies]).toEqual(expected);
  });
});
