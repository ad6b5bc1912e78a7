/** The lists of the account document as resources of the REST interface. */
import { z } from 'zod';
import {
  dataSourceSchema,
  destinationSchema,
  folderSchema,
  mappingSchema,
  segmentSchema,
  siteSchema,
  traitSchema,
} from '../account/document.ts';
import { SECRETS } from '../account/secret.ts';
import type { Document } from './book.ts';

export type Entry = Readonly<Record<string, unknown>>;

export interface Resource {
  /** Below `/v1/`. */
  readonly path: string;
  /** Of the document. */
  readonly list: string;
  /** The field that holds the id; traits and segments share theirs. */
  readonly id: string;
  /** What one of them is called. */
  readonly noun: string;
  readonly schema: z.ZodType;
}

export const RESOURCES: readonly Resource[] = [
  {
    path: 'destinations',
    list: 'destinations',
    id: 'destinationId',
    noun: 'destination',
    schema: destinationSchema,
  },
  { path: 'traits', list: 'traits', id: 'sid', noun: 'trait', schema: traitSchema },
  { path: 'segments', list: 'segments', id: 'sid', noun: 'segment', schema: segmentSchema },
  {
    path: 'datasources',
    list: 'dataSources',
    id: 'dataSourceId',
    noun: 'data source',
    schema: dataSourceSchema,
  },
  { path: 'folders', list: 'folders', id: 'folderId', noun: 'folder', schema: folderSchema },
  { path: 'sites', list: 'sites', id: 'siteId', noun: 'site', schema: siteSchema },
];

/** What a destination shares with a partner, of one segment. */
export const MAPPING = { id: 'destinationMappingId', noun: 'mapping', schema: mappingSchema };

export const entriesOf = (document: Document, list: string) =>
  (document[list] ?? []) as readonly Entry[];

/**
 * Mappings that came with a document have no ids: they get the next ones, in order.
 *
 * @param used the highest id that must not be given away again
 */
export function withIds(mappings: unknown, used = 0): Entry[] {
  const list = (mappings ?? []) as Entry[];
  let next = Math.max(used, ...list.map((mapping) => Number(mapping[MAPPING.id]) || 0));
  return list.map((mapping) =>
    mapping[MAPPING.id] === undefined ? { ...mapping, [MAPPING.id]: ++next } : mapping,
  );
}

/** The fields that an entry can have, with what each is where it says nothing. */
export function fieldsOf(schema: z.ZodType): Entry {
  const { properties, oneOf = [{ properties }] } = z.toJSONSchema(schema);
  const fields = oneOf.flatMap((kind) => Object.entries(kind.properties ?? {}));
  return Object.fromEntries(
    fields.map(([name, field]) => [name, typeof field === 'object' ? field.default : undefined]),
  );
}

/** An entry as answers show it: with its defaults, without its secrets, of which it says only which there are. */
export function shown(entry: Entry, schema: z.ZodType): Entry {
  const full: Record<string, unknown> = { pid: 1, ...(schema.parse(entry) as Entry) };
  const notShown = SECRETS.flatMap((secret) => placesIn(full[secret], secret));
  for (const secret of SECRETS) delete full[secret];
  if (notShown.length > 0) full.notShown = notShown;
  if (full.mappings !== undefined) {
    full.mappings = withIds(full.mappings);
  }
  return full;
}

/** Where there is anything in a secret, such as `signatureKeys[0]` and `oauth.clientSecret`. */
function placesIn(value: unknown, path: string): string[] {
  if (value == null || value === '') return [];
  if (Array.isArray(value)) return value.map((_, at) => `${path}[${at}]`);
  if (typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([name, part]) => placesIn(part, `${path}.${name}`));
}

/** What answers say of an entry beside what is in it; it is no part of it when it is sent back. */
const COUNTED = ['mappingCount', 'destinationCount', 'exportControls', 'notShown'];

/** An entry that is written over another one: what is not given back stays unless it is written. */
export function written(body: Entry, before: Entry | undefined): Entry {
  const kept = Object.fromEntries(
    [...SECRETS, 'mappings', 'createTime'].flatMap((field) =>
      before?.[field] === undefined ? [] : [[field, before[field]]],
    ),
  );
  const own = Object.entries(body)
    .filter(([field]) => !COUNTED.includes(field))
    .map(([field, value]) =>
      SECRETS.includes(field) ? [field, completed(value, before?.[field])] : [field, value],
    );
  const now = Date.now();
  return { createTime: now, ...kept, ...Object.fromEntries(own), updateTime: now };
}

/** A secret of which only a part is written: whoever changes one key does not know the other. */
function completed(given: unknown, before: unknown): unknown {
  if (Array.isArray(given)) {
    const kept = Array.isArray(before) ? before : [];
    return given.map((part) => (Number.isInteger(part?.kept) ? (kept[part.kept] ?? part) : part));
  }
  const hasParts = (value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return hasParts(given) && hasParts(before)
    ? { ...(before as Entry), ...(given as Entry) }
    : given;
}
