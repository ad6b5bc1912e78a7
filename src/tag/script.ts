/** The tag's script as it is served. */
import fs from 'node:fs/promises';
import path from 'node:path';

const SOURCE = new URL('./tag.js', import.meta.url);
const TAG_FILE = 'tag.js';

/**
 * As the build made it; where it is not built, as it is written.
 *
 * @param build the folder of a build
 */
export async function tagScript(build: string | undefined): Promise<string> {
  const source = () => fs.readFile(SOURCE, 'utf8');
  return build === undefined
    ? source()
    : fs.readFile(path.join(build, TAG_FILE), 'utf8').catch(source);
}

/** @param minify from the text of a script to a shorter one that does the same */
export async function buildTag(folder: string, minify: (code: string) => string): Promise<void> {
  await fs.writeFile(path.join(folder, TAG_FILE), minify(await fs.readFile(SOURCE, 'utf8')));
}
