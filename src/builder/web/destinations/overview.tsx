/** What happened at a destination in the last day. */
import { Anchor, Group, Paper, Text } from '@mantine/core';
import { Link } from 'react-router';
import { useAnswer } from '../api.ts';
import { count, share } from '../figures.ts';
import type { Kind } from './destination.ts';
import type { DayReport } from './list.tsx';
import classes from './overview.module.css';
import { Sparkline } from './sparkline.tsx';

export function Overview({ destinationId, kind }: { destinationId: number; kind: Kind }) {
  const { data } = useAnswer<readonly DayReport[]>('/reports/destinations', {
    refetchInterval: 15_000,
    enabled: kind !== 'S2S',
  });
  const report = data?.find((one) => one.destinationId === destinationId);
  if (!data || kind === 'S2S') return null;
  const { fired = 0, loaded = 0, failed = 0, timedOut = 0, hours = [] } = report ?? {};
  const isCookie = kind === 'ADS';
  const one = isCookie ? 'cookie' : 'call';
  const seen = loaded + failed + timedOut;
  return (
    <Paper withBorder px="lg" py="sm" component="section" aria-label="The last 24 hours">
      <Group justify="space-between" gap="md">
        <div className={classes.figures}>
          <Figure
            value={count(fired)}
            name={`${fired === 1 ? one : `${one}s`}${isCookie ? ' written' : ''}`}
          />
          {hours.length > 0 && <Sparkline values={hours} noun={one} />}
          {kind === 'PUSH' && seen > 0 && (
            <Figure
              value={share(loaded / seen)}
              name={`arrived, of ${count(seen)} that the tag saw`}
            />
          )}
          {failed + timedOut > 0 && (
            <Figure value={count(failed + timedOut)} name="failed or timed out" />
          )}
        </div>
        <Group gap="md">
          <Anchor component={Link} size="sm" to={`/why?destination=${destinationId}`}>
            Why did it not fire?
          </Anchor>
          <Anchor component={Link} size="sm" to={`/reports/destinations/${destinationId}`}>
            Report
          </Anchor>
        </Group>
      </Group>
    </Paper>
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
