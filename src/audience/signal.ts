/**
 * Signals: the key-value pairs of one request, the only thing a trait rule looks at.
 *
 * A key may have several values. Keys and values are case-sensitive; `color` and `c_color` are two
 * keys.
 */
export type Signals = ReadonlyMap<string, readonly string[]>;

/** Letters, digits, `-`, `_`, `.`; at least one letter. */
export function isKey(text: string): boolean {
  return /^[\w.-]+$/.test(text) && /[A-Za-z]/.test(text);
}

/** Private keys are evaluated and then dropped: never stored, logged, exported or traced. */
export function isPrivate(key: string): boolean {
  return key.startsWith('p_');
}

const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/;

/** The finite decimal number that a text is, or NaN. No exponents, no hexadecimal, no spaces. */
export function decimal(text: string): number {
  const first = text.charCodeAt(0);
  // Most values are words: their first letter says so at once.
  if (first > 57 || !DECIMAL.test(text)) return Number.NaN;
  const number = Number(text);
  return Number.isFinite(number) ? number : Number.NaN;
}
