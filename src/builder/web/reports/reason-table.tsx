/** How often it went on, and how often each thing was in the way. */
import { Paper, Table, Text, Title } from '@mantine/core';
import { count, share } from '../figures.ts';
import { meaningOf, type Reasons } from './report.ts';

export function ReasonTable({ title, reasons }: { title: string; reasons: Reasons }) {
  const rows = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  const all = rows.reduce((sum, [, n]) => sum + n, 0);
  return (
    <Paper withBorder p="lg">
      <Title order={2} mb="sm">
        {title}
      </Title>
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nothing happened in this time: nobody who was in a mapped segment was seen.
        </Text>
      ) : (
        <Table fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Reason</Table.Th>
              <Table.Th ta="end">Times</Table.Th>
              <Table.Th ta="end">Share</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(([reason, n]) => (
              <Table.Tr key={reason}>
                <Table.Td>{meaningOf(reason)}</Table.Td>
                <Table.Td ta="end">{count(n)}</Table.Td>
                <Table.Td ta="end">{share(n / all)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Paper>
  );
}
