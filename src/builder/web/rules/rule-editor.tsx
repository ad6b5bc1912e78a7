/** A rule as blocks or as text, whichever somebody likes better: both are the same rule. */
import { Button, Group, SegmentedControl, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useCallback, useId, useMemo } from 'react';
import type { Condition } from '../../../audience/segment-rule.ts';
import type { Comparison } from '../../../audience/trait-syntax.ts';
import type { Rule } from './rule.ts';
import { type Leaves, RuleBlocks } from './rule-blocks.tsx';
import { RuleState, RuleText } from './rule-text.tsx';
import classes from './rules.module.css';
import { SegmentCondition } from './segment-condition.tsx';
import { TraitComparison } from './trait-comparison.tsx';
import { TraitPicker } from './trait-picker.tsx';
import { comparisonInWords, conditionInWords } from './words.ts';

interface RuleEditorProps<Leaf> {
  readonly rule: Rule<Leaf>;
  readonly leaves: Leaves<Leaf>;
  readonly label: string;
  /** A sentence on what the rule is about. */
  readonly description: string;
  /** What the server says against it. */
  readonly error: string | undefined;
  readonly isReadOnly: boolean;
}

type View = 'blocks' | 'text';

function RuleEditor<Leaf>(props: RuleEditorProps<Leaf>) {
  const { rule, leaves, label, description, error, isReadOnly } = props;
  const id = useId();
  const [view, setView] = useLocalStorage<View>({
    key: 'rule-view',
    defaultValue: 'blocks',
    getInitialValueInEffect: false,
  });
  return (
    <section className={classes.editor} aria-labelledby={id}>
      <Group justify="space-between" align="flex-end" gap="xs">
        <div>
          <Text id={id} fw={550} size="sm">
            {label}
          </Text>
          <Text size="xs" c="dimmed">
            {description}
          </Text>
        </div>
        <SegmentedControl
          size="xs"
          aria-label="Show the rule as"
          value={view}
          onChange={(value) => setView(value as View)}
          data={[
            { value: 'blocks', label: 'Blocks' },
            { value: 'text', label: 'Text' },
          ]}
        />
      </Group>
      {view === 'text' ? (
        <RuleText rule={rule} labelledBy={id} isReadOnly={isReadOnly} />
      ) : (
        <>
          <RuleBlocks
            language={rule.language}
            text={rule.text}
            setText={rule.setText}
            leaves={leaves}
            labelledBy={id}
            isReadOnly={isReadOnly}
          />
          <RuleState rule={rule} isInBlocks />
        </>
      )}
      {error && (
        <Text size="sm" c="var(--mantine-color-error)" role="alert" className={classes.refusal}>
          {error}
        </Text>
      )}
    </section>
  );
}

type EditorProps<Leaf> = Pick<RuleEditorProps<Leaf>, 'rule' | 'error' | 'isReadOnly'>;

export function SegmentRuleEditor(props: EditorProps<Condition>) {
  const { rule, isReadOnly } = props;
  const { traits, learn } = rule;
  const leaves = useMemo<Leaves<Condition>>(
    () => ({
      draw: (condition, set) => (
        <SegmentCondition {...{ condition, set, traits, learn, isReadOnly }} />
      ),
      inWords: (condition) => conditionInWords(condition, traits),
      adder: (add) => (
        <TraitPicker
          onPick={(trait) => {
            learn(trait);
            add({ kind: 'trait', trait: trait.sid });
          }}
          button={(open) => (
            <Button
              size="xs"
              variant="light"
              leftSection={<IconPlus size={15} aria-hidden />}
              aria-haspopup="listbox"
              onClick={open}
            >
              Add trait
            </Button>
          )}
        />
      ),
    }),
    [traits, learn, isReadOnly],
  );
  return (
    <RuleEditor
      {...props}
      leaves={leaves}
      label="Rule"
      description="Who belongs to this segment, by the traits that they have."
    />
  );
}

const NEW: Comparison = { key: '', operator: '==', operand: '', quoted: true };

export function TraitRuleEditor(props: EditorProps<Comparison>) {
  const { rule, isReadOnly } = props;
  const { language } = rule;
  const draw = useCallback(
    (comparison: Comparison, set: (comparison: Comparison) => void) => (
      <TraitComparison {...{ comparison, set, language, isReadOnly }} />
    ),
    [language, isReadOnly],
  );
  const leaves = useMemo<Leaves<Comparison>>(
    () => ({
      draw,
      inWords: comparisonInWords,
      adder: (add) => (
        <Button
          size="xs"
          variant="light"
          leftSection={<IconPlus size={15} aria-hidden />}
          onClick={() => add(NEW)}
        >
          Add condition
        </Button>
      ),
    }),
    [draw],
  );
  return (
    <RuleEditor
      {...props}
      leaves={leaves}
      label="Rule"
      description="Which page requests realize this trait, by the signals that they carry."
    />
  );
}
