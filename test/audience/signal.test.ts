import { describe, expect, it } from 'vitest';
import { decimal, isKey, isPrivate } from '../../src/audience/signal.ts';

describe('a key consists of letters, digits, - _ . and has at least one letter', () => {
  it.each([
    ['price', true],
    ['price123', true],
    ['123price', true],
    ['price-123', true],
    ['price_123', true],
    ['price.123', true],
    ['-.a', true],
    ['a', true],
    ['Z', true],
    ['h_user-agent', true],
    ['123', false],
    ['1.5', false],
    ['_', false],
    ['-', false],
    ['', false],
    ['price!123', false],
    ['price 123', false],
    [' price', false],
    ['price\n', false],
    ['"price"', false],
    ['preis€', false],
    ['größe', false],
  ])('%j: %s', (key, valid) => {
    expect(isKey(key)).toBe(valid);
  });
});

describe('p_ makes a key private', () => {
  it.each([
    ['p_age', true],
    ['p_', true],
    ['P_age', false],
    ['p-age', false],
    ['page', false],
    ['c_p_age', false],
    ['_p_age', false],
  ])('%j: %s', (key, kept) => {
    expect(isPrivate(key)).toBe(kept);
  });
});

describe('a finite decimal number', () => {
  it.each([
    ['0', 0],
    ['1', 1],
    ['007', 7],
    ['1.00', 1],
    ['19.90', 19.9],
    ['1.', 1],
    ['.5', 0.5],
    ['-1', -1],
    ['-.5', -0.5],
    ['+3', 3],
    ['9007199254740993', 9007199254740992],
  ])('%j is %d', (text, number) => {
    expect(decimal(text)).toBe(number);
  });

  it.each([
    [''],
    [' '],
    [' 1'],
    ['1 '],
    ['1\n'],
    ['.'],
    ['-'],
    ['+.'],
    ['--1'],
    ['1.2.3'],
    ['1,5'],
    ['1e5'],
    ['0x10'],
    ['1_000'],
    ['NaN'],
    ['Infinity'],
    ['-Infinity'],
    ['12px'],
    ['$5'],
    ['١٢'],
    ['9'.repeat(400)],
  ])('%j is none', (text) => {
    expect(decimal(text)).toBeNaN();
  });
});

// Keys and values come from anyone on the web, before any rule is asked: what they cost has to grow
// with their length, not with its square. A read in one pass takes well below a millisecond here.
describe('a long hostile text is read in one pass', () => {
  it.each<[string, (text: string) => unknown, string, unknown]>([
    ['digits that are no number', decimal, `${'1'.repeat(20_000)}x`, Number.NaN],
    ['digits with a point', decimal, `1.${'1'.repeat(20_000)}x`, Number.NaN],
    ['letters that are no key', isKey, `${'a'.repeat(20_000)}!`, false],
    ['digits that are no key', isKey, `${'1'.repeat(20_000)}`, false],
  ])('%s', (_name, read, text, result) => {
    const start = performance.now();
    expect(read(text)).toBe(result);
    expect(performance.now() - start).toBeLessThan(100);
  });
});
