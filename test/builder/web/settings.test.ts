import fs from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../../demo/browser.ts';
import { flaws, obstacles, PATIENCE_MS, picture, startVisits, type Visits } from './visit.ts';

const PAGES = [
  '/settings/data-sources',
  '/settings/data-sources/new',
  '/settings/folders',
  '/settings/folders/101',
  '/settings/sites',
  '/settings/sites/1',
  '/settings/consent',
  '/settings/document',
];

/** The panel of the entry that is open; questions lie above it. */
const formOf = (page: Page) => page.getByRole('dialog').filter({ has: page.locator('form') });

type Document = Record<string, Record<string, unknown>[]>;

describe.skipIf(!executable)('settings', { timeout: PATIENCE_MS }, () => {
  let visits: Visits;
  beforeAll(async () => {
    visits = await startVisits();
  }, PATIENCE_MS);
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  const settled = (page: Page) =>
    expect.poll(() => page.getByRole('status', { name: /^Loading/ }).count()).toBe(0);

  test.each(PAGES)('%s can be seen, read and reached by everybody', async (at) => {
    const page = await visits.open(at);
    await settled(page);
    expect(await flaws(page, at.slice(1).replaceAll('/', ' '))).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('a data source is made, restricted and deleted, by keyboard alone', async () => {
    const page = await visits.open('/settings/data-sources');
    const { keyboard } = page;
    await page.getByRole('link', { name: 'New data source' }).focus();
    await keyboard.press('Enter');
    await formOf(page).getByLabel('Name').waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe('INPUT');
    await keyboard.press('Enter');
    await page.getByText('"" is too short: write at least 1 characters.').waitFor();
    expect(await obstacles(page)).toEqual([]);
    await formOf(page).getByLabel('Name').focus();
    await keyboard.type('Loyalty card');
    await page.getByRole('checkbox', { name: 'Ads elsewhere' }).focus();
    await keyboard.press('Space');
    await keyboard.press('Enter');
    await page.getByText('“Loyalty card” is saved').waitFor();
    const link = page.getByRole('link', { name: 'Loyalty card' });
    await link.waitFor();
    const row = page.getByRole('row').filter({ hasText: 'Loyalty card' });
    expect(await row.textContent()).toContain('Ads elsewhere');

    await link.focus();
    await keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Loyalty card' }).waitFor();
    await page.getByRole('button', { name: 'Delete' }).focus();
    await keyboard.press('Enter');
    const question = page.getByRole('dialog', { name: 'Delete “Loyalty card”?' });
    await question.waitFor();
    await keyboard.press('Escape');
    await expect.poll(() => question.count()).toBe(0);
    await page.getByRole('button', { name: 'Delete' }).click();
    await question.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('“Loyalty card” is deleted').waitFor();
    await expect.poll(() => link.count()).toBe(0);
    expect(visits.problems).toEqual([]);
  });

  test('what others need stays, and the reason is said', async () => {
    const page = await visits.open('/settings/data-sources/1001');
    await page.getByRole('button', { name: 'Delete' }).click();
    await page
      .getByRole('dialog', { name: /^Delete/ })
      .getByRole('button', { name: 'Delete' })
      .click();
    await page.getByText('“Halfnote website” was not deleted').waitFor();
    await page
      .getByText(/there is no data source 1001/i)
      .first()
      .waitFor();
  });

  test('what everybody has to consent to is chosen, and mistakes are said', async () => {
    const page = await visits.open('/settings/consent');
    await page.getByRole('combobox', { name: 'Purposes' }).click();
    await page.getByRole('option', { name: /^10\. Develop/ }).click();
    await page.keyboard.press('Escape');
    await page.getByLabel('Your vendor id (optional)').fill('5000');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('5000 is too large: write at most 4096.').waitFor();
    expect(await obstacles(page)).toEqual([]);
    await page.getByLabel('Your vendor id (optional)').fill('565');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText(/^In force/).waitFor();
    expect(await visits.call('GET', '/consent')).toEqual({ purposes: [1, 10], vendorId: 565 });
    await expect.poll(() => page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
    await visits.call('PUT', '/consent', {});
    await page.getByLabel('Your vendor id (optional)').fill('7');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Somebody else has changed this meanwhile').waitFor();
    await page.getByRole('button', { name: 'Load theirs' }).click();
    expect(await page.getByLabel('Your vendor id (optional)').inputValue()).toBe('');
    expect(visits.problems).toEqual([]);
  });

  test('a viewer sees what everybody has to consent to, and cannot change it', async () => {
    const page = await visits.open('/settings/consent', { as: 'viewer' });
    await page.getByRole('form').getByText('1. Store and/or access').waitFor();
    expect(await page.getByRole('button', { name: 'Save' }).count()).toBe(0);
  });

  test('two who change the same see each other, and nothing is lost', async () => {
    await visits.call('POST', '/datasources', {
      dataSourceId: 555,
      name: 'Post',
      description: 'by letter',
    });
    const page = await visits.open('/settings/data-sources/555');
    await formOf(page).getByLabel('Integration code').fill('mine');
    await visits.call('PUT', '/datasources/555', { name: 'Mail', description: 'by letter' });
    await page.getByRole('button', { name: 'Save' }).click();
    const alert = page.getByRole('alert').filter({ hasText: 'Somebody else has changed this' });
    await alert.waitFor();
    expect(await alert.textContent()).toContain('Mail');
    expect(await formOf(page).getByLabel('Integration code').inputValue()).toBe('mine');
    expect(await obstacles(page)).toEqual([]);
    await picture(page, 'conflict');
    await alert.getByRole('button', { name: 'Load theirs' }).click();
    await expect.poll(() => formOf(page).getByLabel('Name').inputValue()).toBe('Mail');
    await formOf(page).getByLabel('Integration code').fill('mine');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('“Mail” is saved').waitFor();
    expect(await visits.call('GET', '/datasources/555')).toMatchObject({
      name: 'Mail',
      integrationCode: 'mine',
    });
  });

  test('whoever leaves with something unsaved is asked', async () => {
    const page = await visits.open('/settings/sites/1');
    await formOf(page).getByLabel('Name').fill('Another name');
    await page.keyboard.press('Escape');
    const question = page.getByRole('dialog', { name: 'Leave without saving?' });
    await question.getByRole('button', { name: 'Cancel' }).click();
    expect(await formOf(page).getByLabel('Name').inputValue()).toBe('Another name');
    await page.keyboard.press('Escape');
    await question.getByRole('button', { name: 'Leave without saving' }).click();
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    expect(await visits.call('GET', '/sites/1')).toMatchObject({ name: 'Halfnote ticket shop' });
  });

  test('the Back button asks, too, and goes only with something saved', async () => {
    const page = await visits.open('/settings/sites');
    const back = () => page.evaluate(() => history.back());
    const site = page.getByRole('link', { name: 'Halfnote ticket shop' });
    await site.click();
    await formOf(page).getByLabel('Name').fill('Another name');
    const question = page.getByRole('dialog', { name: 'Leave without saving?' });
    await back();
    await question.getByRole('button', { name: 'Cancel' }).click();
    await expect.poll(() => page.url()).toMatch(/\/sites\/1$/);
    expect(await formOf(page).getByLabel('Name').inputValue()).toBe('Another name');
    await back();
    await question.getByRole('button', { name: 'Leave without saving' }).click();
    await expect.poll(() => page.url()).toMatch(/\/sites$/);
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    // Nothing was changed: nothing is asked.
    await site.click();
    await formOf(page).getByLabel('Name').waitFor();
    await back();
    await expect.poll(() => page.url()).toMatch(/\/sites$/);
    expect(await question.count()).toBe(0);
  });

  test('a site takes host names however they are pasted, and says what is none', async () => {
    const page = await visits.open('/settings/sites/new');
    await formOf(page).getByLabel('Name').fill('Golf');
    const domains = formOf(page).getByLabel('Domains', { exact: true });
    await domains.fill('https://golf.example/news');
    await domains.press(',');
    await domains.fill('not_a-host!');
    await domains.press('Enter');
    await formOf(page).getByLabel('Pixels a page').fill('3');
    await page.getByRole('button', { name: 'Create site' }).click();
    await page.getByText(/"not_a-host!" is no host name: write it without https/).waitFor();
    expect(await obstacles(page)).toEqual([]);
    await domains.press('Backspace');
    await page.getByRole('button', { name: 'Create site' }).click();
    await page.getByText('“Golf” is saved').waitFor();
    const [site] = await visits.call<Record<string, unknown>[]>('GET', '/sites?search=golf');
    expect(site).toMatchObject({ domains: ['golf.example'], pageBudget: 3, hosts: [] });
  });

  test('folders lie in each other, never in themselves', async () => {
    await visits.call('POST', '/folders', { folderId: 300, name: 'Outer' });
    await visits.call('POST', '/folders', { folderId: 301, name: 'Inner', parentFolderId: 300 });
    const page = await visits.open('/settings/folders');
    const inner = page.getByRole('button', { name: /^Inner/ });
    await inner.waitFor();
    await page.getByRole('button', { name: 'Inside of Outer' }).click();
    expect(await inner.count()).toBe(0);
    await page.getByLabel('Search: Name').fill('inn');
    await inner.waitFor();
    await expect.poll(() => page.getByRole('button', { name: /^Halfnote/ }).count()).toBe(0);
    await page.getByLabel('Search: Name').fill('');
    await page.getByRole('button', { name: /^Outer/ }).click();
    await formOf(page).getByLabel('Inside of').click();
    const options = await page.getByRole('option').allTextContents();
    expect(options).toContain('Halfnote / Musical taste');
    expect(options.filter((option) => option.startsWith('Outer'))).toEqual([]);
    await page.getByRole('option', { name: 'Halfnote', exact: true }).click();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('“Outer” is saved').waitFor();
    expect(await visits.call('GET', '/folders/300')).toMatchObject({ parentFolderId: 100 });
  });

  test('a viewer sees everything and is offered no change', async () => {
    const page = await visits.open('/settings/sites/1', { as: 'viewer' });
    await formOf(page).getByLabel('Name').waitFor();
    expect(await formOf(page).getByLabel('Name').isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: /Save|Delete|Create/ }).count()).toBe(0);
    expect(await obstacles(page)).toEqual([]);
  });

  test('the list searches what was typed last, sorts, and keeps that in the address', async () => {
    for (let i = 0; i < 60; i++) {
      await visits.call('POST', '/datasources', { name: `Feed ${String(i).padStart(2, '0')}` });
    }
    const page = await visits.open('/settings/data-sources?sort=-name');
    await page
      .getByRole('link', { name: 'Post' })
      .or(page.getByRole('link', { name: 'Mail' }))
      .first()
      .waitFor();
    const first = () => page.getByRole('row').nth(1).getByRole('link').textContent();
    await page.getByLabel(/^Search/).pressSequentially('feed 5', { delay: 30 });
    await expect.poll(first).toBe('Feed 59');
    await page.getByText('10 in all').waitFor();
    expect(new URL(page.url()).search).toBe('?sort=-name&search=feed+5');
    await page.getByRole('button', { name: 'Name' }).click();
    await expect.poll(first).toBe('Feed 50');
    await page.getByRole('button', { name: 'Clear the search' }).click();
    await page.getByRole('button', { name: 'Page 3' }).click();
    await page.getByText(/^51–/).waitFor();
    await page.reload();
    await page.getByText(/^51–/).waitFor();
    // Arrow keys go from row to row.
    const links = page.getByRole('row').getByRole('link');
    await links.first().focus();
    await page.keyboard.press('ArrowDown');
    const focused = await page.evaluate(() => document.activeElement?.textContent);
    expect(focused).toBe(await links.nth(1).textContent());
    await page.getByLabel(/^Search/).fill('nothing like this');
    await page.getByRole('heading', { name: 'Nothing found' }).waitFor();
    expect(await obstacles(page)).toEqual([]);
  });

  describe('the whole document', () => {
    test('is exported, compared, refused with the place of each mistake, and replaced', async () => {
      const page = await visits.open('/settings/document');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Download account.json' }).click(),
      ]);
      const exported = JSON.parse(await fs.readFile(await download.path(), 'utf8')) as Document;
      expect(exported).toEqual(await visits.call('GET', '/export'));

      const choose = async (document: unknown) => {
        const text = typeof document === 'string' ? document : JSON.stringify(document);
        const [chooser] = await Promise.all([
          page.waitForEvent('filechooser'),
          page.getByRole('button', { name: 'Choose a document' }).click(),
        ]);
        await chooser.setFiles({
          name: 'new.json',
          mimeType: 'application/json',
          buffer: Buffer.from(text),
        });
      };

      await choose('{ not json');
      await page.getByText(/The file is no JSON document/).waitFor();
      await choose({ ...exported, sites: [{ siteId: 1, name: '', domains: ['x.example'] }] });
      await page.getByText('The document has mistakes; nothing was changed').waitFor();
      await page.getByText('sites[0].name').waitFor();
      expect(await obstacles(page)).toEqual([]);

      const [site, ...sites] = exported.sites;
      const changed = { ...exported, sites: [{ ...site, name: 'The shop' }, ...sites] };
      await choose(changed);
      await page.getByRole('heading', { name: 'What new.json would change' }).waitFor();
      const region = page.getByRole('region', { name: 'What would change' });
      expect(await region.textContent()).toContain('The shop');
      expect(await obstacles(page)).toEqual([]);
      await picture(page, 'import');
      await page.getByRole('button', { name: 'Replace the account' }).click();
      await page.getByRole('button', { name: 'Replace', exact: true }).click();
      await page.getByText(/The account is replaced: revision \d+/).waitFor();
      expect(await visits.call('GET', '/sites/1')).toMatchObject({ name: 'The shop' });
    });
  });
});
