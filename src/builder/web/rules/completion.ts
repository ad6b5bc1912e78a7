/** What can be written at a place of a rule. */
import type { Expected, Place, Reading } from './reading.ts';

/** Where something is being written, and what has been written of it. */
export interface Question {
  readonly place: Place;
  /** Where what is being written begins: what is chosen replaces it. */
  readonly from: number;
  readonly typed: string;
}

/** What is asked where the cursor stands at the end of the text. */
export function questionAt(read: (text: string) => Reading, text: string): Question {
  const { tokens, end } = read(text);
  const last = tokens.at(-1);
  const isOpen = last?.to === text.length && isUnfinished(text.slice(last.from), last.kind);
  if (!last || !isOpen) return { place: end, from: text.length, typed: '' };
  const { place } = last;
  let first = tokens.length - 1;
  // Names have spaces: "Looked at a con" is looked for as a whole.
  while (first > 0 && tokens[first - 1].kind === 'wrong' && tokens[first - 1].place === place)
    first--;
  const { from } = tokens[first];
  return { place, from, typed: text.slice(from) };
}

/** Whether a piece before the cursor may still grow. */
function isUnfinished(piece: string, kind: Reading['tokens'][number]['kind']): boolean {
  if (kind === 'bracket') return false;
  return kind !== 'text' || !/^"(?:[^"\\]|\\.)*"$/su.test(piece);
}

export interface Option {
  /** What is written; the cursor goes to `|`, or behind it. */
  readonly text: string;
  /** In words. */
  readonly means: string;
}

/** What a comparison of a trait rule says, in words. */
export const OPERATORS: readonly Option[] = [
  { text: '==', means: 'is' },
  { text: '!=', means: 'is not' },
  { text: 'contains', means: 'contains' },
  { text: 'startswith', means: 'starts with' },
  { text: 'endswith', means: 'ends with' },
  { text: 'matcheswords', means: 'has all the words' },
  { text: '>', means: 'is more than' },
  { text: '>=', means: 'is at least' },
  { text: '<', means: 'is less than' },
  { text: '<=', means: 'is at most' },
  { text: 'matchesregex', means: 'matches the regular expression' },
];

/** How a frequency is compared, in words. */
export const COMPARATORS: readonly Option[] = [
  { text: '>=', means: 'at least' },
  { text: '<=', means: 'at most' },
  { text: '==', means: 'exactly' },
];

const days = [1, 7, 14, 30, 90].map((n) => ({
  text: `${n}D`,
  means: n === 1 ? 'one day' : `${n} days`,
}));

const FIXED: Partial<Record<Expected, readonly Option[]>> = {
  connective: [
    { text: 'AND', means: 'and also' },
    { text: 'OR', means: 'or else' },
  ],
  '(': [{ text: '([|])', means: 'of the traits …' }],
  '[': [{ text: '[|]', means: 'the traits …' }],
  comma: [
    { text: ',', means: 'and another trait' },
    { text: ']', means: 'end of the traits' },
  ],
  recency: [
    { text: '<= 7D', means: 'within the last 7 days' },
    { text: '>= 7D', means: '7 days ago or earlier' },
    { text: ')', means: 'at any time' },
  ],
  days,
  ')': [{ text: ')', means: 'end of the days' }],
  comparator: COMPARATORS,
  count: ['1', '2', '3', '5', '10'].map((text) => ({
    text,
    means: text === '1' ? 'once' : `${text} times`,
  })),
  operator: OPERATORS,
};

const NOT: Option = { text: 'NOT', means: 'unless' };
const GROUP: Option = { text: '(|)', means: 'a group' };
const FREQUENCY: Option = { text: 'FREQUENCY([|]) >= 1', means: 'how often and how recently' };
const END_OF_GROUP: Option = { text: ')', means: 'end of the group' };

/** What the language itself offers at a place; traits, keys and values are looked up elsewhere. */
export function optionsAt(language: 'segment' | 'trait', { expected, depth }: Place) {
  if (expected === 'condition') {
    return language === 'segment' ? [NOT, GROUP, FREQUENCY] : [NOT, GROUP];
  }
  const options = FIXED[expected] ?? [];
  return expected === 'connective' && depth > 0 ? [...options, END_OF_GROUP] : options;
}

/** Whether an option fits what has been written, by its beginning or by one of its words. */
export function fits({ text, means }: Option, typed: string): boolean {
  const wanted = typed.toLowerCase();
  const starts = (word: string) => word.toLowerCase().startsWith(wanted);
  return starts(text) || starts(means) || means.split(' ').some(starts);
}
