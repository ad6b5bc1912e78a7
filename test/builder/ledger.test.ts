/** Counts on their way to the registry: none is lost, none is added twice. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Ledger } from '../../src/builder/ledger.ts';
import { Tally } from '../../src/destinations/tally.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { type Registry, UNIT_MS } from '../../src/store/registry.ts';
import { urlDestination } from '../destinations/example.ts';
import { temporaryFolder } from '../server.ts';

const registry = new RegistryFile(temporaryFolder());
afterAll(() => registry.close());

const HOUR = UNIT_MS.hour;
const NOW = Date.now();
/** Each test counts for a destination of its own. */
let last = 0;
const nextDestination = () => urlDestination({ id: ++last });

/** What becomes of a call: it gets there, it does not, or it does and its reply is lost. */
type Fate = 'kept' | 'refused' | 'reply lost';

/** The registry, behind a line on which calls have these fates, one after the other; then none fails. */
function lineTo(fates: Fate[]): Registry {
  const add: Registry['add'] = async (...call) => {
    const fate = fates.shift() ?? 'kept';
    if (fate === 'refused') throw new Error('not connected');
    await registry.add(...call);
    if (fate === 'reply lost') throw new Error('connection lost');
  };
  return Object.create(registry, { add: { value: add } });
}

function ledgerOver(line: Registry, maxWaiting?: number) {
  const tally = new Tally();
  const reports: string[] = [];
  const report = (error?: unknown) => reports.push(error ? (error as Error).message : 'well');
  return { tally, reports, ledger: new Ledger({ tally, registry: line, report, maxWaiting }) };
}

/** The registry may have to be asked again where the machine is busy. */
const settled = (ledger: Ledger) =>
  expect.poll(() => ledger.close(10_000), { timeout: 60_000 }).toBe(0);

async function countOf(id: number, hour = NOW): Promise<number> {
  const counts = await registry.counts(`destination:${id}`, 'hour', hour, hour);
  return counts.find(({ name }) => name === '51.capped')?.count ?? 0;
}

describe('the ledger', () => {
  it('brings each count to the registry once, whatever becomes of its calls', async () => {
    const fates = fc.array(fc.constantFrom<Fate>('kept', 'refused', 'reply lost'));
    const rounds = fc.array(fc.nat(5), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(fates, rounds, async (fates, rounds) => {
        const { tally, ledger } = ledgerOver(lineTo(fates));
        const to = nextDestination();
        let told = 0;
        for (const count of rounds) {
          for (let i = 0; i < count; i++) tally.record(to, 51, 'capped');
          told += count;
          await ledger.flush(NOW);
        }
        fates.length = 0;
        await settled(ledger);
        expect(await countOf(to.id)).toBe(told);
      }),
      { numRuns: 50 },
    );
  }, 120_000);

  it('adds what waited to the hour in which it happened', async () => {
    const { tally, ledger, reports } = ledgerOver(lineTo(['refused', 'reply lost', 'refused']));
    const to = nextDestination();
    for (const ago of [2, 1, 0]) {
      for (let i = 0; i <= ago; i++) tally.record(to, 51, 'capped');
      await ledger.flush(NOW - ago * HOUR);
    }
    await settled(ledger);
    const counts = await Promise.all([2, 1, 0].map((ago) => countOf(to.id, NOW - ago * HOUR)));
    expect(counts).toEqual([3, 2, 1]);
    // It is said once that they wait, and once that they do no longer.
    expect(reports).toEqual(['not connected', 'well']);
  });

  it('loses none that are counted while others are brought', async () => {
    const { tally, ledger } = ledgerOver(registry);
    const to = nextDestination();
    const flushes: Promise<void>[] = [];
    for (let i = 0; i < 2_000; i++) {
      tally.record(to, 51, 'capped');
      tally.record(to, 1_000 + i, 'delivered');
      if (i % 100 === 0) flushes.push(ledger.flush(NOW));
      if (i % 150 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await settled(ledger);
    await Promise.all(flushes);
    const counts = await registry.counts(`destination:${to.id}`, 'hour', NOW, Date.now());
    expect(counts).toHaveLength(2_001);
    expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(4_000);
  });

  it('says what a registry that hangs has not taken, and does not wait for it', async () => {
    const hanging = Object.create(registry, { add: { value: () => new Promise(() => {}) } });
    const { tally, ledger } = ledgerOver(hanging);
    tally.record(nextDestination(), 51, 'capped');
    void ledger.flush();
    tally.totals.calls++;
    expect(await ledger.close(100)).toBe(2);
  });

  it('keeps a bounded number while the registry is away, and loses none', async () => {
    const fates = Array<Fate>(20).fill('refused');
    const { tally, ledger } = ledgerOver(lineTo(fates), 1_000);
    const to = nextDestination();
    for (let ago = 9; ago >= 0; ago--) {
      for (let sid = 1; sid <= 400; sid++) tally.record(to, sid, 'capped');
      await ledger.flush(NOW - ago * HOUR);
    }
    // And one batch that may have been added already.
    expect(await ledger.close(1_000)).toBeLessThanOrEqual(1_200);
    expect(fates).not.toEqual([]);
    fates.length = 0;
    await settled(ledger);
    const counts = await registry.counts(`destination:${to.id}`, 'hour', NOW - 9 * HOUR, NOW);
    expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(4_000);
  });
});
