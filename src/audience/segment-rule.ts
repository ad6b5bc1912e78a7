/**
 * The language of segment rules: which traits a visitor holds, how often and how recently.
 *
 * `123T AND (FREQUENCY([456T, 789T] <= 5D) >= 3 OR NOT 42T)`
 *
 * Source of the language: Audience Manager user guide, features/segments.
 */
import {
  compileExpression,
  type Expression,
  holdsOnNothing,
  leavesOf,
  parseExpression,
  printExpression,
} from './expression.ts';
import { checkLength, RuleError, Scanner } from './scanner.ts';

const FREQUENCY_OPERATORS = ['>=', '<=', '=='] as const;
const RECENCY_OPERATORS = ['>=', '<='] as const;

/** The days that count: the last `days` (`<=`), or those `days` ago and earlier (`>=`). */
export interface Recency {
  readonly operator: (typeof RECENCY_OPERATORS)[number];
  readonly days: number;
}

/** The visitor holds the trait. */
export interface Membership {
  readonly kind: 'trait';
  readonly trait: number;
}

/** The counts of the listed traits, added up within the recency, compared with a number. */
export interface Frequency {
  readonly kind: 'frequency';
  readonly traits: readonly number[];
  readonly recency?: Recency;
  readonly operator: (typeof FREQUENCY_OPERATORS)[number];
  readonly count: number;
}

export type Condition = Membership | Frequency;
export type SegmentRule = Expression<Condition>;

/** What segment rules ask of a visitor; traits are named by their place in the account. */
export interface Holdings {
  holds(trait: number): boolean;
  /** Realizations of a trait within a recency. */
  count(trait: number, recency?: Recency): number;
}

/**
 * @throws RuleError where the text is no rule, or visitors with none of its traits would satisfy it
 */
export function parseSegmentRule(text: string): SegmentRule {
  const scanner = new Scanner(text);
  const rule = parseExpression(scanner, parseCondition);
  if (holdsOnNothing(rule, conditionOnNothing)) {
    throw new RuleError(
      text,
      0,
      'at least one condition that needs a trait, such as FREQUENCY([1T]) >= 1 AND …',
      'visitors with none of these traits would satisfy this rule',
    );
  }
  checkLength(text, printSegmentRule(rule));
  return rule;
}

export function printSegmentRule(rule: SegmentRule): string {
  return printExpression(rule, printCondition);
}

/** The traits that a rule mentions, or mentions in conditions of one kind, each once. */
export function traitsOf(rule: SegmentRule, kind?: Condition['kind']): Set<number> {
  const traits = new Set<number>();
  for (const leaf of leavesOf(rule)) {
    if (kind && leaf.kind !== kind) continue;
    for (const trait of mentions(leaf)) traits.add(trait);
  }
  return traits;
}

export const mentions = (condition: Condition): readonly number[] =>
  condition.kind === 'trait' ? [condition.trait] : condition.traits;

/** What a condition says of a visitor who holds no trait. */
export const conditionOnNothing = (condition: Condition): boolean =>
  condition.kind === 'frequency' && compare(0, condition);

function compare(sum: number, { operator, count }: Frequency): boolean {
  if (operator === '>=') return sum >= count;
  return operator === '<=' ? sum <= count : sum === count;
}

function parseCondition(scanner: Scanner): Condition {
  if (!scanner.keyword('frequency')) {
    return {
      kind: 'trait',
      trait: parseTrait(scanner, ', FREQUENCY, NOT or a parenthesis'),
    };
  }
  if (!scanner.symbol('(')) scanner.fail('(');
  if (!scanner.symbol('[')) scanner.fail('[ and the traits, such as [123T, 456T]');
  const traits: number[] = [];
  do traits.push(parseTrait(scanner, ''));
  while (scanner.symbol(','));
  if (!scanner.symbol(']')) scanner.fail('a comma or ]');
  const recency = parseRecency(scanner);
  if (!scanner.symbol(')')) scanner.fail(recency ? ')' : ') or a recency such as <= 5D');
  const operator = comparator(scanner, FREQUENCY_OPERATORS);
  if (!operator) scanner.fail(`one of ${FREQUENCY_OPERATORS.join(' ')}`);
  const at = scanner.position;
  const number = scanner.word();
  const count = Number(number);
  if (!/^\d+$/.test(number) || count > 2 ** 31 - 1) {
    scanner.fail('a whole number such as 3', at);
  }
  return {
    kind: 'frequency',
    traits,
    ...(recency && { recency }),
    operator,
    count,
  };
}

function parseRecency(scanner: Scanner): Recency | undefined {
  const operator = comparator(scanner, RECENCY_OPERATORS);
  if (!operator) return undefined;
  const at = scanner.position;
  const number = scanner.word();
  const days = Number(number.slice(0, -1));
  if (!/^\d+D$/i.test(number) || days < 1 || days > 65_535) {
    scanner.fail('a number of days from 1, such as 5D', at);
  }
  return { operator, days };
}

function comparator<S extends string>(scanner: Scanner, operators: readonly S[]): S | undefined {
  return scanner.symbol('=>') ? ('>=' as S) : scanner.oneOf(operators);
}

function parseTrait(scanner: Scanner, orElse: string): number {
  const at = scanner.position;
  const word = scanner.word();
  const trait = Number(word.slice(0, -1));
  if (!/^\d+T$/i.test(word) || trait < 1 || trait > 2 ** 32 - 1) {
    scanner.fail(`a trait such as 123T${orElse}`, at);
  }
  return trait;
}

function printCondition(condition: Condition): string {
  if (condition.kind === 'trait') return `${condition.trait}T`;
  const { traits, recency, operator, count } = condition;
  const window = recency ? ` ${recency.operator} ${recency.days}D` : '';
  return `FREQUENCY([${traits.map((t) => `${t}T`).join(', ')}]${window}) ${operator} ${count}`;
}

/**
 * Compiles a rule to a predicate over what a visitor holds.
 *
 * @param place where the account keeps a trait, by its id
 */
export function compileSegmentRule(
  rule: SegmentRule,
  place: (trait: number) => number,
): (visitor: Holdings) => boolean {
  return compileExpression(rule, (condition) => {
    if (condition.kind === 'trait') {
      const trait = place(condition.trait);
      return (visitor: Holdings) => visitor.holds(trait);
    }
    const { recency } = condition;
    const traits = condition.traits.map(place);
    return (visitor: Holdings) => {
      let sum = 0;
      for (const trait of traits) sum += visitor.count(trait, recency);
      return compare(sum, condition);
    };
  });
}
