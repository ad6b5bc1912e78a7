import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Attempts, blockOf, TooManyAttempts, type Trier } from '../../src/builder/attempt.ts';
import { END, RegistryBase } from '../../src/store/embedded/registry-base.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { temporaryFolder } from '../server.ts';

const folder = temporaryFolder();
const registry = new RegistryFile(folder);
afterAll(() => registry.close());

let attempts: Attempts;
/** Names of their own for each test, since all share a registry. */
let anna: string;
let names = 0;
let now: number;
/** What was counted before the test. Versions do not tell it: many in a millisecond run ahead of the clock. */
let before: ReadonlySet<string>;
beforeEach(async () => {
  before = new Set((await registry.list('attempt')).map(({ id }) => id));
  attempts = new Attempts(registry);
  anna = `anna${++names}`;
  now = Date.now();
  // This server's clock stands still unless a test moves it; everything else goes on.
  vi.useFakeTimers({ toFake: ['Date'], now });
});
afterEach(() => {
  vi.useRealTimers();
});

const DAY = 24 * 3_600_000;

/** For how many milliseconds, to the minute, the registry keeps what was counted in this test. */
function keptFor(of: string): number[] {
  const base = new RegistryBase(folder, 'read');
  const all = [...base.records.getRange({ start: ['attempt'], end: ['attempt', END] })];
  const made = all.filter(({ key: [, id] }) => id.startsWith(of) && !before.has(id));
  return made.map(({ value }) => Math.round(((value.until ?? 0) - now) / 60_000) * 60_000);
}

const pass = (milliseconds: number) => {
  now += milliseconds;
  vi.setSystemTime(now);
};

const from = (address: string, browser?: string, name = anna): Trier => ({
  name,
  address,
  browser,
});

/** What becomes of an attempt: whether it was right, or the seconds to wait. */
async function attempt(trier: Trier, isRight = false): Promise<boolean | number> {
  try {
    return (await attempts.make(trier, async () => isRight || undefined)) ?? false;
  } catch (error) {
    if (error instanceof TooManyAttempts) return error.seconds;
    throw error;
  }
}

async function fail(trier: Trier, times: number): Promise<void> {
  for (let n = 0; n < times; n++) expect(await attempt(trier), `attempt ${n}`).toBe(false);
}

describe('from one address with one name', () => {
  it('five may fail; then each waits twice as long, at most a quarter of an hour', async () => {
    await fail(from('192.0.2.1'), 5);
    for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
      expect(await attempt(from('192.0.2.1'))).toBe(seconds);
      expect(await attempt(from('192.0.2.1'), true)).toBe(seconds);
      pass(seconds * 1_000 - 1);
      expect(await attempt(from('192.0.2.1'))).toBe(1);
      pass(1);
      expect(await attempt(from('192.0.2.1'))).toBe(false);
    }
  });

  it('is forgotten a day after the last', async () => {
    await fail(from('192.0.2.2'), 2);
    for (const of of ['pair', 'address', 'name']) expect(keptFor(of)).toEqual([DAY]);
  });

  it('of a hundred at the same moment, five are made', async () => {
    let made = 0;
    const results = await Promise.all(
      Array.from({ length: 100 }, () =>
        attempts
          .make(from('192.0.2.3'), async () => {
            made++;
            return undefined;
          })
          .catch((error) => error),
      ),
    );
    expect(made).toBe(5);
    expect(results.filter((result) => result instanceof TooManyAttempts)).toHaveLength(95);
  });

  it('what went wrong in the server does not count', async () => {
    for (let n = 0; n < 8; n++) {
      const broken = attempts.make(from('192.0.2.4'), async () => {
        throw new Error('broken');
      });
      await expect(broken).rejects.toThrow('broken');
    }
    await fail(from('192.0.2.4'), 5);
  });

  it('who gets in begins anew', async () => {
    await fail(from('192.0.2.5'), 4);
    expect(await attempt(from('192.0.2.5'), true)).toBe(true);
    await attempts.know(from('192.0.2.5'));
    await fail(from('192.0.2.5'), 5);
  });
});

it('one address may fail thirty times with all names together', async () => {
  for (let n = 0; n < 30; n++) await fail(from('192.0.2.20', undefined, `${anna}-${n}`), 1);
  expect(await attempt(from('192.0.2.20', undefined, `${anna}-new`), true)).toBe(1);
  // Who has an account of their own does not get more attempts at others' by logging in.
  pass(1_000);
  expect(await attempt(from('192.0.2.20'), true)).toBe(true);
  await attempts.know(from('192.0.2.20'));
  await fail(from('192.0.2.20', undefined, `${anna}-new`), 1);
  expect(await attempt(from('192.0.2.20', undefined, `${anna}-new`))).toBe(2);
  expect(await attempt(from('192.0.2.21', undefined, `${anna}-new`))).toBe(false);
});

describe('from many addresses with one name', () => {
  const attack = async () => {
    for (let n = 0; n < 50; n++) await fail(from(`198.51.100.${n}`), 1);
  };

  it('fifty may fail, and a new password starts anew', async () => {
    await attack();
    expect(await attempt(from('203.0.113.1'), true)).toBe(1);
    await attempts.forgive(anna);
    expect(await attempt(from('203.0.113.1'), true)).toBe(true);
  });

  it('a browser that they have logged in with is let in all the same', async () => {
    const browser = await attempts.know(from('203.0.113.2'));
    await attack();
    expect(await attempt(from('203.0.113.9', browser), true)).toBe(true);
    // Not for others' names, not with a browser that was made up, and not without end.
    expect(await attempt(from('203.0.113.9', 'made up'), true)).toBe(1);
    expect(await attempts.know(from('203.0.113.9', browser, `${anna}-other`))).not.toBe(browser);
    await fail(from('203.0.113.9', browser), 5);
    expect(await attempt(from('203.0.113.9', browser))).toBe(1);
    expect(await attempt(from('203.0.113.10', browser))).toBe(1);
  });

  it('a browser is known for ninety days after it has logged in', async () => {
    const browser = await attempts.know(from('203.0.113.3'));
    expect(keptFor('browser')).toEqual([90 * DAY]);
    expect(await attempts.know(from('203.0.113.3', browser))).toBe(browser);
    expect(await attempts.know(from('203.0.113.3', 'made up'))).not.toBe('made up');
  });
});

it('names, addresses and browsers are kept as hashes: a name may be a mistyped password', async () => {
  const browser = await attempts.know(from('192.0.2.77', undefined, 'hunter2'));
  await fail(from('192.0.2.77', undefined, 'hunter2'), 1);
  const kept = JSON.stringify(await registry.list('attempt'));
  for (const text of ['hunter2', '192.0.2.77', browser]) expect(kept).not.toContain(text);
});

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:DB8:1:2::9', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['', ''],
  ['unknown', 'unknown'],
])('the address %j counts as %j', (address, block) => {
  expect(blockOf(address)).toBe(block);
});
