/** What belongs to an entry of the account, counted for whoever looks at it. */
import type { Document } from './book.ts';
import { type Entry, entriesOf, type Resource } from './resource.ts';

/** What answers say of an entry beside what is in it. */
export function counting(
  document: Document,
  { list, id }: Resource,
): (entry: Entry) => Readonly<Record<string, number>> {
  if (list === 'destinations') {
    return ({ mappings }) => ({ mappingCount: ((mappings ?? []) as unknown[]).length });
  }
  if (list !== 'segments') return NO_COUNT;
  const destinations = destinationsOf(document);
  return (entry) => ({ destinationCount: destinations.get(Number(entry[id]))?.size ?? 0 });
}

const NO_COUNT = () => ({});

type BySegment = ReadonlyMap<number, ReadonlySet<Entry>>;

/** Made once for each state of the list. */
const known = new WeakMap<readonly Entry[], BySegment>();

/** The destinations to which each segment is mapped, by its sid. */
export function destinationsOf(document: Document): BySegment {
  const destinations = entriesOf(document, 'destinations');
  const before = known.get(destinations);
  if (before) return before;
  const bySegment = new Map<number, Set<Entry>>();
  for (const destination of destinations) {
    for (const { sid } of (destination.mappings ?? []) as Entry[]) {
      const those = bySegment.get(Number(sid));
      if (those) those.add(destination);
      else bySegment.set(Number(sid), new Set([destination]));
    }
  }
  known.set(destinations, bySegment);
  return bySegment;
}
