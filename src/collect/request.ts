/** Reads HTTP requests within the limits of the protocol. */
import { parseCookie } from 'cookie';
import type { RawCall } from './call.ts';

/** Bytes of a query and of a body. */
export const MAX_QUERY = 8 * 1024;
export const MAX_BODY = 32 * 1024;

/** A request that is refused by its form alone; the status says why. */
export class Refusal extends Error {
  readonly status: 413 | 414;

  constructor(status: 413 | 414, message: string) {
    super(message);
    this.status = status;
  }
}

/** What follows the path, as it was sent. */
export function queryOf(url: string, from = url.indexOf('?')): string {
  const hash = url.indexOf('#');
  return from === -1 ? '' : url.slice(from + 1, hash === -1 ? undefined : hash);
}

/**
 * A call without a body. Nothing is awaited: most calls are of this kind.
 *
 * @throws Refusal
 */
export function rawCall(request: Request, query: string, at: number): RawCall {
  if (query.length > MAX_QUERY) {
    throw new Refusal(414, `The query has more than ${MAX_QUERY} bytes; send it as a POST.`);
  }
  const { headers } = request;
  return {
    query,
    body: '',
    foreignBody: false,
    header: (name) => headers.get(name),
    cookies: parseCookie(headers.get('cookie') ?? ''),
    at,
  };
}

/** @throws Refusal */
export async function rawCallWithBody(
  request: Request,
  query: string,
  at: number,
): Promise<RawCall> {
  const raw = rawCall(request, query, at);
  const type = request.headers.get('content-type') ?? '';
  // Beacons send forms as plain text.
  if (/^(application\/x-www-form-urlencoded|text\/plain)\b|^$/i.test(type)) {
    return { ...raw, body: await readBody(request, MAX_BODY) };
  }
  return { ...raw, foreignBody: true };
}

/**
 * Reads a body of a limited size as text.
 *
 * @throws Refusal where it is larger, without reading the rest
 */
export async function readBody(request: Request, limit: number): Promise<string> {
  const refusal = () => new Refusal(413, `The body has more than ${limit} bytes.`);
  const length = request.headers.get('content-length');
  if (length !== null) {
    if (Number(length) > limit) throw refusal();
    return request.text();
  }
  if (!request.body) return '';
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > limit) {
      await reader.cancel();
      throw refusal();
    }
    chunks.push(value);
  }
  return new Blob(chunks as BlobPart[]).text();
}
