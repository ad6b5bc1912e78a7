import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { composeCookie, covers } from '../../src/destinations/cookie.ts';
import type { CookieDestination, Mapping } from '../../src/destinations/destination.ts';
import { cookieDestination, mapping } from './example.ts';

type Pair = [key: string, value: string];

const mappingsOf = (destination: CookieDestination, pairs: readonly Pair[]): Mapping[] =>
  pairs.map(([key, alias], i) => mapping(destination, { sid: 51 + i, key, alias }));

function composed(change: Partial<CookieDestination>, pairs: readonly Pair[]): string {
  const destination = cookieDestination(change);
  return composeCookie(destination, mappingsOf(destination, pairs)).value;
}

const SINGLE = { singleKey: 'k' };
const SERIALIZED = { serializationSeparator: '#' };

describe('the four formats', () => {
  it.each<[string, Partial<CookieDestination>, Pair[], string]>([
    ['single key', SINGLE, pairs('x=1', 'x=2'), 'k=1,k=2'],
    ['single key, serialized', { ...SINGLE, ...SERIALIZED }, pairs('x=1', 'x=2'), 'k=1#2'],
    ['key and value', {}, pairs('x=1', 'x=2', 'y=3'), 'x=1,x=2,y=3'],
    ['key and value, serialized', SERIALIZED, pairs('x=1', 'x=2', 'y=3'), 'x=1#2,y=3'],
    ['serialized, keys not side by side', SERIALIZED, pairs('x=1', 'y=3', 'x=2'), 'x=1#2,y=3'],
    ['nothing', SINGLE, [], ''],
    ['one', SERIALIZED, pairs('x=1'), 'x=1'],
    ['the same pair twice stands once', {}, pairs('x=1', 'x=1'), 'x=1'],
    ['the same value of one key stands once', SINGLE, pairs('x=1', 'y=1'), 'k=1'],
    [
      'other separators',
      { keySeparator: ':', valueSeparator: '|', serializationSeparator: '+' },
      pairs('x=1', 'x=2', 'y=3'),
      'x:1+2|y:3',
    ],
  ])('%s', (_name, change, mapped, expected) => {
    expect(composed(change, mapped)).toBe(expected);
  });
});

function pairs(...texts: string[]): Pair[] {
  return texts.map((text) => text.split('=') as Pair);
}

describe('keys and values are percent-encoded, so that none can break the cookie', () => {
  it.each([
    ['a b', 'a%20b'],
    ['a;b', 'a%3Bb'],
    ['a,b', 'a%2Cb'],
    ['a=b', 'a%3Db'],
    ['a#b', 'a%23b'],
    ['a"b\\c', 'a%22b%5Cc'],
    ['100%', '100%25'],
    ['é', '%C3%A9'],
    ['x\r\nSet-Cookie: a=b', 'x%0D%0ASet-Cookie%3A%20a%3Db'],
    ['half a character \ud83d', expect.stringMatching(/^half%20a%20character%20[\w%]*$/)],
  ])('%j', (text, encoded) => {
    expect(composed(SINGLE, [['', text]]).slice(2)).toEqual(encoded);
    expect(composed({}, [[text, '']]).slice(0, -1)).toEqual(encoded);
    expect(composed({ singleKey: text }, [['', '']]).slice(0, -1)).toEqual(encoded);
  });

  it('for any text, only cookie-octets and the separators are left', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string())), (mapped) => {
        expect(composed({ maxSize: 4096 }, mapped)).toMatch(/^[\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]*$/);
      }),
    );
  });
});

describe('where the value would exceed the maximum size, the lowest priorities are left out', () => {
  const mapped = pairs('x=111', 'x=222', 'y=333');
  it.each<[maxSize: number, Partial<CookieDestination>, string, leftOut: number[]]>([
    // k=111,k=222,k=333 has 17 bytes.
    [17, SINGLE, 'k=111,k=222,k=333', []],
    [16, SINGLE, 'k=111,k=222', [53]],
    [11, SINGLE, 'k=111,k=222', [53]],
    [10, SINGLE, 'k=111', [52, 53]],
    [5, SINGLE, 'k=111', [52, 53]],
    [4, SINGLE, '', [51, 52, 53]],
    // x=111#222,y=333 has 15.
    [15, SERIALIZED, 'x=111#222,y=333', []],
    [14, SERIALIZED, 'x=111#222', [53]],
    [8, SERIALIZED, 'x=111', [52, 53]],
    [4, SERIALIZED, '', [51, 52, 53]],
  ])('%d bytes of %j: %s', (maxSize, change, value, leftOut) => {
    const destination = cookieDestination({ ...change, maxSize });
    const result = composeCookie(destination, mappingsOf(destination, mapped));
    expect(result.value).toBe(value);
    expect(result.leftOut.map(({ sid }) => sid)).toEqual(leftOut);
  });

  it('a shorter one of lower priority does not take the room of a longer one above it', () => {
    expect(composed({ maxSize: 8 }, pairs('x=1', 'x=22222222', 'y=3'))).toBe('x=1');
  });

  it('encoded bytes count', () => {
    // k=%C3%A9 has eight bytes.
    expect(composed({ ...SINGLE, maxSize: 8 }, [['', 'é']])).toBe('k=%C3%A9');
    expect(composed({ ...SINGLE, maxSize: 7 }, [['', 'é']])).toBe('');
  });

  it('for any mappings: never longer, never half a pair, all of the rest', () => {
    const key = fc.constantFrom('x', 'y', 'long');
    const value = fc.string({ minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(key, value), { maxLength: 12 }),
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(undefined, '#'),
        (mapped, maxSize, serializationSeparator) => {
          const destination = cookieDestination({ maxSize, serializationSeparator });
          const all = mappingsOf(destination, mapped);
          const { value, leftOut } = composeCookie(destination, all);
          expect(value.length).toBeLessThanOrEqual(maxSize);
          const kept = all.slice(0, all.length - leftOut.length);
          expect([...kept, ...leftOut]).toEqual(all);
          expect(readPairs(value, serializationSeparator)).toEqual(
            new Set(kept.map(({ key, alias }) => `${key}\0${alias}`)),
          );
        },
      ),
    );
  });
});

/** Takes a cookie apart as a script on the page would. */
function readPairs(value: string, separator: string | undefined): Set<string> {
  const found = new Set<string>();
  for (const part of value === '' ? [] : value.split(',')) {
    const [key, values] = part.split('=');
    for (const one of separator ? values.split(separator) : [values]) {
      found.add(`${decodeURIComponent(key)}\0${decodeURIComponent(one)}`);
    }
  }
  return found;
}

describe('what a cookie domain covers', () => {
  it.each([
    ['sports.com', 'sports.com', true],
    ['sports.com', 'golf.sports.com', true],
    ['sports.com', 'baseball.sports.com', true],
    ['sports.com', 'sports.golf.com', false],
    ['golf.sports.com', 'sports.com', false],
    ['golf.sports.com', 'golf.sports.com', true],
    ['golf.sports.com', 'baseball.sports.com', false],
    ['golf.sports.com', 'sports.golf.com', false],
    ['sports.com', 'mysports.com', false],
    ['sports.com', 'sports.com.evil.example', false],
    ['sports.com', 'com', false],
  ])('%s covers %s: %s', (domain, host, expected) => {
    expect(covers(domain, host)).toBe(expected);
  });
});
