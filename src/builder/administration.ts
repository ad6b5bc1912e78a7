/** The routes of the builder: everything below `/v1` and `/builder`. */
import { Hono } from 'hono';
import type { FrontDoor } from '../collect/event.ts';
import { Refusal } from '../collect/request.ts';
import type { Registry } from '../store/registry.ts';
import { StoreError } from '../store/store.ts';
import type { AccountBook } from './book.ts';
import { type Behind, gate } from './gate.ts';
import { pages } from './pages.ts';
import { rest } from './rest.ts';
import { why } from './why.ts';

export interface AdministrationOptions {
  /** The account under edit. */
  readonly book: AccountBook;
  readonly registry: Registry;
  /** What pages are decided with. */
  readonly door: FrontDoor;
  /** The token of `Authorization: Bearer …` that is an admin's in any case. */
  readonly adminToken: string;
  /** Folder of the built web application; without one there are no pages. */
  readonly pages?: string;
}

export function administration(options: AdministrationOptions): Hono<Behind> {
  const { book, door, adminToken } = options;
  const app = new Hono<Behind>();

  app.use('/v1/*', gate(adminToken));
  app.route('/v1', rest(book));
  app.route('/v1', why(door));
  if (options.pages) app.route('/builder', pages(options.pages));

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
