/** Folders in which runs of files are worked on; what is written there survives whatever happens. */
import fs from 'node:fs/promises';
import path from 'node:path';

/** Of destinations, each has a folder of its own, which is named by its id. */
export const workFolderOf = (folder: string, destination: number): string =>
  path.join(folder, String(destination));

/** Destinations that have a folder there. */
export async function workedOn(folder: string): Promise<number[]> {
  const names = await fs.readdir(folder).catch((error) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

export class WorkFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes it, for nobody else to read. */
  async open(): Promise<void> {
    await fs.mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  file(name: string): string {
    return path.join(this.#folder, name);
  }

  async has(name: string): Promise<boolean> {
    return await fs.access(this.file(name)).then(
      () => true,
      () => false,
    );
  }

  /** What was written last; undefined where nothing was. */
  async read<Value>(name: string): Promise<Value | undefined> {
    try {
      return JSON.parse(await fs.readFile(this.file(name), 'utf8')) as Value;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** All of it, or nothing. */
  async write(name: string, value: unknown): Promise<void> {
    const file = this.file(name);
    await fs.writeFile(`${file}.new`, JSON.stringify(value), { flush: true });
    await fs.rename(`${file}.new`, file);
    await synced(this.#folder, 'r');
  }

  async remove(...names: string[]): Promise<void> {
    for (const name of names) await fs.rm(this.file(name), { force: true });
  }

  /** @param last goes last: while it is there, the others may be missing */
  async clear(last: string): Promise<void> {
    const names = await fs.readdir(this.#folder);
    await this.remove(...names.filter((name) => name !== last), last);
  }
}

/** Has a file, or what is in a folder, reach the disk. */
export async function synced(what: string, flags: 'r' | 'r+'): Promise<void> {
  const handle = await fs.open(what, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
