/** An SFTP server as a target. It is told nothing, not even the user, before it has shown its key. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { Client, type ConnectConfig, type FileEntry, type SFTPWrapper } from 'ssh2';
import type { SftpTarget } from '../../destinations/destination.ts';
import { guardedLookup, isPublic } from '../address.ts';
import { reasonOf } from '../reason.ts';
import { isPartOf, PATIENCE_MS, partName, type Reach, type Target, TargetError } from './target.ts';

/** A server has a key of each of several kinds, and shows the one that it is asked for. */
const KEY_KINDS = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
] as const;

const CHUNK_BYTES = 32_768;
/** Together two megabytes under way. */
const CHUNKS_AT_ONCE = 64;
/** So much may be on the way to the server's disk: how long that takes has to be bearable, too. */
const UNSYNCED_BYTES = 2_048 * CHUNK_BYTES;
/** Answers about what is in a folder, of a hundred names or so: partners may never clear theirs. */
const MAX_ANSWERS = 100;

/** @throws TargetError */
export async function openSftp(target: SftpTarget, reach: Reach): Promise<Target> {
  const where = `${target.host}:${target.port}`;
  const shown: string[] = [];
  // A name is looked at when it is looked up; an address is not looked up.
  if (net.isIP(target.host) && !reach.allowPrivate && !isPublic(target.host)) {
    throw new TargetError(`${where} is an address inside a network, not of the internet`);
  }
  for (const kinds of KEY_KINDS) {
    const client = new Client();
    const answers = new Answers(client, reach);
    try {
      await answers.wait(connect(client, target, { kinds: [...kinds], reach, shown }));
      const sftp = await answers.wait(opened(client));
      return new Sftp(client, sftp, target.path, answers);
    } catch (error) {
      client.destroy();
      const { level } = error as { level?: string };
      if (level === 'handshake' || level === 'protocol') continue;
      const why =
        level === 'client-authentication'
          ? `it does not accept the user ${target.user} with this password or key`
          : reasonOf(error);
      throw new TargetError(`${where} cannot be used: ${why}`);
    }
  }
  throw new TargetError(
    shown.length > 0
      ? `${where} is not the server that is expected: its keys are ${shown.join(', ')}`
      : `${where} cannot be used: there is no common way to prove who it is`,
  );
}

function connect(
  client: Client,
  target: SftpTarget,
  given: { kinds: string[]; reach: Reach; shown: string[] },
): Promise<void> {
  const { kinds, shown } = given;
  const { allowPrivate, signal } = given.reach;
  return new Promise((resolve, reject) => {
    const sock = net.connect({
      host: target.host,
      port: target.port,
      lookup: guardedLookup(allowPrivate),
      signal,
    });
    client.once('ready', resolve);
    client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(() => target.password ?? '')),
    );
    const config: ConnectConfig = {
      sock,
      username: target.user,
      password: target.password,
      privateKey: target.privateKey,
      passphrase: target.passphrase,
      tryKeyboard: target.password !== undefined,
      // Whoever waits has a patience of their own.
      readyTimeout: 0,
      algorithms: { serverHostKey: kinds as never },
      hostVerifier: (key: Buffer) => {
        const fingerprint = fingerprintOf(key);
        shown.push(fingerprint);
        return target.hostKeys.some((known) =>
          known.startsWith('SHA256:')
            ? known === fingerprint
            : key.equals(Buffer.from(known, 'base64')),
        );
      },
    };
    try {
      client.connect(config);
    } catch (error) {
      sock.destroy();
      reject(error);
    }
  });
}

/**
 * What is waited for on a connection. A server that hangs above SSH, or that a line to is cut, would never
 * answer.
 */
class Answers {
  readonly #patience: number;
  /** Rejects when the connection ends. */
  readonly #ended: Promise<never>;
  readonly #breakOff: (why: string) => void;
  #waiting = 0;
  #silence: NodeJS.Timeout | undefined;

  constructor(client: Client, { patience = PATIENCE_MS, signal }: Reach) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.#patience = patience;
    this.#ended = promise;
    this.#breakOff = (why) => {
      reject(new Error(why));
      client.destroy();
    };
    const breakOff = () => this.#breakOff('it was broken off');
    client.on('error', reject);
    client.once('close', () => {
      signal?.removeEventListener('abort', breakOff);
      reject(new Error('the server closed the connection'));
    });
    signal?.addEventListener('abort', breakOff);
    promise.catch(() => {});
  }

  /**
   * Waits for one. Each that comes is a sign of life for all: on a slow line, what is sent together waits for
   * longer than anybody is patient.
   */
  async wait<Answer>(answer: Promise<Answer>): Promise<Answer> {
    if (this.#waiting++ === 0) this.#silence = setTimeout(() => this.#giveUp(), this.#patience);
    try {
      return await Promise.race([answer, this.#ended]);
    } finally {
      if (--this.#waiting === 0) clearTimeout(this.#silence);
      else this.#silence?.refresh();
    }
  }

  #giveUp(): void {
    this.#breakOff(`the server has not answered for ${this.#patience / 1_000} s`);
  }
}

const fingerprintOf = (key: Buffer) =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

const opened = (client: Client) =>
  new Promise<SFTPWrapper>((resolve, reject) =>
    client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp))),
  );

class Sftp implements Target {
  readonly #client: Client;
  readonly #sftp: SFTPWrapper;
  readonly #folder: string;
  readonly #answers: Answers;
  #parts: Promise<string[]> | undefined;

  constructor(client: Client, sftp: SFTPWrapper, folder: string, answers: Answers) {
    this.#client = client;
    this.#sftp = sftp;
    this.#folder = folder;
    this.#answers = answers;
  }

  async put(file: string, name: string): Promise<void> {
    const part = path.posix.join(this.#folder, partName(name));
    try {
      await this.#removeParts(name);
      await this.#copy(file, part);
      await this.#rename(part, path.posix.join(this.#folder, name));
    } catch (error) {
      await this.#remove(part).catch(() => {});
      const { code } = error as { code?: unknown };
      const why = typeof code === 'number' ? WHY[code] : undefined;
      throw new TargetError(
        `${name} cannot be put into ${this.#folder}: ${why ?? reasonOf(error)}`,
      );
    }
  }

  async close(): Promise<void> {
    this.#client.end();
  }

  /**
   * What was broken off on its way to this name; what another one may still ask the server to rename is not
   * there any more. In a folder that may not be read, or has too much in it, some are left: nobody takes
   * them for files.
   */
  async #removeParts(name: string): Promise<void> {
    this.#parts ??= this.#listParts().catch(() => []);
    for (const part of await this.#parts) {
      if (isPartOf(name, part)) {
        await this.#remove(path.posix.join(this.#folder, part)).catch(() => {});
      }
    }
  }

  async #listParts(): Promise<string[]> {
    const parts: string[] = [];
    const handle = await this.#ask<Buffer>((end) => this.#sftp.opendir(this.#folder, end));
    for (let answers = 0; answers < MAX_ANSWERS; answers++) {
      const entries = await this.#ask<FileEntry[]>((end) => this.#sftp.readdir(handle, end)).catch(
        (error) => {
          if (error.code !== END_OF_LIST) throw error;
        },
      );
      if (!entries) break;
      parts.push(...entries.map(({ filename }) => filename).filter((it) => it.endsWith('.part')));
    }
    await this.#ask((end) => this.#sftp.close(handle, end));
    return parts;
  }

  async #copy(file: string, remote: string): Promise<void> {
    const local = await fs.open(file);
    try {
      const handle = await this.#ask<Buffer>((end) => this.#sftp.open(remote, 'w', end));
      const sync = () => this.#askExtension((end) => this.#sftp.ext_openssh_fsync(handle, end));
      let next = 0;
      const chunks = async () => {
        const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
        for (;;) {
          const at = next;
          next += CHUNK_BYTES;
          const { bytesRead } = await local.read(chunk, 0, CHUNK_BYTES, at);
          if (bytesRead === 0) return;
          await this.#ask((end) => this.#sftp.write(handle, chunk, 0, bytesRead, at, end));
          if ((at + CHUNK_BYTES) % UNSYNCED_BYTES === 0) await sync();
        }
      };
      await Promise.all(Array.from({ length: CHUNKS_AT_ONCE }, chunks));
      await sync();
      await this.#ask((end) => this.#sftp.close(handle, end));
    } finally {
      await local.close();
    }
  }

  /** In one step where the server can; the plain one of SFTP does not replace a file. */
  async #rename(from: string, to: string): Promise<void> {
    if (await this.#askExtension((end) => this.#sftp.ext_openssh_rename(from, to, end))) return;
    await this.#remove(to).catch((error) => {
      if (error.code !== NO_SUCH_FILE) throw error;
    });
    await this.#ask((end) => this.#sftp.rename(from, to, end));
  }

  #remove(file: string): Promise<void> {
    return this.#ask((end) => this.#sftp.unlink(file, end));
  }

  #ask<Result = void>(start: (end: End<Result>) => void): Promise<Result> {
    const answer = new Promise<Result>((resolve, reject) => {
      start((error, result) => (error ? reject(error) : resolve(result as Result)));
    });
    return this.#answers.wait(answer);
  }

  /** @returns false where the server does not know it */
  async #askExtension(start: (end: End<void>) => void): Promise<boolean> {
    try {
      await this.#ask(start);
      return true;
    } catch (error) {
      if ((error as Error).message.includes('does not support this extended request')) return false;
      throw error;
    }
  }
}

type End<Result> = (error?: Error | null, result?: Result) => void;

const END_OF_LIST = 1;
const NO_SUCH_FILE = 2;

/** What the server answers, by SFTP's numbers. */
const WHY: Readonly<Record<number, string>> = {
  [NO_SUCH_FILE]: 'there is no such folder on the server',
  3: 'the server does not allow it',
  4: 'the server failed; its disk may be full',
};
