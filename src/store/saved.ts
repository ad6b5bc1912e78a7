/**
 * The text of a saved account: who saved it on the first line, the document on the second. Or both as
 * one object, `{ origin, document }`, as Redis keeps them, and files before revisions had a history.
 */
import type { Origin, SavedAccount } from './store.ts';

/** What is saved of a revision. */
export type Saved = Omit<SavedAccount, 'revision'>;

const OBJECT = '{"origin":';
const DOCUMENT = ',"document":';

/** Whoever has mended it by hand may have indented it, or turned it around. */
const isObject = (text: string) => /^\s*\{(\s|\}|"origin":|"document":)/.test(text.slice(0, 100));

/** Entries of a list that become text at once: a whole document would hold up pages. */
const PART = 500;

/** The two lines, in parts. */
export function* savedParts({ origin, document }: Saved): Generator<string> {
  yield `${JSON.stringify(origin)}\n`;
  yield* partsOf(document);
  yield '\n';
}

/** The object, in parts. */
export function* savedObjectParts({ origin, document }: Saved): Generator<string> {
  yield `${OBJECT}${JSON.stringify(origin)}${DOCUMENT}`;
  yield* partsOf(document);
  yield '}';
}

function* partsOf(document: unknown): Generator<string> {
  const fields = Object.entries(document as object).filter(([, value]) => value !== undefined);
  for (const [i, [name, value]] of fields.entries()) {
    yield `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`;
    yield* Array.isArray(value) ? partsOfList(value) : [JSON.stringify(value)];
  }
  yield fields.length === 0 ? '{}' : '}';
}

function* partsOfList(list: readonly unknown[]): Generator<string> {
  for (let i = 0; i < list.length; i += PART) {
    const brackets = JSON.stringify(list.slice(i, i + PART));
    yield `${i === 0 ? '[' : ','}${brackets.slice(1, -1)}`;
  }
  yield list.length === 0 ? '[]' : ']';
}

export function savedIn(text: string): Saved {
  if (isObject(text)) return JSON.parse(text);
  const end = text.indexOf('\n');
  return { origin: JSON.parse(text.slice(0, end)), document: JSON.parse(text.slice(end)) };
}

/** Who saved it, from the start of the text; undefined where that does not tell, or not yet. */
export function originIn(start: string): Origin | undefined {
  const isOrdered = start.startsWith(OBJECT);
  if (isObject(start) && !isOrdered) return undefined;
  // Quotes within the origin are escaped: this is not in one of its texts.
  const end = start.indexOf(isOrdered ? DOCUMENT : '\n');
  return end === -1 ? undefined : JSON.parse(start.slice(isOrdered ? OBJECT.length : 0, end));
}
