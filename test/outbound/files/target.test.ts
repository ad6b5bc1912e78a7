/** Targets: a file is there under its name as a whole, or not at all. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileTarget, SftpTarget } from '../../../src/destinations/destination.ts';
import { openTarget } from '../../../src/outbound/files/open-target.ts';
import { S3Storage } from '../../../src/outbound/files/s3.ts';
import { TargetError } from '../../../src/outbound/files/target.ts';
import { freePort, temporaryFolder } from '../../server.ts';
import { type Line, startLine } from './line.ts';
import { type S3Server, startS3Server } from './s3-server.ts';
import { hasSftpServer, type SftpServer, startSftpServer } from './sftp-server.ts';

const NAME = 'ftp_1_iter_1486140843000.sync.gz';
const base = temporaryFolder();
const reach = { folder: base, allowPrivate: true };
/** So long that an upload can be broken in its middle. */
const LONG = 4_000_000;

function fileOf(bytes: number): { file: string; content: Buffer } {
  const file = path.join(temporaryFolder(), 'file');
  const content = randomBytes(bytes);
  fs.writeFileSync(file, content);
  return { file, content };
}

async function put(target: FileTarget, file: string, name = NAME, over = reach): Promise<void> {
  const opened = await openTarget(target, over);
  try {
    await opened.put(file, name);
  } finally {
    await opened.close();
  }
}

/** The message of the TargetError that it rejects with. */
async function refused(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(TargetError);
  return error.message;
}

/** What is true of every target. */
function behavesAsTarget(
  given: () => {
    target: FileTarget;
    names: () => string[];
    read: (name: string) => Buffer;
  },
) {
  it.each([0, 1, 40_000, LONG])('takes a file of %i bytes', async (bytes) => {
    const { target, read } = given();
    const { file, content } = fileOf(bytes);
    await put(target, file);
    expect(read(NAME).equals(content)).toBe(true);
  });

  it('replaces what is there under the name, and leaves nothing else', async () => {
    const { target, names, read } = given();
    await put(target, fileOf(1_000).file);
    const { file, content } = fileOf(500);
    await put(target, file);
    expect(read(NAME).equals(content)).toBe(true);
    expect(names()).toEqual([NAME]);
  });
}

const filesIn = (folder: string) => ({
  names: () => fs.readdirSync(folder),
  read: (name: string) => fs.readFileSync(path.join(folder, name)),
});

describe('a folder', () => {
  behavesAsTarget(() => ({
    target: { kind: 'folder', path: 'partner/in' },
    ...filesIn(path.join(base, 'partner/in')),
  }));

  it('may not be reached through a link that leads out, where nothing is made', async () => {
    const outside = temporaryFolder();
    fs.symlinkSync(outside, path.join(base, 'link'));
    const message = await refused(put({ kind: 'folder', path: 'link/new' }, fileOf(1).file));
    expect(message).toContain('leads out of the folder that the operator allows');
    expect(fs.readdirSync(outside)).toEqual([]);
  });

  it.each(['..', '../x', 'a/../../x'])('may not be %s', async (below) => {
    const message = await refused(put({ kind: 'folder', path: below }, fileOf(1).file));
    expect(message).toContain('leads out of the folder');
  });

  it('is not written through a link that stands where a part goes', async () => {
    const victim = path.join(temporaryFolder(), 'victim');
    fs.writeFileSync(victim, 'as it was');
    fs.mkdirSync(path.join(base, 'trap'));
    fs.symlinkSync(victim, path.join(base, 'trap', `.${NAME}.part`));
    await put({ kind: 'folder', path: 'trap' }, fileOf(10).file);
    expect(fs.readFileSync(victim, 'utf8')).toBe('as it was');
    expect(fs.readdirSync(path.join(base, 'trap'))).toEqual([NAME]);
  });

  it('has no file that was broken off while it was copied', async () => {
    const breakOff = new AbortController();
    const { signal } = breakOff;
    const put = (await openTarget({ kind: 'folder', path: 'off' }, { ...reach, signal })).put(
      fileOf(LONG).file,
      NAME,
    );
    breakOff.abort();
    expect(await refused(put)).toContain('aborted');
    expect(fs.readdirSync(path.join(base, 'off'))).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)('on a full disk has no half file', async () => {
    const disk = temporaryFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]);
    try {
      const message = await refused(
        put({ kind: 'folder', path: 'in' }, fileOf(100_000).file, NAME, { ...reach, folder: disk }),
      );
      expect(message).toContain('ENOSPC');
      expect(fs.readdirSync(path.join(disk, 'in'))).toEqual([]);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});

describe.skipIf(!hasSftpServer)('an SFTP server', () => {
  let server: SftpServer;
  let line: Line;
  beforeAll(async () => {
    server = await startSftpServer();
    line = await startLine(server.target.port);
  });
  afterAll(async () => {
    await line.stop();
    await server.stop();
  });

  behavesAsTarget(() => ({ target: server.target, ...filesIn(server.folder) }));

  it.each([
    ['ed25519', 'fingerprint'],
    ['ed25519', 'line'],
    ['ecdsa', 'fingerprint'],
    ['ecdsa', 'line'],
    ['rsa', 'fingerprint'],
    ['rsa', 'line'],
  ] as const)('is known by its %s key, given as %s', async (kind, form) => {
    const { line: text, fingerprint } = server.hostKeys[kind];
    const key = form === 'line' ? text.split(' ')[2] : fingerprint;
    await put({ ...server.target, hostKeys: [key] }, fileOf(10).file);
  });

  it('that has another key is told nothing, and its keys are shown', async () => {
    const message = await refused(
      put(
        { ...server.target, hostKeys: [`SHA256:${'a'.repeat(43)}`], user: 'nobody-there' },
        fileOf(1).file,
      ),
    );
    expect(message).toContain('is not the server that is expected');
    for (const { fingerprint } of Object.values(server.hostKeys)) {
      expect(message).toContain(fingerprint);
    }
  });

  it.each<[string, (target: SftpTarget) => SftpTarget, string]>([
    [
      'the user cannot prove to be one',
      (target) => ({ ...target, privateKey: undefined, password: 'wrong' }),
      `does not accept the user ${os.userInfo().username}`,
    ],
    ['the key is none', (target) => ({ ...target, privateKey: 'none' }), 'Cannot parse privateKey'],
    [
      'there is no such folder',
      (target) => ({ ...target, path: `${target.path}/none` }),
      'there is no such folder on the server',
    ],
  ])('says so where %s', async (_name, change, words) => {
    expect(await refused(put(change(server.target), fileOf(1).file))).toContain(words);
  });

  it('that does not listen is said to be so', async () => {
    const port = await freePort();
    const message = await refused(put({ ...server.target, port }, fileOf(1).file));
    expect(message).toContain('ECONNREFUSED');
  });

  it.each(['cut', 'silent'] as const)(
    'has no half file where the line is %s, and the whole one the next time',
    async (how) => {
      const { names, read } = filesIn(server.folder);
      const target = { ...server.target, port: line.port };
      const name = `${how}.sync`;
      const { file, content } = fileOf(LONG);
      line.breakAfter(LONG / 2, how);
      await refused(put(target, file, name, { ...reach, ...{ patience: 1_000 } }));
      expect(names()).not.toContain(name);
      line.heal();
      await put(target, file, name);
      expect(read(name).equals(content)).toBe(true);
      expect(names().filter((there) => there.startsWith(`.${name}`))).toEqual([]);
    },
  );

  it('that hangs in the middle of an upload, and answers by SSH, is given up', async () => {
    const { names, read } = filesIn(server.folder);
    const target = { ...server.target, port: line.port };
    const { file, content } = fileOf(LONG);
    const before = line.broken;
    line.breakAfter(LONG / 2, 'held');
    const failed = refused(put(target, file, 'hung', { ...reach, ...{ patience: 3_000 } }));
    await expect.poll(() => line.broken).toBe(before + 1);
    const goOn = server.hang();
    try {
      line.heal();
      expect(await failed).toContain('the server has not answered for 3 s');
      expect(names()).not.toContain('hung');
    } finally {
      goOn();
    }
    await put(target, file, 'hung');
    expect(read('hung').equals(content)).toBe(true);
    expect(names().filter((there) => there.startsWith('.hung'))).toEqual([]);
  });

  it('that has nothing to say of SFTP is given up', async () => {
    const dumb = await startSftpServer(temporaryFolder(), 'cat > /dev/null');
    try {
      const patient = { ...reach, ...{ patience: 3_000 } };
      const message = await refused(put(dumb.target, fileOf(1).file, NAME, patient));
      expect(message).toContain('cannot be used: the server has not answered for 3 s');
    } finally {
      await dumb.stop();
    }
  });

  it('on a slow line is waited for, though what is sent together takes longer than patience', async () => {
    const { read } = filesIn(server.folder);
    const { file, content } = fileOf(LONG);
    // Two megabytes are under way.
    line.slow(500_000);
    const target = { ...server.target, port: line.port };
    await put(target, file, 'slow', { ...reach, ...{ patience: 3_000 } });
    line.heal();
    expect(read('slow').equals(content)).toBe(true);
  });

  it.each([1, 3_000, LONG / 2])('is broken off when it is silent after %i bytes', async (bytes) => {
    const before = line.broken;
    line.breakAfter(bytes, 'silent');
    const breakOff = new AbortController();
    const { signal } = breakOff;
    const target = { ...server.target, port: line.port };
    const failed = refused(put(target, fileOf(LONG).file, 'off', { ...reach, ...{ signal } }));
    await expect.poll(() => line.broken, { timeout: 10_000 }).toBe(before + 1);
    breakOff.abort();
    expect(await failed).toContain('broken off');
    line.heal();
  });

  it.skipIf(process.getuid?.() !== 0)('with a full disk has no half file', async () => {
    const disk = temporaryFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]);
    try {
      const message = await refused(put({ ...server.target, path: disk }, fileOf(200_000).file));
      expect(message).toContain('its disk may be full');
      expect(fs.readdirSync(disk)).toEqual([]);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });

  it('is refused at an address inside a network, unless the operator allows it', async () => {
    const strict = { ...reach, allowPrivate: false };
    for (const host of ['127.0.0.1', 'localhost', '::1', '169.254.1.1']) {
      const message = await refused(put({ ...server.target, host }, fileOf(1).file, NAME, strict));
      expect(message).toContain('inside a network');
    }
  });
});

describe('S3-compatible storage', () => {
  let server: S3Server;
  let line: Line;
  beforeAll(async () => {
    server = await startS3Server();
    line = await startLine(Number(new URL(server.target.endpoint as string).port));
  });
  afterAll(async () => {
    await line.stop();
    await server.stop();
  });

  behavesAsTarget(() => server);

  it.each(['a b', 'ü', 'a+b&c=d', "it's (really)!*", '100%'])(
    'takes a path such as %s',
    async (below) => {
      await put({ ...server.target, prefix: `${below}/` }, fileOf(10).file);
    },
  );

  it('takes a long file in parts', async () => {
    const { file, content } = fileOf(12 * 1024 * 1024 + 5);
    const storage = new S3Storage(server.target, reach, 5 * 1024 * 1024);
    await storage.put(file, 'in-parts');
    expect(server.read('in-parts').equals(content)).toBe(true);
  });

  it.each<[string, Partial<S3Server['target']>, string]>([
    ['a wrong secret', { secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch'],
    ['an unknown key', { accessKeyId: 'wrong' }, 'InvalidAccessKeyId'],
    ['an unknown bucket', { bucket: 'another-one' }, 'NoSuchBucket'],
  ])('says so of %s', async (_name, change, words) => {
    const { file } = fileOf(10);
    const message = await refused(put({ ...server.target, ...change }, file));
    expect(message).toContain(words);
    expect(message).not.toContain('wrong');
  });

  it.each(['cut', 'silent'] as const)('takes a file again after the line was %s', async (how) => {
    const { file, content } = fileOf(LONG);
    const target = { ...server.target, endpoint: `http://127.0.0.1:${line.port}` };
    const patient = { ...reach, ...{ patience: 1_000 } };
    line.breakAfter(LONG / 2, how);
    await refused(put(target, file, how, patient));
    line.heal();
    await put(target, file, how, patient);
    expect(server.read(how).equals(content)).toBe(true);
  });

  it.each([1, LONG / 2])('is broken off when it is silent after %i bytes', async (bytes) => {
    const before = line.broken;
    line.breakAfter(bytes, 'silent');
    const breakOff = new AbortController();
    const { signal } = breakOff;
    const target = { ...server.target, endpoint: `http://127.0.0.1:${line.port}` };
    const failed = refused(put(target, fileOf(LONG).file, 'off', { ...reach, ...{ signal } }));
    await expect.poll(() => line.broken, { timeout: 10_000 }).toBe(before + 1);
    breakOff.abort();
    expect(await failed).toContain('aborted');
    line.heal();
  });

  it('is refused at an address inside a network, and without TLS, unless the operator allows it', async () => {
    const strict = { ...reach, allowPrivate: false };
    for (const [endpoint, words] of [
      ['https://127.0.0.1:9000', 'inside a network'],
      ['https://storage.internal', 'inside a network'],
      ['http://storage.example', 'not a secure address'],
    ]) {
      const message = await refused(
        put({ ...server.target, endpoint }, fileOf(1).file, NAME, strict),
      );
      expect(message).toContain(words);
    }
  });
});
