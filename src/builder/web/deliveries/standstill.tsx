/** Says what is wrong with delivery to all partners: nothing is delivered, or it is late. */
import { Alert, Text } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { Moment } from '../moment.tsx';
import { LOOK_MS, useDeliveries } from './delivery.ts';

/** At midnight, all whose time has come are late for a while. */
const LATE_MS = 3_600_000;

export function Standstill() {
  const { data } = useDeliveries(LOOK_MS);
  if (!data) return null;
  const [behindSince = Number.POSITIVE_INFINITY] = data.deliverers
    .flatMap((one) => one.behindSince ?? [])
    .sort((a, b) => a - b);
  if (!data.problem && behindSince < Date.now() - LATE_MS) {
    return (
      <Alert color="amber" title="Who leaves by time is told late">
        <Text size="sm">
          Since <Moment at={behindSince} isExact />, more visitors wait for their time than are
          looked at. Whoever runs the servers can have more of them looked at, by
          OUTBOUND_EXAMINED_PER_SECOND. Whoever enters or leaves by a visit is told at once.
        </Text>
      </Alert>
    );
  }
  if (!data.problem) return null;
  return (
    <Alert
      color="red"
      role="alert"
      icon={<IconPlugConnectedX aria-hidden />}
      title="Nothing is delivered now, to no partner"
    >
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {data.problem}
      </Text>
      <Text size="sm">
        Pages are answered, and what changes waits; nothing is lost. Whoever runs the servers finds
        more in the log of the process that delivers.
      </Text>
    </Alert>
  );
}
