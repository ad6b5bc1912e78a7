import {
  ActionIcon,
  Button,
  Paper,
  Select,
  Textarea,
  TextInput,
  UnstyledButton,
} from '@mantine/core';
import { IconChevronDown, IconChevronRight, IconFolder, IconPlus } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import type { AccountDocument } from '../../../account/document.ts';
import { useAnswer } from '../api.ts';
import { EntryPanel } from '../entry-panel.tsx';
import { Search } from '../listing.tsx';
import { useMay } from '../session.tsx';
import { Answered, Empty } from '../state.tsx';
import classes from './folders.module.css';
import { Frame } from './frame.tsx';

type Folder = AccountDocument['folders'][number];

/** Where there are more folders, only the outermost ones are open at first. */
const MANY = 60;

interface Branch {
  readonly folder: Folder;
  readonly inner: readonly Branch[];
}

/** Folders inside of their parents, by name. */
export function treeOf(folders: readonly Folder[]): Branch[] {
  const ids = new Set(folders.map(({ folderId }) => folderId));
  const byParent = Map.groupBy(folders, ({ parentFolderId }) =>
    parentFolderId && ids.has(parentFolderId) ? parentFolderId : 0,
  );
  const collator = new Intl.Collator('en', { numeric: true });
  const below = (parent: number): Branch[] =>
    (byParent.get(parent) ?? [])
      .toSorted((a, b) => collator.compare(a.name, b.name))
      .map((folder) => ({ folder, inner: below(folder.folderId) }));
  return below(0);
}

/** Where a folder is: Shop / Shoes / Boots */
function trailOf(folder: Folder, byId: ReadonlyMap<number, Folder>): Folder[] {
  const trail: Folder[] = [];
  for (let at: Folder | undefined = folder; at && !trail.includes(at); ) {
    trail.unshift(at);
    at = byId.get(at.parentFolderId ?? 0);
  }
  return trail;
}

export function Folders() {
  const { id } = useParams();
  const navigate = useNavigate();
  const mayEdit = useMay('editor');
  const query = useAnswer<readonly Folder[]>('/folders');
  const folders = query.data ?? [];
  const add = mayEdit && (
    <Button
      component={Link}
      to="/settings/folders/new"
      leftSection={<IconPlus size={16} aria-hidden />}
    >
      New folder
    </Button>
  );
  return (
    <Frame
      title="Folders"
      lead="Traits are kept in folders, up to five deep. A folder trait holds for whoever has any trait of its folder."
      actions={add}
    >
      <Answered query={query}>
        {(all) =>
          all.length === 0 ? (
            <Paper withBorder>
              <Empty
                icon={IconFolder}
                title="No folders yet"
                text="They keep many traits in order, and can be summed up by a folder trait."
                action={add}
              />
            </Paper>
          ) : (
            <Tree folders={all} />
          )
        }
      </Answered>
      <EntryPanel<Partial<Folder>>
        path="/folders"
        list="folders"
        noun="folder"
        id={id}
        empty={{ name: '' }}
        nameOf={({ name }) => name ?? ''}
        close={() => navigate('/settings/folders')}
        affects={['/traits']}
        farewell="Folders and traits inside of it keep it from being deleted."
        fields={['name', 'description', 'parentFolderId']}
        form={(edit) => (
          <>
            <TextInput label="Name" data-autofocus {...edit.field('name', '')} />
            <Select
              label="Inside of"
              searchable
              clearable
              placeholder="No other folder"
              data={parentsFor(edit.value.folderId, folders)}
              value={edit.value.parentFolderId ? String(edit.value.parentFolderId) : null}
              onChange={(parent) => edit.set({ parentFolderId: parent ? Number(parent) : null })}
              error={edit.problems.at('parentFolderId')}
              limit={200}
            />
            <Textarea
              label="Description"
              description="Optional"
              autosize
              minRows={2}
              {...edit.field('description', '')}
            />
          </>
        )}
      />
    </Frame>
  );
}

/** Folders that this one can be put into: not itself, and nothing inside of it. */
function parentsFor(id: number | undefined, folders: readonly Folder[]) {
  const byId = new Map(folders.map((folder) => [folder.folderId, folder]));
  return folders
    .map((folder) => ({ folder, trail: trailOf(folder, byId) }))
    .filter(({ trail }) => !trail.some(({ folderId }) => folderId === id))
    .map(({ folder, trail }) => ({
      value: String(folder.folderId),
      label: trail.map(({ name }) => name).join(' / '),
    }))
    .toSorted((a, b) => a.label.localeCompare(b.label));
}

function Tree({ folders }: { folders: readonly Folder[] }) {
  const [search, setSearch] = useState('');
  const branches = useMemo(() => {
    const wanted = search.toLowerCase();
    if (!wanted) return treeOf(folders);
    const byId = new Map(folders.map((folder) => [folder.folderId, folder]));
    const found = folders.filter(({ name }) => name.toLowerCase().includes(wanted));
    return treeOf([...new Set(found.flatMap((folder) => trailOf(folder, byId)))]);
  }, [folders, search]);
  return (
    <>
      <Search label="Name" value={search} onChange={setSearch} />
      <Paper withBorder p="sm">
        {branches.length > 0 ? (
          <Branches
            key={search}
            branches={branches}
            isOpen={search !== '' || folders.length <= MANY}
          />
        ) : (
          <Empty
            icon={IconFolder}
            title="Nothing found"
            text={`No folder is called “${search}”.`}
          />
        )}
      </Paper>
    </>
  );
}

function Branches({ branches, isOpen }: { branches: readonly Branch[]; isOpen: boolean }) {
  return (
    <ul className={classes.branches}>
      {branches.map((branch) => (
        <Item key={branch.folder.folderId} branch={branch} isOpenAtFirst={isOpen} />
      ))}
    </ul>
  );
}

function Item({ branch, isOpenAtFirst }: { branch: Branch; isOpenAtFirst: boolean }) {
  const [isOpen, setOpen] = useState(isOpenAtFirst);
  const navigate = useNavigate();
  const { folder, inner } = branch;
  const Sign = isOpen ? IconChevronDown : IconChevronRight;
  return (
    <li>
      <div className={classes.item}>
        {inner.length > 0 ? (
          <ActionIcon
            variant="subtle"
            color="gray"
            size="sm"
            aria-label={`Inside of ${folder.name}`}
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            <Sign size={16} aria-hidden />
          </ActionIcon>
        ) : (
          <span className={classes.gap} />
        )}
        <UnstyledButton
          className={classes.folder}
          onClick={() => navigate(`/settings/folders/${folder.folderId}`)}
        >
          <IconFolder size={17} stroke={1.6} aria-hidden />
          <span>{folder.name}</span>
          <span className={classes.id}>{folder.folderId}</span>
        </UnstyledButton>
      </div>
      {isOpen && inner.length > 0 && <Branches branches={inner} isOpen={isOpenAtFirst} />}
    </li>
  );
}
