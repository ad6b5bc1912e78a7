/**
 * What can still be checked of a document whose shape is wrong somewhere, so that a person is told
 * every error at once: the entries that are right by themselves, compiled without the others.
 */
import type { z } from 'zod';
import { type AccountDocument, accountSchema } from './document.ts';
import type { Problem } from './problem.ts';

export interface Salvage {
  readonly document: AccountDocument;
  /** Translates problems of that document to places in the whole one; drops what it cannot judge. */
  readonly inWhole: (problems: readonly Problem[]) => Problem[];
}

const LISTS = ['dataSources', 'folders', 'traits', 'segments', 'destinations', 'sites'] as const;
const IDS = ['dataSourceId', 'folderId', 'sid', 'destinationId', 'siteId'];

export function salvage(input: unknown): Salvage {
  const whole = (typeof input === 'object' && input !== null ? input : {}) as Record<
    string,
    unknown
  >;
  const lists: Record<string, unknown[]> = {};
  /** By list, the place in the whole document of each entry that is right. */
  const places: Record<string, number[]> = {};
  const lost = new Set<string>();
  for (const list of LISTS) {
    const entrySchema = accountSchema.shape[list].element as z.ZodType;
    lists[list] = [];
    places[list] = [];
    const entries = whole[list];
    if (!Array.isArray(entries)) continue;
    entries.forEach((entry, place) => {
      const { success, data } = entrySchema.safeParse(entry);
      if (success) {
        lists[list].push(data);
        places[list].push(place);
      } else for (const id of IDS) if (entry?.[id] !== undefined) lost.add(String(entry[id]));
    });
  }
  return {
    document: { organizationId: undefined, ...lists } as AccountDocument,
    inWhole: (problems) =>
      problems
        // Whether an entry exists that could not be read is not known.
        .filter(({ wrong }) => !lost.has(/^there is no .* (\d+)$/.exec(wrong)?.[1] ?? ''))
        .map((problem) => ({
          ...problem,
          path: problem.path.replace(/^(\w+)\[(\d+)\]/, (_, list, place) => {
            return `${list}[${places[list][Number(place)]}]`;
          }),
        })),
  };
}
