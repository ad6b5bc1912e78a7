import { Badge, Button, Checkbox, Group, Stack, Switch, Textarea, TextInput } from '@mantine/core';
import { IconDatabase, IconPlus } from '@tabler/icons-react';
import { Link, useNavigate, useParams } from 'react-router';
import type { AccountDocument } from '../../../account/document.ts';
import { EntryPanel } from '../entry-panel.tsx';
import { LABELS, titleOf } from '../export-labels.ts';
import { Listing } from '../listing.tsx';
import type { Column } from '../rows.tsx';
import { StatusBadge } from '../rules/status.tsx';
import { useMay } from '../session.tsx';
import { Empty } from '../state.tsx';
import { Frame } from './frame.tsx';

type DataSource = AccountDocument['dataSources'][number];

const COLUMNS: readonly Column<DataSource>[] = [
  { title: 'Name', sortBy: 'name', show: ({ name }) => name },
  { title: 'ID', sortBy: 'dataSourceId', show: ({ dataSourceId }) => dataSourceId, width: '6rem' },
  {
    title: 'Integration code',
    sortBy: 'integrationCode',
    show: ({ integrationCode }) => integrationCode,
  },
  {
    title: 'May not be used for',
    show: ({ dataExportRestrictions }) =>
      dataExportRestrictions?.length ? (
        <Group gap={4}>
          {dataExportRestrictions.map((label) => (
            <Badge key={label} color="amber">
              {titleOf(label)}
            </Badge>
          ))}
        </Group>
      ) : null,
  },
  {
    title: 'Status',
    sortBy: 'status',
    show: ({ status }) => <StatusBadge status={status} />,
    width: '6rem',
  },
];

export function DataSources() {
  const { id } = useParams();
  const navigate = useNavigate();
  const mayEdit = useMay('editor');
  const add = mayEdit && (
    <Button
      component={Link}
      to="/settings/data-sources/new"
      leftSection={<IconPlus size={16} aria-hidden />}
    >
      New data source
    </Button>
  );
  return (
    <Frame
      title="Data sources"
      lead="Where traits come from, and what their data may not be used for. A segment that rests on restricted data cannot be mapped to a destination that uses it so."
      actions={add}
    >
      <Listing
        label="Data sources"
        path="/datasources"
        columns={COLUMNS}
        idOf={({ dataSourceId }) => dataSourceId}
        linkTo={({ dataSourceId }) => `/settings/data-sources/${dataSourceId}`}
        search="Name or integration code"
        initialSort={{ by: 'name', isDescending: false }}
        empty={
          <Empty
            icon={IconDatabase}
            title="No data sources yet"
            text="Each trait belongs to one: your website, your shop, a partner."
            action={add}
          />
        }
      />
      <EntryPanel<Partial<DataSource>>
        path="/datasources"
        list="dataSources"
        noun="data source"
        id={id}
        empty={{ name: '', status: 'active' }}
        nameOf={({ name }) => name ?? ''}
        close={() => navigate('/settings/data-sources')}
        affects={['/segments', '/traits']}
        farewell="Traits of a data source keep it from being deleted."
        fields={['name', 'description', 'integrationCode', 'status', 'dataExportRestrictions']}
        form={(edit) => (
          <>
            <TextInput label="Name" data-autofocus {...edit.field('name', '')} />
            <Textarea
              label="Description"
              description="Optional"
              autosize
              minRows={2}
              {...edit.field('description', '')}
            />
            <TextInput
              label="Integration code"
              description="Optional: what your own systems call it"
              {...edit.field('integrationCode', '')}
            />
            <Checkbox.Group
              label="This data may not be used for"
              description="A destination says what it uses data for; segments with this data are kept from it."
              value={edit.value.dataExportRestrictions ?? []}
              onChange={(dataExportRestrictions) => edit.set({ dataExportRestrictions })}
              error={edit.problems.at('dataExportRestrictions')}
            >
              <Stack gap="sm" mt="sm">
                {LABELS.map(({ label, title, meaning }) => (
                  <Checkbox key={label} value={label} label={title} description={meaning} />
                ))}
              </Stack>
            </Checkbox.Group>
            <Switch
              label="Active"
              checked={edit.value.status !== 'inactive'}
              onChange={(event) =>
                edit.set({ status: event.currentTarget.checked ? 'active' : 'inactive' })
              }
            />
          </>
        )}
      />
    </Frame>
  );
}
