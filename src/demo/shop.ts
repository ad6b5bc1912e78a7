/** A small ticket shop that carries the tag: the first thing a newcomer sees. */
import { type Context, Hono } from 'hono';
import { getCookie } from 'hono/cookie';
import { isDeviceId } from '../collect/identity.ts';
import { serveAsset } from './assets.ts';
import { concertOf } from './concerts.ts';
import { layout, type Page, type Places, SHOP } from './layout.ts';
import {
  checkoutPage,
  concertPage,
  concertsPage,
  homePage,
  missingPage,
  scriptlessPage,
} from './pages.ts';

/**
 * The ticket shop; its links expect it at `/demo`.
 *
 * @example
 * app.route('/demo', shop({ inbox: 'http://127.0.0.1:8081', builder: '/builder', snapshot }))
 */
export function shop(places: Places): Hono {
  const show = (c: Context, page: Page, status: 200 | 404 = 200) =>
    c.html(layout(page, places), status, { 'Cache-Control': 'no-cache' });
  const missing = (c: Context) => show(c, missingPage(), 404);

  return (
    new Hono()
      // To a browser the two are different sites, and cookies would not come along to the partner.
      .use(async (c, next) => {
        const url = new URL(c.req.url);
        if (url.hostname !== 'localhost' || new URL(places.inbox).hostname !== '127.0.0.1') {
          return next();
        }
        url.hostname = '127.0.0.1';
        return c.redirect(url.href);
      })
      .get('/', (c) => show(c, homePage()))
      .get('/concerts', (c) => show(c, concertsPage()))
      .get('/concerts/:slug', (c) => {
        const concert = concertOf(c.req.param('slug'));
        return concert ? show(c, concertPage(concert)) : missing(c);
      })
      .get('/no-script/:slug', (c) => {
        const concert = concertOf(c.req.param('slug'));
        return concert ? show(c, scriptlessPage(concert, hasId(c))) : missing(c);
      })
      .get('/checkout', (c) => show(c, checkoutPage(concertOf(c.req.query('concert')))))
      .get('/assets/:asset{.+}', serveAsset)
      // A router that tells `/demo` from `/demo/` brings the latter here.
      .get('/*', (c) => (c.req.path === `${SHOP}/` ? show(c, homePage()) : missing(c)))
  );
}

// The collection endpoint is on the shop's own host; its cookie can have any name.
const hasId = (c: Context) => Object.values(getCookie(c)).some(isDeviceId);
