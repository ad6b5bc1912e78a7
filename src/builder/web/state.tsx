/** What stands where data would: while it comes, where there is none, and where it cannot be had. */
import { Alert, Button, Center, Group, Loader, Stack, Text, Title } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ComponentType, ReactNode } from 'react';
import { wordsOf } from './notice.tsx';
import classes from './state.module.css';

export function Loading({ label = 'Loading' }: { label?: string }) {
  return (
    <Center mih={200} role="status" aria-label={label} className={classes.late}>
      <Loader />
    </Center>
  );
}

interface FailedProps {
  readonly error: unknown;
  readonly title?: string;
  readonly retry?: () => void;
}

export function Failed({ error, title = 'This could not be loaded', retry }: FailedProps) {
  return (
    <Alert color="red" title={title} icon={<IconAlertTriangle aria-hidden />} role="alert">
      <Group justify="space-between" gap="sm">
        <Text size="sm">{wordsOf(error)}</Text>
        {retry && (
          <Button variant="default" size="xs" onClick={retry}>
            Try again
          </Button>
        )}
      </Group>
    </Alert>
  );
}

interface EmptyProps {
  readonly icon?: ComponentType<{ size?: number; stroke?: number }>;
  readonly title: string;
  /** What would be here, and how it gets here. */
  readonly text?: ReactNode;
  readonly action?: ReactNode;
}

export function Empty({ icon: Icon, title, text, action }: EmptyProps) {
  return (
    <Center className={classes.empty}>
      <Stack align="center" gap="xs" maw={440} ta="center">
        {Icon && (
          <span className={classes.sign} aria-hidden>
            <Icon size={26} stroke={1.5} />
          </span>
        )}
        <Title order={2} size="h3">
          {title}
        </Title>
        {text && (
          <Text size="sm" c="dimmed" component="div">
            {text}
          </Text>
        )}
        {action}
      </Stack>
    </Center>
  );
}

/** The answer of a query, or what stands for it until it is there. */
export function Answered<T>({
  query,
  children,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failed error={query.error} retry={() => query.refetch()} />;
  return <Loading />;
}
