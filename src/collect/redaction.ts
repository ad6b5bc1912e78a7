/**
 * Takes private pairs (`p_…`) out of what is kept or shown of a call, wherever they stand: a page's
 * address comes along as a signal and as a header, and has a query of its own.
 */
import { isPrivate } from '../audience/signal.ts';
import { decode, Parameters } from './parameters.ts';

/** An address may stand encoded in an address so often; what is encoded once more is left out. */
const MAX_DEPTH = 4;

/** What starts a pair within a text, and the pair. */
const PAIRS = /([?&#;]|^)([^?&#;]*)/g;

/** Query and body of a call as one query string, without anything private. */
export function publicQuery(query: string, body: string): string {
  const parameters = new Parameters();
  parameters.add(query);
  parameters.add(body);
  const kept = new URLSearchParams();
  for (const [key, values] of parameters.all) {
    if (isPrivate(key)) continue;
    for (const value of values) kept.append(publicText(key), publicText(value));
  }
  return kept.toString();
}

/** A text, such as a page's address, without the private pairs in it. */
export function publicText(text: string, depth = MAX_DEPTH): string {
  // Most values hold neither a private key nor anything encoded.
  if (!text.includes('p_') && !text.includes('%')) return text;
  let kept = '';
  let place: string | undefined;
  for (const [, separator, pair] of text.matchAll(PAIRS)) {
    const equals = pair.indexOf('=');
    const key = equals === -1 ? pair : pair.slice(0, equals);
    if (equals !== -1 && isPrivate(decoded(key))) {
      // The next pair takes its place.
      place ??= separator;
      continue;
    }
    kept += /[?#]/.test(separator) ? separator : (place ?? separator);
    kept += publicPart(key, depth);
    if (equals !== -1) kept += `=${publicPart(pair.slice(equals + 1), depth)}`;
    place = undefined;
  }
  return kept;
}

/** A part that may itself be an encoded text. */
function publicPart(part: string, depth: number): string {
  const text = part.includes('%') ? decoded(part) : part;
  if (text === part) return part;
  if (depth === 0) return '';
  const kept = publicText(text, depth - 1);
  return kept === text ? part : encodeURIComponent(kept.toWellFormed());
}

/** Decodes what can be decoded: whoever reads the text later may be as forgiving. */
const decoded = (text: string): string =>
  decode(text.replace(/%(?![0-9a-f]{2})/gi, '%25')) as string;
