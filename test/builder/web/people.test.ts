import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../../demo/browser.ts';
import { flaws, obstacles, PATIENCE_MS, startVisits, type Visits } from './visit.ts';

describe.skipIf(!executable)('people and keys', { timeout: PATIENCE_MS }, () => {
  let visits: Visits;
  beforeAll(async () => {
    visits = await startVisits();
    await visits.call('POST', '/keys', { name: 'nightly import', role: 'editor' });
  }, PATIENCE_MS);
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  test('are listed', async () => {
    const page = await visits.open('/people');
    await page.getByRole('button', { name: 'nightly import' }).waitFor();
    expect(await flaws(page, 'people')).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('somebody is let in, changed, and kept out again', async () => {
    const name = 'mary-ann';
    const page = await visits.open('/people');
    await page.getByRole('button', { name: 'Add a person' }).click();
    await page.getByLabel('Name').fill('Mary Ann');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText(/is no name: write an e-mail address/).waitFor();
    expect(await flaws(page, 'person wrong')).toEqual([]);
    await page.getByLabel('Name').fill(name);
    await page.getByRole('radio', { name: 'Viewer' }).click();
    await page.getByRole('button', { name: 'Add', exact: true }).click();

    const box = page.getByRole('region', { name: `One-time password of ${name}` });
    const password = (await box.textContent()) as string;
    expect(await flaws(page, 'person')).toEqual([]);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: /^Copy/ }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(password);
    await page.getByRole('button', { name: 'I have taken it down' }).click();
    // Never again.
    await page.getByRole('button', { name }).click();
    await page.getByRole('heading', { name }).waitFor();
    expect(await page.getByText(password).count()).toBe(0);

    const entered = await fetch(`${visits.server.origin}/v1/session`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Requested-With': 'switchyard' },
      body: JSON.stringify({ name, password }),
    });
    expect(await entered.json()).toMatchObject({
      name,
      role: 'viewer',
      mustChangePassword: true,
    });

    await page.getByRole('radio', { name: 'Editor' }).click();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText(`${name} is editor now`).waitFor();
    await page.getByRole('button', { name }).click();
    await page.getByRole('button', { name: 'New password' }).click();
    await page.getByRole('button', { name: 'Make one' }).click();
    await expect.poll(() => box.textContent()).not.toBe(password);
    await page.getByRole('button', { name: 'I have taken it down' }).click();

    await page.getByRole('button', { name }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page
      .getByRole('dialog', { name: `Delete ${name}?` })
      .getByRole('button', { name: 'Delete' })
      .click();
    await page.getByText(`${name} is deleted`).waitFor();
    await expect.poll(() => page.getByRole('button', { name }).count()).toBe(0);
    expect(visits.problems).toEqual([]);
  });

  test('a key is shown once, and good until it is deleted', async () => {
    const page = await visits.open('/people');
    await page.getByRole('button', { name: 'Create a key' }).click();
    await page.getByLabel('Name').fill('reports of the week');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    const key = (await page
      .getByRole('region', { name: 'Key of reports of the week' })
      .textContent()) as string;
    expect(await obstacles(page)).toEqual([]);
    const status = async (method: string) =>
      (
        await fetch(`${visits.server.origin}/v1/sites`, {
          method,
          headers: { Authorization: `Bearer ${key}` },
        })
      ).status;
    expect([await status('GET'), await status('POST')]).toEqual([200, 403]);
    await page.getByRole('button', { name: 'I have taken it down' }).click();
    await page.getByRole('button', { name: 'reports of the week' }).click();
    expect(await page.getByText(key).count()).toBe(0);
    await page.getByRole('button', { name: 'Delete the key' }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByText('The key “reports of the week” is deleted').waitFor();
    expect(await status('GET')).toBe(401);
  });

  test('nobody deletes themselves', async () => {
    const admin = await visits.person('admin', 'barbara');
    const page = await visits.open('/people', { as: admin });
    await page.getByRole('button', { name: 'barbara (you)' }).click();
    const dialog = page.getByRole('dialog', { name: 'barbara' });
    expect(await dialog.getByRole('button', { name: 'Delete' }).isDisabled()).toBe(true);
    await dialog.getByText('You cannot delete yourself; another admin can.').waitFor();
  });
});
