/**
 * How trait rules are written: reading and printing them, without running them.
 *
 * `(c_make == "A" OR c_make == "B") AND NOT price > 100`
 *
 * Apart from what runs them, since a page that edits rules has no use for regular expressions until
 * somebody writes one.
 */
import { type Expression, holdsOnNothing, parseExpression, printExpression } from './expression.ts';
import { checkLength, quote, RuleError, Scanner } from './scanner.ts';
import { decimal, isKey } from './signal.ts';

const SYMBOLS = ['==', '!=', '>=', '<=', '>', '<'] as const;
const NAMES = ['contains', 'startswith', 'endswith', 'matcheswords', 'matchesregex'] as const;
/** Operators that compare numbers. */
export const RELATIONAL: ReadonlySet<Operator> = new Set(['>=', '<=', '>', '<']);
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

/** Says what is wrong with a regular expression, if anything is. */
export type PatternCheck = (pattern: string) => string | undefined;

/**
 * Reads a rule.
 *
 * @throws RuleError where the text is no rule, a regular expression is none, or the rule would hold
 *   for every request
 */
export function readTraitRule(text: string, checkPattern: PatternCheck): TraitRule {
  const scanner = new Scanner(text);
  const rule = parseExpression(scanner, () => parseComparison(scanner, checkPattern));
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

function parseComparison(scanner: Scanner, checkPattern: PatternCheck): Comparison {
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
    const problem = checkPattern(operand);
    if (problem) scanner.fail('a regular expression as RE2 takes it', at, problem);
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
/** The words of a text, as `matcheswords` sees them. */
export const wordsOf = (text: string): string[] => text.match(WORD) ?? [];
