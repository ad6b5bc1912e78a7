/** What is left of destinations that are gone, and when it goes. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { compileAccount } from '../../src/account/snapshot.ts';
import { Tally } from '../../src/destinations/tally.ts';
import { Delivery } from '../../src/outbound/delivery.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { StoreError } from '../../src/store/store.ts';
import { until } from '../redis.ts';
import { temporaryFolder } from '../server.ts';
import { account, segment, trait } from './example.ts';
import { MemoryOutbox, OutboxMemory } from './outbox-memory.ts';

const [KEPT, GONE, ALSO_GONE] = [803, 804, 805];
const TIDY_MS = 100;

const accountWith = (...ids: number[]) =>
  compileAccount(
    account({
      traits: [trait(1)],
      segments: [segment(51, '1T')],
      destinations: ids.map((destinationId) => ({
        destinationId,
        name: `files ${destinationId}`,
        destinationType: 'S2S',
        transfer: 'file',
        target: `partner/${destinationId}`,
        mappings: [{ sid: 51, traitAlias: 'a51' }],
      })),
    }),
  );

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Two destinations with unfinished files and something in their queues; one of them is removed. */
async function workbench() {
  const reported: string[] = [];
  /** Comes before a queue is cleared. */
  const before = { clear: async (_destination: number) => {} };
  const registry = new RegistryFile(temporaryFolder());
  ends.push(() => registry.close());
  const memory = new OutboxMemory();
  const workFolder = temporaryFolder();
  const folderOf = (name: number | string) => path.join(workFolder, String(name));
  for (const name of [KEPT, GONE, 'census']) {
    fs.mkdirSync(folderOf(name));
    fs.writeFileSync(path.join(folderOf(name), 'file-1'), 'what was written');
  }
  const queue = (id: number) =>
    memory.queue(id).unread.push({ id: '1', queuedAt: 1, deviceId: '7'.repeat(38), moves: [] });
  for (const id of [KEPT, GONE]) queue(id);
  class Outbox extends MemoryOutbox {
    override async clear(destination: number) {
      await before.clear(destination);
      await super.clear(destination);
    }
  }
  let looks = 0;
  const given = { saved: 2 };
  const start = async (ids: number[], revision: number) => {
    const delivery = await Delivery.start(
      {
        ...{ outbox: new Outbox(memory), registry, tally: new Tally() },
        report: (message, error) => {
          reported.push(`${message}: ${(error as Error | undefined)?.message}`);
        },
        ...{
          rate: 1_000_000,
          allowPrivate: true,
          retryHours: 1,
          profileDays: 1,
          region: 7,
          tidyMs: TIDY_MS,
        },
        ...{ targetFolder: temporaryFolder(), workFolder },
        savedRevision: async () => {
          looks++;
          return given.saved;
        },
      },
      accountWith(...ids),
      revision,
    );
    ends.push(() => delivery.close(0));
    return delivery;
  };
  const left = () => ({
    folders: fs.readdirSync(workFolder).sort(),
    queues: [...memory.queues.keys()].sort(),
  });
  /** It has been looked so often that whatever was to go has gone. */
  const hasLooked = async () => {
    const sofar = looks;
    await until('some looks', () => looks > sofar + 6);
  };
  return { memory, queue, before, given, start, left, hasLooked, reported };
}

const ALL = { folders: [`${KEPT}`, `${GONE}`, 'census'], queues: [KEPT, GONE] };
const REST = { folders: [`${KEPT}`, 'census'], queues: [KEPT] };

describe('unfinished files and the queue', { timeout: 30_000 }, () => {
  it('of a destination that is gone go', async () => {
    const { start, left } = await workbench();
    await start([KEPT], 2);
    await expect.poll(left, { timeout: 20_000 }).toEqual(REST);
  });

  it('stay while another account was saved than is in force here', async () => {
    const { start, left, hasLooked, given } = await workbench();
    given.saved = 3;
    const delivery = await start([KEPT], 2);
    await hasLooked();
    expect(left()).toEqual(ALL);
    // In which it is not gone.
    await delivery.takeOver(accountWith(KEPT, GONE), 3);
    await hasLooked();
    expect(left()).toEqual(ALL);
    given.saved = 4;
    await delivery.takeOver(accountWith(KEPT), 4);
    await expect.poll(left, { timeout: 20_000 }).toEqual(REST);
  });

  it('stay while another process works on them, and go after that', async () => {
    const { memory, start, left, hasLooked } = await workbench();
    const other = new MemoryOutbox(memory);
    await other.lease(`queue:${GONE}`, 'another', 600_000);
    await start([KEPT], 2);
    await hasLooked();
    expect(left()).toEqual(ALL);
    await other.release(`queue:${GONE}`, 'another');
    await expect.poll(left, { timeout: 20_000 }).toEqual(REST);
  });

  it('where another process sees to the queues, only the files go', async () => {
    const { memory, start, left, hasLooked } = await workbench();
    await new MemoryOutbox(memory).lease('orders', 'another', 600_000);
    await start([KEPT], 2);
    await expect.poll(() => left().folders, { timeout: 20_000 }).toEqual(REST.folders);
    await hasLooked();
    expect(left().queues).toEqual(ALL.queues);
  });

  it('that cannot be removed keep neither others nor delivery back', async () => {
    const { queue, before, start, left, hasLooked, reported } = await workbench();
    queue(ALSO_GONE);
    before.clear = async (id) => {
      if (id === GONE) throw new StoreError('the outbox cannot be written');
    };
    const delivery = await start([KEPT], 2);
    await expect.poll(() => left().queues, { timeout: 20_000 }).toEqual([KEPT, GONE]);
    await hasLooked();
    expect(delivery.problem).toBeUndefined();
    const said = `what is left of destination ${GONE} cannot be removed: the outbox cannot be written`;
    expect(new Set(reported)).toEqual(new Set([said]));
  });

  it('stay where another account is saved while others are removed', async () => {
    const { queue, before, start, left, hasLooked, given } = await workbench();
    queue(ALSO_GONE);
    before.clear = async () => {
      given.saved = 3;
    };
    await start([KEPT], 2);
    await expect.poll(() => left().queues, { timeout: 20_000 }).toEqual([KEPT, ALSO_GONE]);
    await hasLooked();
    expect(left().queues).toEqual([KEPT, ALSO_GONE]);
  });
});
