/** What stays of dead letters, and for how long. */
import { beforeEach, describe, expect, it } from 'vitest';
import { NO_CONSENT } from '../../../src/audience/consent.ts';
import { DeadLetters } from '../../../src/outbound/realtime/dead-letters.ts';
import {
  type DeadLetter,
  type Entry,
  type Move,
  unreadableLetter,
} from '../../../src/store/outbox.ts';
import { StoreError } from '../../../src/store/store.ts';
import { bury as buryIn } from '../../builder/outbox.ts';
import { startServer, temporaryFolder } from '../../server.ts';
import { ID, serverDestination, termsWith, visitor } from '../destination.ts';
import { account, realtime, segment, trait } from '../example.ts';
import { MemoryOutbox, OutboxMemory } from '../outbox-memory.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-24T12:00:00Z');

let memory: OutboxMemory;
let outbox: MemoryOutbox;
let letters: DeadLetters;
let now: number;
let reported: string[];
/** The right to them. */
let lease: { isHeld: boolean };
beforeEach(() => {
  now = NOW;
  lease = { isHeld: true };
  memory = new OutboxMemory(() => now);
  outbox = new MemoryOutbox(memory);
  reported = [];
  letters = through(outbox);
});

/** Needs a purpose, and does not work for the site only. */
const needing = serverDestination(
  {},
  { consent: { purposes: 1, vendors: [], serviceProvider: false } },
);

const through = (one: MemoryOutbox) =>
  new DeadLetters({
    ...{ outbox: one, profileDays: 100, now: () => now },
    terms: () => termsWith(needing, []),
    report: (message, error) => reported.push(`${message}: ${(error as Error).message}`),
  });

/** A visitor's entry, in segments that are entered (51) and left (-51). */
const entry = (deviceId: string, ...sids: number[]): Entry => ({
  ...{ id: `${deviceId} ${sids}`, queuedAt: NOW, deviceId },
  moves: sids.map((sid): Move => ({ sid: Math.abs(sid), isMember: sid > 0, at: NOW })),
});
const bury = (message: string, ...entries: Entry[]) =>
  outbox.bury(ID, { message, entries, at: now, problem: 'gone' });

/** A whole round, which comes only so often. */
async function round(): Promise<void> {
  now += 300_000;
  for (let i = 0; i < 20; i++) await letters.step(lease);
}
const inWords = async () =>
  (await outbox.dead(ID, 10_000)).map(
    ({ message, entries }: DeadLetter) =>
      `${message}: ${entries.map((one) => `${one.deviceId}${one.moves.map(({ sid, isMember }) => ` ${isMember ? '+' : '-'}${sid}`).join('')}`).join(', ')}`,
  );

describe('of a dead letter stays', () => {
  it.each<[string, Entry[], string[]]>([
    ['all of who is still there', [entry('here', 51, -52)], ['m: here +51 -52']],
    ['nothing of who has opted out', [entry('out', 51)], []],
    ['but that they have left', [entry('out', 51, -52)], ['m: out -52']],
    [
      'all of who is forgotten, for their partner may hear that they have left',
      [entry('forgotten', 51)],
      ['m: forgotten +51'],
    ],
    [
      'everybody else',
      [entry('here', 51), entry('out', 51), entry('out', -52)],
      ['m: here +51, out -52'],
    ],
    ['nothing of who refuses consent', [entry('refuses', 51)], []],
    ['nothing of who objects to sale', [entry('objects', 51)], []],
    [
      'that they have left',
      [entry('refuses', 51, -52), entry('objects', -51)],
      ['m: refuses -52, objects -51'],
    ],
    [
      'what counts as told of who refuses, for who agrees again is not told anew',
      [entry('not yet examined', 51, 52)],
      ['m: not yet examined +51'],
    ],
    ['all of who agrees', [entry('agrees', 51)], ['m: agrees +51']],
    ['who cannot be read now', [entry('new', 51)], ['m: new +51']],
  ])('%s', async (_, entries, expected) => {
    memory.keep('here', visitor());
    memory.keep('out', visitor({ optOut: true }));
    const gdpr = { applies: true, ...NO_CONSENT, refused: false };
    memory.keep('refuses', visitor({ gdpr }));
    memory.keep('not yet examined', visitor({ gdpr }));
    memory.told.set('not yet examined', new Map([[ID, new Map([[51, NOW]])]]));
    memory.keep('objects', visitor({ objectsToSale: true }));
    memory.keep('agrees', visitor({ gdpr: { ...gdpr, purposes: 1 } }));
    memory.unreadable.add('new');
    await bury('m', ...entries);
    await round();
    expect(await inWords()).toEqual(expected);
  });
});

it('who opts out later is taken out with a round after that', async () => {
  memory.keep('7', visitor());
  await bury('m', entry('7', 51));
  await round();
  expect(await inWords()).toEqual(['m: 7 +51']);
  memory.keep('7', visitor({ optOut: true }));
  await round();
  expect(await inWords()).toEqual([]);
});

it('what stays is told when it is sent once more', async () => {
  memory.keep('7', visitor({ optOut: true }));
  await bury('m', entry('7', 52, -51));
  await round();
  await outbox.replay(ID, ['m']);
  expect(await outbox.read(ID, 10)).toMatchObject([
    { deviceId: '7', moves: [{ sid: 51, isMember: false }], isLate: true },
  ]);
});

it('none is older than a profile may be', async () => {
  memory.keep('7', visitor());
  await bury('old', entry('7', 51, -52));
  now += 50 * DAY_MS;
  await bury('new', entry('7', -51));
  now += 50 * DAY_MS - 400_000;
  await round();
  expect(await inWords()).toEqual(['new: 7 -51', 'old: 7 +51 -52']);
  await round();
  expect(await inWords()).toEqual(['new: 7 -51']);
});

it('a process that delivers goes through them', async () => {
  const folder = temporaryFolder();
  const document = account({
    traits: [trait(1)],
    segments: [segment(51, '1T')],
    destinations: [realtime(801, [51])],
  });
  const environment = { OUTBOUND_ALLOW_PRIVATE: '1', PROFILE_TTL_DAYS: '30' };
  let server = await startServer({ folder, account: document, environment });
  const [out, here] = [`8${'1'.padStart(37, '0')}`, `8${'2'.padStart(37, '0')}`];
  for (const uuid of [out, here]) await fetch(`${server.origin}/event?c_a=1&d_uuid=${uuid}`);
  await fetch(`${server.origin}/demoptout.jpg?d_uuid=${out}`);
  await server.stop();
  const letter = (message: string, deviceId: string, days: number) => ({
    ...{ message, deviceId, problem: 'gone', at: Date.now() - days * DAY_MS },
    moves: [{ sid: 51, isMember: true, at: 0 }],
  });
  await buryIn(folder, 801, [
    letter('out', out, 1),
    letter('old', here, 31),
    letter('new', here, 29),
  ]);
  server = await startServer({ folder, environment });
  const messages = async () => {
    const headers = { Authorization: `Bearer ${server.adminToken}` };
    const response = await fetch(`${server.origin}/v1/deliveries/801/dead-letters`, { headers });
    return ((await response.json()) as DeadLetter[]).map(({ message }) => message);
  };
  await expect.poll(messages, { timeout: 20_000 }).toEqual(['new']);
  await server.stop();
});

it('those that cannot be read keep neither others nor anything else', async () => {
  class Spoilt extends MemoryOutbox {
    override async oldestDead(...[destination, ...more]: Parameters<MemoryOutbox['oldestDead']>) {
      if (destination === ID) throw new StoreError('no letter');
      return super.oldestDead(destination, ...more);
    }
  }
  letters = through(new Spoilt(memory));
  memory.keep('out', visitor({ optOut: true }));
  await bury('m', entry('out', 51));
  await outbox.bury(ID + 1, {
    message: 'n',
    entries: [entry('out', 51)],
    at: now,
    problem: 'gone',
  });
  await round();
  expect(await outbox.queues()).toMatchObject([{ destination: ID, dead: 1 }]);
  expect(reported).toEqual([`dead letters of destination ${ID} cannot be gone through: no letter`]);
});

it('one that cannot be read is said once, and the others are gone through', async () => {
  memory.keep('out', visitor({ optOut: true }));
  await bury('a', entry('out', 51));
  memory.queue(ID).dead.push(...['b', 'c'].map((message) => unreadableLetter(message, now)));
  await bury('d', entry('out', 51, -52));
  await round();
  await round();
  expect(await inWords()).toEqual(['d: out -52', 'c: ', 'b: ']);
  expect(reported).toEqual([
    `dead letter b of destination ${ID} cannot be gone through: ${unreadableLetter('b', now).problem}`,
  ]);
});

it('whoever loses the right to them changes no more, and goes on with the same when it is had again', async () => {
  class Losing extends MemoryOutbox {
    override async amend(destination: number, letter: DeadLetter) {
      await super.amend(destination, letter);
      lease.isHeld = false;
    }
  }
  outbox = new Losing(memory);
  letters = through(outbox);
  memory.keep('out', visitor({ optOut: true }));
  for (const message of ['a', 'b', 'c']) await bury(message, entry('out', 51, -52));
  await round();
  expect(await inWords()).toEqual(['c: out +51 -52', 'b: out +51 -52', 'a: out -52']);
  lease.isHeld = true;
  await letters.step(lease);
  expect(await inWords()).toEqual(['c: out +51 -52', 'b: out -52', 'a: out -52']);
});

it('many are gone through some at a time, of all destinations, each once in a round', async () => {
  const asked: number[] = [];
  class Counting extends MemoryOutbox {
    override look(deviceIds: readonly string[]) {
      asked.push(deviceIds.length);
      return super.look(deviceIds);
    }
  }
  outbox = new Counting(memory);
  letters = through(outbox);
  for (let n = 0; n < 450; n++) {
    memory.keep(String(n), visitor({ optOut: n % 3 > 0 }));
    await bury(String(n), entry(String(n), 51));
  }
  await outbox.bury(ID + 1, { message: 'm', entries: [entry('1', 51)], at: now, problem: 'gone' });
  await round();
  expect(await outbox.queues()).toMatchObject([{ destination: ID, dead: 150 }]);
  expect(asked).toEqual([100, 100, 100, 100, 50, 1]);
});
