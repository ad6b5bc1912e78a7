/** A rule under edit, as everything that shows it sees it. */
import { useDebouncedValue } from '@mantine/hooks';
import { useEffect, useMemo, useState } from 'react';
import type { Comparison, PatternCheck } from '../../../audience/trait-syntax.ts';
import {
  type KnownTrait,
  type KnownTraits,
  problemOf,
  type RuleLanguage,
  type RuleProblem,
  traitRules,
} from './language.ts';
import { useKnownTraits } from './lexicon.ts';

const PAUSE_MS = 120;

export interface Rule<Leaf> {
  readonly language: RuleLanguage<Leaf>;
  readonly text: string;
  readonly setText: (text: string) => void;
  /** What has been looked at: the text as it was when somebody last paused. */
  readonly settled: string;
  /** Of the settled text. */
  readonly problem: RuleProblem | undefined;
  /** Ids of the traits that the rule names. */
  readonly named: readonly number[];
  /** What is known of them, and of others. */
  readonly traits: KnownTraits;
  /** Says what a trait is that will be named. */
  readonly learn: (trait: KnownTrait) => void;
}

export function useRule<Leaf>(
  language: RuleLanguage<Leaf>,
  text: string,
  setText: (text: string) => void,
): Rule<Leaf> {
  const [settled] = useDebouncedValue(text, PAUSE_MS);
  const named = useMemo(() => idsIn(language, settled), [language, settled]);
  const [traits, learn] = useKnownTraits(named);
  const problem = useMemo(() => problemOf(language, settled, traits), [language, settled, traits]);
  return { language, text, setText, settled, problem, named, traits, learn };
}

function idsIn<Leaf>({ name, read }: RuleLanguage<Leaf>, text: string): number[] {
  if (name === 'trait') return [];
  const ids = read(text).tokens.flatMap(({ kind, from, to }) =>
    kind === 'trait' ? Number(text.slice(from, to - 1)) : [],
  );
  return [...new Set(ids)].filter((id) => id >= 1 && id <= 2 ** 32 - 1);
}

const UNCHECKED: PatternCheck = () => undefined;

/** The language of trait rules; regular expressions are checked from when there are any. */
export function useTraitLanguage(text: string): RuleLanguage<Comparison> {
  const [check, setCheck] = useState<PatternCheck>(() => UNCHECKED);
  const hasPatterns = /matchesregex/i.test(text);
  useEffect(() => {
    if (!hasPatterns) return;
    // Large, and seldom wanted.
    import('../../../audience/pattern.ts').then(
      ({ patternProblem }) => setCheck(() => patternProblem),
      // The server checks them when the rule is saved.
      () => undefined,
    );
  }, [hasPatterns]);
  return useMemo(() => traitRules(check), [check]);
}
