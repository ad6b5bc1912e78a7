/** Folders of traits: choosing one shows what is in it and below it. */
import { Select, UnstyledButton } from '@mantine/core';
import { IconChevronRight, IconFolder, IconFolderOpen, IconStack2 } from '@tabler/icons-react';
import { useState } from 'react';
import type { FolderNode, Folders } from '../rules/folders.ts';
import classes from './traits.module.css';

/** So few stand open. */
const FEW = 3;

interface FolderTreeProps {
  readonly folders: Folders;
  readonly chosen: number | undefined;
  readonly choose: (id: number | undefined) => void;
}

export function FolderTree({ folders, chosen, choose }: FolderTreeProps) {
  return (
    <nav aria-label="Folders" className={classes.folders}>
      <Select
        className={classes.folderSelect}
        aria-label="Folder"
        placeholder="All folders"
        searchable
        clearable
        limit={100}
        data={[...folders.all]}
        value={chosen === undefined ? null : String(chosen)}
        onChange={(value) => choose(value ? Number(value) : undefined)}
      />
      <ul className={classes.tree}>
        <li>
          <UnstyledButton
            className={classes.folder}
            aria-current={chosen === undefined ? 'true' : undefined}
            onClick={() => choose(undefined)}
          >
            <IconStack2 size={16} stroke={1.6} aria-hidden />
            All traits
          </UnstyledButton>
        </li>
        {folders.roots.map((node) => (
          <Branch
            key={node.folderId}
            isOpenAtFirst={folders.roots.length <= FEW}
            {...{ node, chosen, choose }}
          />
        ))}
      </ul>
    </nav>
  );
}

const holds = (node: FolderNode, id: number): boolean =>
  node.folderId === id || node.children.some((child) => holds(child, id));

interface BranchProps {
  readonly node: FolderNode;
  readonly chosen: number | undefined;
  readonly choose: (id: number) => void;
  readonly isOpenAtFirst?: boolean;
}

function Branch({ node, chosen, choose, isOpenAtFirst = false }: BranchProps) {
  const { folderId, name, children } = node;
  const [isOpen, setOpen] = useState(
    () => isOpenAtFirst || (chosen !== undefined && holds(node, chosen)),
  );
  const isChosen = chosen === folderId;
  const Icon = isChosen ? IconFolderOpen : IconFolder;
  return (
    <li>
      <span className={classes.branch}>
        <UnstyledButton
          className={classes.folder}
          aria-current={isChosen ? 'true' : undefined}
          onClick={() => {
            choose(folderId);
            setOpen(true);
          }}
        >
          <Icon size={16} stroke={1.6} aria-hidden />
          {name}
        </UnstyledButton>
        {children.length > 0 && (
          <UnstyledButton
            className={classes.unfold}
            aria-expanded={isOpen}
            aria-label={`Folders in ${name}`}
            onClick={() => setOpen(!isOpen)}
          >
            <IconChevronRight size={14} aria-hidden />
          </UnstyledButton>
        )}
      </span>
      {isOpen && children.length > 0 && (
        <ul>
          {children.map((child) => (
            <Branch key={child.folderId} node={child} {...{ chosen, choose }} />
          ))}
        </ul>
      )}
    </li>
  );
}
