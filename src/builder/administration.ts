/** The routes of the builder: everything below `/v1` and `/builder`. */
import { type Context, Hono } from 'hono';
import { AccountError } from '../account/problem.ts';
import type { FrontDoor } from '../collect/event.ts';
import { Refusal } from '../collect/request.ts';
import type { Outbox } from '../store/outbox.ts';
import type { Registry } from '../store/registry.ts';
import { StoreError } from '../store/store.ts';
import { activity } from './activity.ts';
import { Attempts } from './attempt.ts';
import type { AccountBook } from './book.ts';
import type { Behind } from './caller.ts';
import { calls } from './calls.ts';
import { consent } from './consent.ts';
import { deliveries } from './deliveries.ts';
import { drafts } from './draft.ts';
import { estimates } from './estimates.ts';
import { gate, privately } from './gate.ts';
import { Keys } from './key.ts';
import { nodes } from './node-state.ts';
import { openApiRoutes } from './openapi.ts';
import { pages } from './pages.ts';
import { People } from './people.ts';
import { peopleRoutes } from './people-routes.ts';
import { preview } from './preview.ts';
import { reports } from './report.ts';
import { RestError } from './request.ts';
import { rest } from './rest.ts';
import { Sessions } from './session.ts';
import { sessionRoutes } from './session-routes.ts';
import { signals } from './signals.ts';
import { trials } from './trials.ts';
import { why } from './why.ts';

export interface AdministrationOptions {
  /** The account under edit. */
  readonly book: AccountBook;
  readonly registry: Registry;
  /** What waits for server-to-server destinations. */
  readonly outbox: Outbox;
  /** What pages are decided with. */
  readonly door: FrontDoor;
  /** The token of `Authorization: Bearer …` that is an admin's in any case. */
  readonly adminToken: string;
  /** The network address of whoever calls. */
  readonly clientOf: (c: Context) => string;
  /** Folder of the built web application; without one there are no pages. */
  readonly pages?: string;
}

export function administration(options: AdministrationOptions): Hono<Behind> {
  const { book, registry, outbox, door, adminToken, clientOf } = options;
  const app = new Hono<Behind>();

  const people = new People(registry);
  const sessions = new Sessions(registry, people);
  const attempts = new Attempts(registry);
  const keys = new Keys(registry);
  app.use('/v1/*', privately, gate({ adminToken, keys, sessions }));
  app.route('/v1', sessionRoutes({ people, sessions, attempts, clientOf }));
  app.route('/v1', peopleRoutes({ people, keys, attempts }));
  app.route('/v1', rest(book));
  app.route('/v1', consent(book));
  app.route('/v1', why(door, registry));
  app.route('/v1', calls(registry));
  app.route('/v1', trials(book, registry, door));
  app.route('/v1', signals(registry, door));
  app.route('/v1', preview(book, door));
  app.route('/v1', drafts(registry));
  app.route('/v1', estimates(book, registry, door));
  app.route('/v1', activity(book, registry));
  app.route('/v1', reports(book, registry));
  app.route('/v1', deliveries(book, registry, outbox));
  app.route('/v1', nodes(book, registry));
  app.route('/v1', openApiRoutes());
  if (options.pages) app.route('/builder', pages(options.pages));

  app.onError((error, c) => {
    if (error instanceof RestError) {
      const headers = { ...(error.status === 429 && { 'Retry-After': '5' }) };
      return c.json({ errors: error.problems }, error.status, headers);
    }
    if (error instanceof AccountError) return c.json({ errors: error.problems }, 400);
    if (error instanceof Refusal) {
      const problem = { path: '(body)', wrong: error.message, instead: 'send less at once' };
      return c.json({ errors: [problem] }, error.status, { Connection: 'close' });
    }
    if (error instanceof StoreError) {
      const instead = 'try again; /readyz says what is wrong';
      return c.json({ errors: [{ path: '', wrong: error.message, instead }] }, 503);
    }
    door.report('a call failed', { tid: '', error });
    const wrong = 'an error of the server';
    return c.json({ errors: [{ path: '', wrong, instead: 'see its log' }] }, 500);
  });

  return app;
}
