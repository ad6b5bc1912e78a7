/** Yes, no or later: as a sign, a word and a colour. */
import { Badge } from '@mantine/core';
import { isLater, isReserve, isYes } from './trace.ts';

interface VerdictProps {
  readonly reason: string;
  /** What "yes" is called here: fired, in, realized. */
  readonly yes: string;
  readonly no: string;
}

export function Verdict({ reason, yes, no }: VerdictProps) {
  if (isYes(reason)) return <Badge color="green">✓ {yes}</Badge>;
  if (isLater(reason)) return <Badge color="violet">… later</Badge>;
  if (isReserve(reason)) return <Badge color="gray">↷ if blocked</Badge>;
  return <Badge color="amber">✕ {no}</Badge>;
}
