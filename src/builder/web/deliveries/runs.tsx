/** The files of a destination: when they are written, and that somebody wants them now. */
import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { IconPlayerPlay } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, changed } from '../api.ts';
import type { Destination } from '../destinations/destination.ts';
import { scheduleInWords } from '../destinations/schedule.ts';
import { notice } from '../notice.tsx';
import { useMay } from '../session.tsx';
import type { Delivery } from './delivery.ts';

interface RunsProps {
  readonly destination: Destination;
  readonly delivery: Delivery;
}

export function Runs({ destination }: RunsProps) {
  const { destinationId, schedule, target, syncMode } = destination;
  const mayEdit = useMay('editor');
  const client = useQueryClient();
  const run = useMutation({
    mutationFn: () => api.post(`/deliveries/${destinationId}/runs`),
    onSuccess: async () => {
      notice.done('The files are being written');
      await changed(client, '/deliveries');
    },
    onError: (error) => notice.failed(error),
  });
  return (
    <Paper withBorder p="lg" component="section" aria-label="Files">
      <Stack gap="xs">
        <Group justify="space-between" gap="xs">
          <Title order={2}>Files</Title>
          {mayEdit && (
            <Button
              size="xs"
              variant="default"
              leftSection={<IconPlayerPlay size={16} aria-hidden />}
              loading={run.isPending}
              onClick={() => run.mutate()}
            >
              Run now
            </Button>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {syncMode === 'full'
            ? 'Everybody in the mapped segments'
            : 'What changed since the last run'}
          , to <code>{target}</code>,{' '}
          {schedule
            ? (scheduleInWords(schedule) ?? `as ${schedule} (UTC) says`)
            : 'whenever somebody runs it'}
          .
        </Text>
      </Stack>
    </Paper>
  );
}
