/** Try before publishing: what an entry would change, had it been there for the recorded calls. */
import { Hono } from 'hono';
import { AccountError } from '../account/problem.ts';
import type { Snapshot } from '../account/snapshot.ts';
import { inTurns, type Turns } from '../account/turns.ts';
import type { UsedIds } from '../account/used-ids.ts';
import { traitsOf } from '../audience/segment-rule.ts';
import { printTraitRule } from '../audience/trait-rule.ts';
import type { FrontDoor } from '../collect/event.ts';
import { Outcome } from '../collect/outcome.ts';
import { privateKeys, type RecordedCall, recordedCalls } from '../collect/recorded-call.ts';
import type { Recent, Registry } from '../store/registry.ts';
import type { AccountBook, Document } from './book.ts';
import type { Behind } from './caller.ts';
import { Line } from './line.ts';
import { type TrialResult, trialRequest } from './questions.ts';
import { bodyIn, either } from './request.ts';
import { type Entry, entriesOf, RESOURCES, type Resource, written } from './resource.ts';
import { idsOf, nextId, told } from './rest.ts';

const MAX_WAITING = 20;

/** The account as it is, and with the entry. */
interface Both {
  readonly before: Snapshot;
  readonly after: Snapshot;
}

export function trials(book: AccountBook, registry: Registry, door: FrontDoor): Hono<Behind> {
  const app = new Hono<Behind>();
  // A large account takes room to compile. Who types on does not wait for what they had before.
  const line = new Line('trials', MAX_WAITING);

  app.on('POST', either('/trials'), (c) =>
    line.take(
      c.req.raw.signal,
      () => bodyIn(c, trialRequest),
      async ({ list, entry }) => {
        const resource = RESOURCES.find((one) => one.list === list) as Resource;
        const { id, ...accounts } = await compiled(book, door, resource, entry);
        const calls = await recordedCalls(registry);
        return c.json(await inTurns(tried(calls, accounts, resource, id, door.settings)));
      },
    ),
  );

  return app;
}

/** Compiles the account with an entry, and without. */
async function compiled(
  book: AccountBook,
  door: FrontDoor,
  resource: Resource,
  entry: Entry,
): Promise<Both & { readonly id: number }> {
  let id = 0;
  let path = '';
  const edit = (before: Document, _: number, used: UsedIds) => {
    const { document, ...place } = withEntry(before, resource, entry, used);
    ({ id, path } = place);
    return document;
  };
  try {
    const { snapshot: after, revision } = await book.check(edit);
    if (door.revision?.() === revision) return { before: door.snapshot(), after, id };
    const before = await book.check((document) => document);
    if (before.revision === revision) return { before: before.snapshot, after, id };
  } catch (error) {
    throw error instanceof AccountError ? told(error, path) : error;
  }
  // Somebody has saved another account in between.
  return compiled(book, door, resource, entry);
}

interface Put {
  readonly document: Document;
  readonly id: number;
  /** Where in the document. */
  readonly path: string;
}

/** Puts an entry into a document: in the place of the one with its id, or as a new one. */
function withEntry(document: Document, { list, id }: Resource, given: Entry, used: UsedIds): Put {
  const entries = entriesOf(document, list);
  const place = entries.findIndex(
    (one) => given[id] != null && String(one[id]) === String(given[id]),
  );
  const entry = {
    ...written(given, entries[place]),
    [id]: given[id] ?? nextId(idsOf(document, id), used[id]),
  };
  const changed = place === -1 ? [...entries, entry] : entries.with(place, entry);
  const at = place === -1 ? entries.length : place;
  return {
    document: { ...document, [list]: changed },
    id: Number(entry[id]),
    path: `${list}[${at}]`,
  };
}

function* tried(
  calls: readonly Recent<RecordedCall>[],
  { before, after }: Both,
  { list }: Resource,
  id: number,
  settings: FrontDoor['settings'],
): Turns<TrialResult> {
  const [old, now] = [new Outcome(), new Outcome()];
  const newRule = list === 'traits' ? changedRule(id, { before, after }) : undefined;
  const options = newRule && { changedTrait: id };
  for (const call of calls) {
    yield;
    old.add(call, before, settings);
    yield;
    now.add(call, after, settings, options);
  }
  const touched = new Set([
    ...(yield* touchedBy(list, id, before)),
    ...(yield* touchedBy(list, id, after)),
  ]);
  const pixels = ({ pixels, maxPixels }: Outcome) => ({
    mean: calls.length === 0 ? 0 : pixels / calls.length,
    max: maxPixels,
  });
  const times = calls.map(({ at }) => at);
  return {
    calls: calls.length,
    from: calls.length === 0 ? null : Math.min(...times),
    to: calls.length === 0 ? null : Math.max(...times),
    destinations: after.destinations
      .map((destination) => ({
        destinationId: destination.id,
        name: destination.name,
        before: old.called.get(destination.id) ?? 0,
        after: now.called.get(destination.id) ?? 0,
      }))
      .filter((d) => d.before !== d.after || touched.has(d.destinationId)),
    pixels: { before: pixels(old), after: pixels(now) },
    privateKeys: newRule ? privateKeys(newRule) : [],
  };
}

/** The rule of a trait, if it is not the one in force. */
function changedRule(sid: number, { before, after }: Both) {
  const [old, now] = [before, after].map(
    ({ traits, traitPlaces }) => traits[traitPlaces.get(sid) ?? -1]?.rule,
  );
  return now && (!old || printTraitRule(old) !== printTraitRule(now)) ? now : undefined;
}

/** Ids of the destinations that an entry is about. */
function* touchedBy(list: string, id: number, snapshot: Snapshot): Turns<number[]> {
  if (list === 'destinations') return [id];
  const { traits, traitPlaces, segments, mappings } = snapshot;
  const trait = traits[traitPlaces.get(id) ?? -1];
  const sids = [id, ...(trait?.folders ?? []).map((place) => traits[place].sid)];
  const touched: number[] = [];
  for (const [place, { sid, rule }] of segments.entries()) {
    yield;
    const isTouched = list === 'segments' ? sid === id : sids.some((s) => traitsOf(rule).has(s));
    if (!isTouched) continue;
    for (const { destination } of mappings.bySegment[place]) touched.push(destination.id);
  }
  return touched;
}
