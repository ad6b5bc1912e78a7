/**
 * Sending in real time: whatever partners do, everything reaches them, in order for each visitor.
 *
 * Partners are real HTTPS servers.
 */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Profile } from '../../../src/audience/profile.ts';
import type { RealtimeTransfer } from '../../../src/destinations/destination.ts';
import { Sender, type SenderOptions } from '../../../src/outbound/realtime/sender.ts';
import { TrialNote } from '../../../src/outbound/realtime/trial.ts';
import type { Terms } from '../../../src/outbound/terms.ts';
import { RegistryFile } from '../../../src/store/embedded/registry-file.ts';
import { isReadable } from '../../../src/store/outbox.ts';
import { temporaryFolder } from '../../server.ts';
import { ID, serverDestination, serverMapping, termsWith, visitor } from '../destination.ts';
import { MemoryOutbox, OutboxMemory } from '../outbox-memory.ts';
import {
  answers,
  type Behaviour,
  breakOff,
  drip,
  flood,
  garbage,
  hang,
  hangUp,
  ok,
  Partner,
  type Received,
} from '../partner.ts';

const SEGMENTS = [51, 52, 53];
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

let partner: Partner;
let memory: OutboxMemory;
let outbox: MemoryOutbox;
let terms: Terms;
let senders: Sender[];
/** How far the clock is ahead, in milliseconds. */
let ahead: number;
let reported: (string | undefined)[];
let tallied: Record<string, number>;
/** Visitors of whom it was said that they cannot be read. */
let unread: Set<string>;

beforeEach(async () => {
  partner = await new Partner().start();
  memory = new OutboxMemory(() => Date.now() + ahead);
  outbox = new MemoryOutbox(memory);
  senders = [];
  ahead = 0;
  reported = [];
  tallied = {};
  unread = new Set();
  change({});
});
afterEach(async () => {
  await Promise.all(senders.map((sender) => sender.close(0)));
  await partner.die();
});

function change(transfer: Partial<RealtimeTransfer>, active = true): void {
  const destination = serverDestination({ endpointUrl: partner.url, ...transfer }, { active });
  terms = termsWith(
    destination,
    SEGMENTS.map((sid) => serverMapping(destination, sid)),
  );
}

/** Repeats at once, unless chance is given. */
function send(options: Partial<SenderOptions> = {}): Sender {
  const sender = new Sender({
    ...{ id: ID, outbox, terms: () => terms, region: 7, allowPrivate: true, retryHours: 24 },
    ...{ ca: partner.ca, limit: 5_000, random: () => 0, now: () => Date.now() + ahead },
    report: (error) => reported.push((error as Error | undefined)?.message),
    unreadable: (some) => {
      for (const one of some) if (!isReadable(one)) unread.add(one.deviceId);
    },
    tally: (what, sid) => {
      tallied[`${what} ${sid}`] = (tallied[`${what} ${sid}`] ?? 0) + 1;
    },
    ...options,
  });
  senders.push(sender);
  sender.start();
  return sender;
}

/** In whole seconds: what happened is queued at once. */
let second = Math.floor(Date.now() / 1_000);

/** A visitor enters (51) and leaves (-51) segments. */
async function moves(deviceId: string, ...sids: number[]): Promise<void> {
  const at = ++second * 1_000;
  const after = new Map(memory.told.get(deviceId)?.get(ID));
  const own = sids.map((sid) => ({ sid: Math.abs(sid), isMember: sid > 0, at }));
  for (const { sid, isMember } of own) {
    if (isMember) after.set(sid, at);
    else after.delete(sid);
  }
  await outbox.settle({ candidates: [] }, [
    {
      deviceId,
      told: after.size > 0 ? new Map([[ID, after]]) : new Map(),
      moves: new Map([[ID, own]]),
      next: undefined,
    },
  ]);
}

const visitors = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => String(from + i));

async function everybodyMoves(from: number, to: number): Promise<void> {
  await Promise.all(visitors(from, to).map((deviceId) => moves(deviceId, 51)));
}

interface Segment {
  readonly Segment_ID: string;
  readonly Status: string;
  readonly DateTime: string;
}
interface User {
  readonly AAM_UUID: string;
  readonly Segments: readonly Segment[];
}
const usersOf = ({ body }: Pick<Received, 'body'>): User[] => JSON.parse(body).Users;
const namesOf = (message: Received) => usersOf(message).map(({ AAM_UUID }) => AAM_UUID);
const keyOf = ({ headers }: Received) => String(headers['idempotency-key']);

/** What the partner took, in messages as `7: 51+ 52-`. */
const arrived = () =>
  partner.received
    .filter(({ behaviour }) => behaviour === ok)
    .flatMap(usersOf)
    .map(
      ({ AAM_UUID, Segments }) =>
        `${AAM_UUID}:${Segments.map((s) => ` ${s.Segment_ID.slice(1)}${s.Status === '1' ? '+' : '-'}`).join('')}`,
    );

const waiting = async () => (await new MemoryOutbox(memory).queues())[0]?.waiting ?? 0;
const nothingWaits = () => expect.poll(waiting).toBe(0);
const letters = () => new MemoryOutbox(memory).dead(ID, 10_000);

/** Gives time to what must not happen. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 150));

describe('a message', () => {
  it('has what happened, all other segments, and whom the partner knows', async () => {
    memory.keep('7', visitor({ partnerId: 'them' }));
    await moves('7', 51, 52);
    await moves('7', -51, 53);
    send();
    await nothingWaits();
    const [first, next] = partner.received.map(({ body }) => JSON.parse(body));
    expect(first).toMatchObject({ AAM_Destination_Id: String(ID), User_count: '1' });
    expect(first.Users[0]).toMatchObject({
      ...{ AAM_UUID: '7', DataPartner_UUID: 'them', AAM_Regions: ['7'] },
    });
    expect(arrived()).toEqual(['7: 51+ 52+ 53+', '7: 51- 53+ 52+']);
    expect(next.Users[0].Segments[0].DateTime).toMatch(
      /^\w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}$/,
    );
  });

  it('has ten users at most, each once', async () => {
    await everybodyMoves(0, 25);
    await moves('3', 52);
    send();
    await nothingWaits();
    const sizes = partner.received.map((message) => namesOf(message).length);
    expect(sizes.sort()).toEqual([1, 10, 10, 5]);
    for (const message of partner.received) {
      expect(new Set(namesOf(message)).size).toBe(namesOf(message).length);
    }
  });

  it.each([
    ['sha1', ['one key']],
    ['sha256', ['old key', 'new key']],
  ] as const)('is signed with %s, by each key of %j', async (algorithm, keys) => {
    change({ signature: { header: 'X-Signature', algorithm, keys } });
    await moves('7', 51);
    send();
    await nothingWaits();
    const [{ lines, body }] = partner.received;
    expect(lines('X-Signature')).toEqual(
      keys.map((key) => createHmac(algorithm, key).update(body).digest('base64')),
    );
  });

  it('carries a token, where the partner wants one', async () => {
    change({
      oauth: {
        tokenUrl: partner.url.replace('/in?a=1', '/token'),
        ...{ clientId: 'us', clientSecret: 'secret' },
      },
    });
    partner.behaviour = (response, { url, headers }) => {
      if (url === '/token') response.end('{"access_token":"t","expires_in":3600}');
      else answers(headers.authorization === 'Bearer t' ? 200 : 401)(response, {} as Received);
    };
    await everybodyMoves(0, 30);
    send();
    await nothingWaits();
    expect(partner.received.filter(({ url }) => url === '/token')).toHaveLength(1);
  });

  it('that comes while others are sent goes out, too, at once where the sender is told', async () => {
    const sender = send();
    for (let i = 0; i < 5; i++) {
      await moves(String(i), 51);
      sender.wake();
      await nothingWaits();
    }
    await moves('9', 51);
    await nothingWaits();
    expect(arrived()).toHaveLength(6);
  });
});

describe('whatever a partner does first, everything arrives, under the same id', () => {
  it.each<[string, Behaviour]>([
    ['500', answers(500)],
    ['500 without end', flood(500)],
    ['201', answers(201)],
    ['429', answers(429, { 'Retry-After': '0' })],
    ['503 until a date', answers(503, { 'Retry-After': new Date().toUTCString() })],
    ['silence', hang],
    ['a closed connection', hangUp],
    ['half an answer', breakOff],
    ['an answer without end', drip],
    ['a redirect', answers(308, { Location: '/elsewhere' })],
    ['no token taken', answers(401)],
  ])('%s', async (_, behaviour) => {
    partner.next.push(...Array(7).fill(behaviour));
    await everybodyMoves(0, 20);
    send({ limit: 300 });
    await nothingWaits();
    expect([...new Set(arrived())].sort()).toEqual(
      visitors(0, 20)
        .map((id) => `${id}: 51+`)
        .sort(),
    );
    const failed = partner.received.filter((message) => message.behaviour !== ok);
    expect(failed).toHaveLength(7);
    for (const message of failed) {
      const again = partner.received.find((m) => m.behaviour === ok && keyOf(m) === keyOf(message));
      expect(again && namesOf(again)).toEqual(namesOf(message));
    }
    expect(await letters()).toEqual([]);
  });

  it('200 with garbage is 200', async () => {
    partner.behaviour = garbage;
    await everybodyMoves(0, 5);
    send();
    await nothingWaits();
    expect(partner.received).toHaveLength(1);
  });

  it('death, and a new life', async () => {
    await everybodyMoves(0, 30);
    await partner.die();
    send();
    await expect.poll(() => reported).toHaveLength(1);
    expect(reported[0]).toContain('does not listen');
    await partner.start();
    await nothingWaits();
    expect(arrived()).toHaveLength(30);
    expect(reported).toHaveLength(2);
    expect(reported[1]).toBeUndefined();
  });
});

describe('a partner that fails', () => {
  it('is left alone after some failures in a row, but for one probe at a time', async () => {
    const start = Date.now();
    partner.behaviour = answers(500);
    await everybodyMoves(0, 300);
    send({ now: () => start + ahead, random: () => 1 });
    await expect.poll(() => reported).toEqual([expect.stringContaining('answered 500')]);
    await aWhile();
    const before = partner.received.length;
    // Those that were under way when the fifth failed.
    expect(before).toBeLessThan(5 + 8);
    ahead = 999;
    await aWhile();
    expect(partner.received).toHaveLength(before);
    for (const [i, pause] of [1_000, 2_000, 4_000].entries()) {
      ahead += i === 0 ? 1 : pause;
      await expect.poll(() => partner.received).toHaveLength(before + i + 1);
      await aWhile();
      expect(partner.received).toHaveLength(before + i + 1);
    }
    partner.behaviour = ok;
    ahead += 8_000;
    await expect.poll(() => reported).toHaveLength(2);
    // It is back: no time has to pass for those that had failed.
    await nothingWaits();
  });

  it('is given the time that it asks for', async () => {
    const start = Date.now();
    partner.next.push(answers(429, { 'Retry-After': '100' }));
    await moves('7', 51);
    const sender = send({ now: () => start + ahead });
    await expect.poll(() => partner.received).toHaveLength(1);
    await moves('8', 51);
    sender.wake();
    ahead = 99_000;
    await aWhile();
    expect(partner.received).toHaveLength(1);
    expect(reported).toEqual([expect.stringContaining('answered 429')]);
    ahead = 101_000;
    await nothingWaits();
    expect(arrived().sort()).toEqual(['7: 51+', '8: 51+']);
    expect(reported).toEqual([expect.any(String), undefined]);
  });

  it('is tried at once where somebody wants it, whatever it asked for: by whoever sends', async () => {
    const start = Date.now();
    partner.behaviour = answers(503, { 'Retry-After': '3600' });
    await everybodyMoves(0, 20);
    const options = { now: () => start + ahead, random: () => 1 };
    const sender = send(options);
    const other = send(options);
    await expect.poll(() => partner.received.length).toBeGreaterThan(0);
    await aWhile();
    partner.behaviour = ok;
    expect([sender.probe(), other.probe()].sort()).toEqual([false, true]);
    await nothingWaits();
    expect(arrived()).toHaveLength(20);
  });

  it('and what it had under way then keeps nobody from it', async () => {
    const start = Date.now();
    let answer = () => {};
    partner.next.push((response, received) => {
      answer = () => answers(503, { 'Retry-After': '3600' })(response, received);
    });
    await moves('7', 51);
    const sender = send({ now: () => start + ahead, random: () => 1 });
    await expect.poll(() => partner.received).toHaveLength(1);
    sender.probe();
    answer();
    await nothingWaits();
    expect(arrived()).toEqual(['7: 51+']);
    expect(reported).toEqual([]);
  });

  it('costs no memory: the rest stays in the queue', async () => {
    partner.behaviour = answers(500);
    await everybodyMoves(0, 3_000);
    send();
    await expect.poll(() => partner.received.length).toBeGreaterThan(20);
    const { unread, read, sealed } = memory.queue(ID);
    expect(unread.length).toBeGreaterThanOrEqual(2_000);
    expect(unread.length + read.length + sealed.flatMap((m) => m.entries).length).toBe(3_000);
    partner.behaviour = ok;
    await nothingWaits();
    expect(new Set(arrived()).size).toBe(3_000);
  });

  it('is given up on after a day, with the reason, and not before', async () => {
    partner.behaviour = answers(503);
    await everybodyMoves(0, 25);
    send({ random: Math.random });
    await expect.poll(() => reported).toHaveLength(1);
    await moves('99', 51);
    ahead = 23.9 * HOUR_MS;
    await expect.poll(() => partner.received.length).toBeGreaterThan(8);
    expect(await letters()).toEqual([]);
    ahead = 24.1 * HOUR_MS;
    await nothingWaits();
    const dead = await letters();
    expect(dead.flatMap(({ entries }) => entries)).toHaveLength(26);
    for (const { problem, at } of dead) {
      expect(problem).toBe(`127.0.0.1:${partner.port} answered 503`);
      expect(at).toBeGreaterThan(Date.now() + 24 * HOUR_MS);
    }
    expect(tallied).toEqual({ 'failed 0': dead.length, 'failed 51': 26 });
    partner.behaviour = ok;
    await outbox.replay(ID, { until: Number.MAX_SAFE_INTEGER, limit: 1_000 });
    ahead += HOUR_MS;
    await nothingWaits();
    expect(arrived()).toHaveLength(26);
  });

  it.each<[string, number, () => Promise<void>]>([
    [
      'nobody delivered for two days',
      0,
      async () => {
        ahead = 48 * HOUR_MS;
        send({ random: Math.random });
      },
    ],
    [
      'the destination was switched off for two days',
      0,
      async () => {
        change({}, false);
        send({ random: Math.random });
        await expect.poll(() => memory.leases.size).toBe(1);
        await aWhile();
        ahead = 48 * HOUR_MS;
        await aWhile();
        change({});
      },
    ],
    [
      'there was so much else to send for two days',
      // Had its one try, before it was seen that the partner is away.
      40,
      async () => {
        partner.behaviour = hang;
        send({ random: Math.random, concurrency: 1, limit: 60_000 });
        await expect.poll(() => partner.received).toHaveLength(1);
        ahead = 48 * HOUR_MS;
        partner.behaviour = answers(503);
        await partner.die();
        await partner.start();
      },
    ],
  ])('is tried for a day, though %s', async (_, tried, away) => {
    partner.behaviour = answers(503);
    await everybodyMoves(0, 200);
    await away();
    await expect.poll(() => reported).toHaveLength(1);
    ahead += 23 * HOUR_MS;
    const { length } = partner.received;
    await expect.poll(() => partner.received.length).toBeGreaterThan(length + 1);
    expect((await letters()).flatMap(({ entries }) => entries).length).toBeLessThanOrEqual(tried);
    expect(await waiting()).toBeGreaterThanOrEqual(200 - tried);
    ahead += 1.1 * HOUR_MS;
    await nothingWaits();
    expect((await letters()).flatMap(({ entries }) => entries)).toHaveLength(200);
    expect(arrived()).toEqual([]);
  });

  describe('tried by processes of which none lives for a day', () => {
    let registry: RegistryFile;
    beforeEach(() => {
      registry = new RegistryFile(temporaryFolder());
    });
    afterEach(() => registry.close());

    /** A process that tries for some hours. */
    const tries = async (hours: number) => {
      const trial = new TrialNote(registry, ID);
      const sender = send({ trial });
      const again = partner.received.length + 10;
      await expect.poll(() => partner.received.length).toBeGreaterThan(again);
      expect(await buried()).toBe(0);
      ahead += hours * HOUR_MS;
      const advanced = Date.now() + ahead;
      await expect
        .poll(async () => (await trial.read(advanced))?.at)
        .toBeGreaterThanOrEqual(advanced - MINUTE_MS);
      return sender;
    };
    const buried = async () => (await letters()).flatMap(({ entries }) => entries).length;
    const refuses: Behaviour = (response, received) => {
      const isRefused = usersOf(received).some(({ AAM_UUID }) => AAM_UUID === '3');
      response.writeHead(isRefused ? 400 : 200).end();
    };

    it.each([
      ['who is away', answers(503), 20],
      ['who does not want somebody', refuses, 1],
    ])('is given up on after a day: a partner %s', async (_, behaviour, count) => {
      partner.behaviour = behaviour;
      await everybodyMoves(0, 20);
      for (const hours of [8, 8, 7.8]) await (await tries(hours)).close(0);
      await tries(0.1);
      expect(await buried()).toBe(0);
      ahead += 0.2 * HOUR_MS;
      await nothingWaits();
      expect(await buried()).toBe(count);
    });

    it('is written down seldom, though the partner fails time and again', async () => {
      let calls = 0;
      const put = vi.spyOn(registry, 'put');
      partner.behaviour = (response) => response.writeHead(++calls % 2 ? 503 : 200).end();
      await everybodyMoves(0, 500);
      send({ trial: new TrialNote(registry, ID) });
      await nothingWaits();
      expect(calls).toBeGreaterThanOrEqual(99);
      expect(put.mock.calls.length).toBeGreaterThan(0);
      expect(put.mock.calls.length).toBeLessThan(10);
    });

    it('is given up on a day later, where nobody tried in between', async () => {
      partner.behaviour = answers(503);
      await everybodyMoves(0, 20);
      await (await tries(20)).close(0);
      ahead += 5 * HOUR_MS;
      await (await tries(20)).close(0);
      await tries(3.8);
      expect(await buried()).toBe(0);
      ahead += 0.3 * HOUR_MS;
      await nothingWaits();
      expect(await buried()).toBe(20);
    });
  });

  it('gets one try even of what is older than a day', async () => {
    await everybodyMoves(0, 3);
    ahead = 48 * HOUR_MS;
    send();
    await nothingWaits();
    expect(arrived()).toHaveLength(3);
  });
});

describe('a user whom the partner does not take', () => {
  const refusing =
    (status: number, ...bad: string[]): Behaviour =>
    (response, received) => {
      const isBad = usersOf(received).some(({ AAM_UUID }) => bad.includes(AAM_UUID));
      response.writeHead(isBad ? status : 200).end();
    };
  const taken = (...bad: string[]) =>
    partner.received.map(namesOf).filter((names) => !names.some((name) => bad.includes(name)));

  it.each([400, 413, 422])('keeps nobody else: %s', async (status) => {
    partner.behaviour = refusing(status, '3');
    await everybodyMoves(0, 10);
    await moves('3', 52);
    await everybodyMoves(10, 20);
    send();
    await expect.poll(waiting).toBe(2);
    expect(taken('3').flat().sort()).toEqual(
      visitors(0, 20)
        .filter((id) => id !== '3')
        .sort(),
    );
    // What came later of the same visitor waits, whoever goes on.
    const own = partner.received.filter((message) => namesOf(message).includes('3'));
    await expect.poll(() => own.length).toBeGreaterThan(0);
    for (const { body } of own) expect(body).toContain('s51');
    ahead = 25 * HOUR_MS;
    await nothingWaits();
    expect(await letters()).toMatchObject([
      { problem: expect.stringContaining(`answered ${status}`), entries: [{ deviceId: '3' }] },
      { entries: [{ deviceId: '3' }] },
    ]);
    expect(reported).toEqual([]);
  });

  it.each([400, 413, 422])(
    'is said where the partner takes nobody else, either: %s',
    async (status) => {
      partner.behaviour = refusing(status, '3');
      await moves('3', 51);
      const sender = send();
      await expect.poll(() => reported).toEqual([expect.stringContaining(`answered ${status}`)]);
      await moves('4', 51);
      sender.wake();
      await expect.poll(() => reported).toEqual([expect.any(String), undefined]);
      await expect.poll(waiting).toBe(1);
    },
  );

  it('keeps its pause when the partner, which was away, takes others again', async () => {
    const start = Date.now();
    partner.behaviour = refusing(400, '3');
    await moves('3', 51);
    const sender = send({ now: () => start + ahead, random: () => 1 });
    const tries = () => partner.received.filter((m) => namesOf(m).includes('3')).length;
    await expect.poll(tries).toBe(1);
    await aWhile();
    partner.behaviour = answers(500);
    await everybodyMoves(10, 80);
    sender.wake();
    await expect.poll(() => reported).toEqual([expect.stringContaining('answered 500')]);
    await aWhile();
    partner.behaviour = refusing(400, '3');
    sender.probe();
    await expect.poll(waiting).toBe(1);
    await aWhile();
    // At first, and when somebody wanted it.
    expect(tries()).toBe(2);
  });

  it('has an id of its own from then on', async () => {
    partner.behaviour = refusing(400, '3');
    await everybodyMoves(0, 10);
    send({ random: () => 0.01 });
    await expect
      .poll(() => partner.received.filter((m) => namesOf(m).join() === '3').length)
      .toBeGreaterThan(2);
    const [whole, ...parts] = partner.received;
    expect(parts.map(keyOf)).not.toContain(keyOf(whole));
    expect(new Set(parts.map(keyOf)).size).toBe(10);
    expect(new Set(parts.filter((m) => namesOf(m).join() === '3').map(keyOf)).size).toBe(1);
  });

  it('leaves nothing in the outbox of the message that they were part of', async () => {
    partner.behaviour = refusing(400, '3');
    await everybodyMoves(0, 20);
    send({ random: () => 0.01 });
    await expect.poll(waiting).toBe(1);
    const { names, sealed } = memory.queue(ID);
    await expect.poll(() => [...names]).toEqual(sealed.map(({ message }) => message));
  });

  it('and keeps that id, whoever sends', async () => {
    partner.behaviour = refusing(400, '3');
    await everybodyMoves(0, 10);
    send({ random: () => 0.01 });
    const alone = () => partner.received.filter((m) => namesOf(m).join() === '3');
    await expect.poll(() => alone().length).toBeGreaterThan(0);
    await expect.poll(waiting).toBe(1);
    await outbox.close();
    partner.behaviour = ok;
    send({ outbox: new MemoryOutbox(memory) });
    await nothingWaits();
    expect(new Set(alone().map(keyOf)).size).toBe(1);
  });

  it('is not given up early where the partner takes nobody', async () => {
    partner.behaviour = answers(400);
    await everybodyMoves(0, 120);
    send({ maxHeld: 100, random: () => 0.001 });
    await expect.poll(() => partner.received.length).toBeGreaterThan(600);
    expect(await letters()).toEqual([]);
    partner.behaviour = ok;
    await nothingWaits();
    expect(new Set(arrived()).size).toBe(120);
  });

  it('takes no room from others, however many they are', async () => {
    const all = visitors(0, 300);
    const bad = all.filter((_, i) => i % 10 !== 0);
    partner.behaviour = refusing(400, ...bad);
    await everybodyMoves(0, 300);
    send({ maxHeld: 100, random: () => 0.001 });
    await expect.poll(() => new Set(taken(...bad).flat()).size).toBe(30);
    for (const { problem } of await letters()) expect(problem).toContain('answered 400');
  });

  it.each([
    ['31 visitors with two changes more', 31, 2],
    ['one visitor with very many', 1, 150],
  ])('nor does what waits behind it: %s', async (_, count, changes) => {
    const bad = visitors(0, count);
    partner.behaviour = refusing(400, ...bad);
    // The partner takes others meanwhile.
    await everybodyMoves(0, count + 9);
    for (let i = 0; i < changes; i++) for (const id of bad) await moves(id, i % 2 === 0 ? -51 : 51);
    await everybodyMoves(1_000, 1_030);
    send({ maxHeld: 100, random: () => 0.001 });
    await expect.poll(() => new Set(taken(...bad).flat()).size).toBe(9 + 30);
    // Nothing is lost, and nothing given up without the reason.
    const dead = await letters();
    for (const { problem } of dead) expect(problem).toContain('answered 400');
    const { read, sealed } = memory.queue(ID);
    const kept = [...dead.flatMap((m) => m.entries), ...sealed.flatMap((m) => m.entries), ...read];
    for (const id of bad) {
      const own = kept.filter(({ deviceId }) => deviceId === id).map((entry) => entry.moves[0].at);
      expect(own).toHaveLength(1 + changes);
      expect(new Set(own).size).toBe(1 + changes);
    }
  });
});

describe('a visitor who cannot be read', () => {
  it('keeps nobody else, and is told of when they can be', async () => {
    await everybodyMoves(0, 25);
    await moves('3', 52);
    memory.unreadable.add('3');
    memory.unreadable.add('0');
    send({ random: () => 0.01 });
    await expect.poll(() => arrived().length).toBe(23);
    expect([...unread].sort()).toEqual(['0', '3']);
    expect(reported).toEqual([]);
    await expect.poll(waiting).toBe(3);
    await expect.poll(() => memory.queue(ID).names.size).toBe(2);
    memory.unreadable.clear();
    await nothingWaits();
    const all = arrived();
    expect(all.filter((line) => line.startsWith('3:'))).toEqual(['3: 51+ 52+', '3: 52+ 51+']);
    expect(all).toHaveLength(26);
    expect(await letters()).toEqual([]);
  });

  it('goes on under an id of its own, the others under the one that they had', async () => {
    partner.next.push(answers(500));
    await everybodyMoves(0, 10);
    send({ random: () => 0.02 });
    await expect.poll(() => partner.received).toHaveLength(1);
    memory.unreadable.add('0');
    await expect.poll(() => partner.received).toHaveLength(2);
    await expect.poll(waiting).toBe(1);
    const [first, second] = partner.received;
    expect(keyOf(second)).toBe(keyOf(first));
    expect(namesOf(second)).toEqual(visitors(1, 10));
    await outbox.close();
    memory.unreadable.clear();
    send({ outbox: new MemoryOutbox(memory) });
    await nothingWaits();
    expect(namesOf(partner.received[2])).toEqual(['0']);
    expect(keyOf(partner.received[2])).not.toBe(keyOf(first));
  });

  it('becomes a dead letter that says why, when it has waited for too long', async () => {
    await moves('3', 51);
    memory.unreadable.add('3');
    send({ random: () => 0.01 });
    await expect.poll(() => unread.size).toBe(1);
    expect(await letters()).toEqual([]);
    ahead = 25 * HOUR_MS;
    await nothingWaits();
    expect(await letters()).toMatchObject([
      { problem: expect.stringContaining('visitor 3'), entries: [{ deviceId: '3' }] },
    ]);
    expect(partner.received).toEqual([]);
  });

  it('takes no room from others, however many they are', async () => {
    for (const id of visitors(0, 300)) if (Number(id) % 10 !== 0) memory.unreadable.add(id);
    await everybodyMoves(0, 300);
    send({ maxHeld: 100, random: () => 0.001 });
    await expect.poll(() => new Set(arrived()).size).toBe(30);
  });

  it('leaves nothing of a message of which nobody can be read', async () => {
    await everybodyMoves(0, 10);
    for (const id of visitors(0, 10)) memory.unreadable.add(id);
    send({ random: () => 0.01 });
    await expect.poll(() => memory.queue(ID).sealed.length).toBe(10);
    await expect.poll(() => memory.queue(ID).names.size).toBe(10);
  });
});

describe('what holds at sending', () => {
  it('who opted out after it was queued is heard of no more, but that they have left', async () => {
    await moves('7', 51);
    await moves('7', -51);
    await moves('8', 51);
    memory.keep('7', visitor({ optOut: true }));
    memory.keep('8', visitor({ optOut: true }));
    send();
    await nothingWaits();
    expect(arrived()).toEqual(['7: 51-']);
    expect(tallied).toEqual({ 'delivered 0': 1, 'delivered 51': 1 });
  });

  it('of which nothing is left for a probe, the next one goes', async () => {
    partner.behaviour = answers(500);
    await everybodyMoves(0, 30);
    send({ random: () => 0.05 });
    await expect.poll(() => reported).toHaveLength(1);
    for (const id of visitors(0, 30)) memory.keep(id, visitor({ optOut: true }));
    await nothingWaits();
    expect(arrived()).toEqual([]);
  });

  describe('as of after the token has been asked for:', () => {
    let asked: number;
    /** Who has opted out while the answer was under way. */
    const optsOut = () => memory.keep('7', visitor({ optOut: true }));
    const messages = () => partner.received.filter(({ url }) => url !== '/token');
    beforeEach(() => {
      asked = 0;
      change({
        oauth: {
          tokenUrl: partner.url.replace('/in?a=1', '/token'),
          ...{ clientId: 'us', clientSecret: 'secret' },
        },
      });
    });
    /** Tokens are t1, t2 and so on; `status` is what a message is answered. */
    const behave = (token: () => void, status: (bearer: string) => number) => {
      partner.behaviour = (response, { url, headers }) => {
        if (url !== '/token') return response.writeHead(status(`${headers.authorization}`)).end();
        asked++;
        token();
        return response.end(JSON.stringify({ access_token: `t${asked}`, expires_in: 3_600 }));
      };
    };

    it('who opts out while the first is', async () => {
      behave(optsOut, () => 200);
      await moves('7', 51);
      send();
      await nothingWaits();
      expect([asked, messages()]).toEqual([1, []]);
    });

    it('who opts out while an expired one is replaced', async () => {
      behave(
        () => asked === 2 && optsOut(),
        (bearer) => (bearer === 'Bearer t1' && messages().length > 1 ? 401 : 200),
      );
      await moves('1', 51);
      const sender = send();
      await nothingWaits();
      await moves('7', 51);
      sender.wake();
      await nothingWaits();
      expect(asked).toBe(2);
      expect(messages().map(namesOf)).toEqual([['1'], ['7']]);
      expect(tallied).toEqual({ 'delivered 0': 1, 'delivered 51': 1 });
    });

    it('nobody has failed whose token has expired: it goes out with the new one, under its id', async () => {
      let isOver = false;
      behave(
        () => {},
        (bearer) => (isOver && bearer === 'Bearer t1' ? 401 : 200),
      );
      await moves('1', 51);
      const sender = send({ random: () => 1 });
      await nothingWaits();
      isOver = true;
      await everybodyMoves(100, 180);
      sender.wake();
      await nothingWaits();
      expect(asked).toBe(2);
      expect(reported).toEqual([]);
      const refused = messages()
        .filter(({ headers }) => headers.authorization === 'Bearer t1')
        .slice(1);
      expect(refused.length).toBeGreaterThan(4);
      const again = messages().filter(({ headers }) => headers.authorization === 'Bearer t2');
      expect(again.map(keyOf)).toEqual(expect.arrayContaining(refused.map(keyOf)));
    });

    it('a partner that takes no token is one that fails', async () => {
      behave(
        () => {},
        () => 401,
      );
      await everybodyMoves(0, 100);
      send({ random: () => 1 });
      await expect.poll(() => reported).toEqual([expect.stringContaining('answered 401')]);
      expect(messages().length).toBeLessThan(5 + 8);
    });
  });

  it('and each repetition is composed anew', async () => {
    partner.next.push(answers(500));
    let profile: Profile = visitor();
    memory.keep('7', profile);
    await moves('7', 51);
    send({ random: () => 0.5 });
    await expect.poll(() => partner.received).toHaveLength(1);
    profile = visitor({ optOut: true });
    memory.keep('7', profile);
    await nothingWaits();
    expect(partner.received).toHaveLength(1);
  });

  it('a destination that is switched off is not sent to, nor given up', async () => {
    change({}, false);
    await moves('7', 51);
    send();
    ahead = 48 * HOUR_MS;
    await aWhile();
    expect(partner.received).toEqual([]);
    change({});
    await nothingWaits();
    expect(arrived()).toEqual(['7: 51+']);
  });

  it('a changed address is the one', async () => {
    const away = partner.url;
    await partner.die();
    const other = await new Partner().start();
    await moves('7', 51);
    send();
    await expect.poll(() => reported).toHaveLength(1);
    change({ endpointUrl: other.url });
    await nothingWaits();
    expect(other.received.map(namesOf)).toEqual([['7']]);
    expect(away).not.toBe(other.url);
    await other.die();
  });
});

describe('what a destination that got files has left of a run', () => {
  it.each([
    ['small', [3, 1, 2]],
    ['large', [12, 11]],
    ['large, then small', [12, 2]],
  ])('arrives in order, as messages do: parts that are %s', async (_, sizes) => {
    for (const [i, size] of sizes.entries()) {
      await everybodyMoves(100 * i, 100 * i + size - 1);
      // The same visitor in each part.
      await moves('7000', i % 2 === 0 ? 51 : -51);
      const entries = await outbox.read(ID, size);
      await outbox.seal(ID, { message: `run-1700000000000-${i + 1}`, entries });
    }
    await moves('7000', 52);
    await moves('7000', 53);
    send();
    await nothingWaits();
    const own = partner.received.filter((message) => namesOf(message).includes('7000'));
    const first = own.map((message) => {
      const [segment] = usersOf(message).find((user) => user.AAM_UUID === '7000')?.Segments ?? [];
      return `${segment.Segment_ID} ${segment.Status}`;
    });
    const parts = sizes.map((__, i) => `s51 ${i % 2 === 0 ? 1 : 0}`);
    expect(first).toEqual([...parts, 's52 1', 's53 1']);
    for (const message of partner.received) {
      expect(new Set(namesOf(message)).size).toBe(namesOf(message).length);
      expect(keyOf(message)).not.toMatch(/^run-/);
    }
  });

  it('of which a part has the same visitor twice goes out in two messages', async () => {
    await moves('7', 51);
    await moves('7', -51);
    await outbox.seal(ID, { message: 'run-1700000000000-1', entries: await outbox.read(ID, 2) });
    send();
    await nothingWaits();
    expect(partner.received.map(namesOf)).toEqual([['7'], ['7']]);
    expect(arrived()).toEqual(['7: 51+', '7: 51-']);
  });
});

describe('several processes', () => {
  it.each([1, 2, 8])('messages under way at the same time: %s', async (concurrency) => {
    partner.behaviour = (response) => setTimeout(() => response.end(), 30);
    await everybodyMoves(0, 200);
    send({ concurrency });
    await nothingWaits();
    expect(partner.crowd).toBe(concurrency);
  });

  it('one of them sends; where it ends, the next takes over', async () => {
    const first = send();
    await expect.poll(() => memory.leases.size).toBe(1);
    send({ outbox: new MemoryOutbox(memory), now: Date.now });
    await everybodyMoves(0, 50);
    first.wake();
    await nothingWaits();
    expect(partner.received).toHaveLength(5);
    await first.close(1_000);
    await moves('99', 51);
    await nothingWaits();
    expect(partner.received).toHaveLength(6);
  });

  it('one that is killed leaves its messages to the next, as they are', async () => {
    partner.behaviour = hang;
    await everybodyMoves(0, 100);
    send();
    await expect.poll(() => partner.received.length).toBeGreaterThanOrEqual(8);
    await outbox.close();
    const before = [...partner.received];
    partner.behaviour = ok;
    send({ outbox: new MemoryOutbox(memory) });
    await nothingWaits();
    for (const message of before) {
      const again = partner.received.find((m) => m.behaviour === ok && keyOf(m) === keyOf(message));
      expect(again && namesOf(again)).toEqual(namesOf(message));
    }
    expect(arrived()).toHaveLength(100);
  });

  it('one that has not ended yet, as another one is made for the same, takes nothing from it', async () => {
    partner.behaviour = hang;
    await moves('7', 51);
    const first = send({ limit: 60_000 });
    await expect.poll(() => partner.received).toHaveLength(1);
    const closing = first.close(100);
    partner.behaviour = ok;
    send();
    await closing;
    await nothingWaits();
    expect(partner.received).toHaveLength(2);
    expect(memory.leases.has(`queue:${ID}`)).toBe(true);
  });

  it('one that has lost the queue sends nothing more', async () => {
    partner.behaviour = answers(500);
    await everybodyMoves(0, 50);
    send({ lease: 300, random: () => 0.01 });
    await expect.poll(() => partner.received.length).toBeGreaterThan(20);
    memory.leases.set(`queue:${ID}`, { holder: 'another', until: Date.now() + 60_000 });
    // At most one renewal later.
    await new Promise((resolve) => setTimeout(resolve, 400));
    const { length } = partner.received;
    partner.behaviour = ok;
    await aWhile();
    expect(partner.received).toHaveLength(length);
    memory.leases.clear();
    await nothingWaits();
    expect(arrived()).toHaveLength(50);
  });

  it('where the store fails for a while, it goes on after it', async () => {
    partner.behaviour = (response) => setTimeout(() => response.end(), 20);
    await everybodyMoves(0, 300);
    send();
    await expect.poll(() => partner.received.length).toBeGreaterThan(4);
    outbox.problem = 'away for a while';
    await expect.poll(() => reported).toEqual(['away for a while']);
    outbox.problem = undefined;
    await nothingWaits();
    expect(reported).toEqual(['away for a while', undefined]);
    expect(new Set(partner.received.flatMap(namesOf)).size).toBe(300);
  });
});

describe('at the end', () => {
  it('what is under way is let finish, and nothing more is started', async () => {
    partner.behaviour = (response) => setTimeout(() => response.end(), 100);
    await everybodyMoves(0, 100);
    const sender = send({ concurrency: 2 });
    await expect.poll(() => partner.received).toHaveLength(2);
    await sender.close(5_000);
    expect(partner.received).toHaveLength(2);
    expect(await waiting()).toBe(80);
    expect(memory.leases.size).toBe(0);
  });

  it('what takes too long is broken off, and sent by the next under the same id', async () => {
    partner.behaviour = hang;
    await moves('7', 51);
    const sender = send({ limit: 60_000 });
    await expect.poll(() => partner.received).toHaveLength(1);
    await sender.close(50);
    expect(memory.leases.size).toBe(0);
    partner.behaviour = ok;
    send();
    await nothingWaits();
    expect(keyOf(partner.received[1])).toBe(keyOf(partner.received[0]));
  });
});

it('whatever partners and processes do, every move arrives, in order, and the end is what was told', async () => {
  const behaviours: Record<string, Behaviour> = {
    ...{ ok, garbage, hang, hangUp, breakOff, drip },
    ...{ flood: flood(200), failing: answers(500), busy: answers(429, { 'Retry-After': '0' }) },
    refusing: answers(400),
  };
  const step = fc.record({
    visitor: fc.constantFrom('1', '2', '3', '4', '5'),
    sids: fc.uniqueArray(fc.constantFrom(...SEGMENTS), { minLength: 1 }),
    killed: fc.nat(9).map((n) => n === 0),
    pause: fc.nat(3),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.array(fc.constantFrom(...Object.keys(behaviours)), { maxLength: 30 }),
      async (steps, names) => {
        memory = new OutboxMemory(() => Date.now() + ahead);
        outbox = new MemoryOutbox(memory);
        partner.received.length = 0;
        partner.next.splice(0, Number.POSITIVE_INFINITY, ...names.map((name) => behaviours[name]));
        let sender = send({ limit: 60 });
        const made: { visitor: string; sid: number; what: string }[] = [];
        for (const { visitor: deviceId, sids, killed, pause } of steps) {
          const told = memory.told.get(deviceId)?.get(ID);
          await moves(deviceId, ...sids.map((sid) => (told?.has(sid) ? -sid : sid)));
          const { moves: own } = memory.queue(ID).unread.at(-1) ?? { moves: [] };
          for (const { sid, isMember, at } of own) {
            made.push({ visitor: deviceId, sid, what: `s${sid} ${+isMember} ${at}` });
          }
          sender.wake();
          for (let i = 0; i < pause * 5; i++) await new Promise(setImmediate);
          if (!killed) continue;
          await outbox.close();
          const { close } = sender;
          await close.call(sender, 0);
          outbox = new MemoryOutbox(memory);
          sender = send({ outbox, limit: 60 });
        }
        await nothingWaits();
        await sender.close(1_000);
        expect(await letters()).toEqual([]);

        const took = partner.received.filter(({ behaviour }) => behaviour !== behaviours.refusing);
        const heard = took.flatMap((message, when) =>
          usersOf(message).flatMap(({ AAM_UUID, Segments }) =>
            Segments.map(({ Segment_ID, Status, DateTime }) => ({
              ...{ when, visitor: AAM_UUID, alias: Segment_ID, isMember: Status === '1' },
              what: `${Segment_ID} ${Status} ${Date.parse(DateTime)}`,
            })),
          ),
        );
        for (const name of ['1', '2', '3', '4', '5']) {
          const own = heard.filter((h) => h.visitor === name);
          const told = made.filter((m) => m.visitor === name);
          const first = told.map(({ what }) => own.findIndex((h) => h.what === what));
          const last = told.map(({ what }) => own.findLastIndex((h) => h.what === what));
          expect(first).not.toContain(-1);
          for (const [j, { sid }] of told.entries()) {
            for (let i = 0; i < j; i++) {
              expect(own[first[i]].when).toBeLessThanOrEqual(own[last[j]].when);
              // What was overtaken is not said again.
              if (told[i].sid === sid) expect(own[last[i]].when).toBeLessThan(own[last[j]].when);
            }
          }
          const state = new Map(own.map(({ alias, isMember }) => [alias, isMember]));
          const members = [...state].filter(([, isMember]) => isMember).map(([alias]) => alias);
          const expected = [...(memory.told.get(name)?.get(ID)?.keys() ?? [])].map(
            (sid) => `s${sid}`,
          );
          expect(members.sort()).toEqual(expected.sort());
        }
      },
    ),
    { numRuns: 25 },
  );
}, 300_000);
