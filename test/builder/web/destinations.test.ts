/** Destinations, Why? and reports as people see and use them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FORBID, tcf } from '../../collect/consent-string.ts';
import { executable } from '../../demo/browser.ts';
import { flaws, obstacles, startVisits, type Visits } from './visit.ts';

const PAGES = [
  ['the list', '/destinations', 'destinations'],
  ['the kinds of a new one', '/destinations/new', 'destination-new'],
  ['configuration', '/destinations/8002?step=configuration', 'destination-configuration'],
  ['labels and consent', '/destinations/8002?step=labels', 'destination-consent'],
  ['mappings with addresses', '/destinations/8001?step=mappings', 'destination-addresses'],
  ['mappings of a cookie', '/destinations/8004?step=mappings', 'destination-mappings'],
  ['Why?', '/why', 'why'],
  ['reports', '/reports', 'reports'],
  ['the report of a destination', '/reports/destinations/8002', 'report'],
] as const;

describe.skipIf(!executable)('destinations', () => {
  let visits: Visits;
  beforeAll(async () => {
    visits = await startVisits();
    const query = 'c_page=concert&c_genre=jazz&c_price=92&d_rtbd=json&d_dst=1';
    const headers = { Referer: `${visits.server.origin}/demo/concerts/blue-hour-quartet` };
    await fetch(`${visits.server.origin}/event?${query}`, { headers });
  });
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  test.each(PAGES)('%s can be seen, read and reached by everybody', async (_, at, name) => {
    const page = await visits.open(at);
    await page.waitForLoadState('networkidle');
    expect(await flaws(page, name)).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('are told apart by kind, and found by name', async () => {
    const page = await visits.open('/destinations');
    await page.getByRole('tab', { name: 'Server-to-server' }).click();
    await page.getByText('Nothing matches this choice.').waitFor();
    await page.getByRole('tab', { name: 'URL and cookie' }).click();
    await page.getByLabel('Search: Name or description').fill('greeting');
    await page.getByText('1 in all').waitFor();
    expect(await page.getByRole('row').count()).toBe(2);
    await page.keyboard.press('Tab');
    await page.getByRole('link', { name: 'Greeting on our own pages' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Greeting on our own pages' }).waitFor();
  });

  test('mappings get another priority by keyboard', async () => {
    const page = await visits.open('/destinations/8004?step=mappings');
    const names = () => page.locator('ol li a').filter({ hasText: /\w{4}/ }).allTextContents();
    await page.getByRole('button', { name: 'Move Premium audience' }).waitFor();
    const before = (await names()).filter((name) => /audience|visitor|holders/.test(name));
    await page.getByRole('button', { name: 'Move Premium audience' }).focus();
    await page.keyboard.press('Space');
    await page.waitForTimeout(300);
    await page.keyboard.press('ArrowDown');
    await page.waitForTimeout(300);
    await page.keyboard.press('Space');
    await expect
      .poll(async () => (await names()).filter((name) => /audience|visitor|holders/.test(name)))
      .toEqual([before[1], before[0], ...before.slice(2)]);
    // What is sent has the new order, too.
    await page.getByText(/^sw_audience=aud=keen#premium/).waitFor();
    await page.getByRole('button', { name: 'Discard changes' }).click();
    await page.getByRole('button', { name: 'Throw away' }).click();
  });

  test('a segment that may not be mapped says why', async () => {
    const restricted = { name: 'Customers', dataExportRestrictions: ['PII'] };
    const { dataSourceId } = await visits.call<{ dataSourceId: number }>(
      'POST',
      '/datasources',
      restricted,
    );
    const { sid } = await visits.call<{ sid: number }>('POST', '/traits', {
      name: 'Known customer',
      traitType: 'ON_BOARDED_TRAIT',
      dataSourceId,
    });
    await visits.call('POST', '/segments', { name: 'Known customers', segmentRule: `${sid}T` });
    await visits.call('POST', '/destinations', {
      name: 'With names',
      destinationType: 'PUSH',
      dataExportLabels: ['PII'],
    });
    const page = await visits.open('/destinations');
    await page.getByRole('link', { name: 'With names' }).click();
    await page.getByRole('navigation', { name: 'Steps' }).getByText('Segment mappings').click();
    await page.getByRole('button', { name: 'Add segments' }).click();
    const choice = page.getByRole('checkbox', { name: /Known customers/ });
    await choice.waitFor();
    expect(await choice.isDisabled()).toBe(true);
    await page.getByText(/“Customers” \(trait \d+\) forbids what this destination/).waitFor();
    expect(await obstacles(page)).toEqual([]);
  });

  test.each([
    ['PUSH', { urlFormatString: 'https://dsp.example/?s=%ALIAS%', serializationEnabled: true }],
    ['ADS', { cookieName: 'consent', formatType: 'single_key', singleKey: 'k' }],
    ['S2S', { endpointUrl: 'https://dsp.example/in' }],
  ])('say what their partner needs consent to: %s', async (destinationType, fields) => {
    const { destinationId } = await visits.call<{ destinationId: number }>(
      'POST',
      '/destinations',
      {
        ...{ name: 'Vendor', destinationType, ...fields },
      },
    );
    const page = await visits.open(`/destinations/${destinationId}?step=labels`);
    await page.getByText('to what your account needs (purpose 1)').waitFor();
    await page.getByLabel('The partner’s vendor id (optional)').fill('565');
    await page.getByRole('combobox', { name: /^Further purposes/ }).click();
    for (const name of [/^4\. Use profiles/, /^3\. Create profiles/]) {
      await page.getByRole('option', { name }).click();
    }
    await page.keyboard.press('Escape');
    await page.getByRole('switch', { name: 'The partner works for us only' }).click();
    expect(await obstacles(page)).toEqual([]);
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText('is published').first().waitFor();
    expect(await visits.call('GET', `/destinations/${destinationId}`)).toMatchObject({
      ...{ iabVendorId: 565, iabPurposes: [3, 4], serviceProvider: true },
    });
    expect(visits.problems).toEqual([]);
  });

  test('why: what the visitor has said of consent, in words', async () => {
    const restrictions = [[2, FORBID, [[7, 7], [9, 12]]]] as const; // biome-ignore format: pairs
    const string = tcf({ purposes: [2], vendors: [7, 8], restrictions });
    const event = `/event?c_page=concert&d_rtbd=json&gdpr=1&gdpr_consent=${string}&us_privacy=1YYN`;
    const page = await visits.open(`/why?about=${encodeURIComponent(event)}`);
    await page
      .getByText(
        /With this request: GDPR applies, and there is consent for 2 vendors to: 2\. Use limited data/,
      )
      .waitFor();
    await page.getByText('The publisher does not let vendors 7, 9 to 12 rely on consent to: 2. Use').waitFor(); // biome-ignore format: a line
    await page.getByText('That is less than your account needs').waitFor();
    await page.getByText('They object to the sale or sharing').waitFor();
    await page.getByText('No consent (code 315)').waitFor();
    expect(await flaws(page, 'why-consent')).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('two people never replace each other unseen', async () => {
    const page = await visits.open('/destinations/8005');
    await page.getByLabel('Description').fill('Mine');
    await page.getByText('Kept as a draft').waitFor();
    const theirs = await visits.call<object>('GET', '/destinations/8005?includeMappings=true');
    await visits.call('PUT', '/destinations/8005', { ...theirs, description: 'Theirs' });
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText('Somebody else has changed this destination meanwhile').waitFor();
    await page.getByText('"Theirs" → "Mine"').waitFor();
    expect(await obstacles(page)).toEqual([]);
    await page.getByRole('button', { name: 'Publish mine over theirs' }).click();
    await page.getByText('is published').waitFor();
    const now = await visits.call<{ description: string }>('GET', '/destinations/8005');
    expect(now.description).toBe('Mine');
  });

  test('many mappings at once: only what is meant changes', async () => {
    const segments = await visits.call<{ sid: number }[]>('GET', '/segments');
    const mappings = segments.slice(0, 2).map(({ sid }, i) => ({
      sid,
      traitAlias: `key${i}`,
      valueAlias: `value${i}`,
      startDate: `2030-01-0${i + 1}`,
    }));
    const { destinationId } = await visits.call<{ destinationId: number }>(
      'POST',
      '/destinations',
      {
        name: 'Keys and values',
        destinationType: 'ADS',
        cookieName: 'many',
        formatType: 'key_value',
        autoFill: 'SEGMENT_ID',
        mappings,
      },
    );
    const page = await visits.open(`/destinations/${destinationId}?step=mappings`);
    await page.getByLabel('Select all').click();
    await page.getByRole('button', { name: 'Fill in values anew' }).click();
    await page.getByLabel('Select all').click();
    await page.getByRole('button', { name: 'Set dates' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByRole('button', { name: 'Set' }).isDisabled()).toBe(true);
    await dialog.getByLabel('Until').fill('2031-01-01');
    expect(await obstacles(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Set' }).click();
    const publish = async () => {
      await page.getByRole('button', { name: 'Publish' }).click();
      await page.getByText('is published').first().waitFor();
      const path = `/destinations/${destinationId}/mappings`;
      return visits.call<Record<string, unknown>[]>('GET', path);
    };
    const dated = mappings.map(({ valueAlias, ...rest }) => ({ ...rest, endDate: '2031-01-01' }));
    const now = await publish();
    expect(now).toMatchObject(dated);
    for (const mapping of now) expect(mapping.valueAlias ?? '').toBe('');
    await page.getByText('is published').waitFor({ state: 'hidden' });
    await page.getByLabel('Select all').click();
    await page.getByRole('button', { name: 'Set dates' }).click();
    await dialog.getByLabel('At once').click();
    await dialog.getByRole('button', { name: 'Set' }).click();
    const atOnce = await publish();
    expect(atOnce).toMatchObject(dated.map(({ startDate, ...rest }) => rest));
    for (const mapping of atOnce) expect(mapping.startDate ?? '').toBe('');
  });

  test('are deleted with their mappings, as they were looked at', async () => {
    const [{ sid }] = await visits.call<{ sid: number }[]>('GET', '/segments');
    const made = { name: 'Short-lived', destinationType: 'PUSH' };
    const mappings = [{ sid, url: 'https://partner.example/' }];
    const { destinationId } = await visits.call<{ destinationId: number }>(
      'POST',
      '/destinations',
      { ...made, mappings },
    );
    const at = `/destinations/${destinationId}`;
    const page = await visits.open(at);
    const remove = async () => {
      await page.getByRole('button', { name: 'Delete' }).click();
      await page.getByRole('dialog').getByText('It and its 1 mapping go').waitFor();
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    };
    await page.getByRole('button', { name: 'Delete' }).waitFor();
    await visits.call('PUT', at, { ...made, description: 'Theirs' });
    await remove();
    await page.getByText('Somebody has changed it meanwhile').waitFor();
    await page.reload();
    await remove();
    await page.getByText('Destination deleted').waitFor();
    await expect(visits.call('GET', at)).rejects.toThrow('404');
  });

  test('a viewer sees everything, and can change nothing', async () => {
    const page = await visits.open('/destinations/8004?step=mappings', { as: 'viewer' });
    await page.getByText('Premium audience').first().waitFor();
    for (const name of ['Publish', 'Delete', 'Add segments']) {
      expect(await page.getByRole('button', { name }).count()).toBe(0);
    }
    await page.getByText(/^sw_audience=aud=/).waitFor();
    expect(visits.problems).toEqual([]);
  });
});
