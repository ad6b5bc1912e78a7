/** Visits to the web application: a real server, somebody who is logged in, a real browser. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { Role } from '../../../src/builder/caller.ts';
import { launch } from '../../demo/browser.ts';
import { type RunningServer, type ServerOptions, startServer } from '../../server.ts';

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 390, height: 844 };

/** A browser takes its time on a machine that is busy with other tests. */
export const PATIENCE_MS = 120_000;

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

export interface Visits {
  readonly server: RunningServer;
  readonly browser: Browser;
  /** What browsers reported as errors since the last visit began; tests expect none. */
  readonly problems: readonly string[];
  /** A person of this role with a password of their own; names are made up if not given. */
  person(role: Role, name?: string): Promise<Person>;
  /** Opens an address below `/builder`, as an admin if not said otherwise. */
  open(
    at: string,
    options?: BrowserContextOptions & { as?: Role | Person | 'nobody' },
  ): Promise<Page>;
  /** Calls the interface with the server's token: `await visits.call('POST', '/sites', {…})`. */
  call<T>(method: string, at: string, body?: unknown): Promise<T>;
  /** Ends every visit; between tests. */
  leave(): Promise<void>;
  stop(): Promise<void>;
}

export interface Person {
  readonly name: string;
  readonly password: string;
  readonly role: Role;
}

/** Starts a server as a user starts it (with the demo's account if no other is given) and a browser. */
export async function startVisits(options: ServerOptions = {}): Promise<Visits> {
  const [server, browser] = await Promise.all([startServer(options), launch()]);
  // The first admin is made right after the server listens.
  while (!server.output().includes('Log in')) await setTimeout(20);
  const problems: string[] = [];
  const known = new Map<Role, Promise<Person>>();
  let people = 0;

  const call = async (method: string, at: string, body?: unknown) => {
    const response = await fetch(`${server.origin}/v1${at}`, {
      method,
      headers: {
        Authorization: `Bearer ${server.adminToken}`,
        'Content-Type': 'application/json',
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${at}: ${response.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as never;
  };

  const person = async (role: Role, name = `${role}-${++people}`): Promise<Person> => {
    const { oneTimePassword } = (await call('POST', '/people', { name, role })) as {
      oneTimePassword: string;
    };
    const password = `a password of ${name}`;
    const headers = { 'Content-Type': 'application/json', 'X-Requested-With': 'switchyard' };
    const entered = await fetch(`${server.origin}/v1/session`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ name, password: oneTimePassword }),
    });
    const cookie = entered.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .join('; ');
    const changed = await fetch(`${server.origin}/v1/session/password`, {
      method: 'PUT',
      headers: { ...headers, Cookie: cookie },
      body: JSON.stringify({ password: oneTimePassword, newPassword: password }),
    });
    if (!changed.ok) throw new Error(`no password: ${changed.status} ${await changed.text()}`);
    return { name, password, role };
  };

  const somebody = (role: Role): Promise<Person> => {
    const found = known.get(role) ?? person(role);
    known.set(role, found);
    return found;
  };

  return {
    server,
    browser,
    problems,
    person,
    call,
    async open(at, { as = 'admin', ...settings } = {}) {
      problems.length = 0;
      const context = await browser.newContext({
        viewport: WIDE,
        reducedMotion: 'reduce',
        ...settings,
      });
      context.on('weberror', (error) => problems.push(String(error.error())));
      context.on('console', (message) => {
        // The browser says every refusal; what the application makes of it is tested.
        const isRefusal = message.text().startsWith('Failed to load resource');
        if (message.type() === 'error' && !isRefusal) problems.push(message.text());
      });
      if (as !== 'nobody') {
        const { name, password } = typeof as === 'string' ? await somebody(as) : as;
        const entered = await context.request.post(`${server.origin}/v1/session`, {
          data: { name, password },
          headers: { 'X-Requested-With': 'switchyard' },
        });
        expect(entered.status()).toBe(200);
      }
      const page = await context.newPage();
      await page.goto(`${server.origin}/builder${at}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      return page;
    },
    async leave() {
      await Promise.all(browser.contexts().map((context) => context.close()));
    },
    async stop() {
      await browser.close();
      await server.stop();
    },
  };
}

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/**
 * What is wrong with a page for people who cannot see or point well (WCAG 2.2 AA and best practices, or only
 * one of their rules); tests expect `[]`.
 */
export async function obstacles(page: Page, rule?: 'color-contrast'): Promise<string[]> {
  // Moving parts have come to rest.
  await page.evaluate(() =>
    Promise.allSettled(document.getAnimations().map((animation) => animation.finished)),
  );
  // Past the Content-Security-Policy, as tools of the browser are.
  await page.evaluate(fs.readFileSync(axe, 'utf8'));
  const violations = await page.evaluate(async (runOnly) => {
    const { axe } = globalThis as unknown as {
      axe: { run: (context: Document, options: object) => Promise<{ violations: Finding[] }> };
    };
    return (await axe.run(document, { resultTypes: ['violations'], runOnly })).violations;
  }, rule);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}

/**
 * The looks that every page is shown in. What hangs on the layout alone is looked at once for each; the
 * contrast hangs on both.
 */
const LOOKS = [
  { look: 'wide and light', viewport: WIDE, colorScheme: 'light', rule: undefined },
  { look: 'wide and dark', viewport: WIDE, colorScheme: 'dark', rule: 'color-contrast' },
  { look: 'narrow and dark', viewport: NARROW, colorScheme: 'dark', rule: undefined },
  { look: 'narrow and light', viewport: NARROW, colorScheme: 'light', rule: 'color-contrast' },
] as const;

/**
 * What is wrong with a page as it is now in any of its looks, with a picture of each; tests expect `[]`.
 * The page is left as it was opened if not said otherwise: wide and light.
 */
export async function flaws(page: Page, name: string): Promise<string[]> {
  const found: string[] = [];
  for (const { look, rule, ...as } of LOOKS) {
    await show(page, as);
    const wrong = await obstacles(page, rule);
    if (await isTooWide(page)) wrong.push('it is wider than the window');
    await picture(page, `${name} ${look}`);
    found.push(...wrong.map((one) => `${look}: ${one}`));
  }
  await show(page, LOOKS[0]);
  return found;
}

async function show(
  page: Page,
  { viewport, colorScheme }: Omit<(typeof LOOKS)[number], 'look' | 'rule'>,
) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor();
}

/** A picture of the page, or of what lies over it, where `SCREENSHOTS` names a folder: to be looked at. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  const fullPage = (await page.getByRole('dialog').count()) === 0;
  const file = path.join(folder, `${name.replaceAll(' ', '-')}.png`);
  await page.screenshot({ path: file, fullPage });
}

/** Whether something is wider than the window; pages scroll only downwards. */
export function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate(
    () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
  );
}
