/** Writes one file of a run, line by line, in fixed memory. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { SyncFile } from './sync-file.ts';

/** Characters that are written together. */
const TOGETHER = 65_536;

export class SyncWriter {
  #lines = 0;
  #size = 0;
  readonly #md5 = createHash('md5');
  #waiting = '';
  readonly #head: Transform;
  readonly #written: Promise<void>;

  /** @param file its path; what is there is replaced */
  constructor(file: string, compress: boolean) {
    this.#head = compress ? createGzip() : new PassThrough();
    this.#written = pipeline(
      this.#head,
      (content) => this.#measured(content),
      createWriteStream(file, { flush: true, mode: 0o600 }),
    );
    // Whoever writes or ends hears of it.
    this.#written.catch(() => {});
  }

  get lines(): number {
    return this.#lines;
  }

  /** @returns what to wait for before the next line, if anything */
  write(line: string): Promise<void> | undefined {
    this.#lines++;
    this.#waiting += `${line}\n`;
    return this.#waiting.length < TOGETHER ? undefined : this.#flush();
  }

  /** Ends the file; it is on the disk then. */
  async end(): Promise<Omit<SyncFile, 'name'>> {
    await this.#flush();
    this.#head.end();
    await this.#written;
    return { size: this.#size, lines: this.#lines, md5: this.#md5.digest('hex') };
  }

  /** Gives the file up. */
  async abandon(): Promise<void> {
    this.#head.destroy();
    await this.#written.catch(() => {});
  }

  async #flush(): Promise<void> {
    const text = this.#waiting;
    this.#waiting = '';
    if (this.#head.write(text)) return;
    await Promise.race([once(this.#head, 'drain'), this.#written]);
  }

  async *#measured(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const bytes of content) {
      this.#size += bytes.length;
      this.#md5.update(bytes);
      yield bytes;
    }
  }
}
