/** How far the pass over stored visitors is, after a change that partners may have to hear of. */
import { Group, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { count, many, share } from '../figures.ts';
import { Moment } from '../moment.tsx';
import { LOOK_MS, together, useDeliveries } from './delivery.ts';

interface PreviousVisitorsProps {
  /** Nothing is shown of a pass that is over. */
  readonly isOnlyRunning?: boolean;
}

export function PreviousVisitors({ isOnlyRunning = false }: PreviousVisitorsProps) {
  const { data } = useDeliveries(LOOK_MS);
  const pass = together(data?.passes ?? []);
  if (!pass || (isOnlyRunning && pass.finishedAt !== undefined)) return null;
  const { revision, startedAt, finishedAt, progress, examined, moved, perSecond = 0 } = pass;
  return (
    <Paper withBorder p="lg" component="section" aria-label="Previous visitors">
      <Stack gap="xs">
        <Group justify="space-between" gap="xs">
          <Title order={2}>Previous visitors</Title>
          {finishedAt === undefined && (
            <Text span size="sm" fw={550}>
              {share(Math.floor(progress * 1_000) / 1_000)}
            </Text>
          )}
        </Group>
        {finishedAt === undefined ? (
          <>
            <Progress value={progress * 100} aria-label="Progress over the stored visitors" />
            <Text size="sm" c="dimmed">
              Since revision {revision}, <Moment at={startedAt} />, all stored visitors are looked
              at, whether or not they come back: {count(examined)} so far
              {perSecond > 0 && `, ${count(Math.ceil(perSecond))} a second`}. {toldOf(moved)}
            </Text>
          </>
        ) : (
          <Text size="sm" c="dimmed">
            All stored visitors were looked at for revision {revision}, <Moment at={finishedAt} />:{' '}
            {many(examined, 'visitor')}. {toldOf(moved)}
          </Text>
        )}
      </Stack>
    </Paper>
  );
}

const toldOf = (moved: number) =>
  moved === 0
    ? 'Of none of them partners have to hear anything new.'
    : `Partners are told of ${count(moved)} of them.`;
