/** A condition of a trait rule: a signal's key, how it is compared, and with what. */
import { Autocomplete, Group, SegmentedControl, Select, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { RuleError } from '../../../audience/scanner.ts';
import { decimal, isPrivate } from '../../../audience/signal.ts';
import { type Comparison, type Operator, RELATIONAL } from '../../../audience/trait-syntax.ts';
import type { RuleLanguage } from './language.ts';
import { searchSignals, valuesOf } from './lexicon.ts';
import classes from './rules.module.css';
import { OPERATOR_WORDS } from './words.ts';

interface TraitComparisonProps {
  readonly comparison: Comparison;
  readonly set: (comparison: Comparison) => void;
  readonly language: RuleLanguage<Comparison>;
  readonly isReadOnly: boolean;
}

const OPERATORS = Object.entries(OPERATOR_WORDS).map(([value, label]) => ({ value, label }));
const EQUALITIES = new Set<Operator>(['==', '!=']);

export function TraitComparison({ comparison, set, language, isReadOnly }: TraitComparisonProps) {
  const { key, operator, operand, quoted } = comparison;
  const keys = useKeys(key);
  const values = useValues(key, operand);
  const isNumeric = RELATIONAL.has(operator);
  const isNumber = !Number.isNaN(decimal(operand));
  const wrong = wrongWith(comparison, language);
  return (
    <div className={classes.comparison}>
      <Group gap={6} align="flex-start">
        <Autocomplete
          className={classes.key}
          aria-label="Signal"
          placeholder="c_page"
          value={key}
          data={keys}
          filter={({ options }) => options}
          readOnly={isReadOnly}
          error={key === ''}
          // Only what can be in a key: anything else would be read as something else.
          onChange={(typed) => set({ ...comparison, key: typed.replace(/[^\w.-]/g, '') })}
        />
        <Select
          className={classes.operator}
          aria-label="Comparison"
          data={OPERATORS}
          value={operator}
          readOnly={isReadOnly}
          allowDeselect={false}
          onChange={(value) => set(compared(comparison, value as Operator))}
        />
        <Autocomplete
          className={classes.operand}
          aria-label={isNumeric ? 'Number' : 'Value'}
          placeholder={isNumeric ? '19.90' : 'home'}
          inputMode={isNumeric ? 'decimal' : undefined}
          value={operand}
          data={isNumeric ? values.filter((value) => !Number.isNaN(decimal(value))) : values}
          filter={({ options }) => options}
          readOnly={isReadOnly}
          error={wrong !== undefined && key !== ''}
          onChange={(typed) => set(valued(comparison, typed))}
        />
        {EQUALITIES.has(operator) && isNumber && (
          <SegmentedControl
            size="xs"
            aria-label="Compare as"
            readOnly={isReadOnly}
            value={quoted ? 'text' : 'number'}
            onChange={(value) => set({ ...comparison, quoted: value === 'text' })}
            data={[
              { value: 'text', label: 'as text' },
              { value: 'number', label: 'as number' },
            ]}
          />
        )}
      </Group>
      {wrong && (
        <Text size="xs" c="var(--mantine-color-error)" mt={4}>
          {wrong}
        </Text>
      )}
      {isPrivate(key) && (
        <Text size="xs" c="dimmed" mt={4}>
          Signals that start with p_ are private: they are looked at, and never kept.
        </Text>
      )}
    </div>
  );
}

/** With another operator; a number stays a number where only numbers can be compared. */
function compared(comparison: Comparison, operator: Operator): Comparison {
  const isNumber = !Number.isNaN(decimal(comparison.operand));
  const quoted = RELATIONAL.has(operator) ? !isNumber && comparison.operand !== '' : true;
  const isOther = RELATIONAL.has(operator) !== RELATIONAL.has(comparison.operator);
  return isOther ? { ...comparison, operator, quoted } : { ...comparison, operator };
}

/** With another value, written without quotes only where it was and is a number. */
function valued(comparison: Comparison, operand: string): Comparison {
  const isNumber = !Number.isNaN(decimal(operand));
  const isNumeric = RELATIONAL.has(comparison.operator);
  return { ...comparison, operand, quoted: isNumber ? comparison.quoted && !isNumeric : true };
}

function wrongWith(comparison: Comparison, { parse, print }: RuleLanguage<Comparison>) {
  if (comparison.key === '') return 'Choose or write the signal that is compared.';
  try {
    parse(print({ op: 'leaf', leaf: comparison }));
    return undefined;
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const [wrong] = error.message.split(' at character ');
    const start = /^(?:found|the rule ends)/.test(wrong) ? '' : `${wrong}: `;
    return `${start}write ${error.expected}.`.replace(/^./, (first) => first.toUpperCase());
  }
}

function useKeys(typed: string): string[] {
  const client = useQueryClient();
  const [settled] = useDebouncedValue(typed, 120);
  const { data = [] } = useQuery({
    queryKey: ['signals', 'keys', settled],
    queryFn: () => searchSignals(client, settled),
    placeholderData: keepPreviousData,
  });
  return data.map(({ key }) => key);
}

function useValues(key: string, typed: string): string[] {
  const client = useQueryClient();
  const { data = [] } = useQuery({
    queryKey: ['signals', 'values', key],
    queryFn: () => valuesOf(client, key),
    enabled: key !== '',
    placeholderData: keepPreviousData,
  });
  const part = typed.toLowerCase();
  return [...new Set(data)].filter((value) => value.toLowerCase().includes(part));
}
