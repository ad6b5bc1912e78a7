/**
 * Server-to-server delivery in the web application: a server started as a user starts it, a partner that
 * is away and comes back, dead letters of a time before.
 */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { keepPass } from '../../../src/outbound/pass.ts';
import { RegistryFile } from '../../../src/store/embedded/registry-file.ts';
import { executable } from '../../demo/browser.ts';
import { account, realtime, segment, trait } from '../../outbound/example.ts';
import { childrenOf, temporaryFolder } from '../../server.ts';
import { bury, type Letter } from '../outbox.ts';
import { flaws, PATIENCE_MS, startVisits, type Visits } from './visit.ts';

/** A partner that keeps whom it was told of. */
class Partner {
  status = 200;
  readonly heard: string[] = [];
  readonly #server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    if (this.status === 200) {
      for (const { AAM_UUID } of JSON.parse(body).Users) this.heard.push(AAM_UUID);
    }
    response.writeHead(this.status).end();
  });

  async start(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/in`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const visitor = (n: number) => `7${String(n).padStart(37, '0')}`;
const DAY_MS = 86_400_000;

/** What was given up a day ago: each of its own visitor. */
const letter = (n: number): Letter => ({
  message: `given-up-${n}`,
  at: Date.now() - DAY_MS + n * 60_000,
  problem: 'the partner answered 500',
  deviceId: visitor(n),
  moves: [
    { sid: 51, isMember: true, at: Date.now() - 2 * DAY_MS },
    { sid: 52, isMember: false, at: Date.now() - 2 * DAY_MS },
  ],
});

const names = { traits: [trait(1), trait(2)] };
const segments = [segment(51, '1T', { name: 'Jazz fan' }), segment(52, '2T', { name: 'Rock fan' })];
const documentFor = (partner: Partner) =>
  account({
    ...names,
    segments,
    destinations: [
      realtime(801, [51, 52], { name: 'Bidder', endpointUrl: partner.url }),
      realtime(802, [51], { name: 'Bidder instead', endpointUrl: partner.url }),
      {
        destinationId: 803,
        name: 'Pixel of the bidder',
        destinationType: 'PUSH',
        fallbackDestinationId: 802,
        mappings: [
          { sid: 51, url: 'http://bidder.example/', secureUrl: 'https://bidder.example/' },
        ],
      },
      {
        destinationId: 804,
        name: 'Files',
        destinationType: 'S2S',
        transfer: 'file',
        target: 'partner/in',
        schedule: '0 2 * * *',
        mappings: [{ sid: 51, traitAlias: 'jazz' }],
      },
    ],
  });

describe.skipIf(!executable)('delivery in the builder', { timeout: PATIENCE_MS }, () => {
  const partner = new Partner();
  let visits: Visits;
  beforeAll(async () => {
    await partner.start();
    const folder = temporaryFolder();
    await bury(folder, 801, [1, 2, 3, 4].map(letter));
    visits = await startVisits({
      folder,
      account: documentFor(partner),
      environment: { OUTBOUND_ALLOW_PRIVATE: '1' },
    });
  }, PATIENCE_MS);
  afterEach(() => visits.leave());
  afterAll(async () => {
    await visits?.stop();
    partner.close();
  });

  /** Whoever comes while the partner is away: each attempt at a test has its own visitor. */
  let lastAway = 100;
  const come = async (n: number, signals = 'c_t=1') => {
    const at = `${visits.server.origin}/event?d_rtbd=json&d_uuid=${visitor(n)}&${signals}`;
    expect((await fetch(at)).status).toBe(200);
  };
  const patience = { timeout: 30_000 };
  const figure = (page: Page, name: string) =>
    page.getByText(name, { exact: true }).first().locator('..');

  test('the list says where something is wrong', async () => {
    const page = await visits.open('/destinations');
    const row = page.getByRole('row').filter({ has: page.getByText('Bidder', { exact: true }) });
    await row.getByRole('link', { name: '✕ 4 dead letters' }).waitFor();
    const other = page.getByRole('row').filter({ hasText: 'Bidder instead' });
    expect(await other.getByText('dead letter').count()).toBe(0);
    expect(await flaws(page, `deliveries list`)).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('what was given up is listed with why and of whom', async () => {
    const page = await visits.open('/destinations/801');
    await page.getByRole('navigation', { name: 'This destination' }).getByText('Delivery').click();
    const table = page.getByRole('table', { name: 'Dead letters' });
    await table.getByText('entered Jazz fan, left Rock fan').first().waitFor();
    expect(await table.getByText('the partner answered 500').count()).toBe(4);
    expect(await figure(page, 'Given up').textContent()).toContain('4');
    expect(await flaws(page, `delivery`)).toEqual([]);

    await table.locator('button').first().click();
    const panel = page.getByRole('dialog', { name: 'Dead letter' });
    // The newest first.
    await panel.getByText('given-up-4').waitFor();
    await panel.getByText(visitor(4)).waitFor();
    await panel.getByText('+ entered Jazz fan').waitFor();
    await panel.getByText('− left Rock fan').waitFor();
    expect(await flaws(page, `dead letter`)).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('a viewer sees all of it, and can order nothing', async () => {
    const page = await visits.open('/destinations/801/delivery', { as: 'viewer' });
    await page.getByRole('table', { name: 'Dead letters' }).waitFor();
    expect(await page.getByRole('checkbox').count()).toBe(0);
    expect(await page.getByRole('button', { name: /again|Drop/ }).count()).toBe(0);
  });

  test('some are sent again, some dropped, by keyboard alone', async () => {
    const page = await visits.open('/destinations/801/delivery');
    const letters = page.getByRole('checkbox', { name: /^Select the message/ });
    await letters.last().focus();
    await page.keyboard.press('Space');
    await page.getByText('1 selected').waitFor();
    await page.getByRole('button', { name: 'Send selected again' }).focus();
    await page.keyboard.press('Enter');
    await page.getByText('1 message is sent again').waitFor();
    await expect.poll(() => letters.count()).toBe(3);

    await letters.first().focus();
    await page.keyboard.press('Space');
    const drop = page.getByRole('button', { name: 'Drop selected…' });
    await drop.focus();
    await page.keyboard.press('Enter');
    const question = page.getByRole('dialog', { name: 'Drop the 1 selected message?' });
    await question.waitFor();
    expect(await flaws(page, 'drop question')).toEqual([]);

    await page.keyboard.press('Escape');
    await question.waitFor({ state: 'hidden' });
    expect(await letters.count()).toBe(3);
    await drop.click();
    await question.getByRole('button', { name: 'Drop', exact: true }).click();
    await page.getByText('1 message is dropped').waitFor();
    await expect.poll(() => letters.count()).toBe(2);
    const list = await visits.call<{ message: string }[]>('GET', '/deliveries/801/dead-letters');
    expect(list.map(({ message }) => message)).toEqual(['given-up-3', 'given-up-2']);

    await page.getByRole('button', { name: 'Drop all…' }).click();
    await page
      .getByRole('dialog', { name: 'Drop all 2 messages?' })
      .getByRole('button', { name: 'Drop', exact: true })
      .click();
    await page.getByText('No dead letters', { exact: true }).first().waitFor();
    expect(visits.problems).toEqual([]);
  });

  test('a partner that is away is said, and that it is back, on the page that is open', async () => {
    const page = await visits.open('/destinations/801/delivery');
    const who = ++lastAway;
    partner.status = 503;
    await come(who);
    const alert = page
      .getByRole('alert')
      .filter({ hasText: 'The partner does not take what is sent' });
    await alert.waitFor();
    await alert.getByText(/answered 503/).waitFor();
    await expect.poll(() => figure(page, 'Waiting').textContent()).toMatch(/1visitor, the first/);
    expect(await flaws(page, 'partner away')).toEqual([]);

    const list = await visits.open('/destinations?kind=server');
    await list.getByRole('link', { name: '⚠ Partner away' }).waitFor();
    expect(await flaws(list, 'partner away list')).toEqual([]);

    partner.status = 200;
    // It may have failed so often by now that it would be a minute until the next try.
    await alert.getByRole('button', { name: 'Try now' }).click();
    await alert.waitFor({ state: 'detached' });
    await expect.poll(() => partner.heard).toContain(visitor(who));
    await expect.poll(() => figure(page, 'Waiting').textContent()).toContain('Nothing waits');
    await expect.poll(() => figure(page, 'Delivered last').textContent()).toContain('now');
    expect(visits.problems).toEqual([]);
  });

  test('that no process delivers is said, with why, and that one does again', async () => {
    const page = await visits.open('/destinations/801/delivery');
    await page.getByText('Delivered last').waitFor();
    const alert = page.getByRole('alert').filter({ hasText: 'Nothing is delivered now' });
    await expect
      .poll(() => {
        // Each time, it is away for longer: sooner or later somebody looks meanwhile.
        for (const child of childrenOf(visits.server)) process.kill(child, 'SIGKILL');
        return alert.count();
      }, patience)
      .toBe(1);
    await alert.getByText(/ended \(SIGKILL\); it is started again after \d+ s/).waitFor();
    expect(await flaws(page, 'nobody delivers')).toEqual([]);
    await alert.waitFor({ state: 'detached' });
    expect(visits.problems).toEqual([]);
  });

  test('previous visitors are looked at after a mapping was published', async () => {
    await come(21, 'c_t=2');
    const mapping = { sid: 52, traitAlias: 'rock' };
    await visits.call('POST', '/destinations/802/mappings', mapping);
    const { revision } = await visits.call<{ revision: number }>('GET', '/nodes');
    for (const at of ['/destinations/802/delivery', '/activity/nodes']) {
      const page = await visits.open(at);
      const part = page.getByRole('region', { name: 'Previous visitors' });
      await part.getByText(`All stored visitors were looked at for revision ${revision}`).waitFor();
      expect(await flaws(page, `previous visitors${at.replaceAll('/', ' ')}`)).toEqual([]);
    }
  });

  test('files: when they are due, and now', async () => {
    const page = await visits.open('/destinations/804/delivery');
    await page.getByText('every day at 02:00 UTC').waitFor();
    await page.getByRole('button', { name: 'Run now' }).click();
    await page.getByText('The files are being written').waitFor();
    expect(await flaws(page, `files`)).toEqual([]);
    expect(visits.problems).toEqual([]);
  });

  test('whose blocked calls go where is set, and said on both sides', async () => {
    const page = await visits.open('/destinations/803?step=configuration');
    await page.getByText('Where its call is blocked, Bidder instead is told instead.').waitFor();
    const choice = page.getByRole('combobox', { name: /^If the call is blocked/ });
    expect(await choice.inputValue()).toBe('Bidder instead');
    await choice.click();
    // Files are no answer to a call that was blocked.
    await expect
      .poll(() => page.getByRole('option').allTextContents())
      .toEqual(['Nobody', 'Bidder', 'Bidder instead']);
    await page.getByRole('option', { name: 'Bidder', exact: true }).click();
    expect(await flaws(page, 'fallback')).toEqual([]);

    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText('“Pixel of the bidder” is published').waitFor();
    const other = await visits.open('/destinations/801');
    await other
      .getByText('It hears only of visitors for whom the call of Pixel of the bidder was blocked.')
      .waitFor();
    await page.goto(`${visits.server.origin}/builder/destinations/803?step=configuration`);
    await choice.click();
    await page.getByRole('option', { name: 'Nobody' }).click();
    await page.getByRole('button', { name: 'Publish' }).click();
    await expect
      .poll(() => visits.call<object>('GET', '/destinations/803'))
      .not.toHaveProperty('fallbackDestinationId');
    await visits.call('PUT', '/destinations/803', {
      ...(await visits.call<object>('GET', '/destinations/803')),
      fallbackDestinationId: 802,
    });
  });

  const stored = async (id: number) => {
    const { destinations } = await visits.call<{ destinations: Record<string, unknown>[] }>(
      'GET',
      '/export',
    );
    return destinations.find(({ destinationId }) => destinationId === id) ?? {};
  };
  const publish = async (page: Page) => {
    await page.getByRole('button', { name: 'Publish' }).click();
    // As it is in force now, without the draft.
    await page.getByRole('button', { name: 'Discard changes' }).waitFor({ state: 'detached' });
    const steps = page.getByRole('navigation', { name: 'Steps' });
    await steps.getByRole('button', { name: 'Configuration' }).click();
  };

  test('files go to SFTP or S3, and what opened the one is forgotten with it', async () => {
    const page = await visits.open('/destinations/804?step=configuration');
    await page.getByText('That is every day at 02:00 UTC.').waitFor();
    await page.getByText('SFTP', { exact: true }).click();
    await page.getByLabel('Address').fill('sftp://us@sftp.partner.example/in');
    await page.getByLabel('Key of the server').fill('anything');
    await page.getByText('No key of a host').first().waitFor();
    expect(await flaws(page, 'sftp')).toEqual([]);
    const hostKey = `SHA256:${'a'.repeat(43)}`;
    await page.getByLabel('Key of the server').fill(hostKey);
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill('hush');
    await publish(page);
    await expect
      .poll(() => stored(804))
      .toMatchObject({ credentials: { hostKey, password: 'hush' } });
    const password = page.getByRole('textbox', { name: 'Password', exact: true });
    expect(await password.getAttribute('placeholder')).toBe('Kept, not shown');

    await page.getByText('S3', { exact: true }).click();
    await page.getByLabel('Bucket and folder').fill('s3://audience/in');
    await page.getByLabel('Address of the storage').fill('https://storage.example');
    await page.getByLabel('Access key id').fill('us');
    await page.getByLabel('Secret access key').fill('hush, too');
    await page.getByLabel('Lines of a file').fill('1000');
    await page.getByLabel('Compress with gzip').check();
    expect(await flaws(page, 's3')).toEqual([]);
    await publish(page);
    await expect
      .poll(() => stored(804))
      .toMatchObject({
        target: 's3://audience/in',
        endpoint: 'https://storage.example',
        splitLines: 1_000,
        compress: true,
        credentials: {
          ...{ hostKey: null, password: null },
          ...{ accessKeyId: 'us', secretAccessKey: 'hush, too' },
        },
      });
    expect(visits.problems).toEqual([]);
  });

  test('keys are changed one after the other, without seeing them', async () => {
    const page = await visits.open('/destinations/801?step=configuration');
    const key = page.getByLabel('Key', { exact: true });
    const second = page.getByLabel('Second key (optional)');
    await page.getByText('Signature', { exact: true }).click();
    await key.fill('the old key');
    await publish(page);
    await expect.poll(async () => (await stored(801)).signatureKeys).toEqual(['the old key']);
    expect(await key.getAttribute('placeholder')).toBe('Kept, not shown');
    await second.fill('the new key');
    await publish(page);
    await expect
      .poll(async () => (await stored(801)).signatureKeys)
      .toEqual(['the old key', 'the new key']);
    expect(await second.getAttribute('placeholder')).toBe('Kept, not shown');
    expect(await page.content()).not.toContain('the new key');
    expect(await flaws(page, 'keys')).toEqual([]);

    await page.getByRole('button', { name: 'Keep only the second' }).click();
    await publish(page);
    await expect.poll(async () => (await stored(801)).signatureKeys).toEqual(['the new key']);

    await page.getByText('OAuth 2.0', { exact: true }).click();
    await page.getByLabel('Token address').fill(`${partner.url}/token`);
    await page.getByLabel('Client id for the token').fill('us');
    await page.getByLabel('Client secret').fill('hush');
    await publish(page);
    await expect
      .poll(() => stored(801))
      .toMatchObject({
        oauth: { tokenUrl: `${partner.url}/token`, clientId: 'us', clientSecret: 'hush' },
      });
    expect(await stored(801)).not.toHaveProperty('signatureHeader');
    expect((await stored(801)).signatureKeys).toBeNull();
    expect(await flaws(page, 'oauth')).toEqual([]);
    await page.getByLabel('Client id for the token').fill('them');
    await publish(page);
    await expect
      .poll(() => stored(801))
      .toMatchObject({
        oauth: { tokenUrl: `${partner.url}/token`, clientId: 'them', clientSecret: 'hush' },
      });
    await page.getByText('No proof', { exact: true }).click();
    await publish(page);
    await expect.poll(async () => (await stored(801)).oauth).toBeNull();
    expect(visits.problems).toEqual([]);
  });

  test('why: what goes later, and what only where a call is blocked', async () => {
    await come(31);
    const page = await visits.open('/why');
    await page
      .getByRole('button', { name: /^unknown page/ })
      .first()
      .click();
    const found = page.getByRole('button').filter({ hasText: 'Show the path' });
    await found.filter({ hasText: 'Bidder instead' }).getByText('↷ if blocked').waitFor();
    expect(await flaws(page, 'why')).toEqual([]);

    await found.filter({ hasText: 'Bidder instead' }).click();
    await page.getByText('It stands in for calls of the page that are blocked').waitFor();
    await page.getByRole('link', { name: 'See whose calls it stands in for' }).first().waitFor();
    expect(await flaws(page, 'why fallback')).toEqual([]);
    await found.filter({ hasText: /^Bidder… later/ }).click();
    await page.getByText('Nothing leaves with this page').waitFor();
    expect(await flaws(page, 'why later')).toEqual([]);

    await page.getByRole('link', { name: 'See its delivery' }).first().click();
    await page.getByRole('heading', { level: 1, name: 'Bidder', exact: true }).waitFor();
    await page.getByText('Delivered last').waitFor();
    expect(visits.problems).toEqual([]);
  });
});

describe.skipIf(!executable)('where nobody delivers', { timeout: PATIENCE_MS }, () => {
  let visits: Visits;
  beforeAll(async () => {
    const folder = temporaryFolder();
    const registry = new RegistryFile(folder);
    // What another process has left, a part of it at work.
    const common = { digest: 'd', revision: 7, startedAt: Date.now() - 60_000 };
    await keepPass(registry, {
      ...{ ...common, shard: 'a', progress: 0.5, examined: 5_000, moved: 40, perSecond: 123.4 },
    });
    await keepPass(registry, {
      ...{ ...common, shard: 'b', progress: 1, examined: 10_000, moved: 2, perSecond: 900 },
      finishedAt: Date.now(),
    });
    await registry.close();
    await bury(folder, 801, [letter(1)]);
    visits = await startVisits({
      folder,
      account: account({ ...names, segments, destinations: [realtime(801, [51])] }),
      environment: { ROLE: 'collect', OUTBOUND_ALLOW_PRIVATE: '1' },
    });
  }, PATIENCE_MS);
  afterEach(() => visits.leave());
  afterAll(() => visits?.stop());

  test('how far a pass is, of all parts together', async () => {
    for (const at of ['/destinations/801', '/destinations/801/delivery', '/activity/nodes']) {
      const page = await visits.open(at);
      const part = page.getByRole('region', { name: 'Previous visitors' });
      await part.getByText('75%').waitFor();
      await part
        .getByText(/Since revision 7, .* 15,000 so far, 124 a second\. Partners are told of 42/)
        .waitFor();
      expect(await part.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('75');
      expect(await flaws(page, `pass${at.replaceAll('/', ' ')}`)).toEqual([]);
    }
    expect(visits.problems).toEqual([]);
  });

  test('an order says so, and nothing is lost', async () => {
    const page = await visits.open('/destinations/801/delivery');
    await page.getByRole('button', { name: 'Send all again' }).click();
    await page.getByText(/No process delivers now: start a server with ROLE=deliver/).waitFor();
    expect(await page.getByRole('checkbox', { name: /^Select/ }).count()).toBe(1);
  });
});
