/** What calls of the REST interface bring, and how what is wrong with them is said. */
import type { Context } from 'hono';
import type { z } from 'zod';
import { type Problem, problemsOf } from '../account/problem.ts';
import { readBody } from '../collect/request.ts';

/** An answer that is an error, said so that a person can mend it. */
export class RestError extends Error {
  readonly status: 400 | 403 | 404 | 409 | 412 | 429 | 503;
  readonly problems: readonly Problem[];

  constructor(status: RestError['status'], ...problems: Problem[]) {
    super(problems.map(({ path, wrong }) => `${path}: ${wrong}`).join('\n'));
    this.status = status;
    this.problems = problems;
  }
}

/** There is none of this kind with this id. */
export const unknown = (noun: string, id: string | number) =>
  new RestError(404, {
    path: '(address)',
    wrong: `there is no ${noun} ${id}`,
    instead: 'write the id of one that the list shows',
  });

/** Others have changed it since the caller has read it. */
export const stale = (what: string) =>
  new RestError(412, {
    path: 'If-Match',
    wrong: `${what} was changed meanwhile`,
    instead: 'get it again, and make the change to what it is now',
  });

/**
 * Refuses to replace what the caller has not seen.
 *
 * @param tag the ETag of what is there now
 */
export function demand(c: Context, tag: string, what = 'it'): void {
  const expected = c.req.header('If-Match');
  if (expected === undefined || expected === '*') return;
  if (!expected.split(',').some((one) => one.trim() === tag)) throw stale(what);
}

/** Of a destination with as many mappings as there may be segments. */
const MAX_ENTRY = 4 * 1024 * 1024;

/** @throws RestError, Refusal */
export async function jsonIn(c: Context, limit = MAX_ENTRY): Promise<unknown> {
  return parsed(await readBody(c.req.raw, limit));
}

/** @throws RestError */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RestError(400, {
      path: '(body)',
      wrong: `not JSON: ${(error as Error).message}`,
      instead: 'write an object in { }',
    });
  }
}

/** A body of a shape; everything that is wrong with it is said. */
export async function bodyIn<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
  limit?: number,
): Promise<z.output<Schema>> {
  const result = schema.safeParse(await jsonIn(c, limit), { reportInput: true });
  if (result.success) return result.data;
  throw new RestError(400, ...problemsOf(result.error));
}

/** Likewise the query. */
export function queryIn<Schema extends z.ZodType>(c: Context, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(c.req.query(), { reportInput: true });
  if (result.success) return result.data;
  throw new RestError(400, ...problemsOf(result.error));
}

/** A whole number of the query. */
export function numberIn(
  c: Context,
  name: string,
  { preset, min, max }: { preset: number; min: number; max: number },
): number {
  const text = c.req.query(name);
  if (text === undefined) return preset;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new RestError(400, {
    path: name,
    wrong: `${JSON.stringify(text)} is not possible`,
    instead: `write a whole number from ${min} to ${max}`,
  });
}

/** Which part of a list is asked for. */
export const pageIn = (c: Context): { page: number; pageSize: number } => ({
  page: numberIn(c, 'page', { preset: 0, min: 0, max: 999_999_999 }),
  pageSize: numberIn(c, 'pageSize', { preset: 20, min: 1, max: 1_000 }),
});

/** Scripts write addresses with and without a slash at the end. */
export const either = (path: string): string[] => [path, `${path}/`];
