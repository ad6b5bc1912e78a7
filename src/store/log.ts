/**
 * An append-only log that several processes of one machine share: the order of everything.
 *
 * Each process appends frames with `O_APPEND`, which the kernel serialises, and reads back what
 * stands before them: so all processes see the same frames in the same order, without a lock that a
 * stopped process could hold. A frame that was written survives the death of the process (it is in
 * the operating system's hands); `fsync` decides what survives the death of the machine.
 *
 * The log is cut into segments. A full segment ends with a seal: frames behind it are void, and
 * their writer appends them again to the next segment.
 *
 * Frame: magic (4 bytes), length of the payload u32, CRC-32 of all that follows, writer u32, number
 * u32, payload. An empty payload is a seal. A frame that was cut off by a crash or a full disk fails
 * its check and is passed over.
 */
import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { readU32, type Writer } from './record.ts';

/** Bytes that no UTF-8 text contains, so that no visitor's id can look like a frame. */
const MAGIC = Uint8Array.of(0xff, 0x53, 0x57, 0xfe);
const HEADER = 20;

/** When what is appended is flushed to the disk; the words of Redis for the same choice. */
export type Fsync = 'always' | 'everysec' | 'no';

export interface LogReader {
  /** Another process's frame, in its place in the order. The bytes are valid during the call. */
  frame(payload: Uint8Array): void;
  /** The log goes on in another segment. */
  segment(segment: number): void;
  /** The last segment that is no longer needed. */
  folded(): number;
}

interface Append {
  readonly bytes: Uint8Array;
  readonly number: number;
  readonly reached: () => void;
}

export class Log {
  /** The segment that is appended to now. */
  segment = 0;
  readonly #folder: string;
  readonly #reader: LogReader;
  readonly #segmentSize: number;
  readonly #fsync: Fsync;
  readonly #writer = crypto.getRandomValues(new Uint32Array(1))[0];
  #number = 0;
  #file = -1;
  #offset = 0;
  #awaited: Append | undefined;
  #dirty = false;
  #flusher: NodeJS.Timeout | undefined;

  constructor(
    folder: string,
    reader: LogReader,
    { segmentSize, fsync }: { segmentSize: number; fsync: Fsync },
  ) {
    this.#folder = folder;
    this.#reader = reader;
    this.#segmentSize = segmentSize;
    this.#fsync = fsync;
    fs.mkdirSync(folder, { recursive: true });
    this.#open(segmentsIn(folder).find((segment) => segment > reader.folded()) ?? 1);
    this.catchUp();
    if (fsync === 'everysec') {
      this.#flusher = setInterval(() => {
        if (this.#dirty) this.#flush(() => {});
      }, 1000).unref();
    }
  }

  /**
   * Appends a frame; one at a time.
   *
   * @param frame bytes whose first `Log.header` are left free for the log
   * @param done called with an error if the frame is not in the log, without one when it is, all
   *   frames before it have been read and `reached` was called in its place
   */
  append(frame: Writer, reached: () => void, done: (error?: Error) => void): void {
    const bytes = frame.written();
    const number = this.#number++;
    writeHeader(bytes, this.#writer, number);
    this.#awaited = { bytes, number, reached };
    this.#write(bytes, done);
  }

  static readonly header = HEADER;

  /** Reads what other processes have appended. */
  catchUp(): void {
    while (this.#read(fs.fstatSync(this.#file).size));
  }

  async close(): Promise<void> {
    clearInterval(this.#flusher);
    await new Promise<void>((resolve) => this.#flush(() => resolve()));
    fs.closeSync(this.#file);
  }

  #write(bytes: Uint8Array, done: (error?: Error) => void): void {
    const file = this.#file;
    fs.write(file, bytes, 0, bytes.length, null, (error, written) => {
      if (error) return done(error);
      // What stands there now fails its check; the frame is appended again.
      if (written < bytes.length) return done(new Error('the disk took only a part of a write'));
      this.#dirty = true;
      const finish = (error?: Error | null) => {
        if (error) return done(error);
        try {
          this.#afterWrite(bytes, done);
        } catch (error) {
          done(error as Error);
        }
      };
      if (this.#fsync === 'always') this.#flush(finish);
      else finish();
    });
  }

  #afterWrite(bytes: Uint8Array, done: (error?: Error) => void): void {
    const { size } = fs.fstatSync(this.#file);
    const awaited = this.#awaited;
    if (awaited && size === this.#offset + bytes.length) {
      // Nobody else wrote meanwhile: no need to read our own bytes.
      this.#offset = size;
      this.#awaited = undefined;
      awaited.reached();
    } else {
      while (this.#read(fs.fstatSync(this.#file).size));
    }
    if (this.#awaited) {
      // Another process sealed the segment first.
      this.#write(this.#awaited.bytes, done);
    } else if (this.#offset > this.#segmentSize) this.#seal(done);
    else done();
  }

  #seal(done: (error?: Error) => void): void {
    const seal = new Uint8Array(HEADER);
    writeHeader(seal, this.#writer, this.#number++);
    fs.write(this.#file, seal, 0, HEADER, null, () => {
      // A seal that could not be written is tried again after the next frame.
      try {
        this.catchUp();
        done();
      } catch (error) {
        done(error as Error);
      }
    });
  }

  /** @returns whether the log went on in another segment, where there may be more to read */
  #read(size: number): boolean {
    if (size <= this.#offset) return false;
    const bytes = new Uint8Array(size - this.#offset);
    let got = 0;
    while (got < bytes.length) {
      const n = fs.readSync(this.#file, bytes, got, bytes.length - got, this.#offset + got);
      if (n === 0) break;
      got += n;
    }
    let at = 0;
    while (at < got) {
      const length = frameAt(bytes, at, got);
      if (length === undefined) {
        // Cut off, if something whole follows; else perhaps only not finished yet.
        const next = nextFrame(bytes, at + 1, got);
        if (next === undefined) break;
        at = next;
        continue;
      }
      if (length === 0) {
        this.#open(this.segment + 1);
        return true;
      }
      const awaited = this.#awaited;
      if (
        awaited &&
        readU32(bytes, at + 12) === this.#writer &&
        readU32(bytes, at + 16) === awaited.number
      ) {
        this.#awaited = undefined;
        awaited.reached();
      } else {
        this.#reader.frame(bytes.subarray(at + HEADER, at + HEADER + length));
      }
      at += HEADER + length;
    }
    this.#offset += at;
    return false;
  }

  #open(segment: number): void {
    if (this.#file !== -1) this.#leave(this.#file);
    // A process that slept may come to a segment that was folded and removed meanwhile.
    for (let next = segment; ; ) {
      next = Math.max(next, this.#reader.folded() + 1);
      const name = fileOf(this.#folder, next);
      const { O_APPEND, O_CREAT, O_RDWR } = fs.constants;
      this.#file = fs.openSync(name, O_APPEND | O_CREAT | O_RDWR, 0o600);
      this.segment = next;
      if (this.#reader.folded() < next) break;
      fs.closeSync(this.#file);
      fs.rmSync(name, { force: true });
    }
    this.#offset = 0;
    this.#reader.segment(this.segment);
  }

  #leave(file: number): void {
    if (this.#fsync === 'no') fs.closeSync(file);
    else fs.fdatasync(file, () => fs.close(file));
  }

  #flush(done: (error?: Error | null) => void): void {
    this.#dirty = false;
    fs.fdatasync(this.#file, (error) => done(error));
  }
}

/** Numbers of the segments in a folder, ascending. */
export function segmentsIn(folder: string): number[] {
  return fs
    .readdirSync(folder)
    .flatMap((name) => /^(\d{10})\.log$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

export const fileOf = (folder: string, segment: number) =>
  path.join(folder, `${String(segment).padStart(10, '0')}.log`);

/** The payloads of a sealed segment, in order. */
export function* framesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const length = frameAt(bytes, at, bytes.length);
    if (length === undefined) {
      const next = nextFrame(bytes, at + 1, bytes.length);
      if (next === undefined) return;
      at = next;
    } else if (length === 0) return;
    else {
      yield bytes.subarray(at + HEADER, at + HEADER + length);
      at += HEADER + length;
    }
  }
}

function writeHeader(frame: Uint8Array, writer: number, number: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset);
  frame.set(MAGIC);
  view.setUint32(4, frame.length - HEADER, true);
  view.setUint32(12, writer, true);
  view.setUint32(16, number, true);
  view.setUint32(8, crc32(frame.subarray(12)), true);
}

/** The payload's length of the frame that starts there; undefined if none does, or not wholly. */
function frameAt(bytes: Uint8Array, at: number, end: number): number | undefined {
  if (at + HEADER > end) return undefined;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[at + i] !== MAGIC[i]) return undefined;
  const length = readU32(bytes, at + 4);
  if (at + HEADER + length > end) return undefined;
  const crc = crc32(bytes.subarray(at + 12, at + HEADER + length));
  return crc === readU32(bytes, at + 8) ? length : undefined;
}

function nextFrame(bytes: Uint8Array, from: number, end: number): number | undefined {
  for (let at = bytes.indexOf(MAGIC[0], from); at !== -1; at = bytes.indexOf(MAGIC[0], at + 1)) {
    if (frameAt(bytes, at, end) !== undefined) return at;
  }
  return undefined;
}
