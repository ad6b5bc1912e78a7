import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Call } from '../../src/demo/calls.ts';
import { type RunningServer, startServer } from '../server.ts';
import { executable, launch } from './browser.ts';

interface Answer {
  readonly uuid: string;
  readonly stuff: readonly { cn: string; cv: string; ttl: number }[];
  readonly dests: readonly { id: string; y: string; c: string }[];
  readonly traits: readonly number[];
  readonly segments: readonly number[];
  readonly errors?: readonly { code: number; msg: string }[];
}

const BROWSERS = 7001;
const JAZZ = 7002;
const KEEN = 7003;
const PREMIUM = 7004;
const BASKET = 7005;
const HOLDERS = 7006;
const AUDIENCE_PIXELS = '8001';
const FRAME = '8003';
const FESTIVAL = 8005;
const REMINDER = '8006';

describe.skipIf(!executable)('the demo', () => {
  let server: RunningServer;
  let browser: Browser;
  /** What went wrong on the pages of a test. */
  let problems: string[];

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
  });

  /** A browser that nobody knows yet. */
  async function newcomer(options: BrowserContextOptions = {}): Promise<Page> {
    problems = [];
    const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
    context.on('weberror', (error) => problems.push(String(error.error())));
    context.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    return context.newPage();
  }

  /** Opens a page of the shop and reads Switchyard's answer where a visitor can read it. */
  async function look(page: Page, path: string): Promise<Answer> {
    await page.goto(`${server.origin}/demo/${path}`);
    return answerOn(page);
  }

  async function answerOn(page: Page): Promise<Answer> {
    await page.locator('#backstage.lit').waitFor();
    return JSON.parse((await page.locator('#backstage pre').textContent()) as string);
  }

  async function calls(): Promise<readonly Call[]> {
    return (await fetch(`${server.inbox}/calls.json`)).json() as Promise<Call[]>;
  }

  const callsOf = async (uuid: string) =>
    (await calls()).filter(({ visitor }) => visitor.device === uuid);

  const eventually = <Value>(value: () => Promise<Value>) =>
    expect.poll(value, { timeout: 8_000, interval: 20 });

  async function trace(body: object) {
    const response = await fetch(`${server.origin}/v1/trace`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${server.adminToken}` },
      body: JSON.stringify(body),
    });
    const { destinations } = (await response.json()) as {
      destinations: { destinationId: number; reason: string }[];
    };
    return new Map(destinations.map((d) => [d.destinationId, d.reason]));
  }

  test('a look at a concert reaches cookie, partner and panel within that page', async () => {
    const page = await newcomer();
    await page.goto(`${server.origin}/`);
    const home = await answerOn(page);
    expect(page.url()).toBe(`${server.origin}/demo/`);
    expect(home).toMatchObject({ segments: [], stuff: [], dests: [] });
    expect(await page.evaluate(() => document.cookie)).toBe('');

    await page
      .getByRole('link', { name: /Blue Hour Quartet/ })
      .first()
      .click();
    await page.getByRole('heading', { level: 1, name: 'Blue Hour Quartet' }).waitFor();
    const answer = await answerOn(page);
    expect(answer.uuid).toBe(home.uuid);
    expect([...answer.segments].sort()).toEqual([BROWSERS, JAZZ]);
    expect(answer.errors).toBeUndefined();
    expect(await page.evaluate(() => decodeURIComponent(document.cookie))).toBe(
      'sw_audience=aud=jazz',
    );
    await eventually(() => callsOf(answer.uuid)).toContainEqual(
      expect.objectContaining({
        kind: 'image',
        path: '/pixel/audience',
        params: expect.objectContaining({ uid: answer.uuid, seg: 'jazz' }),
      }),
    );
    const panel = page.locator('#backstage');
    for (const text of ['Jazz lover', 'Jazz audience', 'Kestrel audience pixels', 'aud=jazz']) {
      expect(await panel.textContent()).toContain(text);
    }
    await page
      .getByText(`${answer.traits.length} traits · 2 audiences · 3 calls`)
      .first()
      .waitFor();
    expect(problems).toEqual([]);
  });

  test('only what is mapped leaves', async () => {
    const page = await newcomer();
    const { uuid, dests } = await look(page, 'concerts/blue-hour-quartet');
    await eventually(async () => (await callsOf(uuid)).length).toBe(dests.length + 1);
    // The device id may go out, and has any digits in it.
    const received = JSON.stringify(
      (await callsOf(uuid)).map(({ path, params }) => [path, params]),
    ).replaceAll(uuid, '');
    for (const kept of ['Lisbon', 'blue-hour', '5003', '5010', 'Jazz', '"38"', 'demo/']) {
      expect(received).not.toContain(kept);
    }
  });

  test('after the id match, calls carry the partner’s own id', async () => {
    const page = await newcomer();
    const first = await look(page, 'concerts/blue-hour-quartet');
    const pixel = (answer: Answer) =>
      new URL(answer.dests.find(({ id }) => id === AUDIENCE_PIXELS)?.c as string).searchParams;
    expect(pixel(first).get('partner')).toBe('');

    const match = async () => (await callsOf(first.uuid)).find(({ kind }) => kind === 'match');
    await eventually(match).toBeTruthy();
    const partnerId = (await match())?.visitor.cookie as string;
    expect(partnerId).toMatch(/^P-[0-9A-F]{6}$/);

    const second = await look(page, 'concerts/blue-hour-quartet');
    expect(second.uuid).toBe(first.uuid);
    expect(pixel(second).get('partner')).toBe(partnerId);
    await eventually(() => callsOf(first.uuid)).toContainEqual(
      expect.objectContaining({
        path: '/pixel/audience',
        visitor: { device: first.uuid, partner: partnerId, cookie: partnerId },
      }),
    );
    expect(problems).toEqual([]);
  });

  test('a second look qualifies by frequency, and loads the frame', async () => {
    const page = await newcomer();
    const first = await look(page, 'concerts/hollow-oak');
    expect(first.segments).not.toContain(KEEN);
    expect(first.dests.map(({ id }) => id)).not.toContain(FRAME);

    const second = await look(page, 'concerts/st-brannoc-strings');
    expect(second.segments).toEqual(expect.arrayContaining([KEEN, PREMIUM]));
    expect(second.dests).toContainEqual(expect.objectContaining({ id: FRAME, y: 'iframe' }));
    expect(await page.locator('#backstage').textContent()).toContain('Keen visitor new 7003');
    await eventually(() => callsOf(first.uuid)).toContainEqual(
      expect.objectContaining({ kind: 'frame', path: '/frame/welcome-back' }),
    );
    const frame = () => page.frames().find((f) => f.url().startsWith(`${server.inbox}/frame/`));
    await eventually(async () => frame()?.title()).toBe('Kestrel Media');
    expect(await page.evaluate(() => decodeURIComponent(document.cookie))).toBe(
      'sw_audience=aud=premium#keen',
    );
    await page.goto(`${server.origin}/demo/`);
    await page.getByText('You keep coming back.').waitFor();
    expect(problems).toEqual([]);
  });

  test('the capped destination is called once, and a trace says why not again', async () => {
    const page = await newcomer();
    const answers = [
      await look(page, 'concerts/the-tin-harbour'),
      await look(page, 'concerts/kilo-verse'),
      await look(page, 'concerts/hollow-oak'),
    ];
    const [{ uuid }] = answers;
    const reminded = answers.map(({ dests }) => dests.some(({ id }) => id === REMINDER));
    expect(reminded).toEqual([true, false, false]);
    const received = async (path: string) =>
      (await callsOf(uuid)).filter((call) => call.path === path).length;
    await eventually(() => received('/pixel/dsp')).toBe(3);
    expect(await received('/pixel/reminder')).toBe(1);
    const reasons = await trace({ url: '/event?c_page=concert&d_rtbd=json&d_dst=1', uuid });
    expect(reasons.get(Number(REMINDER))).toBe('capped');
  });

  test('a trace says that the campaign of 2099 has not started', async () => {
    const page = await newcomer();
    const { uuid } = await look(page, 'concerts/the-tin-harbour');
    const url = '/event?c_page=concert&d_rtbd=json&d_dst=1';
    expect((await trace({ url, uuid })).get(FESTIVAL)).toBe('not-started');
    const reasons = await trace({ url, uuid, at: '2099-07-01T00:00:00Z' });
    expect(reasons.get(FESTIVAL)).toBe('delivered');
  });

  test('who pays is no longer among those who left at the checkout', async () => {
    const page = await newcomer();
    const before = await look(page, 'checkout?concert=orsolya-feher');
    expect(before.segments).toEqual([BASKET]);
    await page.getByRole('button', { name: /^Pay €92/ }).click();
    await page.getByText(/^Answer 2: /).waitFor();
    const after = await answerOn(page);
    expect(after).toMatchObject({ uuid: before.uuid, segments: [HOLDERS] });
    expect(problems).toEqual([]);
  });

  test('the inbox shows calls live, and forgets them everywhere', async () => {
    const shop = await newcomer();
    const [inbox, second] = [await shop.context().newPage(), await shop.context().newPage()];
    for (const page of [inbox, second]) {
      await page.goto(server.inbox);
      await page.getByText('Live', { exact: true }).waitFor();
      await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    }
    await inbox.getByRole('button', { name: 'Clear' }).click();
    await second.getByText('No calls yet').waitFor();
    await inbox.getByText('No calls yet').waitFor();

    const { uuid } = await look(shop, 'concerts/blue-hour-quartet');
    const entry = second.locator('#calls > li', { hasText: '/pixel/audience' });
    await entry.first().waitFor();
    expect(await entry.first().textContent()).toContain(uuid);
    await second.locator('#calls > li', { hasText: 'Ids matched' }).waitFor();
    const { length } = await calls();
    await eventually(() => second.locator('#count').textContent()).toBe(String(length));
    expect(await second.locator('#calls > li').count()).toBe(length);
    expect(await second.evaluate(() => 'notReloaded' in window)).toBe(true);
    expect(problems).toEqual([]);
  });

  test('a browser keeps its device id, and no two browsers share one', async () => {
    const page = await newcomer();
    const first = await look(page, '');
    await page.reload();
    expect((await answerOn(page)).uuid).toBe(first.uuid);
    const other = await page.context().newPage();
    expect((await look(other, 'concerts')).uuid).toBe(first.uuid);
    // Each of the two keeps it alone: the browser's storage and the cookie of the endpoint.
    await page.getByRole('button', { name: 'Forget me' }).click();
    expect((await look(page, '')).uuid).toBe(first.uuid);
    await page.context().clearCookies();
    expect((await look(page, '')).uuid).toBe(first.uuid);
    const stranger = await newcomer();
    expect((await look(stranger, '')).uuid).not.toBe(first.uuid);
  });

  test('localhost and 127.0.0.1 are one shop', async () => {
    const page = await newcomer();
    await page.goto(`${server.origin.replace('127.0.0.1', 'localhost')}/demo/concerts?from=mail`);
    expect(page.url()).toBe(`${server.origin}/demo/concerts?from=mail`);
  });

  test('without JavaScript, a frame and then an image reach the partner', async () => {
    const page = await newcomer({ javaScriptEnabled: false });
    const cookie = async (name: string) =>
      (await page.context().cookies(server.origin)).find((c) => c.name === name);

    await page.goto(`${server.origin}/demo/no-script/blue-hour-quartet`);
    const uuid = (await cookie('demdex'))?.value as string;
    expect(uuid).toMatch(/^\d{38}$/);
    const audience = await cookie('sw_audience');
    expect(decodeURIComponent(audience?.value as string)).toBe('aud=jazz');
    expect(audience).toMatchObject({ httpOnly: false, path: '/' });
    const paths = async () => (await callsOf(uuid)).map(({ path }) => path).sort();
    await eventually(paths).toEqual(['/pixel/audience', '/pixel/dsp', '/pixel/reminder']);

    const sentOn = page.waitForResponse((response) => response.url().includes('c_page=no-script'));
    await page.goto(`${server.origin}/demo/no-script/orsolya-feher`);
    const redirect = await sentOn;
    expect(redirect.status()).toBe(302);
    const target = (await redirect.headerValue('location')) as string;
    expect(target).toMatch(new RegExp(`^${server.inbox}/pixel/(audience|dsp)\\?`));
    expect((await cookie('demdex'))?.value).toBe(uuid);
    // Three images and a frame of the frame; the image; the id match.
    await eventually(async () => (await paths()).length).toBe(3 + 4 + 2);
    expect(await paths()).toEqual(expect.arrayContaining(['/frame/welcome-back', '/matched']));
    expect(problems).toEqual([]);
  });

  test('a shop whose Switchyard does not answer works all the same, and says so', async () => {
    const page = await newcomer();
    await page.clock.install();
    await page.route('**/event?*', () => {
      // It hangs.
    });
    await page.goto(`${server.origin}/demo/concerts/blue-hour-quartet`);
    await page.clock.fastForward(6_001);
    await page.getByText('Switchyard has not answered.').waitFor();
    await page.getByRole('link', { name: /^Get a ticket/ }).click();
    await page.getByRole('heading', { name: 'Checkout' }).waitFor();
    expect(problems).toEqual([]);
  });

  test('a server that stops does not disturb the page', async () => {
    const page = await newcomer();
    const stopped = await startServer();
    await page.goto(`${stopped.origin}/demo/checkout?concert=hollow-oak`);
    await answerOn(page);
    await stopped.stop('SIGKILL');
    const tried = page.waitForEvent('requestfailed', (r) => r.url().includes('/event?'));
    await page.getByRole('button', { name: /^Pay €24/ }).click();
    await tried;
    await page.getByText('Thank you.').waitFor();
    const send = () =>
      (window as unknown as { switchyard: { send(s: object): Promise<unknown> } }).switchyard
        .send({ c_page: 'x' })
        .then((answer) => answer === undefined);
    expect(await page.evaluate(send)).toBe(true);
    // The browser itself names what it could not load; nothing else is said.
    expect(problems.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
  });
});
