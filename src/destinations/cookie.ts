/** What stands in a destination's cookie, and where a cookie may be set. */
import type { CookieDestination, Mapping } from './destination.ts';
import { encode } from './macro.ts';

/**
 * Composes the value from the mappings that hold, highest priority first. Where the next one would
 * exceed the maximum size, it and everything below it is left out; no pair is ever cut.
 *
 * Keys and values are percent-encoded, the separators stand as they are.
 *
 * @param mappings in the order in which they may take room
 */
export function composeCookie(
  destination: CookieDestination,
  mappings: readonly Mapping[],
): { value: string; leftOut: readonly Mapping[] } {
  const pairs: [key: string, value: string][] = [];
  let value = '';
  for (const [i, mapping] of mappings.entries()) {
    const pair: [string, string] = [
      encode(destination.singleKey ?? mapping.key),
      encode(mapping.alias),
    ];
    if (pairs.some(([k, v]) => k === pair[0] && v === pair[1])) continue;
    const longer = write(destination, [...pairs, pair]);
    // Percent-encoded text is ASCII: one character is one byte.
    if (longer.length > destination.maxSize) return { value, leftOut: mappings.slice(i) };
    pairs.push(pair);
    value = longer;
  }
  return { value, leftOut: [] };
}

function write(destination: CookieDestination, pairs: readonly [string, string][]): string {
  const { keySeparator, valueSeparator, serializationSeparator } = destination;
  if (serializationSeparator === undefined) {
    return pairs.map(([key, value]) => key + keySeparator + value).join(valueSeparator);
  }
  const byKey = new Map<string, string[]>();
  for (const [key, value] of pairs) byKey.set(key, [...(byKey.get(key) ?? []), value]);
  return [...byKey]
    .map(([key, values]) => key + keySeparator + values.join(serializationSeparator))
    .join(valueSeparator);
}

/** Whether a cookie domain (without its leading dot) covers a host: the same or a subdomain. */
export const covers = (domain: string, host: string): boolean =>
  host === domain || host.endsWith(`.${domain}`);
