/** Which ids an account has ever given away: what is kept by an id must not come to somebody else. */

import { MAX_ID } from './document.ts';

/** The highest id that was ever used, by the field that holds it. */
export type UsedIds = Readonly<Record<string, number>>;

/** Traits and segments share theirs. */
const FIELDS: Readonly<Record<string, string>> = {
  dataSources: 'dataSourceId',
  folders: 'folderId',
  traits: 'sid',
  segments: 'sid',
  destinations: 'destinationId',
  sites: 'siteId',
};
const MAPPING_ID = 'destinationMappingId';

/** An edit leaves most lists the very same. */
const known = new WeakMap<readonly unknown[], number>();

/**
 * @param before what was used before these documents
 * @param documents such as before an edit and after it
 */
export function usedIds(before: UsedIds | undefined, ...documents: readonly unknown[]): UsedIds {
  const used: Record<string, number> = { ...before };
  const add = (field: string, id: number) => {
    used[field] = Math.max(used[field] ?? 0, id);
  };
  for (const document of documents) {
    const lists = (document ?? {}) as Readonly<Record<string, unknown>>;
    for (const [list, field] of Object.entries(FIELDS)) {
      add(
        field,
        highestIn(lists[list], (entries) => highest(entries, field)),
      );
    }
    for (const destination of Array.isArray(lists.destinations) ? lists.destinations : []) {
      add(MAPPING_ID, highestIn(destination?.mappings, highestOfMappings));
    }
  }
  return used;
}

function highestIn(list: unknown, find: (entries: readonly Entry[]) => number): number {
  if (!Array.isArray(list)) return 0;
  const found = known.get(list) ?? find(list);
  known.set(list, found);
  return found;
}

type Entry = Readonly<Record<string, unknown>> | null;

function highest(entries: readonly Entry[], field: string): number {
  let id = 0;
  for (const entry of entries) {
    const own = Number(entry?.[field]);
    // Those of mappings may be anything.
    if (Number.isInteger(own) && own <= MAX_ID) id = Math.max(id, own);
  }
  return id;
}

/** Those that have no ids are shown with the ones after the highest. */
const highestOfMappings = (mappings: readonly Entry[]) =>
  highest(mappings, MAPPING_ID) +
  mappings.filter((mapping) => mapping?.[MAPPING_ID] === undefined).length;
