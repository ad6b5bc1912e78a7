/** What a list's query keeps, besides what it searches for. */
import type { Context } from 'hono';
import type { Document } from './book.ts';
import { type Entry, entriesOf, type Resource } from './resource.ts';

type Filter = (entry: Entry) => boolean;

/** Of destinations `destinationType`, of which there may be several, and `fallbackDestinationId`; of segments `containsTrait`; of traits `folderId`, with the folders below it, and `traitType`. */
export function filtersOf(c: Context, document: Document, { list }: Resource): Filter[] {
  const filters: Filter[] = [];
  const asked = (of: string, name: string, filter: (value: string) => Filter) => {
    const value = list === of ? c.req.query(name) : undefined;
    if (value !== undefined) filters.push(filter(value));
  };
  asked('destinations', 'destinationType', (types) => {
    const wanted = new Set(types.split(','));
    return (entry) => wanted.has(String(entry.destinationType));
  });
  asked(
    'destinations',
    'fallbackDestinationId',
    (id) => (entry) => String(entry.fallbackDestinationId) === id,
  );
  asked('segments', 'containsTrait', (trait) => {
    // 123T is in 1123T, but not as a trait.
    const named = new RegExp(`(?<![\\w.-])0*${RegExp.escape(trait)}T(?![\\w.-])`, 'i');
    return ({ segmentRule }) => named.test(String(segmentRule));
  });
  asked('traits', 'folderId', (folder) => {
    const within = foldersWithin(document, folder);
    return ({ folderId }) => within.has(String(folderId));
  });
  asked('traits', 'traitType', (type) => (entry) => entry.traitType === type);
  return filters;
}

/** The folder, and all below it. */
function foldersWithin(document: Document, folder: string): ReadonlySet<string> {
  const byParent = Map.groupBy(entriesOf(document, 'folders'), (entry) =>
    String(entry.parentFolderId),
  );
  const within = new Set([folder]);
  // A set that grows goes on with what is added.
  for (const id of within) {
    for (const { folderId } of byParent.get(id) ?? []) within.add(String(folderId));
  }
  return within;
}
