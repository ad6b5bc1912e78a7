/** Whether what was saved last is in force everywhere. */
import { Tooltip } from '@mantine/core';
import { Link } from 'react-router';
import { useAnswer } from './api.ts';
import { many } from './figures.ts';
import classes from './publishing-state.module.css';

export interface Nodes {
  /** The revision that should be in force. */
  readonly revision: number;
  readonly nodes: readonly NodeState[];
}

export interface NodeState {
  readonly node: string;
  readonly revision: number;
  /** When it said so last: Unix milliseconds. */
  readonly at: number;
  /** When it took that revision over: Unix milliseconds. */
  readonly since: number;
  /** Why it is behind. */
  readonly problem?: string;
}

export type Publishing = 'live' | 'publishing' | 'problem';

export function publishingOf({ revision, nodes }: Nodes): Publishing {
  if (nodes.some(({ problem }) => problem)) return 'problem';
  return nodes.every((node) => node.revision >= revision) ? 'live' : 'publishing';
}

const WORDS: Record<Publishing, string> = {
  live: 'Live',
  publishing: 'Publishing…',
  problem: 'Not live everywhere',
};

/** Polled: another person's change is published, too. */
export const useNodes = () => useAnswer<Nodes>('/nodes', { refetchInterval: 5_000 });

export function PublishingState() {
  const { data } = useNodes();
  if (!data) return null;
  const state = publishingOf(data);
  const behind = data.nodes.filter((node) => node.problem || node.revision < data.revision).length;
  const label =
    behind === 0
      ? `Everything saved is in force on ${many(data.nodes.length, 'node')}`
      : `${many(behind, 'node')} of ${data.nodes.length} not yet at revision ${data.revision}`;
  return (
    <Tooltip label={label} position="right">
      <Link to="/activity/nodes" className={classes.state} data-state={state}>
        <span className={classes.light} aria-hidden />
        <span>{WORDS[state]}</span>
        <span className={classes.revision}>revision {data.revision}</span>
      </Link>
    </Tooltip>
  );
}
