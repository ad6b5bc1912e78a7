/** The account in files of the data folder, one for each revision, for the processes of one machine. */
import fs from 'node:fs';
import path from 'node:path';
import { AccountConflict, type AccountStore, type Origin, type SavedAccount } from '../store.ts';

const POLL_MS = 200;
/** So many revisions are kept. */
const KEPT = 50;

export class AccountFile implements AccountStore {
  readonly #folder: string;
  /** Where the account was kept before it had revisions. */
  readonly #single: string;
  /** What was loaded before anybody watched. */
  #loaded = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#folder = path.join(folder, 'account');
    this.#single = path.join(folder, 'account.json');
  }

  async revision(): Promise<number> {
    return (await this.#revisions()).at(-1) ?? 0;
  }

  async load(revision?: number): Promise<SavedAccount | undefined> {
    for (;;) {
      const wanted = revision ?? (await this.revision());
      if (revision === undefined) this.#loaded = wanted;
      if (wanted === 0) return this.#loadSingle();
      try {
        const text = await fs.promises.readFile(this.#fileOf(wanted), 'utf8');
        return { revision: wanted, ...JSON.parse(text) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        // So many have been saved meanwhile that it is gone.
        if (revision !== undefined) return undefined;
      }
    }
  }

  async save(document: unknown, origin: Origin, after?: number): Promise<number> {
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = path.join(this.#folder, `${crypto.randomUUID()}.new`);
    const file = await fs.promises.open(temporary, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify({ origin, document }));
      await file.sync();
      await file.close();
      for (;;) {
        const last = await this.revision();
        if (after !== undefined && after !== last) throw new AccountConflict(last);
        try {
          // The name is taken by one only, and by all of it: a reader finds the whole file or none.
          await fs.promises.link(temporary, this.#fileOf(last + 1));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          continue;
        }
        await this.#forget(last + 1 - KEPT);
        return last + 1;
      }
    } finally {
      fs.rmSync(temporary, { force: true });
    }
  }

  watch(changed: (account: SavedAccount) => Promise<void>): void {
    let known = this.#loaded;
    const look = async () => {
      if ((await this.revision()) === known) return;
      const saved = await this.load();
      if (saved) await changed(saved);
      known = saved?.revision ?? 0;
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

  #loadSingle(): SavedAccount | undefined {
    if (!fs.existsSync(this.#single)) return undefined;
    const { mtimeMs: at } = fs.statSync(this.#single);
    const document = JSON.parse(fs.readFileSync(this.#single, 'utf8'));
    return { revision: 0, document, origin: { at, by: 'ACCOUNT_FILE' } };
  }

  #fileOf(revision: number): string {
    return path.join(this.#folder, `${revision}.json`);
  }

  async #revisions(): Promise<number[]> {
    let names: string[];
    try {
      names = await fs.promises.readdir(this.#folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    return names
      .filter((name) => /^\d+\.json$/.test(name))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
  }

  async #forget(upTo: number): Promise<void> {
    for (const revision of await this.#revisions()) {
      if (revision <= upTo) await fs.promises.rm(this.#fileOf(revision), { force: true });
    }
  }
}
