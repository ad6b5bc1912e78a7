/** An SFTP server as a target. It is told nothing, not even the user, before it has shown its key. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { Client, type ConnectConfig, type SFTPWrapper } from 'ssh2';
import type { SftpTarget } from '../destinations/destination.ts';
import { partName, type Resolve, reasonOf, type Target, TargetError } from './target.ts';

/** A server has a key of each of several kinds, and shows the one that it is asked for. */
const KEY_KINDS = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
] as const;

const CHUNK_BYTES = 32_768;
/** Together two megabytes under way. */
const CHUNKS_AT_ONCE = 64;

/**
 * @param patience in milliseconds
 * @throws TargetError
 */
export async function openSftp(
  target: SftpTarget,
  resolve: Resolve,
  patience: number,
): Promise<Target> {
  const where = `${target.host}:${target.port}`;
  const shown: string[] = [];
  let address: string;
  try {
    address = await resolve(target.host);
  } catch (error) {
    throw new TargetError(`${where} cannot be reached: ${reasonOf(error)}`);
  }
  for (const kinds of KEY_KINDS) {
    const client = new Client();
    // Whatever is under way hears of it, too; nobody else listens once it is connected.
    client.on('error', () => {});
    try {
      await connect(client, target, { address, kinds: [...kinds], patience, shown });
      return new Sftp(client, await opened(client), target.path);
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
  given: { address: string; kinds: string[]; patience: number; shown: string[] },
): Promise<void> {
  const { address, kinds, patience, shown } = given;
  return new Promise((resolve, reject) => {
    const sock = net.connect({ host: address, port: target.port });
    client.once('ready', resolve);
    client.once('error', reject);
    client.once('close', () => reject(new Error('the server closed the connection')));
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
      readyTimeout: patience,
      keepaliveInterval: patience / 4,
      keepaliveCountMax: 3,
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

  constructor(client: Client, sftp: SFTPWrapper, folder: string) {
    this.#client = client;
    this.#sftp = sftp;
    this.#folder = folder;
  }

  async put(file: string, name: string): Promise<void> {
    const part = path.posix.join(this.#folder, partName(name));
    try {
      await this.#copy(file, part);
      await this.#rename(part, path.posix.join(this.#folder, name));
    } catch (error) {
      const { code } = error as { code?: number };
      const why = code === undefined ? undefined : WHY[code];
      throw new TargetError(
        `${name} cannot be put into ${this.#folder}: ${why ?? reasonOf(error)}`,
      );
    }
  }

  async close(): Promise<void> {
    this.#client.end();
  }

  async #copy(file: string, remote: string): Promise<void> {
    await done((end) =>
      this.#sftp.fastPut(
        file,
        remote,
        { chunkSize: CHUNK_BYTES, concurrency: CHUNKS_AT_ONCE },
        end,
      ),
    );
    const { size } = await fs.stat(file);
    const arrived = await new Promise<number>((resolve, reject) =>
      this.#sftp.stat(remote, (error, stats) => (error ? reject(error) : resolve(stats.size))),
    );
    if (arrived !== size) throw new Error(`${arrived} of ${size} bytes arrived`);
  }

  /** In one step where the server can; the plain one of SFTP does not replace a file. */
  async #rename(from: string, to: string): Promise<void> {
    const atOnce = await done((end) => this.#sftp.ext_openssh_rename(from, to, end)).then(
      () => true,
      (error) => {
        // What the server refuses has a code; what it does not know has none.
        if (error.code !== undefined && error.code !== UNSUPPORTED) throw error;
        return false;
      },
    );
    if (atOnce) return;
    await done((end) => this.#sftp.unlink(to, end)).catch(() => {});
    await done((end) => this.#sftp.rename(from, to, end));
  }
}

const done = (start: (end: (error?: Error | null) => void) => void) =>
  new Promise<void>((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });

const UNSUPPORTED = 8;

/** What the server answers, by SFTP's numbers. */
const WHY: Readonly<Record<number, string>> = {
  2: 'there is no such folder on the server',
  3: 'the server does not allow it',
  4: 'the server failed; its disk may be full',
};
