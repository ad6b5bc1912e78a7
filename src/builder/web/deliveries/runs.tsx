/** The files of a destination: when they are written, what the last runs came to, and a run now. */
import { Badge, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { IconPlayerPlay } from '@tabler/icons-react';
import type { Destination } from '../destinations/destination.ts';
import { scheduleInWords } from '../destinations/schedule.ts';
import { bytes, count } from '../figures.ts';
import { Moment } from '../moment.tsx';
import { type Column, Rows } from '../rows.tsx';
import type { Delivery, Runs as Known, Run } from './delivery.ts';
import { OrderButton } from './order-button.tsx';

interface RunsProps {
  readonly destination: Destination;
  readonly delivery: Delivery;
}

const COLUMNS: readonly Column<Run>[] = [
  { title: 'Complete', show: ({ finished }) => <Moment at={finished} isExact />, width: '12rem' },
  {
    title: 'Files',
    show: ({ files, root }) =>
      files === 0 ? 'none: nothing had changed' : <code>{files === 1 ? root : `${root} …`}</code>,
  },
  { title: 'How many', show: ({ files }) => count(files), align: 'end', width: '7rem' },
  { title: 'Lines', show: ({ lines }) => count(lines), align: 'end', width: '7rem' },
  { title: 'Size', show: ({ size }) => bytes(size), align: 'end', width: '7rem' },
  {
    title: 'Of',
    show: ({ mode }) => (mode === 'full' ? 'everybody' : 'changes'),
    width: '7rem',
  },
];

export function Runs({ destination, delivery }: RunsProps) {
  const { destinationId, schedule, target, syncMode, status } = destination;
  const { runs = { past: [] } } = delivery;
  return (
    <Paper withBorder component="section" aria-label="Files" style={{ overflow: 'clip' }}>
      <Stack gap="xs" p="lg">
        <Group justify="space-between" gap="xs">
          <Group gap="sm">
            <Title order={2}>Files</Title>
            <Current current={runs.current} />
          </Group>
          <OrderButton
            destinationId={destinationId}
            order="runs"
            icon={IconPlayerPlay}
            text="Run now"
            done="The files are being written"
            disabled={status === 'inactive'}
          />
        </Group>
        <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {syncMode === 'full'
            ? 'Everybody in the mapped segments'
            : 'What changed since the last run'}
          , to <code>{target}</code>,{' '}
          {schedule
            ? (scheduleInWords(schedule) ?? `by the schedule ${schedule}, in UTC`)
            : 'whenever somebody runs it'}
          .
          {runs.next !== undefined && (
            <>
              {' '}
              The next run is due <Moment at={runs.next} />.
            </>
          )}
        </Text>
        {runs.past.length === 0 && (
          <Text size="sm" c="dimmed">
            No run is complete yet.
          </Text>
        )}
      </Stack>
      {runs.past.length > 0 && (
        <Rows label="Runs" entries={runs.past} columns={COLUMNS} idOf={({ root }) => root} />
      )}
    </Paper>
  );
}

function Current({ current }: { current: Known['current'] }) {
  if (!current) return null;
  if (current.state === 'running') return <Badge color="violet">… running</Badge>;
  return (
    <>
      <Badge color="amber">⚠ not brought yet</Badge>
      {current.next !== undefined && (
        <Text span size="sm" c="dimmed">
          tried again <Moment at={current.next} />
        </Text>
      )}
    </>
  );
}
