/** What was decided for one request: signals, segments, and each destination with its reason. */
import { Alert, Badge, Group, Paper, Stack, Text, Title, UnstyledButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ApiError, api } from '../api.ts';
import { Failed, Loading } from '../state.tsx';
import { Consent } from './consent.tsx';
import classes from './finding.module.css';
import { PathTo } from './path.tsx';
import { isYes, type Trace } from './trace.ts';
import { Verdict } from './verdict.tsx';

/** A recorded call, or one that somebody has written. */
export type Question =
  | { readonly call: string }
  | { readonly url: string; readonly headers?: Readonly<Record<string, string>> };

interface FindingProps {
  readonly question: Question;
  /** The destination that is asked about. */
  readonly destination: number | undefined;
  readonly pick: (destinationId: number | undefined) => void;
}

export function Finding({ question, destination, pick }: FindingProps) {
  const { data, error, refetch } = useQuery<Trace, ApiError>({
    queryKey: ['trace', question],
    queryFn: ({ signal }) => api.post<Trace>('/trace', { ...question, brief: true }, { signal }),
    staleTime: 5_000,
  });
  if (error) return <Failed error={error} retry={() => refetch()} />;
  if (!data) return <Loading label="Finding out" />;
  const { signals, consent, errors, segments, destinations, reasons } = data;
  const holding = segments.filter(({ reason }) => isYes(reason));
  const sorted = destinations.toSorted(
    (a, b) => Number(isYes(b.reason)) - Number(isYes(a.reason)) || a.name.localeCompare(b.name),
  );
  return (
    <>
      {errors.length > 0 && (
        <Alert color="amber" title="The request itself has a problem">
          {errors.map(({ code, msg }) => (
            <div key={`${code} ${msg}`}>
              {msg} (code {code})
            </div>
          ))}
        </Alert>
      )}
      {destination !== undefined && (
        <PathTo question={question} destination={destination} close={() => pick(undefined)} />
      )}
      <Paper withBorder p="lg">
        <Stack gap="md">
          <Title order={2}>What was decided</Title>
          <Facts title="The page said">
            {Object.entries(signals).map(([key, values]) => (
              <Badge key={key} color="gray" className={classes.fact}>
                {key} = {values.join(', ')}
              </Badge>
            ))}
          </Facts>
          <Consent consent={consent} />
          <Facts title="So the visitor is in">
            {holding.map(({ sid, name }) => (
              <Badge key={sid} color="green" className={classes.fact}>
                {name}
              </Badge>
            ))}
          </Facts>
        </Stack>
        <ul className={classes.destinations}>
          {sorted.map(({ destinationId, name, reason }) => (
            <li key={destinationId}>
              <UnstyledButton
                className={classes.destination}
                aria-pressed={destinationId === destination}
                onClick={() => pick(destinationId)}
              >
                <span className={classes.name}>{name}</span>
                <Verdict
                  reason={reason}
                  yes={reason === 'removed' ? 'removed' : 'fired'}
                  no="not fired"
                />
                <Text span size="sm" c="dimmed" className={classes.reason}>
                  {reasons.destinations[reason] ?? reason}
                </Text>
                <span className={classes.more}>Show the path ›</span>
              </UnstyledButton>
            </li>
          ))}
        </ul>
      </Paper>
    </>
  );
}

function Facts({ title, children }: { title: string; children: React.ReactNode[] }) {
  return (
    <div>
      <Text size="sm" c="dimmed" mb={6}>
        {title}
      </Text>
      <Group gap={6}>
        {children.length > 0 ? children : <Text size="sm">nothing that any rule looks at</Text>}
      </Group>
    </div>
  );
}
