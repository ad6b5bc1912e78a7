/** How many visitors a segment has, or how many recorded requests realize a trait, before it is saved. */
import { Alert, Button, Group, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { type ApiError, api } from '../api.ts';
import { count, many, share } from '../figures.ts';
import { wordsOf } from '../notice.tsx';
import classes from './estimate.module.css';
import type { Rule } from './rule.ts';

interface Common {
  /** Where it can be asked for again, if it is not done at once. */
  readonly estimateId?: string;
  readonly state: 'running' | 'done' | 'failed';
  /** From 0 to 1. */
  readonly progress: number;
  readonly problem?: string;
}

/** Of a segment: stored visitors who qualify. */
interface OfVisitors extends Common {
  readonly visitors?: number;
  readonly low?: number;
  readonly high?: number;
  readonly confidence?: number;
  readonly sampled?: number;
  readonly total?: number;
  readonly isExact?: boolean;
}

/** Of a trait: recorded requests that would realize it. */
interface OfCalls extends Common {
  readonly calls?: number;
  readonly matching?: number;
  /** Keys of the rule whose values are never recorded. */
  readonly privateKeys?: readonly string[];
}

type Estimate = OfVisitors & OfCalls;

/** Whoever goes on typing would only start what nobody waits for. */
const PAUSE_MS = 600;
const POLL_MS = 500;

interface Question {
  readonly segmentRule?: string;
  readonly traitRule?: string;
  /** Whether everybody is to be looked at. */
  readonly exact?: boolean;
}

function useEstimate(question: Question | undefined) {
  const client = useQueryClient();
  const key = question && JSON.stringify(question);
  const asked = useQuery<Estimate, ApiError>({
    queryKey: ['estimates', 'asked', key],
    queryFn: () => api.post<Estimate>('/estimates', question),
    enabled: question !== undefined,
    // A census is not taken again because time goes by.
    staleTime: question?.exact ? Number.POSITIVE_INFINITY : 30_000,
    refetchOnWindowFocus: false,
    // Others' estimates come first.
    retry: (times, { status }) => status === 429 && times < 20,
    retryDelay: (_, { retryAfter = 5 }) => retryAfter * 1_000,
  });
  const id = asked.data?.estimateId;
  const isRunning = asked.data?.state === 'running';
  const answer = useQuery<Estimate, ApiError>({
    queryKey: ['estimates', id],
    queryFn: ({ signal }) => api.get<Estimate>(`/estimates/${id}`, signal),
    enabled: id !== undefined && isRunning,
    refetchInterval: ({ state }) =>
      state.data === undefined || state.data.state === 'running' ? POLL_MS : false,
    refetchOnWindowFocus: false,
  });
  return {
    estimate: answer.data ?? asked.data,
    error: asked.error ?? answer.error,
    again: async () => {
      await asked.refetch();
      await client.resetQueries({ queryKey: ['estimates', id] });
    },
    /** Who asks once more begins anew. */
    drop: () => {
      if (id === undefined) return;
      client.removeQueries({ queryKey: ['estimates', 'asked', key] });
      client.removeQueries({ queryKey: ['estimates', id] });
      // It is counted to its end at worst.
      void api.remove(`/estimates/${id}`).catch(() => undefined);
    },
  };
}

interface EstimateOfProps {
  readonly rule: Pick<Rule<unknown>, 'text' | 'settled' | 'problem'>;
  readonly of: 'segmentRule' | 'traitRule';
}

export function EstimateOf({ rule, of }: EstimateOfProps) {
  const isRight = rule.problem === undefined && rule.settled === rule.text;
  const [settled] = useDebouncedValue(isRight ? rule.text : '', PAUSE_MS);
  const isAsked = isRight && settled === rule.text;
  const { estimate, error, again } = useEstimate(isAsked ? { [of]: settled } : undefined);
  return (
    <Paper withBorder p="md" component="section" aria-label="Estimate">
      <Stack gap={6}>
        <Title order={2} size="h3">
          {of === 'segmentRule' ? 'How many visitors' : 'How many requests'}
        </Title>
        <div role="status" className={classes.answer}>
          {!isRight ? (
            <Text size="sm" c="dimmed">
              {rule.problem
                ? 'As soon as the rule is complete, an estimate appears here.'
                : 'Waiting for a pause…'}
            </Text>
          ) : error ? (
            <Failure words={wordsOf(error)} again={again} />
          ) : estimate?.state === 'failed' ? (
            <Failure words={estimate.problem ?? 'it could not be computed'} again={again} />
          ) : estimate?.state === 'done' ? (
            of === 'segmentRule' ? (
              <VisitorsOf key={settled} rule={settled} estimate={estimate} />
            ) : (
              <Calls estimate={estimate} />
            )
          ) : (
            <Running of={of} progress={estimate?.progress ?? 0} />
          )}
        </div>
      </Stack>
    </Paper>
  );
}

function Running({ of, progress }: { of: EstimateOfProps['of']; progress: number }) {
  return (
    <Stack gap={6}>
      <Text size="sm" c="dimmed">
        Looking at {of === 'segmentRule' ? 'stored visitors' : 'recorded requests'}…
      </Text>
      <Progress value={progress * 100} aria-label="Progress of the estimate" />
    </Stack>
  );
}

function Failure({ words, again }: { words: string; again: () => void }) {
  return (
    <Alert color="amber" icon={<IconAlertTriangle aria-hidden />} title="No estimate">
      <Group justify="space-between" gap="xs">
        <Text size="sm">{words}</Text>
        <Button size="xs" variant="default" onClick={again}>
          Try again
        </Button>
      </Group>
    </Alert>
  );
}

function Figure({ value, unit, children }: { value: string; unit: string; children: ReactNode }) {
  return (
    <>
      <p className={classes.figure}>
        <b>{value}</b> {unit}
      </p>
      <Text size="sm" c="dimmed">
        {children}
      </Text>
    </>
  );
}

/** What a sample says, until everybody was looked at. */
function VisitorsOf({ rule, estimate }: { rule: string; estimate: OfVisitors }) {
  const [isWanted, setWanted] = useState(false);
  const census = useEstimate(isWanted ? { segmentRule: rule, exact: true } : undefined);
  const { state, progress = 0, problem } = census.estimate ?? {};
  const isCounted = isWanted && !census.error && (state === undefined || state === 'running');
  // Nobody waits for it any more where the rule is changed, or the page is left.
  const leave = useRef<() => void>(undefined);
  leave.current = isCounted ? census.drop : undefined;
  useEffect(() => () => leave.current?.(), []);

  if (estimate.isExact) return <Visitors estimate={estimate} />;
  if (census.estimate && state === 'done') return <Visitors estimate={census.estimate} />;
  return (
    <Stack gap="xs">
      <Visitors estimate={estimate} />
      {isCounted ? (
        <>
          <Group justify="space-between" gap="xs" wrap="nowrap">
            <Text size="sm" c="dimmed">
              Counting all of them; this stops when you leave.
            </Text>
            <Button
              size="xs"
              variant="default"
              onClick={() => {
                census.drop();
                setWanted(false);
              }}
            >
              Stop
            </Button>
          </Group>
          <Progress value={progress * 100} aria-label="Progress of the exact count" />
        </>
      ) : census.error || state === 'failed' ? (
        <Failure
          words={census.error ? wordsOf(census.error) : (problem ?? 'it could not be counted')}
          again={census.again}
        />
      ) : (
        <Group>
          <Button size="xs" variant="default" onClick={() => setWanted(true)}>
            Count exactly
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function Visitors({ estimate }: { estimate: OfVisitors }) {
  const { visitors = 0, low = 0, high = 0, confidence = 0.95, sampled = 0, total = 0 } = estimate;
  const part = total > 0 ? ` (${share(visitors / total)})` : '';
  if (estimate.isExact) {
    return (
      <Figure value={count(visitors)} unit={visitors === 1 ? 'visitor' : 'visitors'}>
        Counted exactly, of {many(total, 'stored visitor')}
        {part}.
      </Figure>
    );
  }
  return (
    <>
      <Figure value={`about ${count(rounded(visitors))}`} unit={`visitors${part}`}>
        {count(low)} to {count(high)}, {share(confidence)} sure, from a sample of {count(sampled)}{' '}
        of {many(total, 'stored visitor')}.
      </Figure>
      <Range {...{ visitors, low, high, total }} />
    </>
  );
}

/** More digits than the sample carries would say too much. */
function rounded(n: number): number {
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, n))) - 2);
  return Math.round(n / digits) * digits;
}

function Range({
  visitors,
  low,
  high,
  total,
}: Record<'visitors' | 'low' | 'high' | 'total', number>) {
  // As wide as is needed to tell the three apart.
  const end = Math.min(total, Math.max(1, high * 1.6));
  const at = (n: number) => `${Math.min(100, (n / end) * 100)}%`;
  return (
    <div className={classes.range} aria-hidden>
      <span style={{ left: at(low), right: `calc(100% - ${at(high)})` }} data-band />
      <span style={{ left: at(visitors) }} data-point />
    </div>
  );
}

function Calls({ estimate }: { estimate: OfCalls }) {
  const { calls = 0, matching = 0, privateKeys = [] } = estimate;
  if (calls === 0) {
    return (
      <Text size="sm" c="dimmed">
        No requests have been recorded yet. As soon as pages call, this says how many of them the
        rule matches.
      </Text>
    );
  }
  return (
    <Figure value={count(matching)} unit={`of the last ${many(calls, 'recorded request')}`}>
      {matching === 0
        ? 'None of them would have realized this trait.'
        : `${share(matching / calls)} of them would have realized this trait.`}
      {privateKeys.length > 0 &&
        ` ${privateKeys.join(', ')}: private, and so never recorded; it counts as missing here.`}
    </Figure>
  );
}
