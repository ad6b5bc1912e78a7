import { useAnswer, withQuery } from '../api.ts';

/** The server looks up so many ids at a time. */
const MOST = 500;

/** The names of entries of a list, by id. */
export function useNames(path: '/segments' | '/destinations', ids: readonly number[]) {
  const asked = ids.slice(0, MOST).join(',');
  const { data } = useAnswer<readonly { sid?: number; destinationId?: number; name: string }[]>(
    withQuery(path, { ids: asked }),
    { enabled: ids.length > 0, staleTime: 30_000 },
  );
  return new Map(data?.map(({ sid, destinationId, name }) => [sid ?? destinationId, name]));
}
