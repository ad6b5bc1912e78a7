/**
 * S3-compatible storage, killed for real. It takes any signature of version 4, so somebody stands in front
 * of it who checks them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { S3Target } from '../../../src/destinations/destination.ts';
import { until } from '../../redis.ts';
import { endWithTests, freePort, temporaryFolder } from '../../server.ts';
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
  const front = await startFront(port);
  let running: ChildProcess | undefined;
  const server: S3Server = {
    target: {
      kind: 's3',
      bucket: BUCKET,
      prefix: 'in/',
      endpoint: `http://127.0.0.1:${front}`,
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

const SECRET = 'S3RVER';

/** Passes on what is signed as Amazon says it has to be; returns its port. */
async function startFront(to: number): Promise<number> {
  const server = http.createServer((request, response) => {
    if (!isSigned(request)) {
      request.resume();
      response
        .writeHead(403)
        .end(
          '<Error><Code>SignatureDoesNotMatch</Code><Message>It does not match.</Message></Error>',
        );
      return;
    }
    const { method, url: path, headers } = request;
    const onward = http.request(
      { host: '127.0.0.1', port: to, method, path, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(onward);
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Source: Amazon S3 API reference, Authenticating Requests (AWS Signature Version 4), header. */
function isSigned({ method, url = '', headers }: http.IncomingMessage): boolean {
  const [, key, day, region, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  // The storage itself knows whose key there is.
  if (key !== SECRET) return key !== undefined;
  const [path, query = ''] = url.split('?');
  const canonical = [
    method,
    path,
    query.split('&').sort().join('&'),
    ...names.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    names,
    headers['x-amz-content-sha256'],
  ].join('\n');
  const hash = createHash('sha256').update(canonical).digest('hex');
  const date = String(headers['x-amz-date']);
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/s3/aws4_request`, hash].join('\n');
  const hmac = (secret: string | Buffer, of: string) =>
    createHmac('sha256', secret).update(of).digest();
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (secret, of) => hmac(secret, of),
    `AWS4${SECRET}`,
  );
  return (
    names.split(';').includes('host') &&
    date.startsWith(day) &&
    hmac(signingKey, text).toString('hex') === signature
  );
}
