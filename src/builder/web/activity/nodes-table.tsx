import { Badge, Paper, Text } from '@mantine/core';
import { IconServer } from '@tabler/icons-react';
import { PreviousVisitors } from '../deliveries/previous-visitors.tsx';
import { many } from '../figures.ts';
import { Moment } from '../moment.tsx';
import { type NodeState, publishingOf, useNodes } from '../publishing-state.tsx';
import { type Column, Rows } from '../rows.tsx';
import { Answered, Empty } from '../state.tsx';
import { Frame } from './frame.tsx';

const columns = (wanted: number): readonly Column<NodeState>[] => [
  { title: 'Node', show: ({ node }) => node },
  { title: 'In force', show: ({ revision }) => `revision ${revision}`, width: '9rem' },
  {
    title: 'State',
    show: ({ revision, problem }) =>
      problem ? (
        <Badge color="red">not taken over</Badge>
      ) : revision >= wanted ? (
        <Badge color="green">live</Badge>
      ) : (
        <Badge color="amber">publishing</Badge>
      ),
    width: '9rem',
  },
  { title: 'Since', show: ({ since }) => <Moment at={since} />, width: '10rem' },
  { title: 'Heard of', show: ({ at }) => <Moment at={at} />, width: '9rem', isExtra: true },
  { title: 'Why', show: ({ problem }) => problem && <Text size="sm">{problem}</Text> },
];

/** Which revision is in force on each node. */
export function NodesTable() {
  const query = useNodes();
  return (
    <Frame
      title="Nodes"
      lead="Each process that answers pages, and which revision of the account is in force there. A change is everywhere within a second."
      beside={query.data && <Verdict {...query.data} />}
    >
      <Paper withBorder style={{ overflow: 'clip' }}>
        <Answered query={query}>
          {({ revision, nodes }) =>
            nodes.length > 0 ? (
              <Rows
                label="Nodes"
                entries={nodes}
                columns={columns(revision)}
                idOf={({ node }) => node}
              />
            ) : (
              <Empty icon={IconServer} title="No node has said anything yet" />
            )
          }
        </Answered>
      </Paper>
      <PreviousVisitors />
    </Frame>
  );
}

function Verdict({ revision, nodes }: { revision: number; nodes: readonly NodeState[] }) {
  const state = publishingOf({ revision, nodes });
  if (state === 'live') {
    return (
      <Badge color="green">
        revision {revision} is live on {many(nodes.length, 'node')}
      </Badge>
    );
  }
  const color = state === 'problem' ? 'red' : 'amber';
  return <Badge color={color}>revision {revision} is not live everywhere</Badge>;
}
