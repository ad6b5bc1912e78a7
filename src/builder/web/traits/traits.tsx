import { Button, Select } from '@mantine/core';
import { IconPlus, IconTags } from '@tabler/icons-react';
import { lazy, useMemo } from 'react';
import { Link, Route, Routes, useSearchParams } from 'react-router';
import type { TraitDocument } from '../../../account/document.ts';
import { useAnswer } from '../api.ts';
import { many } from '../figures.ts';
import { Listing } from '../listing.tsx';
import { Missing } from '../missing.tsx';
import { Page } from '../page.tsx';
import type { Column } from '../rows.tsx';
import { useFolders } from '../rules/folders.ts';
import { RuleInShort } from '../rules/rule-in-short.tsx';
import ruleClasses from '../rules/rules.module.css';
import { StatusBadge } from '../rules/status.tsx';
import { TYPES } from '../rules/types.ts';
import { useMay } from '../session.tsx';
import { Empty } from '../state.tsx';
import { FolderTree } from './folder-tree.tsx';
import classes from './traits.module.css';

const TraitPage = lazy(() => import('./trait.tsx'));

export default function Traits() {
  return (
    <Routes>
      <Route index element={<All />} />
      <Route path="new" element={<TraitPage />} />
      <Route path=":id" element={<TraitPage />} />
      <Route path="*" element={<Missing />} />
    </Routes>
  );
}

interface DataSource {
  readonly dataSourceId: number;
  readonly name: string;
}

const TYPE_CHOICES = Object.entries(TYPES).map(([value, label]) => ({ value, label }));

function All() {
  const mayEdit = useMay('editor');
  const folders = useFolders();
  const { data: sources } = useAnswer<readonly DataSource[]>('/datasources', { staleTime: 60_000 });
  const [params, setParams] = useSearchParams();
  const folder = params.get('folder') ?? undefined;
  const traitType = params.get('type') ?? undefined;
  const filter = (name: string, value: string | null | undefined) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        if (value) next.set(name, value);
        else next.delete(name);
        next.delete('page');
        return next;
      },
      { replace: true },
    );

  const columns = useMemo<readonly Column<TraitDocument>[]>(() => {
    const sourceNames = new Map(sources?.map(({ dataSourceId, name }) => [dataSourceId, name]));
    return [
      {
        title: 'Name',
        sortBy: 'name',
        isName: true,
        width: '22%',
        show: ({ name, status }) => (
          <>
            {name} {status === 'inactive' && <StatusBadge status={status} />}
          </>
        ),
      },
      {
        title: 'Id',
        sortBy: 'sid',
        width: '5rem',
        show: ({ sid }) => <span className={ruleClasses.word}>{sid}</span>,
      },
      {
        title: 'Type',
        sortBy: 'traitType',
        width: '7.5rem',
        show: ({ traitType }) => <span className={ruleClasses.word}>{TYPES[traitType]}</span>,
      },
      { title: 'Rule', width: '21%', show: ({ traitRule }) => <RuleInShort text={traitRule} /> },
      {
        title: 'Folder',
        width: '15%',
        isExtra: true,
        show: ({ folderId }) => {
          const path = folders.pathOf(folderId);
          return path && <span title={path}>{path.split(' › ').at(-1)}</span>;
        },
      },
      {
        title: 'Data source',
        width: '14%',
        isExtra: true,
        show: ({ dataSourceId }) => sourceNames.get(dataSourceId) ?? dataSourceId,
      },
      {
        title: 'Kept for',
        sortBy: 'ttl',
        width: '6.5rem',
        show: ({ ttl, traitType }) =>
          traitType === 'FOLDER_TRAIT' ? '' : ttl === 0 ? 'ever' : many(ttl, 'day'),
      },
    ];
  }, [folders, sources]);

  const create = mayEdit && (
    <Button
      component={Link}
      to={folder ? `/traits/new?folder=${folder}` : '/traits/new'}
      leftSection={<IconPlus size={16} aria-hidden />}
    >
      New trait
    </Button>
  );
  return (
    <Page
      title="Traits"
      lead="What visitors did, or what is known of them. Segments are made of traits."
      actions={create}
    >
      <div className={classes.shelf} data-folders={folders.roots.length > 0 || undefined}>
        {folders.roots.length > 0 && (
          <FolderTree
            folders={folders}
            chosen={folder ? Number(folder) : undefined}
            choose={(id) => filter('folder', id === undefined ? null : String(id))}
          />
        )}
        <div>
          <Listing<TraitDocument>
            label="Traits"
            path="/traits"
            query={{ folderId: folder, traitType }}
            columns={columns}
            idOf={({ sid }) => sid}
            linkTo={({ sid }) => `/traits/${sid}`}
            search="Name, id, code or rule"
            initialSort={{ by: 'name', isDescending: false }}
            tools={
              <Select
                aria-label="Type"
                placeholder="All types"
                clearable
                w={150}
                data={TYPE_CHOICES}
                value={traitType ?? null}
                clearButtonProps={{ 'aria-label': 'All types' }}
                onChange={(value) => filter('type', value)}
              />
            }
            empty={
              <Empty
                icon={IconTags}
                title="No traits yet"
                text="A trait says what somebody did, such as looking at a concert. Segments are made of traits."
                action={create}
              />
            }
          />
        </div>
      </div>
    </Page>
  );
}
