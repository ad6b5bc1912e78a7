/** Builds the web application, where that has not been done for what it is made of now. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import zlib from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));
const web = 'src/builder/web';

/** What the application may be made of, besides its libraries: what is elsewhere would not be noticed. */
export const SOURCES = [web, 'src/account', 'src/audience', 'src/destinations'];
const LIBRARIES = 'package-lock.json';

/** Builds are folders of this one, named by what they are made of. */
const BUILDS = path.join(root, '.builder');

/** The folder of the build that belongs to the sources as they are now; it need not exist. */
export async function buildFolder(): Promise<string> {
  const names = await Promise.all(
    SOURCES.map(async (source) => {
      const entries = await fs.readdir(path.join(root, source), {
        recursive: true,
        withFileTypes: true,
      });
      return entries.filter((e) => e.isFile()).map((e) => path.join(e.parentPath, e.name));
    }),
  );
  const files = [...names.flat().sort(), path.join(root, LIBRARIES)];
  const contents = await Promise.all(files.map((file) => fs.readFile(file)));
  const hash = createHash('sha256');
  files.forEach((file, i) => {
    hash.update(`${path.relative(root, file)}\0${contents[i].length}\0`).update(contents[i]);
  });
  return path.join(BUILDS, hash.digest('hex').slice(0, 20));
}

export interface BuildOptions {
  /** Is told what goes on. */
  readonly say: (line: string) => void;
  /** Where the build goes; as a rule the folder of the sources as they are now. */
  readonly folder?: string;
}

/**
 * Builds the application unless that has been done; of several processes at once, one's build is
 * kept.
 *
 * @returns the folder of the build
 * @throws where it cannot be built
 */
export async function build({ say, folder }: BuildOptions): Promise<string> {
  const target = folder ?? (await buildFolder());
  if (await exists(target)) return target;
  say('Building the Destination Builder…');
  const began = performance.now();
  const temporary = `${target}.${process.pid}.new`;
  // Only a build needs Vite.
  const { build: bundle } = await import('vite');
  try {
    await bundle({
      configFile: path.join(root, web, 'vite.config.ts'),
      configLoader: 'native',
      logLevel: 'warn',
      build: { outDir: temporary },
    });
    await compress(temporary);
    await fs.rename(temporary, target).catch(async (error) => {
      if (!(await exists(target))) throw error;
    });
  } finally {
    await fs.rm(temporary, { recursive: true, force: true });
  }
  if (folder === undefined) await removeOlder(target);
  say(`Built in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  return target;
}

const exists = (file: string) =>
  fs.access(file).then(
    () => true,
    () => false,
  );

const KEPT_MS = 24 * 60 * 60 * 1_000;

/** Removes what was built before; what is from today may be served by a process of another version. */
async function removeOlder(target: string): Promise<void> {
  for (const name of await fs.readdir(BUILDS)) {
    const folder = path.join(BUILDS, name);
    if (folder === target) continue;
    const { mtimeMs } = await fs.stat(folder).catch(() => ({ mtimeMs: Date.now() }));
    if (mtimeMs < Date.now() - KEPT_MS) await fs.rm(folder, { recursive: true, force: true });
  }
}

const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);

/** Lays what can be compressed beside itself, so that no answer has to. */
async function compress(folder: string): Promise<void> {
  const names = await fs.readdir(path.join(folder, 'assets'));
  await Promise.all(
    names
      .filter((name) => /\.(js|css|svg)$/.test(name))
      .map(async (name) => {
        const file = path.join(folder, 'assets', name);
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

if (import.meta.main) {
  const folder = await build({ say: console.log });
  console.log(`The Destination Builder is in ${path.relative(process.cwd(), folder)}`);
}
