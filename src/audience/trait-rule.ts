/**
 * The language of trait rules: comparisons of one request's signals, combined.
 *
 * `(c_make == "A" OR c_make == "B") AND NOT price > 100`
 *
 * A comparison holds if any value of its key satisfies it; on a missing key it is false, `!=`
 * included. Source of the language: Audience Manager user guide, features/traits.
 */
import {
  compileExpression,
  type Expression,
  holdsOnNothing,
  parseExpression,
  printExpression,
} from './expression.ts';
import { compilePattern, PatternError } from './pattern.ts';
import { checkLength, quote, RuleError, Scanner } from './scanner.ts';
import { decimal, isKey, type Signals } from './signal.ts';

const SYMBOLS = ['==', '!=', '>=', '<=', '>', '<'] as const;
const NAMES = ['contains', 'startswith', 'endswith', 'matcheswords', 'matchesregex'] as const;
const RELATIONAL = new Set<Operator>(['>=', '<=', '>', '<']);
const KEYWORDS = new Set(['and', 'or', 'not']);

export type Operator = (typeof SYMBOLS)[number] | (typeof NAMES)[number];

export interface Comparison {
  readonly key: string;
  readonly operator: Operator;
  readonly operand: string;
  /** Whether the operand stood in double quotes: a text then, else a decimal number. */
  readonly quoted: boolean;
}

export type TraitRule = Expression<Comparison>;

/** One request as trait rules see it. */
export interface Evaluation {
  readonly signals: Signals;
  /** Steps that regular expressions may still take for this request; below 0: one could not. */
  patternBudget: number;
}

/**
 * Steps that regular expressions may take in one request: characters of the values times size of the
 * patterns. A thousand patterns of usual size over a long User-Agent stay below it, an attack ends
 * there.
 */
export const PATTERN_BUDGET = 8_000_000;

/**
 * @throws RuleError where the text is no rule, a regular expression is none, or the rule would hold
 *   for every request
 */
export function parseTraitRule(text: string): TraitRule {
  const scanner = new Scanner(text);
  const rule = parseExpression(scanner, parseComparison);
  if (holdsOnNothing(rule, () => false)) {
    throw new RuleError(
      text,
      0,
      'at least one comparison that a visitor has to meet, such as c_page == "home" AND NOT …',
      'every request would satisfy this rule',
    );
  }
  checkLength(text, printTraitRule(rule));
  return rule;
}

export function printTraitRule(rule: TraitRule): string {
  return printExpression(
    rule,
    ({ key, operator, operand, quoted }) =>
      `${key} ${operator} ${quoted ? quote(operand) : operand}`,
  );
}

function parseComparison(scanner: Scanner): Comparison {
  const start = scanner.position;
  const key = scanner.word();
  if (key === '') scanner.fail('a key, NOT or an opening parenthesis');
  if (KEYWORDS.has(key.toLowerCase())) scanner.fail('a key, NOT or an opening parenthesis', start);
  if (!isKey(key)) {
    scanner.fail('a key with at least one letter, such as c_price', start);
  }
  const operator = parseOperator(scanner);
  const at = scanner.position;
  const text = scanner.quoted();
  const operand = text ?? scanner.peekWord();
  const quoted = text !== undefined;
  const number = decimal(operand);
  if (!quoted) {
    if (Number.isNaN(number)) scanner.fail(expectedOperand(operator));
    scanner.word();
  } else if (RELATIONAL.has(operator) && Number.isNaN(number)) {
    scanner.fail(expectedOperand(operator), at);
  }
  if (operator === 'matchesregex') {
    try {
      compilePattern(operand);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      scanner.fail('a regular expression as RE2 takes it', at, error.message);
    }
  }
  if (operator === 'matcheswords' && wordsOf(operand).length === 0) {
    scanner.fail('at least one word in the quotes', at);
  }
  return { key, operator, operand, quoted };
}

function parseOperator(scanner: Scanner): Operator {
  // The guide prints "greater or equal" in both ways.
  if (scanner.symbol('=>')) return '>=';
  const symbol = scanner.oneOf(SYMBOLS);
  if (symbol) return symbol;
  if (scanner.text[scanner.position] === '=') scanner.fail('== (two equals signs) or >=');
  const name = scanner.peekWord().toLowerCase();
  const named = NAMES.find((n) => n === name);
  if (!named) scanner.fail(`one of ${SYMBOLS.join(' ')} ${NAMES.join(' ')}`);
  scanner.word();
  return named;
}

const expectedOperand = (operator: Operator) =>
  RELATIONAL.has(operator)
    ? 'a decimal number such as 19.90'
    : 'a text in straight double quotes or a decimal number';

const WORD = /[\p{L}\p{M}\p{N}_]+/gu;
const wordsOf = (text: string): string[] => text.match(WORD) ?? [];

/** Compiles a rule to a predicate over one request. */
export function compileTraitRule(rule: TraitRule): (request: Evaluation) => boolean {
  return compileExpression(rule, compileComparison);
}

function compileComparison(comparison: Comparison): (request: Evaluation) => boolean {
  const { key } = comparison;
  if (comparison.operator === 'matchesregex') {
    const { matches, size } = compilePattern(comparison.operand);
    return (request) => {
      for (const value of request.signals.get(key) ?? []) {
        request.patternBudget -= (value.length + 1) * size;
        if (request.patternBudget < 0) return false;
        if (matches(value)) return true;
      }
      return false;
    };
  }
  const holds = compileValueTest(comparison);
  return ({ signals }) => {
    const values = signals.get(key);
    if (values === undefined) return false;
    for (let i = 0; i < values.length; i++) if (holds(values[i])) return true;
    return false;
  };
}

function compileValueTest({ operator, operand, quoted }: Comparison): (value: string) => boolean {
  const number = decimal(operand);
  switch (operator) {
    case '==':
      return quoted ? (value) => value === operand : (value) => decimal(value) === number;
    case '!=':
      return quoted ? (value) => value !== operand : (value) => decimal(value) !== number;
    // A value that is no number is NaN, and every comparison with NaN is false.
    case '>=':
      return (value) => decimal(value) >= number;
    case '<=':
      return (value) => decimal(value) <= number;
    case '>':
      return (value) => decimal(value) > number;
    case '<':
      return (value) => decimal(value) < number;
    case 'contains':
      return (value) => value.includes(operand);
    case 'startswith':
      return (value) => value.startsWith(operand);
    case 'endswith':
      return (value) => value.endsWith(operand);
    case 'matcheswords': {
      const words = wordsOf(operand);
      return (value) => {
        // Most values lack the first word even as a substring: no need to take them apart.
        if (!value.includes(words[0])) return false;
        const present = new Set(wordsOf(value));
        return words.every((word) => present.has(word));
      };
    }
    case 'matchesregex':
      return compilePattern(operand).matches;
  }
}
