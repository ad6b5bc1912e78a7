/** The account in a file of the data folder, for the processes of one machine. */
import fs from 'node:fs';
import path from 'node:path';
import type { AccountStore, SavedAccount } from './store.ts';

const POLL_MS = 200;

export class AccountFile implements AccountStore {
  readonly #file: string;
  /** What was loaded before anybody watched. */
  #loaded: number | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#file = path.join(folder, 'account.json');
  }

  async load(): Promise<SavedAccount | undefined> {
    let file: fs.promises.FileHandle;
    try {
      file = await fs.promises.open(this.#file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#loaded = undefined;
      return undefined;
    }
    try {
      // Both of one file, whatever is renamed meanwhile.
      const { mtimeMs } = await file.stat();
      this.#loaded = revisionOf(mtimeMs);
      return { revision: this.#loaded, document: JSON.parse(await file.readFile('utf8')) };
    } finally {
      await file.close();
    }
  }

  async save(document: unknown): Promise<number> {
    const before = this.#revision();
    // Renaming is atomic: a reader, or a restart, finds the old one or the new one.
    const temporary = `${this.#file}.${crypto.randomUUID()}`;
    const file = await fs.promises.open(temporary, 'w', 0o600);
    await file.writeFile(JSON.stringify(document));
    // Two that are saved at the same instant, or by a clock that went back, differ all the same.
    const revision = Math.max(revisionOf(Date.now()), (before ?? 0) + 1);
    await file.utimes(revision / 1_000, revision / 1_000);
    await file.sync();
    await file.close();
    await fs.promises.rename(temporary, this.#file);
    return revision;
  }

  watch(changed: (account: SavedAccount) => Promise<void>): void {
    let known = this.#loaded;
    const look = async () => {
      const revision = this.#revision();
      if (revision !== undefined && revision !== known) {
        const saved = await this.load();
        if (saved) await changed(saved);
        known = saved?.revision;
      }
    };
    // A folder's own events get lost on some file systems; asking is cheap and always right.
    const poll = () => {
      this.#watch = setTimeout(
        () =>
          look()
            .catch(() => undefined)
            .then(poll),
        POLL_MS,
      ).unref();
    };
    poll();
  }

  async close(): Promise<void> {
    clearTimeout(this.#watch);
  }

  #revision(): number | undefined {
    const stat = fs.statSync(this.#file, { throwIfNoEntry: false });
    return stat && revisionOf(stat.mtimeMs);
  }
}

/** Files have no counter: their time, in milliseconds, takes its place. */
const revisionOf = (mtimeMs: number) => Math.round(mtimeMs);
