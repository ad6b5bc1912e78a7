/** The two languages of rules, as the editors know them. */
import { type Expression, leavesOf } from '../../../audience/expression.ts';
import { RuleError } from '../../../audience/scanner.ts';
import {
  type Condition,
  mentions,
  parseSegmentRule,
  printSegmentRule,
} from '../../../audience/segment-rule.ts';
import {
  type Comparison,
  type PatternCheck,
  readTraitRule as parseTraitRule,
  printTraitRule,
} from '../../../audience/trait-syntax.ts';
import { type Reading, readSegmentRule, readTraitRule, type Token } from './reading.ts';

export interface RuleLanguage<Leaf> {
  readonly name: 'segment' | 'trait';
  readonly read: (text: string) => Reading;
  /** @throws RuleError */
  readonly parse: (text: string) => Expression<Leaf>;
  readonly print: (rule: Expression<Leaf>) => string;
}

export const SEGMENT_RULES: RuleLanguage<Condition> = {
  name: 'segment',
  read: readSegmentRule,
  parse: parseSegmentRule,
  print: printSegmentRule,
};

/** @param checkPattern says what is wrong with a regular expression */
export const traitRules = (checkPattern: PatternCheck): RuleLanguage<Comparison> => ({
  name: 'trait',
  read: readTraitRule,
  parse: (text) => parseTraitRule(text, checkPattern),
  print: printTraitRule,
});

/** What the editors know of a trait. */
export interface KnownTrait {
  readonly sid: number;
  readonly name: string;
  readonly traitType: 'RULE_BASED_TRAIT' | 'ON_BOARDED_TRAIT' | 'FOLDER_TRAIT';
  readonly status?: 'active' | 'inactive';
  readonly traitRule?: string | null;
  readonly folderId?: number | null;
  readonly dataSourceId?: number;
}

/** Traits by id; null: there is none. What has not been asked for yet is missing. */
export type KnownTraits = ReadonlyMap<number, KnownTrait | null>;

/** What is wrong with a rule, and where in its text. */
export interface RuleProblem {
  readonly from: number;
  readonly to: number;
  readonly wrong: string;
  readonly instead: string;
  /** Nothing is wrong so far: the text ends too early. */
  readonly isUnfinished: boolean;
  /** What is wrong: how it is written, what it says as a whole, or a trait that it names. */
  readonly about: 'text' | 'whole' | 'trait';
}

/** The first thing that is wrong with a rule: its text, or a trait that it names. */
export function problemOf<Leaf>(
  { parse, read, name }: RuleLanguage<Leaf>,
  text: string,
  traits: KnownTraits,
): RuleProblem | undefined {
  try {
    const rule = parse(text);
    return name === 'segment'
      ? traitProblem(rule as Expression<Condition>, text, traits)
      : undefined;
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const { position, expected, message } = error;
    const [wrong] = message.split(' at character ');
    // What is said of the whole rule is said of all its text.
    const isWhole = /would satisfy this rule$/.test(wrong);
    const { tokens } = read(text);
    const token = tokens.find(({ from, to }) => from <= position && position < to);
    if (name === 'segment' && token?.kind === 'wrong') {
      const named = nameProblem(text, token, tokens);
      if (named) return named;
    }
    const isUnfinished = position >= text.length;
    return {
      from: isUnfinished ? text.trimEnd().length : position,
      to: isWhole || isUnfinished ? text.length : (token?.to ?? position + 1),
      wrong: isUnfinished && text.trim() === '' ? 'the rule is still empty' : wrong,
      instead: `write ${expected}`,
      isUnfinished,
      about: isWhole ? 'whole' : 'text',
    };
  }
}

/** What stands where a trait belongs: the beginning of its name or of its id, or what somebody left so. */
function nameProblem(
  text: string,
  { from, place }: Token,
  tokens: readonly Token[],
): RuleProblem | undefined {
  const { expected } = place;
  if (expected !== 'condition' && expected !== 'listed trait') return undefined;
  const words = tokens.filter((one) => one.place === place && one.kind === 'wrong');
  const to = words.at(-1)?.to ?? from;
  const name = text.slice(from, to);
  const isId = /^\d+$/.test(name);
  if (!isId && !/^\p{L}/u.test(name)) return undefined;
  return {
    from,
    to,
    wrong: `“${name}” is no trait`,
    instead: isId
      ? `write ${name}T, or choose the trait by its name`
      : 'choose the trait from the list that opens as you type its name',
    isUnfinished: to === text.trimEnd().length,
    about: 'text',
  };
}

function traitProblem(
  rule: Expression<Condition>,
  text: string,
  traits: KnownTraits,
): RuleProblem | undefined {
  const places = readSegmentRule(text).tokens.filter(({ kind }) => kind === 'trait');
  let at = 0;
  for (const condition of leavesOf(rule)) {
    for (const sid of mentions(condition)) {
      const { from, to } = places[at++];
      const trait = traits.get(sid);
      const problem = { from, to, isUnfinished: false, about: 'trait' } as const;
      if (trait === null) {
        return {
          ...problem,
          wrong: `there is no trait ${sid}`,
          instead: 'choose one by its name: type the beginning of it',
        };
      }
      if (condition.kind === 'frequency' && trait?.traitType === 'ON_BOARDED_TRAIT') {
        return {
          ...problem,
          wrong: `“${trait.name}” is onboarded: it has no recency and no frequency`,
          instead: `write ${sid}T, without FREQUENCY`,
        };
      }
    }
  }
  return undefined;
}
