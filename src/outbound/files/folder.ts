/** A folder of this machine as a target. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { reasonOf } from '../reason.ts';
import { synced } from '../work-folder.ts';
import { partName, type Target, TargetError } from './target.ts';

/**
 * Makes the folder where it is missing.
 *
 * @param base below it everything is allowed, and nothing beside it, whatever links there are
 * @param below a path with / between its parts
 * @throws TargetError
 */
export async function openFolder(base: string, below: string): Promise<Target> {
  try {
    await fs.mkdir(base, { recursive: true, mode: 0o700 });
    const root = await fs.realpath(base);
    let folder = root;
    for (const part of below.split('/').filter((name) => name !== '' && name !== '.')) {
      const inner = path.join(folder, part);
      await fs.mkdir(inner).catch((error) => {
        if (error.code !== 'EEXIST') throw error;
      });
      folder = await fs.realpath(inner);
      // Part by part, so that nothing is made on the other side of a link.
      if (!folder.startsWith(root + path.sep)) {
        throw new Error(`${below} leads out of the folder that the operator allows`);
      }
    }
    return new Folder(folder);
  } catch (error) {
    throw new TargetError(`the folder ${below} cannot be used: ${reasonOf(error)}`);
  }
}

class Folder implements Target {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async put(file: string, name: string): Promise<void> {
    const part = path.join(this.#folder, partName(name));
    try {
      // What stands there may be a link.
      await fs.rm(part, { force: true });
      await fs.copyFile(file, part, fs.constants.COPYFILE_EXCL);
      await synced(part, 'r+');
      await fs.rename(part, path.join(this.#folder, name));
      await synced(this.#folder, 'r');
    } catch (error) {
      await fs.rm(part, { force: true }).catch(() => {});
      throw new TargetError(`${name} cannot be written: ${reasonOf(error)}`);
    }
  }

  async close(): Promise<void> {}
}
