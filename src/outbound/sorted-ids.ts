/**
 * Visitors' ids in order, each once, however many there are: sorted by parts that fit into memory, and
 * merged from the disk.
 */
import fs from 'node:fs/promises';

const READ_BYTES = 65_536;
/** Ids that are handed out together. */
const BATCH = 1_000;

/** @param ids at least one */
export async function writeIds(file: string, ids: Iterable<string>): Promise<void> {
  await fs.writeFile(file, `${[...ids].sort().join('\n')}\n`, { flush: true, mode: 0o600 });
}

/** Merges files into one. */
export async function mergeInto(file: string, files: readonly string[]): Promise<void> {
  const lines = async function* () {
    for await (const ids of mergedIds(files)) yield `${ids.join('\n')}\n`;
  };
  await fs.writeFile(file, lines(), { flush: true, mode: 0o600 });
}

/** @param after only ids that come after this one */
export async function* mergedIds(
  files: readonly string[],
  after = '',
): AsyncGenerator<string[], void> {
  const readers = files.map((file) => new Reader(file));
  try {
    /** Those that have an id left, the one with the first id last. */
    const waiting: Reader[] = [];
    const enter = (reader: Reader) => {
      let [low, high] = [0, waiting.length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (waiting[middle].first > reader.first) low = middle + 1;
        else high = middle;
      }
      waiting.splice(low, 0, reader);
    };
    for (const reader of readers) {
      if (await reader.fill()) enter(reader);
    }
    let last = after;
    let batch: string[] = [];
    for (let reader = waiting.pop(); reader; reader = waiting.pop()) {
      if (reader.first > last) {
        last = reader.first;
        batch.push(last);
        if (batch.length === BATCH) {
          yield batch;
          batch = [];
        }
      }
      if (reader.next() || (await reader.fill())) enter(reader);
    }
    if (batch.length > 0) yield batch;
  } finally {
    for (const reader of readers) await reader.close();
  }
}

class Reader {
  readonly #file: string;
  #handle: fs.FileHandle | undefined;
  #ids: string[] = [];
  #at = 0;
  /** The beginning of an id whose end has not been read. */
  #rest = '';

  constructor(file: string) {
    this.#file = file;
  }

  get first(): string {
    return this.#ids[this.#at];
  }

  /** @returns false where more has to be read first */
  next(): boolean {
    this.#at++;
    return this.#at < this.#ids.length;
  }

  /** @returns false at the end */
  async fill(): Promise<boolean> {
    this.#handle ??= await fs.open(this.#file);
    const { bytesRead, buffer } = await this.#handle.read(Buffer.alloc(READ_BYTES));
    if (bytesRead === 0) return false;
    const ids = (this.#rest + buffer.toString('latin1', 0, bytesRead)).split('\n');
    this.#rest = ids.pop() ?? '';
    this.#ids = ids;
    this.#at = 0;
    return true;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}
