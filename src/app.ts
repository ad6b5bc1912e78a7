/** The routes, and what each is given. Runs on every runtime. */
import { type Context, Hono } from 'hono';
import type { Behind } from './builder/caller.ts';
import { allowOrigin, pixel } from './collect/answer.ts';
import { event, type FrontDoor } from './collect/event.ts';
import type { Guard } from './collect/guard.ts';
import { optOut } from './collect/opt-out.ts';
import { pixels } from './collect/pixels.ts';
import { placeOf } from './collect/place.ts';
import { queryOf, Refusal, rawCall, rawCallWithBody } from './collect/request.ts';
import { sync } from './collect/sync.ts';

export interface AppOptions {
  readonly door: FrontDoor;
  /** The builder's routes, where they share the port. */
  readonly administration?: Hono<Behind>;
  /** The tag's script. */
  readonly tag: string;
  /** Counts calls by client; the client's address comes from the runtime. */
  readonly clients: Guard;
  readonly clientOf: (context: Context) => string;
  /** What is wrong with this server now; undefined if nothing is. */
  readonly problem: () => string | undefined;
  /** What keeps everything from being delivered, though this server is well. */
  readonly delivery?: () => string | undefined;
}

const ALLOW = 'GET, POST, OPTIONS';
const ALLOW_POST = 'POST, OPTIONS';

export function app(options: AppOptions): Hono {
  const { door, clients, clientOf, tag } = options;
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
    return method === 'OPTIONS' ? preflight(request, door, ALLOW) : wrongMethod(ALLOW);
  });

  app.all('/pixels', (c): Response | Promise<Response> => {
    const request = c.req.raw;
    if (clients.exceeds(clientOf(c), Date.now())) return tooMany();
    if (request.method === 'POST') return pixels(request, door);
    return request.method === 'OPTIONS'
      ? preflight(request, door, ALLOW_POST)
      : wrongMethod(ALLOW_POST);
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

  app.route('/', health(options.problem, options.delivery));

  if (options.administration) app.route('/', options.administration);

  app.onError((error, c) => {
    if (error instanceof Refusal) {
      return c.text(`${error.message}\n`, error.status, { Connection: 'close' });
    }
    // Nobody waits for the answer of a call that was broken off.
    if (c.req.raw.signal.aborted) return pixel({}, []);
    door.report('a call failed', { tid: '', error });
    return pixel({ 'X-Error': '0' }, []);
  });

  return app;
}

/** Whether a process lives, and whether it is well. */
export function health(
  problem: AppOptions['problem'],
  delivery: AppOptions['delivery'] = () => undefined,
): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const wrong = problem();
    return wrong
      ? c.json({ status: 'not ready', problem: wrong, delivery: delivery() }, 503)
      : c.json({ status: 'ready', delivery: delivery() });
  });
  return app;
}

function preflight(request: Request, { snapshot }: FrontDoor, allow: string): Response {
  const headers: Record<string, string> = {
    'Access-Control-Allow-Methods': allow,
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
