/** The contract of the account's place as tests, which every engine has to pass. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AccountStore, SavedAccount } from '../../src/store/store.ts';

export function accountContract(open: () => AccountStore): void {
  let stores: AccountStore[];
  beforeEach(() => {
    stores = [open(), open()];
  });
  afterEach(() => Promise.all(stores.map((store) => store.close())));

  it('is what was saved last', async () => {
    const [one, other] = stores;
    expect(await one.load()).toBeUndefined();
    const first = await one.save({ name: 'Ж', traits: [1] });
    const second = await one.save({ name: '漢', traits: [] });
    expect(second).toBeGreaterThan(first);
    expect(await other.load()).toEqual({
      revision: second,
      document: { name: '漢', traits: [] },
    });
  });

  it('is whole, also where several are saved at the same instant', async () => {
    const documents = Array.from({ length: 8 }, (_, i) => ({ i, text: `${i}`.repeat(50_000) }));
    await stores[0].save(documents[0]);
    let done = false;
    const saving = Promise.all(documents.map((document, i) => stores[i % 2].save(document))).then(
      () => {
        done = true;
      },
    );
    while (!done) {
      const saved = (await stores[1].load()) as SavedAccount;
      const { i, text } = saved.document as (typeof documents)[0];
      expect(text).toBe(`${i}`.repeat(50_000));
    }
    await saving;
  });

  it('is heard of, too, where it is saved while the one before is being taken over', async () => {
    const [one, other] = stores;
    await one.save({ n: 1 });
    await other.load();
    await one.save({ n: 2 });
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
      await stores[n % 2].save({ n });
      await expect
        .poll(() => heard.map((h) => h.at(-1)), { timeout: 1_000 })
        .toEqual([{ n }, { n }]);
    }
    await Promise.all([1, 2, 3].map((n) => stores[n % 2].save({ n: n * 10 })));
    const last = (await stores[0].load())?.document;
    await expect.poll(() => heard.map((h) => h.at(-1)), { timeout: 1_000 }).toEqual([last, last]);
  });
}
