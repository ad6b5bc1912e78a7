import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeldTraits } from '../../src/audience/holdings.ts';
import { dayOf, Profile } from '../../src/audience/profile.ts';
import type { Recency } from '../../src/audience/segment-rule.ts';
import {
  Account,
  accounts,
  daysAgo,
  profileOf,
  type Realization,
  recencies,
  TODAY,
  type Visits,
  visits,
} from './rules.ts';

const HOUR = 3_600_000;
const HOURS_OF_DAY = 24;
const TTL_DEFAULT = 120;

/** Whether trait 1, realized at each of the hours, is held at the last hour. Hour 0 is a midnight. */
function heldAt(ttl: number, realizedAt: number[], askedAt: number): boolean {
  const midnight = Date.UTC(2024, 1, 28);
  const day = (hour: number) => dayOf(midnight + hour * HOUR);
  const visitor = new Account([{ sid: 1, ttl }]).visitor(
    realizedAt.map((hour) => ({ sid: 1, day: day(hour), count: 1 })),
    day(askedAt),
  );
  expect(visitor.held).toEqual(visitor.holds(0) ? [0] : []);
  return visitor.holds(0);
}

describe('a trait lasts its time to live in whole UTC days after the day of the realization', () => {
  const MILLISECOND = 1 / HOUR;
  const days = (n: number) => n * HOURS_OF_DAY;
  it.each<[string, ttl: number, realized: number, asked: number, held: boolean]>([
    ['TTL 1, realized at 01:00, lasts 47 hours more', 1, 1, 1 + 47 - MILLISECOND, true],
    ['TTL 1, realized at 01:00, not an instant longer', 1, 1, 1 + 47, false],
    ['TTL 1, realized at 23:00, lasts 25 hours more', 1, 23, 23 + 25 - MILLISECOND, true],
    ['TTL 1, realized at 23:00, not an instant longer', 1, 23, 23 + 25, false],
    ['TTL 1, realized at midnight, lasts two days', 1, 0, 48 - MILLISECOND, true],
    ['TTL 1, realized at midnight, not an instant longer', 1, 0, 48, false],
    ['at the moment of the realization', 1, 1, 1, true],
    ['TTL 120 lasts 120 days more', TTL_DEFAULT, 5, days(121) - MILLISECOND, true],
    ['TTL 120, not an instant longer', TTL_DEFAULT, 5, days(121), false],
    ['TTL 0 lasts for ever', 0, 5, days(10_000), true],
  ])('%s', (_name, ttl, realized, asked, held) => {
    expect(heldAt(ttl, [realized], asked)).toBe(held);
  });

  it.each<[string, ttl: number, days: number[], asked: number, held: boolean]>([
    ['every realization restarts it', 2, [0, 2, 4], 6, true],
    ['until it lapses after the last one', 2, [0, 2, 4], 7, false],
    ['a lapsed trait can come back', 2, [0, 9], 10, true],
    ['never realized', 0, [], 10, false],
  ])('%s', (_name, ttl, realized, asked, held) => {
    expect(heldAt(ttl, realized.map(days), days(asked))).toBe(held);
  });
});

describe('counts are added up within the time to live and the recency', () => {
  const last = (days: number): Recency => ({ operator: '<=', days });
  const earlier = (days: number): Recency => ({ operator: '>=', days });
  type Counts = Readonly<Record<number, number>>;
  // How often the trait was realized, by how many days ago that was.
  it.each<[string, ttl: number, Counts, Recency | undefined, sum: number]>([
    ['nothing', 0, {}, undefined, 0],
    ['one day', 0, { 3: 2 }, undefined, 2],
    ['all days', 0, { 9: 4, 3: 2, 0: 1 }, undefined, 7],
    ['the last 3 days, the third included', 0, { 4: 8, 3: 4, 2: 2, 0: 1 }, last(3), 7],
    ['3 days ago and earlier, the third included', 0, { 9: 8, 3: 4, 2: 2, 0: 1 }, earlier(3), 12],
    ['nothing so recent', 0, { 3: 2 }, last(2), 0],
    ['nothing so long ago', 0, { 3: 2 }, earlier(4), 0],
    ['yesterday', 0, { 1: 2 }, last(1), 2],
    ['a lapsed trait counts nothing', 2, { 3: 5 }, undefined, 0],
    ['a lapsed trait starts anew', 2, { 9: 8, 5: 4, 2: 2, 0: 1 }, undefined, 3],
    ['as long as it is restarted, all counts', 2, { 6: 8, 4: 4, 2: 2, 0: 1 }, undefined, 15],
    ['an earlier life is over for a recency, too', 2, { 9: 8, 0: 1 }, earlier(5), 0],
    ['this life may have begun long ago', 2, { 6: 8, 4: 4, 2: 2 }, earlier(5), 8],
  ])('%s', (_name, ttl, counts, recency, sum) => {
    const visits = Object.entries(counts).map(([age, count]) => ({
      sid: 1,
      day: TODAY - Number(age),
      count,
    }));
    expect(new Account([{ sid: 1, ttl }]).visitor(visits, TODAY).count(0, recency)).toBe(sum);
  });
});

describe('an onboarded trait counts at most once', () => {
  // Trait 1 is onboarded, 2 is not; folder 9 has both.
  const account = new Account([
    { sid: 1, onboarded: true, folders: [9] },
    { sid: 2, folders: [9] },
    { sid: 9 },
  ]);
  it.each<[string, Visits, Record<number, number>]>([
    ['not there', {}, { 1: 0, 2: 0, 9: 0 }],
    ['imported once', { 1: [0] }, { 1: 1, 2: 0, 9: 1 }],
    ['imported often on one day', { 1: [0, 0, 0] }, { 1: 1, 2: 0, 9: 1 }],
    ['imported on many days', { 1: [2, 1, 0] }, { 1: 1, 2: 0, 9: 1 }],
    ['in a folder with a rule-based one', { 1: [1, 1], 2: [0, 0, 0] }, { 1: 1, 2: 3, 9: 4 }],
  ])('%s', (_name, visits, counts) => {
    const visitor = account.visitor(daysAgo(visits), TODAY);
    const sids = [1, 2, 9];
    expect(Object.fromEntries(sids.map((sid) => [sid, visitor.count(account.place(sid))]))).toEqual(
      counts,
    );
  });
});

describe('a folder trait is any of its traits, and counts their sum', () => {
  // Folder 9 has trait 1, its sub-folder 8 has trait 2: that one belongs to both.
  const account = new Account([
    { sid: 1, ttl: 2, folders: [9] },
    { sid: 2, ttl: 5, folders: [9, 8] },
    { sid: 3 },
    { sid: 8 },
    { sid: 9 },
  ]);
  const last2: Recency = { operator: '<=', days: 2 };
  it.each<[string, Visits, Recency | undefined, countsOfHeld: Record<number, number>]>([
    ['none', {}, undefined, {}],
    ['a trait of neither', { 3: [0] }, undefined, {}],
    ['a trait of the folder', { 1: [0, 1] }, undefined, { 9: 2 }],
    ['a trait of the sub-folder', { 2: [0, 1, 2] }, undefined, { 8: 3, 9: 3 }],
    ['both', { 1: [0, 1], 2: [0, 1, 2] }, undefined, { 8: 3, 9: 5 }],
    ['each with its own time to live', { 1: [3, 3], 2: [3] }, undefined, { 8: 1, 9: 1 }],
    ['all lapsed', { 1: [3], 2: [6] }, undefined, {}],
    ['within a recency', { 1: [2], 2: [3] }, last2, { 8: 0, 9: 1 }],
  ])('%s', (_name, visits, recency, countsOfHeld) => {
    const visitor = account.visitor(daysAgo(visits), TODAY);
    const held = [8, 9].filter((sid) => visitor.holds(account.place(sid)));
    expect(
      Object.fromEntries(held.map((sid) => [sid, visitor.count(account.place(sid), recency)])),
    ).toEqual(countsOfHeld);
    // Listed once, however many of its traits are held.
    const listed = visitor.held.filter((place) => place >= account.place(8));
    expect(listed.toSorted()).toEqual(held.map(account.place));
  });
});

describe('one instance reads one visitor after the other', () => {
  const account = new Account([{ sid: 1, folders: [9] }, { sid: 2, folders: [9] }, { sid: 9 }]);
  const once = (sid: number): Realization => ({ sid, day: TODAY, count: 1 });
  it.each<[string, Realization[], number[]]>([
    ['the next one has nothing', [], [0, 0, 0]],
    ['the next one has another trait', [once(2)], [0, 1, 1]],
    ['the next one has the same trait', [once(1)], [1, 0, 1]],
    ['the next one has only a trait that was deleted', [once(3)], [0, 0, 0]],
  ])('and forgets the last one: %s', (_name, next, counts) => {
    const visitor = new HeldTraits(account.terms, account.places);
    visitor.load(profileOf([once(1), once(1)]), TODAY);
    expect([0, 1, 2].map((place) => visitor.count(place))).toEqual([2, 0, 2]);
    visitor.load(profileOf(next), TODAY);
    expect([0, 1, 2].map((place) => visitor.count(place))).toEqual(counts);
    expect([0, 1, 2].map((place) => visitor.holds(place))).toEqual(counts.map((n) => n > 0));
    expect(visitor.held.toSorted()).toEqual([0, 1, 2].filter((place) => counts[place] > 0));
  });

  it('and reads the same one again on a later day', () => {
    const { terms, places } = new Account([{ sid: 1, ttl: 1 }]);
    const visitor = new HeldTraits(terms, places);
    const profile = profileOf([once(1)]);
    expect([0, 1, 2, 0].map((days) => visitor.load(profile, TODAY + days).holds(0))).toEqual([
      true,
      true,
      false,
      true,
    ]);
  });

  it('before any, nobody is there', () => {
    const visitor = new HeldTraits(account.terms, account.places);
    expect(visitor.load(new Profile(), TODAY).held).toEqual([]);
    expect(visitor.holds(0)).toBe(false);
  });
});

describe('whatever the account and the visits', () => {
  it('it is what living through the days one by one gives', () => {
    fc.assert(
      fc.property(accounts, visits, recencies, (account, visits, recency) => {
        const visitor = account.visitor(visits, TODAY);
        const lives = account.terms.map((terms) => liveThrough(terms, visits));
        account.terms.forEach(({ sid }, place) => {
          const members = account.terms.flatMap(({ folders }, member) =>
            member === place || folders.includes(place) ? [member] : [],
          );
          const held = members.some((member) => lives[member].length > 0);
          const count = members.reduce((sum, member) => {
            const counted = lives[member]
              .filter(({ day }) => isWithin(TODAY - day, recency))
              .reduce((sum, { count }) => sum + count, 0);
            return sum + (account.terms[member].onboarded ? Math.min(counted, 1) : counted);
          }, 0);
          expect([sid, visitor.holds(place), visitor.count(place, recency)]).toEqual([
            sid,
            held,
            count,
          ]);
          expect(visitor.held.includes(place)).toBe(held);
        });
      }),
      { numRuns: 300 },
    );
  });
});

/** The realizations of a trait's present life, found without any of the source's short cuts. */
function liveThrough(trait: { sid: number; ttl: number }, visits: Realization[]): Realization[] {
  let life: Realization[] = [];
  let lastDay = Number.POSITIVE_INFINITY;
  for (let day = 0; day <= TODAY; day++) {
    if (day > lastDay) life = [];
    const today = visits.filter((visit) => visit.sid === trait.sid && visit.day === day);
    if (today.length > 0 && trait.ttl > 0) lastDay = day + trait.ttl;
    life.push(...today);
  }
  return life;
}

const isWithin = (age: number, recency: Recency | undefined) =>
  recency === undefined || (recency.operator === '<=' ? age <= recency.days : age >= recency.days);
