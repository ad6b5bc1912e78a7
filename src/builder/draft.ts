/** Destinations that are being written and not in force yet, kept for everybody who edits. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { SECRETS } from '../account/secret.ts';
import { type Kept, type Registry, RegistryConflict } from '../store/registry.ts';
import { type Behind, changer } from './caller.ts';
import type { Paths } from './operation.ts';
import { bodyIn, demand, either, RestError, stale, unknown } from './request.ts';
import type { Entry } from './resource.ts';

/** A draft as it is kept; nothing secret is. */
interface Draft extends z.output<typeof draftSchema> {
  /** Who wrote it last. */
  readonly by: string;
  /** Unix milliseconds. */
  readonly createTime: number;
  readonly updateTime: number;
}

/** Of the body that is kept. */
const MAX_DRAFT = 4 * 1024 * 1024;
const MAX_DRAFTS = 1_000;

export function drafts(registry: Registry): Hono<Behind> {
  const app = new Hono<Behind>();
  const get = async (id: string) => {
    const kept = await registry.get<Draft>('draft', id);
    if (kept) return kept;
    throw unknown('draft', id);
  };

  app.on('GET', either('/drafts'), async (c) => {
    const all = await registry.list<Draft>('draft');
    const newest = all.sort((a, b) => b.value.updateTime - a.value.updateTime);
    return c.json(newest.map(inShort));
  });

  app.on('POST', either('/drafts'), async (c) => {
    const by = changer(c);
    const { draft, dropped } = open(await bodyIn(c, draftSchema, MAX_DRAFT));
    if ((await registry.list('draft')).length >= MAX_DRAFTS) {
      const wrong = `there are ${MAX_DRAFTS} drafts, which is all that is kept`;
      throw new RestError(409, { path: '(drafts)', wrong, instead: 'delete some first' });
    }
    const now = Date.now();
    const value: Draft = { ...draft, by, createTime: now, updateTime: now };
    const id = crypto.randomUUID();
    const version = await registry.put('draft', id, value, { after: 0 });
    c.header('Location', `/v1/drafts/${id}`);
    return give(c, { id, value, version }, dropped, 201);
  });

  app.on('GET', either('/drafts/:id'), async (c) => give(c, await get(c.req.param('id') ?? '')));

  app.on('PUT', either('/drafts/:id'), async (c) => {
    const by = changer(c);
    const { draft, dropped } = open(await bodyIn(c, draftSchema, MAX_DRAFT));
    const before = await get(c.req.param('id') ?? '');
    demand(c, tagOf(before), 'the draft');
    const { createTime } = before.value;
    const value: Draft = { ...draft, by, createTime, updateTime: Date.now() };
    const version = await seen(c, before, (after) =>
      registry.put('draft', before.id, value, { after }),
    );
    return give(c, { id: before.id, value, version }, dropped);
  });

  app.on('DELETE', either('/drafts/:id'), async (c) => {
    changer(c);
    const before = await get(c.req.param('id') ?? '');
    demand(c, tagOf(before), 'the draft');
    // What somebody writes at this moment is not removed unseen.
    await seen(c, before, (after) =>
      registry.put('draft', before.id, before.value, { after, ttl: 1 }),
    );
    await registry.remove('draft', before.id);
    return c.body(null, 204);
  });

  return app;
}

/** Puts a draft in the place of the one that the caller has seen, or of whichever is there. */
async function seen(
  c: Context,
  { version }: Kept<Draft>,
  put: (after: number | undefined) => Promise<number>,
): Promise<number> {
  try {
    return await put(c.req.header('If-Match') === undefined ? undefined : version);
  } catch (error) {
    if (error instanceof RegistryConflict) throw stale('the draft');
    throw error;
  }
}

/** What is kept of a draft: others may open it, so nothing that is never shown. */
function open(given: z.output<typeof draftSchema>) {
  const destination: Record<string, unknown> = { ...given.destination };
  const dropped = SECRETS.filter((secret) => destination[secret] != null);
  for (const secret of dropped) delete destination[secret];
  return { draft: { ...given, destination }, dropped };
}

function give(
  c: Context,
  kept: Kept<Draft>,
  dropped: readonly string[] = [],
  status: 200 | 201 = 200,
): Response {
  const answer = { draftId: kept.id, ...kept.value, ...(dropped.length > 0 && { dropped }) };
  return c.json(answer, status, { ETag: tagOf(kept) });
}

/** Without the bulk of it. */
const inShort = ({ id, value }: Kept<Draft>) => {
  const { destinationType } = value.destination as Entry;
  return { draftId: id, ...value, destination: { destinationType } };
};

const tagOf = ({ version }: Kept<Draft>) => `"${version}"`;

const draftSchema = z.strictObject({
  name: z.string().max(255),
  destinationId: z.int().min(1).optional().meta({
    description: 'The destination that it is to replace; not given: it becomes a new one.',
  }),
  etag: z.string().max(128).optional().meta({
    description: 'The ETag of that destination when it was read.',
  }),
  step: z.union([z.string().max(64), z.int().min(0).max(99)]).meta({
    description: 'Where to go on.',
  }),
  destination: z.record(z.string(), z.unknown()).meta({
    description: 'As it is written so far. Secrets are not kept; the answer names them as dropped.',
  }),
});

const draftAnswer = draftSchema.extend({
  draftId: z.string(),
  by: z.string().meta({ description: 'Who wrote it last.' }),
  createTime: z.int(),
  updateTime: z.int(),
  dropped: z.array(z.string()).optional(),
});

const one = ['The draft.', draftAnswer] as const;

export const draftPaths: Paths = {
  '/v1/drafts': {
    get: {
      summary: 'List; of each destination only the type',
      answers: { 200: ['The drafts, the one written last first.', z.array(draftAnswer)] },
    },
    post: {
      summary: 'Keep a draft of a destination',
      role: 'editor',
      body: draftSchema,
      answers: { 201: one },
      refusals: [400, 409, 413],
    },
  },
  '/v1/drafts/{draftId}': {
    get: { summary: 'Get a draft', answers: { 200: one }, refusals: [404] },
    put: {
      summary: 'Replace a draft',
      role: 'editor',
      ifMatch: true,
      body: draftSchema,
      answers: { 200: one },
      refusals: [400, 404, 413],
    },
    delete: {
      summary: 'Throw a draft away',
      role: 'editor',
      ifMatch: true,
      answers: { 204: ['Gone.'] },
      refusals: [404],
    },
  },
};
