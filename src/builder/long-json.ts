/**
 * JSON that may be long, in pieces: a whole list of 100,000, made at once, would hold up pages for a
 * second.
 */
import type { Context } from 'hono';

/** Entries of a list that are written between two pauses. */
const CHUNK = 100;

export function* listJson<Entry>(
  entries: readonly Entry[],
  give: (entry: Entry, place: number) => unknown = (entry) => entry,
): Generator<string> {
  yield '[';
  for (let start = 0; start < entries.length; start += CHUNK) {
    const texts = entries
      .slice(start, start + CHUNK)
      .map((entry, i) => JSON.stringify(give(entry, start + i)));
    yield `${start === 0 ? '' : ','}${texts.join(',')}`;
  }
  yield ']';
}

/** An object with lists in it. */
export function* objectJson(object: Readonly<Record<string, unknown>>): Generator<string> {
  let opening = '{';
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue;
    yield `${opening}${JSON.stringify(name)}:`;
    opening = ',';
    if (Array.isArray(value)) yield* listJson(value);
    else yield JSON.stringify(value);
  }
  yield opening === '{' ? '{}' : '}';
}

/** Answers with JSON that is made while it is sent. */
export function answerInPieces(
  c: Context,
  pieces: Iterator<string>,
  headers: Record<string, string> = {},
): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Pages are answered between any two pieces.
      await new Promise((resolve) => setImmediate(resolve));
      const { done, value } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
  return c.body(body, 200, { 'Content-Type': 'application/json', ...headers });
}
