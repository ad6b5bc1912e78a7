import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REASONS, type Reason } from '../../src/destinations/reason.ts';
import { SIGHTS, type Sight, Tally } from '../../src/destinations/tally.ts';
import { urlDestination } from './example.ts';

/** `destination/sid: what` → how often. */
function taken(tally: Tally): Map<string, number> {
  const counts = [...tally.take().counts].map(
    ({ destination, sid, what, count }) => [`${destination}/${sid}: ${what}`, count] as const,
  );
  const byKey = new Map(counts);
  expect(byKey.size).toBe(counts.length);
  return byKey;
}

describe('a tally', () => {
  const told = fc.oneof(
    fc.record({
      destination: fc.integer({ min: 801, max: 804 }),
      sid: fc.constantFrom(0, 51, 52, 2_147_483_647),
      what: fc.constantFrom(...(Object.keys(REASONS) as Reason[])),
    }),
    fc.record({
      destination: fc.integer({ min: 801, max: 804 }),
      what: fc.constantFrom(...SIGHTS),
    }),
  );

  it('counts what it is told, each time anew', () => {
    fc.assert(
      fc.property(fc.array(fc.array(told, { maxLength: 60 }), { minLength: 1 }), (rounds) => {
        const tally = new Tally();
        for (const round of rounds) {
          const expected = new Map<string, number>();
          for (const one of round) {
            const sid = 'sid' in one ? one.sid : 0;
            // The account may have been replaced between any two: only ids are the same.
            const destination = urlDestination({ id: one.destination });
            if ('sid' in one) tally.record(destination, sid, one.what);
            else tally.see(one.destination, one.what as Sight);
            const key = `${one.destination}/${sid}: ${one.what}`;
            expected.set(key, (expected.get(key) ?? 0) + 1);
          }
          expect(taken(tally)).toEqual(expected);
        }
      }),
    );
  });

  it('what is counted while counts are taken away belongs to the next ones', () => {
    const tally = new Tally();
    const to = urlDestination();
    tally.record(to, 51, 'capped');
    tally.totals.calls++;
    const first = tally.take();
    tally.record(to, 51, 'capped');
    tally.record(to, 52, 'delivered');
    tally.totals.calls += 2;
    expect([...first.counts]).toEqual([{ destination: 801, sid: 51, what: 'capped', count: 1 }]);
    expect(first.totals).toEqual({ calls: 1, late: 0, pixels: 0 });
    const { totals } = tally;
    expect(totals).toEqual({ calls: 2, late: 0, pixels: 0 });
    expect(taken(tally)).toEqual(
      new Map([
        ['801/51: capped', 1],
        ['801/52: delivered', 1],
      ]),
    );
    expect(taken(tally).size).toBe(0);
  });
});
