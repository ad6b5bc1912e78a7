/** Server-to-server delivery as people see it: queues, dead letters, and the pass over stored visitors. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { deliverers, standstill } from '../outbound/deliverers.ts';
import { type RunHistory, runHistories } from '../outbound/files/run-history.ts';
import { nextRun, ScheduleError } from '../outbound/files/schedule.ts';
import { ask, NobodyDelivers, type Order, type Progress } from '../outbound/order.ts';
import { passes } from '../outbound/pass.ts';
import { type Standing, standings } from '../outbound/standing.ts';
import type { Outbox, QueueState } from '../store/outbox.ts';
import type { Registry } from '../store/registry.ts';
import type { AccountBook, Document } from './book.ts';
import { type Behind, changer } from './caller.ts';
import type { Paths } from './operation.ts';
import { bodyIn, either, RestError, unknown } from './request.ts';
import { type Entry, entriesOf } from './resource.ts';

const MAX_BODY = 256 * 1024;
/** Of what was delivered longer ago, it is said when, and no more how many. */
const LATELY_MS = 10_000;
/** Dead letters that are shown. */
const SHOWN = 100;

export function deliveries(book: AccountBook, registry: Registry, outbox: Outbox): Hono<Behind> {
  const app = new Hono<Behind>();
  const all = async (): Promise<readonly Entry[]> => {
    const document = (await book.current()).document as Document;
    return entriesOf(document, 'destinations').filter((d) => d.destinationType === 'S2S');
  };
  const one = async (c: Context): Promise<Entry> => {
    const id = Number(c.req.param('id'));
    const found = (await all()).find(({ destinationId }) => Number(destinationId) === id);
    if (found) return found;
    throw unknown('server-to-server destination', id);
  };
  const standing = async () => {
    const [queues, stand, runs] = await Promise.all([
      outbox.queues(),
      standings(registry),
      runHistories(registry),
    ]);
    const byId = new Map(queues.map((queue) => [queue.destination, queue]));
    return (destination: Entry) => {
      const id = Number(destination.destinationId);
      const isFile = destination.transfer === 'file';
      return shown(id, byId.get(id), isFile ? standingAfter(runs.get(id)) : stand.get(id));
    };
  };
  const order = async (wanted: Order): Promise<Progress> => {
    try {
      return await ask(registry, wanted);
    } catch (error) {
      if (!(error instanceof NobodyDelivers)) throw error;
      const instead = 'start a server with ROLE=deliver, or with ROLE=all, and order it again';
      throw new RestError(503, { path: '(deliverer)', wrong: error.message, instead });
    }
  };

  app.on('GET', either('/deliveries'), async (c) => {
    const [destinations, of, passing, processes] = await Promise.all([
      all(),
      standing(),
      passes(registry),
      deliverers(registry),
    ]);
    const answer: z.input<typeof LIST> = {
      problem: destinations.length > 0 ? standstill(processes) : undefined,
      deliverers: processes,
      destinations: destinations.map(of),
      passes: passing.map(({ cursor, digest, ...pass }) => pass),
    };
    return c.json(answer);
  });

  app.on('GET', either('/deliveries/:id{\\d+}'), async (c) => {
    const destination = await one(c);
    const shown = (await standing())(destination);
    if (destination.transfer !== 'file') return c.json(shown);
    const { current, past = [] } = (await runHistories(registry)).get(shown.destinationId) ?? {};
    const runs = { current, past: [...past], next: nextOf(destination) };
    return c.json({ ...shown, runs } satisfies z.input<typeof DELIVERY>);
  });

  app.on('GET', either('/deliveries/:id{\\d+}/dead-letters'), async (c) => {
    const letters = await outbox.dead(Number((await one(c)).destinationId), SHOWN);
    const answer: z.input<typeof LETTERS> = letters.map(({ message, at, problem, entries }) => ({
      message,
      at,
      problem,
      users: entries.map(({ deviceId, queuedAt, moves }) => ({
        deviceId,
        queuedAt,
        segments: moves.map(({ sid, isMember, at }) => ({ sid, isMember, at })),
      })),
    }));
    return c.json(answer);
  });

  for (const kind of ['replay', 'drop'] as const) {
    app.on('POST', either(`/deliveries/:id{\\d+}/dead-letters/${kind}`), async (c) => {
      changer(c);
      const { messages } = await bodyIn(c, wanted, MAX_BODY);
      const destination = Number((await one(c)).destinationId);
      const { count, isOver } = await order({ kind, destination, messages });
      return c.json({ count, isUnderWay: !isOver }, isOver ? 200 : 202);
    });
  }

  app.on('POST', either('/deliveries/:id{\\d+}/runs'), async (c) => {
    changer(c);
    const { destinationId, transfer } = await one(c);
    if (transfer !== 'file') {
      const wrong = 'this destination is told in real time';
      throw new RestError(409, { path: '(run)', wrong, instead: 'run those that get files' });
    }
    await order({ kind: 'run', destination: Number(destinationId) });
    return c.json({ count: 1 }, 202);
  });

  app.on('POST', either('/deliveries/:id{\\d+}/probe'), async (c) => {
    changer(c);
    const { destinationId, transfer, status } = await one(c);
    if (transfer === 'file') {
      const wrong = 'this destination gets files';
      throw new RestError(409, { path: '(probe)', wrong, instead: 'have its files written now' });
    }
    if (status === 'inactive') {
      const wrong = 'this destination is switched off';
      throw new RestError(409, { path: '(probe)', wrong, instead: 'switch it on' });
    }
    await order({ kind: 'probe', destination: Number(destinationId) });
    return c.json({ count: 1 }, 202);
  });

  return app;
}

function shown(
  destinationId: number,
  queue: QueueState | undefined,
  standing: Standing | undefined,
): z.input<typeof DELIVERY> {
  const { waiting = 0, oldest, dead = 0 } = queue ?? {};
  const { perSecond, ...known } = standing ?? {};
  const isLate = (known.deliveredAt ?? 0) < Date.now() - LATELY_MS;
  return {
    ...{ destinationId, waiting, oldest, dead, ...known },
    perSecond: isLate ? undefined : perSecond,
  };
}

/** A partner who gets files is away where none can be brought. */
function standingAfter({ current, past }: RunHistory = { past: [] }): Standing {
  const deliveredAt = past.find(({ files }) => files > 0)?.finished;
  if (current?.state !== 'failing') return { deliveredAt };
  return { problem: current.problem, since: current.at, next: current.next, deliveredAt };
}

/** When the next run is due; undefined where none is. */
function nextOf({ schedule, status }: Entry): number | undefined {
  if (!schedule || status === 'inactive') return undefined;
  try {
    return nextRun(String(schedule), Date.now());
  } catch (error) {
    // Such as the 30th of February: saved by an older server, it is no reason to show nothing.
    if (error instanceof ScheduleError) return undefined;
    throw error;
  }
}

const wanted = z.strictObject({
  messages: z.array(z.string().max(64)).min(1).optional().meta({
    description: 'Which; not given: all of them.',
  }),
});

const time = (description: string) => z.int().optional().meta({ description });
const count = (description: string) => z.int().min(0).meta({ description });

const DELIVERY = z.object({
  destinationId: z.int(),
  waiting: count('Visitors who moved, of whom the partner has not heard yet.'),
  oldest: time('Since when the first of them waits, in Unix milliseconds.'),
  dead: count('Messages that were given up.'),
  problem: z.string().optional().meta({ description: 'What is wrong with the partner now.' }),
  since: time('Since when, in Unix milliseconds.'),
  next: time('When it is tried again; not given: at any time.'),
  deliveredAt: time('When something was delivered last.'),
  perSecond: z
    .number()
    .optional()
    .meta({ description: 'Messages a second that are delivered; not given: none now.' }),
  runs: z
    .object({
      current: z
        .object({
          state: z.enum(['running', 'failing']),
          at: z.int().meta({ description: 'When it began, or was tried last.' }),
          problem: z.string().optional().meta({ description: 'Why it failed.' }),
          next: time('When it is tried again.'),
        })
        .optional()
        .meta({ description: 'The run that is under way.' }),
      past: z
        .array(
          z.object({
            root: z.string().meta({ description: 'What its files are called.' }),
            mode: z.enum(['full', 'iter']),
            at: z.int(),
            finished: z.int(),
            files: count('Files.'),
            lines: count('Lines in them.'),
            size: count('Bytes, as they were sent.'),
          }),
        )
        .meta({ description: 'The last 20 that are complete, newest first.' }),
      next: time('When the next one is due by the schedule.'),
    })
    .optional()
    .meta({ description: 'Of a destination that gets files, where one is asked for.' }),
});
const LIST = z.object({
  problem: z.string().optional().meta({ description: 'Why nothing at all is delivered now.' }),
  deliverers: z
    .array(
      z.object({
        node: z.string().meta({
          description: 'Host name and process id; of a child, those of the server that started it.',
        }),
        at: z.int().meta({ description: 'When it said so last, in Unix milliseconds.' }),
        problem: z.string().optional().meta({ description: 'What is wrong with it now.' }),
        behindSince: time(
          'Since when visitors whose time has come wait for their turn: where that is long, OUTBOUND_EXAMINED_PER_SECOND is too low.',
        ),
      }),
    )
    .meta({ description: 'The processes that deliver.' }),
  destinations: z.array(DELIVERY),
  passes: z.array(
    z.object({
      shard: z.string().meta({ description: 'The part of the visitors.' }),
      revision: z.int().meta({ description: 'Of the account that made it necessary.' }),
      startedAt: z.int(),
      finishedAt: z.int().optional(),
      progress: z.number().min(0).max(1),
      examined: count('Stored visitors who were looked at.'),
      perSecond: z
        .number()
        .optional()
        .meta({ description: 'How many a second, lately; once it is finished, on average.' }),
      moved: count('Those of whom partners had to be told something.'),
    }),
  ),
});
const LETTERS = z.array(
  z.object({
    message: z.string(),
    at: z.int().meta({ description: 'When it was given up, in Unix milliseconds.' }),
    problem: z.string().meta({ description: 'Why.' }),
    users: z.array(
      z.object({
        deviceId: z.string(),
        queuedAt: z.int(),
        segments: z.array(z.object({ sid: z.int(), isMember: z.boolean(), at: z.int() })),
      }),
    ),
  }),
);
const COUNT = z.object({ count: z.literal(1) });
const ORDERED = z.object({
  count: count('How many messages it was about until now.'),
  isUnderWay: z.boolean().meta({ description: 'Whether there are more, of which it goes on.' }),
});

const order = (summary: string) =>
  ({
    summary,
    role: 'editor',
    body: wanted,
    answers: { 200: ['Done.', ORDERED], 202: ['It is under way.', ORDERED] },
    refusals: [400, 404, 503],
  }) as const;

const atOnce = (summary: string, done: string) =>
  ({
    summary,
    role: 'editor',
    answers: { 202: [done, COUNT] },
    refusals: [404, 409, 503],
  }) as const;

export const deliveryPaths: Paths = {
  '/v1/deliveries': {
    get: {
      summary:
        'How delivery to server-to-server destinations stands, and passes over stored visitors',
      answers: { 200: ['All of them.', LIST] },
    },
  },
  '/v1/deliveries/{destination}': {
    get: { summary: 'Likewise of one', answers: { 200: ['It.', DELIVERY] }, refusals: [404] },
  },
  '/v1/deliveries/{destination}/dead-letters': {
    get: {
      summary: `The ${SHOWN} messages that were given up last`,
      answers: { 200: ['Newest first.', LETTERS] },
      refusals: [404],
    },
  },
  '/v1/deliveries/{destination}/dead-letters/replay': { post: order('Send them once more') },
  '/v1/deliveries/{destination}/dead-letters/drop': { post: order('Forget them') },
  '/v1/deliveries/{destination}/runs': {
    post: atOnce('Write the files now', 'It has begun.'),
  },
  '/v1/deliveries/{destination}/probe': {
    post: atOnce(
      'Try now to reach a partner that is away, whatever pause it asked for',
      'It is tried.',
    ),
  },
};
