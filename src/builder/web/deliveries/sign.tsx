/** What is wrong with delivery, as a word and a sign. */
import { Badge, Tooltip } from '@mantine/core';
import { Link } from 'react-router';
import { many } from '../figures.ts';
import type { Delivery } from './delivery.ts';

/** Nothing where nothing is wrong. */
export function Sign({ of }: { of: Delivery | undefined }) {
  if (!of) return null;
  const { destinationId, problem, dead } = of;
  const to = `/destinations/${destinationId}/delivery`;
  return (
    <>
      {problem && (
        <Tooltip label={problem} multiline maw={360}>
          <Badge component={Link} to={to} color="amber">
            ⚠ Partner away
          </Badge>
        </Tooltip>
      )}
      {dead > 0 && (
        <Tooltip label={`${many(dead, 'message')} could not be delivered and were given up`}>
          <Badge component={Link} to={to} color="red">
            ✕ {many(dead, 'dead letter')}
          </Badge>
        </Tooltip>
      )}
    </>
  );
}
