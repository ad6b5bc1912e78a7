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
import { readU32, type Writer } from '../record.ts';

/** Bytes that no UTF-8 text contains, so that no visitor's id can look like a frame. */
const MAGIC = Uint8Array.of(0xff, 0x53, 0x57, 0xfe);
const HEADER = 20;
const RETRY_MS = 100;

/** When what is appended is flushed to the disk; the words of Redis for the same choice. */
export type Fsync = 'always' | 'everysec' | 'no';

export interface LogReader {
  /** Another process's frame, in its place in the order. The bytes are valid during the call. */
  frame(payload: Uint8Array): void;
  /** The log goes on in another segment. */
  segment(segment: number): void;
  /** The last segment that is no longer needed, as of now. */
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
  #inFlight = false;
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
    // A power cut can lose a seal and keep the segment after it.
    while (this.segment < (segmentsIn(folder).at(-1) ?? 0)) {
      fs.writeSync(this.#file, this.#sealFrame());
      this.catchUp();
    }
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
    const number = this.#nextNumber();
    writeHeader(bytes, this.#writer, number);
    this.#awaited = { bytes, number, reached };
    this.#inFlight = true;
    this.#write(bytes, (error) => {
      this.#inFlight = false;
      // What has been reached is in the log, whatever went wrong since: it must not be appended again.
      const isIn = this.#awaited === undefined;
      this.#awaited = undefined;
      done(isIn ? undefined : error);
    });
  }

  static readonly header = HEADER;

  /** Reads what other processes have appended. While a frame is being written, that does it. */
  catchUp(): void {
    if (!this.#inFlight) this.#readAll();
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
        if (error) {
          // The frame is in the log: only the flush is tried again.
          setTimeout(() => this.#flush(finish), RETRY_MS).unref();
          return;
        }
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
    } else this.#readAll();
    if (this.#awaited) {
      // Another process sealed the segment first.
      this.#write(this.#awaited.bytes, done);
    } else if (this.#offset > this.#segmentSize) this.#seal(done);
    else done();
  }

  #seal(done: (error?: Error) => void): void {
    fs.write(this.#file, this.#sealFrame(), 0, HEADER, null, () => {
      // A seal that could not be written is tried again after the next frame.
      try {
        this.#readAll();
        done();
      } catch (error) {
        done(error as Error);
      }
    });
  }

  #sealFrame(): Uint8Array {
    const seal = new Uint8Array(HEADER);
    writeHeader(seal, this.#writer, this.#nextNumber());
    return seal;
  }

  #nextNumber(): number {
    this.#number = (this.#number + 1) >>> 0;
    return this.#number;
  }

  #readAll(): void {
    while (this.#read(fs.fstatSync(this.#file).size));
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
        // If the next segment cannot be opened now, the seal is read again.
        this.#offset += at;
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
    const { O_APPEND, O_CREAT, O_RDWR } = fs.constants;
    // A process that slept may come to a segment that was folded and removed meanwhile.
    for (let next = segment; ; ) {
      next = Math.max(next, this.#reader.folded() + 1);
      const name = fileOf(this.#folder, next);
      const file = fs.openSync(name, O_APPEND | O_CREAT | O_RDWR, 0o600);
      if (this.#reader.folded() < next) {
        if (this.#file !== -1) this.#leave(this.#file);
        this.#file = file;
        this.segment = next;
        break;
      }
      fs.closeSync(file);
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

/** The payloads of a segment, in order, and whether nothing can be added any more. */
export function readSegment(bytes: Uint8Array): { frames: Uint8Array[]; sealed: boolean } {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = frameAt(bytes, at, bytes.length);
    if (length === 0) return { frames, sealed: true };
    if (length !== undefined) {
      frames.push(bytes.subarray(at + HEADER, at + HEADER + length));
      at += HEADER + length;
      continue;
    }
    const next = nextFrame(bytes, at + 1, bytes.length);
    if (next === undefined) break;
    at = next;
  }
  return { frames, sealed: false };
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
