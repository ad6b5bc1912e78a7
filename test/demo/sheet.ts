import fs from 'node:fs';
import { launch } from './browser.ts';
const [dir, ...sheets] = process.argv.slice(2);
const browser = await launch();
for (const sheet of sheets) {
  const [out, w, ...names] = sheet.split(',');
  const page = await browser.newPage({ viewport: { width: names.length * (Number(w) + 10) + 10, height: 600 } });
  await page.setContent(`<body style="margin:0;background:#888;display:flex;gap:10px;align-items:start;padding:0 10px">${names.map(n => `<img width=${w} src="data:image/png;base64,${fs.readFileSync(`${dir}/${n}.png`).toString('base64')}">`).join('')}`);
  await page.screenshot({ path: `/tmp/${out}.png`, fullPage: true });
  await page.close();
}
await browser.close();
