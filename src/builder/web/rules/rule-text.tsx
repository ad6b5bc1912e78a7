/** A rule as text. */

import type { EditorView } from '@codemirror/view';
import { Text, VisuallyHidden } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconAlertCircle, IconCircleCheck, IconPencil } from '@tabler/icons-react';
import { useEffect, useEffectEvent, useId, useRef, useState } from 'react';
import { nonce } from '../trust.ts';
import type { RuleProblem } from './language.ts';
import { useLexicon } from './lexicon.ts';
import type { Rule } from './rule.ts';
import { ruleView, setText, showProblem, showTraits } from './rule-view.ts';
import classes from './rules.module.css';

/** So many names of traits are read out with the field. */
const NAMED = 20;

interface RuleTextProps<Leaf> {
  readonly rule: Rule<Leaf>;
  /** Id of the element that names the field. */
  readonly labelledBy: string;
  readonly isReadOnly: boolean;
}

export function RuleText<Leaf>({ rule, labelledBy, isReadOnly }: RuleTextProps<Leaf>) {
  const { language, text, problem, named, traits } = rule;
  const place = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<EditorView>();
  const lexicon = useLexicon();
  const id = useId();
  /** What was typed and has not come back as `text` yet. */
  const told = useRef<string[]>([]);
  const onChange = useEffectEvent((changed: string) => {
    told.current.push(changed);
    rule.setText(changed);
  });
  const now = useEffectEvent(() => ({ text, read: language.read }));

  useEffect(() => {
    const made = ruleView({
      parent: place.current as HTMLElement,
      text: now().text,
      language: language.name,
      read: (of) => now().read(of),
      lexicon,
      placeholder: PLACEHOLDERS[language.name],
      labelledBy,
      describedBy: `${id}-state ${id}-names`,
      nonce,
      isReadOnly,
      onChange: (changed) => onChange(changed),
    });
    told.current = [];
    setView(made);
    return () => made.destroy();
  }, [language.name, lexicon, labelledBy, id, isReadOnly]);

  useEffect(() => {
    // What comes back late must not undo what has been typed since.
    const at = told.current.indexOf(text);
    told.current = told.current.slice(at + 1);
    if (view && at === -1) setText(view, text);
  }, [view, text]);
  useEffect(() => view?.dispatch({ effects: showProblem.of(problem) }), [view, problem]);
  useEffect(() => view?.dispatch({ effects: showTraits.of(traits) }), [view, traits]);

  const known = named.slice(0, NAMED).flatMap((sid) => traits.get(sid) ?? []);
  return (
    <div>
      <div ref={place} className={classes.text} data-rule-text />
      <RuleState id={`${id}-state`} rule={rule} />
      <VisuallyHidden id={`${id}-names`}>
        {known.map(({ sid, name }) => `${sid}T is ${name}. `).join('')}
      </VisuallyHidden>
    </div>
  );
}

const PLACEHOLDERS = {
  segment: 'Type the name of a trait, for example: Looked at a concert',
  trait: 'Type the name of a signal, for example: c_page == "home"',
} as const;

/** Whether the rule is right, in words: said once somebody pauses. */
export function RuleState<Leaf>({
  id,
  rule: { settled, problem },
  isInBlocks = false,
}: {
  readonly id?: string;
  readonly rule: Rule<Leaf>;
  /** Characters have no numbers there. */
  readonly isInBlocks?: boolean;
}) {
  const now = problem
    ? {
        tone: isOpen(problem, isInBlocks) ? 'unfinished' : 'wrong',
        words: wordsFor(problem, isInBlocks),
      }
    : { tone: 'right', words: 'The rule is complete.' };
  const [said] = useDebouncedValue(now.words, 400);
  const Icon = ICONS[now.tone as keyof typeof ICONS];
  return (
    <Text
      id={id}
      size="sm"
      component="div"
      className={classes.state}
      data-tone={settled.trim() === '' ? 'unfinished' : now.tone}
      role="status"
    >
      <Icon size={16} aria-hidden />
      <span>{said}</span>
    </Text>
  );
}

const ICONS = { right: IconCircleCheck, wrong: IconAlertCircle, unfinished: IconPencil };

/** In blocks, what is not complete says so itself, beside its field. */
const isOpen = ({ isUnfinished, about }: RuleProblem, isInBlocks: boolean) =>
  isUnfinished || (isInBlocks && about === 'text');

function wordsFor(problem: RuleProblem, isInBlocks: boolean): string {
  const { from, wrong, instead, isUnfinished, about } = problem;
  if (isInBlocks && about === 'text') {
    return isUnfinished ? 'Not finished yet: add a condition.' : 'A condition is not complete yet.';
  }
  if (isUnfinished) return `Not finished yet: ${instead}.`;
  const start = isInBlocks || about === 'whole' ? '' : `Character ${from + 1}: `;
  const words = `${start}${wrong}; ${instead}.`;
  return words.charAt(0).toUpperCase() + words.slice(1);
}
