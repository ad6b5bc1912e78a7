/**
 * What the tag saw of the URL calls of an answer: `loaded=8001,8002&failed=8003&timedOut=…`, by the
 * destinations' ids. Anybody can say so: it is counted for the reports, and has a destination told server
 * to server what its call could not bring (`fallback.ts`); it decides nothing else.
 */
import { SIGHTS, type Sight } from '../destinations/tally.ts';
import { allowOrigin } from './answer.ts';
import type { FrontDoor } from './event.ts';
import { fallBack } from './fallback.ts';
import { Parameters } from './parameters.ts';
import { placeOf } from './place.ts';
import { readBody } from './request.ts';

/** Enough for all ids. */
const MAX_PIXELS_BODY = 4 * 1024;
const MAX_IDS = 100;

/** @throws Refusal where the body is too large */
export async function pixels(request: Request, door: FrontDoor): Promise<Response> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^(application\/x-www-form-urlencoded|text\/plain)\b|^$/i.test(type)) {
    return malformed('The body is no form.');
  }
  const parameters = new Parameters();
  parameters.add(await readBody(request, MAX_PIXELS_BODY));
  if (parameters.broken) return malformed('The body is not properly percent-encoded.');
  const seen: [Sight, string[]][] = SIGHTS.map((sight) => [
    sight,
    parameters.values(sight).flatMap((value) => (value === '' ? [] : value.split(','))),
  ]);
  for (const [sight, ids] of seen) {
    if (ids.length > MAX_IDS) return malformed(`${sight} has more than ${MAX_IDS} ids.`);
    if (!ids.every((id) => /^\d{1,10}$/.test(id)))
      return malformed(`${sight} has ids that are none.`);
  }
  const snapshot = door.snapshot();
  const { sites, urlDestinations, fallbacks } = snapshot;
  const place = placeOf((name) => request.headers.get(name), undefined);
  const site = sites.find(place.host ?? '', place.pageHost);
  if (site !== 'no-host' && site !== 'no-page') {
    for (const [sight, ids] of seen) {
      for (const id of ids) if (urlDestinations.has(Number(id))) door.tally.see(Number(id), sight);
    }
    // What was still open when the page was left may have arrived.
    const blocked = seen.flatMap(([sight, ids]) => (sight === 'failed' ? ids : []));
    const others = new Set(blocked.flatMap((id) => fallbacks.get(Number(id)) ?? []));
    // Nobody waits for it; who cannot be looked up now is told of the next time.
    if (others.size > 0) fallBack([...others], request, parameters, door).catch(() => undefined);
  }
  const headers: Record<string, string> = {};
  allowOrigin(headers, place, snapshot);
  return new Response(null, { status: 204, headers });
}

const malformed = (what: string) =>
  new Response(`${what} Write loaded=8001,8002&failed=8003&timedOut=8004.\n`, { status: 400 });
