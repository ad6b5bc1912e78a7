/** What happened to each of several things: fired, capped, blocked and mostly by what. */
import { Anchor, Paper, Table, Title } from '@mantine/core';
import { Link } from 'react-router';
import { count } from '../figures.ts';
import { meaningOf, outcomeOf, type Reasons } from './report.ts';
import classes from './reports.module.css';

interface OutcomesProps {
  readonly title: string;
  /** What a row is: Segment. */
  readonly noun: string;
  readonly rows: readonly {
    readonly id: number;
    readonly name: string;
    readonly to: string;
    readonly reasons: Reasons;
  }[];
}

export function Outcomes({ title, noun, rows }: OutcomesProps) {
  const sorted = rows.toSorted((a, b) => outcomeOf(b.reasons).fired - outcomeOf(a.reasons).fired);
  return (
    <Paper withBorder p="lg">
      <Title order={2} mb="sm">
        {title}
      </Title>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
      <section className={classes.wide} tabIndex={0} aria-label={title}>
        <Table fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{noun}</Table.Th>
              <Table.Th ta="end">Fired</Table.Th>
              <Table.Th ta="end">Capped</Table.Th>
              <Table.Th ta="end">Blocked</Table.Th>
              <Table.Th>Mostly because</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {sorted.map(({ id, name, to, reasons }) => {
              const { fired, capped, blocked } = outcomeOf(reasons);
              return (
                <Table.Tr key={id}>
                  <Table.Td>
                    <Anchor component={Link} to={to} size="sm">
                      {name}
                    </Anchor>
                  </Table.Td>
                  <Table.Td ta="end">{count(fired)}</Table.Td>
                  <Table.Td ta="end">{count(capped)}</Table.Td>
                  <Table.Td ta="end">{count(blocked)}</Table.Td>
                  <Table.Td>{mainObstacle(reasons)}</Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </section>
    </Paper>
  );
}

function mainObstacle(reasons: Reasons): string {
  const obstacles = Object.entries(reasons).filter(
    ([reason]) => !['delivered', 'removed', 'later', 'fallback'].includes(reason),
  );
  const [main] = obstacles.sort(([, a], [, b]) => b - a);
  return main ? meaningOf(main[0]) : '–';
}
