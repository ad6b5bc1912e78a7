/** Try before publishing: what an entry would change, had it been there for the last recorded calls. */
import { Button, Group, Paper, Stack, Table, Text, Title } from '@mantine/core';
import { IconFlask } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { Link } from 'react-router';
import { type ApiError, api } from '../api.ts';
import { count, many } from '../figures.ts';
import { Moment } from '../moment.tsx';
import { wordsOf } from '../notice.tsx';

interface Pixels {
  readonly mean: number;
  readonly max: number;
}

interface TrialResult {
  readonly calls: number;
  /** Unix milliseconds of the first and the last of them. */
  readonly from: number | null;
  readonly to: number | null;
  readonly destinations: readonly {
    readonly destinationId: number;
    readonly name: string;
    readonly before: number;
    readonly after: number;
  }[];
  readonly pixels: { readonly before: Pixels; readonly after: Pixels };
  /** Keys of the rule whose values are never recorded. */
  readonly privateKeys?: readonly string[];
}

interface TrialProps {
  readonly list: 'segments' | 'traits';
  readonly entry: object;
  /** Whether the entry can be tried as it is. */
  readonly isReady: boolean;
}

export function Trial({ list, entry, isReady }: TrialProps) {
  const trial = useMutation<{ result: TrialResult; of: string }, ApiError, void>({
    mutationFn: async () => ({
      result: await api.post<TrialResult>('/trials', { list, entry }),
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
            <Outcome result={data.result} isOld={isOld} />
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

function Outcome({ result, isOld }: { result: TrialResult; isOld: boolean }) {
  const { calls, from, to, destinations, pixels, privateKeys = [] } = result;
  if (calls === 0) {
    return (
      <Text size="sm" c="dimmed">
        No requests have been recorded yet: there is nothing to try this on.
      </Text>
    );
  }
  const isSame = destinations.every(({ before, after }) => before === after);
  return (
    <Stack gap="xs" opacity={isOld ? 0.6 : undefined}>
      {isOld && <Text size="sm">You have changed it since: try again.</Text>}
      <Text size="sm" c="dimmed">
        On {many(calls, 'recorded request')}, from <Moment at={from} isExact /> to{' '}
        <Moment at={to} isExact />
        {isSame ? ', nothing would have been sent more or less often.' : ':'}
      </Text>
      {destinations.length > 0 && (
        <Table fz="sm" horizontalSpacing={6} verticalSpacing={5}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Destination</Table.Th>
              <Table.Th ta="end">Now</Table.Th>
              <Table.Th ta="end">Then</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {destinations.map(({ destinationId, name, before, after }) => (
              <Table.Tr key={destinationId}>
                <Table.Td>
                  <Link to={`/destinations/${destinationId}`}>{name}</Link>
                </Table.Td>
                <Table.Td ta="end">{count(before)}</Table.Td>
                <Table.Td ta="end">
                  {count(after)} <Difference by={after - before} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <Text size="sm" c="dimmed">
        Pixels a page: {figure(pixels.before.mean)} → {figure(pixels.after.mean)} on average, at
        most {pixels.before.max} → {pixels.after.max}.
      </Text>
      {privateKeys.length > 0 && (
        <Text size="sm" c="dimmed">
          {privateKeys.join(', ')} {privateKeys.length === 1 ? 'is' : 'are'} private and never
          recorded: what depends on {privateKeys.length === 1 ? 'it' : 'them'} cannot be tried.
        </Text>
      )}
    </Stack>
  );
}

const figure = (mean: number) => (Number.isInteger(mean) ? String(mean) : mean.toFixed(2));

function Difference({ by }: { by: number }) {
  if (by === 0) return null;
  const color = by > 0 ? 'var(--mantine-color-success)' : 'var(--mantine-color-error)';
  return (
    <Text span size="xs" c={color} fw={600}>
      {by > 0 ? `+${count(by)}` : `−${count(-by)}`}
    </Text>
  );
}
