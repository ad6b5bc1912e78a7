/** The routes of estimates: how many stored visitors qualify for a rule, how many calls realize a trait. */
import { Hono } from 'hono';
import { z } from 'zod';
import {
  compileAccountInTurns,
  readSegmentRule,
  readTraitRule,
  type Snapshot,
} from '../account/snapshot.ts';
import type { FrontDoor } from '../collect/event.ts';
import type { Registry } from '../store/registry.ts';
import type { AccountBook, Document } from './book.ts';
import { callEstimateSchema, estimateOfCalls } from './call-estimate.ts';
import type { Behind } from './caller.ts';
import { Estimates, estimateSchema } from './estimate.ts';
import type { Paths } from './operation.ts';
import { bodyIn, either, RestError } from './request.ts';

const questionSchema = z.strictObject({
  segmentRule: z
    .string()
    .optional()
    .meta({ description: 'Such as 123T AND FREQUENCY([456T] <= 5D) >= 3.' }),
  traitRule: z
    .string()
    .optional()
    .meta({ description: 'Instead of a segment rule: how many recorded calls realize it.' }),
  exact: z.boolean().optional().meta({
    description:
      'Whether all visitors are looked at, by a process that delivers; not of a traitRule.',
  }),
});

export const estimatePaths: Paths = {
  '/v1/estimates': {
    post: {
      summary: 'Estimate how many stored visitors qualify for a rule, in the background',
      body: questionSchema,
      answers: {
        200: ['Of a trait rule: the recorded calls that would realize it.', callEstimateSchema],
        202: ['The estimate; asked again within a minute, the same one.', estimateSchema],
      },
      refusals: [400, 429],
    },
  },
  '/v1/estimates/{estimateId}': {
    get: {
      summary: 'An estimate as it is now; forgotten after an hour',
      answers: { 200: ['The estimate.', estimateSchema] },
      refusals: [404],
    },
    delete: {
      summary: 'Forget an estimate; one that is counted exactly is not counted to its end',
      answers: { 204: ['Forgotten.'] },
      refusals: [404],
    },
  },
};

const missing = {
  path: 'segmentRule',
  wrong: 'missing',
  instead: 'write a rule, or a traitRule instead of it',
};

const both = {
  path: 'traitRule',
  wrong: 'there is a segmentRule, too',
  instead: 'ask for one of them',
};

const inexact = {
  path: 'exact',
  wrong: 'recorded calls are always looked at all together',
  instead: 'leave it out, or ask for a segmentRule',
};

const tooMany = {
  path: '(address)',
  wrong: 'many estimates wait to be counted already',
  instead: 'ask again in a few seconds',
};

export function estimates(book: AccountBook, registry: Registry, door: FrontDoor): Hono<Behind> {
  const app = new Hono<Behind>();
  const asked = new Estimates(registry, door.store, (message, error) =>
    door.report(message, { tid: '', error }),
  );

  app.on('POST', either('/estimates'), async (c) => {
    const { segmentRule, traitRule, exact } = await bodyIn(c, questionSchema);
    if (traitRule !== undefined) {
      if (segmentRule !== undefined) throw new RestError(400, both);
      if (exact) throw new RestError(400, inexact);
      return c.json(await estimateOfCalls(readTraitRule(traitRule, 'traitRule'), registry));
    }
    if (segmentRule === undefined) throw new RestError(400, missing);
    const { revision, document } = await book.current();
    const snapshot = await withTraitsOf(segmentRule, door.snapshot(), document as Document);
    const rule = readSegmentRule(segmentRule, 'segmentRule', snapshot);
    const estimate = exact
      ? await asked.askExactly(rule, revision)
      : await asked.ask(rule, snapshot, revision);
    if (!estimate) return c.json({ errors: [tooMany] }, 429, { 'Retry-After': '5' });
    return c.json(estimate, 202, { Location: `/v1/estimates/${estimate.estimateId}` });
  });

  app.on('GET', either('/estimates/:estimateId{[\\w-]+}'), async (c) => {
    const estimateId = c.req.param('estimateId') ?? '';
    const estimate = await asked.get(estimateId);
    if (!estimate) throw unknownEstimate(estimateId);
    return c.json(estimate);
  });

  app.on('DELETE', either('/estimates/:estimateId{[\\w-]+}'), async (c) => {
    const estimateId = c.req.param('estimateId') ?? '';
    if (!(await asked.forget(estimateId))) throw unknownEstimate(estimateId);
    return c.body(null, 204);
  });

  return app;
}

const unknownEstimate = (estimateId: string) =>
  new RestError(404, {
    path: '(address)',
    wrong: `there is no estimate ${estimateId}, or none any more`,
    instead: 'ask for one by POST /v1/estimates',
  });

/** The account that this process decides by; the one saved last where a rule names what only that has. */
async function withTraitsOf(
  rule: string,
  snapshot: Snapshot,
  document: Document,
): Promise<Snapshot> {
  const { traitPlaces } = snapshot;
  const missing = new Set(
    [...rule.matchAll(/(\d+)T\b/gi)]
      .map(([, sid]) => Number(sid))
      .filter((sid) => !traitPlaces.has(sid)),
  );
  if (missing.size === 0) return snapshot;
  const traits = (document.traits ?? []) as readonly { sid?: unknown }[];
  const isSaved = traits.some(({ sid }) => missing.has(sid as number));
  return isSaved ? compileAccountInTurns(document) : snapshot;
}
