/** What people ask of calls: why they were decided as they were, and what a draft would change. */
import { z } from 'zod';
import { isDeviceId } from '../collect/identity.ts';
import { KEPT_CALLS } from '../collect/recorded-call.ts';
import type { Paths } from './operation.ts';

/** Of `problemsOf`; a call may hold private values, so what it says of the input is left out. */
export const NO_CALL = 'no call of the collection endpoint';

/** Profiles count days in 16 bits. */
const LAST_TIME = 65_535 * 86_400_000;

const uuid = z
  .string()
  .refine(isDeviceId, { error: 'no device id|write its 38 digits, or leave it out' })
  .meta({ description: 'A device id: 38 digits.' });

const at = z.iso
  .datetime({
    offset: true,
    error: 'no time|write it such as "2026-11-23T10:00:00Z", or leave it out',
  })
  .refine((text) => Date.parse(text) >= 0 && Date.parse(text) < LAST_TIME, {
    error: 'a time that profiles cannot hold|write one from 1970 to 2149',
  })
  .optional();

const scope = {
  brief: z.boolean().default(false).meta({
    description:
      'Only traits that were realized or are held, only segments that hold or are mapped.',
  }),
  destination: z.int().optional().meta({
    description: 'Only what leads to this destination, with rules as text and signals.',
  }),
};

/** A call of anybody, as somebody writes it down. */
export const traceOfRequest = z.strictObject({
  url: z.string().regex(/^\/event(\?|$)/, {
    error: `${NO_CALL}|write it with its query, such as "/event?c_page=home"`,
  }),
  headers: z
    .record(z.string(), z.string())
    .refine(
      (headers) =>
        Object.entries(headers).every(
          ([name, value]) => /^[\w-]+$/.test(name) && /^[\t\x20-\x7e]*$/.test(value),
        ),
      { error: 'no set of headers|write names and values as HTTP has them' },
    )
    .default({}),
  uuid: uuid.optional(),
  at,
  ...scope,
});

/** A call that was recorded, of the visitor as they were then. */
export const traceOfCall = z.strictObject({
  call: z.string().meta({ description: 'The callId of a recorded call.' }),
  at,
  ...scope,
});

export const callsQuery = z.object({
  page: z.string().max(8_192).optional().meta({
    description:
      'A part of the address of the page, or the whole: then the calls of that page come first, and others of its site after them.',
  }),
  uuid: uuid.optional(),
  limit: z
    .string()
    .refine((text) => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= KEPT_CALLS, {
      error: `not possible|write a whole number from 1 to ${KEPT_CALLS}`,
    })
    .default('50')
    .meta({ description: 'At most so many; 50 if not given.' }),
});

const sid = z.int();
const destinationId = z.int();
const time = z.int().meta({ description: 'Unix time in milliseconds.' });

export const shownCall = z.object({
  callId: z.string().meta({ description: 'The transaction id (tid) of its answer.' }),
  at: time,
  uuid,
  page: z.string().nullable().meta({ description: 'The address of the page, if the call told.' }),
  url: z.string().meta({ description: 'Query and form body, without private keys (p_…).' }),
  headers: z.record(z.string(), z.string()),
  traits: z.array(sid).meta({ description: 'What it realized.' }),
  destinations: z.array(destinationId).meta({ description: 'What its answer called.' }),
});
export type ShownCall = z.output<typeof shownCall>;

export const trialRequest = z.strictObject({
  list: z.enum(['destinations', 'segments', 'traits']),
  entry: z.record(z.string(), z.unknown()).meta({
    description: 'With the id of one that there is, it takes its place; else it is a new one.',
  }),
});

const pixels = z.object({
  mean: z.number().meta({ description: 'URL calls of a page request.' }),
  max: z.int(),
});

export const trialResult = z.object({
  calls: z.int().meta({ description: 'Recorded calls that were tried.' }),
  from: time.nullable().meta({ description: 'When the oldest of them was; null: there is none.' }),
  to: time.nullable(),
  destinations: z
    .array(
      z.object({
        destinationId,
        name: z.string(),
        before: z.int().meta({ description: 'How often it was called: URLs, cookies, messages.' }),
        after: z.int(),
      }),
    )
    .meta({ description: 'Those that differ, and those that the entry is about.' }),
  pixels: z.object({ before: pixels, after: pixels }),
  privateKeys: z.array(z.string()).meta({
    description: 'Keys of the tried rule that are never recorded: it was tried without them.',
  }),
});
export type TrialResult = z.output<typeof trialResult>;

export const signalsQuery = z.object({
  search: z.string().max(255).default('').meta({ description: 'A part of the key.' }),
});

export const signalsShown = z.array(
  z.object({
    key: z.string(),
    values: z.array(z.string()).meta({ description: 'Examples; none of private keys (p_…).' }),
  }),
);
export type SignalsShown = z.output<typeof signalsShown>;

const meanings = (schema: z.ZodObject): Record<string, string> =>
  Object.fromEntries(
    Object.entries(schema.shape).map(([name, field]) => [name, field.meta()?.description ?? '']),
  );

export const questionPaths: Paths = {
  '/v1/calls': {
    get: {
      summary: 'Page requests that were recorded, newest first',
      query: meanings(callsQuery),
      answers: { 200: ['The calls.', z.array(shownCall)] },
      refusals: [400],
    },
  },
  '/v1/trace': {
    post: {
      summary: 'Why a call is decided as it is; nothing is stored or sent',
      body: z.union([traceOfRequest, traceOfCall]),
      answers: { 200: ['For each trait, segment, destination and mapping, the reason.'] },
      refusals: [400, 404, 413],
    },
  },
  '/v1/trials': {
    post: {
      summary: 'What an entry would change, tried on the recorded calls; nothing is saved',
      body: trialRequest,
      answers: { 200: ['What would be called more, and what less.', trialResult] },
      refusals: [400, 409, 429],
    },
  },
  '/v1/signals': {
    get: {
      summary: 'Keys that rules may look at, with examples from rules and recorded calls',
      query: meanings(signalsQuery),
      answers: { 200: ['At most 50 keys.', signalsShown] },
      refusals: [400],
    },
  },
};
