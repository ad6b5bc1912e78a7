/** What happened at a destination in the last day, and how it stands. */
import { Anchor, Group, Paper, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useAnswer, withQuery } from '../api.ts';
import { useDelivery } from '../deliveries/delivery.ts';
import { PreviousVisitors } from '../deliveries/previous-visitors.tsx';
import { Sign } from '../deliveries/sign.tsx';
import { Standstill } from '../deliveries/standstill.tsx';
import { count, share } from '../figures.ts';
import { Moment } from '../moment.tsx';
import { useNames } from '../reports/use-names.ts';
import type { Destination } from './destination.ts';
import type { DayReport } from './list.tsx';
import classes from './overview.module.css';
import { DestinationSections } from './sections.tsx';
import { Sparkline } from './sparkline.tsx';

interface OverviewProps {
  readonly destinationId: number;
  /** As it is in force, or as its draft has it. */
  readonly destination: Destination;
}

export function Overview({ destinationId, destination }: OverviewProps) {
  const { data } = useAnswer<readonly DayReport[]>('/reports/destinations', {
    refetchInterval: 15_000,
  });
  const { destinationType } = destination;
  const report = data?.find((one) => one.destinationId === destinationId);
  const isServer = destinationType === 'S2S';
  return (
    <>
      {isServer && <DestinationSections destinationId={destinationId} />}
      {data && (
        <Paper withBorder px="lg" py="sm" component="section" aria-label="The last 24 hours">
          <Stack gap="xs">
            <Group justify="space-between" gap="md">
              <div className={classes.figures}>
                {isServer ? (
                  <Sent
                    destinationId={destinationId}
                    report={report}
                    isFile={destination.transfer === 'file'}
                  />
                ) : (
                  <Fired report={report} isCookie={destinationType === 'ADS'} />
                )}
              </div>
              <Group gap="md">
                {isServer ? (
                  <Anchor component={Link} size="sm" to={`/destinations/${destinationId}/delivery`}>
                    Delivery
                  </Anchor>
                ) : (
                  <Anchor component={Link} size="sm" to={`/why?destination=${destinationId}`}>
                    Why did it not fire?
                  </Anchor>
                )}
                <Anchor component={Link} size="sm" to={`/reports/destinations/${destinationId}`}>
                  Report
                </Anchor>
              </Group>
            </Group>
            {destinationType === 'PUSH' && <FallsBackTo id={destination.fallbackDestinationId} />}
            {isServer && <FallbackOf id={destinationId} />}
          </Stack>
        </Paper>
      )}
      {isServer && <Standstill />}
      {isServer && <PreviousVisitors isOnlyRunning />}
    </>
  );
}

function Fired({ report, isCookie }: { report: DayReport | undefined; isCookie: boolean }) {
  const { fired = 0, loaded = 0, failed = 0, timedOut = 0, hours = [] } = report ?? {};
  const one = isCookie ? 'cookie' : 'call';
  const seen = loaded + failed + timedOut;
  return (
    <>
      <Figure
        value={count(fired)}
        name={`${fired === 1 ? one : `${one}s`}${isCookie ? ' written' : ''}`}
      />
      {hours.length > 0 && <Sparkline values={hours} noun={one} />}
      {!isCookie && seen > 0 && (
        <Figure value={share(loaded / seen)} name={`arrived, of ${count(seen)} that the tag saw`} />
      )}
      {failed + timedOut > 0 && (
        <Figure value={count(failed + timedOut)} name="failed or timed out" />
      )}
    </>
  );
}

interface SentProps {
  readonly destinationId: number;
  readonly report: DayReport | undefined;
  /** Of files no messages are counted. */
  readonly isFile: boolean;
}

function Sent({ destinationId, report, isFile }: SentProps) {
  const { data } = useDelivery(destinationId);
  const { fired = 0, hours = [] } = report ?? {};
  return (
    <>
      {!isFile && (
        <>
          <Figure
            value={count(fired)}
            name={fired === 1 ? 'message arrived' : 'messages arrived'}
          />
          {hours.length > 0 && <Sparkline values={hours} noun="message" />}
        </>
      )}
      {data && (isFile || data.waiting > 0) && (
        <Figure
          value={count(data.waiting)}
          name={`${data.waiting === 1 ? 'visitor waits' : 'visitors wait'}${isFile ? ' for the next file' : ''}`}
        />
      )}
      {data?.deliveredAt !== undefined && (
        <Text span size="sm" c="dimmed">
          the last <Moment at={data.deliveredAt} />
        </Text>
      )}
      <Sign of={data} />
    </>
  );
}

function Figure({ value, name }: { value: string; name: string }) {
  return (
    <span>
      <Text span fw={620}>
        {value}
      </Text>{' '}
      <Text span size="sm" c="dimmed">
        {name}
      </Text>
    </span>
  );
}

/** Where what a page's call could not bring goes instead. */
function FallsBackTo({ id }: { id: number | null | undefined }) {
  const names = useNames('/destinations', id ? [id] : []);
  if (!id) return null;
  return (
    <Relation>
      Where its call is blocked, <Named id={id} name={names.get(id)} /> is told instead.
    </Relation>
  );
}

interface Caller {
  readonly destinationId: number;
  readonly name: string;
}

/** Whose blocked calls a server-to-server destination stands in for. */
function FallbackOf({ id }: { id: number }) {
  const { data = [] } = useAnswer<readonly Caller[]>(
    withQuery('/destinations', { fallbackDestinationId: id }),
  );
  if (data.length === 0) return null;
  return (
    <Relation>
      It hears only of visitors for whom the call of{' '}
      {data.map(({ destinationId, name }, i) => (
        <span key={destinationId}>
          {i > 0 && ' or '}
          <Named id={destinationId} name={name} />
        </span>
      ))}{' '}
      was blocked.
    </Relation>
  );
}

const Relation = ({ children }: { children: ReactNode }) => (
  <Text size="sm" c="dimmed">
    {children}
  </Text>
);

const Named = ({ id, name }: { id: number; name: string | undefined }) => (
  <Anchor component={Link} size="sm" to={`/destinations/${id}`}>
    {name ?? `destination ${id}`}
  </Anchor>
);
