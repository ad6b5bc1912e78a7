import { Button, NumberInput, TagsInput, TextInput } from '@mantine/core';
import { IconPlus, IconWorld } from '@tabler/icons-react';
import { Link, useNavigate, useParams } from 'react-router';
import type { SiteDocument } from '../../../account/document.ts';
import { EntryPanel } from '../entry-panel.tsx';
import { Listing } from '../listing.tsx';
import type { Column } from '../rows.tsx';
import { useMay } from '../session.tsx';
import { Empty } from '../state.tsx';
import { Frame } from './frame.tsx';

const few = (names: readonly string[]) =>
  names.length > 3
    ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
    : names.join(', ');

const COLUMNS: readonly Column<SiteDocument>[] = [
  { title: 'Name', sortBy: 'name', show: ({ name }) => name },
  { title: 'ID', sortBy: 'siteId', show: ({ siteId }) => siteId, width: '6rem' },
  { title: 'Domains', show: ({ domains }) => few(domains) },
  { title: 'Collection hosts', show: ({ hosts }) => few(hosts) || 'any' },
  {
    title: 'Pixels a page',
    sortBy: 'pageBudget',
    show: ({ pageBudget }) => pageBudget ?? 'no limit',
    align: 'end',
    width: '8rem',
  },
];

export function Sites() {
  const { id } = useParams();
  const navigate = useNavigate();
  const mayEdit = useMay('editor');
  const add = mayEdit && (
    <Button
      component={Link}
      to="/settings/sites/new"
      leftSection={<IconPlus size={16} aria-hidden />}
    >
      New site
    </Button>
  );
  return (
    <Frame
      title="Sites"
      lead="The sites whose pages call Switchyard. Destinations can be kept to some of them."
      actions={add}
    >
      <Listing
        label="Sites"
        path="/sites"
        columns={COLUMNS}
        idOf={({ siteId }) => siteId}
        linkTo={({ siteId }) => `/settings/sites/${siteId}`}
        search="Name"
        initialSort={{ by: 'name', isDescending: false }}
        empty={
          <Empty
            icon={IconWorld}
            title="No sites yet"
            text="Calls are only answered for pages of your sites."
            action={add}
          />
        }
      />
      <EntryPanel<Partial<SiteDocument>>
        path="/sites"
        list="sites"
        noun="site"
        id={id}
        empty={{ name: '', domains: [], hosts: [], redirectHosts: [] }}
        nameOf={({ name }) => name ?? ''}
        close={() => navigate('/settings/sites')}
        affects={['/destinations']}
        farewell="Pages of this site are no longer answered. Destinations that name it keep it from being deleted."
        fields={['name', 'domains', 'hosts', 'pageBudget', 'redirectHosts']}
        form={(edit) => (
          <>
            <TextInput label="Name" data-autofocus {...edit.field('name', '')} />
            <Names
              label="Domains"
              description="Of the site's pages; subdomains are included. Such as shop.example"
              value={edit.value.domains ?? []}
              onChange={(domains) => edit.set({ domains })}
              error={edit.problems.at('domains')}
            />
            <NumberInput
              label="Pixels a page"
              description="Optional: at most so many URL calls in one answer. Those with the highest priority go first."
              min={1}
              max={1000}
              allowDecimal={false}
              value={edit.value.pageBudget ?? ''}
              onChange={(value) => edit.set({ pageBudget: value === '' ? null : Number(value) })}
              error={edit.problems.at('pageBudget')}
            />
            <Names
              label="Collection hosts"
              description="Optional: host names of Switchyard that this site calls. Empty: any."
              value={edit.value.hosts ?? []}
              onChange={(hosts) => edit.set({ hosts })}
              error={edit.problems.at('hosts')}
            />
            <Names
              label="Redirect hosts"
              description="Optional: where an ID sync may send the browser. Such as partner.example"
              value={edit.value.redirectHosts ?? []}
              onChange={(redirectHosts) => edit.set({ redirectHosts })}
              error={edit.problems.at('redirectHosts')}
            />
          </>
        )}
      />
    </Frame>
  );
}

interface NamesProps {
  readonly label: string;
  readonly description: string;
  readonly value: string[];
  readonly onChange: (names: string[]) => void;
  readonly error: string | undefined;
}

/** Several host names: each is taken at Enter, comma or space; a pasted address is cut to its host. */
function Names({ onChange, ...props }: NamesProps) {
  return (
    <TagsInput
      {...props}
      splitChars={[',', ' ', '\n']}
      acceptValueOnBlur
      clearable={false}
      onChange={(names) => onChange(names.map(hostOf))}
    />
  );
}

const hostOf = (text: string) =>
  text
    .trim()
    .replace(/^https?:\/\//i, '')
    .replace(/\/.*$/, '');
