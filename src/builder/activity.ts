/** Who changed what and when, and the way back to before it. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { differencesInTurns, shortened } from '../account/difference.ts';
import { meaningOf } from '../account/document.ts';
import { AccountError } from '../account/problem.ts';
import type { Recent, Registry } from '../store/registry.ts';
import type { Past } from '../store/store.ts';
import type { AccountBook, Document } from './book.ts';
import { type Behind, changer } from './caller.ts';
import type { Paths } from './operation.ts';
import { demand, either, pageIn, RestError, unknown } from './request.ts';
import { KEPT_ACTIVITIES, type RollActivity } from './roll.ts';

type Activity = z.output<typeof activitySchema>;

export function activity(book: AccountBook, registry: Registry): Hono<Behind> {
  const app = new Hono<Behind>();
  const pastIn = async (c: Context) => {
    const revision = c.req.param('revision') ?? '';
    const past = (await book.history()).find((one) => String(one.revision) === revision);
    if (past) return past;
    throw unknown('revision', revision);
  };

  app.on('GET', either('/activity'), async (c) => {
    const { page, pageSize } = pageIn(c);
    const [history, others] = await Promise.all([
      book.history(),
      registry.recent<RollActivity>('activity', KEPT_ACTIVITIES),
    ]);
    const all = merged(ofAccount(history), others.map(ofOthers));
    const start = page * pageSize;
    return c.json({ page, pageSize, total: all.length, list: all.slice(start, start + pageSize) });
  });

  app.on('GET', either('/activity/:revision{\\d+}'), async (c) => {
    const { revision, origin } = await pastIn(c);
    const before = await book.before(revision);
    const now = await book.current();
    const lines = before
      ? await differencesInTurns(now.document as Document, before.document as Document, meaningOf)
      : [];
    const { at, by, changes = [] } = origin;
    const canRestore = before !== undefined;
    const answer = { revision, at, by, changes, canRestore, toNow: shortened(lines) };
    // Whoever undoes it by this ETag undoes what was shown.
    return c.json(answer, 200, { ETag: `"${now.revision}"` });
  });

  app.on('POST', either('/activity/:revision{\\d+}/undo'), async (c) => {
    const by = changer(c);
    const { revision } = await pastIn(c);
    const before = await book.before(revision);
    if (!before) throw forgotten(revision);
    try {
      const done = await book.edit(by, (_, inForce) => {
        demand(c, `"${inForce}"`, 'the account');
        return before.document as Document;
      });
      const answer = { revision: done.revision, differences: done.differences };
      return c.json(answer, 200, { ETag: `"${done.revision}"` });
    } catch (error) {
      // It was right once; what is asked of accounts has grown since then.
      if (error instanceof AccountError) throw new RestError(409, ...error.problems);
      throw error;
    }
  });

  return app;
}

const forgotten = (revision: number) =>
  new RestError(409, {
    path: '(address)',
    wrong: `the account as it was before revision ${revision} is not kept any more`,
    instead: 'go back to before a newer change, or make the change by hand',
  });

/** What was before a revision is the one before it. */
function ofAccount(history: readonly Past[]): Activity[] {
  const kept = new Set(history.filter((past) => past.canRestore).map((past) => past.revision));
  return history.map(({ revision, origin: { at, by, changes = [], isDemo } }) => ({
    at,
    by,
    what: 'account',
    revision,
    changes: [...changes],
    canRestore: kept.has(revision - 1) || (revision === 1 && isDemo === true),
  }));
}

const ofOthers = ({ at, value }: Recent<RollActivity>): Activity => ({
  at,
  by: value.by,
  what: value.what,
  changes: [...value.changes],
  canRestore: false,
});

/** Two lists, each newest first, as one; clocks of servers that differ change the order of neither. */
function merged(left: readonly Activity[], right: readonly Activity[]): Activity[] {
  const all: Activity[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const isLeft = j === right.length || (i < left.length && left[i].at >= right[j].at);
    all.push(isLeft ? left[i++] : right[j++]);
  }
  return all;
}

const changes = z.array(z.string()).meta({
  description: 'A line each: + new, - gone, ~ changed, and the fields with what they were and are.',
});

const activitySchema = z.object({
  at: z.int(),
  by: z.string(),
  what: z.enum(['account', 'people', 'keys']),
  revision: z.int().optional().meta({ description: 'Of the account, as this change made it.' }),
  changes,
  canRestore: z.boolean().meta({ description: 'Whether what was before it is still kept.' }),
});

export const activityPaths: Paths = {
  '/v1/activity': {
    get: {
      summary: 'Who changed what and when, newest first',
      query: {
        page: 'Page, from 0.',
        pageSize: 'Entries of a page, at most 1,000; 20 if not given.',
      },
      answers: {
        200: [
          'A page of it.',
          z.object({
            page: z.int(),
            pageSize: z.int(),
            total: z.int(),
            list: z.array(activitySchema),
          }),
        ],
      },
      refusals: [400],
    },
  },
  '/v1/activity/{revision}': {
    get: {
      summary: 'A change of the account, and what going back to before it would change now',
      answers: {
        200: [
          'Its ETag is the revision in force.',
          z.object({
            revision: z.int(),
            at: z.int(),
            by: z.string(),
            changes,
            canRestore: z.boolean(),
            toNow: changes,
          }),
        ],
      },
      refusals: [404],
    },
  },
  '/v1/activity/{revision}/undo': {
    post: {
      summary: 'Put in force what was right before a change, as a new revision',
      role: 'editor',
      ifMatch: true,
      answers: {
        200: [
          'The new revision, and what it changed.',
          z.object({ revision: z.int(), differences: changes }),
        ],
      },
      refusals: [404, 409],
    },
  },
};
