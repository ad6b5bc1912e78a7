/** A partner of the ticket shop, on an origin of its own: it gets the calls and shows them. */
import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { streamSSE } from 'hono/streaming';
import { PARTNER } from './account.ts';
import { serveAsset } from './assets.ts';
import { type Call, Calls } from './calls.ts';
import { callEntry, inboxPage } from './inbox-page.ts';

const COOKIE = 'partner_id';
/** Long enough for any id or URL of the demo; keeps 500 calls small whatever is sent. */
const MAX_VALUE = 500;
const MAX_PARAMS = 30;

const GIF = Buffer.from('R0lGODlhAQABAPAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64');
const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const pixel = (c: Context) => c.body(GIF, 200, { 'Content-Type': 'image/gif' });

/**
 * The partner's inbox; it wants an origin of its own.
 *
 * @example
 * serve({ fetch: inbox({ collector: 'http://127.0.0.1:8080' }).fetch, port: 8081 })
 *
 * @param places where Switchyard answers, as an origin
 */
export function inbox(places: { collector: string }): Hono {
  const calls = new Calls();

  const record = (c: Context, kind: Call['kind']) => {
    const params = Object.fromEntries(
      Object.entries(c.req.queries())
        .slice(0, MAX_PARAMS)
        .map(([key, values]) => [key.slice(0, MAX_VALUE), values.join(', ').slice(0, MAX_VALUE)]),
    );
    calls.record({
      kind,
      path: c.req.path.slice(0, MAX_VALUE),
      params,
      visitor: { device: params.uuid ?? params.uid, partner: params.partner, cookie: partnerId(c) },
    });
  };

  return new Hono()
    .use(async (c, next) => {
      c.header('Cache-Control', 'no-store');
      c.header('X-Content-Type-Options', 'nosniff');
      await next();
    })
    .get('/', (c) => {
      c.header('Content-Security-Policy', PAGE_POLICY);
      return c.html(inboxPage(calls.all, places));
    })
    .get('/assets/:asset{.+}', serveAsset)
    .get('/stream', (c) => {
      const after = Number(c.req.header('Last-Event-ID') ?? c.req.query('after') ?? 0);
      return streamSSE(c, async (stream) => {
        const send = async (call: Call) =>
          stream.writeSSE({
            id: String(call.id),
            event: 'call',
            data: String(await callEntry(call)),
          });
        const leave = calls.listen((happening) => {
          if (happening === 'cleared') stream.writeSSE({ event: 'cleared', data: '' });
          else send(happening.call);
        });
        // What came between the page and its stream is not lost.
        for (const call of calls.all.filter(({ id }) => id > after).reverse()) await send(call);
        await new Promise<void>((gone) => stream.onAbort(gone));
        leave();
      });
    })
    .get('/calls.json', (c) => c.json(calls.all))
    .post('/clear', (c) => {
      calls.clear();
      return c.redirect('/', 303);
    })
    .get('/hello', (c) => {
      const { origin, protocol } = new URL(c.req.url);
      const id = partnerId(c) ?? newPartnerId();
      const secure = protocol === 'https:';
      setCookie(c, COOKIE, id, {
        path: '/',
        maxAge: 180 * 86_400,
        httpOnly: true,
        secure,
        sameSite: secure ? 'None' : 'Lax',
      });
      const redir = encodeURIComponent(`${origin}/matched?uuid=\${DD_UUID}`);
      return c.redirect(`${places.collector}/ibs:dpid=${PARTNER}&dpuuid=${id}&redir=${redir}`);
    })
    .get('/matched', (c) => {
      record(c, 'match');
      return pixel(c);
    })
    .get('/:path{pixel.*}', (c) => {
      record(c, 'image');
      return pixel(c);
    })
    .get('/:path{frame.*}', (c) => {
      record(c, 'frame');
      c.header('Content-Security-Policy', "default-src 'none'");
      return c.html('<!doctype html><html lang="en"><title>Kestrel Media</title>');
    });
}

function partnerId(c: Context): string | undefined {
  const id = getCookie(c, COOKIE);
  return id !== undefined && /^P-[0-9A-F]{6}$/.test(id) ? id : undefined;
}

const newPartnerId = () => `P-${randomBytes(3).toString('hex').toUpperCase()}`;
