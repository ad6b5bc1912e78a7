import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce } from '../../src/account/turns.ts';
import { compilePattern } from '../../src/audience/pattern.ts';
import type { Signals } from '../../src/audience/signal.ts';
import { TraitIndex } from '../../src/audience/trait-index.ts';
import { compileTraitRule, parseTraitRule } from '../../src/audience/trait-rule.ts';
import { fewSignals, fewTraitRules, request } from './rules.ts';

const indexOf = (...rules: (string | undefined)[]) =>
  atOnce(
    TraitIndex.build(rules.map((rule) => (rule === undefined ? undefined : parseTraitRule(rule)))),
  );

const ascending = (places: number[]) => places.sort((a, b) => a - b);

describe('the index finds what asking every rule finds', () => {
  it('for any rules and any requests, one after the other', () => {
    let found = 0;
    let asked = 0;
    const rules = fc.array(fc.option(fewTraitRules, { nil: undefined, freq: 10 }), {
      minLength: 1,
      maxLength: 25,
      size: 'max',
    });
    fc.assert(
      fc.property(
        rules,
        fc.array(fewSignals, { minLength: 1, maxLength: 6 }),
        (rules, requests) => {
          const index = atOnce(TraitIndex.build(rules));
          const every = rules.map((rule) => rule && compileTraitRule(rule));
          for (const signals of requests) {
            const expected = every.flatMap((holds, place) =>
              holds?.(request(signals)) ? [place] : [],
            );
            expect(ascending(index.realized(request(signals)))).toEqual(expected);
            asked += rules.length;
            found += expected.length;
          }
        },
      ),
      { numRuns: 300 },
    );
    // Rules that never hold, or always, would make the comparison true of almost any index.
    expect(found).toBeGreaterThan(500);
    expect(asked - found).toBeGreaterThan(500);
  });
});

describe('places of the realized traits', () => {
  it.each<[string, (string | undefined)[], Record<string, string | string[]>, number[]]>([
    ['no rules', [], { k: 'a' }, []],
    ['no signals', ['k == "a"'], {}, []],
    ['a trait without a rule keeps its place', [undefined, 'k == "a"', undefined], { k: 'a' }, [1]],
    ['rules that are equal', ['k == "a"', 'k == "a"'], { k: 'a' }, [0, 1]],
    ['a rule that several signals touch, once', ['k == "a" OR l == "a"'], { k: 'a', l: 'a' }, [0]],
    ['a rule that several values touch, once', ['k contains "a"'], { k: ['a', 'aa', 'a'] }, [0]],
    ['a rule that is touched in vain', ['k == "a" AND l == "b"'], { k: 'a', l: 'a' }, []],
    ['a rule behind a double negation', ['NOT (NOT k == "a" OR l == "b")'], { k: 'a' }, [0]],
    [
      'two ways not to be denied, the first',
      ['NOT (NOT k == "a" AND NOT l == "b")'],
      { k: 'a' },
      [0],
    ],
    [
      'two ways not to be denied, the second',
      ['NOT (NOT k == "a" AND NOT l == "b")'],
      { l: 'b' },
      [0],
    ],
    ['minus zero is zero', ['k == 0', 'k == -0', 'k >= -0'], { k: '0' }, [0, 1, 2]],
    ['numbers written differently', ['k == 1', 'k == "1"', 'k == 1.00'], { k: '1.0' }, [0, 2]],
    [
      'thresholds',
      ['k > 1', 'k > 2', 'k >= 2', 'k < 2', 'k <= 2', 'k < 3'],
      { k: '2' },
      [0, 2, 4, 5],
    ],
    [
      'empty texts',
      ['k startswith ""', 'k endswith ""', 'k contains ""', 'k == ""'],
      { k: '' },
      [0, 1, 2, 3],
    ],
    [
      'empty texts are a part of every value',
      ['k startswith ""', 'k endswith ""', 'k contains ""', 'k == ""'],
      { k: 'a' },
      [0, 1, 2],
    ],
    [
      'a text longer than the value',
      ['k startswith "abc"', 'k endswith "abc"', 'k contains "abc"'],
      { k: 'ab' },
      [],
    ],
    [
      'a text at either end',
      ['k contains "needle-in-hay"'],
      { k: ['needle-in-hay.', '.needle-in-hay'] },
      [0],
    ],
    [
      'texts that share their windows',
      ['k contains "aaaaaaaaab"', 'k contains "aaaaaaaaac"'],
      { k: 'aaaaaaaaaaaac' },
      [1],
    ],
    [
      'surrogate pairs',
      ['k contains "😀"', 'k startswith "😀"', 'k endswith "😀"'],
      { k: '😀' },
      [0, 1, 2],
    ],
  ])('%s', (_name, rules, signals, expected) => {
    expect(ascending(indexOf(...rules).realized(request(signals)))).toEqual(expected);
  });

  it('do not depend on the requests before', () => {
    const index = indexOf('k == "a"', 'k != "b"');
    for (const [value, expected] of [
      ['a', [0, 1]],
      ['b', []],
      ['a', [0, 1]],
      ['a', [0, 1]],
      ['c', [1]],
    ] as const) {
      expect(ascending(index.realized(request({ k: value })))).toEqual(expected);
    }
  });
});

describe('a trait whose patterns could not all be tried is not realized', () => {
  const size = compilePattern('x').size;
  const realized = (rules: string[], signals: Record<string, string>, patternBudget: number) =>
    ascending(indexOf(...rules).realized({ ...request(signals), patternBudget }));
  const denied = 'c_a == "1" AND NOT c_b matchesregex "x"';

  it.each<[string, string[], Record<string, string>, number, number[]]>([
    ['not denied, within the budget', [denied], { c_a: '1', c_b: 'y' }, 2 * size, [0]],
    ['denied, within the budget', [denied], { c_a: '1', c_b: 'x' }, 2 * size, []],
    ['not denied, beyond the budget', [denied], { c_a: '1', c_b: 'y' }, 2 * size - 1, []],
    ['denied, beyond the budget', [denied], { c_a: '1', c_b: 'x' }, 2 * size - 1, []],
    ['no budget at all', [denied], { c_a: '1', c_b: 'x' }, 0, []],
    ['a budget that was exceeded before', [denied], { c_a: '1', c_b: 'x' }, -1, []],
    ['no value to try', [denied], { c_a: '1' }, -1, [0]],
    ['a match, beyond the budget', ['c_b matchesregex "x"'], { c_b: 'x' }, 2 * size - 1, []],
    [
      'whatever NOTs there are',
      [
        'c_a == "1" AND NOT NOT NOT c_b matchesregex "x"',
        'c_a == "1" AND NOT (c_b matchesregex "x" AND c_a == "1")',
        'c_a == "1" AND (NOT c_b matchesregex "x" OR c_a == "2")',
        'NOT (NOT c_a == "1" OR c_b matchesregex "x")',
      ],
      { c_a: '1', c_b: 'x' },
      -1,
      [],
    ],
    [
      'even if the rest of its rule holds',
      ['c_b matchesregex "y" OR c_a == "1"'],
      { c_a: '1', c_b: 'x' },
      -1,
      [],
    ],
    [
      'unless the rule holds before a pattern is tried',
      ['c_a == "1" OR c_b matchesregex "y"'],
      { c_a: '1', c_b: 'x' },
      -1,
      [0],
    ],
    [
      'other traits are, before it and after it',
      ['c_a == "1"', denied, 'NOT (NOT c_a == "1" OR c_b == "y")'],
      { c_a: '1', c_b: 'x' },
      -1,
      [0, 2],
    ],
    [
      'nor is any trait with a pattern after it',
      ['c_b matchesregex "^x{200}$"', 'c_a matchesregex "1"', denied],
      { c_b: 'y', c_a: '1' },
      200,
      [],
    ],
  ])('%s', (_name, rules, signals, budget, expected) => {
    expect(realized(rules, signals, budget)).toEqual(expected);
  });

  it('and the next request has its own budget', () => {
    const index = indexOf(denied);
    const signals = { c_a: '1', c_b: 'y' };
    expect(index.realized({ ...request(signals), patternBudget: 0 })).toEqual([]);
    expect(index.realized(request(signals))).toEqual([0]);
  });

  it('so a small budget realizes nothing that a large one would not', () => {
    let kept = 0;
    let lost = 0;
    fc.assert(
      fc.property(
        fc.array(fewTraitRules, { minLength: 1, maxLength: 25, size: 'max' }),
        fewSignals,
        fc.integer({ min: -1, max: 40 }),
        (rules, signals, patternBudget) => {
          const index = atOnce(TraitIndex.build(rules));
          const all = index.realized(request(signals));
          const some = index.realized({ ...request(signals), patternBudget });
          expect(all).toEqual(expect.arrayContaining(some));
          kept += some.length;
          lost += all.length - some.length;
        },
      ),
      { numRuns: 500 },
    );
    expect(kept).toBeGreaterThan(100);
    expect(lost).toBeGreaterThan(50);
  });

  // The slowest pattern of its size, on a value as long as a request can bring.
  it('so that an attack ends soon', () => {
    const rules = Array.from(
      { length: 200 },
      (_, n) => `c_b matchesregex "[ab]*a[ab]{120}[c-${'defghij'[n % 7]}]"`,
    );
    const index = indexOf(...rules, 'c_a == "1"');
    let state = 1;
    const hostile = Array.from({ length: 16_000 }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return 'ab'[state & 1];
    });
    const evaluation = request({ c_a: '1', c_b: `c${hostile.join('')}` });
    const start = performance.now();
    expect(index.realized(evaluation)).toEqual([200]);
    expect(performance.now() - start).toBeLessThan(3_000);
    expect(evaluation.patternBudget).toBeLessThan(0);
  });
});

describe('the index knows the keys that rules look at', () => {
  it.each([
    ['a', true],
    // The rule is filed under one of its keys only, but it needs the others as well.
    ['b', true],
    ['c', true],
    ['d', false],
    ['A', false],
  ])('%s: %s', (key, known) => {
    expect(indexOf('a == "1" AND b == "2" AND NOT c == "3"').knows(key)).toBe(known);
  });
});

/** Counts how often a rule looks at a signal: the index itself walks over the signals instead. */
class CountingSignals extends Map<string, readonly string[]> implements Signals {
  looks = 0;
  override get(key: string): readonly string[] | undefined {
    this.looks++;
    return super.get(key);
  }
}

describe('what a request costs depends on the rules that its signals touch', () => {
  const shop = ['c_site', ['shop']] as const;
  // Every rule looks at one or two signals: few looks are few rules.
  it.each<[string, (n: number) => string, key: string, value: string, realized: number]>([
    ['one text of many', (n) => `c_sku == "${n}"`, 'c_sku', '77', 1],
    ['one number of many', (n) => `c_sku == ${n}`, 'c_sku', '77.0', 1],
    ['one of two texts', (n) => `(c_sku == "${n}" OR c_sku == "x${n}")`, 'c_sku', 'x77', 1],
    ['no text of many', (n) => `c_sku == "${n}"`, 'c_sku', 'none', 0],
    ['a part', (n) => `h_referer contains "/product/${n}/"`, 'h_referer', 'shop/product/77/x', 1],
    ['a beginning', (n) => `c_path startswith "/product/${n}/"`, 'c_path', '/product/77/x', 1],
    ['an end', (n) => `c_path endswith "/product/${n}"`, 'c_path', 'shop/product/77', 1],
    ['a low number', (n) => `price >= ${n}`, 'price', '3', 4],
    ['a high number', (n) => `price <= ${n}`, 'price', '1996', 4],
    ['a text, and not another', (n) => `NOT c_x == "a" AND c_sku == "${n}"`, 'c_sku', '77', 1],
  ])('%s', (_name, rule, key, value, realized) => {
    const rules = Array.from({ length: 2_000 }, (_, n) => `c_site == "shop" AND ${rule(n)}`);
    const signals = new CountingSignals([shop, [key, [value]]]);
    expect(indexOf(...rules).realized(request(signals))).toHaveLength(realized);
    expect(signals.looks).toBeLessThanOrEqual(4 * Math.max(realized, 1));
  });

  it('not on how many rules there are', () => {
    const looks = [10, 10_000].map((count) => {
      const rules = Array.from({ length: count }, (_, n) => `c_site == "shop" AND c_sku == "${n}"`);
      const signals = new CountingSignals([shop, ['c_sku', ['7']]]);
      expect(indexOf(...rules).realized(request(signals))).toEqual([7]);
      return signals.looks;
    });
    expect(looks[1]).toBe(looks[0]);
    expect(looks[0]).toBeGreaterThan(0);
  });

  it('and a key that no rule looks at costs nothing', () => {
    const signals = new CountingSignals([shop, ['c_other', ['7']]]);
    indexOf(...Array.from({ length: 100 }, (_, n) => `c_sku == "${n}"`)).realized(request(signals));
    expect(signals.looks).toBe(0);
  });
});
