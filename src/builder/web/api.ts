/** Calls of the server's interface below `/v1`, and what the pages keep of their answers. */
import {
  keepPreviousData,
  type QueryClient,
  type QueryKey,
  type UseQueryOptions,
  type UseQueryResult,
  useQuery,
} from '@tanstack/react-query';
import type { Problem } from './problem.ts';

/** An answer that is no success; says everything that is wrong. */
export class ApiError extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  readonly problems: readonly Problem[];
  /** Seconds to wait before the next try, where the server says so. */
  readonly retryAfter: number | undefined;

  constructor(status: number, problems: readonly Problem[], retryAfter?: number) {
    super(problems.map(({ wrong }) => wrong).join('; ') || `Status ${status}`);
    this.status = status;
    this.problems = problems;
    this.retryAfter = retryAfter;
  }
}

/** An entry, and the mark of the state that it was read in. */
export interface Tagged<T> {
  readonly value: T;
  readonly etag: string | undefined;
}

/** A page of a list. */
export interface Listed<T> {
  readonly page: number;
  readonly pageSize: number;
  readonly total: number;
  readonly list: readonly T[];
}

interface Sending {
  readonly body?: unknown;
  /** Of what was looked at: the server refuses (412) where it is another by now. */
  readonly etag?: string;
  readonly signal?: AbortSignal;
}

async function call(method: string, path: string, { body, etag, signal }: Sending = {}) {
  const headers: Record<string, string> = { Accept: 'application/json' };
  // Other origins cannot send it unasked.
  if (method !== 'GET') headers['X-Requested-With'] = 'switchyard';
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (etag !== undefined) headers['If-Match'] = etag;
  let response: Response;
  try {
    response = await fetch(`/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiError(0, [
      { path: '', wrong: 'the server does not answer', instead: 'try again in a moment' },
    ]);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response: Response): Promise<ApiError> {
  const after = Number(response.headers.get('Retry-After')) || undefined;
  try {
    const { errors } = (await response.json()) as { errors: Problem[] };
    return new ApiError(response.status, errors, after);
  } catch {
    const wrong = `the server answered with status ${response.status}`;
    return new ApiError(response.status, [{ path: '', wrong, instead: 'try again' }], after);
  }
}

async function contentOf<T>(response: Response): Promise<T> {
  return (response.status === 204 ? undefined : await response.json()) as T;
}

const taggedIn = async <T>(response: Response): Promise<Tagged<T>> => ({
  value: await contentOf<T>(response),
  etag: response.headers.get('ETag') ?? undefined,
});

/** Paths are as they follow `/v1`, such as `/destinations/8001`. All throw `ApiError`. */
export const api = {
  get: async <T>(path: string, signal?: AbortSignal) =>
    contentOf<T>(await call('GET', path, { signal })),

  /** With the mark to send back with a change. */
  tagged: async <T>(path: string, signal?: AbortSignal): Promise<Tagged<T>> => {
    return taggedIn<T>(await call('GET', path, { signal }));
  },

  post: async <T>(path: string, body?: unknown, sending: Omit<Sending, 'body'> = {}) =>
    contentOf<T>(await call('POST', path, { ...sending, body })),

  put: async <T>(path: string, body: unknown, sending: Omit<Sending, 'body'> = {}) =>
    contentOf<T>(await call('PUT', path, { ...sending, body })),

  /** Writes what others may be writing too; with the mark of what is there now. */
  keep: async <T>(
    method: 'POST' | 'PUT',
    path: string,
    body: unknown,
    etag?: string,
  ): Promise<Tagged<T>> => taggedIn<T>(await call(method, path, { body, etag })),

  remove: async (path: string, etag?: string) => {
    await call('DELETE', path, { etag });
  },
};

type Parameter = string | number | boolean | undefined;

/** A path with its query; what is undefined or empty is left out. */
export function withQuery(path: string, query: Readonly<Record<string, Parameter>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** `/destinations/8001?x=1` → `['destinations', '8001', '?x=1']`: what is below a path has its start. */
export function keyOf(path: string): QueryKey {
  const [place, query] = path.split('?', 2);
  return [...place.split('/').filter(Boolean), ...(query ? [`?${query}`] : [])];
}

type Options<T> = Pick<
  UseQueryOptions<T, ApiError>,
  'enabled' | 'refetchInterval' | 'staleTime' | 'placeholderData'
>;

/** An answer of the server; shared between pages, and asked for again when it may be old. */
export function useAnswer<T>(path: string, options: Options<T> = {}): UseQueryResult<T, ApiError> {
  return useQuery<T, ApiError>({
    queryKey: keyOf(path),
    queryFn: ({ signal }) => api.get<T>(path, signal),
    ...options,
  });
}

/** Likewise, with the mark of the state that it was read in. */
export function useTagged<T>(path: string): UseQueryResult<Tagged<T>, ApiError> {
  return useQuery<Tagged<T>, ApiError>({
    queryKey: [...keyOf(path), 'tagged'],
    queryFn: ({ signal }) => api.tagged<T>(path, signal),
  });
}

/** Likewise, and the last answer stays while the next is on its way: for lists that are searched. */
export function useListed<T>(path: string, options: Options<Listed<T>> = {}) {
  return useAnswer<Listed<T>>(path, {
    placeholderData: keepPreviousData as Options<Listed<T>>['placeholderData'],
    ...options,
  });
}

/** Says that what these paths answer has changed: `changed(client, '/destinations', '/activity')`. */
export async function changed(client: QueryClient, ...paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => client.invalidateQueries({ queryKey: keyOf(path) })));
}
