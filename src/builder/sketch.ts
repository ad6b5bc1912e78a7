/**
 * A destination while it is being written: what of it can be read and compiled already, and
 * everything that saving it would find wrong.
 */
import type { z } from 'zod';
import { compileWithMappings, type MappedSegment } from '../account/destinations.ts';
import {
  bitsOf,
  type DestinationDocument,
  destinationSchema,
  mappingSchema,
  type SegmentDocument,
  segmentSchema,
} from '../account/document.ts';
import { exportControls } from '../account/export-control.ts';
import { type Problem, problemsOf } from '../account/problem.ts';
import { fallbackIdsIn, LIMITS } from '../account/snapshot.ts';
import type { Turns } from '../account/turns.ts';
import type { Destination, Mapping } from '../destinations/destination.ts';
import type { Document } from './book.ts';
import { type Entry, entriesOf, written } from './resource.ts';

export interface Sketch {
  /** With paths from the destination on, such as `mappings[0].url`. */
  readonly problems: readonly Problem[];
  /** What can be shown; undefined where not even the type of the destination is known. */
  readonly compiled?: {
    readonly document: DestinationDocument;
    readonly destination: Destination;
    /** Those that are right and switched on. */
    readonly mappings: readonly Mapping[];
  };
}

/** What stands in for a field that has to be there while it is missing or wrong. */
const STAND_INS: Readonly<Record<string, unknown>> = {
  name: 'New destination',
  cookieName: 'cookie',
  formatType: 'key_value',
};

/**
 * Puts a destination into the account as saving would, without touching the rest.
 *
 * @param document the account in force
 * @param input with the id of one that is there already, it takes the place of that one
 */
export function* sketch(document: Document, input: Entry): Turns<Sketch> {
  const destinations = entriesOf(document, 'destinations');
  const ids = destinations.map(({ destinationId }) => Number(destinationId));
  const id = input.destinationId ?? Math.max(0, ...ids) + 1;
  const before = destinations[ids.indexOf(Number(id))];
  const whole = { ...written(input, before), destinationId: id };

  const problems: Problem[] = [];
  if (!before && destinations.length >= LIMITS.destinations) {
    const wrong = `the account has ${LIMITS.destinations} destinations, which is all that it can have`;
    problems.push({ path: '(destination)', wrong, instead: 'delete another one first' });
  }
  const read = destinationSchema.safeParse(whole, { reportInput: true });
  if (!read.success) problems.push(...problemsOf(read.error));

  const { mappings: given, ...own } = whole as Entry;
  const { value, mended } = mend<DestinationDocument>(destinationSchema, own);
  if (!value) return { problems };
  const mappings = [];
  for (const mapping of Array.isArray(given) ? given : []) {
    yield;
    mappings.push(mend(mappingSchema, mapping as Entry).value);
  }
  const sids = new Set(mappings.flatMap((mapping) => mapping?.sid ?? []));
  const segments = yield* segmentsOf(document, sids, value);
  const fallbackIds = fallbackIdsIn(entriesOf(document, 'destinations'));
  const siteIds = new Set(entriesOf(document, 'sites').map(({ siteId }) => Number(siteId)));
  const found: Problem[] = [];
  const segmentOf = (sid: number) => segments.get(sid);
  const compiled = yield* compileWithMappings(
    value,
    mappings,
    // Whoever looks at a sketch has refused nothing.
    { path: '', siteIds, fallbackIds, segmentOf, requiredConsent: { purposes: 0, vendors: [] } },
    found,
  );
  const relative = found.map((problem) => ({ ...problem, path: problem.path.replace(/^\./, '') }));
  problems.push(...relative.filter(({ path }) => !isConsequence(path, mended)));
  const readable = { ...value, mappings: mappings.filter((mapping) => mapping !== undefined) };
  return { problems, compiled: { document: readable, ...compiled } };
}

/** Whether something is wrong only because of what stands in for something else. */
const isConsequence = (path: string, mended: ReadonlySet<string>): boolean =>
  mended.has(path) ||
  (mended.has('formatType') && (path === 'singleKey' || path.endsWith('.traitAlias')));

/** Leaves out what is wrong, so that the rest can be read. */
function mend<Value>(
  schema: z.ZodType<Value>,
  input: Entry,
): { value: Value | undefined; mended: ReadonlySet<string> } {
  const mended = new Set<string>();
  const rest: Record<string, unknown> = { ...input };
  for (;;) {
    const { success, data, error } = schema.safeParse(rest);
    if (success) return { value: data, mended };
    const wrong = error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' && issue.path.length === 0
        ? issue.keys
        : issue.path.slice(0, 1).map(String),
    );
    for (const field of wrong) {
      // What stands in for it is right, so it can be wrong only once.
      if (mended.has(field) || (rest[field] === undefined && !(field in STAND_INS))) {
        return { value: undefined, mended };
      }
      mended.add(field);
      rest[field] = STAND_INS[field];
    }
    if (wrong.length === 0) return { value: undefined, mended };
    for (const field of mended) if (rest[field] === undefined) delete rest[field];
  }
}

function* segmentsOf(
  document: Document,
  sids: ReadonlySet<number>,
  { dataExportLabels }: DestinationDocument,
): Turns<Map<number, MappedSegment>> {
  const entries: Entry[] = [];
  for (const entry of entriesOf(document, 'segments')) {
    yield;
    if (sids.has(Number(entry.sid))) entries.push(entry);
  }
  const controls = yield* exportControls(document, entries, dataExportLabels ?? []);
  return new Map(
    entries.map((entry, place) => [
      Number(entry.sid),
      {
        place,
        document: segmentSchema.parse(entry) as SegmentDocument,
        restrictions: bitsOf(controls[place].map(({ label }) => label)),
      },
    ]),
  );
}
