import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce } from '../../src/account/turns.ts';
import { HeldTraits } from '../../src/audience/holdings.ts';
import { SegmentIndex } from '../../src/audience/segment-index.ts';
import {
  compileSegmentRule,
  parseSegmentRule,
  type Recency,
} from '../../src/audience/segment-rule.ts';
import { Account, accounts, fewSegmentRules, profileOf, TODAY, visits } from './rules.ts';

const ascending = (places: number[]) => places.sort((a, b) => a - b);

describe('the index finds what asking every rule finds', () => {
  it('for any rules and any visitors, one after the other', () => {
    let found = 0;
    let asked = 0;
    const rules = fc.array(fc.option(fewSegmentRules, { nil: undefined, freq: 10 }), {
      minLength: 1,
      maxLength: 20,
      size: 'max',
    });
    const visitors = fc.array(visits, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(accounts, rules, visitors, (account, rules, visitors) => {
        const index = atOnce(SegmentIndex.build(rules, account.place));
        const every = rules.map((rule) => rule && compileSegmentRule(rule, account.place));
        const visitor = new HeldTraits(account.terms, account.places);
        for (const visits of visitors) {
          visitor.load(profileOf(visits), TODAY);
          const expected = every.flatMap((holds, place) => (holds?.(visitor) ? [place] : []));
          expect(ascending(index.qualified(visitor))).toEqual(expected);
          asked += rules.length;
          found += expected.length;
        }
      }),
      { numRuns: 300 },
    );
    // Rules that never hold, or always, would make the comparison true of almost any index.
    expect(found).toBeGreaterThan(500);
    expect(asked - found).toBeGreaterThan(500);
  });
});

describe('places of the segments that hold', () => {
  const account = new Account([
    { sid: 1, folders: [9] },
    { sid: 2, folders: [9] },
    { sid: 3 },
    { sid: 9 },
  ]);
  it.each<[string, (string | undefined)[], sids: number[], number[]]>([
    ['no segments', [], [1], []],
    ['no traits', ['1T'], [], []],
    ['a segment without a rule keeps its place', [undefined, '1T', undefined], [1], [1]],
    ['rules that are equal', ['1T', '1T'], [1], [0, 1]],
    ['a rule that several traits touch, once', ['1T OR 2T'], [1, 2], [0]],
    ['a rule that is touched in vain', ['1T AND 2T', '1T AND NOT 2T'], [1], [1]],
    ['a folder, through any of its traits', ['9T', '9T AND 1T'], [2], [0]],
    ['a folder that sums up', ['FREQUENCY([9T]) >= 2', 'FREQUENCY([9T]) >= 3'], [1, 2], [0]],
    ['no more than a number, held for another reason', ['3T AND FREQUENCY([1T]) <= 1'], [3], [0]],
    ['more than a number, said with NOT', ['NOT FREQUENCY([1T, 2T]) <= 1'], [1, 2], [0]],
    ['a rule behind a double negation', ['NOT (NOT 1T OR 2T)'], [1], [0]],
    ['two ways not to be denied, the first', ['NOT (NOT 1T AND NOT 2T)'], [1], [0]],
    ['two ways not to be denied, the second', ['NOT (NOT 1T AND NOT 2T)'], [2], [0]],
  ])('%s', (_name, rules, sids, expected) => {
    const index = atOnce(
      SegmentIndex.build(
        rules.map((rule) => (rule === undefined ? undefined : parseSegmentRule(rule))),
        account.place,
      ),
    );
    const realizations = sids.map((sid) => ({ sid, day: TODAY, count: 1 }));
    expect(ascending(index.qualified(account.visitor(realizations, TODAY)))).toEqual(expected);
  });
});

/** Counts how often a rule asks about a trait. */
class CountingTraits extends HeldTraits {
  questions = 0;
  override holds(trait: number): boolean {
    this.questions++;
    return super.holds(trait);
  }
  override count(trait: number, recency?: Recency): number {
    this.questions++;
    return super.count(trait, recency);
  }
}

describe('what a visitor costs depends on the segments that their traits touch', () => {
  const COUNT = 2_000;
  const EVERYONE = COUNT + 1;
  const account = new Account(Array.from({ length: EVERYONE }, (_, n) => ({ sid: n + 1 })));
  it.each<[string, (sid: number) => string]>([
    ['a trait of its own', (sid) => `${sid}T`],
    ['with one that everyone has', (sid) => `${EVERYONE}T AND ${sid}T`],
    ['without one that nobody has', (sid) => `${sid}T AND NOT ${COUNT}T`],
    [
      'with a frequency of one that everyone has',
      (sid) => `FREQUENCY([${EVERYONE}T]) >= 1 AND ${sid}T`,
    ],
    ['with a frequency of its own', (sid) => `${EVERYONE}T AND FREQUENCY([${sid}T] <= 5D) >= 1`],
  ])('%s', (_name, rule) => {
    const rules = Array.from({ length: COUNT - 1 }, (_, n) => parseSegmentRule(rule(n + 1)));
    const index = atOnce(SegmentIndex.build(rules, account.place));
    const visitor = new CountingTraits(account.terms, account.places).load(
      profileOf([77, EVERYONE].map((sid) => ({ sid, day: TODAY, count: 1 }))),
      TODAY,
    );
    expect(index.qualified(visitor)).toEqual([76]);
    expect(visitor.questions).toBeGreaterThan(0);
    expect(visitor.questions).toBeLessThanOrEqual(4);
  });
});
