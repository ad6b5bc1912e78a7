import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_DEPTH } from '../../src/audience/expression.ts';
import { compilePattern } from '../../src/audience/pattern.ts';
import { MAX_LENGTH, RuleError } from '../../src/audience/scanner.ts';
import {
  compileTraitRule,
  PATTERN_BUDGET,
  parseTraitRule,
  printTraitRule,
} from '../../src/audience/trait-rule.ts';
import { anyTraitRule, refusal, request } from './rules.ts';

type SignalsOf = Record<string, string | string[]>;

const holds = (rule: string, signals: SignalsOf): boolean =>
  compileTraitRule(parseTraitRule(rule))(request(signals));

describe('operators', () => {
  describe.each<[string, [rule: string, signals: SignalsOf, expected: boolean][]]>([
    [
      '== against a quoted text compares text',
      [
        ['c_make == "A"', { c_make: 'A' }, true],
        ['c_make == "A"', { c_make: 'B' }, false],
        ['c_make == "A"', { c_make: 'AB' }, false],
        ['c_make == "A"', { c_make: ' A' }, false],
        ['c_make == ""', { c_make: '' }, true],
        ['c_make == ""', { c_make: ' ' }, false],
        ['price == "1.0"', { price: '1.0' }, true],
        ['price == "1.0"', { price: '1' }, false],
        ['city == "Zürich"', { city: 'Zürich' }, true],
      ],
    ],
    [
      '== against an unquoted number compares numbers',
      [
        ['price == 1.0', { price: '1' }, true],
        ['price == 1.0', { price: '1.00' }, true],
        ['price == 1.0', { price: '+1' }, true],
        ['price == 1.0', { price: '1.01' }, false],
        ['price == 1.0', { price: '1 EUR' }, false],
        ['price == 0', { price: '-0' }, true],
        ['price == 0', { price: '' }, false],
        ['price == 100', { price: '1e2' }, false],
        ['price == -5', { price: '-5.0' }, true],
      ],
    ],
    [
      '!= against a quoted text compares text',
      [
        ['c_make != "A"', { c_make: 'B' }, true],
        ['c_make != "A"', { c_make: 'A' }, false],
        ['price != "1.0"', { price: '1' }, true],
      ],
    ],
    [
      '!= against an unquoted number compares numbers, and no text is that number',
      [
        ['price != 1', { price: '2' }, true],
        ['price != 1', { price: '1.00' }, false],
        ['price != 1', { price: 'free' }, true],
      ],
    ],
    [
      '< compares numbers',
      [
        ['price < 10', { price: '9' }, true],
        ['price < 10', { price: '9.999' }, true],
        ['price < 10', { price: '10' }, false],
        ['price < 10', { price: '11' }, false],
        ['price < 10', { price: '-20' }, true],
        // As texts, "10" would come before "9".
        ['price < 9', { price: '10' }, false],
      ],
    ],
    [
      '> compares numbers',
      [
        ['price > 10', { price: '11' }, true],
        ['price > 10', { price: '10.01' }, true],
        ['price > 10', { price: '10' }, false],
        ['price > 10', { price: '9' }, false],
        ['price > 9', { price: '10' }, true],
      ],
    ],
    [
      '<= compares numbers',
      [
        ['price <= 100.00', { price: '100' }, true],
        ['price <= 100.00', { price: '99' }, true],
        ['price <= 100.00', { price: '100.01' }, false],
      ],
    ],
    [
      '>= compares numbers',
      [
        ['price >= 1.00', { price: '1' }, true],
        ['price >= 1.00', { price: '2' }, true],
        ['price >= 1.00', { price: '0.99' }, false],
      ],
    ],
    [
      '< > <= >= compare numbers even against a quoted number',
      [
        ['price > "9"', { price: '10' }, true],
        ['price < "9"', { price: '10' }, false],
        ['price >= "1.0"', { price: '1' }, true],
        ['price <= "+1"', { price: '1.0' }, true],
      ],
    ],
    [
      '< > <= >= are false where the value is no finite decimal number',
      ['<', '>', '<=', '>='].flatMap((operator) =>
        ['', 'x', '1x', '1,5', '1e1', '0x1', ' 1', 'NaN', 'Infinity', '9'.repeat(400)].map(
          (value): [string, SignalsOf, boolean] => [`price ${operator} 1`, { price: value }, false],
        ),
      ),
    ],
    [
      'contains looks for a part of the value',
      [
        ['h_referer contains "search"', { h_referer: 'https://search.example/?q=1' }, true],
        ['h_referer contains "search"', { h_referer: 'search' }, true],
        ['h_referer contains "search"', { h_referer: 'sea rch' }, false],
        ['h_referer contains ""', { h_referer: '' }, true],
        ['c_sku contains 12', { c_sku: 'A123' }, true],
        ['c_sku contains 1.0', { c_sku: '1' }, false],
        ['c_sku contains ".*"', { c_sku: 'abc' }, false],
      ],
    ],
    [
      'startswith looks at the beginning',
      [
        ['c_path startswith "/shop"', { c_path: '/shop/cart' }, true],
        ['c_path startswith "/shop"', { c_path: '/shop' }, true],
        ['c_path startswith "/shop"', { c_path: '/my/shop' }, false],
        ['c_path startswith "/shop"', { c_path: '/sho' }, false],
        ['c_path startswith ""', { c_path: 'x' }, true],
      ],
    ],
    [
      'endswith looks at the end',
      [
        ['c_path endswith ".pdf"', { c_path: 'a.pdf' }, true],
        ['c_path endswith ".pdf"', { c_path: '.pdf' }, true],
        ['c_path endswith ".pdf"', { c_path: 'a.pdf?x' }, false],
        ['c_path endswith ".pdf"', { c_path: 'pdf' }, false],
        ['c_path endswith ""', { c_path: 'x' }, true],
      ],
    ],
    [
      'matcheswords holds if every word of the operand occurs as a whole word',
      [
        ['c_title matcheswords "red car"', { c_title: 'a red car' }, true],
        ['c_title matcheswords "red car"', { c_title: 'car, red!' }, true],
        ['c_title matcheswords "red car"', { c_title: 'red' }, false],
        ['c_title matcheswords "red car"', { c_title: 'red cars' }, false],
        ['c_title matcheswords "car"', { c_title: 'cargo' }, false],
        ['c_title matcheswords "car"', { c_title: 'cargo car' }, true],
        ['c_title matcheswords "car"', { c_title: 'oscar' }, false],
        ['c_title matcheswords "car"', { c_title: 'my-car.jpg' }, true],
        ['c_title matcheswords "car"', { c_title: 'my_car' }, false],
        ['c_title matcheswords "car"', { c_title: '' }, false],
        ['c_title matcheswords "red-car"', { c_title: 'car red' }, true],
        ['c_title matcheswords "Auto"', { c_title: 'Automobil, Auto' }, true],
        ['c_title matcheswords "Straße"', { c_title: 'die Straße' }, true],
        ['c_title matcheswords "Stra"', { c_title: 'die Straße' }, false],
        ['c_title matcheswords "本 車"', { c_title: '車・本' }, true],
        ['c_title matcheswords 911', { c_title: 'Porsche 911' }, true],
        ['c_title matcheswords 911', { c_title: 'Porsche 9112' }, false],
      ],
    ],
    [
      'matchesregex holds if the pattern matches anywhere',
      [
        ['c_sku matchesregex "^[A-Z]{2}\\d+$"', { c_sku: 'AB12' }, true],
        ['c_sku matchesregex "^[A-Z]{2}\\d+$"', { c_sku: 'AB12x' }, false],
        ['c_sku matchesregex "b+"', { c_sku: 'abbc' }, true],
        ['c_sku matchesregex "say \\"hi\\""', { c_sku: 'say "hi"!' }, true],
        ['c_sku matchesregex "a\\\\\\\\b"', { c_sku: 'a\\b' }, true],
        ['c_sku matchesregex 5', { c_sku: '456' }, true],
        ['c_sku matchesregex 5', { c_sku: '46' }, false],
      ],
    ],
  ])('%s', (_sentence, cases) => {
    it.each(cases)('%s on %j: %s', (rule, signals, expected) => {
      expect(holds(rule, signals)).toBe(expected);
    });
  });
});

describe('a comparison holds if any value of the key satisfies it', () => {
  it.each<[string, SignalsOf, boolean]>([
    ['color == "red"', { color: ['blue', 'red'] }, true],
    ['color == "red"', { color: ['blue', 'green'] }, false],
    ['color != "red"', { color: ['red', 'blue'] }, true],
    ['color != "red"', { color: ['red', 'red'] }, false],
    ['color contains "e"', { color: ['pink', 'red'] }, true],
    ['color matchesregex "^r"', { color: ['blue', 'red'] }, true],
    ['price > 10', { price: ['x', '5', '11'] }, true],
    // Each comparison may find its own value.
    ['price > 10 AND price < 5', { price: ['1', '20'] }, true],
    ['price > 10 AND price < 5', { price: ['7'] }, false],
    // All words have to be in one value.
    ['c_title matcheswords "red car"', { c_title: ['red', 'car'] }, false],
    ['color == "red" AND NOT color == "blue"', { color: ['red', 'blue'] }, false],
  ])('%s on %j: %s', (rule, signals, expected) => {
    expect(holds(rule, signals)).toBe(expected);
  });
});

describe('a comparison on a missing key is false', () => {
  const comparisons = [
    'k == "a"',
    'k == 1',
    'k == ""',
    'k != "a"',
    'k != 1',
    'k < 1',
    'k > 1',
    'k <= 1',
    'k >= 1',
    'k contains ""',
    'k startswith ""',
    'k endswith ""',
    'k matcheswords "a"',
    'k matchesregex ""',
  ];
  it.each(comparisons)('%s', (comparison) => {
    expect(holds(comparison, {})).toBe(false);
    expect(holds(comparison, { k: [] })).toBe(false);
    expect(holds(`other == "1" AND NOT ${comparison}`, { other: '1' })).toBe(true);
  });
});

describe('keys and values are case-sensitive', () => {
  it.each<[string, SignalsOf, boolean]>([
    ['color == "Red"', { color: 'Red' }, true],
    ['color == "Red"', { color: 'red' }, false],
    ['Color == "red"', { color: 'red' }, false],
    ['color contains "RE"', { color: 'red' }, false],
    ['color startswith "R"', { color: 'red' }, false],
    ['color endswith "D"', { color: 'red' }, false],
    ['color matcheswords "Red"', { color: 'red' }, false],
    ['color matchesregex "Red"', { color: 'red' }, false],
    ['color == "red"', { c_color: 'red' }, false],
    ['c_color == "red"', { color: 'red' }, false],
  ])('%s on %j: %s', (rule, signals, expected) => {
    expect(holds(rule, signals)).toBe(expected);
  });
});

describe('NOT binds closer than AND, AND closer than OR', () => {
  const bits = [false, true];
  const requests = bits.flatMap((a) => bits.flatMap((b) => bits.map((c) => ({ a, b, c }))));
  // `x` makes rules acceptable that the empty request would satisfy.
  it.each<[string, (a: boolean, b: boolean, c: boolean) => boolean]>([
    ['a == 1 OR b == 1 AND c == 1', (a, b, c) => a || (b && c)],
    ['a == 1 AND b == 1 OR c == 1', (a, b, c) => (a && b) || c],
    ['(a == 1 OR b == 1) AND c == 1', (a, b, c) => (a || b) && c],
    ['a == 1 AND (b == 1 OR c == 1)', (a, b, c) => a && (b || c)],
    ['x == 1 AND NOT a == 1 AND b == 1', (a, b) => !a && b],
    ['x == 1 AND NOT (a == 1 AND b == 1)', (a, b) => !(a && b)],
    ['x == 1 AND (NOT a == 1 OR b == 1)', (a, b) => !a || b],
    ['x == 1 AND NOT (a == 1 OR b == 1)', (a, b) => !(a || b)],
    ['a == 1 AND NOT b == 1 OR c == 1', (a, b, c) => (a && !b) || c],
    ['NOT NOT a == 1', (a) => a],
    ['x == 1 AND NOT NOT NOT a == 1', (a) => !a],
    ['a == 1 OR b == 1 OR c == 1', (a, b, c) => a || b || c],
    ['a == 1 AND b == 1 AND c == 1', (a, b, c) => a && b && c],
    ['x == 1 AND (NOT a == 1 OR NOT b == 1 OR NOT c == 1)', (a, b, c) => !(a && b && c)],
    ['((((a == 1))))', (a) => a],
  ])('%s', (rule, expected) => {
    for (const { a, b, c } of requests) {
      const signals = { x: '1', ...(a && { a: '1' }), ...(b && { b: '1' }), ...(c && { c: '1' }) };
      expect([signals, holds(rule, signals)]).toEqual([signals, expected(a, b, c)]);
    }
  });
});

describe('the examples of the guide', () => {
  it.each<[string, SignalsOf, boolean]>([
    ['c_make == "A" AND c_model == "B"', { c_make: 'A', c_model: 'B' }, true],
    ['c_make == "A" AND c_model == "B"', { c_make: 'A' }, false],
    ['(a == "1" OR b == "1") AND c == "new"', { b: '1', c: 'new' }, true],
    ['(a == "1" OR b == "1") AND c == "new"', { b: '1' }, false],
    ['price >= 1.00 AND price <= 100.00', { price: '99.99' }, true],
    ['price >= 1.00 AND price <= 100.00', { price: '100.01' }, false],
    ['price => 1.00 AND price <= 100.00', { price: '1' }, true],
    [
      'h_referer contains "search" AND NOT d_country == "us"',
      { h_referer: 'https://search.example', d_country: 'de' },
      true,
    ],
    [
      'h_referer contains "search" AND NOT d_country == "us"',
      { h_referer: 'https://search.example', d_country: 'us' },
      false,
    ],
    [
      'h_referer contains "search" AND NOT d_country == "us"',
      { h_referer: 'https://search.example' },
      true,
    ],
  ])('%s on %j: %s', (rule, signals, expected) => {
    expect(holds(rule, signals)).toBe(expected);
  });
});

describe('a rule is printed in one way, however it was written', () => {
  it.each([
    ['a == "1"', 'a == "1"'],
    ['  a=="1"\n', 'a == "1"'],
    ['a\n==\n"1"\tAND\u00a0b==2', 'a == "1" AND b == 2'],
    ['price => 1.00', 'price >= 1.00'],
    ['price=>-1', 'price >= -1'],
    ['price >= "1.00"', 'price >= "1.00"'],
    ['a == 1 and b == 2 Or c == 3', 'a == 1 AND b == 2 OR c == 3'],
    ['a == 1 aNd noT b == 2', 'a == 1 AND NOT b == 2'],
    ['k CONTAINS "x"', 'k contains "x"'],
    ['k StartsWith "x"', 'k startswith "x"'],
    ['k ENDSWITH "x"', 'k endswith "x"'],
    ['k MatchesWords "x"', 'k matcheswords "x"'],
    ['k matchesRegEx "x"', 'k matchesregex "x"'],
    ['((a == 1) AND ((b == 2)))', 'a == 1 AND b == 2'],
    ['(a == 1 AND b == 2) OR c == 3', 'a == 1 AND b == 2 OR c == 3'],
    ['(a == 1 OR b == 2) AND c == 3', '(a == 1 OR b == 2) AND c == 3'],
    ['(a == 1 AND b == 2) AND c == 3', '(a == 1 AND b == 2) AND c == 3'],
    ['a == 1 OR (b == 2 OR c == 3)', 'a == 1 OR (b == 2 OR c == 3)'],
    ['a == 1 AND NOT(b == 2)', 'a == 1 AND NOT b == 2'],
    ['a == 1 AND NOT(b == 2 AND c == 3)', 'a == 1 AND NOT (b == 2 AND c == 3)'],
    ['NOT(NOT a == 1)', 'NOT NOT a == 1'],
    ['k == "say \\"hi\\""', 'k == "say \\"hi\\""'],
    ['k == "a\\b"', 'k == "a\\b"'],
    ['k == "a\\\\"', 'k == "a\\\\"'],
    ['k matchesregex "\\d+\\.\\d"', 'k matchesregex "\\d+\\.\\d"'],
    ['k == "AND ) OR"', 'k == "AND ) OR"'],
    // Words that only begin like keywords are keys.
    ['order == 1 AND nothing == 2 OR android == 3', 'order == 1 AND nothing == 2 OR android == 3'],
    ['contains contains "x"', 'contains contains "x"'],
    [
      '123price == 1 AND price-123 == 2 AND a.b == 3',
      '123price == 1 AND price-123 == 2 AND a.b == 3',
    ],
  ])('%j', (text, printed) => {
    expect(printTraitRule(parseTraitRule(text))).toBe(printed);
  });

  it('and read again is the same rule', () => {
    fc.assert(
      fc.property(anyTraitRule, (rule) => {
        expect(parseTraitRule(printTraitRule(rule))).toEqual(rule);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a rule that every request would satisfy is refused', () => {
  it.each([
    'NOT a == "1"',
    'not (a == "1")',
    'NOT a == "1" AND NOT b == "2"',
    'NOT a == "1" OR NOT b == "2"',
    'a == "1" OR NOT b == "2"',
    'a == "1" OR NOT a == "1"',
    'NOT (a == "1" AND b == "2")',
    'NOT a != "1"',
    'NOT NOT NOT a == "1"',
    '(a == "1" OR NOT b == "1") AND (c == "1" OR NOT d == "1")',
    'NOT (a == "1" AND (b == "1" OR NOT c == "1"))',
  ])('%s', (text) => {
    const error = refusal(parseTraitRule, text);
    expect(error.message).toContain('every request would satisfy this rule');
    expect(error.expected).toContain('at least one comparison that a visitor has to meet');
  });

  it.each([
    'NOT NOT a == "1"',
    'a == "1" AND NOT b == "2"',
    '(a == "1" OR NOT b == "2") AND c == "3"',
    'NOT (NOT a == "1" OR b == "2")',
    // Every request with an `a` satisfies it, one without does not.
    'a == "1" OR a != "1"',
  ])('but not %s', (text) => {
    expect(() => parseTraitRule(text)).not.toThrow();
  });
});

describe('what is no rule is refused at the character where it stops making sense', () => {
  const KEY = 'a key, NOT or an opening parenthesis';
  const NAME = 'a key with at least one letter, such as c_price';
  const OPERATOR = 'one of == != >= <= > < contains startswith endswith matcheswords matchesregex';
  const EQUALS = '== (two equals signs) or >=';
  const OPERAND = 'a text in straight double quotes or a decimal number';
  const NUMBER = 'a decimal number such as 19.90';
  const REGEX = 'a regular expression as RE2 takes it';
  const END = 'AND, OR or the end of the rule';

  it.each<[text: string, position: number, expected: string]>([
    ['', 0, KEY],
    ['   ', 3, KEY],
    ['NOT', 3, KEY],
    ['()', 1, KEY],
    ['AND a == "1"', 0, KEY],
    ['or == "1"', 0, KEY],
    ['a == "1" AND', 12, KEY],
    ['a == "1" AND AND b == "2"', 13, KEY],
    ['a == "1" OR )', 12, KEY],
    ['"a" == "1"', 0, KEY],
    ['größe == "1" AND ключ == "1"', 2, OPERATOR],
    ['ключ == "1"', 0, KEY],
    ['123 == "1"', 0, NAME],
    ['a == "1" AND -1.5 == "1"', 13, NAME],
    ['price!123 == "1"', 5, OPERATOR],
    ['a', 1, OPERATOR],
    ['a is "1"', 2, OPERATOR],
    ['a ~ "1"', 2, OPERATOR],
    ['a containsx "1"', 2, OPERATOR],
    ['a = "1"', 2, EQUALS],
    ['a = = "1"', 2, EQUALS],
    ['a =< 5', 2, EQUALS],
    ['a === "1"', 4, OPERAND],
    ['a ==', 4, OPERAND],
    ['a == red', 5, OPERAND],
    ["a == 'red'", 5, OPERAND],
    ['a == “red”', 5, OPERAND],
    ['a contains „red“', 11, OPERAND],
    ['a == 1e5', 5, OPERAND],
    ['a == 0x10', 5, OPERAND],
    ['a == 1.2.3', 5, OPERAND],
    [`a == ${'9'.repeat(400)}`, 5, OPERAND],
    ['a == AND b == "1"', 5, OPERAND],
    ['a > red', 4, NUMBER],
    ['a > "red"', 4, NUMBER],
    ['a <= "1,5"', 5, NUMBER],
    ['a < ""', 4, NUMBER],
    ['a <> "1"', 3, NUMBER],
    ['a >= = 5', 5, NUMBER],
    ['a == "red', 9, 'a closing double quote'],
    ['a == "red\\"', 11, 'a closing double quote'],
    ['a == "', 6, 'a closing double quote'],
    ['a == "1" AND b == "', 19, 'a closing double quote'],
    ['a matcheswords ""', 15, 'at least one word in the quotes'],
    ['a matcheswords "?!"', 15, 'at least one word in the quotes'],
    ['a matchesregex "x(?=y)"', 15, REGEX],
    ['b == 1 OR a matchesregex "(x)\\1"', 25, REGEX],
    ['a matchesregex "("', 15, REGEX],
    ['a matchesregex "x{1000}"', 15, REGEX],
    [`a matchesregex "${'x'.repeat(1_001)}"`, 15, REGEX],
    ['a == "1" b == "2"', 9, END],
    ['a == "1", b == "2"', 8, END],
    ['a == "1" && b == "2"', 9, END],
    ['a == "1" ANDb == "2"', 9, END],
    ['a == "1")', 8, END],
    ['a == "1" NOT b == "2"', 9, END],
    ['(a == "1"', 9, 'AND, OR or a closing parenthesis'],
    ['(a == "1" b', 10, 'AND, OR or a closing parenthesis'],
    ['((a == "1") AND b == "2"', 24, 'AND, OR or a closing parenthesis'],
  ])('%j', (text, position, expected) => {
    const error = refusal(parseTraitRule, text);
    expect([error.position, error.expected]).toEqual([position, expected]);
    expect(error.text).toBe(text);
  });

  it.each([
    ['a > red', 'found "red" at character 5: expected a decimal number such as 19.90'],
    ['a == “red”', `found "“" at character 6: expected ${OPERAND}`],
    ['(a == "1"', 'the rule ends at character 10: expected AND, OR or a closing parenthesis'],
    ['a == 😀', `found "😀" at character 6: expected ${OPERAND}`],
    [
      'a matchesregex "x(?=y)"',
      `invalid or unsupported Perl syntax: \`(?=\` at character 16: expected ${REGEX}`,
    ],
    [
      'a matchesregex "(x)\\1"',
      `invalid escape sequence: \`\\1\` at character 16: expected ${REGEX}`,
    ],
  ])('the message for %j says what was found, where, and what to write', (text, message) => {
    expect(refusal(parseTraitRule, text).message).toBe(message);
  });

  it.each([
    ['a long word', `${'1'.repeat(5_000)} == "1"`],
    ['a long text', 'x'.repeat(70_000)],
  ])('the message for %s is one that can be shown', (_name, text) => {
    expect(refusal(parseTraitRule, text).message.length).toBeLessThan(300);
  });

  it('and can be shown with a caret under the character', () => {
    expect(refusal(parseTraitRule, 'a == 1\nAND b = 2').picture).toBe(
      ['a == 1 AND b = 2', '             ^'].join('\n'),
    );
    const far = refusal(parseTraitRule, `${'a == 1 OR '.repeat(50)}b = 2${' '.repeat(100)}`);
    const [line, caret] = far.picture.split('\n');
    expect(line[caret.indexOf('^')]).toBe('=');
    expect(line.length).toBeLessThanOrEqual(100);
  });

  it('and never with anything but a RuleError', () => {
    const token = fc.constantFrom(
      ...['a', 'b1', '7', '"x"', '"', '==', '=', '=>', '<', 'AND', 'or', 'NOT', '(', ')', '“', '!'],
      ...['contains', 'matchesregex', '"("', '"\\"', 'matcheswords', '""', ' ', '\n', '\\', '😀'],
    );
    const texts = fc.array(token, { maxLength: 14 }).map((tokens) => tokens.join(' '));
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const rule = parseTraitRule(text);
          expect(parseTraitRule(printTraitRule(rule))).toEqual(rule);
        } catch (error) {
          if (!(error instanceof RuleError)) throw error;
          expect(error.position).toBeGreaterThanOrEqual(0);
          expect(error.position).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a rule has a largest size', () => {
  const nested = (levels: number) => `${'('.repeat(levels)}a == 1${')'.repeat(levels)}`;
  const denied = (levels: number) => `${'NOT '.repeat(levels)}a == 1`;
  const DEEP = 'at most 100 levels of nesting';
  const LONG = 'at most 65536 characters';
  /** Two characters shorter than it is printed. */
  const printedTo = (length: number) => `a=="${'x'.repeat(length - 7)}"`;

  it.each([
    ['parentheses, as deep as allowed', nested(MAX_DEPTH)],
    ['NOT, as often as allowed', denied(MAX_DEPTH)],
    ['parentheses side by side', Array.from({ length: 500 }, () => '(a == 1)').join(' OR ')],
    ['characters, as many as allowed', 'a == 1'.padEnd(MAX_LENGTH)],
    ['printed characters, as many as allowed', printedTo(MAX_LENGTH)],
  ])('accepted, and again as it is printed: %s', (_name, text) => {
    const rule = parseTraitRule(text);
    expect(parseTraitRule(printTraitRule(rule))).toEqual(rule);
  });

  it.each<[name: string, text: string, position: number, expected: string]>([
    ['a parenthesis too many', nested(MAX_DEPTH + 1), 100, DEEP],
    ['a NOT too many', denied(MAX_DEPTH + 1), 400, DEEP],
    ['10,000 parentheses', '('.repeat(10_000), 100, DEEP],
    ['10,000 parentheses around a rule', nested(10_000), 100, DEEP],
    ['10,000 NOTs', denied(10_000), 400, DEEP],
    ['10,000 of both', '(NOT '.repeat(10_000), 250, DEEP],
    ['a character too many', 'a == 1'.padEnd(MAX_LENGTH + 1), 65_536, LONG],
    ['70,000 characters', 'x'.repeat(70_000), 65_536, LONG],
    // As it is printed: with spaces around the operator, and it has to be kept in that form.
    ['a printed character too many', printedTo(MAX_LENGTH + 1), MAX_LENGTH - 1, LONG],
    ['9,001 short comparisons', 'a>1 OR '.repeat(9_000).concat('a>1'), 63_003, LONG],
  ])('refused: %s', (_name, text, position, expected) => {
    const error = refusal(parseTraitRule, text);
    expect([error.position, error.expected]).toEqual([position, expected]);
    expect(error.message).toMatch(
      new RegExp(`at character ${position + 1}: expected ${expected}$`),
    );
    expect(error.text).toBe(text);
  });
});

describe('regular expressions share one budget for each request', () => {
  const evaluate = (rule: string, signals: SignalsOf, patternBudget: number) => {
    const evaluation = { ...request(signals), patternBudget };
    return [compileTraitRule(parseTraitRule(rule))(evaluation), evaluation.patternBudget];
  };
  const long = 'a'.repeat(5_000);
  /** The size of every pattern that is a single letter. */
  const size = compilePattern('a').size;
  const large = compilePattern('^(a|b){20}$').size;

  it.each<[string, string, SignalsOf, number, [boolean, number]]>([
    [
      'a value costs its characters and one, times the size',
      'k matchesregex "a"',
      { k: 'aaa' },
      100,
      [true, 100 - 4 * size],
    ],
    [
      'whatever the size',
      'k matchesregex "^(a|b){20}$"',
      { k: 'aaa' },
      1_000,
      [false, 1_000 - 4 * large],
    ],
    ['an empty value costs too', 'k matchesregex ""', { k: '' }, 100, [true, 100 - size]],
    ['all of the budget may be used', 'k matchesregex "a"', { k: 'aaa' }, 4 * size, [true, 0]],
    ['beyond it nothing matches', 'k matchesregex "a"', { k: 'aaa' }, 4 * size - 1, [false, -1]],
    [
      'nor does anything after that',
      'k matchesregex "a" OR l matchesregex "a"',
      { k: 'aaaaa', l: 'a' },
      4 * size,
      [false, -4 * size],
    ],
    [
      'each value costs',
      'k matchesregex "b"',
      { k: ['aaa', 'ab'] },
      100,
      [true, 100 - (4 + 3) * size],
    ],
    [
      'values after a match cost nothing',
      'k matchesregex "a"',
      { k: ['aa', 'b'] },
      100,
      [true, 100 - 3 * size],
    ],
    [
      'so does each comparison',
      'k matchesregex "a" AND l matchesregex "b"',
      { k: 'a', l: 'b' },
      100,
      [true, 100 - (2 + 2) * size],
    ],
    [
      'comparisons that are not asked cost nothing',
      'k matchesregex "b" AND l matchesregex "b"',
      { k: 'a', l: 'b' },
      100,
      [false, 100 - 2 * size],
    ],
    ['a missing key costs nothing', 'l matchesregex "a"', { k: 'aaa' }, 10, [false, 10]],
    [
      'a long value costs all of its characters, wherever the match is',
      'k matchesregex "a"',
      { k: long },
      5_001 * size,
      [true, 0],
    ],
    ['other operators cost nothing', 'k contains "a"', { k: long }, 0, [true, 0]],
    ['and go on without it', 'k matchesregex "b" OR k == "a"', { k: 'a' }, 0, [true, -2 * size]],
  ])('%s', (_name, rule, signals, budget, expected) => {
    expect(compilePattern('b').size).toBe(size);
    expect(compilePattern('').size).toBe(size);
    expect(evaluate(rule, signals, budget)).toEqual(expected);
  });

  it('that an ordinary request does not use up', () => {
    const [held, left] = evaluate('k matchesregex "a$"', { k: long }, PATTERN_BUDGET);
    expect([held, left]).toEqual([true, 8_000_000 - 5_001 * compilePattern('a$').size]);
  });

  it('not even with a thousand patterns over a long User-Agent', () => {
    const agent =
      'Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 ' +
      '(KHTML, like Gecko) Version/4.0 Chrome/124.0.6367.179 Mobile Safari/537.36 ' +
      '[FB_IAB/FB4A;FBAV/463.0.0.50.108;IABMV/1;]';
    const signals = { 'h_user-agent': agent };
    const evaluation = request(signals);
    for (let n = 0; n < 1_000; n++) {
      const rule = parseTraitRule(`h_user-agent matchesregex "(?i)chrome/${n % 10}\\d+\\.\\d"`);
      expect(compileTraitRule(rule)(evaluation)).toBe(n % 10 === 1);
    }
    expect(evaluation.patternBudget).toBeGreaterThan(0);
  });
});
