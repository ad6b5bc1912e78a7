/**
 * What the REST interface offers, as data that its description is made from (`openapi.ts`). Each
 * feature exports its own part, beside the routes that do it:
 *
 * @example
 * export const notePaths: Paths = {
 *   '/v1/notes/{noteId}': {
 *     get: { summary: 'A note', answers: { 200: ['The note.', noteSchema] }, refusals: [404] },
 *     put: { summary: 'Write a note', role: 'editor', body: noteSchema, ifMatch: true,
 *            answers: { 204: ['Written.'] }, refusals: [400, 412] },
 *   },
 * };
 */
import type { z } from 'zod';
import type { Role } from './caller.ts';

/** The schema that checks it, or the name of one of the account's own, such as `segment`. */
export type Shape = z.ZodType | string;

export interface Operation {
  readonly summary: string;
  /** The least that the caller has to be; not said: a viewer; `nobody`: it needs no login. */
  readonly role?: Role | 'nobody';
  /** Parameters of the query, with what they mean. */
  readonly query?: Readonly<Record<string, string>>;
  /** Whether it takes the ETag of what was read, and refuses (412) what was changed since. */
  readonly ifMatch?: boolean;
  readonly body?: Shape;
  /** What is answered where all is well, by status, in words; and its shape, where it has a body. */
  readonly answers: Readonly<Record<number, readonly [meaning: string, shape?: Shape]>>;
  /** How else it may end, besides 401, and 403 for who may not. */
  readonly refusals?: readonly (keyof typeof REFUSALS)[];
}

/** Operations by path and method; what stands in `{ }` in a path is a parameter. */
export type Paths = Readonly<
  Record<string, Partial<Readonly<Record<'get' | 'post' | 'put' | 'delete', Operation>>>>
>;

/** What the statuses of errors mean, in whichever operation. */
export const REFUSALS = {
  400: 'A field is wrong: every error, its path, what is wrong, what to write instead.',
  401: 'Nobody is logged in, or the key or token is wrong.',
  403: 'The role of the caller is not enough.',
  404: 'There is none with this id.',
  409: 'Others stand against it: an id that is taken, or something that still needs it.',
  412: 'It was changed since it was read (If-Match).',
  413: 'The body is too large.',
  429: 'Too often; the header Retry-After says when to try again.',
  503: 'What is needed for it does not run, or cannot be reached now.',
} as const;
