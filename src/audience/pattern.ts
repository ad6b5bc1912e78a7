/** Regular expressions that users write, matched in linear time whatever pattern and value. */
import { RE2JS } from 're2js';

/** Longest pattern, in characters. */
export const MAX_PATTERN = 1_000;
/** Largest compiled pattern, in instructions. */
export const MAX_PROGRAM = 300;

export interface Pattern {
  /** In instructions: matching takes at most so many steps for each character of a value. */
  readonly size: number;
  readonly matches: (value: string) => boolean;
}

/** Why a pattern is refused, in words for the person who wrote it. */
export class PatternError extends Error {}

/**
 * Compiles a pattern with RE2's syntax and semantics (no back-references, no look-around). It holds
 * if it matches anywhere in the value; `^` and `$` tie it to the ends.
 *
 * @throws PatternError
 */
export function compilePattern(pattern: string): Pattern {
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
  const size = compiled.programSize();
  if (size > MAX_PROGRAM) {
    throw new PatternError('the pattern is too large; write smaller repetitions');
  }
  return { size, matches: (value) => compiled.test(value) };
}

/** Why a pattern is refused; undefined where it is a pattern. */
export function patternProblem(pattern: string): string | undefined {
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
}
