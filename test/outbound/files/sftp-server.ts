/** OpenSSH's SFTP server, with keys and a folder of its own; killed for real. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { SftpTarget } from '../../../src/destinations/destination.ts';
import { until } from '../../redis.ts';
import { endWithTests, freePort, temporaryFolder } from '../../server.ts';
import { service } from '../../services.ts';

const sshd = service('sshd', 'apt-get install openssh-server');

export interface SftpServer {
  readonly target: SftpTarget;
  /** Where the files arrive. */
  readonly folder: string;
  /** As in known_hosts, by kind: `ed25519`, `ecdsa`, `rsa`. */
  readonly hostKeys: Readonly<Record<string, { line: string; fingerprint: string }>>;
  start(): Promise<void>;
  /** Has what serves SFTP stand still, while the server goes on with SSH. Returns what ends that. */
  hang(): () => void;
  /** Ends it with all connections, at once. */
  stop(): Promise<void>;
}

/** @param program what serves SFTP */
export async function startSftpServer(
  folder = temporaryFolder(),
  program = 'internal-sftp',
): Promise<SftpServer> {
  const own = temporaryFolder();
  const file = (name: string) => path.join(own, name);
  const newKey = (name: string, kind: string) =>
    execFileSync('ssh-keygen', ['-q', '-t', kind, '-N', '', '-C', 'test', '-f', file(name)]);
  newKey('client', 'ed25519');
  const hostKeys: Record<string, { line: string; fingerprint: string }> = {};
  for (const kind of ['ed25519', 'ecdsa', 'rsa']) {
    newKey(kind, kind);
    const printed = execFileSync('ssh-keygen', ['-l', '-f', file(`${kind}.pub`)], {
      encoding: 'utf8',
    });
    hostKeys[kind] = {
      line: `partner.example ${fs.readFileSync(file(`${kind}.pub`), 'utf8').trim()}`,
      fingerprint: /SHA256:\S+/.exec(printed)?.[0] ?? '',
    };
  }
  const port = await freePort();
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...Object.keys(hostKeys).map((kind) => `HostKey ${file(kind)}`),
    `AuthorizedKeysFile ${file('client.pub')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin yes',
    'PidFile none',
    'MaxStartups 100',
    `Subsystem sftp ${program}`,
  ];
  fs.writeFileSync(file('sshd_config'), `${config.join('\n')}\n`);
  // Where sshd is started by root, it separates privileges here.
  if (process.getuid?.() === 0) fs.mkdirSync('/run/sshd', { recursive: true });
  let running: ChildProcess | undefined;
  const server: SftpServer = {
    folder,
    hostKeys,
    target: {
      kind: 'sftp',
      host: '127.0.0.1',
      port,
      user: os.userInfo().username,
      path: folder,
      hostKeys: [hostKeys.ed25519.fingerprint],
      password: undefined,
      privateKey: fs.readFileSync(file('client'), 'utf8'),
      passphrase: undefined,
    },
    async start() {
      running = spawn(sshd as string, ['-D', '-e', '-f', file('sshd_config')], {
        stdio: 'ignore',
        // A group of its own, with the processes that serve connections.
        detached: true,
      });
      endWithTests(running);
      await until(`sshd on ${port}`, () => answers(port));
    },
    hang() {
      const serving = lastBelow(running?.pid as number);
      for (const pid of serving) process.kill(pid, 'SIGSTOP');
      return () => {
        for (const pid of serving) process.kill(pid, 'SIGCONT');
      };
    },
    async stop() {
      const child = running;
      if (!child) return;
      running = undefined;
      const ended = once(child, 'exit');
      process.kill(-(child.pid as number), 'SIGKILL');
      await ended;
    },
  };
  await server.start();
  return server;
}

/** The processes that were started last, of those that one has started. */
function lastBelow(pid: number): number[] {
  const all = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/ +/).map(Number));
  const last = (of: number): number[] => {
    const own = all.filter(([, parent]) => parent === of);
    return own.length > 0 ? own.flatMap(([child]) => last(child)) : [of];
  };
  return last(pid);
}

export const hasSftpServer = sshd !== undefined;

/** Whether somebody listens there. */
export async function answers(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
