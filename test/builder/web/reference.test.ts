import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../../demo/browser.ts';
import { flaws, PATIENCE_MS, startVisits, type Visits } from './visit.ts';

describe.skipIf(!executable)('the reference of the API', { timeout: PATIENCE_MS }, () => {
  let visits: Visits;
  beforeAll(async () => {
    visits = await startVisits();
  }, PATIENCE_MS);
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  test('is readable', async () => {
    const page = await visits.open('/reference');
    await page.getByText('/v1/destinations', { exact: true }).first().click();
    await page.getByRole('heading', { name: 'Parameters' }).waitFor();
    expect(await flaws(page, 'reference')).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('has every call', async () => {
    const { paths } = await visits.call<{ paths: Record<string, Record<string, unknown>> }>(
      'GET',
      '/openapi.json',
    );
    const calls = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item)
        .filter((method) => method !== 'parameters')
        .map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(calls.length).toBeGreaterThan(30);
    const page = await visits.open('/reference');
    const summaries = page.locator('details > summary:has(code)');
    await summaries.first().waitFor();
    const shown = await summaries.evaluateAll((all) =>
      all.map((one) => {
        const [method, path] = [...one.children].map((part) => part.textContent).filter(Boolean);
        return `${method} ${path}`;
      }),
    );
    expect(shown).toEqual(expect.arrayContaining(calls));
  });

  test('a call is found by what it does, opened by a link, and its example is a call that works', async () => {
    const page = await visits.open('/reference#get-v1-sites-id');
    const example = page.getByRole('region', { name: 'Example of get /v1/sites/{id}' });
    const command = (await example.textContent()) as string;
    expect(command).toMatch(/^curl http:\/\/127\.0\.0\.1:\d+\/v1\/sites\/1 \\/);
    const [, address] = /curl (\S+)/.exec(command) as RegExpExecArray;
    const response = await fetch(address, { headers: { Authorization: 'Bearer test-token' } });
    expect(await response.json()).toMatchObject({ siteId: 1 });
    await page.getByLabel(/^Search/).fill('bulk');
    await expect
      .poll(async () => {
        const codes = await page.locator('summary code').allTextContents();
        return codes.length > 0 && codes.every((code) => code.includes('bulk-delete'));
      })
      .toBe(true);
  });
});
