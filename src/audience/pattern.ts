/** Regular expressions that users write, matched in linear time whatever pattern and value. */
import { RE2JS } from 're2js';

/** Longest pattern, in characters. */
export const MAX_PATTERN = 1_000;
/** Largest compiled pattern, in instructions: with MAX_SUBJECT it bounds what one match can cost. */
export const MAX_PROGRAM = 300;
/** Only so much of a value is looked at, in characters. */
export const MAX_SUBJECT = 1_024;

/** Why a pattern is refused, in words for the person who wrote it. */
export class PatternError extends Error {}

/**
 * Compiles a pattern with RE2's syntax and semantics (no back-references, no look-around). It holds
 * if it matches anywhere in the value; `^` and `$` tie it to the ends.
 *
 * @throws PatternError
 */
export function compilePattern(pattern: string): (value: string) => boolean {
  if (pattern.length > MAX_PATTERN) {
    throw new PatternError(`the pattern is longer than ${MAX_PATTERN} characters`);
  }
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PatternError(reason.replace(/^error parsing regexp: /, ''));
  }
  if (compiled.programSize() > MAX_PROGRAM) {
    throw new PatternError('the pattern is too large; write smaller repetitions');
  }
  return (value) => compiled.test(value.length > MAX_SUBJECT ? value.slice(0, MAX_SUBJECT) : value);
}
