/** Who uses a segment, or a trait. */
import { Anchor, List, Loader, Paper, Stack, Text, Title } from '@mantine/core';
import { Link } from 'react-router';
import { useAnswer, withQuery } from '../api.ts';
import { many } from '../figures.ts';

/** So many are named; how many more there are is said. */
const NAMED = 12;

export interface User {
  readonly to: string;
  readonly name: string;
}

export interface Users {
  readonly total: number;
  readonly list: readonly User[];
}

interface Found {
  readonly total: number;
  readonly list: readonly {
    readonly sid?: number;
    readonly destinationId?: number;
    readonly name: string;
  }[];
}

/** The destinations that a segment is mapped to. */
export function useDestinationsOf(segment: number | undefined): Users | undefined {
  const path = withQuery('/destinations', { containsSegment: segment, page: 0, pageSize: NAMED });
  const { data } = useAnswer<Found>(path, { enabled: segment !== undefined });
  return (
    data && {
      total: data.total,
      list: data.list.map(({ destinationId, name }) => ({
        to: `/destinations/${destinationId}`,
        name,
      })),
    }
  );
}

/** The segments whose rules name a trait. */
export function useSegmentsOf(trait: number | undefined): Users | undefined {
  const path = withQuery('/segments', { containsTrait: trait, page: 0, pageSize: NAMED });
  const { data } = useAnswer<Found>(path, { enabled: trait !== undefined });
  return (
    data && {
      total: data.total,
      list: data.list.map(({ sid, name }) => ({ to: `/segments/${sid}`, name })),
    }
  );
}

export function UserList({ users: { total, list } }: { users: Users }) {
  return (
    <List size="sm" spacing={4} listStyleType="none">
      {list.map(({ to, name }) => (
        <List.Item key={to}>
          <Anchor component={Link} to={to} size="sm">
            {name}
          </Anchor>
        </List.Item>
      ))}
      {total > list.length && (
        <List.Item>
          <Text size="sm" c="dimmed">
            and {many(total - list.length, 'other')}
          </Text>
        </List.Item>
      )}
    </List>
  );
}

interface UsedByProps {
  readonly title: string;
  readonly users: Users | undefined;
  /** What is said if there are none. */
  readonly none: string;
}

export function UsedBy({ title, users, none }: UsedByProps) {
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <Stack gap="xs">
        <Title order={2} size="h3">
          {title}
        </Title>
        {!users ? (
          <Loader size="xs" />
        ) : users.total === 0 ? (
          <Text size="sm" c="dimmed">
            {none}
          </Text>
        ) : (
          <UserList users={users} />
        )}
      </Stack>
    </Paper>
  );
}
