/** The routes of the builder: everything below `/v1` and `/builder`. */
import { Hono } from 'hono';
import type { FrontDoor } from '../collect/event.ts';
import { Refusal } from '../collect/request.ts';
import type { Registry } from '../store/registry.ts';
import { StoreError } from '../store/store.ts';
import type { AccountBook } from './book.ts';
import { calls } from './calls.ts';
import { type Behind, gate } from './gate.ts';
import { rest } from './rest.ts';
import { signals } from './signals.ts';
import { trials } from './trials.ts';
import { why } from './why.ts';

export interface AdministrationOptions {
  /** The account under edit. */
  readonly book: AccountBook;
  readonly registry: Registry;
  /** What pages are decided with. */
  readonly door: FrontDoor;
  /** The token of `Authorization: Bearer …` that is an admin's in any case. */
  readonly adminToken: string;
}

export function administration(options: AdministrationOptions): Hono<Behind> {
  const { book, registry, door, adminToken } = options;
  const app = new Hono<Behind>();

  app.use('/v1/*', gate(adminToken));
  app.route('/v1', rest(book));
  app.route('/v1', why(door, registry));
  app.route('/v1', calls(registry));
  app.route('/v1', trials(book, registry, door));
  app.route('/v1', signals(registry, door));

  app.onError((error, c) => {
    if (error instanceof Refusal) {
      return c.text(`${error.message}\n`, error.status, { Connection: 'close' });
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
