/** The contract of the account's place as tests, which every engine has to pass. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  AccountConflict,
  type AccountStore,
  type Origin,
  type SavedAccount,
} from '../../src/store/store.ts';

const origin: Origin = { at: 1_700_000_000_000, by: 'a test', file: 'f' };

/** @param seed makes revisions up to a number, each saved at the time of its number; no documents */
export function accountContract(
  open: () => AccountStore,
  seed: (revisions: number) => Promise<unknown>,
): void {
  let stores: AccountStore[];
  beforeEach(() => {
    stores = [open(), open()];
  });
  afterEach(() => Promise.all(stores.map((store) => store.close())));

  it('is what was saved last', async () => {
    const [one, other] = stores;
    expect(await one.load()).toBeUndefined();
    const first = await one.save({ name: 'Ж', traits: [1] }, origin);
    const second = await one.save({ name: '漢', traits: [] }, origin);
    expect(second).toBeGreaterThan(first);
    expect(await other.load()).toEqual({
      revision: second,
      document: { name: '漢', traits: [] },
      origin,
    });
  });

  it.each<[string, object]>([
    ['an empty one', {}],
    ['empty lists', { traits: [], name: '', none: null, segments: [[], {}] }],
    ['lists of many', { traits: Array.from({ length: 1_501 }, (_, sid) => ({ sid, n: 'Ж"\n' })) }],
    ['lists as long as a part', { a: Array(500).fill(1), b: Array(1_000).fill('x'), c: [0] }],
    ['fields in any script', { 'a "b"\n漢': { 'c:d': [1, { e: 'ü\u0000' }] } }],
  ])('is what was saved, whatever it holds: %s', async (_, document) => {
    await stores[0].save({ ...document, left: undefined }, origin);
    expect((await stores[1].load())?.document).toEqual(document);
  });

  it('is whole, also where several are saved at the same instant', async () => {
    const documents = Array.from({ length: 8 }, (_, i) => ({ i, text: `${i}`.repeat(50_000) }));
    await stores[0].save(documents[0], origin);
    let done = false;
    const saving = Promise.all(
      documents.map((document, i) => stores[i % 2].save(document, origin)),
    ).then(() => {
      done = true;
    });
    while (!done) {
      const saved = (await stores[1].load()) as SavedAccount;
      const { i, text } = saved.document as (typeof documents)[0];
      expect(text).toBe(`${i}`.repeat(50_000));
    }
    await saving;
  });

  it('has revisions that count, and that can be looked at again', async () => {
    const [one, other] = stores;
    expect(await one.revision()).toBe(0);
    for (const n of [1, 2, 3]) expect(await stores[n % 2].save({ n }, origin)).toBe(n);
    expect(await other.revision()).toBe(3);
    for (const n of [1, 2, 3]) {
      expect(await other.load(n)).toEqual({ revision: n, document: { n }, origin });
    }
    expect(await other.load(4)).toBeUndefined();
  });

  it('is not replaced by who has not seen it', async () => {
    const [one, other] = stores;
    await one.save({ n: 1 }, origin, 0);
    await expect(other.save({ n: 2 }, origin, 0)).rejects.toThrow(AccountConflict);
    await other.save({ n: 2 }, origin, 1);
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => stores[i % 2].save({ n: 10 + i }, origin, 2)),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await one.revision()).toBe(3);
  });

  it('is heard of, too, where it is saved while the one before is being taken over', async () => {
    const [one, other] = stores;
    await one.save({ n: 1 }, origin);
    await other.load();
    await one.save({ n: 2 }, origin);
    const heard: unknown[] = [];
    other.watch(async ({ document }) => {
      heard.push(document);
    });
    await expect.poll(() => heard, { timeout: 1_000 }).toEqual([{ n: 2 }]);
  });

  it('every process hears of it within a second, and ends up with the last one', async () => {
    const heard: unknown[][] = [[], []];
    for (const [i, store] of stores.entries()) {
      await store.load();
      store.watch(async ({ document }) => {
        heard[i].push(document);
      });
    }
    for (let n = 1; n <= 5; n++) {
      await stores[n % 2].save({ n }, origin);
      await expect
        .poll(() => heard.map((h) => h.at(-1)), { timeout: 1_000 })
        .toEqual([{ n }, { n }]);
    }
    await Promise.all([1, 2, 3].map((n) => stores[n % 2].save({ n: n * 10 }, origin)));
    const last = (await stores[0].load())?.document;
    await expect.poll(() => heard.map((h) => h.at(-1)), { timeout: 1_000 }).toEqual([last, last]);
  });

  it('has a history: who saved it when, and what that changed, newest first', async () => {
    const [one, other] = stores;
    expect(await one.history()).toEqual([]);
    const origins: Origin[] = [1, 2, 3].map((n) => ({
      at: n,
      by: `"Zoë",\n{} "document":${n}`,
      isDemo: n === 1,
      changes: [`+ traits ${n} "漢\n"`, '    name: "a" → "b"'],
    }));
    for (const [i, from] of origins.entries()) await stores[i % 2].save({ n: i }, from);
    expect(await other.history()).toEqual([
      { revision: 3, origin: origins[2], canRestore: true },
      { revision: 2, origin: origins[1], canRestore: true },
      { revision: 1, origin: origins[0], canRestore: true },
    ]);
    expect(await one.load(2)).toEqual({ revision: 2, document: { n: 1 }, origin: origins[1] });
  });

  it('remembers a thousand revisions, longer than it keeps their documents', async () => {
    const [one, other] = stores;
    await seed(999);
    for (let n = 1_000; n <= 1_003; n++) await stores[n % 2].save({ n }, { at: n, by: 'a test' });
    const history = await other.history();
    expect(history.map(({ revision }) => revision)).toEqual(
      Array.from({ length: 1_000 }, (_, i) => 1_003 - i),
    );
    expect(history.every(({ revision, origin }) => origin.at === revision)).toBe(true);
    expect(await one.revision()).toBe(1_003);
  });

  it('remembers who saved a document that is not kept any more', async () => {
    const [one, other] = stores;
    const saved = 54;
    for (let n = 1; n <= saved; n++) await stores[n % 2].save({ n }, { at: n, by: `${n}` });
    const history = await other.history();
    expect(history.map(({ origin }) => origin.by)).toEqual(
      Array.from({ length: saved }, (_, i) => `${saved - i}`),
    );
    const kept = history.filter(({ canRestore }) => canRestore);
    expect(kept.length).toBeGreaterThanOrEqual(20);
    for (const { revision } of kept) {
      expect((await one.load(revision))?.document).toEqual({ n: revision });
    }
    const gone = history.filter(({ canRestore }) => !canRestore);
    expect(gone.length).toBeGreaterThan(0);
    expect(gone[0].revision).toBe(kept[kept.length - 1].revision - 1);
    for (const { revision } of gone) expect(await one.load(revision)).toBeUndefined();
  });

  it('tells its history without reading large documents', async () => {
    const [one, other] = stores;
    const text = 'x'.repeat(5_000_000);
    for (let n = 1; n <= 8; n++) await one.save({ n, text }, origin);
    const before = process.cpuUsage();
    expect(await other.history()).toHaveLength(8);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(60);
  });

  it('has a whole history also while several save', async () => {
    const saving = Promise.all(
      Array.from({ length: 20 }, (_, n) => stores[n % 2].save({ n }, { at: n, by: 'a test' })),
    );
    let done = false;
    const end = saving.then(() => {
      done = true;
    });
    while (!done) {
      const revisions = (await stores[0].history()).map(({ revision }) => revision);
      expect(revisions).toEqual(revisions.map((_, i) => revisions[0] - i));
    }
    await end;
    expect(await stores[1].history()).toHaveLength(20);
  });
}
