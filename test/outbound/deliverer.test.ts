/** The process that delivers, killed for real: it is seen, and it heals. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DelivererProcess } from '../../src/deliverer-process.ts';
import { deliverers } from '../../src/outbound/deliverers.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { childrenOf, type RunningServer, startServer, temporaryFolder } from '../server.ts';
import { account, realtime, segment, trait } from './example.ts';

describe('a deliverer that ends', { timeout: 120_000 }, () => {
  let heard = '';
  const partner = http.createServer(async (request, response) => {
    for await (const part of request) heard += part;
    response.end();
  });
  let folder: string;
  let server: RunningServer;
  beforeAll(async () => {
    partner.listen(0, '127.0.0.1');
    await once(partner, 'listening');
  });
  afterAll(() => {
    partner.close();
    partner.closeAllConnections();
  });
  beforeEach(async () => {
    const { port } = partner.address() as AddressInfo;
    folder = temporaryFolder();
    server = await startServer({
      folder,
      account: account({
        traits: [trait(1)],
        segments: [segment(51, '1T')],
        destinations: [realtime(801, [51], { endpointUrl: `http://127.0.0.1:${port}/in` })],
      }),
      environment: { OUTBOUND_ALLOW_PRIVATE: '1' },
    });
  });
  afterEach(() => server?.stop());

  const ready = async () => {
    const response = await fetch(`${server.origin}/readyz`);
    return [response.status, await response.json()];
  };
  const deliveries = async () => {
    const headers = { Authorization: `Bearer ${server.adminToken}` };
    const response = await fetch(`${server.origin}/v1/deliveries`, { headers });
    return (await response.json()) as { problem?: string; deliverers: { problem?: string }[] };
  };
  const standing = async () => {
    const headers = { Authorization: `Bearer ${server.adminToken}` };
    return (await fetch(`${server.origin}/v1/deliveries/801`, { headers })).json();
  };
  const patience = { timeout: 30_000 };
  const isWell = async () => {
    await expect.poll(ready, patience).toEqual([200, { status: 'ready' }]);
    await expect.poll(async () => (await deliveries()).deliverers, patience).toMatchObject([{}]);
    expect((await deliveries()).problem).toBeUndefined();
  };
  /** A visitor who enters the segment, and of whom the partner hears. */
  const delivers = async () => {
    const response = await fetch(`${server.origin}/event?d_rtbd=json&c_t=1`);
    const { uuid } = (await response.json()) as { uuid: string };
    await expect.poll(() => heard.includes(uuid), patience).toBe(true);
  };
  const isDownSince = async (why: RegExp) => {
    await expect
      .poll(ready, patience)
      .toEqual([200, { status: 'ready', delivery: expect.stringMatching(why) }]);
    expect((await deliveries()).problem).toMatch(why);
  };

  it('is started again, each time later; readiness and the list say so meanwhile', async () => {
    await isWell();
    for (const seconds of [1, 2]) {
      const [child] = childrenOf(server);
      expect(os.getPriority(child), 'pages go first').toBe(
        os.constants.priority.PRIORITY_BELOW_NORMAL,
      );
      process.kill(child, 'SIGKILL');
      await isDownSince(new RegExp(`ended \\(SIGKILL\\); it is started again after ${seconds} s`));
      await isWell();
      expect(childrenOf(server)).toHaveLength(1);
      await delivers();
      await expect.poll(standing, patience).toMatchObject({
        ...{ waiting: 0, deliveredAt: expect.any(Number), perSecond: expect.any(Number) },
      });
    }
  });

  it('and cannot be started: it is said why; it is tried until it can', async () => {
    await isWell();
    const queues = path.join(folder, 'outbound');
    fs.renameSync(queues, `${queues}.away`);
    fs.writeFileSync(queues, 'no folder');
    process.kill(childrenOf(server)[0], 'SIGKILL');
    await isDownSince(/ended \(code 1: .+\)/);
    fs.rmSync(queues);
    fs.renameSync(`${queues}.away`, queues);
    await isWell();
    await delivers();
  });
});

describe('a deliverer that gives no sign of life', { timeout: 120_000 }, () => {
  // A slow start is silent, too.
  const SILENCE_MS = 12_000;
  const patience = { timeout: 60_000 };
  let registry: RegistryFile;
  let deliverer: DelivererProcess;
  beforeEach(async () => {
    const folder = temporaryFolder();
    vi.stubEnv('DATA_DIR', folder);
    vi.stubEnv('LOG_LEVEL', 'silent');
    registry = new RegistryFile(folder);
    deliverer = new DelivererProcess(registry, pino({ level: 'silent' }), 1_000, SILENCE_MS);
    deliverer.start();
    await expect.poll(problems, patience).toEqual([undefined]);
  });
  afterEach(async () => {
    await deliverer.close();
    await registry.close();
    vi.unstubAllEnvs();
  });
  const children = () => childrenOf({ process });
  const problems = async () => (await deliverers(registry)).map(({ problem }) => problem);

  it('is ended by force, and replaced', async () => {
    const [first] = children();
    process.kill(first, 'SIGSTOP');
    const why =
      /ended \(SIGKILL: it hung: for 12 s it gave no sign of life\); it is started again after \d+ s$/;
    await expect.poll(problems, patience).toEqual([expect.stringMatching(why)]);
    await expect.poll(problems, patience).toEqual([undefined]);
    expect(children()).toHaveLength(1);
    expect(children()).not.toEqual([first]);
  });

  it('is left alone where its server could not hear any: the machine slept', async () => {
    const [first] = children();
    process.kill(first, 'SIGSTOP');
    execFileSync('sleep', [String((2 * SILENCE_MS) / 1_000)]);
    process.kill(first, 'SIGCONT');
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    expect(children()).toEqual([first]);
  });
});
