/** What the editors look up: traits by name or id, keys and values of recorded calls. */
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { api, keyOf, type Listed, withQuery } from '../api.ts';
import type { KnownTrait, KnownTraits } from './language.ts';
import type { Lexicon } from './rule-view.ts';

const OFFERED = 20;
/** So many ids fit into one address. */
const IDS_AT_ONCE = 500;
const FRESH_MS = 30_000;

/** A key of signals, and examples of its values. */
export interface KnownSignal {
  readonly key: string;
  readonly values: readonly string[];
}

function look<T>(client: QueryClient, path: string): Promise<T> {
  return client.fetchQuery({
    queryKey: keyOf(path),
    queryFn: ({ signal }) => api.get<T>(path, signal),
    staleTime: FRESH_MS,
  });
}

/** Traits whose name has the text in it, or that have it as their id; few, the best first. */
export async function searchTraits(
  client: QueryClient,
  search: string,
): Promise<readonly KnownTrait[]> {
  const id = /^(\d{1,10})t?$/i.exec(search.trim())?.[1];
  const [byId, page] = await Promise.all([
    id ? look<KnownTrait[]>(client, `/traits?ids=${id}`) : [],
    look<Listed<KnownTrait>>(
      client,
      withQuery('/traits', { search: search.trim(), sortBy: 'name', page: 0, pageSize: OFFERED }),
    ),
  ]);
  return [...byId, ...page.list.filter(({ sid }) => byId[0]?.sid !== sid)];
}

export const searchSignals = (client: QueryClient, search: string) =>
  look<readonly KnownSignal[]>(client, withQuery('/signals', { search }));

/** Examples of a key's values. */
export async function valuesOf(client: QueryClient, key: string): Promise<readonly string[]> {
  const found = await searchSignals(client, key);
  return found.find((signal) => signal.key === key)?.values ?? [];
}

export function useLexicon(): Lexicon {
  const client = useQueryClient();
  return useMemo(
    () => ({
      traits: (search) => searchTraits(client, search),
      keys: async (search) => (await searchSignals(client, search)).map(({ key }) => key),
      values: (key) => valuesOf(client, key),
    }),
    [client],
  );
}

/** What is known of these traits; what is not known yet is asked for, many at a time. */
export function useKnownTraits(
  ids: readonly number[],
): readonly [KnownTraits, learn: (trait: KnownTrait) => void] {
  const [known, setKnown] = useState<KnownTraits>(() => new Map());
  const add = useCallback(
    (more: Iterable<[number, KnownTrait | null]>) =>
      setKnown((before) => new Map([...before, ...more])),
    [],
  );
  const missing = useMemo(() => ids.filter((id) => !known.has(id)), [ids, known]);

  useEffect(() => {
    const asked = missing.slice(0, IDS_AT_ONCE);
    if (asked.length === 0) return;
    const abort = new AbortController();
    api
      .get<readonly KnownTrait[]>(`/traits?ids=${asked.join(',')}`, abort.signal)
      .then((found) => {
        const byId = new Map(found.map((trait) => [trait.sid, trait]));
        add(asked.map((id) => [id, byId.get(id) ?? null]));
      })
      // Without an answer, a name is missing and nothing is said to be wrong.
      .catch(() => undefined);
    return () => abort.abort();
  }, [missing, add]);

  const learn = useCallback((trait: KnownTrait) => add([[trait.sid, trait]]), [add]);
  return [known, learn];
}
