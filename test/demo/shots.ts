import { startServer } from '../server.ts';
import { launch } from './browser.ts';
const out = process.argv[2];
const server = await startServer();
const browser = await launch();
for (const scheme of ['light','dark'] as const) for (const width of [1440, 390]) {
  const context = await browser.newContext({ viewport: { width, height: width === 390 ? 844 : 900 }, colorScheme: scheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('console', m => { if (m.type() !== 'log') console.log(scheme, width, m.type(), m.text()); });
  page.on('pageerror', e => console.log('ERR', e));
  await fetch(`${server.inbox}/clear`, { method: 'POST' });
  const shot = async (name: string, full = true) => page.screenshot({ path: `${out}/${name}-${width}-${scheme}.png`, fullPage: full });
  await page.goto(`${server.inbox}/`); await page.locator('#state.live').waitFor(); await shot('inbox-empty');
  const go = async (path: string, name: string, panel = true) => {
    await page.goto(`${server.origin}/demo/${path}`);
    if (panel) await page.locator('.backstage.lit').waitFor();
    await page.waitForLoadState('networkidle').catch(() => {});
    await page.evaluate(() => Promise.all([...document.images].map((i) => { i.loading = 'eager'; return i.decode().catch(() => {}); })));
    await shot(name);
    if (width === 390 && panel) { await page.locator('#backstage-title').click(); await shot(name + '-open', false); await page.locator('#backstage-title').click(); }
  };
  await go('', 'home');
  await go('concerts', 'concerts');
  await go('concerts/blue-hour-quartet', 'concert');
  await go('concerts/orsolya-feher', 'concert2');
  await shot('concert2-fold', false);
  await go('no-script/nachtstrom', 'noscript', false);
  await go('checkout?concert=orsolya-feher', 'checkout');
  await page.locator('#pay').click(); await page.locator('#backstage-tally', { hasText: 'Answer 2' }).waitFor(); await shot('paid');
  await go('checkout', 'checkout-empty');
  await go('', 'home-regular');
  await go('nowhere', 'missing');
  await page.goto(`${server.inbox}/`); await page.locator('#state.live').waitFor(); await shot('inbox-full', false);
  await context.close();
}
await browser.close();
await server.stop();
