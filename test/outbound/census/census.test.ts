/** Censuses: everybody counts once, whatever a walk meets twice, and whatever breaks it off. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { compileAccount, readSegmentRule } from '../../../src/account/snapshot.ts';
import { atOnce } from '../../../src/account/turns.ts';
import { type CensusOptions, takeCensus } from '../../../src/outbound/census/census.ts';
import {
  cancelCensus,
  censusOrder,
  censusOrders,
  type EstimateRecord,
  orderCensus,
} from '../../../src/outbound/census/census-order.ts';
import { CensusTaker } from '../../../src/outbound/census/census-taker.ts';
import { termsOf } from '../../../src/outbound/terms.ts';
import { WorkFolder } from '../../../src/outbound/work-folder.ts';
import { RegistryFile } from '../../../src/store/embedded/registry-file.ts';
import { endWithTests, temporaryFolder } from '../../server.ts';
import { account, NOW, profileOf, TODAY, trait } from '../example.ts';
import { deviceId } from '../files/runs.ts';
import { MemoryOutbox, OutboxMemory } from '../outbox-memory.ts';

const snapshot = compileAccount(account({ traits: [1, 2, 3].map((sid) => trait(sid)) }));
const ruleOf = (text: string) => readSegmentRule(text, 'segmentRule', snapshot);

/** An outbox whose walk goes ten by ten, and meets half of each ten again. */
class Repeating extends MemoryOutbox {
  walks = 0;

  override async walk(shard: string, cursor: string | undefined) {
    this.walks++;
    const step = await super.walk(shard, cursor, 10);
    const { candidates } = step.batch;
    const end = cursor?.split(' ')[1] ?? step.cursor?.split(' ')[1];
    const again = candidates.at(4)?.deviceId;
    // Each part is gone on with from its middle, but for where it goes on from alone.
    const isRepeated = step.cursor !== undefined && again !== undefined && candidates.length === 10;
    return { ...step, cursor: isRepeated ? `${again} ${end}` : step.cursor };
  }
}

/**
 * Of 100 visitors all have trait 1, each second trait 2 and each tenth trait 3 twice; the last ten have
 * opted out.
 */
function crowd(): OutboxMemory {
  const memory = new OutboxMemory(() => NOW);
  for (let n = 0; n < 100; n++) {
    const realized: [number, number][] = [[1, n]];
    if (n % 2 === 0) realized.push([2, 0]);
    if (n % 10 === 0) realized.push([3, 0], [3, 1]);
    memory.keep(deviceId(n), profileOf(realized, n >= 90 ? { optOut: true } : {}));
  }
  return memory;
}

const optionsOf = (more: Partial<CensusOptions> = {}): CensusOptions => ({
  outbox: new Repeating(crowd()),
  folder: new WorkFolder(temporaryFolder()),
  at: 1,
  rule: ruleOf('1T'),
  snapshot,
  pace: async () => {},
  sorted: 20,
  now: () => NOW,
  ...more,
});

describe('a census', () => {
  it.each([
    ['1T', 90],
    ['2T', 45],
    ['1T AND NOT 2T', 45],
    ['FREQUENCY([3T]) >= 2', 9],
    ['FREQUENCY([1T] <= 10D) >= 1', 11],
    ['2T AND FREQUENCY([3T]) >= 3', 0],
  ])('of %s counts %i, each once', async (rule, visitors) => {
    const options = optionsOf({ rule: ruleOf(rule) });
    expect(await takeCensus(options)).toEqual({ visitors, total: 90 });
    // There was something to meet twice.
    expect((options.outbox as Repeating).walks).toBeGreaterThan(15);
  });

  it('of nobody counts nobody', async () => {
    const options = optionsOf({ outbox: new MemoryOutbox() });
    expect(await takeCensus(options)).toEqual({ visitors: 0, total: 0 });
  });

  it('counts people as they are when they are looked at', async () => {
    const memory = crowd();
    let isGathered = false;
    const pace = async (progress: number) => {
      if (isGathered || progress < 0.5) return;
      isGathered = true;
      memory.keep(deviceId(0), undefined);
      memory.keep(deviceId(2), profileOf([[2, 0]], { optOut: true }));
      memory.keep(deviceId(1), profileOf([[2, 0]]));
    };
    const options = optionsOf({ outbox: new Repeating(memory), rule: ruleOf('2T'), pace });
    expect(await takeCensus(options)).toEqual({ visitors: 44, total: 88 });
  });

  it('says how far it is', async () => {
    const told: number[] = [];
    await takeCensus(optionsOf({ pace: async (progress) => void told.push(progress) }));
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told[0]).toBe(0);
    expect(told.filter((progress) => progress > 0 && progress < 0.5).length).toBeGreaterThan(5);
    expect(told.at(-1)).toBeGreaterThanOrEqual(0.5);
    expect(told.at(-1)).toBeLessThanOrEqual(1);
  });

  it('that is broken off anywhere goes on to the same', async () => {
    let parts = 0;
    await takeCensus(optionsOf({ pace: async () => void parts++ }));
    for (let last = 0; last < parts; last++) {
      const folder = new WorkFolder(temporaryFolder());
      const memory = crowd();
      let left = last;
      const pace = async () => {
        if (left-- === 0) throw new Error('broken off');
      };
      const broken = optionsOf({ folder, outbox: new Repeating(memory), pace });
      await expect(takeCensus(broken)).rejects.toThrow('broken off');
      const again = optionsOf({ folder, outbox: new Repeating(memory) });
      expect(await takeCensus(again)).toEqual({ visitors: 90, total: 90 });
      const [before, after] = [broken, again].map(({ outbox }) => (outbox as Repeating).walks);
      // No more than what was not on the disk is walked again.
      expect(before + after).toBeLessThanOrEqual(parts + 5);
    }
  });

  it('does not go on with another one', async () => {
    const folder = new WorkFolder(temporaryFolder());
    const memory = crowd();
    await takeCensus(optionsOf({ folder, outbox: new Repeating(memory) }));
    memory.keep(deviceId(200), profileOf([[1, 0]]));
    const next = optionsOf({ folder, outbox: new Repeating(memory), at: 2 });
    expect(await takeCensus(next)).toEqual({ visitors: 91, total: 91 });
  });

  it('takes no more memory for more visitors', async () => {
    const program = fileURLToPath(new URL('./census-process.ts', import.meta.url));
    const visitors = 600_000;
    const child = fork(program, [temporaryFolder(), String(visitors)], {
      // Not even the ids of all visitors would fit in.
      execArgv: ['--max-old-space-size=48', '--max-semi-space-size=2'],
    });
    endWithTests(child);
    const said = once(child, 'message');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(await said).toEqual([{ visitors: visitors / 2, total: visitors }, undefined]);
  });
});

describe('a census taker', () => {
  const registry = new RegistryFile(temporaryFolder());
  afterAll(() => registry.close());
  const takers: CensusTaker[] = [];
  afterEach(async () => {
    await Promise.all(takers.splice(0).map((taker) => taker.close()));
  });

  const terms = atOnce(termsOf(snapshot, TODAY));
  const reports: unknown[] = [];
  const taker = (memory: OutboxMemory, rate: number, folder = temporaryFolder()) => {
    const outbox = new Repeating(memory);
    const inForce = () => ({ snapshot, terms, revision: 1 });
    const report = (...said: unknown[]) => reports.push(said);
    const made = new CensusTaker({ outbox, registry, inForce, folder, rate, report });
    takers.push(made);
    made.start();
    return made;
  };
  let orders = 0;
  const order = async (segmentRule: string, revision = 1) => {
    const estimateId = `estimate-${++orders}`;
    await orderCensus(registry, { estimateId, segmentRule, revision, at: orders });
    return estimateId;
  };
  const outcome = (estimateId: string) =>
    expect.poll(
      async () => (await registry.get<EstimateRecord>('estimate', estimateId))?.value.outcome,
      { timeout: 20_000 },
    );
  const isUnderWay = (estimateId: string) =>
    expect
      .poll(async () => (await censusOrder(registry, estimateId))?.progress, { timeout: 20_000 })
      .toBeGreaterThan(0);
  const ofAll = (visitors: number) => ({
    ...{ visitors, low: visitors, high: visitors },
    ...{ sampled: 90, total: 90, isExact: true },
  });
  const FAST = 1_000_000;
  /** A second for each ten. */
  const SLOW = 1_000;

  it('carries out one order after the other, and forgets whom it has met', async () => {
    const asked = [await order('1T'), await order('2T'), await order('3T')];
    const folder = temporaryFolder();
    taker(crowd(), FAST, folder);
    await outcome(asked[2]).toEqual(ofAll(9));
    await outcome(asked[1]).toEqual(ofAll(45));
    await outcome(asked[0]).toEqual(ofAll(90));
    await expect.poll(() => censusOrders(registry)).toEqual([]);
    await expect.poll(() => fs.readdirSync(folder)).toEqual([]);
  });

  it('has others wait, and does not go on with what nobody waits for any more', async () => {
    const [first, second] = [await order('1T'), await order('2T')];
    taker(crowd(), SLOW);
    await isUnderWay(first);
    expect((await censusOrder(registry, second))?.progress).toBe(0);
    await cancelCensus(registry, first);
    await isUnderWay(second);
    expect(await registry.get('estimate', first)).toBeUndefined();
    await cancelCensus(registry, second);
  });

  it('leaves what it has begun to the next one when it is closed', async () => {
    const memory = crowd();
    const asked = await order('1T');
    const [slow, fast] = [taker(memory, SLOW), taker(memory, FAST)];
    await isUnderWay(asked);
    await slow.close();
    await outcome(asked).toEqual(ofAll(90));
    await fast.close();
  });

  it('says why a rule cannot be counted', async () => {
    const asked = await order('99T');
    taker(crowd(), FAST);
    await outcome(asked).toEqual({ problem: expect.stringMatching(/there is no trait 99/) });
  });
});
