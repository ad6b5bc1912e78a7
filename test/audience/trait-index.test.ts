import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Signals } from '../../src/audience/signal.ts';
import { TraitIndex } from '../../src/audience/trait-index.ts';
import { compileTraitRule, parseTraitRule } from '../../src/audience/trait-rule.ts';
import { fewSignals, fewTraitRules, request } from './rules.ts';

const indexOf = (...rules: (string | undefined)[]) =>
  new TraitIndex(rules.map((rule) => (rule === undefined ? undefined : parseTraitRule(rule))));

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
          const index = new TraitIndex(rules);
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
