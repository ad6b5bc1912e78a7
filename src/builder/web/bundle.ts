/**
 * Makes the files of the web application, and the tag's: `node src/builder/web/bundle.ts FOLDER`. Nothing else loads
 * Vite.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import zlib from 'node:zlib';
import { build, minifySync } from 'vite';
import { buildTag } from '../../tag/script.ts';

const config = fileURLToPath(new URL('./vite.config.ts', import.meta.url));
const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);

async function bundle(folder: string): Promise<void> {
  await build({
    configFile: config,
    configLoader: 'native',
    logLevel: 'silent',
    build: { outDir: folder },
  });
  await compress(path.join(folder, 'assets'));
  await buildTag(folder, (code) => minifySync('tag.js', code).code);
}

/** Lays what can be compressed beside itself, so that no answer has to. */
async function compress(folder: string): Promise<void> {
  const names = await fs.readdir(folder);
  await Promise.all(
    names
      .filter((name) => /\.(js|css|svg)$/.test(name))
      .map(async (name) => {
        const file = path.join(folder, name);
        const bytes = await fs.readFile(file);
        const params = {
          [zlib.constants.BROTLI_PARAM_QUALITY]: 10,
          [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        };
        await fs.writeFile(`${file}.br`, await brotli(bytes, { params }));
        await fs.writeFile(`${file}.gz`, await gzip(bytes, { level: 9 }));
      }),
  );
}

try {
  await bundle(path.resolve(process.argv[2]));
} catch (error) {
  console.error(stripVTControlCharacters((error as Error).message));
  process.exit(1);
}
