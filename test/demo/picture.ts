/**
 * Takes the picture of the README: the shop with its panel beside the partner's inbox, from a real
 * visit. `node test/demo/picture.ts` writes `src/demo/assets/demo.png`.
 */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { startServer } from '../server.ts';
import { launch } from './browser.ts';

const FILE = fileURLToPath(new URL('../../src/demo/assets/demo.png', import.meta.url));
const SCALE = 0.85;
const HEIGHT = 990;
// Below 1200 the panel is no longer beside the page.
const SHOP = 1_216;
const INBOX = 600;

const server = await startServer();
const browser = await launch();
try {
  const context = await browser.newContext({ deviceScaleFactor: SCALE, reducedMotion: 'reduce' });
  const [shop, inbox] = [await context.newPage(), await context.newPage()];
  await shop.setViewportSize({ width: SHOP, height: HEIGHT });
  await inbox.setViewportSize({ width: INBOX, height: HEIGHT });
  await inbox.goto(server.inbox);
  await inbox.getByText('Live', { exact: true }).waitFor();
  for (const path of ['', 'concerts/blue-hour-quartet', 'concerts/orsolya-feher']) {
    await shop.goto(`${server.origin}/demo/${path}`);
    await shop.locator('#backstage.lit').waitFor();
    await shop.waitForLoadState('networkidle');
  }
  // The first visit's three calls, the second's four, and the ids of three pages.
  await inbox.getByText('10 recorded').waitFor();

  // Fewer shades make a smaller file; nobody sees the difference.
  const shades = Array.from({ length: 64 }, (_, i) => i / 63).join(' ');
  const channels = ['R', 'G', 'B'].map(
    (c) => `<feFunc${c} type="discrete" tableValues="${shades}"/>`,
  );
  const frame = async (page: Page, width: number) => {
    const png = (await page.screenshot()).toString('base64');
    const url = page.url().replace('http://', '');
    return `<figure style="width:${width * SCALE}px"><figcaption>${url}</figcaption><img src="data:image/png;base64,${png}"></figure>`;
  };
  const picture = await browser.newPage({ viewport: { width: 1_600, height: 100 } });
  await picture.setContent(`<!doctype html><style>
    body { display: flex; justify-content: space-between; margin: 0; padding: 18px; background: #d8cfc4 }
    figure { margin: 0; border-radius: 10px; overflow: hidden; box-shadow: 0 0 0 1px #0003 }
    figcaption { padding: 7px 14px; background: #f4f0ea; color: #4a4038; font: 14px/1.4 "Liberation Sans", sans-serif }
    img { display: block; width: 100%; filter: url(#few) }
    svg { position: absolute }
  </style><svg width="0" height="0"><filter id="few" color-interpolation-filters="sRGB"><feComponentTransfer>${channels.join('')}</feComponentTransfer></filter></svg>${await frame(shop, SHOP)}${await frame(inbox, INBOX)}`);
  await picture.screenshot({ path: FILE, fullPage: true });
  console.log(`src/demo/assets/demo.png: ${Math.round(fs.statSync(FILE).size / 1_000)} kB`);
} finally {
  await browser.close();
  await server.stop();
}
