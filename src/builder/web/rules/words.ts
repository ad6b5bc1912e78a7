/** Conditions in words. */
import type { Condition, Frequency, Recency } from '../../../audience/segment-rule.ts';
import type { Comparison, Operator } from '../../../audience/trait-syntax.ts';
import { many } from '../figures.ts';
import { COMPARATORS, OPERATORS } from './completion.ts';
import type { KnownTraits } from './language.ts';

export const COMPARATOR_WORDS = Object.fromEntries(
  COMPARATORS.map(({ text, means }) => [text, means]),
) as Readonly<Record<Frequency['operator'], string>>;

export const OPERATOR_WORDS = Object.fromEntries(
  OPERATORS.map(({ text, means }) => [text, means]),
) as Readonly<Record<Operator, string>>;

/** The name of a trait, or its id while or where there is none. */
export const nameOf = (traits: KnownTraits, sid: number): string =>
  traits.get(sid)?.name ?? `trait ${sid}`;

/** `at least 3 times in the last 14 days` */
export function frequencyInWords({ operator, count, recency }: Frequency): string {
  const often = `${COMPARATOR_WORDS[operator]} ${count === 1 ? 'once' : many(count, 'time')}`;
  return recency ? `${often}, ${recencyInWords(recency)}` : often;
}

const recencyInWords = ({ operator, days }: Recency) =>
  operator === '<='
    ? `in the last ${days === 1 ? 'day' : many(days, 'day')}`
    : `${many(days, 'day')} ago or earlier`;

/** `Looked at a concert or Came to the home page, at least 3 times` */
export function conditionInWords(condition: Condition, traits: KnownTraits): string {
  if (condition.kind === 'trait') return nameOf(traits, condition.trait);
  const names = condition.traits.map((sid) => nameOf(traits, sid)).join(' or ');
  return `${names}, ${frequencyInWords(condition)}`;
}

/** `c_page is “home”` */
export function comparisonInWords({ key, operator, operand, quoted }: Comparison): string {
  return `${key || '…'} ${OPERATOR_WORDS[operator]} ${quoted ? `“${operand}”` : operand}`;
}
