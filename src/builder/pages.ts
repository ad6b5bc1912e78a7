/** Serves the web application as it was built: `/builder` and everything below it. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type Context, Hono } from 'hono';
import type { Behind } from './caller.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
};

/** Compressed forms that lie beside a file, the smallest first. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

interface Built {
  /** The page, around the places where the nonce stands. */
  readonly page: readonly string[];
  /** Names of the files in `assets`: nothing else is ever read. */
  readonly assets: ReadonlySet<string>;
}

/**
 * @param folder of a build. As long as it does not exist, a page says so.
 */
export function pages(folder: string): Hono<Behind> {
  const app = new Hono<Behind>();
  let reading: Promise<Built> | undefined;
  const built = () => {
    reading ??= read(folder).catch((error) => {
      reading = undefined;
      throw error;
    });
    return reading;
  };

  app.get('/assets/:name{.*}', async (c) => {
    const name = c.req.param('name');
    const { assets } = await built().catch(() => NOTHING);
    if (!assets.has(name)) return c.text('There is no such file.\n', 404, SAFE);
    const accepted = accepts(c);
    const [encoding, ending] =
      ENCODINGS.find(([one, end]) => accepted(one) && assets.has(`${name}${end}`)) ?? [];
    const bytes = await fs.readFile(path.join(folder, 'assets', `${name}${ending ?? ''}`));
    return c.body(bytes, 200, {
      ...SAFE,
      'Content-Type': TYPES[path.extname(name)] ?? 'application/octet-stream',
      // The name has a hash of the content.
      'Cache-Control': 'public, max-age=31536000, immutable',
      Vary: 'Accept-Encoding',
      ...(encoding ? { 'Content-Encoding': encoding } : {}),
    });
  });

  app.get('*', async (c) => {
    const nonce = randomBytes(16).toString('base64');
    const headers = { ...SAFE, ...policy(nonce), 'Cache-Control': 'no-store' };
    try {
      const { page } = await built();
      return c.html(page.join(nonce), 200, headers);
    } catch {
      return c.html(MISSING, 503, headers);
    }
  });

  return app;
}

const NOTHING: Built = { page: [], assets: new Set() };

const MISSING = `<!doctype html>
<html lang="en"><title>Destination Builder</title>
<h1>The Destination Builder is not built</h1>
<p>The server's console says why. Run <code>npm run build</code>, and load this page again.</p>
</html>
`;

async function read(folder: string): Promise<Built> {
  const [page, assets] = await Promise.all([
    fs.readFile(path.join(folder, 'index.html'), 'utf8'),
    fs.readdir(path.join(folder, 'assets')),
  ]);
  return { page: page.split('{{nonce}}'), assets: new Set(assets) };
}

/** Whether the browser takes an encoding: named, and not refused by `q=0`. */
function accepts(c: Context): (encoding: string) => boolean {
  const named = (c.req.header('Accept-Encoding') ?? '').toLowerCase().split(',');
  const taken = new Set(
    named.flatMap((one) => {
      const [name, weight] = one.trim().split(/\s*;\s*/);
      return /^q=0(\.0*)?$/.test(weight ?? '') ? [] : [name];
    }),
  );
  return (encoding) => taken.has(encoding);
}

/** Of every answer. */
const SAFE = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Of a page: only its own files run and are shown, and it stands in nobody else's frame. */
const policy = (nonce: string) => ({
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    // Style elements that libraries add while the page is used carry the nonce.
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types default',
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': [
    'accelerometer=()',
    'camera=()',
    'geolocation=()',
    'microphone=()',
    'payment=()',
    'usb=()',
    'clipboard-write=(self)',
  ].join(', '),
  'X-Frame-Options': 'DENY',
});
