/**
 * The other way: what a page's call could not bring to a partner, because something in the browser
 * blocked it, goes server to server instead.
 */
import { parseCookie } from 'cookie';
import { dayOf, type Firing } from '../audience/profile.ts';
import { optOutCookie } from './call.ts';
import type { FrontDoor } from './event.ts';
import { isDeviceId } from './identity.ts';
import type { Parameters } from './parameters.ts';

/**
 * Remembers for the visitor that destinations have to be told server to server. That cannot make a visitor of
 * anybody: only who is stored already is told of.
 *
 * @param destinations ids of server-to-server destinations
 */
export async function fallBack(
  destinations: readonly number[],
  request: Request,
  parameters: Parameters,
  { store, settings }: FrontDoor,
): Promise<void> {
  const now = Date.now();
  const cookies = parseCookie(request.headers.get('cookie') ?? '');
  if (cookies[optOutCookie(settings)] === '1') return;
  const deviceId = [parameters.first('d_uuid'), cookies[settings.cookieName]].find(
    (id) => id !== undefined && isDeviceId(id),
  );
  if (deviceId === undefined) return;
  const whom = { deviceId, aliases: [], freshId: '' };
  const { profile } = await store.look({ ...whom, change: { day: dayOf(now) } });
  if (profile.length === 0 || profile.isRefused) return;
  const at = Math.floor(now / 1_000);
  const firings = destinations
    .filter((id) => !profile.firings.some(({ destination }) => destination === id))
    // The last one is kept: it is why the destination hears of this visitor from now on.
    .map((destination): Firing => ({ destination, mapping: 0, at, hours: 0 }));
  if (firings.length === 0) return;
  const change = { day: dayOf(now), firings };
  const nothing = () => undefined;
  store.visit(
    { ...whom, change, examine: true },
    { decide: nothing, late: nothing, refuse: nothing },
  );
}
