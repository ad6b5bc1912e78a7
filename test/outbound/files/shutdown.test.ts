/** A process that delivers is stopped while a server hangs in the middle of an upload. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type RunningServer, startServer, temporaryFolder } from '../../server.ts';
import { account, segment, trait } from '../example.ts';
import { type Line, startLine } from './line.ts';
import { arrived, type Shelf } from './runs.ts';
import { startS3Server } from './s3-server.ts';
import { hasSftpServer, startSftpServer } from './sftp-server.ts';

const ID = 803;
const VISITORS = 30;

interface Given {
  readonly line: Line;
  readonly destination: object;
  readonly shelf: Shelf;
  stop(): Promise<void>;
}

async function sftp(): Promise<Given> {
  const { target, folder, stop } = await startSftpServer();
  const line = await startLine(target.port);
  return {
    line,
    destination: {
      target: `sftp://${target.user}@127.0.0.1:${line.port}${folder}`,
      credentials: { hostKey: target.hostKeys[0], privateKey: target.privateKey },
    },
    shelf: {
      names: () => fs.readdirSync(folder),
      read: (name) => fs.readFileSync(path.join(folder, name)),
    },
    stop,
  };
}

async function s3(): Promise<Given> {
  const { target, names, read, stop } = await startS3Server();
  const line = await startLine(Number(new URL(target.endpoint as string).port));
  const { accessKeyId, secretAccessKey } = target;
  return {
    line,
    destination: {
      target: `s3://${target.bucket}/in`,
      region: target.region,
      endpoint: `http://127.0.0.1:${line.port}`,
      credentials: { accessKeyId, secretAccessKey },
    },
    shelf: { names, read },
    stop,
  };
}

/** It hangs before anything of use was said, and in the middle of it. */
const CASES: [name: string, isThere: boolean, open: () => Promise<Given>, bytes: number][] = [
  ['SFTP, before the first word', hasSftpServer, sftp, 1],
  ['SFTP, when the files are opened', hasSftpServer, sftp, 3_000],
  ['S3', true, s3, 1],
];

describe.each(CASES)('%s', (_, isThere, open, bytes) => {
  const ends: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });

  it.runIf(isThere)('it ends by SIGTERM; the next one completes the run, once', async () => {
    const { line, destination, shelf, stop } = await open();
    ends.push(stop, () => line.stop());
    const folder = temporaryFolder();
    const start = async (environment: Record<string, string>, document?: object) => {
      const server: RunningServer = await startServer({
        folder,
        account: document,
        environment: { OUTBOUND_ALLOW_PRIVATE: '1', ...environment },
      });
      ends.push(() => server.stop());
      return server;
    };
    const file = { destinationId: ID, name: 'files', destinationType: 'S2S', transfer: 'file' };
    const collector = await start(
      { ROLE: 'collect' },
      account({
        traits: [trait(1)],
        segments: [segment(51, '1T')],
        destinations: [
          { ...file, ...destination, syncMode: 'iter', mappings: [{ sid: 51, traitAlias: 'a51' }] },
        ],
      }),
    );
    const call = async (method: string, at = '') => {
      const response = await fetch(`${collector.origin}/v1/deliveries/${ID}${at}`, {
        method,
        headers: { Authorization: `Bearer ${collector.adminToken}` },
      });
      expect(response.status).toBeLessThan(300);
      return response.json();
    };
    const deliver = () => start({ ROLE: 'deliver', SHUTDOWN_MS: '1500' });

    const first = await deliver();
    const uuids = await Promise.all(
      Array.from({ length: VISITORS }, async () => {
        const response = await fetch(`${collector.origin}/event?d_rtbd=json&c_t=1`);
        return ((await response.json()) as { uuid: string }).uuid;
      }),
    );
    const patience = { timeout: 20_000 };
    await expect.poll(() => call('GET'), patience).toMatchObject({ waiting: VISITORS });
    line.breakAfter(bytes, 'silent');
    await call('POST', '/runs');
    await expect.poll(() => line.broken, patience).toBe(1);
    // A server that hangs is waited for a minute.
    await first.stop();
    expect(first.process.exitCode).toBe(0);
    expect(arrived(shelf)).toEqual([]);
    // What is broken off has not failed.
    expect(await call('GET')).toMatchObject({ runs: { current: { state: 'running' }, past: [] } });

    line.heal();
    await deliver();
    await expect
      .poll(async () => ((await call('GET')) as { runs: { past: object[] } }).runs.past, patience)
      .toMatchObject([{ lines: VISITORS }]);
    expect(await call('GET')).toMatchObject({ waiting: 0 });
    expect(arrived(shelf).map(({ lines }) => lines.toSorted())).toEqual([
      uuids.map((uuid) => `${uuid} a51`).sort(),
    ]);
  });
});
