/** What a draft would have changed for the last recorded page requests. */
import { Anchor, Stack, Table, Text } from '@mantine/core';
import { Link } from 'react-router';
import { count, many, moment } from './figures.ts';

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
  /** Keys of the rule whose values are never recorded. */
  readonly privateKeys?: readonly string[];
}

interface PerPage {
  readonly mean: number;
  readonly max: number;
}

export function TrialOutcome({ tried }: { tried: Tried }) {
  const { calls, from, to, destinations, pixels, privateKeys = [] } = tried;
  if (calls === 0) {
    return (
      <Text size="sm">
        No page request has been recorded yet. Visit a page that carries the tag, and try again.
      </Text>
    );
  }
  const isSame = destinations.every(({ before, after }) => before === after);
  return (
    <Stack gap="sm">
      <Text size="sm">
        Tried against the last {many(calls, 'recorded page request')}
        {from && to && `, ${moment(from)} to ${moment(to)}`}. Nothing was sent.
        {isSame && <b> Exactly the same would have fired.</b>}
      </Text>
      {destinations.length > 0 && (
        <Table fz="sm" horizontalSpacing={6}>
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
                <Table.Td>
                  <Anchor component={Link} to={`/destinations/${destinationId}`} size="sm">
                    {name}
                  </Anchor>
                </Table.Td>
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
      {privateKeys.length > 0 && (
        <Text size="sm" c="dimmed">
          Private, and so never recorded: {privateKeys.join(', ')}. The rule was tried as if{' '}
          {privateKeys.length === 1 ? 'it were' : 'they were'} missing.
        </Text>
      )}
    </Stack>
  );
}

const signed = (n: number) => (n > 0 ? `+${count(n)}` : n < 0 ? `−${count(-n)}` : '±0');
