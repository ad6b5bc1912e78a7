import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { executable } from '../../demo/browser.ts';
import { flaws, isTooWide, NARROW, obstacles, startVisits, type Visits } from './visit.ts';

describe.skipIf(!executable)('segments and traits in the web application', () => {
  let visits: Visits;
  beforeAll(async () => {
    visits = await startVisits();
    // Three visitors: two looked at jazz, one of them twice.
    for (const [uuid, times] of [
      ['11111111111111111111111111111111111111', 2],
      ['22222222222222222222222222222222222222', 1],
    ] as const) {
      for (let i = 0; i < times; i++) await look(uuid, 'c_page=concert&c_genre=jazz');
    }
    await look('33333333333333333333333333333333333333', 'c_page=home');
  }, 180_000);
  afterEach(() => visits.leave());
  afterAll(() => visits.stop());

  const look = async (uuid: string, signals: string) => {
    const answer = await fetch(
      `${visits.server.origin}/event?d_uuid=${uuid}&d_rtbd=json&${signals}`,
    );
    expect(answer.status).toBe(200);
  };
  const text = (page: Page) => page.getByRole('textbox', { name: 'Rule' });
  /** The rule's text, without the names that stand beside the ids. */
  const written = (page: Page) =>
    text(page).evaluate((field) => {
      const copy = field.cloneNode(true) as HTMLElement;
      for (const name of copy.querySelectorAll('.cm-name')) name.remove();
      return copy.textContent;
    });
  const show = (page: Page, view: 'Blocks' | 'Text') =>
    page.getByRole('radiogroup', { name: 'Show the rule as' }).getByText(view).click();
  const seen = (page: Page, words: string | RegExp) => page.getByText(words).first().waitFor();

  it('a rule is typed wrong, mended, turned into blocks, counted by the clock, estimated and saved', async () => {
    const page = await visits.open('/segments/new');
    await page.getByLabel('Name').fill('Jazz, again');
    await show(page, 'Text');
    await text(page).click();
    await page.keyboard.type('5003T AMD 5010T');
    await seen(page, 'Character 7: found "AMD"; write AND, OR or the end of the rule.');
    expect(await page.locator('.cm-mistake').textContent()).toBe('AMD');
    expect(await text(page).getAttribute('aria-invalid')).toBe('true');

    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('5003T AND Jazz lo');
    await page.getByRole('option', { name: /Jazz lover/ }).waitFor();
    await page.keyboard.press('Enter');
    await seen(page, 'The rule is complete.');
    expect(await written(page)).toBe('5003T AND 5010T');
    expect(await page.locator('.cm-name').allTextContents()).toEqual([
      'Looked at a concert',
      'Jazz lover',
    ]);

    await show(page, 'Blocks');
    await page.getByRole('button', { name: 'How often and how recently' }).first().click();
    await page.getByLabel('Number of times').fill('2');
    await page.getByRole('combobox', { name: 'How recently' }).click();
    await page.getByRole('option', { name: 'in the last … days' }).click();
    await page.getByLabel('Number of days').fill('7');
    await page.getByRole('button', { name: 'Done' }).click();
    await page
      .getByRole('button', { name: 'at least 2 times, in the last 7 days', exact: true })
      .waitFor();

    const rule = 'FREQUENCY([5003T] <= 7D) >= 2 AND 5010T';
    await show(page, 'Text');
    await expect.poll(() => written(page)).toBe(rule);
    await seen(page, 'Counted exactly, of 3 stored visitors (33.3%).');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { level: 1, name: 'Jazz, again' }).waitFor();
    await seen(page, 'No destination gets this segment yet.');
    const id = page.url().split('/').at(-1);
    expect(await visits.call('GET', `/segments/${id}`)).toMatchObject({ segmentRule: rule });
    expect(visits.problems).toEqual([]);
  });

  it('names are found while they are typed, and ids that are none are said to be', async () => {
    const page = await visits.open('/segments/new');
    await show(page, 'Text');
    await text(page).click();
    await page.keyboard.type('5003T OR 4711T');
    await seen(page, /Character 10: there is no trait 4711/);
    expect(await page.locator('.cm-mistake').textContent()).toBe('4711T');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('Looked at a con');
    await seen(page, /Not finished yet: choose the trait from the list/);
    await page.getByRole('option', { name: /Looked at a concert/ }).click();
    expect(await written(page)).toBe('5003T');
    // Nothing keeps the focus in the field.
    await page.keyboard.press('Escape');
    await page.keyboard.press('Tab');
    expect(await text(page).evaluate((field) => field.contains(document.activeElement))).toBe(
      false,
    );
  });

  it('a text that is no rule has no blocks, and is kept', async () => {
    const page = await visits.open('/segments/7004');
    await show(page, 'Text');
    await text(page).click();
    await page.keyboard.press('ControlOrMeta+End');
    await page.keyboard.type(' AND (');
    await show(page, 'Blocks');
    await seen(page, 'This text is no rule yet');
    await page.getByRole('button', { name: 'Save' }).click();
    await show(page, 'Text');
    expect(await written(page)).toBe('5003T AND 5006T AND ()');
    expect(await visits.call('GET', '/segments/7004')).toMatchObject({
      segmentRule: '5003T AND 5006T',
    });
  });

  it('blocks are made, negated, grouped and moved by keys alone', async () => {
    const page = await visits.open('/segments/new');
    await show(page, 'Blocks');
    const add = async (name: string) => {
      await page.getByRole('button', { name: 'Add trait' }).last().focus();
      await page.keyboard.press('Enter');
      await page.locator('[aria-label="Search for a trait"]:focus').waitFor();
      await page.keyboard.type(name);
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: `Move: ${name}` }).waitFor();
    };
    await add('Jazz lover');
    await add('Rock listener');
    await add('Night owl');
    await page.getByRole('button', { name: 'NOT: Jazz lover' }).focus();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Change: Rock listener' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('menuitem', { name: 'Put into a group' }).press('Enter');
    // Into the group: before the first gap behind it, which is inside.
    await page.getByRole('button', { name: 'Move: Night owl' }).focus();
    await page.keyboard.press('Space');
    const said = page.locator('[id^="DndLiveRegion"]');
    await expect.poll(() => said.textContent()).toMatch(/Night owl is picked up|would stand/);
    await page.keyboard.press('ArrowUp');
    await expect
      .poll(() => said.textContent())
      .toBe('It would stand after Rock listener, inside the group.');
    await page.keyboard.press('Space');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')))
      .toBe('Move: Night owl');
    await show(page, 'Text');
    await expect.poll(() => written(page)).toBe('NOT 5010T AND (5011T OR 5013T)');
  });

  it('a trait is made of signals that pages have sent, and its pattern is checked', async () => {
    const page = await visits.open('/traits/new');
    await page.getByLabel('Name').fill('Page of a concert');
    await show(page, 'Blocks');
    await page.getByRole('button', { name: 'Add condition' }).click();
    await page.keyboard.type('c_page');
    await page.getByRole('combobox', { name: 'Comparison' }).click();
    await page.getByRole('option', { name: 'matches the regular expression' }).click();
    const value = page.getByRole('combobox', { name: 'Value' });
    await value.fill('^(concert');
    await seen(page, /Missing closing \)/i);
    await value.fill('^concerts?$');
    await seen(page, 'The rule is complete.');
    await show(page, 'Text');
    await expect.poll(() => written(page)).toBe('c_page matchesregex "^concerts?$"');
    await page.getByRole('combobox', { name: 'Data source' }).click();
    await page.getByRole('option', { name: 'Halfnote website' }).click();
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { level: 1, name: 'Page of a concert' }).waitFor();
    await seen(page, 'No segment is made of this trait yet.');
    await seen(page, /of the last \d+ recorded requests?$/);
    expect(visits.problems).toEqual([]);
  });

  it('what is in use is not deleted, and those who use it are named', async () => {
    const page = await visits.open('/traits/5006');
    await page.getByRole('button', { name: 'Delete this trait' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    const refusal = page.getByRole('alert').filter({ hasText: 'Not deleted' });
    await refusal.getByRole('link', { name: 'Premium audience' }).click();
    await page.getByRole('heading', { level: 1, name: 'Premium audience' }).waitFor();
    await page.getByRole('link', { name: 'Kestrel audience pixels' }).waitFor();
  });

  it('whoever was slower sees what the other one has saved', async () => {
    const page = await visits.open('/segments/7003');
    await page.getByLabel('Name').fill('Very keen visitor');
    await visits.call('PUT', '/segments/7003', {
      name: 'Keen visitor',
      segmentRule: 'FREQUENCY([5003T]) >= 3',
      integrationCode: 'keen',
    });
    await page.getByRole('button', { name: 'Save' }).click();
    await seen(page, 'Somebody else has changed this meanwhile');
    await seen(page, 'Rule: "FREQUENCY([5003T]) >= 2" → "FREQUENCY([5003T]) >= 3"');
    await page.getByRole('button', { name: 'Keep mine, to save over theirs' }).click();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { level: 1, name: 'Very keen visitor' }).waitFor();
    expect(await visits.call('GET', '/segments/7003')).toMatchObject({
      segmentRule: 'FREQUENCY([5003T]) >= 2',
    });
  });

  it('export controls are said in words before anything is saved', async () => {
    await visits.call('POST', '/datasources', {
      dataSourceId: 4000,
      name: 'Customer cards',
      dataExportRestrictions: ['OFF_SITE_AD_TARGETING'],
    });
    await visits.call('POST', '/traits', {
      sid: 5900,
      name: 'Has a card',
      traitType: 'ON_BOARDED_TRAIT',
      dataSourceId: 4000,
    });
    const one = await visits.call<object>('GET', '/destinations/8003?includeMappings=true');
    await visits.call('PUT', '/destinations/8003', {
      ...one,
      dataExportLabels: ['OFF_SITE_AD_TARGETING'],
    });
    const page = await visits.open('/segments/7003');
    await show(page, 'Blocks');
    await page.getByRole('button', { name: 'Add trait' }).click();
    await page.keyboard.type('Has a card');
    await page.getByRole('option', { name: /Has a card/ }).click();
    await seen(page, /must not be used for Ads elsewhere/);
    await page.getByRole('link', { name: 'Kestrel welcome-back frame' }).first().waitFor();
  });

  it('nobody leaves without being asked what becomes of the changes', async () => {
    const page = await visits.open('/segments/7002');
    await page.getByLabel('Name').fill('Jazz people');
    await page.getByRole('link', { name: 'Traits', exact: true }).click();
    const question = page.getByRole('dialog', { name: 'Leave without saving?' });
    await question.getByRole('button', { name: 'Cancel' }).click();
    expect(await page.getByLabel('Name').inputValue()).toBe('Jazz people');
    await page.getByRole('link', { name: 'Traits', exact: true }).click();
    await question.getByRole('button', { name: 'Leave without saving' }).click();
    await page.getByRole('heading', { level: 1, name: 'Traits' }).waitFor();
    await page.getByRole('link', { name: 'Jazz lover' }).click();
    // The list has a field of such a name, too.
    await page.getByRole('heading', { level: 1, name: 'Jazz lover' }).waitFor();
    await page.getByLabel('Name').fill('Jazz fan');
    await page.evaluate(() => history.back());
    await question.getByRole('button', { name: 'Leave without saving' }).click();
    await page.getByRole('heading', { level: 1, name: 'Traits' }).waitFor();
  });

  it('what a change would have done is tried on recorded requests', async () => {
    await look('44444444444444444444444444444444444444', 'c_page=concert&c_genre=jazz');
    const page = await visits.open('/segments/7006');
    await show(page, 'Text');
    await text(page).click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('5010T');
    await page.keyboard.press('Escape');
    await seen(page, 'The rule is complete.');
    await page.getByRole('button', { name: 'Try it' }).click();
    const row = page.getByRole('row', { name: /Kestrel bidding platform/ });
    await expect.poll(() => row.textContent()).toMatch(/platform\d+\d+/);
    expect(await obstacles(page)).toEqual([]);
  });

  it('a viewer sees the rule, and can change nothing', async () => {
    const page = await visits.open('/segments/7005', { as: 'viewer' });
    await seen(page, 'Started checkout');
    for (const name of ['Save', 'Add trait', 'Delete this segment', /^Move:/, /^NOT:/]) {
      expect(await page.getByRole('button', { name }).count()).toBe(0);
    }
    await show(page, 'Text');
    await text(page).click();
    await page.keyboard.type('nothing of this');
    expect(await written(page)).toBe('5004T AND NOT 5005T');
    await page.goto(`${visits.server.origin}/builder/traits`);
    await page.getByRole('link', { name: 'Jazz lover' }).waitFor();
    expect(await page.getByRole('link', { name: 'New trait' }).count()).toBe(0);
  });

  it('traits are listed by their folders, with what is below them', async () => {
    const page = await visits.open('/traits');
    await page.getByRole('navigation', { name: 'Folders' }).getByText('Musical taste').click();
    await page.getByRole('link', { name: 'Jazz lover' }).waitFor();
    await expect.poll(() => page.getByRole('link', { name: 'Bought a ticket' }).count()).toBe(0);
    await page.getByRole('navigation', { name: 'Folders' }).getByText('Halfnote').click();
    await page.getByRole('link', { name: 'Bought a ticket' }).waitFor();
  });

  describe('can be seen, read and reached by everybody', () => {
    it.each<[page: string, at: string, ready: string, prepare?: (page: Page) => Promise<void>]>([
      ['segments', '/segments', 'Genre explorer'],
      ['segment', '/segments/7007', 'Any musical taste'],
      ['traits', '/traits', 'Jazz lover'],
      ['trait', '/traits/5013', 'The rule is complete.'],
      ['trait-new', '/traits/new', 'Not finished yet: add a condition.'],
      [
        'segment-text',
        '/segments/new',
        'New segment',
        async (page) => {
          await show(page, 'Text');
          await text(page).click();
          await page.keyboard.type('FREQUENCY([5003T] <= 30D) >= 2 AND NOT 4711T ');
          await seen(page, /there is no trait 4711/);
        },
      ],
      [
        'segment-clock',
        '/segments/7007',
        'Any musical taste',
        async (page) => {
          await page.getByRole('button', { name: /^at least 4 times/ }).click();
          await page.getByLabel('Number of days').waitFor();
        },
      ],
      [
        'segment-picker',
        '/segments/7005',
        'Started checkout',
        async (page) => {
          await page.getByRole('button', { name: 'Add trait' }).click();
          await page.getByRole('option').first().waitFor();
        },
      ],
    ])('%s', async (name, at, ready, prepare) => {
      const page = await visits.open(at);
      await seen(page, ready);
      await prepare?.(page);
      expect(await flaws(page, name)).toEqual([]);
      expect(visits.problems).toEqual([]);
    });
  });

  it('of a rule as long as they may be, only a part is drawn at first', async () => {
    const segmentRule = Array.from({ length: 6_000 }, () => '5003T').join(' OR ');
    expect(segmentRule.length).toBeGreaterThan(50_000);
    await visits.call('POST', '/segments', { sid: 7900, name: 'Long', segmentRule });
    const page = await visits.open('/segments/7900', { viewport: NARROW });
    await show(page, 'Text');
    await text(page).click();
    await page.keyboard.press('ControlOrMeta+End');
    await page.keyboard.type(' OR 5010');
    await seen(page, /Not finished yet|Character 5999/);
    await page.keyboard.type('T');
    await seen(page, 'The rule is complete.');
    await show(page, 'Blocks');
    await seen(page, 'Show 200 more conditions of 6001');
    expect(await page.getByRole('button', { name: /^Move:/ }).count()).toBe(50);
    expect(await isTooWide(page)).toBe(false);
  });
});
