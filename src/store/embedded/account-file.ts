/**
 * The account in files of the data folder, one for each revision, for the processes of one machine.
 * The first line of a file says who saved it, the second is the document. When a document is too old to
 * be kept, its first line moves to the folder `past`.
 */
import fs from 'node:fs';
import path from 'node:path';
import { originIn, savedIn, savedParts } from '../saved.ts';
import {
  AccountConflict,
  type AccountStore,
  type Origin,
  type Past,
  REMEMBERED,
  type SavedAccount,
} from '../store.ts';

const POLL_MS = 200;
/** So many documents are kept. */
const KEPT = 50;
/** Files that are read at the same time. */
const PARALLEL = 16;
/** More than a first line usually is. */
const HEAD = 8 * 1024;

export class AccountFile implements AccountStore {
  readonly #folder: string;
  readonly #past: string;
  /** Where the account was kept before it had revisions. */
  readonly #single: string;
  /** What was loaded before anybody watched. */
  #loaded = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#folder = path.join(folder, 'account');
    this.#past = path.join(this.#folder, 'past');
    this.#single = path.join(folder, 'account.json');
  }

  async revision(): Promise<number> {
    return (await revisionsIn(this.#folder)).at(-1) ?? 0;
  }

  async load(revision?: number): Promise<SavedAccount | undefined> {
    for (;;) {
      const wanted = revision ?? (await this.revision());
      if (revision === undefined) this.#loaded = wanted;
      if (wanted === 0) return this.#loadSingle();
      try {
        const text = await fs.promises.readFile(this.#fileOf(wanted), 'utf8');
        return { revision: wanted, ...savedIn(text) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        // So many have been saved meanwhile that it is gone.
        if (revision !== undefined) return undefined;
      }
    }
  }

  async save(document: unknown, origin: Origin, after?: number): Promise<number> {
    fs.mkdirSync(this.#past, { recursive: true, mode: 0o700 });
    const temporary = await this.#write(savedParts({ origin, document }));
    try {
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
        // It is saved; what is too old can go another time.
        await this.#forget(last + 1).catch(() => undefined);
        return last + 1;
      }
    } finally {
      fs.rmSync(temporary, { force: true });
    }
  }

  async history(): Promise<Past[]> {
    const all = [...(await revisionsIn(this.#past)), ...(await revisionsIn(this.#folder))];
    const revisions = [...new Set(all)].sort((a, b) => b - a).slice(0, REMEMBERED);
    const history: Past[] = [];
    for (let i = 0; i < revisions.length; i += PARALLEL) {
      const some = revisions.slice(i, i + PARALLEL).map((revision) => this.#pastOf(revision));
      for (const past of await Promise.all(some)) if (past) history.push(past);
    }
    return history;
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

  #pastFileOf(revision: number): string {
    return path.join(this.#past, `${revision}.json`);
  }

  async #pastOf(revision: number): Promise<Past | undefined> {
    const origin = await originOf(this.#fileOf(revision));
    if (origin) return { revision, origin, canRestore: true };
    const past = await originOf(this.#pastFileOf(revision));
    return past && { revision, origin: past, canRestore: false };
  }

  /** Returns a file that nobody else knows. */
  async #write(text: Iterable<string>): Promise<string> {
    const temporary = path.join(this.#folder, `${crypto.randomUUID()}.new`);
    const file = await fs.promises.open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return temporary;
  }

  async #forget(last: number): Promise<void> {
    for (const revision of await revisionsIn(this.#folder)) {
      if (revision > last - KEPT) break;
      const origin = await originOf(this.#fileOf(revision));
      if (origin) {
        const temporary = await this.#write([`${JSON.stringify(origin)}\n`]);
        await fs.promises.rename(temporary, this.#pastFileOf(revision));
      }
      await fs.promises.rm(this.#fileOf(revision), { force: true });
    }
    for (const revision of await revisionsIn(this.#past)) {
      if (revision > last - REMEMBERED) break;
      await fs.promises.rm(this.#pastFileOf(revision), { force: true });
    }
  }
}

/** In ascending order. */
async function revisionsIn(folder: string): Promise<number[]> {
  let names: string[];
  try {
    names = await fs.promises.readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => /^\d+\.json$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}

/** Undefined where there is no such file (any more). */
async function originOf(file: string): Promise<Origin | undefined> {
  let text = '';
  try {
    for await (const part of fs.createReadStream(file, { encoding: 'utf8', highWaterMark: HEAD })) {
      text += part;
      const origin = originIn(text);
      if (origin) return origin;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return savedIn(text).origin;
}
