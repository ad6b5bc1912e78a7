/** A rule in a line of a list: segments' with the names of the traits. */
import {
  createContext,
  type ReactNode,
  use,
  useCallback,
  useEffect,
  useMemo,
  useState,
} from 'react';
import { type Expression, printExpression } from '../../../audience/expression.ts';
import { RuleError } from '../../../audience/scanner.ts';
import { type Condition, parseSegmentRule, traitsOf } from '../../../audience/segment-rule.ts';
import type { KnownTraits } from './language.ts';
import { useKnownTraits } from './lexicon.ts';
import classes from './rules.module.css';
import { conditionInWords } from './words.ts';

/** Nobody reads more of it in a list. */
const READ = 1_500;
const SHOWN = 300;

interface Named {
  readonly traits: KnownTraits;
  readonly want: (ids: readonly number[]) => void;
}

const Names = createContext<Named>({ traits: new Map(), want: () => {} });

/** Around a list: the traits of all its rules are asked for at once. */
export function TraitNames({ children }: { children: ReactNode }) {
  const [wanted, setWanted] = useState<readonly number[]>([]);
  const [traits] = useKnownTraits(wanted);
  const want = useCallback((ids: readonly number[]) => {
    setWanted((before) => {
      const all = new Set([...before, ...ids]);
      return all.size === before.length ? before : [...all];
    });
  }, []);
  const named = useMemo(() => ({ traits, want }), [traits, want]);
  return <Names value={named}>{children}</Names>;
}

export function SegmentRuleInShort({ text }: { text: string }) {
  const { traits, want } = use(Names);
  const rule = useMemo(() => ruleOf(text), [text]);
  useEffect(() => {
    if (rule) want([...traitsOf(rule)]);
  }, [rule, want]);
  if (!rule) return <RuleInShort text={text} />;
  const words = printExpression(rule, (condition) => conditionInWords(condition, traits));
  return (
    <span className={classes.inShort} title={text.slice(0, READ)}>
      {words.slice(0, SHOWN)}
    </span>
  );
}

export function RuleInShort({ text }: { text: string | null | undefined }) {
  if (!text) return null;
  return (
    <code className={classes.inShort} title={text.slice(0, READ)}>
      {text.slice(0, SHOWN)}
    </code>
  );
}

function ruleOf(text: string): Expression<Condition> | undefined {
  if (text.length > READ) return undefined;
  try {
    return parseSegmentRule(text);
  } catch (error) {
    if (error instanceof RuleError) return undefined;
    throw error;
  }
}
