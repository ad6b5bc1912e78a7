/** The routes, and what each is given. Runs on every runtime. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { problemsOf } from './account/problem.ts';
import type { AccountBook } from './builder/book.ts';
import { rest } from './builder/rest.ts';
import { allowOrigin, pixel } from './collect/answer.ts';
import { event, type FrontDoor } from './collect/event.ts';
import type { Guard } from './collect/guard.ts';
import { isDeviceId } from './collect/identity.ts';
import { optOut } from './collect/opt-out.ts';
import { placeOf } from './collect/place.ts';
import { queryOf, Refusal, rawCall, rawCallWithBody, readBody } from './collect/request.ts';
import { sync } from './collect/sync.ts';
import { trace } from './collect/trace.ts';
import { StoreError } from './store/store.ts';

export interface AppOptions {
  readonly door: FrontDoor;
  /** The account under edit. */
  readonly book: AccountBook;
  /** The token of `Authorization: Bearer …` for everything below `/v1`. */
  readonly adminToken: string;
  /** The text of the tag. */
  readonly tag: string;
  /** Counts calls by client; the client's address comes from the runtime. */
  readonly clients: Guard;
  readonly clientOf: (context: Context) => string;
  /** What is wrong with this server now; undefined if nothing is. */
  readonly problem: () => string | undefined;
}

const MAX_TRACE = 128 * 1024;
const ALLOW = 'GET, POST, OPTIONS';

export function app(options: AppOptions): Hono {
  const { door, adminToken, tag, clients, clientOf } = options;
  const app = new Hono();

  app.all('/event', (c): Response | Promise<Response> => {
    const request = c.req.raw;
    const { method } = request;
    const now = Date.now();
    if (clients.exceeds(clientOf(c), now)) return tooMany();
    if (method === 'GET') return event(rawCall(request, queryOf(request.url), now), door);
    if (method === 'POST') {
      return rawCallWithBody(request, queryOf(request.url), now).then((raw) => event(raw, door));
    }
    return method === 'OPTIONS' ? preflight(request, door) : wrongMethod(ALLOW);
  });

  // In a route, the colon of `/ibs:dpid=…` would start a parameter.
  app.notFound((c) => {
    const { url, method } = c.req.raw;
    if (!c.req.path.startsWith('/ibs:')) return c.text('There is nothing here.\n', 404);
    if (method !== 'GET') return wrongMethod('GET');
    if (clients.exceeds(clientOf(c), Date.now())) return tooMany();
    // The ids stand in the path itself: `/ibs:dpid=…&dpuuid=…`.
    const query = queryOf(url, url.indexOf('/ibs:') + 4);
    return sync(rawCall(c.req.raw, query, Date.now()), door);
  });

  for (const path of ['/demoptout.jpg', '/demoptout']) {
    app.all(path, (c) => {
      const { url, method } = c.req.raw;
      if (method !== 'GET') return wrongMethod('GET');
      if (clients.exceeds(clientOf(c), Date.now())) return tooMany();
      return optOut(rawCall(c.req.raw, queryOf(url), Date.now()), door);
    });
  }

  app.get('/tag.js', (c) =>
    c.body(tag, 200, {
      'Content-Type': 'text/javascript; charset=utf-8',
      'Cache-Control': 'public, max-age=3600',
      'Cross-Origin-Resource-Policy': 'cross-origin',
    }),
  );

  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const problem = options.problem();
    return problem ? c.json({ status: 'not ready', problem }, 503) : c.json({ status: 'ready' });
  });

  app.use('/v1/*', async (c, next) => {
    if (await isToken(c.req.header('authorization') ?? '', adminToken)) return next();
    c.header('WWW-Authenticate', 'Bearer');
    const instead = 'send the header Authorization: Bearer with the ADMIN_TOKEN of this server';
    return c.json({ errors: [{ path: 'Authorization', wrong: 'missing or wrong', instead }] }, 401);
  });

  app.route('/v1', rest(options.book));

  app.post('/v1/trace', async (c) => {
    const body = parseJson(await readBody(c.req.raw, MAX_TRACE));
    const result = traceRequest.safeParse(body, { reportInput: true });
    if (body === undefined) return c.json({ errors: [NOT_JSON] }, 400);
    if (!result.success) {
      const errors = problemsOf(result.error).map((problem) =>
        // A call may hold private values: it is not shown again.
        problem.wrong.endsWith(NO_CALL) ? { ...problem, wrong: NO_CALL } : problem,
      );
      return c.json({ errors }, 400);
    }
    const { url, headers, uuid, at } = result.data;
    const base = c.req.header('host') ?? 'localhost';
    // A trace is of this server unless it says otherwise.
    const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
    const request = new Request(`http://${base}${url}`, {
      headers: { host: base, ...Object.fromEntries(given) },
    });
    const raw = rawCall(request, queryOf(url), at ? Date.parse(at) : Date.now());
    return c.json(await trace(raw, uuid, door));
  });

  app.onError((error, c) => {
    if (error instanceof Refusal) {
      return c.text(`${error.message}\n`, error.status, { Connection: 'close' });
    }
    // Nobody waits for the answer of a call that was broken off.
    if (c.req.raw.signal.aborted) return pixel({}, []);
    if (error instanceof StoreError) {
      const instead = 'try again; /readyz says what is wrong';
      return c.json({ errors: [{ path: '', wrong: error.message, instead }] }, 503);
    }
    door.report('a call failed', { tid: '', error });
    if (c.req.path.startsWith('/v1/')) {
      return c.json(
        { errors: [{ path: '', wrong: 'an error of the server', instead: 'see its log' }] },
        500,
      );
    }
    return pixel({ 'X-Error': '0' }, []);
  });

  return app;
}

const NO_CALL = 'no call of the collection endpoint';

/** Profiles count days in 16 bits. */
const LAST_TIME = 65_535 * 86_400_000;

const traceRequest = z.strictObject({
  url: z.string().regex(/^\/event(\?|$)/, {
    error:
      'no call of the collection endpoint|write it with its query, such as "/event?c_page=home"',
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
  uuid: z
    .string()
    .refine(isDeviceId, { error: 'no device id|write its 38 digits, or leave it out' })
    .optional(),
  at: z.iso
    .datetime({
      offset: true,
      error: 'no time|write it such as "2026-11-23T10:00:00Z", or leave it out',
    })
    .refine((text) => Date.parse(text) >= 0 && Date.parse(text) < LAST_TIME, {
      error: 'a time that profiles cannot hold|write one from 1970 to 2149',
    })
    .optional(),
});

const NOT_JSON = { path: '(document)', wrong: 'not JSON', instead: 'write { "url": "/event?…" }' };

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function preflight(request: Request, { snapshot }: FrontDoor): Response {
  const headers: Record<string, string> = {
    'Access-Control-Allow-Methods': ALLOW,
    'Access-Control-Allow-Headers': 'Content-Type',
    'Access-Control-Max-Age': '86400',
  };
  allowOrigin(
    headers,
    placeOf((name) => request.headers.get(name), undefined),
    snapshot(),
  );
  return new Response(null, { status: 204, headers });
}

const wrongMethod = (allow: string) =>
  new Response('This method is not possible here.\n', { status: 405, headers: { Allow: allow } });

const tooMany = () =>
  new Response('Too many calls.\n', { status: 429, headers: { 'Retry-After': '60' } });

/** Compares hashes, so that the time it takes tells nothing about the token. */
async function isToken(header: string, token: string): Promise<boolean> {
  const given = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (!given) return false;
  const [a, b] = await Promise.all(
    [given, token].map((text) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))),
  );
  const [left, right] = [new Uint8Array(a), new Uint8Array(b)];
  return left.every((byte, i) => byte === right[i]);
}
