/** What one account document changes of another. */
import { SECRETS } from './secret.ts';
import { atOnce, inTurns, type Turns } from './turns.ts';

/** An account document, as far as it is compared. */
export type AccountDocument = Readonly<Record<string, unknown>>;

/** What stands for an entry of each list; mappings are told apart by their segment. */
const IDS: Readonly<Record<string, string>> = {
  dataSources: 'dataSourceId',
  folders: 'folderId',
  traits: 'sid',
  segments: 'sid',
  destinations: 'destinationId',
  sites: 'siteId',
};

/** What answers of the REST interface add: nobody decides it. */
const BESIDES = new Set([
  'pid',
  'crUID',
  'upUID',
  'createTime',
  'updateTime',
  'destinationMappingId',
  'notShown',
]);

type Entry = Readonly<Record<string, unknown>>;

/** What an entry of a list says, which it may say by saying nothing. */
type Meaning = (list: string, entry: Entry) => Entry;

const literally: Meaning = (_, entry) => entry;

/**
 * The differences, a line each: + new, - gone, ~ changed. Secrets are not shown.
 *
 * @param meaning such as `meaningOf` (`document.ts`): what is only written down is no difference
 */
export const differences = (
  before: AccountDocument,
  after: AccountDocument,
  meaning = literally,
): string[] => atOnce(comparing(before, after, meaning));

/** Compares while requests are answered: two accounts at the field's limits take a second. */
export const differencesInTurns = (
  before: AccountDocument,
  after: AccountDocument,
  meaning = literally,
): Promise<string[]> => inTurns(comparing(before, after, meaning));

/** A document as those may compare it who may not even know whether they know a secret. */
export const withoutSecrets = (document: AccountDocument): AccountDocument => ({
  ...document,
  destinations: (document.destinations as Entry[] | undefined)?.map((destination) =>
    Object.fromEntries(Object.entries(destination).filter(([field]) => !SECRETS.includes(field))),
  ),
});

const MAX_LINES = 200;
const MAX_LINE = 200;

/** Differences as they are kept with a revision: at most 200 lines of at most 200 characters. */
export function shortened(lines: readonly string[]): string[] {
  const fits = lines.length <= MAX_LINES;
  const short = (fits ? lines : lines.slice(0, MAX_LINES - 1)).map((line) =>
    line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line,
  );
  return fits ? short : [...short, `… and ${lines.length - short.length} more lines`];
}

function* comparing(
  before: AccountDocument,
  after: AccountDocument,
  meaning: Meaning,
): Turns<string[]> {
  const [own, ownNow] = [before, after].map((document) =>
    Object.fromEntries(Object.entries(document).filter(([name]) => !(name in IDS))),
  );
  const lines = changes(own, ownNow, '');
  if (lines.length > 0) lines.unshift('~ account');
  for (const [list, idName] of Object.entries(IDS)) {
    // An edit leaves most lists, and most entries of a list, the very same.
    if (before[list] === after[list]) continue;
    const old = yield* byId(before, list, idName);
    const now = yield* byId(after, list, idName);
    const titleOf = (id: unknown, { name }: Entry) => `${list} ${id} ${JSON.stringify(name ?? '')}`;
    for (const [id, was] of old) {
      yield;
      const is = now.get(id);
      if (!is) lines.push(`- ${titleOf(id, was)}`);
      else {
        const changed =
          was === is || JSON.stringify(was) === JSON.stringify(is)
            ? []
            : changes(meaning(list, was), meaning(list, is), '');
        if (changed.length > 0) lines.push(`~ ${titleOf(id, is)}`, ...changed);
      }
    }
    for (const [id, is] of now) {
      yield;
      if (!old.has(id)) lines.push(`+ ${titleOf(id, is)}`);
    }
  }
  return lines;
}

function* byId(document: AccountDocument, list: string, id: string): Turns<Map<unknown, Entry>> {
  const entries = new Map<unknown, Entry>();
  for (const entry of (document[list] ?? []) as Entry[]) {
    yield;
    entries.set(entry[id], entry);
  }
  return entries;
}

/** The innermost values that differ, with their paths. */
function changes(before: unknown, after: unknown, path: string): string[] {
  if (before === after || JSON.stringify(before) === JSON.stringify(after)) return [];
  const [old, now] = [partsOf(before), partsOf(after)];
  if (!old || !now) return [`    ${path}: ${shown(before)} → ${shown(after)}`];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    const [was, is] = [old.get(key), now.get(key)];
    if (BESIDES.has(key)) return [];
    if (SECRETS.includes(key)) return concealed(was, is, key);
    const inner = path && !key.startsWith('[') ? `${path}.${key}` : `${path}${key}`;
    return changes(was, is, inner);
  });
}

function concealed(before: unknown, after: unknown, path: string): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const [was, is] = [before, after].map((value) => (value == null ? '(none)' : '(secret)'));
  return [`    ${path}: ${was} → ${is}`];
}

function partsOf(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  return new Map(
    value.map((item, i) => [item?.sid === undefined ? `[${i}]` : `[sid ${item.sid}]`, item]),
  );
}

function shown(value: unknown): string {
  const text = value === undefined ? '(none)' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}
