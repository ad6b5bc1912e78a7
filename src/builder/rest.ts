/** The REST interface for the account: what scripts of this field already speak. */
import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { type AccountDocument, differences } from '../account/difference.ts';
import { AccountError, type Problem } from '../account/problem.ts';
import { SECRETS } from '../account/secret.ts';
import { compileAccountInTurns } from '../account/snapshot.ts';
import type { AccountBook, Document } from './book.ts';
import { type Behind, changer } from './caller.ts';
import { demand, either, jsonIn, pageIn, RestError, stale, unknown } from './request.ts';
import {
  defaultsOf,
  type Entry,
  MAPPING,
  RESOURCES,
  type Resource,
  shown,
  withIds,
  written,
} from './resource.ts';

const MAX_DOCUMENT = 64 * 1024 * 1024;

export function rest(book: AccountBook): Hono<Behind> {
  const app = new Hono<Behind>();

  for (const resource of RESOURCES) {
    const { path, list, id, noun } = resource;
    const defaults = defaultsOf(resource.schema);
    const show = (entry: Entry, withMappings = false) => {
      const { mappings, ...rest } = entry;
      return shown(withMappings ? entry : rest, resource.schema);
    };

    app.on('GET', either(`/${path}`), async (c) => {
      const entries = entriesOf((await book.current()).document as Document, list);
      const { page, total, isPaged } = selected(c, entries, defaults);
      const withMappings = c.req.query('includeMappings') === 'true';
      const shownOnes = page.map((entry) => show(entry, withMappings));
      if (!isPaged) return c.json(shownOnes);
      return c.json({ ...pageIn(c), total, list: shownOnes });
    });

    app.on('GET', either(`/${path}/:id{\\d+}`), async (c) => {
      const { document } = await book.current();
      const entry = entryOf(document as Document, resource, idIn(c));
      const tag = tagOf(entry);
      if (c.req.header('If-None-Match') === tag) return c.body(null, 304, { ETag: tag });
      return c.json(show(entry, c.req.query('includeMappings') === 'true'), 200, { ETag: tag });
    });

    app.on('POST', either(`/${path}`), async (c) => {
      const body = await objectIn(c);
      let entry: Entry = {};
      await edit(c, book, resource, (document) => {
        const given = body[id];
        const taken = idsOf(document, id);
        if (given !== undefined && taken.has(Number(given))) {
          const wrong = `${JSON.stringify(given)} is taken`;
          const instead = 'leave it out: it gets an id of its own';
          throw new RestError(409, { path: id, wrong, instead });
        }
        entry = { ...written(body, undefined), [id]: given ?? nextId(taken) };
        const entries = [...entriesOf(document, list), entry];
        return { document: { ...document, [list]: entries }, at: entries.length - 1 };
      });
      return c.json(show(entry), 201, {
        ETag: tagOf(entry),
        Location: `/v1/${path}/${entry[id]}`,
      });
    });

    app.on('PUT', either(`/${path}/:id{\\d+}`), async (c) => {
      const body = await objectIn(c);
      let entry: Entry = {};
      await edit(c, book, resource, (document) => {
        const before = entryOf(document, resource, idIn(c));
        demand(c, tagOf(before));
        if (body[id] !== undefined && Number(body[id]) !== Number(before[id])) {
          const wrong = `${JSON.stringify(body[id])} is another ${noun}`;
          const instead = `write ${before[id]}, or leave it out`;
          throw new RestError(400, { path: id, wrong, instead });
        }
        entry = { ...written(body, before), [id]: before[id] };
        return replaced(document, list, before, entry);
      });
      return c.json(show(entry), 200, { ETag: tagOf(entry) });
    });

    app.on('DELETE', either(`/${path}/:id{\\d+}`), async (c) => {
      await edit(c, book, resource, (document) => {
        const before = entryOf(document, resource, idIn(c));
        demand(c, tagOf(before));
        return without(document, resource, [before]);
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
    return c.json(document as object, 200, { ETag: `"${revision}"` });
  });

  app.post('/import', async (c) => {
    const given = (await jsonIn(c, MAX_DOCUMENT)) as AccountDocument;
    const expected = c.req.header('If-Match');
    const isTrial = c.req.query('dryRun') === 'true';
    const before = await book.current();
    if (isTrial) {
      await compileAccountInTurns(given);
      return c.json({ differences: differences(before.document as AccountDocument, given) });
    }
    let lines: string[] = [];
    const replace = (document: Document) => {
      // What was looked at is what is replaced.
      if (expected !== undefined && expected !== `"${before.revision}"`) throw stale('the account');
      lines = differences(document, given);
      return given;
    };
    const { revision } = await book.edit(changer(c), replace, true);
    return c.json({ revision, differences: lines }, 200, { ETag: `"${revision}"` });
  });

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
    make: (list: Entry[]) => { list: Entry[]; at?: number },
  ) => {
    await edit(c, book, destinations, (document) => {
      const { destination, list } = of(document, idIn(c));
      const { list: changed, at } = make(list);
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
    await change(c, (list) => {
      const { [MAPPING.id]: _, ...given } = body;
      const changed = withIds([...list, written(given, undefined)]);
      mapping = changed[changed.length - 1];
      return { list: changed, at: list.length };
    });
    return c.json(show(mapping), 201, { ETag: tagOf(mapping) });
  });

  app.on('PUT', either(`${path}/:mapping{\\d+}`), async (c) => {
    const body = await objectIn(c);
    let mapping: Entry = {};
    await change(c, (list) => {
      const before = one(list, idIn(c, 'mapping'));
      demand(c, tagOf(before));
      mapping = { ...written(body, before), [MAPPING.id]: before[MAPPING.id] };
      const at = list.indexOf(before);
      return { list: list.with(at, mapping), at };
    });
    return c.json(show(mapping), 200, { ETag: tagOf(mapping) });
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

/** Saves an edit; what is wrong with the entry itself is a 400, what others say against it a 409. */
async function edit(
  c: Context<Behind>,
  book: AccountBook,
  resource: Resource,
  make: (d: Document) => Edit,
) {
  let prefix = '';
  try {
    await book.edit(changer(c), (document) => {
      const { document: next, at, inner = '' } = make(document);
      prefix = at === undefined ? '' : `${resource.list}[${at}]${inner}`;
      return next;
    });
  } catch (error) {
    if (!(error instanceof AccountError)) throw error;
    const isOwn = ({ path }: Problem) =>
      prefix !== '' &&
      (path === prefix || /^[.[]/.test(path.slice(prefix.length))) &&
      path.startsWith(prefix);
    const problems = error.problems.map((problem) =>
      isOwn(problem)
        ? { ...problem, path: problem.path.slice(prefix.length).replace(/^\./, '') || '(body)' }
        : problem,
    );
    throw new RestError(error.problems.some(isOwn) ? 400 : 409, ...problems);
  }
}

const entriesOf = (document: Document, list: string) => (document[list] ?? []) as readonly Entry[];

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

function without(document: Document, { list, id }: Resource, doomed: readonly Entry[]): Edit {
  const mapped = doomed.filter(({ mappings }) => ((mappings ?? []) as unknown[]).length > 0);
  if (mapped.length > 0) {
    throw new RestError(
      409,
      ...mapped.map((entry) => ({
        path: `${list} ${entry[id]}`,
        wrong: `${JSON.stringify(entry.name)} has mappings`,
        instead: 'delete its mappings first',
      })),
    );
  }
  const gone = new Set(doomed);
  return {
    document: { ...document, [list]: entriesOf(document, list).filter((one) => !gone.has(one)) },
  };
}

/** Traits and segments share one id space. */
function idsOf(document: Document, id: string): Set<number> {
  const lists = RESOURCES.filter((resource) => resource.id === id);
  return new Set(
    lists.flatMap(({ list }) => entriesOf(document, list).map((entry) => Number(entry[id]))),
  );
}

function nextId(taken: ReadonlySet<number>): number {
  let highest = 0;
  for (const id of taken) highest = Math.max(highest, id);
  return highest + 1;
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

const SEARCHED = ['name', 'description', 'integrationCode', 'traitRule', 'segmentRule'];

/** What a list's query asks for: search, containsSegment, sortBy with descending, page with pageSize. */
function selected(c: Context, entries: readonly Entry[], defaults: Entry) {
  const isPaged = c.req.query('page') !== undefined || c.req.query('pageSize') !== undefined;
  const { page, pageSize } = pageIn(c);
  let found = entries;
  const search = c.req.query('search')?.toLowerCase();
  if (search) {
    found = found.filter((entry) =>
      SEARCHED.some((field) =>
        String(entry[field] ?? '')
          .toLowerCase()
          .includes(search),
      ),
    );
  }
  const segment = c.req.query('containsSegment');
  if (segment) {
    found = found.filter(({ mappings }) =>
      ((mappings ?? []) as Entry[]).some(({ sid }) => String(sid) === segment),
    );
  }
  const by = c.req.query('sortBy');
  if (by && !SECRETS.includes(by)) {
    const direction = c.req.query('descending') === 'true' ? -1 : 1;
    found = [...found].sort(
      (a, b) => direction * compared(a[by] ?? defaults[by], b[by] ?? defaults[by]),
    );
  }
  const start = page * pageSize;
  return {
    page: isPaged ? found.slice(start, start + pageSize) : found,
    total: found.length,
    isPaged,
  };
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

const compared = (a: unknown, b: unknown) =>
  typeof a === 'number' && typeof b === 'number'
    ? a - b
    : collator.compare(String(a ?? ''), String(b ?? ''));

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
