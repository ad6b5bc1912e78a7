/** Orders: what is asked for is carried out, in turns, and it is said how far it is. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, obey } from '../../src/outbound/order.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import type { Letters } from '../../src/store/outbox.ts';
import { temporaryFolder } from '../server.ts';
import { ID } from './destination.ts';
import { MemoryOutbox } from './outbox-memory.ts';

/** Takes its time for each piece, and knows how large they were. */
class Slow extends MemoryOutbox {
  readonly pieces: number[] = [];

  override async replay(destination: number, letters: Letters): Promise<number> {
    await pause(40);
    return this.#note(await super.replay(destination, letters));
  }

  override async drop(destination: number, letters: Letters): Promise<number> {
    await pause(40);
    return this.#note(await super.drop(destination, letters));
  }

  #note(count: number): number {
    this.pieces.push(count);
    return count;
  }
}

let registry: RegistryFile;
let outbox: Slow;
beforeEach(() => {
  registry = new RegistryFile(temporaryFolder());
  outbox = new Slow();
});
afterEach(() => registry.close());

const here = { run: () => false, probe: () => false };
const bury = async (from: number, to: number) => {
  for (let n = from; n < to; n++) {
    const moves = [{ sid: 51, isMember: true, at: 0 }];
    const entries = [{ id: String(n), queuedAt: 0, deviceId: String(n), moves }];
    await outbox.bury(ID, { message: `m-${n}`, entries, at: Date.now(), problem: 'gone' });
  }
};
const state = async () => {
  const [{ waiting = 0, dead = 0 } = {}] = await outbox.queues();
  return { waiting, dead };
};
/** Carries out until nothing is left. Returns in how many turns. */
async function obeyAll(): Promise<number> {
  for (let turns = 1; ; turns++) if (!(await obey(registry, outbox, here))) return turns;
}
/** Waits until somebody has asked. */
const asked = () => expect.poll(async () => (await registry.list('order')).length).toBe(1);

describe.each(['replay', 'drop'] as const)('%s', (kind) => {
  const left = (count: number, dead = 0) => ({ waiting: kind === 'replay' ? count : 0, dead });

  it('of all is done in pieces, with turns for others in between', async () => {
    await bury(0, 1_000);
    const asking = ask(registry, { kind, destination: ID });
    await asked();
    expect(await obeyAll()).toBeGreaterThan(2);
    expect(await asking).toEqual({ count: 1_000, isOver: true });
    expect(Math.max(...outbox.pieces)).toBe(100);
    expect(await state()).toEqual(left(1_000));
  });

  it('that takes long is said to be under way, and goes on', async () => {
    await bury(0, 1_000);
    const asking = ask(registry, { kind, destination: ID });
    await asked();
    expect(await obey(registry, outbox, here)).toBe(true);
    const { count, isOver } = await asking;
    expect([count, isOver]).toEqual([1_000 - (await state()).dead, false]);
    // By another process, too.
    await obeyAll();
    expect(await state()).toEqual(left(1_000));
  });

  it('of all is not of those that are given up meanwhile', async () => {
    await bury(0, 1_000);
    const asking = ask(registry, { kind, destination: ID });
    await asked();
    await obey(registry, outbox, here);
    await pause(2);
    await bury(1_000, 1_010);
    await obeyAll();
    expect((await asking).isOver).toBe(true);
    expect(await state()).toEqual(left(1_000, 10));
  });

  it('of some is of those', async () => {
    await bury(0, 10);
    const asking = ask(registry, { kind, destination: ID, messages: ['m-1', 'm-7', 'm-70'] });
    await asked();
    await obeyAll();
    expect(await asking).toEqual({ count: 2, isOver: true });
    expect(await state()).toEqual(left(2, 8));
  });

  it('that fails says why', async () => {
    await bury(0, 10);
    const asking = ask(registry, { kind, destination: ID });
    await asked();
    outbox.problem = 'away';
    expect(await obey(registry, outbox, here)).toBe(false);
    await expect(asking).rejects.toThrow('away');
  });
});

describe.each(['run', 'probe'] as const)('%s', (kind) => {
  it('is done by the process that works on that destination, and by no other', async () => {
    const asked = ask(registry, { kind, destination: ID });
    await expect.poll(async () => (await registry.list('order')).length).toBe(1);
    await obey(registry, outbox, here);
    const meant: number[] = [];
    await obey(registry, undefined, { ...here, [kind]: (id: number) => meant.push(id) > 0 });
    await obey(registry, outbox, { ...here, [kind]: (id: number) => meant.push(id) > 0 });
    expect(await asked).toEqual({ count: 1, isOver: true });
    expect(meant).toEqual([ID]);
  });
});
