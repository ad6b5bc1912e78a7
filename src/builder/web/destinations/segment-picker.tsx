/** Picks segments to map, by search; those that may not be mapped say why. */
import { Button, Checkbox, Group, Modal, Stack, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useState } from 'react';
import { useListed, withQuery } from '../api.ts';
import { type ExportLabel, titleOf } from '../export-labels.ts';
import { count, many } from '../figures.ts';
import { Search } from '../listing.tsx';
import { Failed, Loading } from '../state.tsx';
import type { Segment } from './mappings.tsx';
import classes from './segment-picker.module.css';

interface Candidate extends Segment {
  /** Why export controls forbid it; empty: it may be mapped. */
  readonly exportControls?: readonly {
    readonly label: ExportLabel;
    readonly dataSource: string;
    readonly trait: number;
  }[];
}

interface SegmentPickerProps {
  readonly isOpen: boolean;
  readonly close: () => void;
  readonly add: (sids: readonly number[]) => void;
  /** What the destination may do with the data. */
  readonly labels: readonly ExportLabel[];
  /** Ids of segments that are mapped already. */
  readonly mapped: ReadonlySet<number>;
}

export function SegmentPicker(props: SegmentPickerProps) {
  return (
    <Modal
      opened={props.isOpen}
      onClose={props.close}
      title="Add segments"
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Picker {...props} />
    </Modal>
  );
}

const PAGE_SIZE = 50;

function Picker({ add, labels, mapped }: SegmentPickerProps) {
  const [search, setSearch] = useState('');
  const [size, setSize] = useState(PAGE_SIZE);
  const [picked, setPicked] = useState<ReadonlySet<number>>(new Set());
  const answer = useListed<Candidate>(
    withQuery('/segments', {
      search,
      labels: labels.join(','),
      sortBy: 'name',
      page: 0,
      pageSize: size,
    }),
  );
  const { data } = answer;
  return (
    <Stack>
      <Search
        label="Name, id or rule"
        value={search}
        onChange={(text) => {
          setSearch(text);
          setSize(PAGE_SIZE);
        }}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
      <section className={classes.list} tabIndex={0} aria-label="Segments">
        {data ? (
          data.list.map((segment) => (
            <Choice
              key={segment.sid}
              segment={segment}
              isMapped={mapped.has(segment.sid)}
              isPicked={picked.has(segment.sid)}
              pick={(yes) => {
                const next = new Set(picked);
                if (yes) next.add(segment.sid);
                else next.delete(segment.sid);
                setPicked(next);
              }}
            />
          ))
        ) : answer.error ? (
          <Failed error={answer.error} retry={() => answer.refetch()} />
        ) : (
          <Loading label="Loading segments" />
        )}
        {data?.total === 0 && (
          <Text size="sm" c="dimmed" p="md">
            No segment matches.
          </Text>
        )}
        {data && data.total > data.list.length && (
          <Button
            variant="subtle"
            size="xs"
            m="xs"
            disabled={size >= 1_000}
            onClick={() => setSize(Math.min(1_000, size + 200))}
          >
            {size >= 1_000
              ? `Search to see the other ${count(data.total - data.list.length)}`
              : 'Show more'}
          </Button>
        )}
      </section>
      <Group justify="space-between">
        <Text size="sm" c="dimmed" role="status">
          {data && `${many(data.total, 'segment')}, ${count(picked.size)} picked`}
        </Text>
        <Button disabled={picked.size === 0} onClick={() => add([...picked])}>
          {picked.size > 0 ? `Add ${many(picked.size, 'segment')}` : 'Add'}
        </Button>
      </Group>
    </Stack>
  );
}

interface ChoiceProps {
  readonly segment: Candidate;
  readonly isMapped: boolean;
  readonly isPicked: boolean;
  readonly pick: (yes: boolean) => void;
}

function Choice({ segment, isMapped, isPicked, pick }: ChoiceProps) {
  const { sid, name, segmentRule, exportControls = [] } = segment;
  const isBlocked = exportControls.length > 0;
  const reasons = exportControls.map(
    ({ label, dataSource, trait }) =>
      `“${dataSource}” (trait ${trait}) forbids what this destination is labelled for: ${titleOf(label).toLowerCase()}.`,
  );
  return (
    <div className={classes.choice}>
      <Checkbox
        disabled={isMapped || isBlocked}
        checked={isPicked || isMapped}
        onChange={(event) => pick(event.currentTarget.checked)}
        label={
          <span className={classes.name}>
            {isBlocked && <IconLock size={14} aria-hidden />}
            {name}
            <Text span size="xs" c="dimmed">
              {sid}
              {isMapped && ', mapped already'}
            </Text>
          </span>
        }
        description={isBlocked ? [...new Set(reasons)].join(' ') : shortened(segmentRule)}
      />
    </div>
  );
}

const shortened = (rule: string) => (rule.length > 90 ? `${rule.slice(0, 87)}…` : rule);
