/** An estimate of more visitors than are looked at for it, and their exact number. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { executable } from '../../demo/browser.ts';
import { account, segment, trait } from '../../outbound/example.ts';
import { temporaryFolder } from '../../server.ts';
import { come } from '../../store/sample.ts';
import { device, openEmbedded, visitOf } from '../../store/workbench.ts';
import { obstacles, PATIENCE_MS, startVisits, type Visits } from './visit.ts';

const VISITORS = 20_500;

describe.skipIf(!executable)('an estimate in the web application', () => {
  let visits: Visits;
  beforeAll(async () => {
    const folder = temporaryFolder();
    const store = openEmbedded(folder);
    await come(store, [...Array(VISITORS).keys()], (n) => visitOf(device(n), n % 2 === 0 ? 1 : 2));
    await store.close();
    visits = await startVisits({
      folder,
      account: account({ traits: [trait(1), trait(2)], segments: [segment(51, '1T')] }),
      environment: { OUTBOUND_EXAMINED_PER_SECOND: '3000' },
    });
  }, 180_000);
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  /** Presses the button, and returns the id of what is counted then. */
  const begin = async (page: Page): Promise<string> => {
    const asked = page.waitForResponse(
      (answer) => answer.request().postDataJSON()?.exact && answer.status() === 202,
    );
    await page.getByRole('button', { name: 'Count exactly' }).click();
    const { estimateId } = await (await asked).json();
    await page.getByRole('progressbar', { name: 'Progress of the exact count' }).waitFor();
    return estimateId;
  };
  const isForgotten = (estimateId: string) =>
    expect
      .poll(() => visits.call('GET', `/estimates/${estimateId}`).catch(String), {
        timeout: PATIENCE_MS,
      })
      .toMatch(/: 404 /);

  it('is made exact, unless that is stopped, or the page is left', {
    timeout: 240_000,
  }, async () => {
    const page = await visits.open('/segments/51');
    await page.getByText(/from a sample of 20,000 of 20,500 stored visitors/).waitFor();

    const stopped = await begin(page);
    expect(await obstacles(page)).toEqual([]);
    await page.getByRole('button', { name: 'Stop' }).click();
    await isForgotten(stopped);

    const left = await begin(page);
    await page.getByRole('link', { name: 'Traits' }).first().click();
    await isForgotten(left);

    await page.goBack();
    await begin(page);
    await page
      .getByText('Counted exactly, of 20,500 stored visitors (50%).')
      .waitFor({ timeout: PATIENCE_MS });
    expect(await page.getByText('10,250').count()).toBe(1);
    expect(await page.getByRole('button', { name: 'Count exactly' }).count()).toBe(0);
    expect(visits.problems).toEqual([]);
  });
});
