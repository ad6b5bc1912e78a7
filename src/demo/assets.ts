/** The demo's style sheets, scripts and drawings: a few small files, read once. */
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Context } from 'hono';

const FOLDER = new URL('./assets/', import.meta.url);
const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};

const ASSETS = new Map(
  ['', 'posters/'].flatMap((folder) =>
    readdirSync(new URL(folder, FOLDER), { withFileTypes: true })
      .filter(({ name }) => extname(name) in TYPES)
      .map(({ name }) => {
        const body = readFileSync(new URL(folder + name, FOLDER), 'utf8');
        return [folder + name, { body, type: TYPES[extname(name)] }];
      }),
  ),
);

/**
 * Answers with the asset that the path parameter `asset` names.
 *
 * @example
 * app.get('/assets/:asset{.+}', serveAsset)
 */
export function serveAsset(c: Context): Response | Promise<Response> {
  const asset = ASSETS.get(c.req.param('asset') ?? '');
  if (asset === undefined) return c.notFound();
  return c.body(asset.body, 200, {
    'Content-Type': asset.type,
    'Cache-Control': 'public, max-age=60',
    'X-Content-Type-Options': 'nosniff',
  });
}
