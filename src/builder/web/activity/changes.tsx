import { Badge, Text } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import { useNavigate, useParams } from 'react-router';
import { inShort } from '../difference.ts';
import { Listing } from '../listing.tsx';
import { Moment } from '../moment.tsx';
import type { Column } from '../rows.tsx';
import { Empty } from '../state.tsx';
import { ChangePanel } from './change-panel.tsx';
import { Frame } from './frame.tsx';

export interface ActivityEntry {
  readonly at: number;
  readonly by: string;
  readonly what: 'account' | 'people' | 'keys';
  /** Of the account, as this change made it. */
  readonly revision?: number;
  readonly changes: readonly string[];
  /** Whether what was before it is still known. */
  readonly canRestore: boolean;
}

const COLUMNS: readonly Column<ActivityEntry>[] = [
  { title: 'When', show: ({ at }) => <Moment at={at} />, width: '9rem', isBare: true },
  {
    title: 'What changed',
    show: ({ changes }) => inShort(changes),
    isName: true,
  },
  { title: 'Who', show: ({ by }) => by, width: '14rem' },
  {
    title: 'Revision',
    show: ({ revision }) =>
      revision === undefined ? null : (
        <Badge color="gray">
          <span>{revision}</span>
        </Badge>
      ),
    align: 'end',
    width: '6rem',
  },
];

export function Changes() {
  const { revision } = useParams();
  const navigate = useNavigate();
  return (
    <Frame
      title="Activity"
      lead="Who changed what, and when. Nothing is lost: you can go back to before any change."
    >
      <Listing<ActivityEntry>
        label="Activity"
        path="/activity"
        columns={COLUMNS}
        idOf={({ at, revision: number, changes }) => `${at} ${number} ${changes[0]}`}
        linkTo={({ revision: number }) =>
          number === undefined ? undefined : `/activity/${number}`
        }
        refetchInterval={15_000}
        empty={
          <Empty
            icon={IconHistory}
            title="Nothing has changed yet"
            text={
              <Text span inherit>
                Whatever people and scripts change is listed here, with the difference.
              </Text>
            }
          />
        }
      />
      <ChangePanel revision={revision} close={() => navigate('/activity')} />
    </Frame>
  );
}
