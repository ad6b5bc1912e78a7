/** Page requests that were recorded, for people who ask about one. */
import { Hono } from 'hono';
import { Parameters } from '../collect/parameters.ts';
import { type RecordedCall, recordedCalls } from '../collect/recorded-call.ts';
import type { Recent, Registry } from '../store/registry.ts';
import type { Behind } from './caller.ts';
import { callsQuery, type ShownCall } from './questions.ts';
import { either, queryIn } from './request.ts';

export function calls(registry: Registry): Hono<Behind> {
  const app = new Hono<Behind>();

  app.on('GET', either('/calls'), async (c) => {
    const { page, uuid, ...asked } = queryIn(c, callsQuery);
    const limit = Number(asked.limit);
    const isAny = page === undefined && uuid === undefined;
    const all = await recordedCalls(registry, isAny ? limit : undefined);
    const shown = all.filter(({ owner }) => uuid === undefined || owner === uuid).map(show);
    const found = page === undefined ? shown : ofPage(shown, page.trim());
    return c.json(found.slice(0, limit));
  });

  return app;
}

/** Not the profile: it is kept to decide the call again, not to be looked at. */
const show = ({ at, owner, value }: Recent<RecordedCall>): ShownCall => ({
  callId: value.callId,
  at,
  uuid: owner,
  page: pageOf(value),
  url: value.query === '' ? '/event' : `/event?${value.query}`,
  headers: { ...value.headers },
  traits: [...value.traits],
  destinations: [...value.destinations],
});

/** The tag tells the whole address, the browser often only the site. */
function pageOf({ query, headers }: RecordedCall): string | null {
  const parameters = new Parameters();
  parameters.add(query);
  return parameters.first('h_referer') ?? headers.referer ?? headers.origin ?? null;
}

/** The calls of a page. Which page of a site a call came from is not always told. */
function ofPage(shown: readonly ShownCall[], text: string): ShownCall[] {
  const url = /^https?:/i.test(text) ? URL.parse(text) : null;
  if (!url) {
    const part = text.toLowerCase();
    return shown.filter(({ page }) => page?.toLowerCase().includes(part));
  }
  const { same = [], near = [] } = Object.groupBy(shown, ({ page }) => {
    const other = page === null ? null : URL.parse(page);
    if (other?.host !== url.host) return 'other';
    return other.pathname === url.pathname ? 'same' : 'near';
  });
  return [...same, ...near];
}
