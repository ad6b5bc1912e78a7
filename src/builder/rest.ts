/** The REST interface for the account: what scripts of this field already speak. */
import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { type AccountDocument, differencesInTurns, withoutSecrets } from '../account/difference.ts';
import { EXPORT_LABELS, MAX_ID, meaningOf } from '../account/document.ts';
import { type ExportControl, exportControls } from '../account/export-control.ts';
import { AccountError, type Problem } from '../account/problem.ts';
import { SECRETS } from '../account/secret.ts';
import { inTurns } from '../account/turns.ts';
import type { UsedIds } from '../account/used-ids.ts';
import { readBody } from '../collect/request.ts';
import type { AccountBook, Document } from './book.ts';
import { type Behind, changer, includes } from './caller.ts';
import { counting, destinationsOf } from './counts.ts';
import { filtersOf } from './filter.ts';
import { Line } from './line.ts';
import { Listing, type Places } from './listing.ts';
import { answerInPieces, listJson, objectJson } from './long-json.ts';
import { demand, either, jsonIn, pageIn, parsed, RestError, stale, unknown } from './request.ts';
import {
  type Entry,
  entriesOf,
  MAPPING,
  RESOURCES,
  type Resource,
  shown,
  withIds,
  written,
} from './resource.ts';

const MAX_DOCUMENT = 64 * 1024 * 1024;
const MAX_IMPORTS_WAITING = 3;

export function rest(book: AccountBook): Hono<Behind> {
  const app = new Hono<Behind>();
  const listings = new Listings();

  for (const resource of RESOURCES) {
    const { path, list, id, noun } = resource;
    const show = (entry: Entry, withMappings = false) => {
      const { mappings, ...rest } = entry;
      return shown(withMappings ? entry : rest, resource.schema);
    };

    app.on('GET', either(`/${path}`), async (c) => {
      const document = (await book.current()).document as Document;
      const isPaged = c.req.query('page') !== undefined || c.req.query('pageSize') !== undefined;
      const { page, pageSize } = pageIn(c);
      const listing = listings.of(document, resource);
      const found = await selected(c, document, resource, listing);
      const start = page * pageSize;
      const places = isPaged ? found.slice(start, start + pageSize) : found;
      const wanted = Array.from(places, (place) => listing.entries[place]);
      const withMappings = c.req.query('includeMappings') === 'true';
      const count = counting(document, resource);
      const controls = await controlsOf(c, document, resource, wanted);
      const give = (entry: Entry, i: number) => ({
        ...show(entry, withMappings),
        ...count(entry),
        ...(controls && { exportControls: controls[i] }),
      });
      if (!isPaged) return answerInPieces(c, listJson(wanted, give));
      return c.json({ page, pageSize, total: found.length, list: wanted.map(give) });
    });

    app.on('GET', either(`/${path}/:id{\\d+}`), async (c) => {
      const document = (await book.current()).document as Document;
      const entry = entryOf(document, resource, idIn(c));
      const tag = tagOf(entry);
      if (c.req.header('If-None-Match') === tag) return c.body(null, 304, { ETag: tag });
      const controls = await controlsOf(c, document, resource, [entry]);
      const answer = {
        ...show(entry, c.req.query('includeMappings') === 'true'),
        ...counting(document, resource)(entry),
        ...(controls && { exportControls: controls[0] }),
      };
      return c.json(answer, 200, { ETag: tag });
    });

    app.on('POST', either(`/${path}`), async (c) => {
      const body = await objectIn(c);
      let entry: Entry = {};
      const { document, isTrial } = await edit(c, book, resource, (before, used) => {
        const given = body[id];
        const taken = idsOf(before, id);
        if (given !== undefined && taken.has(Number(given))) {
          const wrong = `${JSON.stringify(given)} is taken`;
          const instead = 'leave it out: it gets an id of its own';
          throw new RestError(409, { path: id, wrong, instead });
        }
        entry = { ...written(body, undefined), [id]: given ?? nextId(taken, used[id]) };
        const entries = [...entriesOf(before, list), entry];
        return { document: { ...before, [list]: entries }, at: entries.length - 1 };
      });
      const answer = { ...show(entry), ...counting(document, resource)(entry) };
      if (isTrial) return c.json(answer);
      return c.json(answer, 201, {
        ETag: tagOf(entry),
        Location: `/v1/${path}/${entry[id]}`,
      });
    });

    app.on('PUT', either(`/${path}/:id{\\d+}`), async (c) => {
      const body = await objectIn(c);
      let entry: Entry = {};
      const { document, isTrial } = await edit(c, book, resource, (before) => {
        const old = entryOf(before, resource, idIn(c));
        demand(c, tagOf(old));
        if (body[id] !== undefined && Number(body[id]) !== Number(old[id])) {
          const wrong = `${JSON.stringify(body[id])} is another ${noun}`;
          const instead = `write ${old[id]}, or leave it out`;
          throw new RestError(400, { path: id, wrong, instead });
        }
        entry = { ...written(body, old), [id]: old[id] };
        return replaced(before, list, old, entry);
      });
      const answer = { ...show(entry), ...counting(document, resource)(entry) };
      return c.json(answer, 200, isTrial ? {} : { ETag: tagOf(entry) });
    });

    app.on('DELETE', either(`/${path}/:id{\\d+}`), async (c) => {
      await edit(c, book, resource, (document) => {
        const before = entryOf(document, resource, idIn(c));
        demand(c, tagOf(before));
        const withMappings = c.req.query('withMappings') === 'true';
        return without(document, resource, [before], withMappings);
      });
      return c.body(null, 204);
    });

    app.on('POST', either(`/${path}/bulk-delete`), async (c) => {
      const ids = await numbersIn(c);
      await edit(c, book, resource, (document) => {
        const doomed = ids.map((one) => entryOf(document, resource, String(one)));
        return without(document, resource, doomed);
      });
      return c.body(null, 204);
    });
  }

  mappings(app, book);

  app.get('/export', async (c) => {
    const { document, revision } = await book.current();
    return answerInPieces(c, objectJson(document as Document), { ETag: `"${revision}"` });
  });

  // A whole document takes room: as text, as what it says, and compiled.
  const imports = new Line('imports', MAX_IMPORTS_WAITING);
  const importing = async (c: Context<Behind>, given: AccountDocument) => {
    const expected = c.req.header('If-Match');
    const replace = (_: Document, revision: number) => {
      // What was looked at is what is replaced.
      if (expected !== undefined && expected !== `"${revision}"`) throw stale('the account');
      return given;
    };
    if (c.req.query('dryRun') === 'true') {
      let before: Document = {};
      const { revision } = await book.check((document, inForce) => {
        before = document;
        return replace(document, inForce);
      });
      // That a secret does not differ would tell who guesses that they have guessed it.
      const compared = (document: AccountDocument) =>
        includes(c.get('caller').role, 'editor') ? document : withoutSecrets(document);
      const lines = await differencesInTurns(compared(before), compared(given), meaningOf);
      return c.json({ differences: lines }, 200, { ETag: `"${revision}"` });
    }
    const { revision, differences } = await book.edit(changer(c), replace, true);
    return c.json({ revision, differences }, 200, { ETag: `"${revision}"` });
  };

  app.post('/import', (c) =>
    imports.take(
      c.req.raw.signal,
      () => readBody(c.req.raw, MAX_DOCUMENT),
      (text) => importing(c, parsed(text) as AccountDocument),
    ),
  );

  return app;
}

const idIn = (c: Context, name = 'id'): string => c.req.param(name) ?? '';

/** The mappings of a destination. */
function mappings(app: Hono<Behind>, book: AccountBook): void {
  const destinations = RESOURCES[0];
  const show = (mapping: Entry) => shown(mapping, MAPPING.schema);
  const of = (document: Document, id: string) => {
    const destination = entryOf(document, destinations, id);
    return { destination, list: withIds(destination.mappings) };
  };
  const one = (list: readonly Entry[], id: string) => {
    const found = list.find((mapping) => String(mapping[MAPPING.id]) === id);
    if (found) return found;
    throw unknown(MAPPING.noun, id);
  };
  const change = async (
    c: Context<Behind>,
    make: (list: Entry[], used: number) => { list: Entry[]; at?: number },
  ) => {
    return edit(c, book, destinations, (document, used) => {
      const { destination, list } = of(document, idIn(c));
      const { list: changed, at } = make(list, used[MAPPING.id]);
      const entry = { ...destination, mappings: changed, updateTime: Date.now() };
      const { document: next, at: place } = replaced(document, 'destinations', destination, entry);
      return { document: next, at: place, inner: at === undefined ? '' : `.mappings[${at}]` };
    });
  };
  const path = '/destinations/:id{\\d+}/mappings';

  app.on('GET', either(path), async (c) => {
    const { document } = await book.current();
    return c.json(of(document as Document, idIn(c)).list.map(show));
  });

  app.on('GET', either(`${path}/:mapping{\\d+}`), async (c) => {
    const { document } = await book.current();
    const { list } = of(document as Document, idIn(c));
    const mapping = one(list, idIn(c, 'mapping'));
    return c.json(show(mapping), 200, { ETag: tagOf(mapping) });
  });

  app.on('POST', either(path), async (c) => {
    const body = await objectIn(c);
    let mapping: Entry = {};
    const { isTrial } = await change(c, (list, used) => {
      const { [MAPPING.id]: _, ...given } = body;
      const changed = withIds([...list, written(given, undefined)], used);
      mapping = changed[changed.length - 1];
      return { list: changed, at: list.length };
    });
    if (isTrial) return c.json(show(mapping));
    return c.json(show(mapping), 201, { ETag: tagOf(mapping) });
  });

  app.on('PUT', either(`${path}/:mapping{\\d+}`), async (c) => {
    const body = await objectIn(c);
    let mapping: Entry = {};
    const { isTrial } = await change(c, (list) => {
      const before = one(list, idIn(c, 'mapping'));
      demand(c, tagOf(before));
      mapping = { ...written(body, before), [MAPPING.id]: before[MAPPING.id] };
      const at = list.indexOf(before);
      return { list: list.with(at, mapping), at };
    });
    return c.json(show(mapping), 200, isTrial ? {} : { ETag: tagOf(mapping) });
  });

  app.on('DELETE', either(`${path}/:mapping{\\d+}`), async (c) => {
    await change(c, (list) => {
      const before = one(list, idIn(c, 'mapping'));
      demand(c, tagOf(before));
      return { list: list.filter((mapping) => mapping !== before) };
    });
    return c.body(null, 204);
  });

  app.on('POST', either(`${path}/bulk-delete`), async (c) => {
    const ids = await numbersIn(c);
    await change(c, (list) => {
      const doomed = new Set(ids.map((id) => one(list, String(id))));
      return { list: list.filter((mapping) => !doomed.has(mapping)) };
    });
    return c.body(null, 204);
  });
}

interface Edit {
  readonly document: Document;
  /** The place of the entry that was written; undefined where one was removed. */
  readonly at?: number;
  /** Where in that entry. */
  readonly inner?: string;
}

/**
 * Saves an edit, or, with `dryRun=true`, only checks it. What is wrong with the entry itself is a 400,
 * what others say against it a 409.
 */
async function edit(
  c: Context<Behind>,
  book: AccountBook,
  resource: Resource,
  make: (d: Document, used: UsedIds) => Edit,
): Promise<{ document: Document; isTrial: boolean }> {
  const isTrial = c.req.query('dryRun') === 'true';
  let prefix = '';
  const change = (document: Document, _: number, used: UsedIds) => {
    const { document: next, at, inner = '' } = make(document, used);
    prefix = at === undefined ? '' : `${resource.list}[${at}]${inner}`;
    return next;
  };
  try {
    const document = isTrial
      ? (await book.check(change)).document
      : ((await book.edit(changer(c), change)).document as Document);
    return { document, isTrial };
  } catch (error) {
    throw error instanceof AccountError ? told(error, prefix) : error;
  }
}

/**
 * What is wrong with a document, told of the entry that was put into it: with paths within the entry,
 * and as a conflict where only others stand against it.
 *
 * @param prefix the entry's path in the document; empty where none was put
 */
export function told(error: AccountError, prefix: string): RestError {
  const isOwn = ({ path }: Problem) =>
    prefix !== '' &&
    (path === prefix || /^[.[]/.test(path.slice(prefix.length))) &&
    path.startsWith(prefix);
  const problems = error.problems.map((problem) =>
    isOwn(problem)
      ? { ...problem, path: problem.path.slice(prefix.length).replace(/^\./, '') || '(body)' }
      : problem,
  );
  return new RestError(error.problems.some(isOwn) ? 400 : 409, ...problems);
}

function entryOf(document: Document, { list, id, noun }: Resource, wanted: string): Entry {
  const entry = entriesOf(document, list).find((one) => String(one[id]) === wanted);
  if (entry) return entry;
  throw unknown(noun, wanted);
}

function replaced(document: Document, list: string, before: Entry, entry: Entry): Edit {
  const entries = entriesOf(document, list);
  const at = entries.indexOf(before);
  return { document: { ...document, [list]: entries.with(at, entry) }, at };
}

function without(
  document: Document,
  { list, id }: Resource,
  doomed: readonly Entry[],
  withMappings = false,
): Edit {
  const hasMappings = ({ mappings }: Entry) => ((mappings ?? []) as unknown[]).length > 0;
  const mapped = withMappings ? [] : doomed.filter(hasMappings);
  if (mapped.length > 0) {
    throw new RestError(
      409,
      ...mapped.map((entry) => ({
        path: `${list} ${entry[id]}`,
        wrong: `${JSON.stringify(entry.name)} has mappings`,
        instead: 'delete its mappings first, or write ?withMappings=true',
      })),
    );
  }
  const gone = new Set(doomed);
  return {
    document: { ...document, [list]: entriesOf(document, list).filter((one) => !gone.has(one)) },
  };
}

/** Traits and segments share one id space. */
export function idsOf(document: Document, id: string): Set<number> {
  const lists = RESOURCES.filter((resource) => resource.id === id);
  return new Set(
    lists.flatMap(({ list }) => entriesOf(document, list).map((entry) => Number(entry[id]))),
  );
}

/**
 * An id for something new.
 *
 * @param used the highest that was ever given away: visitors, counts and queues know what had it
 */
export function nextId(taken: ReadonlySet<number>, used = 0): number {
  let highest = used;
  for (const id of taken) highest = Math.max(highest, id);
  if (highest < MAX_ID) return highest + 1;
  // Somebody has written the highest that there can be: rather one from a gap than none.
  let free = 1;
  while (taken.has(free)) free++;
  return free;
}

/**
 * Names what an entry is now; two that are alike have the same. Not of its secrets: whoever knows the
 * rest could try them against it.
 */
const tagOf = (entry: Entry) => {
  const open = Object.entries(entry).filter(([field]) => !SECRETS.includes(field));
  const hash = createHash('sha256').update(JSON.stringify(open)).digest('base64url');
  return `"${hash.slice(0, 22)}"`;
};

/** The lists of the account in force, ready to be searched and sorted. */
class Listings {
  readonly #last = new Map<Resource, Listing>();

  of(document: Document, resource: Resource): Listing {
    const entries = entriesOf(document, resource.list);
    const last = this.#last.get(resource);
    if (last?.entries === entries) return last;
    const listing = new Listing(entries, resource, last);
    this.#last.set(resource, listing);
    return listing;
  }
}

/** What a list's query asks for: ids, search, containsSegment and other filters, sortBy with descending. */
async function selected(
  c: Context,
  document: Document,
  resource: Resource,
  listing: Listing,
): Promise<Places> {
  const { id } = resource;
  let found = listing.all;
  const ids = c.req.query('ids');
  if (ids !== undefined) {
    const wanted = new Set(idsIn(ids));
    found = await listing.filter(found, (entry) => wanted.has(Number(entry[id])));
  }
  const search = c.req.query('search');
  if (search) found = await listing.filter(found, listing.searching(search));
  const segment = c.req.query('containsSegment');
  if (segment !== undefined) {
    const destinations = destinationsOf(document).get(Number(segment)) ?? new Set();
    found = await listing.filter(found, (entry) => destinations.has(entry));
  }
  for (const holds of filtersOf(c, document, resource)) found = await listing.filter(found, holds);
  const field = c.req.query('sortBy');
  if (!field) return found;
  const count = counting(document, resource);
  const isCount = field in count({});
  if (!isCount && !listing.has(field)) {
    const instead = `write one of ${[...listing.fields, ...Object.keys(count({}))].join(', ')}`;
    throw new RestError(400, { path: 'sortBy', wrong: `there is no field ${field}`, instead });
  }
  const counted = isCount ? (entry: Entry) => count(entry)[field] : undefined;
  const order = await listing.sort(found, field, counted);
  return c.req.query('descending') === 'true' ? order.toReversed() : order;
}

function idsIn(text: string): number[] {
  if (/^\d+(,\d+)*$/.test(text)) return text.split(',').map(Number);
  const wrong = `${JSON.stringify(text)} is no list of ids`;
  throw new RestError(400, { path: 'ids', wrong, instead: 'write such as 12,13' });
}

/** Why segments cannot be mapped to a destination with the labels that the query names. */
async function controlsOf(
  c: Context,
  document: Document,
  { list }: Resource,
  segments: readonly Entry[],
): Promise<ExportControl[][] | undefined> {
  const text = c.req.query('labels');
  if (text === undefined || list !== 'segments') return undefined;
  const asked = text.split(',').filter((label) => label !== '');
  const labels = EXPORT_LABELS.filter((label) => asked.includes(label));
  if (labels.length < new Set(asked).size) {
    const wrong = `${JSON.stringify(text)} is no list of data export labels`;
    const instead = `write some of ${EXPORT_LABELS.join(',')}`;
    throw new RestError(400, { path: 'labels', wrong, instead });
  }
  return inTurns(exportControls(document, segments, labels));
}

async function objectIn(c: Context): Promise<Entry> {
  const body = await jsonIn(c);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Entry;
  throw new RestError(400, { path: '(body)', wrong: 'not an object', instead: 'write { … }' });
}

async function numbersIn(c: Context): Promise<number[]> {
  const body = await jsonIn(c);
  const isList = Array.isArray(body) && body.every((id) => Number.isInteger(id));
  if (isList && body.length > 0) return [...new Set(body as number[])];
  throw new RestError(400, {
    path: '(body)',
    wrong: 'not a list of ids',
    instead: 'write such as [12, 13]',
  });
}
