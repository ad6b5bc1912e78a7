/** A folder of this machine as a target. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { reasonOf } from '../reason.ts';
import { synced } from '../work-folder.ts';
import { isPartOf, partName, type Reach, type Target, TargetError } from './target.ts';

/**
 * Makes the folder where it is missing.
 *
 * @param reach below its folder everything is allowed, and nothing beside it, whatever links there are
 * @param below a path with / between its parts
 * @throws TargetError
 */
export async function openFolder(reach: Reach, below: string): Promise<Target> {
  try {
    await fs.mkdir(reach.folder, { recursive: true, mode: 0o700 });
    const root = await fs.realpath(reach.folder);
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
    return new Folder(folder, reach.signal);
  } catch (error) {
    throw new TargetError(`the folder ${below} cannot be used: ${reasonOf(error)}`);
  }
}

class Folder implements Target {
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;

  constructor(folder: string, signal: AbortSignal | undefined) {
    this.#folder = folder;
    this.#signal = signal;
  }

  async put(file: string, name: string): Promise<void> {
    const part = path.join(this.#folder, partName(name));
    try {
      for (const other of await fs.readdir(this.#folder)) {
        if (isPartOf(name, other)) await fs.rm(path.join(this.#folder, other), { force: true });
      }
      await fs.copyFile(file, part, fs.constants.COPYFILE_EXCL);
      await synced(part, 'r+');
      // Nothing breaks off a copy.
      this.#signal?.throwIfAborted();
      await fs.rename(part, path.join(this.#folder, name));
      await synced(this.#folder, 'r');
    } catch (error) {
      await fs.rm(part, { force: true }).catch(() => {});
      throw new TargetError(`${name} cannot be written: ${reasonOf(error)}`);
    }
  }

  async close(): Promise<void> {}
}
