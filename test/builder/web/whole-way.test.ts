/** The whole way of a business user, on a server started as a user starts it, in a real browser. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable, launch } from '../../demo/browser.ts';
import { type RunningRedis, redisServer, startRedis, until } from '../../redis.ts';
import { type RunningServer, startServer } from '../../server.ts';
import { obstacles, picture, WIDE } from './visit.ts';

const PASSWORD = 'correct horse battery staple';

const EMBEDDED = 'the embedded store';
const STORES = [EMBEDDED, ...(redisServer ? ['Redis'] : [])];

describe.skipIf(!executable).each(STORES)('from nothing to a pixel, and back, on %s', (store) => {
  let redis: RunningRedis | undefined;
  let server: RunningServer;
  let browser: Browser;
  let page: Page;
  /** What the browser reported as errors. */
  const problems: string[] = [];

  beforeAll(async () => {
    if (store !== EMBEDDED) redis = await startRedis('--maxmemory-policy', 'noeviction');
    const environment: Record<string, string> = redis ? { REDIS_URL: redis.url } : {};
    [server, browser] = await Promise.all([startServer({ environment }), launch()]);
    const context = await browser.newContext({ viewport: WIDE, reducedMotion: 'reduce' });
    context.setDefaultTimeout(20_000);
    context.on('weberror', (error) => problems.push(String(error.error())));
    page = await context.newPage();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await redis?.stop();
  });

  /** Which store it is makes no difference to how pages look. */
  const looksWell = async (name: string) => {
    if (store !== EMBEDDED) return;
    expect(await obstacles(page)).toEqual([]);
    await picture(page, name);
  };

  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
  const step = (name: string) =>
    page.getByRole('navigation', { name: 'Steps' }).getByRole('button', { name });
  const heading = (name: string) => page.getByRole('heading', { level: 1, name, exact: true });
  const published = (name: string) => page.getByText(`“${name}” is published`).waitFor();

  /** Pays a visit to a concert of the demo shop; resolves when the page has its answer. */
  async function visitShop(): Promise<void> {
    const shop = await page.context().newPage();
    await shop.goto(`${server.origin}/demo/concerts/blue-hour-quartet`);
    await shop.locator('#backstage.lit').waitFor();
    await shop.waitForLoadState('networkidle');
    await shop.close();
  }

  async function addSegment(name: string): Promise<void> {
    await button('Add segments').first().click();
    const dialog = page.getByRole('dialog', { name: 'Add segments' });
    await dialog.getByLabel('Search: Name, id or rule').fill(name);
    await dialog.getByRole('checkbox', { name: new RegExp(name) }).check();
    await dialog.getByRole('button', { name: 'Add 1 segment' }).click();
    await page.getByRole('link', { name, exact: true }).waitFor();
  }

  test('logs in with the one-time password of the console, and chooses another', async () => {
    await until('the password', () => server.output().includes('as admin, once'));
    const [, once] = /as admin, once within a week, with (\S+)/.exec(server.output()) ?? [];
    await page.goto(`${server.origin}/builder`);
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password', { exact: true }).fill(once);
    await button('Log in').click();
    await heading('Choose a password').waitFor();
    await looksWell('whole-way-password');
    await page.getByLabel('One-time password').fill(once);
    await page.getByLabel('New password', { exact: true }).fill(PASSWORD);
    await button('Set password').click();
    await heading('Destinations').waitFor();
  });

  test('makes a URL destination, and sees what the partner will get', async () => {
    await page.getByRole('link', { name: 'New destination' }).click();
    await page.getByRole('button', { name: /URL destination/ }).click();
    await page.getByLabel('Name').fill('Nightjar ads');
    await page.getByText('Kept as a draft').waitFor();

    // Somebody calls; the draft is there when they come back.
    await page.getByRole('link', { name: 'Destinations' }).first().click();
    await page.getByRole('link', { name: /Nightjar ads/ }).click();
    await heading('Nightjar ads').waitFor();

    await step('Configuration').click();
    await page.getByLabel('Base URL', { exact: true }).fill('nonsense');
    await page
      .getByText(/no %ALIAS% in it/)
      .first()
      .waitFor();
    await page
      .getByLabel('Base URL', { exact: true })
      .fill(`${server.inbox}/pixel/nightjar?s=%ALIAS%&uid=%DID%`);
    await step('Segment mappings').click();
    await addSegment('Concert browsers');
    await page.getByText(/pixel\/nightjar\?s=7001&uid=\d{38}/).waitFor();
    await looksWell('whole-way-url');
    await button('Publish').click();
    await published('Nightjar ads');
  });

  test('makes a cookie destination, with its line, size and lifetime', async () => {
    await page.goto(`${server.origin}/builder/destinations/new`);
    await page.getByRole('button', { name: /Cookie destination/ }).click();
    await page.getByLabel('Name').fill('Seat map');
    await step('Configuration').click();
    await page.getByLabel('Cookie name').fill('seat_map');
    await step('Segment mappings').click();
    await addSegment('Jazz audience');
    await page.getByText(/^seat_map=seg=7002/).waitFor();
    await page.getByText('8 of 2,048 bytes').waitFor();
    await page.getByText('Set by the server:').waitFor();
    await looksWell('whole-way-cookie');
    await button('Publish').click();
    await published('Seat map');
  });

  test('sees the pixel in the partner’s inbox, the cookie on the page, and both in the report', async () => {
    await visitShop();
    await expect
      .poll(async () => (await fetch(`${server.inbox}/calls.json`)).text(), { timeout: 10_000 })
      .toContain('/pixel/nightjar');
    const cookies = await page.context().cookies(server.origin);
    expect(cookies.find(({ name }) => name === 'seat_map')?.value).toBe('seg=7002');

    await page.goto(`${server.origin}/builder/destinations`);
    const row = page.getByRole('row', { name: /Nightjar ads/ });
    await expect.poll(() => row.textContent(), { timeout: 30_000 }).toMatch(/1$/);
    await row.getByRole('link', { name: 'Nightjar ads' }).click();
    await page.getByRole('link', { name: 'Report', exact: true }).click();
    await page.getByRole('cell', { name: 'Delivered with this answer' }).waitFor();
    // The tag has told that the image was there.
    await page.getByText('1 loaded, 0 failed, 0 timed out').first().waitFor({ timeout: 30_000 });
    await looksWell('whole-way-report');
  });

  test('asks why another one did not fire, and is led to what to change', async () => {
    await page.getByRole('link', { name: 'Why?' }).click();
    await page.getByLabel(/Page address/).fill('/demo/concerts/blue-hour-quartet');
    await page
      .getByRole('list')
      .getByRole('button', { name: /blue-hour-quartet/ })
      .first()
      .click();
    await page.getByRole('button', { name: /Festival campaign 2099/ }).click();
    const path = page.getByRole('region', { name: 'The path to Festival campaign 2099' });
    await path.getByText('The start date of the mapping has not come.').first().waitFor();
    await path.getByText('The visitor has it', { exact: false }).first().waitFor();
    await looksWell('whole-way-why');
    await path.getByRole('link', { name: 'Change the dates' }).first().click();
    await heading('Festival campaign 2099').waitFor();
    expect(await page.getByLabel(/From.*Concert browsers/).inputValue()).toBe('2099-06-01');
  });

  test('tries a change before it is published', async () => {
    await page.getByLabel(/From.*Concert browsers/).fill('2020-01-01');
    await button('Try').click();
    const panel = page.getByRole('dialog', { name: 'What would have fired' });
    const row = panel.getByRole('row', { name: /Festival campaign 2099/ });
    await expect.poll(() => row.textContent()).toMatch(/Festival campaign 20990(\d+)\+\1/);
    await page.keyboard.press('Escape');
    await button('Discard changes').click();
    await button('Throw away').click();
    await expect
      .poll(() => page.getByLabel(/From.*Concert browsers/).inputValue())
      .toBe('2099-06-01');
  });

  test('goes back to before, and nothing is sent any more', async () => {
    await page.getByRole('link', { name: 'Activity' }).click();
    await heading('Activity').waitFor();
    await page
      .getByRole('row', { name: /Nightjar ads/ })
      .getByRole('link')
      .first()
      .click();
    await looksWell('whole-way-activity');
    await button('Go back to before this…').click();
    await button('Go back').click();
    await expect
      .poll(
        async () => {
          const headers = { Authorization: `Bearer ${server.adminToken}` };
          return (await fetch(`${server.origin}/v1/destinations`, { headers })).text();
        },
        { timeout: 10_000 },
      )
      .not.toContain('Nightjar ads');
    const before = (await (await fetch(`${server.inbox}/calls.json`)).text()).split(
      'nightjar',
    ).length;
    await visitShop();
    const after = (await (await fetch(`${server.inbox}/calls.json`)).text()).split(
      'nightjar',
    ).length;
    expect(after).toBe(before);
    expect(problems).toEqual([]);
  });
});
