/** Folders of traits, and the folder traits that sum them up. */
import type { AccountDocument, TraitDocument } from './document.ts';
import type { Problem } from './problem.ts';

/** Folders nest at most this deep. Source: user guide, usage limits. */
const MAX_DEPTH = 5;

const NONE: readonly number[] = [];

export class FolderTree {
  readonly #parents = new Map<number, number | undefined>();

  constructor(folders: AccountDocument['folders'], problems: Problem[]) {
    for (const { folderId, parentFolderId } of folders) {
      this.#parents.set(folderId, parentFolderId || undefined);
    }
    folders.forEach(({ folderId, parentFolderId }, i) => {
      const path = `folders[${i}].parentFolderId`;
      if (parentFolderId && !this.has(parentFolderId)) {
        problems.push({
          path,
          wrong: `there is no folder ${parentFolderId}`,
          instead: 'write the folderId of a folder of this document, or leave it out',
        });
        this.#parents.set(folderId, undefined);
      } else if (this.#lineage(folderId).length > MAX_DEPTH) {
        problems.push({
          path,
          wrong: `the folder is more than ${MAX_DEPTH} deep, or inside itself`,
          instead: `write a folder that is at most ${MAX_DEPTH - 1} deep, or leave it out`,
        });
      }
    });
  }

  has(folder: number): boolean {
    return this.#parents.has(folder);
  }

  /** Places of the folder traits, by the folder that they sum up. */
  placesByFolder(traits: readonly TraitDocument[]): ReadonlyMap<number, number[]> {
    const places = new Map<number, number[]>();
    traits.forEach(({ traitType, folderId }, place) => {
      if (traitType !== 'FOLDER_TRAIT' || !folderId) return;
      places.set(folderId, [...(places.get(folderId) ?? []), place]);
    });
    return places;
  }

  /** Places of all folder traits that a trait in this folder is part of. */
  above(
    folder: number | undefined,
    placesByFolder: ReadonlyMap<number, number[]>,
  ): readonly number[] {
    if (folder === undefined) return NONE;
    return this.#lineage(folder).flatMap((f) => placesByFolder.get(f) ?? []);
  }

  /** The folder and those around it, innermost first; cut where it exceeds the limit. */
  #lineage(folder: number): number[] {
    const lineage: number[] = [];
    let at: number | undefined = folder;
    while (at !== undefined && lineage.length <= MAX_DEPTH) {
      lineage.push(at);
      at = this.#parents.get(at);
    }
    return lineage;
  }
}
