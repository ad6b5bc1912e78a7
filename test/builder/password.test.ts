import { argon2Sync } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  hashOf,
  isPassword,
  isWeak,
  oneTimePassword,
  problemOf,
} from '../../src/builder/password.ts';
import { hashesDuring } from './hashes.ts';

const PASSWORD = 'correct horse battery';

describe('what is kept of a password', () => {
  it('says how it was made, is another one each time, and is not the password', async () => {
    const [first, second] = [await hashOf(PASSWORD), await hashOf(PASSWORD)];
    expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(second).not.toBe(first);
    expect(await isPassword(PASSWORD, first)).toBe(true);
    expect(await isPassword(PASSWORD, second)).toBe(true);
    expect(await isPassword(`${PASSWORD} `, first)).toBe(false);
    expect(await isPassword('', first)).toBe(false);
  });

  it('is read with what it was made with, and known to be weaker than today', async () => {
    const nonce = Buffer.from('a salt of 16 byt');
    const message = PASSWORD;
    const strength = { memory: 1_024, passes: 1, parallelism: 2 };
    const tag = argon2Sync('argon2id', { message, nonce, tagLength: 24, ...strength });
    const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
    const hash = `$argon2id$v=19$m=1024,t=1,p=2$${text(nonce)}$${text(tag)}`;
    expect(await isPassword(PASSWORD, hash)).toBe(true);
    expect(await isPassword('correct horse', hash)).toBe(false);
    expect(isWeak(hash)).toBe(true);
    expect(isWeak(await hashOf(PASSWORD))).toBe(false);
  });

  it.each([
    [
      'an accent typed as one character or as two',
      'caf\u00e9 au lait, s.v.p.',
      'cafe\u0301 au lait, s.v.p.',
    ],
    ['full-width letters', 'ＡＢＣＤＥＦＧＨＩＪＫＬ', 'ABCDEFGHIJKL'],
    ['a script without letters of ours', 'правильная лошадь', 'правильная лошадь'],
    ['emoji', '🐴🔋📎✅🐴🔋📎✅🐴🔋📎✅', '🐴🔋📎✅🐴🔋📎✅🐴🔋📎✅'],
  ])('is the same for %s', async (_, written, typed) => {
    expect(problemOf(written)).toBeUndefined();
    expect(await isPassword(typed, await hashOf(written))).toBe(true);
  });

  it('takes the work of a hash where there is nobody, and is never right', async () => {
    for (const password of [PASSWORD, '', 'x'.repeat(5_000)]) {
      const { count, result } = await hashesDuring(() => isPassword(password, undefined));
      expect([count, result]).toEqual([1, false]);
    }
  });
});

it.each([
  ['x'.repeat(11), 'too short'],
  // Six pairs of a letter and its accent.
  ['e\u0301'.repeat(6), 'too short'],
  ['🐴'.repeat(11), 'too short'],
  ['x'.repeat(12), undefined],
  ['x'.repeat(1_000), undefined],
  ['x'.repeat(1_001), 'too long'],
])('a password %j: %s', (password, wrong) => {
  expect(problemOf(password)?.wrong).toBe(wrong);
});

it('a flood of passwords leaves threads to others: two hashes at a time', async () => {
  const hash = await hashOf(PASSWORD);
  let open = 0;
  let most = 0;
  const { count } = await hashesDuring(
    async () => {
      const answers = Promise.all(Array.from({ length: 12 }, () => isPassword(PASSWORD, hash)));
      expect((await answers).every(Boolean)).toBe(true);
      await after(10);
    },
    (change) => {
      open += change;
      most = Math.max(most, open);
    },
  );
  expect(count).toBe(12);
  expect(most).toBe(2);
});

it('one-time passwords are easily read out: six words of 16 bits each', () => {
  const made = Array.from({ length: 1_000 }, oneTimePassword);
  expect(new Set(made).size).toBe(1_000);
  for (const password of made) {
    expect(password).toMatch(
      /^(?:[bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz](?:-(?:[a-z]{5})){5}$/,
    );
    expect(problemOf(password)).toBeUndefined();
  }
});
