/** The right to something is had by one process at a time, and known to be lost. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Lease, queueLease } from '../../src/outbound/lease.ts';
import { LIMIT_MS } from '../../src/outbound/realtime/endpoint.ts';
import { MemoryOutbox } from './outbox-memory.ts';

const MS = 1_200;
const STEP_MS = 50;

let one: MemoryOutbox;
let other: MemoryOutbox;
let taken: Lease[];
beforeEach(() => {
  // How busy the machine is says nothing of leases.
  vi.useFakeTimers({
    toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance', 'Date'],
  });
  one = new MemoryOutbox();
  other = new MemoryOutbox(one.memory);
  taken = [];
});
afterEach(async () => {
  await Promise.all(taken.map((lease) => lease.release()));
  vi.useRealTimers();
});

async function take(
  outbox: MemoryOutbox,
  holder: string = randomUUID(),
): Promise<Lease | undefined> {
  const lease = await Lease.take(outbox, queueLease(1), holder, MS);
  if (lease) taken.push(lease);
  return lease;
}

/** Has time go by; what it brings about is over then. */
async function pass(milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += STEP_MS) {
    await vi.advanceTimersByTimeAsync(STEP_MS);
    await new Promise(setImmediate);
  }
}

/** When something is so, by the clock that is advanced until then. */
async function timeOf(isSo: () => boolean | Promise<boolean>): Promise<number> {
  while (!(await isSo())) await pass(STEP_MS);
  return performance.now();
}

describe('a lease', () => {
  it('is kept for as long as it is worked on, then free', async () => {
    const lease = await take(one);
    await pass(2 * MS);
    expect(lease?.isHeld).toBe(true);
    expect(await take(other)).toBeUndefined();
    await lease?.release();
    expect(lease?.isHeld).toBe(false);
    expect(await take(other)).toBeDefined();
  });

  it('is had by one of two in the same process, and is not released by the other', async () => {
    const lease = await take(one, 'a');
    expect(await take(one, 'b')).toBeUndefined();
    await lease?.release();
    const theirs = await take(one, 'b');
    await lease?.release();
    expect(theirs?.isHeld).toBe(true);
    expect(await take(one, 'a')).toBeUndefined();
  });

  it('that the store did not hear released is had again by the same at once', async () => {
    const lease = await take(one, 'a');
    one.problem = 'away';
    await expect(lease?.release()).rejects.toThrow('away');
    one.problem = undefined;
    expect(await take(one, 'b')).toBeUndefined();
    expect(await take(one, 'a')).toBeDefined();
  });

  it('outlasts a store that is away for a moment', async () => {
    const lease = await take(one);
    one.problem = 'away';
    await pass(MS / 2 - STEP_MS);
    one.problem = undefined;
    await pass(MS);
    expect(lease?.isHeld).toBe(true);
  });

  it('is lost where the store is away for longer, before somebody else has it', async () => {
    const lease = await take(one);
    one.problem = 'away';
    const lost = await timeOf(() => !lease?.isHeld);
    expect(await take(other)).toBeUndefined();
    expect(await timeOf(async () => (await take(other)) !== undefined)).toBeGreaterThan(lost);
  });

  it('says by itself that it is lost, before somebody else has it', async () => {
    const lease = (await take(one)) as Lease;
    let lost: number | undefined;
    lease.signal.addEventListener('abort', () => {
      lost = performance.now();
    });
    await pass(2 * MS);
    expect(lost).toBeUndefined();
    one.problem = 'away';
    const had = await timeOf(async () => (await take(other)) !== undefined);
    expect(lost).toBeLessThan(had);
  });

  it('that is lost is not had by others before a message has ended that was begun right before', async () => {
    const lease = await Lease.take(one, queueLease(1), 'a');
    one.problem = 'away';
    const lost = await timeOf(() => !lease?.isHeld);
    const had = await timeOf(() => other.lease(queueLease(1), 'b', MS));
    // Half a second is for composing it, where the process is busy.
    expect(had - lost).toBeGreaterThanOrEqual(LIMIT_MS + 500);
  });

  it('that was lost stays lost, though nobody else has taken it', async () => {
    const lease = await take(one);
    // As a process that was stopped: its clock has gone on, and nothing was renewed.
    const now = performance.now() + MS;
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now);
    await pass(MS);
    clock.mockRestore();
    expect(lease?.isHeld).toBe(false);
    expect(await take(one)).toBeDefined();
  });

  it('that somebody else has is known to be lost, and not released', async () => {
    const lease = await take(one);
    one.memory.leases.clear();
    const theirs = await take(other);
    await timeOf(() => !lease?.isHeld);
    await lease?.release();
    expect(theirs?.isHeld).toBe(true);
    expect(await take(one)).toBeUndefined();
  });
});
