/**
 * Partners whose names hang, since their name server is silent: others are told all the same. In a
 * namespace of its own, where the system asks a name server that never answers.
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, startServer, temporaryFolder } from '../server.ts';
import { account, realtime, segment, trait } from './example.ts';

/** A partner that is found by /etc/hosts, and those whose names hang. */
const GOOD = 'good.partner.test';
const HANGING = Array.from({ length: 20 }, (_, i) => `hangs-${i}.partner.test`);
const SILENT = '127.0.0.53';

/** Whether this process may have a look of its own at the files that say how names are looked up. */
function mayHide(): boolean {
  try {
    execFileSync('unshare', ['-m', 'mount', '--bind', '/etc/hosts', '/etc/hosts']);
    return true;
  } catch {
    return false;
  }
}

describe.each([
  ['a server that does everything', 'all'],
  ['a process that only delivers', 'deliver'],
])('%s', { timeout: 180_000 }, (_, role) => {
  const ends: (() => unknown)[] = [];
  const asked = new Set<string>();
  let heard = '';
  let url: (host: string) => string;
  let prefix: string[];
  const isThere = mayHide();

  beforeAll(async () => {
    if (!isThere) return;
    const partner = http.createServer(async (request, response) => {
      for await (const part of request) heard += part;
      response.end();
    });
    partner.listen(0, '127.0.0.1');
    await once(partner, 'listening');
    url = (host) => `http://${host}:${(partner.address() as AddressInfo).port}/in`;
    ends.push(
      () => partner.close(),
      () => partner.closeAllConnections(),
    );
    const silent = createSocket('udp4', (query) => {
      const name = /hangs-\d+/.exec(query.toString('latin1'));
      if (name) asked.add(name[0]);
    });
    silent.bind(53, SILENT);
    await once(silent, 'listening');
    ends.push(() => silent.close());
    const own = temporaryFolder();
    const file = (name: string, text: string) => {
      fs.writeFileSync(path.join(own, name), text);
      return `mount --bind ${path.join(own, name)} /etc/${name}`;
    };
    const look = [
      // Longer than anything here may take.
      file('resolv.conf', `nameserver ${SILENT}\noptions timeout:30 attempts:5\n`),
      file('hosts', `127.0.0.1 localhost ${GOOD}\n`),
    ];
    prefix = ['unshare', '-m', 'sh', '-c', `${look.join(' && ')} && exec "$0" "$@"`];
  });
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });

  it.runIf(isThere)('tells a partner while the names of twenty others hang', async () => {
    const folder = temporaryFolder();
    const start = async (environment: Record<string, string>, document?: object) => {
      const server: RunningServer = await startServer({
        ...{ folder, account: document, prefix },
        environment: { OUTBOUND_ALLOW_PRIVATE: '1', ...environment },
      });
      ends.push(() => server.stop('SIGKILL'));
      return server;
    };
    const server = await start(
      { ROLE: role === 'all' ? 'all' : 'collect' },
      account({
        traits: [trait(1)],
        segments: [segment(51, '1T')],
        destinations: [
          ...HANGING.map((host, i) => realtime(801 + i, [51], { endpointUrl: url(host) })),
          realtime(900, [51], { endpointUrl: url(GOOD) }),
        ],
      }),
    );
    if (role === 'deliver') await start({ ROLE: 'deliver' });
    const come = async () => {
      const response = await fetch(`${server.origin}/event?d_rtbd=json&c_t=1`);
      return ((await response.json()) as { uuid: string }).uuid;
    };
    const first = await come();
    const patience = { timeout: 60_000 };
    await expect.poll(() => heard.includes(first), patience).toBe(true);
    await expect.poll(() => asked.size, patience).toBe(HANGING.length);
    const second = await come();
    await expect.poll(() => heard.includes(second), patience).toBe(true);
  });
});
