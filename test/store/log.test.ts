import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  fileOf,
  Log,
  type LogReader,
  readSegment,
  segmentsIn,
} from '../../src/store/embedded/log.ts';
import { Writer } from '../../src/store/record.ts';
import { temporaryFolder } from '../server.ts';

const text = new TextDecoder();
const HEADER = Log.header;
const MEGABYTE = 1024 * 1024;

/** One process's view of a log: every frame as a text, its own and those of others, in order. */
class Reader implements LogReader {
  readonly seen: string[] = [];
  readonly segments: number[] = [];
  lastFolded = 0;
  frame(payload: Uint8Array): void {
    this.seen.push(text.decode(payload));
  }
  segment(segment: number): void {
    this.segments.push(segment);
  }
  folded(): number {
    return this.lastFolded;
  }
}

const open: Log[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const log of open.splice(0)) await log.close();
});

function openLog(folder: string, { segmentSize = MEGABYTE, reader = new Reader() } = {}) {
  const log = new Log(folder, reader, { segmentSize, fsync: 'no' });
  open.push(log);
  return { log, reader, append: (payload: string) => append(log, reader, payload) };
}

function frameOf(payload: string | Uint8Array): Writer {
  const frame = new Writer(64);
  frame.length = HEADER;
  const bytes = Buffer.from(payload);
  frame.reserve(bytes.length);
  frame.bytes.set(bytes, HEADER);
  frame.length += bytes.length;
  return frame;
}

const append = (log: Log, reader: Reader, payload: string) =>
  new Promise<void>((resolve, reject) => {
    log.append(
      frameOf(payload),
      () => reader.seen.push(payload),
      (error) => (error ? reject(error) : resolve()),
    );
  });

/** The bytes of a segment with these frames, and where each frame starts. */
async function segmentOf(...payloads: string[]): Promise<{ bytes: Buffer; starts: number[] }> {
  const folder = temporaryFolder();
  const { append } = openLog(folder);
  const starts: number[] = [];
  for (const payload of payloads) {
    starts.push(fs.statSync(fileOf(folder, 1)).size);
    await append(payload);
  }
  return { bytes: fs.readFileSync(fileOf(folder, 1)), starts };
}

async function seal(): Promise<Buffer> {
  const folder = temporaryFolder();
  const { append } = openLog(folder, { segmentSize: 1 });
  await append('x');
  return fs.readFileSync(fileOf(folder, 1)).subarray(HEADER + 1);
}

const wordsOf = (bytes: Uint8Array) => readSegment(bytes).frames.map((frame) => text.decode(frame));

/** What a process sees that opens a log with these bytes. */
function reread(bytes: Uint8Array): string[] {
  const folder = temporaryFolder();
  fs.writeFileSync(fileOf(folder, 1), bytes);
  return openLog(folder).reader.seen;
}

/** Everything that stands in a folder, for whoever opens it now. */
const wholeLog = (folder: string) =>
  segmentsIn(folder).flatMap((s) => wordsOf(fs.readFileSync(fileOf(folder, s))));

describe('a frame that was cut off is passed over', () => {
  it('at every byte, by whoever reads on and by the fold', async () => {
    const { bytes, starts } = await segmentOf('first', 'the torn one', 'last');
    const [, torn, last] = starts;
    for (let cut = torn; cut < last; cut++) {
      const damaged = Buffer.concat([bytes.subarray(0, cut), bytes.subarray(last)]);
      expect(wordsOf(damaged), `cut at ${cut}`).toEqual(['first', 'last']);
      expect(reread(damaged), `cut at ${cut}`).toEqual(['first', 'last']);
    }
  });

  it('where it is the end, and what is appended behind it is read', async () => {
    const { bytes, starts } = await segmentOf('first', 'the torn one');
    for (let cut = starts[1]; cut < bytes.length; cut++) {
      const folder = temporaryFolder();
      fs.writeFileSync(fileOf(folder, 1), bytes.subarray(0, cut));
      const one = openLog(folder);
      const other = openLog(folder);
      expect(one.reader.seen).toEqual(['first']);
      await one.append('next');
      await other.append('after next');
      one.log.catchUp();
      expect(one.reader.seen).toEqual(['first', 'next', 'after next']);
      expect(other.reader.seen).toEqual(['first', 'next', 'after next']);
    }
  });

  it('with any byte of it changed', async () => {
    const { bytes, starts } = await segmentOf('first', 'the torn one', 'last');
    for (let at = starts[1]; at < starts[2]; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 0x55;
      expect(wordsOf(damaged), `byte ${at}`).toEqual(['first', 'last']);
      expect(reread(damaged), `byte ${at}`).toEqual(['first', 'last']);
    }
  });

  it('so is any garbage between frames', async () => {
    const { bytes, starts } = await segmentOf('first', 'second', 'third');
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      // The beginnings of frames: magic bytes with any length.
      fc
        .array(fc.uint8Array({ maxLength: 9 }).map((b) => [0xff, 0x53, 0x57, 0xfe, ...b]))
        .map((parts) => Uint8Array.from(parts.flat())),
    );
    fc.assert(
      fc.property(garbage, fc.constantFrom(...starts, bytes.length), (rubbish, at) => {
        const damaged = Buffer.concat([bytes.subarray(0, at), rubbish, bytes.subarray(at)]);
        expect(wordsOf(damaged)).toEqual(['first', 'second', 'third']);
      }),
    );
  });

  it('before a seal: the seal still counts', async () => {
    const { bytes, starts } = await segmentOf('first', 'torn', 'void');
    const damaged = Buffer.concat([
      bytes.subarray(0, starts[2] - 2),
      await seal(),
      bytes.subarray(starts[2]),
    ]);
    expect(wordsOf(damaged)).toEqual(['first']);
    const folder = temporaryFolder();
    fs.writeFileSync(fileOf(folder, 1), damaged);
    const { log, reader } = openLog(folder);
    expect(reader.seen).toEqual(['first']);
    expect(log.segment).toBe(2);
  });

  it('while it is still being written, it is waited for', async () => {
    const { bytes, starts } = await segmentOf('first', 'slow');
    const folder = temporaryFolder();
    fs.writeFileSync(fileOf(folder, 1), '');
    const { log, reader } = openLog(folder);
    for (const [at, byte] of bytes.entries()) {
      fs.appendFileSync(fileOf(folder, 1), Uint8Array.of(byte));
      log.catchUp();
      expect(reader.seen).toEqual(
        at + 1 === bytes.length ? ['first', 'slow'] : at + 1 >= starts[1] ? ['first'] : [],
      );
    }
  });
});

it('a payload that contains the bytes of frames and seals is one frame', async () => {
  const { bytes: inner } = await segmentOf('inner', 'more');
  const folder = temporaryFolder();
  const { log } = openLog(folder);
  const reader = new Reader();
  const other = openLog(folder, { reader });
  const payload = Buffer.concat([inner, await seal(), inner]);
  await new Promise<void>((resolve, reject) => {
    log.append(
      frameOf(payload),
      () => {},
      (error) => (error ? reject(error) : resolve()),
    );
  });
  other.log.catchUp();
  expect(reader.seen).toEqual([text.decode(payload)]);
  expect(readSegment(fs.readFileSync(fileOf(folder, 1))).frames.map((f) => Buffer.from(f))).toEqual(
    [payload],
  );
});

describe('a full segment is sealed', () => {
  it('and the log goes on in the next', async () => {
    const folder = temporaryFolder();
    const { append, log, reader } = openLog(folder, { segmentSize: 100 });
    for (let i = 0; i < 20; i++) await append(`frame ${i} with some length`);
    expect(log.segment).toBeGreaterThan(5);
    expect(reader.segments).toEqual(segmentsIn(folder));
    expect(wholeLog(folder)).toEqual(reader.seen);
    expect(openLog(folder).reader.seen).toEqual(reader.seen);
  });

  it('and what another process appends behind the seal is appended again, once', async () => {
    const folder = temporaryFolder();
    const one = openLog(folder, { segmentSize: 1 });
    const other = openLog(folder, { segmentSize: MEGABYTE });
    await one.append('seals segment 1');
    await other.append('came late');
    one.log.catchUp();
    expect(other.reader.seen).toEqual(['seals segment 1', 'came late']);
    expect(one.reader.seen).toEqual(other.reader.seen);
    expect(wordsOf(fs.readFileSync(fileOf(folder, 1)))).toEqual(['seals segment 1']);
    expect(wordsOf(fs.readFileSync(fileOf(folder, 2)))).toEqual(['came late']);
  });

  it('also where two seal it', async () => {
    const folder = temporaryFolder();
    const { bytes } = await segmentOf('first');
    fs.writeFileSync(fileOf(folder, 1), Buffer.concat([bytes, await seal(), await seal()]));
    const { append, reader, log } = openLog(folder);
    await append('second');
    expect(reader.seen).toEqual(['first', 'second']);
    expect(log.segment).toBe(2);
  });
});

describe('several processes see the same frames in the same order', () => {
  it.each([1, 60, 500, MEGABYTE])('with segments of %d bytes', async (segmentSize) => {
    const folder = temporaryFolder();
    const processes = Array.from({ length: 4 }, () => openLog(folder, { segmentSize }));
    await Promise.all(
      processes.map(async ({ append }, p) => {
        for (let i = 0; i < 60; i++) await append(`${p}:${i}${'.'.repeat((i * 7) % 40)}`);
      }),
    );
    const [first] = processes;
    for (const { log, reader } of processes) {
      log.catchUp();
      expect(reader.seen).toHaveLength(240);
      expect(reader.seen).toEqual(first.reader.seen);
      expect(new Set(reader.seen).size).toBe(240);
    }
    expect(wholeLog(folder)).toEqual(first.reader.seen);
    for (const p of [0, 1, 2, 3]) {
      const own = first.reader.seen
        .filter((s) => s.startsWith(`${p}:`))
        .map((s) => Number.parseInt(s.slice(2), 10));
      expect(own).toEqual([...Array(60).keys()]);
    }
  });

  it('whatever is looked at meanwhile', async () => {
    const folder = temporaryFolder();
    const processes = Array.from({ length: 3 }, () => openLog(folder, { segmentSize: 200 }));
    let done = false;
    const looking = (async () => {
      while (!done) {
        for (const { log } of processes) log.catchUp();
        await new Promise(setImmediate);
      }
    })();
    await Promise.all(
      processes.map(async ({ append }, p) => {
        for (let i = 0; i < 100; i++) await append(`${p}:${String(i).padStart(3, '0')}`);
      }),
    );
    done = true;
    await looking;
    const [first] = processes;
    for (const { log, reader } of processes) {
      log.catchUp();
      expect(new Set(reader.seen).size).toBe(300);
      expect(reader.seen).toEqual(first.reader.seen);
    }
    expect(wholeLog(folder)).toEqual(first.reader.seen);
  });
});

/** Waits without letting anything else of this process run, as a process that is stopped. */
function blockUntil(condition: () => boolean): void {
  const end = Date.now() + 2_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('waited too long');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}
const sizeOf = (file: string) => fs.statSync(file).size;

describe('catching up while a frame is on its way', () => {
  it('does not take the frame of another process for its own', async () => {
    const folder = temporaryFolder();
    const sealing = openLog(folder, { segmentSize: 1 });
    const late = openLog(folder);
    await sealing.append('seals segment 1');
    // Behind the seal, so void; `late` does not know yet.
    const size = sizeOf(fileOf(folder, 1));
    const { bytes } = await segmentOf('yours');
    const appended = late.append('mine ');
    blockUntil(() => sizeOf(fileOf(folder, 1)) > size);
    late.log.catchUp();
    // A frame of the same length, of another process.
    fs.appendFileSync(fileOf(folder, 2), bytes);
    await appended;
    const expected = ['seals segment 1', 'yours', 'mine '];
    expect(wholeLog(folder)).toEqual(expected);
    expect(late.reader.seen).toEqual(expected);
  });

  it('does not say with FSYNC=always that a frame is safe before it is on the disk', async () => {
    const folder = temporaryFolder();
    const log = new Log(folder, new Reader(), { segmentSize: MEGABYTE, fsync: 'always' });
    open.push(log);
    let flushed = false;
    const flush = fs.fdatasync;
    vi.spyOn(fs, 'fdatasync').mockImplementation(((file: number, done: (e: null) => void) =>
      flush(file, () => {
        flushed = true;
        done(null);
      })) as unknown as typeof fs.fdatasync);
    let early = false;
    await new Promise<void>((resolve) => {
      log.append(
        frameOf('frame'),
        () => {
          early = !flushed;
        },
        () => resolve(),
      );
      blockUntil(() => sizeOf(fileOf(folder, 1)) > 0);
      log.catchUp();
    });
    expect(early).toBe(false);
  });

  it('does not close the file that is being written', async () => {
    const folder = temporaryFolder();
    const sealing = openLog(folder, { segmentSize: 1 });
    const late = openLog(folder);
    await sealing.append('seals segment 1');
    // The write is still in the queue of Node's threads when somebody looks.
    const write = fs.write;
    let target = -1;
    let start = () => {};
    vi.spyOn(fs, 'write').mockImplementationOnce(((...args: Parameters<typeof write>) => {
      target = args[0];
      start = () => (write as (...a: unknown[]) => void)(...args);
    }) as unknown as typeof fs.write);
    const appended = late.append('late');
    const inode = fs.fstatSync(target).ino;
    late.log.catchUp();
    const foreign = path.join(folder, 'a file of somebody else');
    const files = [1, 2, 3].map(() => fs.openSync(foreign, 'a'));
    try {
      expect(fs.fstatSync(target).ino).toBe(inode);
    } finally {
      start();
      await appended.catch(() => {});
      for (const file of files) fs.closeSync(file);
    }
    expect(sizeOf(foreign)).toBe(0);
  });
});

describe('when the next segment cannot be opened', () => {
  const refuse = (code: string) =>
    vi.spyOn(fs, 'openSync').mockImplementationOnce(() => {
      throw Object.assign(new Error(`${code}: refused`), { code });
    });

  it('the log goes on as soon as it can, and every frame is in it once', async () => {
    const folder = temporaryFolder();
    const one = openLog(folder, { segmentSize: 1 });
    refuse('EMFILE');
    // Whoever is told of an error appends again, as the store does.
    const again = async (payload: string) => {
      for (let i = 0; i < 3; i++) {
        try {
          return await one.append(payload);
        } catch {}
      }
      throw new Error(`${payload} could not be appended`);
    };
    await again('first');
    await again('second');
    expect(wholeLog(folder)).toEqual(['first', 'second']);
    expect(one.reader.seen).toEqual(['first', 'second']);
  });

  it('frames of other processes are heard once', async () => {
    const folder = temporaryFolder();
    const one = openLog(folder, { segmentSize: 1 });
    const other = openLog(folder);
    await one.append('first');
    refuse('EMFILE');
    expect(() => other.log.catchUp()).toThrow(/EMFILE/);
    other.log.catchUp();
    expect(other.reader.seen).toEqual(['first']);
  });
});

it('a flush that fails does not make a frame count twice', async () => {
  const folder = temporaryFolder();
  const reader = new Reader();
  const log = new Log(folder, reader, { segmentSize: MEGABYTE, fsync: 'always' });
  open.push(log);
  vi.spyOn(fs, 'fdatasync').mockImplementationOnce(((_: number, done: (e: Error) => void) =>
    setImmediate(done, new Error('EIO'))) as unknown as typeof fs.fdatasync);
  await append(log, reader, 'frame').catch(() => append(log, reader, 'frame'));
  expect(wholeLog(folder)).toEqual(['frame']);
});

describe('segments that are no longer needed', () => {
  it('are skipped by a process that slept while they were folded and removed', async () => {
    const folder = temporaryFolder();
    const sleeper = openLog(folder);
    const other = openLog(folder, { segmentSize: 1 });
    for (const payload of ['1', '2', '3']) await other.append(payload);
    for (const segment of [1, 2]) fs.rmSync(fileOf(folder, segment));
    sleeper.reader.lastFolded = 2;
    await sleeper.append('awake');
    expect(sleeper.reader.seen).toEqual(['1', '3', 'awake']);
    expect(segmentsIn(folder)).toEqual([3, 4]);
  });

  it('do not come to life again where they were folded while being opened', async () => {
    const folder = temporaryFolder();
    const sleeper = openLog(folder);
    const other = openLog(folder, { segmentSize: 1 });
    for (const payload of ['1', '2', '3']) await other.append(payload);
    let asked = 0;
    vi.spyOn(sleeper.reader, 'folded').mockImplementation(() => {
      // Between the question and the opening, the fold is done with the segment.
      if (asked++ === 0) {
        for (const segment of [1, 2, 3]) fs.rmSync(fileOf(folder, segment));
        return 1;
      }
      return 3;
    });
    await sleeper.append('awake');
    expect(segmentsIn(folder)).toEqual([4]);
    expect(wholeLog(folder)).toEqual(['awake']);
  });
});
