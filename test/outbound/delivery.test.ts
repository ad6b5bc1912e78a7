/**
 * Server-to-server delivery as its users have it: a server started as they start it, visits by HTTP,
 * changes by REST, a partner that is a real server. On both stores.
 */

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { FORBID, tcf } from '../collect/consent-string.ts';
import { type RunningRedis, redisServer, startRedis } from '../redis.ts';
import { type RunningServer, startServer, temporaryFolder } from '../server.ts';
import { account, realtime, segment, trait } from './example.ts';

/** A partner that keeps what it was told. */
class Partner {
  readonly messages: { key: string; users: User[] }[] = [];
  /** Answered while it is away. */
  status = 200;
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
  }

  static async start(): Promise<Partner> {
    const server = http.createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      if (partner.status === 200) {
        const key = String(request.headers['idempotency-key']);
        partner.messages.push({ key, users: JSON.parse(body).Users });
      }
      response.writeHead(partner.status).end();
    });
    const partner = new Partner(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return partner;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/in`;
  }

  /** What it was told of somebody, in order, each message as `a51=1 a52=0`. */
  heardOf(deviceId: string): string[] {
    return this.messages.flatMap(({ users }) =>
      users
        .filter(({ AAM_UUID }) => AAM_UUID === deviceId)
        .map(({ Segments }) =>
          Segments.map(({ Segment_ID, Status }) => `${Segment_ID}=${Status}`)
            .sort()
            .join(' '),
        ),
    );
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

interface User {
  readonly AAM_UUID: string;
  readonly Segments: { readonly Segment_ID: string; readonly Status: string }[];
}

const documentFor = (partner: Partner) =>
  account({
    traits: [trait(1), trait(2)],
    segments: [segment(51, '1T'), segment(52, '2T')],
    destinations: [realtime(801, [51, 52], { endpointUrl: partner.url })],
  });

const ENGINES: [name: string, isThere: boolean][] = [
  ['embedded', true],
  ['Redis', redisServer !== undefined],
];

describe.each(ENGINES)('on the %s store', (name, isThere) => {
  let partner: Partner;
  let redis: RunningRedis | undefined;
  let folder: string;
  let server: RunningServer;
  const start = async (environment: Record<string, string> = {}, document?: object) =>
    startServer({
      folder,
      account: document,
      environment: {
        OUTBOUND_ALLOW_PRIVATE: '1',
        ...(redis && { REDIS_URL: redis.url }),
        ...environment,
      },
    });
  const come = async (signals: string, uuid = ''): Promise<string> => {
    const response = await fetch(`${server.origin}/event?d_rtbd=json&${signals}&d_uuid=${uuid}`);
    return ((await response.json()) as { uuid: string }).uuid;
  };
  const rest = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${server.origin}/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${server.adminToken}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    expect(response.status, await response.clone().text()).toBeLessThan(300);
    return response.status === 204 ? undefined : response.json();
  };
  /** Until so many wait for a destination. */
  const waits = async (destination: number, waiting: number) => {
    await expect.poll(() => rest('GET', `/deliveries/${destination}`)).toMatchObject({ waiting });
  };
  const heard = (uuid: string) => expect.poll(() => partner.heardOf(uuid).at(-1));

  beforeAll(async () => {
    if (!isThere) return;
    partner = await Partner.start();
    if (name === 'Redis') redis = await startRedis('--appendonly', 'yes');
    folder = temporaryFolder();
    server = await start({}, documentFor(partner));
  });
  afterAll(async () => {
    await server?.stop();
    await redis?.stop();
    partner?.close();
  });
  const test = isThere ? it : it.skip;

  test('who enters a segment is told of, with all segments that are mapped', async () => {
    const uuid = await come('c_t=1');
    await heard(uuid).toBe('a51=1');
    await come('c_t=2', uuid);
    await heard(uuid).toBe('a51=1 a52=1');
    await come('c_t=2', uuid);
    await come('c_other=1', uuid);
    expect(partner.heardOf(uuid)).toEqual(['a51=1', 'a51=1 a52=1']);
  });

  test('who leaves by a changed rule, and who comes in by one, without being seen', async () => {
    const [stays, goes, comes] = [
      await come('c_t=1&c_t=2'),
      await come('c_t=1'),
      await come('c_t=2'),
    ];
    for (const uuid of [stays, goes, comes]) await heard(uuid).toMatch(/=1/);
    await rest('PUT', '/segments/51', segment(51, '2T'));
    await heard(goes).toBe('a51=0');
    await heard(comes).toBe('a51=1 a52=1');
    await rest('PUT', '/segments/51', segment(51, '1T'));
    await heard(goes).toBe('a51=1');
    await heard(comes).toBe('a51=0 a52=1');
    expect(partner.heardOf(stays)).toHaveLength(1);
  });

  test('who has come before a destination was made, and nobody by one that is gone', async () => {
    const uuid = await come('c_t=2');
    await heard(uuid).toBe('a52=1');
    const another = await Partner.start();
    await rest('POST', '/destinations', realtime(802, [52], { endpointUrl: another.url }));
    await expect.poll(() => another.heardOf(uuid)).toEqual(['a52=1']);
    await rest('PUT', '/destinations/802', realtime(802, [], { endpointUrl: another.url }));
    await rest('DELETE', '/destinations/802');
    await come('c_t=1', uuid);
    await heard(uuid).toBe('a51=1 a52=1');
    expect(another.heardOf(uuid)).toEqual(['a52=1']);
    another.close();
  });

  test('that who opts out has left, once', async () => {
    const uuid = await come('c_t=1&c_t=2');
    await heard(uuid).toBe('a51=1 a52=1');
    await fetch(`${server.origin}/demoptout.jpg?d_uuid=${uuid}`);
    await heard(uuid).toBe('a51=0 a52=0');
    await come('c_t=1', uuid);
    await fetch(`${server.origin}/demoptout.jpg?d_uuid=${uuid}`);
    const next = await come('c_t=1');
    await heard(next).toBe('a51=1');
    expect(partner.heardOf(uuid)).toEqual(['a51=1 a52=1', 'a51=0 a52=0']);
  });

  describe('consent', () => {
    const consents = `gdpr=1&gdpr_consent=${tcf({ purposes: [1] })}`;
    const refuses = `gdpr=1&gdpr_consent=${tcf()}`;

    test.each([
      ['consent is withdrawn', refuses, consents],
      ['the visitor objects to sale', 'us_privacy=1YYN', 'us_privacy=1YNN'],
    ])(
      'where %s: partners are told so, once, and of the visitor again when it is given',
      async (_, no, yes) => {
        const uuid = await come(`c_t=1&${yes}`);
        await heard(uuid).toBe('a51=1');
        await come(no, uuid);
        await heard(uuid).toBe('a51=0');
        for (const signals of [no, `c_t=2&${no}`, 'c_t=2']) await come(signals, uuid);
        const next = await come('c_t=1');
        await heard(next).toBe('a51=1');
        expect(partner.heardOf(uuid)).toEqual(['a51=1', 'a51=0']);
        await come(yes, uuid);
        await heard(uuid).toMatch(/^a51=1/);
      },
    );

    test('what was queued before a withdrawal is not told, though the partner was away', async () => {
      const known = await come(`c_t=1&${consents}`);
      await heard(known).toBe('a51=1');
      await waits(801, 0);
      partner.status = 503;
      const unknown = await come(`c_t=1&${consents}`);
      await come('c_t=2', known);
      await waits(801, 2);
      await come(refuses, known);
      await come(refuses, unknown);
      // What was on its way by then is refused, too.
      await pause(1_000);
      partner.status = 200;
      await heard(known).toBe('a51=0 a52=0');
      await heard(unknown).toBe('a51=0');
      expect(partner.heardOf(known)).toEqual(['a51=1', 'a51=0 a52=0']);
      expect(partner.heardOf(unknown)).toEqual(['a51=0']);
    });

    test('by what a destination needs, as soon as that is changed', async () => {
      const another = await Partner.start();
      const destination = realtime(803, [51], { endpointUrl: another.url });
      const toldThere = (uuid: string) => expect.poll(() => another.heardOf(uuid).at(-1));
      await rest('POST', '/destinations', { ...destination, iabVendorId: 11 });
      onTestFinished(async () => {
        await rest('PUT', '/destinations/803', { ...destination, mappings: [] });
        await rest('DELETE', '/destinations/803');
        another.close();
      });
      const [uuid, vendors] = [
        await come(`c_t=1&${consents}`),
        `${tcf({ purposes: [1], vendors: [11] })}`,
      ];
      const told = await come(`c_t=1&gdpr=1&gdpr_consent=${vendors}`);
      await toldThere(told).toBe('a51=1');
      expect(another.heardOf(uuid)).toEqual([]);
      await rest('PUT', '/destinations/803', destination);
      await toldThere(uuid).toBe('a51=1');
      await rest('PUT', '/destinations/803', { ...destination, iabVendorId: 11 });
      await toldThere(uuid).toBe('a51=0');
      await come(`gdpr=1&gdpr_consent=${vendors}`, uuid);
      await toldThere(uuid).toBe('a51=1');
      expect(another.heardOf(told)).toEqual(['a51=1']);
      // What waits is not sent, once the publisher keeps it from the vendor.
      await waits(803, 0);
      another.status = 503;
      const unknown = await come(`c_t=1&gdpr=1&gdpr_consent=${vendors}`);
      await waits(803, 1);
      const restrictions = [[1, FORBID, [[11, 11]]]] as const;
      const restricted = tcf({ purposes: [1], vendors: [11], restrictions });
      // What the first call of each states is kept after its answer, and before that of the second.
      for (const whom of [unknown, told, unknown, told]) {
        await come(`gdpr=1&gdpr_consent=${restricted}`, whom);
      }
      another.status = 200;
      for (const whom of [unknown, told]) await toldThere(whom).toBe('a51=0');
      expect(another.heardOf(unknown)).toEqual(['a51=0']);
    });
  });

  test('while the partner is away it is said what waits, and all arrives when it is back', async () => {
    partner.status = 503;
    const uuids = await Promise.all(Array.from({ length: 30 }, () => come('c_t=1')));
    await expect
      .poll(() => rest('GET', '/deliveries/801'))
      .toMatchObject({ waiting: 30, dead: 0, problem: expect.stringMatching(/503/) });
    partner.status = 200;
    for (const uuid of uuids) await heard(uuid).toBe('a51=1');
    await waits(801, 0);
    expect(await rest('GET', '/deliveries/801')).not.toHaveProperty('problem');
  });

  test('what was answered for is told, though everything is killed at once', async () => {
    for (let round = 0; round < 3; round++) {
      const uuids = await Promise.all(Array.from({ length: 20 }, () => come('c_t=1')));
      await server.stop('SIGKILL');
      server = await start();
      for (const uuid of uuids) await heard(uuid).toBe('a51=1');
    }
  });

  test('what is collected here is delivered by another process', async () => {
    await server.stop();
    server = await start({ ROLE: 'collect' });
    const uuid = await come('c_t=1');
    const deliverer = await start({ ROLE: 'deliver' });
    await heard(uuid).toBe('a51=1');
    const ready = await fetch(`${deliverer.origin}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }]);
    expect((await fetch(`${deliverer.origin}/event?c_t=1`)).status).toBe(404);
    await deliverer.stop('SIGKILL');
    const next = await come('c_t=2');
    const another = await start({ ROLE: 'deliver' });
    await heard(next).toBe('a52=1');
    await another.stop();
    await server.stop();
    server = await start();
  });
});
