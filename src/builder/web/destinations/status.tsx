/** Whether a destination can fire, as a word and a sign. */
import { Badge } from '@mantine/core';
import type { Destination } from './destination.ts';

export function Status({ of: { status } }: { of: Destination }) {
  return status === 'inactive' ? (
    <Badge color="gray">○ Off</Badge>
  ) : (
    <Badge color="green">● Active</Badge>
  );
}
