/** Folders of traits: their tree, and the way to each. */
import { useMemo } from 'react';
import { useAnswer } from '../api.ts';

export interface Folder {
  readonly folderId: number;
  readonly name: string;
  readonly parentFolderId?: number | null;
}

export interface FolderNode extends Folder {
  readonly children: readonly FolderNode[];
}

export class Folders {
  readonly #byId: ReadonlyMap<number, Folder>;
  /** Those that are in no other, by name. */
  readonly roots: readonly FolderNode[];

  constructor(folders: readonly Folder[]) {
    this.#byId = new Map(folders.map((folder) => [folder.folderId, folder]));
    const byParent = Map.groupBy(folders, ({ parentFolderId }) => parentFolderId || 0);
    const below = (id: number): FolderNode[] =>
      (byParent.get(id) ?? [])
        .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
        .map((folder) => ({ ...folder, children: below(folder.folderId) }));
    this.roots = below(0);
  }

  /** `Halfnote › Musical taste`; undefined for no folder. */
  pathOf(id: number | null | undefined): string | undefined {
    const names: string[] = [];
    let at = id ? this.#byId.get(id) : undefined;
    while (at && names.length < 10) {
      names.unshift(at.name);
      at = at.parentFolderId ? this.#byId.get(at.parentFolderId) : undefined;
    }
    return names.length > 0 ? names.join(' › ') : undefined;
  }

  /** Every folder with the way to it, as a select shows them. */
  get all(): readonly { readonly value: string; readonly label: string }[] {
    return [...this.#byId.keys()]
      .map((id) => ({ value: String(id), label: this.pathOf(id) as string }))
      .sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }));
  }
}

const NONE: readonly Folder[] = [];

export function useFolders(): Folders {
  const { data = NONE } = useAnswer<readonly Folder[]>('/folders', { staleTime: 60_000 });
  return useMemo(() => new Folders(data), [data]);
}
