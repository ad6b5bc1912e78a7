/** Has the web application and the tag built, where that has not been done for what it is made of now. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const web = 'src/builder/web';

/** What the application may be made of, besides its libraries: what is elsewhere would not be noticed. */
export const SOURCES = [web, 'src/account', 'src/audience', 'src/destinations', 'src/tag'];
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
 * @throws where it cannot be built, with what the builder says
 */
export async function build({ say, folder }: BuildOptions): Promise<string> {
  const target = folder ?? (await buildFolder());
  if (await exists(target)) return target;
  say('Building the Destination Builder…');
  const began = performance.now();
  const temporary = `${target}.${process.pid}.new`;
  try {
    await bundle(temporary);
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

/** In a process of its own: a server should not keep in memory what it needed once. */
async function bundle(folder: string): Promise<void> {
  const script = fileURLToPath(new URL('./web/bundle.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder], {
    // What is built must not depend on what the server runs in.
    env: { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(said.trim() || `the builder ended with ${code}`);
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

if (import.meta.main) {
  const folder = await build({ say: console.log });
  console.log(`The Destination Builder is in ${path.relative(process.cwd(), folder)}`);
}
