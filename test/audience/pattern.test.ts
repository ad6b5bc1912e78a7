import { describe, expect, it } from 'vitest';
import {
  compilePattern,
  MAX_PATTERN,
  MAX_PROGRAM,
  PatternError,
} from '../../src/audience/pattern.ts';

describe('a pattern holds if it matches anywhere in the value', () => {
  it.each([
    ['b', 'abc', true],
    ['b', 'ac', false],
    ['', '', true],
    ['', 'anything', true],
    ['^b', 'abc', false],
    ['^a', 'abc', true],
    ['b$', 'abc', false],
    ['c$', 'abc', true],
    ['^abc$', 'abc', true],
    ['^$', '', true],
    ['^$', ' ', false],
    ['a.c', 'abc', true],
    ['a.c', 'a\nc', false],
    ['(?s)a.c', 'a\nc', true],
    ['^b', 'a\nb', false],
    ['(?m)^b', 'a\nb', true],
    ['B', 'abc', false],
    ['(?i)B', 'abc', true],
    ['^[0-9]{3}-[0-9]{2}$', '123-45', true],
    ['^[0-9]{3}-[0-9]{2}$', '1234-5', false],
    ['\\bcar\\b', 'a car, red', true],
    ['\\bcar\\b', 'cargo', false],
    ['(red|blue) car', 'my blue car', true],
    ['^\\p{Lu}', 'Ärger', true],
    ['^.$', '😀', true],
    ['a{0}$', 'b', true],
  ])('%j on %j: %s', (pattern, value, holds) => {
    expect(compilePattern(pattern).matches(value)).toBe(holds);
  });
});

describe('what RE2 cannot take is refused with the reason', () => {
  it.each([
    ['look-ahead', 'a(?=b)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['negative look-ahead', 'a(?!b)', 'invalid or unsupported Perl syntax: `(?!`'],
    ['look-behind', '(?<=a)b', '`(?<=a)b`'],
    ['negative look-behind', '(?<!a)b', '`(?<!a)b`'],
    ['back-reference', '(a)\\1', 'invalid escape sequence: `\\1`'],
    ['named back-reference', '(?P<x>a)(?P=x)', 'invalid or unsupported Perl syntax: `(?P`'],
    ['atomic group', '(?>a)', 'invalid or unsupported Perl syntax: `(?>`'],
    ['possessive quantifier', 'a++', 'invalid nested repetition operator: `++`'],
    ['open group', '(a', 'missing closing )'],
    ['open class', '[a', 'missing closing ]'],
    ['nothing to repeat', '*a', 'missing argument to repetition operator: `*`'],
    ['lone backslash', 'a\\', 'trailing backslash'],
    ['repetition beyond 1,000', 'a{1001}', 'invalid repeat count: `{1001}`'],
    ['nested repetitions', '((a{100}){100}){100}', 'invalid repeat count'],
  ])('%s: %s', (_name, pattern, reason) => {
    const compile = () => compilePattern(pattern);
    expect(compile).toThrow(PatternError);
    expect(compile).toThrow(reason);
    // The library's own preamble says nothing to the person who wrote the pattern.
    expect(compile).not.toThrow('error parsing');
  });
});

describe('a pattern has a largest size', () => {
  const longest = `[${'a'.repeat(MAX_PATTERN - 2)}]`;
  it.each([
    ['a repetition that fits', 'a{250}', undefined],
    ['a repetition that is compiled to too much', 'a{350}', 'the pattern is too large'],
    ['nested repetitions that fit', '(?:a{10}){20}', undefined],
    ['nested repetitions that multiply', '(?:a{20}){20}', 'the pattern is too large'],
    ['as many characters as allowed', longest, undefined],
    ['one character more', `${longest}a`, 'longer than 1000 characters'],
    ['groups in groups', `${'('.repeat(490)}a${')'.repeat(490)}`, 'the pattern is too large'],
  ])('%s', (_name, pattern, reason) => {
    const compile = () => compilePattern(pattern);
    if (reason === undefined) expect(compile).not.toThrow();
    else {
      expect(compile).toThrow(PatternError);
      expect(compile).toThrow(reason);
    }
  });
});

// With a backtracking engine each of these runs for years.
describe('an evil pattern takes no longer than any other', () => {
  const x = 'x'.repeat(1000);
  it.each([
    ['(x+x+)+y', x, false],
    ['(x+x+)+y', `${x}y`, true],
    ['(x*)*y', x, false],
    ['(x|x)*y', x, false],
    ['^(x|xx|xxx)+$', `${x}!`, false],
    ['(.*)(.*)(.*)(.*)(.*)y', x, false],
    ['(?:x?){60}x{60}y', x, false],
    // A value without any y is ruled out at once; here the y stands where it is of no use.
    ['(x+x+)+y', `y${x}`, false],
    ['(x*)*y$', `y${x}`, false],
    ['(?:x?){60}x{60}y', `y${x}`, false],
    ['(x|y)*x(x|y){60}z', `z${'xxyxyyy'.repeat(150)}`, false],
  ])('%s', (pattern, value, holds) => {
    const start = performance.now();
    expect(compilePattern(pattern).matches(value)).toBe(holds);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('the whole value is looked at, however long', () => {
  const long = 'x'.repeat(100_000);
  it.each<[name: string, pattern: string, value: string, holds: boolean]>([
    ['its last character', 'b', `${long}b`, true],
    ['its last characters', 'b+c$', `${long}bbc`, true],
    ['none of them', 'b', long, false],
    ['a place in the middle', '\\bcar\\b', `${long} car ${long}`, true],
    ['both ends', '^a.*b$', `a${long}b`, true],
    ['$ is its end', '^x+$', long, true],
    ['$ is nothing before its end', '^x+$', `${long}, and then something else`, false],
    ['\\z is its end', '^x+\\z', long, true],
    ['\\z is nothing before its end', '^x+\\z', `${long}, and then something else`, false],
    ['\\b is no place in a word', 'car\\b', `${'-'.repeat(100_000)}cargo`, false],
    ['^ is its beginning only', '^b', `${long}b`, false],
  ])('%s', (_name, pattern, value, holds) => {
    expect(compilePattern(pattern).matches(value)).toBe(holds);
  });
});

describe('a pattern says how large it is', () => {
  const sizeOf = (pattern: string) => compilePattern(pattern).size;

  it('in instructions: one for each repeated character', () => {
    expect(sizeOf('a{50}') - sizeOf('a{20}')).toBe(30);
    expect(sizeOf('(?:ab){20}') - sizeOf('(?:ab){5}')).toBe(30);
  });

  // A size of 0 would make matching free of charge.
  it.each(['', '^', '$', '^$', 'a', '.', 'a{0}', 'a*', '\\b', '(?i)a', '(red|blue) car', 'a{250}'])(
    '%j has a size, and not too large a one',
    (pattern) => {
      expect(sizeOf(pattern)).toBeGreaterThan(0);
      expect(sizeOf(pattern)).toBeLessThanOrEqual(MAX_PROGRAM);
    },
  );
});
