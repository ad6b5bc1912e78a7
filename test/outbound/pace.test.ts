/** How many visitors who have not come are looked at a second: by the setting, however many look. */
import { afterEach, describe, expect, it } from 'vitest';
import { compileAccount } from '../../src/account/snapshot.ts';
import { Profile } from '../../src/audience/profile.ts';
import { Tally } from '../../src/destinations/tally.ts';
import { Delivery } from '../../src/outbound/delivery.ts';
import { Pace } from '../../src/outbound/pace.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { temporaryFolder } from '../server.ts';
import { account, realtime, segment, trait } from './example.ts';
import { deviceId } from './files/runs.ts';
import { MemoryOutbox } from './outbox-memory.ts';

const RATE = 600;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Of each shard, the walk has no end. */
class Endless extends MemoryOutbox {
  names = ['a', 'b', 'c'];
  /** Visitors that were met, by shard. */
  readonly met = new Map<string, number>();

  override async shards() {
    return this.names;
  }

  override async walk(shard: string, _: string | undefined, limit: number) {
    const from = this.met.get(shard) ?? 0;
    this.met.set(shard, from + limit);
    const candidates = Array.from({ length: limit }, (_, n) => ({
      ...{ deviceId: deviceId(from + n), profile: new Profile(), told: new Map() },
      keptUntil: undefined,
    }));
    return { batch: { candidates }, cursor: 'more', progress: 0.5 };
  }

  /** How many are met a second, of each shard, lately. */
  async rates(): Promise<Record<string, number>> {
    const [before, began] = [new Map(this.met), performance.now()];
    await pause(2_000);
    const seconds = (performance.now() - began) / 1_000;
    return Object.fromEntries(
      [...this.met].map(([shard, met]) => [shard, (met - (before.get(shard) ?? 0)) / seconds]),
    );
  }
}

const close: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const one of close.splice(0)) await one();
});

/** Timers of a busy machine are late, and what is missed is made up for by no more than a tenth of a second. */
const about = (rate: number) => [rate * 0.3, rate * 1.2] as const;
const expectRates = (rates: Record<string, number>, expected: Record<string, number>) => {
  for (const [shard, rate] of Object.entries(expected)) {
    const [low, high] = about(rate);
    expect(rates[shard], shard).toBeGreaterThanOrEqual(low);
    expect(rates[shard], shard).toBeLessThanOrEqual(high);
  }
};

describe('the rate of a pass', { timeout: 30_000 }, () => {
  it('is shared by all shards, however many there are now', async () => {
    const outbox = new Endless();
    const [folder, registry] = [temporaryFolder(), new RegistryFile(temporaryFolder())];
    const snapshot = compileAccount(
      account({
        traits: [trait(1)],
        segments: [segment(51, '1T')],
        destinations: [realtime(801, [51])],
      }),
    );
    const delivery = await Delivery.start(
      {
        ...{ outbox, registry, rate: RATE, allowPrivate: false, retryHours: 1, profileDays: 100 },
        ...{ targetFolder: folder, workFolder: folder, region: 7, tally: new Tally() },
        savedRevision: async () => 1,
        report: (message, error) => {
          if (error) throw new Error(message, { cause: error });
        },
      },
      snapshot,
      1,
    );
    close.push(
      () => delivery.close(1_000),
      () => registry.close(),
    );
    await expect.poll(() => outbox.met.size).toBe(3);
    expectRates(await outbox.rates(), { a: RATE / 3, b: RATE / 3, c: RATE / 3 });
    outbox.names = ['a'];
    // It is looked every five seconds how many there are.
    await expect.poll(async () => (await outbox.rates()).b, { timeout: 10_000 }).toBe(0);
    expectRates(await outbox.rates(), { a: RATE });
  });
});

describe('a pace', () => {
  it('is kept by all together who share it', async () => {
    const pace = new Pace(1_000);
    const began = performance.now();
    await Promise.all(
      Array.from({ length: 3 }, async () => {
        for (let n = 0; n < 4; n++) await pace.wait(100);
      }),
    );
    // Twelve hundred, of whom the first hundred need not wait.
    expect(performance.now() - began).toBeGreaterThanOrEqual(1_050);
  });

  it('keeps back nobody who looks at no one, and makes up for no time in which nobody looked', async () => {
    const pace = new Pace(100);
    await pause(300);
    const began = performance.now();
    await pace.wait(30);
    await pace.wait(0);
    expect(performance.now() - began).toBeLessThan(100);
    await pace.wait(30);
    expect(performance.now() - began).toBeGreaterThanOrEqual(250);
  });
});
