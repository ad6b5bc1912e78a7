import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../../demo/browser.ts';
import {
  flaws,
  NARROW,
  obstacles,
  PATIENCE_MS,
  picture,
  startVisits,
  type Visits,
} from './visit.ts';

describe.skipIf(!executable)('the shell of the web application', { timeout: PATIENCE_MS }, () => {
  let visits: Visits;
  beforeAll(async () => {
    visits = await startVisits();
  }, PATIENCE_MS);
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  test('the way in is open to everybody', async () => {
    const page = await visits.open('/', { as: 'nobody' });
    expect(await flaws(page, 'login')).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('somebody with a one-time password chooses one of their own, by keyboard alone', async () => {
    const { oneTimePassword } = await visits.call<{ oneTimePassword: string }>('POST', '/people', {
      name: 'ada',
      role: 'editor',
    });
    const page = await visits.open('/segments', { as: 'nobody' });
    const { keyboard } = page;
    await keyboard.type('ada');
    await keyboard.press('Tab');
    await keyboard.type('not it');
    await keyboard.press('Enter');
    await page.getByRole('alert').getByText('Name or password is wrong.').waitFor();
    await page.getByLabel('Password', { exact: true }).fill(oneTimePassword);
    await keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Choose a password' }).waitFor();
    expect(await obstacles(page)).toEqual([]);

    await page.getByLabel('One-time password').fill(oneTimePassword);
    await page.getByLabel('New password', { exact: true }).fill('short');
    await keyboard.press('Enter');
    const field = page.getByLabel('New password', { exact: true });
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true');
    await field.fill('correct horse battery staple');
    await keyboard.press('Enter');
    // Where they wanted to be from the start.
    await page.getByRole('heading', { level: 1, name: 'Segments' }).waitFor();
    expect(visits.problems).toEqual([]);
  });

  test('whoever logs out is out, in every window', async () => {
    const page = await visits.open('/settings/sites');
    const other = await page.context().newPage();
    await other.goto(`${visits.server.origin}/builder/settings/folders`);
    await other
      .getByRole('button', { name: 'New folder' })
      .or(other.getByText('New folder'))
      .first()
      .waitFor();
    await page.getByRole('button', { name: /^admin/ }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await other.getByRole('link', { name: 'Sites' }).click();
    await other.getByRole('heading', { name: 'Log in' }).waitFor();
  });

  test('a viewer is not shown what only admins see, and not by its address either', async () => {
    const page = await visits.open('/people', { as: 'viewer' });
    await page.getByRole('heading', { name: 'There is nothing here' }).waitFor();
    const pages = page.getByRole('navigation', { name: 'Pages' });
    expect(await pages.getByRole('link').allTextContents()).toEqual([
      'Destinations',
      'Segments',
      'Traits',
      'Why?',
      'Reports',
      'Activity',
      'Settings',
      'API',
    ]);
  });

  test('where nothing is, that is said', async () => {
    const page = await visits.open('/nowhere');
    expect(await flaws(page, 'nothing')).toEqual([]);
  });

  test('a password is changed, and only with the one before it', async () => {
    const person = await visits.person('viewer', 'grace');
    const page = await visits.open('/destinations', { as: person });
    await page.getByRole('button', { name: /^grace/ }).click();
    await page.getByRole('menuitem', { name: 'Change password' }).click();
    await page.getByRole('heading', { level: 1, name: 'Change password' }).waitFor();
    expect(await obstacles(page)).toEqual([]);
    await page.getByLabel('Current password').fill('something else');
    await page.getByLabel('New password', { exact: true }).fill('a better password of grace');
    await page.getByRole('button', { name: 'Change password' }).click();
    await expect
      .poll(() => page.getByLabel('Current password').getAttribute('aria-invalid'))
      .toBe('true');
    await page.getByLabel('Current password').fill(person.password);
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('Your password is changed').waitFor();
  });

  test('light or dark is a choice that stays', async () => {
    const page = await visits.open('/settings/sites', { colorScheme: 'light' });
    const scheme = () => page.locator('html').getAttribute('data-mantine-color-scheme');
    expect(await scheme()).toBe('light');
    await page.getByRole('button', { name: /^admin/ }).click();
    await page.getByRole('menuitemradio', { name: 'Light' }).waitFor();
    expect(await obstacles(page)).toEqual([]);
    await page.getByRole('menuitemradio', { name: 'Dark' }).click();
    await expect.poll(scheme).toBe('dark');
    await page.reload();
    await page.getByRole('heading', { level: 1 }).waitFor();
    expect(await scheme()).toBe('dark');
  });

  test('on a narrow window, the navigation comes when it is called, by keyboard', async () => {
    const page = await visits.open('/settings/sites', { viewport: NARROW });
    const { keyboard } = page;
    // Past the link that skips to the content.
    await keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Skip');
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    const pages = page.getByRole('dialog').getByRole('navigation', { name: 'Pages' });
    await pages.waitFor();
    expect(await obstacles(page)).toEqual([]);
    await picture(page, 'navigation narrow');
    await pages.getByRole('link', { name: 'API' }).focus();
    await keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'API' }).waitFor();
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
  });

  test('a page whose files are of an older version is loaded anew', async () => {
    const page = await visits.open('/settings/sites');
    let isGone = true;
    await page.route('**/assets/reference-*.js', (route) => {
      const answer = isGone ? route.fulfill({ status: 404 }) : route.continue();
      isGone = false;
      return answer;
    });
    await page.getByRole('link', { name: 'API', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'API' }).waitFor();
    expect(isGone).toBe(false);
  });

  test('nothing that is not of the application runs or is shown', async () => {
    const page = await visits.open('/settings/sites');
    const tried = await page.evaluate(async () => {
      const outcomes: Record<string, string> = {};
      const attempt = (name: string, run: () => void) => {
        try {
          run();
          outcomes[name] = 'done';
        } catch (error) {
          outcomes[name] = (error as Error).name;
        }
      };
      const seen: string[] = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
        seen.push(effectiveDirective);
      });
      attempt('markup', () => {
        document.createElement('div').innerHTML = '<img src=x onerror=alert(1)>';
      });
      const script = document.createElement('script');
      attempt('inline script', () => {
        script.textContent = 'globalThis.ran = true';
        document.body.append(script);
      });
      const style = document.createElement('style');
      style.textContent = 'h1 { color: rgb(1, 2, 3) }';
      document.head.append(style);
      const image = new Image();
      image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
      document.body.append(image);
      await fetch('https://elsewhere.example/').catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const color = getComputedStyle(document.querySelector('h1') as Element).color;
      return { outcomes, seen: [...new Set(seen)].sort(), color, ran: 'ran' in globalThis };
    });
    expect(tried.outcomes).toEqual({
      markup: 'TypeError',
      'inline script': 'TypeError',
    });
    expect(tried.seen).toEqual(
      expect.arrayContaining([
        'connect-src',
        'img-src',
        'require-trusted-types-for',
        'style-src-elem',
      ]),
    );
    expect(tried.color).not.toBe('rgb(1, 2, 3)');
    expect(tried.ran).toBe(false);
  });
});
