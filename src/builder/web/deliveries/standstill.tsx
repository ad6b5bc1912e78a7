/** Says that nothing at all is delivered now, and why. */
import { Alert, Text } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { LOOK_MS, useDeliveries } from './delivery.ts';

export function Standstill() {
  const { data } = useDeliveries(LOOK_MS);
  if (!data?.problem) return null;
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
