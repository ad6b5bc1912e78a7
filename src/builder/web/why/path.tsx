/** The path from signal to destination: what led there, and what stopped on the way. */
import { ActionIcon, Anchor, Group, Paper, Text, Title } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { type ApiError, api } from '../api.ts';
import { count, many } from '../figures.ts';
import { Failed, Loading } from '../state.tsx';
import type { Question } from './finding.tsx';
import classes from './path.module.css';
import {
  consequenceOf,
  isLater,
  isReserve,
  isYes,
  remedyOf,
  type Trace,
  type TracedDestination,
  type TracedSegment,
  type TracedTrait,
} from './trace.ts';
import { Verdict } from './verdict.tsx';

interface PathProps {
  readonly question: Question;
  readonly destination: number;
  readonly close: () => void;
}

/** So many mappings are followed; the rest is counted. */
const FOLLOWED = 20;

export function PathTo({ question, destination, close }: PathProps) {
  const { data, error, refetch } = useQuery<Trace, ApiError>({
    queryKey: ['trace', question, destination],
    queryFn: ({ signal }) => api.post<Trace>('/trace', { ...question, destination }, { signal }),
    staleTime: 5_000,
  });
  if (error) return <Failed error={error} retry={() => refetch()} />;
  if (!data) return <Loading label="Following the path" />;
  const [traced] = data.destinations;
  const remedy = remedyOf(traced.reason, destination);
  return (
    <Paper withBorder p="lg" component="section" aria-label={`The path to ${traced.name}`}>
      <Group justify="space-between" align="flex-start" wrap="nowrap" mb="md">
        <div>
          <Group gap="sm">
            <Title order={2}>{traced.name}</Title>
            <Verdict
              reason={traced.reason}
              yes={traced.reason === 'removed' ? 'removed' : 'fired'}
              no="not fired"
            />
          </Group>
          <Text size="sm" mt={4}>
            {sentence(data.reasons.destinations[traced.reason] ?? traced.reason)}{' '}
            {consequenceOf(traced.reason)}{' '}
            {remedy && (
              <Anchor component={Link} to={remedy.to} size="sm">
                {remedy.words}
              </Anchor>
            )}
          </Text>
        </div>
        <ActionIcon variant="subtle" color="gray" aria-label="Close the path" onClick={close}>
          <IconX size={18} aria-hidden />
        </ActionIcon>
      </Group>
      {traced.mappings.length > 0 && <Tracks trace={data} destination={traced} />}
      {traced.mappings.length > FOLLOWED && (
        <Text size="sm" c="dimmed" mt="sm">
          and {many(traced.mappings.length - FOLLOWED, 'more mapping')}
        </Text>
      )}
    </Paper>
  );
}

/** One track for each mapping, those that arrived first. */
function Tracks({ trace, destination }: { trace: Trace; destination: TracedDestination }) {
  const segments = new Map(trace.segments.map((segment) => [segment.sid, segment]));
  const traits = new Map(trace.traits.map((trait) => [trait.sid, trait]));
  const mappings = destination.mappings
    .toSorted((a, b) => Number(isYes(b.reason)) - Number(isYes(a.reason)))
    .slice(0, FOLLOWED);
  return (
    <ol className={classes.tracks}>
      {mappings.map(({ sid, reason }) => {
        const segment = segments.get(sid);
        if (!segment) return null;
        return (
          <li key={sid} className={classes.track}>
            <TraitStops segment={segment} traits={traits} reasons={trace.reasons.traits} />
            <SegmentStop segment={segment} traits={traits} reasons={trace.reasons.segments} />
            <MappingStop
              reason={reason}
              isReached={isYes(segment.reason)}
              words={trace.reasons.destinations[reason] ?? reason}
              destination={destination}
            />
          </li>
        );
      })}
    </ol>
  );
}

interface StopProps {
  readonly kind: string;
  readonly state: 'yes' | 'no' | 'open';
  readonly children: ReactNode;
}

function Stop({ kind, state, children }: StopProps) {
  return (
    <div className={classes.stop} data-state={state}>
      <span className={classes.kind}>{kind}</span>
      {children}
    </div>
  );
}

interface TraitStopsProps {
  readonly segment: TracedSegment;
  readonly traits: ReadonlyMap<number, TracedTrait>;
  readonly reasons: Readonly<Record<string, string>>;
}

const SHOWN_TRAITS = 6;

/** The traits that a segment's rule asks for, with what the page said of each. */
function TraitStops({ segment, traits, reasons }: TraitStopsProps) {
  const asked = [...(segment.segmentRule ?? '').matchAll(/(\d+)T\b/g)].map(([, sid]) =>
    Number(sid),
  );
  const own = [...new Set(asked)].flatMap((sid) => traits.get(sid) ?? []);
  return (
    <div className={classes.stops}>
      {own.slice(0, SHOWN_TRAITS).map((trait) => (
        <Stop key={trait.sid} kind="Trait" state={trait.has ? 'yes' : 'no'}>
          <Anchor component={Link} to={`/traits/${trait.sid}`} className={classes.name}>
            {trait.name}
          </Anchor>
          <Said trait={trait} />
          <Text size="xs" c="dimmed">
            {trait.has
              ? `The visitor has it, ${many(trait.count, 'time')}.`
              : 'The visitor does not have it.'}{' '}
            {trait.reason !== 'folder' && `This request: ${reasons[trait.reason] ?? trait.reason}.`}
          </Text>
        </Stop>
      ))}
      {own.length > SHOWN_TRAITS && (
        <Text size="xs" c="dimmed">
          and {count(own.length - SHOWN_TRAITS)} more traits
        </Text>
      )}
    </div>
  );
}

/** What the request carries of the keys that a trait's rule looks at. */
function Said({ trait: { traitRule, signals = [] } }: { trait: TracedTrait }) {
  return (
    <>
      {traitRule && <code className={classes.rule}>{traitRule}</code>}
      {signals.length > 0 && (
        <Text size="xs">
          The page said:{' '}
          {signals.map(({ key, values, isPrivate }, i) => (
            <span key={key}>
              {i > 0 && ', '}
              <code>{key}</code>
              {isPrivate ? ' (private, not shown)' : ` = ${values?.join(', ')}`}
            </span>
          ))}
        </Text>
      )}
    </>
  );
}

interface SegmentStopProps {
  readonly segment: TracedSegment;
  readonly traits: ReadonlyMap<number, TracedTrait>;
  readonly reasons: Readonly<Record<string, string>>;
}

function SegmentStop({ segment, traits, reasons }: SegmentStopProps) {
  const { sid, name, reason, because, segmentRule } = segment;
  const holds = isYes(reason);
  return (
    <Stop kind="Segment" state={holds ? 'yes' : 'no'}>
      <Anchor component={Link} to={`/segments/${sid}`} className={classes.name}>
        {name}
      </Anchor>
      {segmentRule && <code className={classes.rule}>{segmentRule}</code>}
      <Text size="xs" c="dimmed">
        {sentence(reasons[reason] ?? reason)}
        {because.length > 0 &&
          ` It is about ${because.map((one) => traits.get(one)?.name ?? `trait ${one}`).join(', ')}.`}
      </Text>
      {!holds && (
        <Anchor component={Link} to={`/segments/${sid}`} size="xs">
          {reason === 'inactive' ? 'Switch the segment on' : 'Change the rule'}
        </Anchor>
      )}
    </Stop>
  );
}

interface MappingStopProps {
  readonly reason: string;
  /** Whether the segment holds: else the mapping was never asked. */
  readonly isReached: boolean;
  readonly words: string;
  readonly destination: TracedDestination;
}

function MappingStop({ reason, isReached, words, destination }: MappingStopProps) {
  const remedy = isReached ? remedyOf(reason, destination.destinationId) : undefined;
  return (
    <Stop kind="Destination" state={stateOf(reason, isReached)}>
      <span className={classes.name}>{destination.name}</span>
      <Text size="xs" c="dimmed">
        {isReached ? sentence(words) : 'Not reached: the visitor is not in the segment.'}
      </Text>
      {remedy && !isYes(reason) && (
        <Anchor component={Link} to={remedy.to} size="xs">
          {remedy.words}
        </Anchor>
      )}
    </Stop>
  );
}

/** What goes out later has not been stopped. */
const stateOf = (reason: string, isReached: boolean): StopProps['state'] => {
  if (!isReached || isLater(reason) || isReserve(reason)) return 'open';
  return isYes(reason) ? 'yes' : 'no';
};

const sentence = (words: string) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
