import { Tooltip } from '@mantine/core';
import { ago, moment, momentInFull } from './figures.ts';

interface MomentProps {
  /** Unix milliseconds. */
  readonly at: number | undefined | null;
  /** What stands there if it never was. */
  readonly never?: string;
  /** The date and time themselves, instead of how long ago that was. */
  readonly isExact?: boolean;
}

/** A point in time, as people say it; in full when pointed at. */
export function Moment({ at, never = '–', isExact = false }: MomentProps) {
  if (!at) return never;
  return (
    <Tooltip label={momentInFull(at)}>
      <time dateTime={new Date(at).toISOString()}>{isExact ? moment(at) : ago(at)}</time>
    </Tooltip>
  );
}
