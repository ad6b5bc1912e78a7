/** A condition of a segment rule: traits, and by the clock how often and how recently. */
import {
  ActionIcon,
  Button,
  CloseButton,
  Group,
  NumberInput,
  Popover,
  Select,
  Stack,
  Text,
  Tooltip,
  UnstyledButton,
  VisuallyHidden,
} from '@mantine/core';
import { IconClock, IconClockPlus, IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { type Condition, type Frequency, mentions } from '../../../audience/segment-rule.ts';
import type { KnownTrait, KnownTraits } from './language.ts';
import classes from './rules.module.css';
import { TraitPicker } from './trait-picker.tsx';
import { COMPARATOR_WORDS, frequencyInWords, nameOf } from './words.ts';

interface SegmentConditionProps {
  readonly condition: Condition;
  readonly set: (condition: Condition) => void;
  readonly traits: KnownTraits;
  readonly learn: (trait: KnownTrait) => void;
  readonly isReadOnly: boolean;
}

export function SegmentCondition(props: SegmentConditionProps) {
  const { condition, set, traits, learn, isReadOnly } = props;
  const sids = mentions(condition);
  const isCounted = condition.kind === 'frequency';
  const replaced = (at: number, ...by: number[]) => {
    const after = sids.toSpliced(at, 1, ...by);
    set(isCounted ? { ...condition, traits: after } : { kind: 'trait', trait: after[0] });
  };
  return (
    <Group gap={6} className={classes.condition}>
      {sids.map((sid, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a trait may be listed twice
        <span key={`${sid} ${at}`} className={classes.listed}>
          {at > 0 && <span className={classes.joint}>or</span>}
          <TraitPill
            {...{ sid, traits, isReadOnly, isCounted }}
            onPick={(trait) => {
              learn(trait);
              replaced(at, trait.sid);
            }}
            onRemove={sids.length > 1 ? () => replaced(at) : undefined}
          />
        </span>
      ))}
      {isCounted && !isReadOnly && (
        <TraitPicker
          isCounted
          onPick={(trait) => {
            learn(trait);
            set({ ...condition, traits: [...sids, trait.sid] });
          }}
          button={(open) => (
            <Tooltip label="Count another trait along">
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label="Count another trait along"
                aria-haspopup="listbox"
                onClick={open}
              >
                <IconPlus size={16} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )}
        />
      )}
      <Clock {...props} />
    </Group>
  );
}

interface TraitPillProps {
  readonly sid: number;
  readonly traits: KnownTraits;
  readonly isReadOnly: boolean;
  readonly isCounted: boolean;
  readonly onPick: (trait: KnownTrait) => void;
  readonly onRemove: (() => void) | undefined;
}

function TraitPill({ sid, traits, isReadOnly, isCounted, onPick, onRemove }: TraitPillProps) {
  const trait = traits.get(sid);
  const name = trait === null ? 'There is no such trait' : nameOf(traits, sid);
  const content = (
    <>
      <span className={classes.pillName}>{name}</span>{' '}
      <span className={classes.pillId}>{sid}T</span>
    </>
  );
  if (isReadOnly) {
    return (
      <span className={classes.pill} data-missing={trait === null || undefined}>
        {content}
      </span>
    );
  }
  return (
    <span className={classes.pill} data-missing={trait === null || undefined}>
      <TraitPicker
        isCounted={isCounted}
        onPick={onPick}
        button={(open) => (
          <UnstyledButton className={classes.pillButton} aria-haspopup="listbox" onClick={open}>
            {content}
            <VisuallyHidden>: choose another trait</VisuallyHidden>
          </UnstyledButton>
        )}
      />
      {onRemove && (
        <CloseButton size="xs" aria-label={`Count ${name} no longer`} onClick={onRemove} />
      )}
    </span>
  );
}

const ONCE: Omit<Frequency, 'traits'> = { kind: 'frequency', operator: '>=', count: 1 };
const RECENCY = [
  { value: '', label: 'at any time' },
  { value: '<=', label: 'in the last … days' },
  { value: '>=', label: '… days ago or earlier' },
];
const MAX_COUNT = 2 ** 31 - 1;
const MAX_DAYS = 65_535;
const USUAL_DAYS = 14;

/** How often and how recently: behind an icon until it is wanted. */
function Clock({ condition, set, traits, isReadOnly }: SegmentConditionProps) {
  const [isOpen, setOpen] = useState(false);
  const sids = mentions(condition);
  const isCounted = condition.kind === 'frequency';
  const onboarded = sids.find((sid) => traits.get(sid)?.traitType === 'ON_BOARDED_TRAIT');
  const now: Frequency = isCounted ? condition : { ...ONCE, traits: sids };
  const { operator, count, recency } = now;
  const change = (values: Partial<Frequency>) => set({ ...now, ...values });

  if (isReadOnly) {
    return isCounted ? (
      <span className={classes.often}>
        <IconClock size={15} aria-hidden />
        {frequencyInWords(condition)}
      </span>
    ) : null;
  }
  if (!isCounted && onboarded !== undefined) {
    const reason = 'Onboarded traits count once: they have no recency and no frequency';
    return (
      <Tooltip label={reason}>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={reason}
          aria-disabled
          className={classes.disabled}
        >
          <IconClockPlus size={17} aria-hidden />
        </ActionIcon>
      </Tooltip>
    );
  }
  return (
    <Popover
      opened={isOpen}
      onChange={setOpen}
      position="bottom-start"
      width="min(340px, 92vw)"
      shadow="md"
      trapFocus
      returnFocus
      withinPortal
    >
      <Popover.Target>
        {isCounted ? (
          <UnstyledButton className={classes.often} onClick={() => setOpen(!isOpen)}>
            <IconClock size={15} aria-hidden />
            {frequencyInWords(condition)}
          </UnstyledButton>
        ) : (
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label="How often and how recently"
            title="How often and how recently"
            onClick={() => setOpen(!isOpen)}
          >
            <IconClockPlus size={17} aria-hidden />
          </ActionIcon>
        )}
      </Popover.Target>
      <Popover.Dropdown aria-label="How often and how recently">
        <Stack gap="sm">
          <Group gap="xs" align="flex-end" wrap="nowrap">
            <Select
              label="How often"
              data={Object.entries(COMPARATOR_WORDS).map(([value, label]) => ({ value, label }))}
              value={operator}
              allowDeselect={false}
              comboboxProps={{ withinPortal: false }}
              onChange={(value) => change({ operator: value as Frequency['operator'] })}
            />
            <NumberInput
              aria-label="Number of times"
              value={count}
              min={0}
              max={MAX_COUNT}
              allowDecimal={false}
              clampBehavior="strict"
              suffix={count === 1 ? ' time' : ' times'}
              w={120}
              data-autofocus
              onChange={(value) => typeof value === 'number' && change({ count: value })}
            />
          </Group>
          <Group gap="xs" align="flex-end" wrap="nowrap">
            <Select
              label="How recently"
              data={RECENCY}
              value={recency?.operator ?? ''}
              allowDeselect={false}
              comboboxProps={{ withinPortal: false }}
              onChange={(value) => {
                const { recency: _, ...rest } = now;
                const days = recency?.days ?? USUAL_DAYS;
                const chosen = value === '<=' || value === '>=' ? value : undefined;
                set(chosen ? { ...rest, recency: { operator: chosen, days } } : rest);
              }}
            />
            {recency && (
              <NumberInput
                aria-label="Number of days"
                value={recency.days}
                min={1}
                max={MAX_DAYS}
                allowDecimal={false}
                clampBehavior="strict"
                suffix={recency.days === 1 ? ' day' : ' days'}
                w={120}
                onChange={(value) =>
                  typeof value === 'number' &&
                  value >= 1 &&
                  change({ recency: { ...recency, days: value } })
                }
              />
            )}
          </Group>
          <Text size="xs" c="dimmed">
            {sids.length > 1 ? 'All realizations of these traits are added up. ' : ''}
            Days are whole days of UTC.
          </Text>
          <Group justify="space-between">
            {isCounted ? (
              <Button
                size="xs"
                variant="subtle"
                color="gray"
                disabled={sids.length > 1}
                title={sids.length > 1 ? 'Several traits are counted together' : undefined}
                onClick={() => {
                  setOpen(false);
                  set({ kind: 'trait', trait: sids[0] });
                }}
              >
                Any number, any time
              </Button>
            ) : (
              <span />
            )}
            <Button size="xs" onClick={() => setOpen(false)}>
              Done
            </Button>
          </Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
