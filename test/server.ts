/** Real servers for tests: started as a user starts them, killed for real. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const folders: string[] = [];
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});

/** A folder of its own for a test; removed when the process ends. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'switchyard-'));
  folders.push(folder);
  return folder;
}

/** Has a process killed when the tests end, unless it has ended before. */
export function endWithTests(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}

/** What every process needs; the rest of the environment is no test's. */
export const plainEnvironment = () => ({
  PATH: process.env.PATH,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
});

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface RunningServer {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  /** Origin of the demo partner's inbox, where the demo runs. */
  readonly inbox: string;
  readonly folder: string;
  readonly adminToken: string;
  readonly process: ChildProcess;
  /** Everything that it has printed. */
  readonly output: () => string;
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ServerOptions {
  /** An account document; without one the demo runs. */
  readonly account?: unknown;
  /** Folder of the store; a new one if not given. */
  readonly folder?: string;
  readonly environment?: Record<string, string>;
  /** Folder of the project; a copy of it, for instance, with a fault. */
  readonly root?: string;
  /** A command that runs the one which follows it. */
  readonly prefix?: readonly string[];
}

/** Starts `src/node.ts` on free ports and waits until it listens. */
export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const folder = options.folder ?? temporaryFolder();
  const [port, demoPort] = [await freePort(), await freePort()];
  const environment: Record<string, string> = {
    PORT: String(port),
    DEMO_PORT: String(demoPort),
    DATA_DIR: folder,
    ADMIN_TOKEN: 'test-token',
    // A busy machine is no slow store: the time that a page has is only where that is what is tested.
    DEADLINE_MS: '10000',
    ...options.environment,
  };
  if (options.account !== undefined) {
    environment.ACCOUNT_FILE = path.join(folder, 'given-account.json');
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(environment.ACCOUNT_FILE, JSON.stringify(options.account));
  }
  const [program, ...words] = [...(options.prefix ?? []), process.execPath, 'src/node.ts'];
  const child = spawn(program, words, {
    cwd: options.root ?? root,
    env: { ...plainEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = once(child, 'exit');
  const listening = new Promise<void>((resolve, reject) => {
    const read = (text: Buffer) => {
      output += text;
      if (output.includes('listens on')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    ended.then(([code]) => reject(new Error(`the server ended with ${code}:\n${output}`)));
  });
  endWithTests(child);
  await listening;
  return {
    origin: `http://127.0.0.1:${port}`,
    inbox: `http://127.0.0.1:${demoPort}`,
    folder,
    adminToken: environment.ADMIN_TOKEN,
    process: child,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await ended;
    },
  };
}

/** Processes that deliver for a server. */
export function childrenOf({
  process: server,
}: {
  readonly process: { readonly pid?: number };
}): number[] {
  try {
    const found = execFileSync('pgrep', ['-P', String(server.pid), '-f', 'src/node.ts']);
    return found.toString().trim().split('\n').map(Number);
  } catch {
    return [];
  }
}
