/** Try before publishing: what an entry would change, had it been there for the last recorded calls. */
import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { IconFlask } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type ApiError, api } from '../api.ts';
import { wordsOf } from '../notice.tsx';
import { TrialOutcome, type Tried } from '../trial-outcome.tsx';

interface TrialProps {
  readonly list: 'segments' | 'traits';
  readonly entry: object;
  /** Whether the entry can be tried as it is. */
  readonly isReady: boolean;
}

export function Trial({ list, entry, isReady }: TrialProps) {
  const trial = useMutation<{ result: Tried; of: string }, ApiError, void>({
    mutationFn: async () => ({
      result: await api.post<Tried>('/trials', { list, entry }),
      of: JSON.stringify(entry),
    }),
  });
  const { data, error, isPending } = trial;
  const isOld = data !== undefined && data.of !== JSON.stringify(entry);
  return (
    <Paper withBorder p="md" component="section" aria-label="What would change">
      <Stack gap="xs">
        <Group justify="space-between" gap="xs">
          <Title order={2} size="h3">
            What would change
          </Title>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconFlask size={15} aria-hidden />}
            disabled={!isReady}
            loading={isPending}
            onClick={() => trial.mutate()}
          >
            {data ? 'Try again' : 'Try it'}
          </Button>
        </Group>
        <div role="status">
          {error ? (
            <Text size="sm" c="var(--mantine-color-error)">
              {wordsOf(error)}
            </Text>
          ) : data ? (
            <Stack gap="xs">
              {isOld && <Text size="sm">You have changed it since: try again.</Text>}
              <TrialOutcome tried={data.result} />
            </Stack>
          ) : (
            <Text size="sm" c="dimmed">
              Runs this, as it is here, on the last recorded requests. Nothing is saved or sent.
            </Text>
          )}
        </div>
      </Stack>
    </Paper>
  );
}
