/** S3-compatible storage that checks signatures; killed for real. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { S3Target } from '../../src/destinations/destination.ts';
import { until } from '../redis.ts';
import { endWithTests, freePort, temporaryFolder } from '../server.ts';
import { answers } from './sftp-server.ts';

const BUCKET = 'partner-bucket';
const program = path.join(
  path.dirname(createRequire(import.meta.url).resolve('s3rver/package.json')),
  'bin/s3rver.js',
);

export interface S3Server {
  readonly target: S3Target;
  /** The names of the objects, below the prefix of the target. */
  names(): string[];
  /** What an object consists of; throws where there is none. */
  read(name: string): Buffer;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startS3Server(): Promise<S3Server> {
  const folder = temporaryFolder();
  const port = await freePort();
  const objects = path.join(folder, BUCKET, 'in');
  let running: ChildProcess | undefined;
  const server: S3Server = {
    target: {
      kind: 's3',
      bucket: BUCKET,
      prefix: 'in/',
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      accessKeyId: 'S3RVER',
      secretAccessKey: 'S3RVER',
    },
    names() {
      const files = fs.existsSync(objects) ? fs.readdirSync(objects) : [];
      return files.flatMap((file) => /^(.*)\._S3rver_object$/.exec(file)?.[1] ?? []).sort();
    },
    read: (name) => fs.readFileSync(path.join(objects, `${name}._S3rver_object`)),
    async start() {
      running = spawn(
        process.execPath,
        [
          program,
          '-s',
          '-d',
          folder,
          '-a',
          '127.0.0.1',
          '-p',
          String(port),
          '--configure-bucket',
          BUCKET,
        ],
        { stdio: 'ignore' },
      );
      endWithTests(running);
      await until(`S3 on ${port}`, () => answers(port));
    },
    async stop() {
      const child = running;
      if (!child) return;
      running = undefined;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
  await server.start();
  return server;
}
