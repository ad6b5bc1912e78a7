import { Button, Text } from '@mantine/core';
import { IconPlus, IconUsersGroup } from '@tabler/icons-react';
import { lazy } from 'react';
import { Link, Route, Routes } from 'react-router';
import type { SegmentDocument } from '../../../account/document.ts';
import { count } from '../figures.ts';
import { Listing } from '../listing.tsx';
import { Missing } from '../missing.tsx';
import { Page } from '../page.tsx';
import type { Column } from '../rows.tsx';
import { SegmentRuleInShort, TraitNames } from '../rules/rule-in-short.tsx';
import classes from '../rules/rules.module.css';
import { StatusBadge } from '../rules/status.tsx';
import { useMay } from '../session.tsx';
import { Empty } from '../state.tsx';

const SegmentPage = lazy(() => import('./segment.tsx'));

export default function Segments() {
  return (
    <Routes>
      <Route index element={<All />} />
      <Route path="new" element={<SegmentPage />} />
      <Route path=":id" element={<SegmentPage />} />
      <Route path="*" element={<Missing />} />
    </Routes>
  );
}

type Segment = SegmentDocument & { readonly destinationCount?: number };

const COLUMNS: readonly Column<Segment>[] = [
  { title: 'Name', sortBy: 'name', isName: true, width: '20%', show: ({ name }) => name },
  {
    title: 'Id',
    sortBy: 'sid',
    width: '6rem',
    show: ({ sid }) => <span className={classes.word}>{sid}</span>,
  },
  {
    title: 'Rule',
    width: '38%',
    show: ({ segmentRule }) => <SegmentRuleInShort text={segmentRule} />,
  },
  {
    title: 'Status',
    sortBy: 'status',
    show: ({ status }) => <StatusBadge status={status} />,
  },
  {
    title: 'Integration code',
    sortBy: 'integrationCode',
    isExtra: true,
    show: ({ integrationCode }) => integrationCode ?? '',
  },
  {
    title: 'Destinations',
    sortBy: 'destinationCount',
    align: 'end',
    show: ({ destinationCount = 0 }) =>
      destinationCount === 0 ? (
        <Text span inherit c="dimmed">
          none
        </Text>
      ) : (
        count(destinationCount)
      ),
  },
];

function All() {
  const mayEdit = useMay('editor');
  const create = mayEdit && (
    <Button component={Link} to="/segments/new" leftSection={<IconPlus size={16} aria-hidden />}>
      New segment
    </Button>
  );
  return (
    <Page
      title="Segments"
      lead="Groups of visitors, by the traits that they have. Destinations get what is mapped for them."
      actions={create}
    >
      <TraitNames>
        <Listing<Segment>
          label="Segments"
          path="/segments"
          columns={COLUMNS}
          idOf={({ sid }) => sid}
          linkTo={({ sid }) => `/segments/${sid}`}
          search="Name, id, code or rule"
          initialSort={{ by: 'name', isDescending: false }}
          empty={
            <Empty
              icon={IconUsersGroup}
              title="No segments yet"
              text="A segment says which visitors belong together, such as everybody who looked at a concert twice this week."
              action={create}
            />
          }
        />
      </TraitNames>
    </Page>
  );
}
