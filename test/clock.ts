/**
 * A clock that tests put forward, for servers that are started with it and the processes that these start,
 * all at the same instant. Timers, and the processes' own clocks, go on as ever.
 *
 * Loaded into such a process (`--import`), this is what replaces its `Date`.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Seconds ahead, i32, little-endian. */
const BYTES = 4;

export class Clock {
  readonly #file: string;
  #ahead = 0;

  /** @param folder for what it needs */
  constructor(folder: string) {
    this.#file = path.join(folder, 'clock');
    this.advance(0);
  }

  /** @param seconds a whole number */
  advance(seconds: number): void {
    this.#ahead += seconds;
    const bytes = Buffer.alloc(BYTES);
    bytes.writeInt32LE(this.#ahead);
    // Never shorter, whoever reads it now.
    const file = fs.openSync(this.#file, fs.constants.O_CREAT | fs.constants.O_WRONLY);
    fs.writeSync(file, bytes, 0, BYTES, 0);
    fs.closeSync(file);
  }

  /** The environment of a Node that has it. */
  get ofNode(): Record<string, string> {
    return { CLOCK_FILE: this.#file, NODE_OPTIONS: `--import=${import.meta.url}` };
  }

  /**
   * The environment of another program that has it.
   *
   * @param compiler of C
   */
  ofProgram(compiler: string): Record<string, string> {
    const library = `${this.#file}.so`;
    const source = fileURLToPath(new URL('./clock.c', import.meta.url));
    execFileSync(compiler, ['-shared', '-fPIC', '-O2', '-o', library, source]);
    return { CLOCK_FILE: this.#file, LD_PRELOAD: library };
  }
}

function replaceDate(clock: string): void {
  const file = fs.openSync(clock, 'r');
  const bytes = Buffer.alloc(BYTES);
  const real = Date.now;
  const now = () => {
    fs.readSync(file, bytes, 0, BYTES, 0);
    return real() + bytes.readInt32LE() * 1_000;
  };
  globalThis.Date = new Proxy(Date, {
    construct: (target, given, as) => Reflect.construct(target, given.length ? given : [now()], as),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
}

if (process.env.CLOCK_FILE) replaceDate(process.env.CLOCK_FILE);
