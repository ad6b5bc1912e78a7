/** Tries a destination against the last recorded page requests, before it is published. */
import { Alert, Button, Group, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ApiError, api } from '../api.ts';
import { count, many, moment } from '../figures.ts';
import { Panel } from '../panel.tsx';
import { Problems, sentence } from '../problem.ts';
import { Failed, Loading } from '../state.tsx';
import { type Destination, published } from './destination.ts';

/** What would have fired, now and with what is tried. */
export interface Tried {
  /** Recorded requests that it was tried against. */
  readonly calls: number;
  /** From when to when they are: Unix milliseconds. */
  readonly from: number | null;
  readonly to: number | null;
  readonly destinations: readonly {
    readonly destinationId: number;
    readonly name: string;
    readonly before: number;
    readonly after: number;
  }[];
  readonly pixels: { readonly before: PerPage; readonly after: PerPage };
}

interface PerPage {
  readonly mean: number;
  readonly max: number;
}

interface TrialProps {
  readonly destination: Destination;
  readonly isOpen: boolean;
  readonly close: () => void;
}

export function Trial({ destination, isOpen, close }: TrialProps) {
  return (
    <Panel title="What would have fired" isOpen={isOpen} close={close}>
      {isOpen && <Try destination={destination} />}
    </Panel>
  );
}

function Try({ destination }: { destination: Destination }) {
  const { data, error, refetch, isFetching } = useQuery<Tried, ApiError>({
    queryKey: ['trial', destination],
    queryFn: ({ signal }) =>
      api.post<Tried>(
        '/trials',
        { list: 'destinations', entry: published(destination) },
        { signal },
      ),
    gcTime: 0,
    retry: false,
  });
  if (error?.status === 400) {
    return (
      <Alert color="amber" title="It cannot be tried yet">
        <ul>
          {new Problems(error.problems).all.map((problem) => (
            <li key={`${problem.path} ${problem.wrong}`}>{sentence(problem)}</li>
          ))}
        </ul>
      </Alert>
    );
  }
  if (error) return <Failed error={error} retry={() => refetch()} />;
  if (!data) return <Loading label="Trying" />;
  return <Result tried={data} again={() => refetch()} isBusy={isFetching} />;
}

interface ResultProps {
  readonly tried: Tried;
  readonly again: () => void;
  readonly isBusy: boolean;
}

/** Also for segments and traits. */
export function Result({ tried, again, isBusy }: ResultProps) {
  const { calls, from, to, destinations, pixels } = tried;
  if (calls === 0) {
    return (
      <Stack>
        <Text>
          No page request has been recorded yet. Visit a page that carries the tag, and try again.
        </Text>
        <Button variant="default" onClick={again} loading={isBusy}>
          Try again
        </Button>
      </Stack>
    );
  }
  return (
    <Stack>
      <Text size="sm">
        Tried against the last {many(calls, 'recorded page request')}
        {from && to && `, ${moment(from)} to ${moment(to)}`}. Nothing was sent.
      </Text>
      {destinations.length === 0 ? (
        <Alert color="petrol" title="No difference">
          For these requests, exactly the same would have fired.
        </Alert>
      ) : (
        <Table fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Destination</Table.Th>
              <Table.Th ta="end">Now</Table.Th>
              <Table.Th ta="end">Then</Table.Th>
              <Table.Th ta="end">Change</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {destinations.map(({ destinationId, name, before, after }) => (
              <Table.Tr key={destinationId}>
                <Table.Td>{name}</Table.Td>
                <Table.Td ta="end">{count(before)}</Table.Td>
                <Table.Td ta="end">{count(after)}</Table.Td>
                <Table.Td ta="end">
                  <Text span size="sm" fw={550}>
                    {signed(after - before)}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <Text size="sm">
        Pixels a page: {pixels.before.mean.toFixed(2)} now, {pixels.after.mean.toFixed(2)} then; at
        most {pixels.before.max} now, {pixels.after.max} then.
      </Text>
      <Group>
        <Button variant="default" size="xs" onClick={again} loading={isBusy}>
          Try again
        </Button>
      </Group>
    </Stack>
  );
}

const signed = (n: number) => (n > 0 ? `+${count(n)}` : n < 0 ? `−${count(-n)}` : '±0');
