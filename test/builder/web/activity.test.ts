import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../../demo/browser.ts';
import { flaws, obstacles, PATIENCE_MS, startVisits, type Visits } from './visit.ts';

interface Activity {
  readonly list: readonly { readonly revision?: number; readonly changes: readonly string[] }[];
}

describe.skipIf(!executable)('activity', { timeout: PATIENCE_MS }, () => {
  let visits: Visits;
  beforeAll(async () => {
    visits = await startVisits();
    await visits.call('POST', '/sites', { siteId: 20, name: 'Golf', domains: ['golf.example'] });
    await visits.call('PUT', '/sites/20', { name: 'Golf news', domains: ['golf.example'] });
    await visits.call('POST', '/keys', { name: 'nightly import', role: 'editor' });
  }, PATIENCE_MS);
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  const newest = async () => {
    const { list } = await visits.call<Activity>('GET', '/activity');
    return list.find(({ revision }) => revision !== undefined)?.revision as number;
  };

  test('is listed, with the difference at the side', async () => {
    const page = await visits.open('/activity');
    const change = page.getByRole('link', { name: 'site “Golf news” changed: name' });
    await change.waitFor();
    await page.getByText('key “nightly import (editor)” new').waitFor();
    expect(await flaws(page, 'activity')).toEqual([]);
    await change.click();
    const panel = page.getByRole('dialog');
    await panel.getByRole('button', { name: 'Go back to before this…' }).click();
    await panel.getByRole('heading', { name: 'What going back would change now' }).waitFor();
    expect(await panel.locator('del').allTextContents()).toEqual(['Golf', 'Golf news']);
    expect(await panel.locator('ins').allTextContents()).toEqual(['Golf news', 'Golf']);
    expect(await flaws(page, 'change')).toEqual([]);
    const current = page.locator('[aria-label="Activity"] [aria-current="page"]');
    expect(await current.allTextContents()).toEqual(['Changes']);
    expect(visits.problems).toEqual([]);
  });

  test('of every node, and what is in force there', async () => {
    const page = await visits.open('/activity/nodes');
    await page.getByText(/^revision \d+ is live on 1 node$/).waitFor();
    expect(await flaws(page, 'nodes')).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('one click goes back to before, and another one forward again', async () => {
    const page = await visits.open(`/activity/${await newest()}`, { as: 'editor' });
    const panel = page.getByRole('dialog');
    await panel.getByRole('button', { name: 'Go back to before this…' }).click();
    await panel.getByRole('button', { name: 'Go back', exact: true }).click();
    await page.getByText(/^The account is as before revision \d+: revision \d+$/).waitFor();
    expect(await visits.call('GET', '/sites/20')).toMatchObject({ name: 'Golf' });
    // It is one of the changes now.
    const [first] = (await visits.call<Activity>('GET', '/activity')).list;
    expect(first).toMatchObject({ by: expect.stringMatching(/^editor-/), canRestore: true });
    await page.goto(`${visits.server.origin}/builder/activity/${await newest()}`);
    await panel.getByRole('button', { name: 'Go back to before this…' }).click();
    await panel.getByRole('button', { name: 'Go back', exact: true }).click();
    await expect
      .poll(() => visits.call<{ name: string }>('GET', '/sites/20').then(({ name }) => name))
      .toBe('Golf news');
    expect(visits.problems).toEqual([]);
  });

  test('what has changed since it was shown is not undone unseen', async () => {
    const page = await visits.open(`/activity/${await newest()}`);
    const panel = page.getByRole('dialog');
    await panel.getByRole('button', { name: 'Go back to before this…' }).click();
    await panel.getByRole('heading', { name: 'What going back would change now' }).waitFor();
    await visits.call('POST', '/sites', { name: 'Tennis', domains: ['tennis.example'] });
    await panel.getByRole('button', { name: 'Go back', exact: true }).click();
    await panel.getByText('Nothing was changed').waitFor();
    expect(await obstacles(page)).toEqual([]);
    expect(await visits.call('GET', '/sites?search=tennis')).toHaveLength(1);
  });

  test('a viewer sees what changed, and no way to change it', async () => {
    const page = await visits.open(`/activity/${await newest()}`, { as: 'viewer' });
    await page
      .getByRole('dialog')
      .getByText(/^site \d+$/)
      .first()
      .waitFor();
    expect(await page.getByRole('button', { name: /Go back/ }).count()).toBe(0);
  });

  test('a change of somebody else is seen to be published', async () => {
    const page = await visits.open('/settings/sites', { as: 'viewer' });
    const badge = page.getByRole('link', { name: /^Live revision/ });
    await badge.waitFor();
    const before = Number(/\d+/.exec((await badge.textContent()) as string)?.[0]);
    await visits.call('POST', '/sites', { name: 'Chess', domains: ['chess.example'] });
    await expect
      .poll(async () => Number(/\d+/.exec((await badge.textContent()) as string)?.[0]))
      .toBe(before + 1);
  });
});
