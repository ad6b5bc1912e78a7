import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_DEPTH } from '../../src/audience/expression.ts';
import { MAX_LENGTH, RuleError } from '../../src/audience/scanner.ts';
import {
  compileSegmentRule,
  parseSegmentRule,
  printSegmentRule,
  traitsOf,
} from '../../src/audience/segment-rule.ts';
import { Account, anySegmentRule, daysAgo, refusal, TODAY, type Visits } from './rules.ts';

/** Traits 1 to 5; trait 6 is onboarded; folder 9 sums up 1 and 2. */
const account = new Account([
  // Not in the order of their ids: a rule has to go through the places.
  { sid: 9 },
  { sid: 6, onboarded: true },
  { sid: 5 },
  { sid: 4 },
  { sid: 3 },
  { sid: 2, folders: [9] },
  { sid: 1, folders: [9] },
]);

const holds = (rule: string, visits: Visits): boolean =>
  compileSegmentRule(
    parseSegmentRule(rule),
    account.place,
  )(account.visitor(daysAgo(visits), TODAY));

describe('123T: the visitor has the trait', () => {
  it.each<[string, Visits, boolean]>([
    ['1T', { 1: [0] }, true],
    ['1T', { 1: [19] }, true],
    ['1T', { 2: [0] }, false],
    ['1T', {}, false],
    ['6T', { 6: [0] }, true],
    ['1T AND 2T', { 1: [0], 2: [0] }, true],
    ['1T AND 2T', { 1: [0] }, false],
    ['1T OR 2T', { 2: [0] }, true],
    ['1T OR 2T', { 3: [0] }, false],
    ['1T AND NOT 2T', { 1: [0] }, true],
    ['1T AND NOT 2T', { 1: [0], 2: [0] }, false],
    ['1T AND NOT (2T OR 3T)', { 1: [0], 3: [0] }, false],
  ])('%s on %j: %s', (rule, visits, expected) => {
    expect(holds(rule, visits)).toBe(expected);
  });
});

describe('NOT binds closer than AND, AND closer than OR', () => {
  const bits = [false, true];
  const visitors = bits.flatMap((a) => bits.flatMap((b) => bits.map((c) => ({ a, b, c }))));
  it.each<[string, (a: boolean, b: boolean, c: boolean) => boolean]>([
    ['1T OR 2T AND 3T', (a, b, c) => a || (b && c)],
    ['1T AND 2T OR 3T', (a, b, c) => (a && b) || c],
    ['(1T OR 2T) AND 3T', (a, b, c) => (a || b) && c],
    ['4T AND NOT 1T AND 2T', (a, b) => !a && b],
    ['4T AND NOT (1T AND 2T)', (a, b) => !(a && b)],
    ['1T AND NOT 2T OR 3T', (a, b, c) => (a && !b) || c],
    ['4T AND (NOT 1T OR 2T)', (a, b) => !a || b],
  ])('%s', (rule, expected) => {
    for (const { a, b, c } of visitors) {
      const visits = { 4: [0], ...(a && { 1: [0] }), ...(b && { 2: [0] }), ...(c && { 3: [0] }) };
      expect([visits, holds(rule, visits)]).toEqual([visits, expected(a, b, c)]);
    }
  });
});

describe('FREQUENCY: the counts of the listed traits, added up, compared with a number', () => {
  it.each<[string, Visits, boolean]>([
    ['FREQUENCY([1T]) >= 2', { 1: [0, 5] }, true],
    ['FREQUENCY([1T]) >= 2', { 1: [0, 0] }, true],
    ['FREQUENCY([1T]) >= 2', { 1: [0, 5, 9] }, true],
    ['FREQUENCY([1T]) >= 2', { 1: [0] }, false],
    ['FREQUENCY([1T]) == 2', { 1: [0, 5] }, true],
    ['FREQUENCY([1T]) == 2', { 1: [0] }, false],
    ['FREQUENCY([1T]) == 2', { 1: [0, 5, 9] }, false],
    ['3T AND FREQUENCY([1T]) <= 2', { 3: [0], 1: [0, 5] }, true],
    ['3T AND FREQUENCY([1T]) <= 2', { 3: [0], 1: [0] }, true],
    ['3T AND FREQUENCY([1T]) <= 2', { 3: [0] }, true],
    ['3T AND FREQUENCY([1T]) <= 2', { 3: [0], 1: [0, 5, 9] }, false],
    ['3T AND FREQUENCY([1T]) == 0', { 3: [0] }, true],
    ['3T AND FREQUENCY([1T]) == 0', { 3: [0], 1: [0] }, false],
    ['FREQUENCY([1T]) >= 1 AND FREQUENCY([1T]) <= 5', { 1: [0, 1, 2, 3, 4] }, true],
    ['FREQUENCY([1T]) >= 1 AND FREQUENCY([1T]) <= 5', { 1: [0, 1, 2, 3, 4, 5] }, false],
    ['FREQUENCY([1T]) >= 1 AND FREQUENCY([1T]) <= 5', {}, false],
    ['FREQUENCY([1T, 3T, 4T]) >= 3', { 1: [0], 3: [0], 4: [0] }, true],
    ['FREQUENCY([1T, 3T, 4T]) >= 3', { 3: [0, 1, 2] }, true],
    ['FREQUENCY([1T, 3T, 4T]) >= 3', { 1: [0], 3: [0], 5: [0] }, false],
    // An onboarded trait counts once, however often it was imported.
    ['FREQUENCY([6T]) >= 2', { 6: [0, 1, 2] }, false],
    ['FREQUENCY([6T]) >= 1', { 6: [0, 1, 2] }, true],
    ['FREQUENCY([6T, 1T]) >= 3', { 6: [0, 1, 2], 1: [0, 1] }, true],
    ['FREQUENCY([6T, 1T]) >= 4', { 6: [0, 1, 2], 1: [0, 1] }, false],
  ])('%s on %j: %s', (rule, visits, expected) => {
    expect(holds(rule, visits)).toBe(expected);
  });
});

describe('recency: <= nD counts the last n days, >= nD what was n days ago or earlier', () => {
  it.each<[string, Visits, boolean]>([
    ['FREQUENCY([1T] <= 5D) >= 1', { 1: [0] }, true],
    ['FREQUENCY([1T] <= 5D) >= 1', { 1: [5] }, true],
    ['FREQUENCY([1T] <= 5D) >= 1', { 1: [6] }, false],
    ['FREQUENCY([1T] >= 5D) >= 1', { 1: [6] }, true],
    ['FREQUENCY([1T] >= 5D) >= 1', { 1: [5] }, true],
    ['FREQUENCY([1T] >= 5D) >= 1', { 1: [4] }, false],
    ['FREQUENCY([1T] >= 5D) >= 1', { 1: [0] }, false],
    ['FREQUENCY([1T, 3T] <= 5D) >= 3', { 1: [0, 5], 3: [4] }, true],
    ['FREQUENCY([1T, 3T] <= 5D) >= 3', { 1: [0, 6], 3: [4] }, false],
    ['FREQUENCY([1T] <= 5D) == 2', { 1: [1, 3, 9] }, true],
    ['FREQUENCY([1T] >= 5D) == 2', { 1: [1, 3, 9] }, false],
    ['1T AND FREQUENCY([1T] <= 5D) <= 1', { 1: [1, 9, 9] }, true],
    ['1T AND FREQUENCY([1T] <= 5D) <= 1', { 1: [1, 2, 9] }, false],
    // Not within the last days, but before: the visitor who stayed away.
    ['1T AND FREQUENCY([1T] <= 5D) == 0', { 1: [9] }, true],
    ['1T AND FREQUENCY([1T] <= 5D) == 0', { 1: [9, 2] }, false],
    ['FREQUENCY([1T] >= 5D) >= 1 AND FREQUENCY([1T] <= 10D) >= 1', { 1: [7] }, true],
    ['FREQUENCY([1T] <= 65535D) >= 1', { 1: [20] }, true],
  ])('%s on %j: %s', (rule, visits, expected) => {
    expect(holds(rule, visits)).toBe(expected);
  });
});

describe('a folder trait is an OR over its traits, and counts their sum', () => {
  it.each<[string, Visits, boolean]>([
    ['9T', { 1: [0] }, true],
    ['9T', { 2: [0] }, true],
    ['9T', { 1: [0], 2: [0] }, true],
    ['9T', { 3: [0] }, false],
    ['3T AND NOT 9T', { 3: [0] }, true],
    ['3T AND NOT 9T', { 3: [0], 2: [0] }, false],
    ['FREQUENCY([9T]) >= 3', { 1: [0, 1], 2: [0] }, true],
    ['FREQUENCY([9T]) >= 3', { 1: [0, 1], 3: [0] }, false],
    ['FREQUENCY([9T] <= 5D) == 2', { 1: [0, 6], 2: [5] }, true],
    ['FREQUENCY([9T] >= 5D) == 2', { 1: [0, 6], 2: [5] }, true],
    ['FREQUENCY([9T, 3T]) >= 3', { 1: [0], 2: [0], 3: [0] }, true],
  ])('%s on %j: %s', (rule, visits, expected) => {
    expect(holds(rule, visits)).toBe(expected);
  });
});

describe('a rule is printed in one way, however it was written', () => {
  it.each([
    ['123T', '123T'],
    ['  123t\n', '123T'],
    ['00123T', '123T'],
    ['4294967295T', '4294967295T'],
    ['1T and 2T Or 3T', '1T AND 2T OR 3T'],
    ['1T AND not(2T)', '1T AND NOT 2T'],
    ['(1T AND 2T) AND 3T', '(1T AND 2T) AND 3T'],
    ['((1T) OR (2T)) AND ((3T))', '(1T OR 2T) AND 3T'],
    ['1T AND NOT (2T AND 3T)', '1T AND NOT (2T AND 3T)'],
    ['frequency([1t,2t]<=5d)>=3', 'FREQUENCY([1T, 2T] <= 5D) >= 3'],
    ['FREQUENCY ( [ 1T , 2T ] <= 5D ) >= 3', 'FREQUENCY([1T, 2T] <= 5D) >= 3'],
    ['Frequency([1T]) => 2', 'FREQUENCY([1T]) >= 2'],
    ['FREQUENCY([1T] => 2D) == 2', 'FREQUENCY([1T] >= 2D) == 2'],
    ['1T AND FREQUENCY([1T]) <= 007', '1T AND FREQUENCY([1T]) <= 7'],
    ['FREQUENCY([2T, 1T, 2T]) >= 1', 'FREQUENCY([2T, 1T, 2T]) >= 1'],
  ])('%j', (text, printed) => {
    expect(printSegmentRule(parseSegmentRule(text))).toBe(printed);
  });

  it('and read again is the same rule', () => {
    fc.assert(
      fc.property(anySegmentRule, (rule) => {
        expect(parseSegmentRule(printSegmentRule(rule))).toEqual(rule);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a rule that visitors with none of its traits satisfy is refused', () => {
  it.each([
    'NOT 1T',
    'NOT 1T AND NOT 2T',
    '1T OR NOT 2T',
    'NOT (1T AND 2T)',
    'FREQUENCY([1000T]) <= 5',
    'FREQUENCY([1000T]) == 0',
    'FREQUENCY([1000T]) >= 0',
    'FREQUENCY([1000T] <= 5D) <= 5',
    '1T OR FREQUENCY([1000T]) <= 5',
    'FREQUENCY([1000T]) <= 5 AND NOT 1T',
    'NOT FREQUENCY([1000T]) >= 1',
    'NOT FREQUENCY([1000T]) == 3',
  ])('%s', (text) => {
    const error = refusal(parseSegmentRule, text);
    expect(error.message).toContain('visitors with none of these traits would satisfy this rule');
    expect(error.expected).toContain('at least one condition that needs a trait');
  });

  it.each([
    'FREQUENCY([1000T]) >= 1 AND FREQUENCY([1000T]) <= 5',
    'FREQUENCY([1000T]) == 1',
    '1T AND NOT 2T',
    '1T AND FREQUENCY([1000T]) <= 5',
    'NOT FREQUENCY([1000T]) <= 5',
    'NOT NOT 1T',
  ])('but not %s', (text) => {
    expect(() => parseSegmentRule(text)).not.toThrow();
  });
});

describe('what is no rule is refused at the character where it stops making sense', () => {
  const CONDITION = 'a trait such as 123T, FREQUENCY, NOT or a parenthesis';
  const TRAIT = 'a trait such as 123T';
  const RECENCY = ') or a recency such as <= 5D';
  const DAYS = 'a number of days from 1, such as 5D';
  const COUNT = 'a whole number such as 3';
  const END = 'AND, OR or the end of the rule';

  it.each<[text: string, position: number, expected: string]>([
    ['', 0, CONDITION],
    ['123', 0, CONDITION],
    ['T', 0, CONDITION],
    ['0T', 0, CONDITION],
    ['-1T', 0, CONDITION],
    ['1.5T', 0, CONDITION],
    ['4294967296T', 0, CONDITION],
    ['"1T"', 0, CONDITION],
    ['c_page == "home"', 0, CONDITION],
    ['1T AND', 6, CONDITION],
    ['1T OR AND 2T', 6, CONDITION],
    ['NOT', 3, CONDITION],
    ['()', 1, CONDITION],
    ['1T 2T', 3, END],
    ['1T, 2T', 2, END],
    ['1T)', 2, END],
    ['1T == 2', 3, END],
    ['(1T', 3, 'AND, OR or a closing parenthesis'],
    ['FREQUENCY', 9, '('],
    ['FREQUENCY[1T] >= 1', 9, '('],
    ['FREQUENCY(1T) >= 1', 10, '[ and the traits, such as [123T, 456T]'],
    ['FREQUENCY([]) >= 1', 11, TRAIT],
    ['FREQUENCY([1T, ]) >= 1', 15, TRAIT],
    ['FREQUENCY([1]) >= 1', 11, TRAIT],
    ['FREQUENCY([NOT 1T]) >= 1', 11, TRAIT],
    ['FREQUENCY([1T 2T]) >= 1', 14, 'a comma or ]'],
    ['FREQUENCY([1T OR 2T]) >= 1', 14, 'a comma or ]'],
    ['FREQUENCY([1T', 13, 'a comma or ]'],
    ['FREQUENCY([1T] 5D) >= 1', 15, RECENCY],
    ['FREQUENCY([1T] == 5D) >= 1', 15, RECENCY],
    ['FREQUENCY([1T] < 5D) >= 1', 15, RECENCY],
    ['FREQUENCY([1T] = 5D) >= 1', 15, RECENCY],
    ['FREQUENCY([1T]', 14, RECENCY],
    ['FREQUENCY([1T] <= 0D) >= 1', 18, DAYS],
    ['FREQUENCY([1T] <= 5) >= 1', 18, DAYS],
    ['FREQUENCY([1T] <= 5 D) >= 1', 18, DAYS],
    ['FREQUENCY([1T] <= 1.5D) >= 1', 18, DAYS],
    ['FREQUENCY([1T] <= -5D) >= 1', 18, DAYS],
    ['FREQUENCY([1T] <= 65536D) >= 1', 18, DAYS],
    ['FREQUENCY([1T] <= 5D >= 1', 21, ')'],
    ['FREQUENCY([1T])', 15, 'one of >= <= =='],
    ['FREQUENCY([1T]) > 1', 16, 'one of >= <= =='],
    ['FREQUENCY([1T]) = 1', 16, 'one of >= <= =='],
    ['FREQUENCY([1T]) != 1', 16, 'one of >= <= =='],
    ['FREQUENCY([1T]) >= 1.5', 19, COUNT],
    ['FREQUENCY([1T]) >= -1', 19, COUNT],
    ['FREQUENCY([1T]) >= "1"', 19, COUNT],
    ['FREQUENCY([1T]) >= 2147483648', 19, COUNT],
    ['FREQUENCY([1T]) >=', 18, COUNT],
  ])('%j', (text, position, expected) => {
    const error = refusal(parseSegmentRule, text);
    expect([error.position, error.expected]).toEqual([position, expected]);
    expect(error.text).toBe(text);
  });

  it('and never with anything but a RuleError', () => {
    const token = fc.constantFrom(
      ...[
        '1T',
        '2t',
        '0T',
        '7',
        'FREQUENCY(',
        '[',
        ']',
        ')',
        '(',
        ',',
        '<=',
        '=>',
        '==',
        '>',
        '5D',
      ],
      ...[
        'AND',
        'or',
        'NOT',
        '"',
        '=',
        '1.5',
        ' ',
        'FREQUENCY([1T] <= 5D)',
        'FREQUENCY([1T]) >= 1',
      ],
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 14 }), (tokens) => {
        const text = tokens.join(' ');
        try {
          const rule = parseSegmentRule(text);
          expect(parseSegmentRule(printSegmentRule(rule))).toEqual(rule);
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
  const nested = (levels: number) => `${'('.repeat(levels)}1T${')'.repeat(levels)}`;
  const DEEP = 'at most 100 levels of nesting';
  const LONG = 'at most 65536 characters';
  /** Two characters shorter than it is printed. */
  const printedTo = (length: number) =>
    `FREQUENCY([1${'0'.repeat(length - 65_534)}T])>=1${' OR 1T'.repeat(10_919)}`;

  it.each<[name: string, text: string, position: number, expected: string]>([
    ['a parenthesis too many', nested(MAX_DEPTH + 1), 100, DEEP],
    ['10,000 parentheses', nested(10_000), 100, DEEP],
    ['10,000 NOTs', `${'NOT '.repeat(10_000)}1T`, 400, DEEP],
    ['70,000 characters', '1T OR '.repeat(70_000 / 6), 65_536, LONG],
    ['a character too many', '1T'.padEnd(MAX_LENGTH + 1), 65_536, LONG],
    // As it is printed: with spaces, and it has to be kept in that form.
    ['a printed character too many', printedTo(MAX_LENGTH + 1), MAX_LENGTH - 1, LONG],
    ['20,000 traits', `FREQUENCY([1T${',1T'.repeat(19_999)}])>=1`, 60_015, LONG],
  ])('refused: %s', (_name, text, position, expected) => {
    const error = refusal(parseSegmentRule, text);
    expect([error.position, error.expected]).toEqual([position, expected]);
    expect(error.message).toMatch(
      new RegExp(`at character ${position + 1}: expected ${expected}$`),
    );
    expect(error.text).toBe(text);
  });

  it.each([
    ['as many traits as fit', `1T${' OR 1T'.repeat(10_000)}`],
    ['characters, as many as allowed', '1T'.padEnd(MAX_LENGTH)],
    ['printed characters, as many as allowed', printedTo(MAX_LENGTH)],
    ['as deep as allowed', nested(MAX_DEPTH)],
  ])('accepted, and again as it is printed: %s', (_name, text) => {
    const rule = parseSegmentRule(text);
    expect(parseSegmentRule(printSegmentRule(rule))).toEqual(rule);
  });
});

describe('the traits that a rule mentions', () => {
  it.each([
    ['1T', [1]],
    ['1T AND NOT 2T OR 3T', [1, 2, 3]],
    ['1T AND (2T OR 1T)', [1, 2]],
    ['FREQUENCY([3T, 1T, 3T] <= 5D) >= 2 AND 1T', [1, 3]],
  ])('%s: %j', (rule, traits) => {
    expect([...traitsOf(parseSegmentRule(rule))].sort()).toEqual(traits);
  });
});
