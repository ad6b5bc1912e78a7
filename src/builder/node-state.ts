/** Which revision of the account is in force in each process that answers pages. */
import { Hono } from 'hono';
import { z } from 'zod';
import type { Registry } from '../store/registry.ts';
import type { AccountBook } from './book.ts';
import type { Behind } from './caller.ts';
import type { Paths } from './operation.ts';
import { either } from './request.ts';

type NodeState = z.output<typeof nodeState>;

export function nodes(book: AccountBook, registry: Registry): Hono<Behind> {
  const app = new Hono<Behind>();
  app.on('GET', either('/nodes'), async (c) => {
    const [revision, all] = await Promise.all([book.revision(), registry.list<NodeState>('node')]);
    return c.json({ revision, nodes: all.map(({ value }) => value) });
  });
  return app;
}

const nodeState = z.object({
  node: z.string().meta({ description: 'Host name and process id.' }),
  revision: z.int().meta({ description: 'Of the account that is in force there.' }),
  at: z.int().meta({ description: 'When it said so last, in Unix milliseconds.' }),
  since: z.int().meta({ description: 'Likewise when it took that revision over.' }),
  problem: z.string().optional().meta({ description: 'What is wrong there now.' }),
});

export const nodePaths: Paths = {
  '/v1/nodes': {
    get: {
      summary: 'Whether what was saved last is in force everywhere',
      answers: {
        200: [
          'The revision that was saved last, and the one of each process.',
          z.object({ revision: z.int(), nodes: z.array(nodeState) }),
        ],
      },
    },
  },
};
