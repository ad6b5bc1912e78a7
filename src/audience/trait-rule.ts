/**
 * The language of trait rules: comparisons of one request's signals, combined.
 *
 * `(c_make == "A" OR c_make == "B") AND NOT price > 100`
 *
 * A comparison holds if any value of its key satisfies it; on a missing key it is false, `!=`
 * included. Source of the language: Audience Manager user guide, features/traits.
 */
import { compileExpression } from './expression.ts';
import { compilePattern, patternProblem } from './pattern.ts';
import { decimal, type Signals } from './signal.ts';
import { type Comparison, readTraitRule, type TraitRule, wordsOf } from './trait-syntax.ts';

export { type Comparison, printTraitRule, type TraitRule } from './trait-syntax.ts';

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
export const parseTraitRule = (text: string): TraitRule => readTraitRule(text, patternProblem);

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
