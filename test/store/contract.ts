/** The store contract as tests, which every engine has to pass. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bitsOfPurposes, NO_RESTRICTIONS } from '../../src/audience/consent.ts';
import { type Change, Profile } from '../../src/audience/profile.ts';
import { addsAnything } from '../../src/store/record.ts';
import { ECID_SOURCE, type Store, StoreError, type Visit } from '../../src/store/store.ts';
import {
  anyChange,
  countOf,
  device,
  inWords,
  TODAY,
  visit,
  visited,
  visitOf,
} from './workbench.ts';

export interface Engine {
  /** Opens a store; the same place leads to the same visitors. */
  open(place: string): Store | Promise<Store>;
  /** Makes a place of its own. */
  place(): string;
  /** Has done now whatever the engine does with what it keeps at times of its own. */
  tidy?(place: string): void | Promise<void>;
}

const FIRING = { destination: 1, mapping: 2, at: 1_000, hours: 24 };
const nothing = () => undefined;
const aliased = (n: number, id = `id-${n}`) => ({ dataSource: 7, id });

export function storeContract({ open, place: newPlace, tidy = () => {} }: Engine): void {
  let place: string;
  let store: Store;
  beforeEach(async () => {
    place = newPlace();
    store = await open(place);
  });
  afterEach(() => store.close());

  const reopen = async () => {
    await store.close();
    await tidy(place);
    store = await open(place);
  };
  const countOfOne = async (deviceId: string, trait = 1) =>
    countOf((await store.look(visitOf(deviceId))).profile, trait);
  /** A visit that carries no device id. */
  const anonymous = (n: number, ids: string[] = [], ...realized: number[]): Visit => ({
    deviceId: undefined,
    aliases: ids.map((id) => aliased(n, id)),
    freshId: device(n),
    change: { day: TODAY, realized },
  });

  describe('a visit', () => {
    it('is decided with what it adds', async () => {
      for (const expected of [1, 2, 3]) {
        const { deviceId, profile } = await visited(store, visitOf(device(1), 1));
        expect(deviceId).toBe(device(1));
        expect(countOf(profile, 1)).toBe(expected);
      }
    });

    it('is decided once, before its promise is fulfilled', async () => {
      let calls = 0;
      const visits = Array.from({ length: 50 }, (_, i) =>
        visit(store, visitOf(device(i % 5), 1), () => {
          calls++;
          return { firings: [{ destination: i, mapping: 0, at: i, hours: 1 }] };
        }),
      );
      await Promise.all(visits);
      expect(calls).toBe(50);
      await reopen();
      expect(calls).toBe(50);
    });

    it('counts, also where 200 for one visitor come at the same instant', async () => {
      const counts: number[] = [];
      await Promise.all(
        Array.from({ length: 200 }, () =>
          visit(store, visitOf(device(1), 1), ({ profile }) => {
            counts.push(countOf(profile, 1));
            return undefined;
          }),
        ),
      );
      expect(counts.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: 200 }, (_, i) => i + 1),
      );
      expect(await countOfOne(device(1))).toBe(200);
      await reopen();
      expect(await countOfOne(device(1))).toBe(200);
    });

    it('leaves other visitors alone', async () => {
      await Promise.all([1, 2, 2, 3, 3, 3].map((n) => visited(store, visitOf(device(n), n))));
      for (const n of [1, 2, 3]) {
        const { profile } = await store.look(visitOf(device(n)));
        expect([1, 2, 3].map((trait) => countOf(profile, trait))).toEqual(
          [1, 2, 3].map((trait) => (trait === n ? n : 0)),
        );
      }
    });

    it('whose decision throws is refused, and the others are not', async () => {
      const results = await Promise.allSettled([
        visit(store, visitOf(device(1), 1), nothing),
        visit(store, visitOf(device(1), 1), () => {
          throw new Error('a rule went wrong');
        }),
        visit(store, visitOf(device(1), 1), nothing),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(store.problem).toBeUndefined();
    });
  });

  describe('what a decision returns', () => {
    const firing = (at: number) => ({ destination: 1, mapping: 2, at, hours: 24 });

    it('is remembered before the next visit of the same visitor is decided', async () => {
      const before: number[] = [];
      await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          visit(store, visitOf(device(1), 1), ({ profile }) => {
            before.push(profile.firings.length);
            return { firings: [firing(1_000 + i)] };
          }),
        ),
      );
      expect(before).toEqual([...Array(20).keys()]);
    });

    it('is seen by every later visit, whatever others come, and by which id', async () => {
      const seen: number[] = [];
      const ids = (n: number, i: number) =>
        i % 3 === 2 ? { ...visitOf(device(n)), aliases: [aliased(n)] } : visitOf(device(n));
      await Promise.all(
        Array.from({ length: 60 }, async (_, n) => {
          for (let i = 0; i < 9; i++) {
            const both = [0, 1].map((k) =>
              visit(store, ids(n, i + k), ({ profile }) => {
                seen[n] = profile.firings.length;
                const mapping = seen[n];
                return { firings: [{ destination: n, mapping, at: i, hours: 1 }] };
              }),
            );
            await Promise.all(both);
          }
        }),
      );
      expect(seen).toEqual(Array(60).fill(17));
    });

    it('is there after a restart, though the visit itself added nothing', async () => {
      await visited(store, visitOf(device(1), 1));
      await visited(store, visitOf(device(1)), {
        firings: [firing(1)],
        cookiesSet: [4, 5],
        cookiesRemoved: [4],
      });
      await reopen();
      const { profile } = await store.look(visitOf(device(1)));
      expect(profile.firings).toEqual([firing(1)]);
      expect([...profile.cookies]).toEqual([5]);
      expect(countOf(profile, 1)).toBe(1);
    });
  });

  describe('other ids', () => {
    it('lead to the device that they were seen with', async () => {
      await visited(store, { ...visitOf(device(1), 1), aliases: [aliased(1)] });
      const { deviceId, profile } = await visited(store, anonymous(2, ['id-1'], 1));
      expect(deviceId).toBe(device(1));
      expect(countOf(profile, 1)).toBe(2);
      await reopen();
      expect((await store.look(anonymous(3, ['id-1']))).deviceId).toBe(device(1));
    });

    it('lead to the device that they were seen with by an earlier visit of the same instant', async () => {
      const [, { deviceId }] = await Promise.all([
        visited(store, { ...visitOf(device(1), 1), aliases: [aliased(1)] }),
        visited(store, anonymous(2, ['id-1'], 1)),
      ]);
      expect(deviceId).toBe(device(1));
    });

    it('alone make one device, also where they come at the same instant and after a restart', async () => {
      const together = await Promise.all(
        Array.from({ length: 20 }, (_, i) => visited(store, anonymous(i, ['only'], 1))),
      );
      expect(new Set(together.map(({ deviceId }) => deviceId)).size).toBe(1);
      const [{ deviceId }] = together;
      expect(deviceId).toMatch(/^\d{38}$/);
      expect(await countOfOne(deviceId)).toBe(20);
      await reopen();
      const again = await visited(store, anonymous(30, ['only'], 1));
      expect(again.deviceId).toBe(deviceId);
      expect(countOf(again.profile, 1)).toBe(21);
    });

    it('find the visitor by the most telling that is known', async () => {
      await visited(store, { ...visitOf(device(1), 1), aliases: [aliased(1, 'b')] });
      await visited(store, { ...visitOf(device(2), 1), aliases: [aliased(2, 'c')] });
      const found = await visited(store, anonymous(3, ['a', 'b', 'c'], 1));
      expect(found.deviceId).toBe(device(1));
      // From now on the new one leads there, too.
      expect((await store.look(anonymous(4, ['a']))).deviceId).toBe(device(1));
    });

    it('lead to the last device that they were seen with', async () => {
      for (const n of [1, 2, 1, 3]) {
        await visited(store, { ...visitOf(device(n), 1), aliases: [aliased(0, 'login')] });
        await tidy(place);
        expect((await store.look(anonymous(9, ['login']))).deviceId).toBe(device(n));
      }
      await reopen();
      expect((await store.look(anonymous(9, ['login']))).deviceId).toBe(device(3));
    });

    it('do not outweigh the device id that a call carries', async () => {
      await visited(store, { ...visitOf(device(1), 1), aliases: [aliased(1)] });
      const { deviceId } = await visited(store, {
        ...visitOf(device(2), 1),
        aliases: [aliased(1)],
      });
      expect(deviceId).toBe(device(2));
    });

    it('are kept apart by their data source; the ECID has its own', async () => {
      const withAlias = (n: number, dataSource: number) => ({
        ...visitOf(device(n), 1),
        aliases: [{ dataSource, id: 'same' }],
      });
      await visited(store, withAlias(1, ECID_SOURCE));
      await visited(store, withAlias(2, 1));
      await visited(store, withAlias(3, 10));
      await reopen();
      for (const [n, dataSource] of [
        [1, ECID_SOURCE],
        [2, 1],
        [3, 10],
      ]) {
        const visit = { ...anonymous(9), aliases: [{ dataSource, id: 'same' }] };
        expect((await store.look(visit)).deviceId).toBe(device(n));
      }
    });

    it.each([
      ['empty', ''],
      ['of every script', 'Ωж💩漢'],
      ['with a byte order mark', '\ufeffid'],
      ['with control characters', '\u0000\u0001\u007f'],
      ['very long', 'long'.repeat(3_000)],
    ])('are found after a restart: %s', async (_, id) => {
      await visited(store, { ...visitOf(device(1), 1), aliases: [aliased(1, id)] });
      await visited(store, { ...visitOf(device(2), 1), aliases: [aliased(1, `${id}.`)] });
      await reopen();
      expect((await store.look(anonymous(9, [id]))).deviceId).toBe(device(1));
      expect((await store.look(anonymous(9, [`${id}.`]))).deviceId).toBe(device(2));
    });
  });

  describe('opting out', () => {
    it('by one id holds for every device that comes with it', async () => {
      const me = [aliased(1, 'me')];
      await visit(
        store,
        { ...anonymous(1, ['me']), change: { day: TODAY, optOut: true } },
        nothing,
      );
      const later = await visited(store, { ...visitOf(device(2), 1), aliases: me });
      expect(later.profile.optedOut).toBe(true);
      // Nor does it lead anywhere else from then on.
      expect((await visited(store, anonymous(3, ['me'], 1))).profile.optedOut).toBe(true);
      await reopen();
      expect((await visited(store, anonymous(4, ['me'], 1))).profile.optedOut).toBe(true);
      expect(await countOfOne(device(2))).toBe(0);
    });

    const optOut = (n: number): Visit => ({
      ...visitOf(device(n)),
      change: { day: TODAY, optOut: true },
    });

    it('forgets everything, and nothing is added any more', async () => {
      await visited(store, {
        ...visitOf(device(1), 1, 2),
        change: { day: TODAY, realized: [1], ecid: 'e' },
      });
      await visited(store, optOut(1));
      const { profile } = await visited(store, visitOf(device(1), 1, 2), {
        firings: [{ destination: 1, mapping: 1, at: 1, hours: 1 }],
      });
      const expected = { ...inWords(new Profile()), optedOut: true, seen: TODAY };
      expect(inWords(profile)).toEqual(expected);
      await reopen();
      await visited(store, visitOf(device(1), 1));
      expect(inWords((await store.look(visitOf(device(1)))).profile)).toEqual(expected);
    });

    it('does not spread to others by an id that is theirs', async () => {
      const shared = [aliased(1, 'shared')];
      const declare = (n: number): Visit => ({
        ...visitOf(device(n)),
        aliases: shared,
        change: { day: TODAY, declared: shared },
      });
      await visited(store, declare(1));
      await visited(store, declare(2));
      // It leads to the second now.
      await visited(store, optOut(1));
      const second = await visited(store, { ...visitOf(device(2), 1), aliases: shared });
      expect([second.deviceId, second.profile.optedOut]).toEqual([device(2), false]);
      // Nor where somebody who has opted out comes with it.
      const first = await visited(store, { ...visitOf(device(1), 1), aliases: shared });
      expect([first.deviceId, first.profile.optedOut]).toEqual([device(1), true]);
      const alone = await visited(store, anonymous(3, ['shared'], 1));
      expect([alone.deviceId, alone.profile.optedOut]).toEqual([device(2), false]);
    });

    it('holds by every id that ever came with the device', async () => {
      await visited(store, { ...visitOf(device(1), 1), aliases: [aliased(1), aliased(2)] });
      const change = { day: TODAY, declared: [aliased(1), aliased(2)] };
      await visited(store, { ...visitOf(device(1)), change });
      await visited(store, { ...visitOf(device(1)), change: { day: TODAY, optOut: true } });
      for (const n of [1, 2]) {
        const { profile } = await visited(store, anonymous(3, [`id-${n}`], 1));
        expect([profile.optedOut, profile.length]).toEqual([true, 0]);
      }
    });

    it('holds against visits of the same instant', async () => {
      await Promise.all([
        ...Array.from({ length: 10 }, () => visited(store, visitOf(device(1), 1))),
        visited(store, optOut(1)),
        ...Array.from({ length: 10 }, () => visited(store, visitOf(device(1), 1))),
      ]);
      await reopen();
      const { profile } = await store.look(visitOf(device(1)));
      expect(profile.optedOut).toBe(true);
      expect(profile.length).toBe(0);
    });

    it('is not forgotten while the visitor keeps coming', async () => {
      await visited(store, { ...optOut(1), change: { day: TODAY - 100, optOut: true } });
      await reopen();
      await visited(store, visitOf(device(1), 1));
      await reopen();
      expect((await store.look(visitOf(device(1)))).profile.seen).toBe(TODAY);
    });
  });

  describe('looking', () => {
    it('keeps nothing of what it is asked for', async () => {
      await visited(store, visitOf(device(1), 1));
      const visit = { ...visitOf(device(1), 1), aliases: [aliased(1)] };
      for (let i = 0; i < 3; i++) {
        const { profile } = await store.look(visit);
        expect(countOf(profile, 1)).toBe(1);
        // Whoever looks may add what would be added.
        profile.apply({ day: TODAY, realized: [1, 1], declared: [aliased(1)], cookiesSet: [1] });
      }
      expect((await store.look(anonymous(9, ['id-1']))).deviceId).not.toBe(device(1));
      await reopen();
      const { profile } = await store.look(visit);
      expect([countOf(profile, 1), profile.declared.size, profile.cookies.size]).toEqual([1, 0, 0]);
    });

    it('at nobody sees an empty profile', async () => {
      const { deviceId, profile } = await store.look(anonymous(5));
      expect(deviceId).toBe(device(5));
      expect(inWords(profile)).toEqual(inWords(new Profile()));
    });
  });

  describe('visitors', () => {
    it('who come for the first time are known when their id comes back', async () => {
      const { deviceId } = await visited(store, anonymous(1, [], 1));
      expect(deviceId).toBe(device(1));
      await tidy(place);
      expect(countOf((await visited(store, visitOf(device(1), 1))).profile, 1)).toBe(2);
      await reopen();
      expect(countOf((await visited(store, visitOf(device(1), 1))).profile, 1)).toBe(3);
    });

    it('who add nothing are not kept', async () => {
      await visited(store, anonymous(1));
      await visited(store, visitOf(device(2)));
      await reopen();
      for (const n of [1, 2]) {
        expect((await store.look(visitOf(device(n)))).profile.seen).toBe(0);
      }
    });

    it('are seen by visits that add nothing', async () => {
      await visited(store, { ...visitOf(device(1)), change: { day: TODAY - 30, realized: [1] } });
      await visited(store, visitOf(device(1)));
      await reopen();
      const { profile } = await store.look(visitOf(device(1)));
      expect(profile.seen).toBe(TODAY);
      expect(countOf(profile, 1)).toBe(1);
    });
  });

  describe('closing', () => {
    it('keeps what waits, and what is decided then', async () => {
      const waiting = Array.from({ length: 100 }, (_, i) =>
        visited(store, visitOf(device(i % 3), 1), { cookiesSet: [i] }),
      );
      await store.close();
      await Promise.all(waiting);
      await reopen();
      const profiles = await Promise.all(
        [0, 1, 2].map(async (n) => (await store.look(visitOf(device(n)))).profile),
      );
      expect(profiles.map((profile) => countOf(profile, 1))).toEqual([34, 33, 33]);
      expect(profiles.map((profile) => profile.cookies.size)).toEqual([34, 33, 33]);
    });

    it('refuses visits that come later', async () => {
      await store.close();
      await expect(visit(store, visitOf(device(1), 1), nothing)).rejects.toThrow(StoreError);
    });
  });

  describe('consent', () => {
    const gdpr = (refused: boolean, ...purposes: number[]) => ({
      applies: true,
      purposes: bitsOfPurposes(purposes),
      vendors: Uint8Array.of(0x80, 1),
      restrictions: NO_RESTRICTIONS,
      refused,
    });
    const restricted = (refused: boolean, ...purposes: number[]) => ({
      ...gdpr(refused, ...purposes),
      restrictions: [
        { purpose: 24, from: 1, to: 4_096 },
        { purpose: 1, from: 258, to: 259 },
      ],
    });
    const stated = async (n: number) => {
      const { gdpr, objectsToSale } = inWords((await store.look(visitOf(device(n)))).profile);
      return { gdpr, objectsToSale };
    };
    const change = (more: Partial<Change>, ...realized: number[]): Visit => ({
      ...visitOf(device(1)),
      change: { day: TODAY, realized, ...more },
    });

    it('is kept as it was stated last, each fact for itself', async () => {
      await visited(store, visitOf(device(1), 1), { gdpr: gdpr(false, 1, 24) });
      await visited(store, visitOf(device(1)), { objectsToSale: true });
      await visited(store, visitOf(device(1)), { gdpr: gdpr(false, 1) });
      const expected = { gdpr: { ...gdpr(false, 1), vendors: [0x80, 1] }, objectsToSale: true };
      expect(await stated(1)).toEqual(expected);
      await reopen();
      expect(await stated(1)).toEqual(expected);
      await visited(store, visitOf(device(1)), { objectsToSale: false });
      await reopen();
      expect(await stated(1)).toEqual({ ...expected, objectsToSale: false });
    });

    it('is kept with what the publisher restricts, until a later word', async () => {
      const kept = async () => (await store.look(visitOf(device(1)))).profile.gdpr?.restrictions;
      const { restrictions } = restricted(false);
      await visited(store, visitOf(device(1), 1), { gdpr: gdpr(false, 1, 24), statedAt: 1_000 });
      await visited(store, change({ gdpr: restricted(false, 1, 24), statedAt: 3_000 }));
      await visited(store, change({ gdpr: gdpr(false, 1, 24), statedAt: 2_000 }, 1));
      expect(await kept()).toEqual(restrictions);
      await reopen();
      await visited(store, visitOf(device(1), 1), { objectsToSale: true });
      expect(await kept()).toEqual(restrictions);
      await visited(store, change({ gdpr: gdpr(false, 1, 24), statedAt: 4_000 }));
      await reopen();
      expect([await kept(), await countOfOne(device(1))]).toEqual([[], 3]);
    });

    it('that is refused keeps what there is, and lets nothing in until it is given', async () => {
      const known = { ...visitOf(device(1), 1), aliases: [aliased(1)] };
      await visited(store, known);
      await visited(store, change({ gdpr: gdpr(true) }));
      const { profile } = await visited(store, visitOf(device(1), 1, 2));
      expect([countOf(profile, 1), countOf(profile, 2), profile.isRefused]).toEqual([1, 0, true]);
      await reopen();
      const withId = (visit: Visit) => ({ ...visit, aliases: [aliased(1, 'new')] });
      const ownerOf = async (id: string) => (await store.look(anonymous(2, [id]))).deviceId;
      await visited(store, withId(visitOf(device(1), 2)), { firings: [{ ...FIRING }] });
      expect(await ownerOf('id-1')).toBe(device(1));
      expect(await ownerOf('new')).not.toBe(device(1));
      const after = await visited(store, withId(change({ consents: true }, 1)));
      expect(await ownerOf('new')).toBe(device(1));
      expect([countOf(after.profile, 1), countOf(after.profile, 2)]).toEqual([2, 0]);
      expect([after.profile.isRefused, after.profile.firings]).toEqual([false, []]);
      await reopen();
      expect(await countOfOne(device(1))).toBe(2);
    });

    it('that is refused by somebody unknown is kept alone', async () => {
      await visited(store, change({ gdpr: gdpr(true) }));
      await reopen();
      const { profile } = await store.look(visitOf(device(1)));
      expect(inWords(profile)).toEqual({
        ...inWords(new Profile()),
        ...{ gdpr: { ...gdpr(true), vendors: [0x80, 1] }, seen: TODAY },
      });
    });

    it.each<[string, Partial<Change>, Partial<Change>, isRefused: boolean]>([
      ['a refusal', { gdpr: gdpr(true), statedAt: 2_000 }, { gdpr: gdpr(false, 1), statedAt: 1_000 }, true], // biome-ignore format: a row
      ['a refusal, by a word only', { gdpr: gdpr(true), statedAt: 2_000 }, { consents: true, statedAt: 1_000 }, true], // biome-ignore format: a row
      ['a consent', { gdpr: gdpr(false, 1), statedAt: 2_000 }, { gdpr: gdpr(true), statedAt: 1_000 }, false], // biome-ignore format: a row
      ['a refusal, by a consent with restrictions', { gdpr: gdpr(true), statedAt: 2_000 }, { gdpr: restricted(false, 1), statedAt: 1_000 }, true], // biome-ignore format: a row
      ['a refusal with restrictions', { gdpr: restricted(true, 1), statedAt: 2_000 }, { gdpr: gdpr(false, 1), statedAt: 1_000 }, true], // biome-ignore format: a row
      ['a consent with restrictions', { gdpr: restricted(false, 1), statedAt: 2_000 }, { gdpr: gdpr(true), statedAt: 1_000 }, false], // biome-ignore format: a row
    ])(
      'is not undone by what was stated before, and comes late: %s',
      async (_, younger, older, isRefused) => {
        await visited(store, visitOf(device(1), 1));
        await visited(store, change(younger));
        // As it waited for a store that did not answer, or was remembered after the answer.
        const { profile } = await visited(store, change(older));
        expect(profile.isRefused).toBe(isRefused);
        await reopen();
        await visited(store, visitOf(device(1), 1));
        await reopen();
        const after = await store.look(visitOf(device(1)));
        expect([after.profile.isRefused, countOf(after.profile, 1)]).toEqual([
          ...[isRefused, isRefused ? 1 : 2],
        ]);
      },
    );

    it('nor is an objection', async () => {
      await visited(store, change({ objectsToSale: true, statedAt: 2_000 }));
      await visited(store, change({ objectsToSale: false, statedAt: 1_000 }));
      await reopen();
      expect((await stated(1)).objectsToSale).toBe(true);
      await visited(store, change({ objectsToSale: false, statedAt: 3_000 }));
      await visited(store, change({ objectsToSale: true, statedAt: 2_500 }));
      await reopen();
      expect((await stated(1)).objectsToSale).toBe(false);
    });

    it('is forgotten by who opts out', async () => {
      await visited(store, visitOf(device(1), 1), { gdpr: gdpr(false, 1), objectsToSale: true });
      await visited(store, change({ optOut: true }));
      await visited(store, visitOf(device(1)), { gdpr: gdpr(false, 1), objectsToSale: true });
      await reopen();
      expect(await stated(1)).toEqual({ gdpr: undefined, objectsToSale: false });
    });

    it('that was refused again and again is given by one request', async () => {
      for (let i = 0; i < 100; i++) await visited(store, change({ gdpr: gdpr(true, 2) }));
      await reopen();
      await visited(store, change({ gdpr: gdpr(false, 1), consents: true }, 1));
      expect(await stated(1)).toMatchObject({ gdpr: { refused: false, purposes: 1 } });
      expect(await countOfOne(device(1))).toBe(1);
    });
  });

  it('whatever visits add, in whatever steps: the profile is what they add together', async () => {
    const anyStep = fc.oneof(
      { weight: 12, arbitrary: fc.record({ n: fc.nat(2), change: anyChange }) },
      { weight: 2, arbitrary: fc.constant('tidy' as const) },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
    );
    let world = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 12 }), async (steps) => {
        world++;
        const expected = new Map<string, Profile>();
        for (const step of steps) {
          if (step === 'tidy') await tidy(place);
          else if (step === 'reopen') await reopen();
          else {
            const id = device(world * 10 + step.n);
            const { firings, cookiesSet, cookiesRemoved, ...change } = step.change;
            const remember = { firings, cookiesSet, cookiesRemoved };
            const profile = expected.get(id) ?? new Profile();
            // To consent is nothing without something that it lets in.
            profile.apply(addsAnything(change) ? change : { day: change.day });
            const seen = await visited(store, { ...visitOf(id), change }, remember);
            // Whether the decision sees the day of a visit that adds nothing is left to the engine.
            expect({ ...inWords(seen.profile), seen: profile.seen }).toEqual(inWords(profile));
            profile.apply({ ...remember, day: change.day });
            if (addsAnything(step.change) || expected.has(id)) expected.set(id, profile);
          }
        }
        for (const [id, profile] of expected) {
          expect(inWords((await store.look(visitOf(id))).profile)).toEqual(inWords(profile));
        }
      }),
      { numRuns: 8, interruptAfterTimeLimit: 6_000 },
    );
  });
}
