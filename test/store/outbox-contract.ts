/** The outbox contract as tests, which every engine has to pass. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Batch,
  type Candidate,
  type Cause,
  type DeadLetter,
  type Entry,
  isReadable,
  type Letters,
  type Move,
  type Outbox,
  type Outcome,
  type Sealed,
  type Subject,
} from '../../src/store/outbox.ts';
import type { Store, Visit } from '../../src/store/store.ts';
import { countOf, device, TODAY, visited, visitOf } from './workbench.ts';

export type Spoiling = 'damaged' | 'new';

export interface OutboxEngine {
  /** Makes a place of its own. */
  place(): string;
  /** Opens what serves pages; the same place leads to the same visitors. Forgets after `DAYS`. */
  openStore(place: string): Store | Promise<Store>;
  /** Opens the deliverer's side of the same visitors, as a process of its own would. */
  openOutbox(place: string): Outbox | Promise<Outbox>;
  /** Lets go of an outbox as a process does that is killed: it says nothing to anybody. */
  kill(outbox: Outbox): void | Promise<void>;
  /** Has what is stored of a visitor become what this program cannot read, or what it was before. */
  spoil(place: string, deviceId: string): void | Promise<void>;
  mend(place: string, deviceId: string): void | Promise<void>;
  /** Likewise a dead letter; one that is `new` is whole, and tells what this program does not know. */
  spoilLetter(
    place: string,
    destination: number,
    message: string,
    how: Spoiling,
  ): void | Promise<void>;
  /** Has done now whatever the engine does with visitors at times of its own. */
  tidy?(place: string): void | Promise<void>;
}

/** Visitors are forgotten when they were not seen for so many days; newcomers sooner. */
export const DAYS = { profileDays: 100, newcomerDays: 10 };

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const CAUSES = ['visit', 'time'] as const;
const A = 9_001;
const B = 9_002;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (at: number) => at - (at % 1_000);
const SINCE = seconds(Date.now());

const flagged = (n: number, ...realized: number[]): Visit => ({
  ...visitOf(device(n), ...(realized.length > 0 ? realized : [1])),
  examine: true,
});
const newcomer = (n: number, examine: boolean): Visit => ({
  deviceId: undefined,
  aliases: [],
  freshId: device(n),
  change: { day: TODAY, realized: [1] },
  examine,
});
const told = (...entries: [destination: number, sid: number, since?: number][]) => {
  const map = new Map<number, Map<number, number>>();
  for (const [destination, sid, since = SINCE] of entries) {
    map.set(destination, (map.get(destination) ?? new Map()).set(sid, since));
  }
  return map;
};
/** All dead letters. */
const ALL: Letters = { until: Number.MAX_SAFE_INTEGER, limit: 1_000 };
const joined = (sid: number): Move => ({ sid, isMember: true, at: SINCE });
const left = (sid: number): Move => ({ sid, isMember: false, at: SINCE });

/** Nothing comes of it, nor will. */
const nothing = ({ deviceId }: Candidate): Outcome => ({
  deviceId,
  told: new Map(),
  moves: new Map(),
  next: undefined,
});
const idsOf = (batches: readonly Batch[]) =>
  batches.flatMap(({ candidates }) => candidates.map(({ deviceId }) => deviceId)).sort();
const sidsOf = (entries: readonly Entry[]) => entries.map(({ moves }) => moves[0].sid);
const inWords = (messages: readonly Sealed[]) =>
  messages.map(({ message, entries }) => [message, sidsOf(entries)]);

export function outboxContract({
  place: newPlace,
  openStore,
  openOutbox,
  kill,
  spoil,
  mend,
  spoilLetter,
  tidy = () => {},
}: OutboxEngine): void {
  let place: string;
  let store: Store;
  let outbox: Outbox;
  beforeEach(async () => {
    place = newPlace();
    store = await openStore(place);
    outbox = await openOutbox(place);
  });
  afterEach(async () => {
    await outbox.close();
    await store.close();
  });

  /** Visitors who can be read, all of them. */
  const look = async (...numbers: number[]): Promise<Subject[]> => {
    const found = await outbox.look(numbers.map(device));
    expect(found.every(isReadable)).toBe(true);
    return found.filter(isReadable);
  };
  const restart = async () => {
    await kill(outbox);
    outbox = await openOutbox(place);
  };

  /** What is due in all shards, as soon as these are among it. */
  const dueWith = async (...expected: number[]): Promise<Batch[]> => {
    const wanted = expected.map(device);
    for (const end = Date.now() + 10_000; ; await pause(20)) {
      const batches: Batch[] = [];
      for (const shard of await outbox.shards()) {
        for (const by of CAUSES) batches.push(await outbox.due(shard, 1_000, by));
      }
      const ids = new Set(idsOf(batches));
      if (wanted.every((id) => ids.has(id))) return batches;
      if (Date.now() > end) {
        throw new Error(`waited in vain for ${wanted.filter((id) => !ids.has(id))}`);
      }
    }
  };
  /** Settles everybody the same way. */
  const settle = async (batches: readonly Batch[], outcome: (one: Candidate) => Outcome) => {
    for (const batch of batches) await outbox.settle(batch, batch.candidates.map(outcome));
  };
  /** Who is due when a visitor who came after everybody else is: whoever else was to be, is, too. */
  const dueNow = async (): Promise<string[]> => {
    await visited(store, flagged(999));
    const batches = await dueWith(999);
    for (const batch of batches) {
      const marker = batch.candidates.filter(({ deviceId }) => deviceId === device(999));
      await outbox.settle(batch, marker.map(nothing));
    }
    return idsOf(batches).filter((id) => id !== device(999));
  };
  /** Has something queued of a visitor, in one step. */
  const queue = async (n: number, moves: [destination: number, ...moves: Move[]][]) => {
    await visited(store, flagged(n));
    for (const batch of await dueWith(n)) {
      const outcomes = batch.candidates
        .filter(({ deviceId }) => deviceId === device(n))
        .map((one) => ({
          ...nothing(one),
          told: one.told,
          moves: new Map(moves.map(([destination, ...all]) => [destination, all])),
        }));
      await outbox.settle(batch, outcomes);
    }
  };
  const queueSids = async (destination: number, ...sids: number[]) => {
    for (const sid of sids) await queue(1, [[destination, joined(sid)]]);
  };
  const walk = async (
    limit: number,
    between: () => Promise<void> = async () => {},
  ): Promise<Batch[]> => {
    const met: Batch[] = [];
    for (const shard of await outbox.shards()) {
      let cursor: string | undefined;
      let reached = 0;
      do {
        const part = await outbox.walk(shard, cursor, limit);
        met.push(part.batch);
        expect(part.progress).toBeGreaterThanOrEqual(reached);
        expect(part.progress).toBeLessThanOrEqual(1);
        reached = part.progress;
        cursor = part.cursor;
        if (cursor === undefined) expect(reached).toBe(1);
        await between();
      } while (cursor !== undefined);
    }
    return met;
  };
  const walkedIds = async (...args: Parameters<typeof walk>) => [
    ...new Set(idsOf(await walk(...args))),
  ];

  describe('the agenda', () => {
    it('has whoever partners may have to hear of, as the visit left them', async () => {
      await visited(store, flagged(1, 5, 5));
      await visited(store, visitOf(device(2), 5));
      await visited(store, newcomer(3, true));
      await visited(store, newcomer(4, false));
      const candidates = (await dueWith(1, 3)).flatMap((batch) => batch.candidates);
      expect(candidates.map(({ deviceId }) => deviceId).sort()).toEqual([device(1), device(3)]);
      const one = candidates.find(({ deviceId }) => deviceId === device(1));
      expect(one?.profile && countOf(one.profile, 5)).toBe(2);
      expect(one?.told).toEqual(new Map());
    });

    it('has them once, however often they came', async () => {
      for (let i = 0; i < 5; i++) await visited(store, flagged(1));
      expect(idsOf(await dueWith(1))).toEqual([device(1)]);
    });

    it('has who opts out, with nothing left of the profile', async () => {
      await visited(store, flagged(1, 5));
      await settle(await dueWith(1), nothing);
      await visited(store, {
        ...flagged(1),
        change: { day: TODAY, optOut: true },
      });
      const [one] = (await dueWith(1)).flatMap(({ candidates }) => candidates);
      expect(one.profile?.optedOut).toBe(true);
      expect(one.profile?.length).toBe(0);
      expect(one.keptUntil).toBeUndefined();
    });

    it('has of whom something is remembered that partners may have to hear of', async () => {
      await visited(store, visitOf(device(1), 1), { objectsToSale: true });
      await visited(store, visitOf(device(2), 1), { objectsToSale: true, examine: true });
      await visited(store, newcomer(3, false), { objectsToSale: true, examine: true });
      const candidates = (await dueWith(2, 3)).flatMap((batch) => batch.candidates);
      expect(candidates.map(({ deviceId }) => deviceId).sort()).toEqual([device(2), device(3)]);
      expect(candidates.map(({ profile }) => profile?.objectsToSale)).toEqual([true, true]);
    });

    it('is kept while nobody delivers', async () => {
      await visited(store, flagged(1));
      await tidy(place);
      await restart();
      await visited(store, flagged(2));
      expect(idsOf(await dueWith(1, 2))).toEqual([device(1), device(2)]);
      await restart();
      await tidy(place);
      expect(idsOf(await dueWith(1, 2))).toEqual([device(1), device(2)]);
    });

    it.each([
      ['goes from it when there is nothing to expect', undefined, false],
      ['comes again when it is time', -1, true],
      ['comes again when it is time, and not before', HOUR_MS, false],
    ])('who was examined %s', async (_, after, isDue) => {
      await visited(store, flagged(1));
      const next = after === undefined ? undefined : Date.now() + after;
      await settle(await dueWith(1), (one) => ({ ...nothing(one), next }));
      expect(await dueNow()).toEqual(isDue ? [device(1)] : []);
      await restart();
      await tidy(place);
      // After a restart, somebody may come once more than necessary.
      if (isDue) expect(await dueNow()).toContain(device(1));
    });

    it('who was examined comes again by time alone', async () => {
      await visited(store, flagged(1));
      const next = Date.now() + 300;
      await settle(await dueWith(1), (one) => ({ ...nothing(one), next }));
      await dueWith(1);
      expect(Date.now()).toBeGreaterThanOrEqual(next);
    });

    it.each([
      ['with nothing to expect', undefined, false],
      ['for tomorrow', DAY_MS, false],
      ['with nothing to expect, and the outbox knows', undefined, true],
      ['for tomorrow, and the outbox knows', DAY_MS, true],
    ])('keeps who came back since the batch was taken; settled %s', async (_, after, isKnown) => {
      await visited(store, flagged(1, 5));
      const batches = await dueWith(1);
      await visited(store, flagged(1, 5));
      if (isKnown) await dueWith(1);
      const next = after && Date.now() + after;
      await settle(batches, (one) => ({ ...nothing(one), next }));
      const [one] = (await dueWith(1)).flatMap(({ candidates }) => candidates);
      expect(one.profile && countOf(one.profile, 5)).toBe(2);
    });

    it('has who comes back before their time', async () => {
      await visited(store, flagged(1));
      const next = Date.now() + DAY_MS;
      await settle(await dueWith(1), (one) => ({ ...nothing(one), next }));
      await visited(store, flagged(1));
      expect(idsOf(await dueWith(1))).toEqual([device(1)]);
      await settle(await dueWith(1), nothing);
      expect(await dueNow()).toEqual([]);
    });

    it('keeps candidates for whom nothing came out', async () => {
      for (const n of [1, 2]) await visited(store, flagged(n));
      for (const batch of await dueWith(1, 2)) {
        const first = batch.candidates.filter(({ deviceId }) => deviceId === device(1));
        await outbox.settle(batch, first.map(nothing));
      }
      expect(await dueNow()).toEqual([device(2)]);
    });

    it('gives those first who wait longest, and no more than were asked for', async () => {
      for (const n of [5, 4, 3, 2, 1]) {
        await visited(store, flagged(n));
        await dueWith(n);
      }
      for (const shard of await outbox.shards()) {
        const all = (await outbox.due(shard, 100)).candidates.map(({ deviceId }) => deviceId);
        const some = (await outbox.due(shard, 2)).candidates.map(({ deviceId }) => deviceId);
        expect(all).toEqual(all.toSorted().reverse());
        expect(some).toEqual(all.slice(0, 2));
      }
    });

    it('tells whom time alone brings from whom a visit does, and a visit says it of both', async () => {
      const idsBy = async (by: Cause) => {
        const batches: Batch[] = [];
        for (const shard of await outbox.shards()) batches.push(await outbox.due(shard, 1_000, by));
        return idsOf(batches);
      };
      for (const n of [1, 2, 3]) await visited(store, flagged(n));
      await settle(await dueWith(1, 2, 3), (one) => ({ ...nothing(one), next: Date.now() + 200 }));
      await dueWith(1, 2, 3);
      expect([await idsBy('visit'), await idsBy('time')]).toEqual([[], [1, 2, 3].map(device)]);
      await visited(store, flagged(2));
      await visited(store, flagged(4));
      await expect.poll(() => idsBy('visit')).toEqual([2, 4].map(device));
      expect(await idsBy('time')).toEqual([1, 3].map(device));
      // What has to be done again at once has somebody who waits for it.
      const now = Date.now();
      await settle(await dueWith(1, 2, 3, 4), (one) => ({ ...nothing(one), next: now }));
      expect([await idsBy('visit'), await idsBy('time')]).toEqual([[1, 2, 3, 4].map(device), []]);
    });

    it('has who is examined by a walk no longer', async () => {
      await visited(store, flagged(1));
      await dueWith(1);
      await settle(await walk(1_000), nothing);
      expect(await dueNow()).toEqual([]);
    });
  });

  describe('what was told', () => {
    it.each([
      ['nothing', told()],
      ['one segment', told([A, 7])],
      ['of several destinations', told([A, 7], [A, 8, SINCE - 5_000], [B, 7, 1_000])],
      ['the largest numbers', told([4_294_967_295, 4_294_967_295, 4_294_967_295_000])],
      [
        'a lot',
        told(...Array.from({ length: 1_000 }, (_, i): [number, number] => [A + (i % 10), i + 1])),
      ],
    ])('comes back as it was kept: %s', async (_, value) => {
      await visited(store, flagged(1));
      await settle(await dueWith(1), (one) => ({ ...nothing(one), told: value }));
      await restart();
      await tidy(place);
      expect((await look(1))[0].told).toEqual(value);
      await visited(store, flagged(1));
      const [one] = (await dueWith(1)).flatMap(({ candidates }) => candidates);
      expect(one.told).toEqual(value);
    });

    it('has the ids by which partners heard of it, and so has what is queued, also as a dead letter', async () => {
      const partnerIds = new Map([
        [A, 'Ж-1'],
        [B, 'x'.repeat(512)],
      ]);
      await visited(store, flagged(1));
      await settle(await dueWith(1), (one) => ({
        ...nothing(one),
        told: told([A, 1], [B, 2], [A, 3]),
        moves: new Map([
          [A, [joined(1), left(2)]],
          [B, [joined(2)]],
        ]),
        partnerIds,
      }));
      await restart();
      await tidy(place);
      const [looked] = await look(1);
      expect(looked.told).toEqual(told([A, 1], [B, 2], [A, 3]));
      expect(looked.partnerIds).toEqual(partnerIds);
      const [entry] = await outbox.read(A, 10);
      expect(entry).toMatchObject({ partnerId: 'Ж-1', moves: [joined(1), left(2)] });
      const letter = { message: 'm', entries: [entry], at: SINCE, problem: 'gone' };
      await outbox.seal(A, letter);
      await outbox.bury(A, letter);
      expect((await outbox.dead(A, 10))[0].entries).toEqual([entry]);
      await outbox.replay(A, ALL);
      expect(await outbox.read(A, 10)).toMatchObject([{ partnerId: 'Ж-1', isLate: true }]);
      // Where nothing is told any more, there is no reason to keep it.
      await visited(store, flagged(1));
      await settle(await dueWith(1), (one) => ({
        ...nothing(one),
        told: told([A, 1]),
        partnerIds,
      }));
      expect((await look(1))[0].partnerIds).toEqual(new Map([[A, 'Ж-1']]));
    });

    it('takes the place of what was told before', async () => {
      for (const value of [told([A, 1], [B, 2]), told([A, 3]), told()]) {
        await visited(store, flagged(1));
        await settle(await dueWith(1), (one) => ({ ...nothing(one), told: value }));
        expect((await look(1))[0].told).toEqual(value);
      }
    });

    it('is kept though the visitor came back meanwhile', async () => {
      await visited(store, flagged(1));
      const batches = await dueWith(1);
      await visited(store, flagged(1));
      await settle(batches, (one) => ({ ...nothing(one), told: told([A, 1]) }));
      const [one] = (await dueWith(1)).flatMap(({ candidates }) => candidates);
      expect(one.told).toEqual(told([A, 1]));
    });
  });

  describe('somebody whom two processes examine at once, since one stood still,', () => {
    let late: Outbox;
    /** What the late one began from. */
    let stale: Batch[];
    const before = { told: told([A, 1]), partnerIds: new Map([[A, 'before']]) };
    const moves = (...all: Move[]) => new Map([[A, all]]);
    beforeEach(async () => {
      await visited(store, flagged(1));
      await settle(await dueWith(1), (one) => ({ ...nothing(one), ...before }));
      await visited(store, flagged(1));
      late = outbox;
      stale = await dueWith(1);
      outbox = await openOutbox(place);
    });
    afterEach(() => late.close());
    const settleLate = async (outcome: (one: Candidate) => Outcome) => {
      for (const batch of stale) await late.settle(batch, batch.candidates.map(outcome));
    };
    /** Who is examined before those whom time alone brings. */
    const dueAtOnce = async (): Promise<Batch[]> => {
      const batches: Batch[] = [];
      for (const shard of await outbox.shards()) batches.push(await outbox.due(shard, 10, 'visit'));
      return batches;
    };

    it.each([
      ['they entered', { ...before, told: told([A, 1], [A, 2]) }, undefined],
      ['they entered, and come again tomorrow', { ...before, told: told([A, 1], [A, 2]) }, DAY_MS],
      ['they left, and nothing is told any more', { told: told() }, undefined],
      ['they go by another id', { ...before, partnerIds: new Map([[A, 'after']]) }, undefined],
    ])(
      'are kept as the first one has settled: %s; and the end is right',
      async (_, first, after) => {
        const next = after && Date.now() + after;
        const settled = { ...first, moves: moves(joined(7)), next };
        await settle(await dueWith(1), (one) => ({ ...nothing(one), ...settled }));
        await settleLate((one) => ({
          ...{ ...nothing(one), told: told([A, 1], [B, 3]), next: Date.now() + DAY_MS },
          moves: new Map([...moves(joined(8)), [B, [joined(3)]]]),
        }));
        expect((await look(1))[0]).toMatchObject(first);
        expect(await outbox.queues()).toMatchObject([{ destination: A, waiting: 1 }]);
        const again = await dueAtOnce();
        expect(again.flatMap(({ candidates }) => candidates)).toMatchObject([first]);
        const last = { told: told([A, 9]), moves: moves(joined(9)) };
        await settle(again, (one) => ({ ...nothing(one), ...last }));
        expect((await look(1))[0].told).toEqual(last.told);
        expect(sidsOf(await outbox.read(A, 10))).toEqual([7, 9]);
        expect(await dueNow()).toEqual([]);
      },
    );

    it.each([
      ['not before they come back', undefined],
      ['tomorrow', DAY_MS],
    ])(
      'come again where the first one had nothing to tell, and would have them %s',
      async (_, after) => {
        const next = after && Date.now() + after;
        await settle(await dueWith(1), (one) => ({ ...nothing(one), ...before, next }));
        await settleLate((one) => ({ ...nothing(one), ...before, moves: moves(joined(8)) }));
        expect(idsOf(await dueAtOnce())).toEqual([device(1)]);
      },
    );
  });

  describe('a walk', () => {
    const stored = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    const expected = stored.map(device);
    beforeEach(async () => {
      for (const n of [1, 2, 3]) await visited(store, newcomer(n, n === 2));
      for (const n of [4, 5, 6]) await visited(store, visitOf(device(n), n));
      await tidy(place);
      for (const n of [6, 7]) await visited(store, visitOf(device(n), n));
      for (const n of [8, 9]) await visited(store, newcomer(n, n === 9));
      for (const n of [3]) await visited(store, visitOf(device(n), n));
    });

    it.each([1, 2, 5, 1_000])('meets everybody, %i at a time', async (limit) => {
      expect(await walkedIds(limit)).toEqual(expected);
    });

    it('meets them as they are', async () => {
      const met = new Map(
        (await walk(4)).flatMap(({ candidates }) => candidates.map((one) => [one.deviceId, one])),
      );
      const counts = stored.map((n) => {
        const profile = met.get(device(n))?.profile;
        return profile && countOf(profile, n);
      });
      expect(counts).toEqual([1, 0, 1, 1, 1, 2, 1, 0, 0]);
    });

    it('meets who was there from the start, whatever happens between its parts', async () => {
      let n = 100;
      const ids = await walkedIds(1, async () => {
        // Not as many as the walk meets, or it would never end.
        if (n++ < 110) await visited(store, newcomer(n, false));
        await visited(store, visitOf(device(stored[n % stored.length]), 1));
        await tidy(place);
      });
      expect(ids).toEqual(expect.arrayContaining(expected));
    });

    it('goes on where it was after a kill', async () => {
      const met = new Set<string>();
      for (const shard of await outbox.shards()) {
        let cursor: string | undefined;
        do {
          const part = await outbox.walk(shard, cursor, 2);
          for (const { deviceId } of part.batch.candidates) met.add(deviceId);
          cursor = part.cursor;
          await restart();
        } while (cursor !== undefined);
      }
      expect([...met].sort()).toEqual(expected);
    });

    it('can be settled, like what is due', async () => {
      await settle(await walk(1_000), (one) => ({
        ...nothing(one),
        told: told([A, 1]),
        moves: new Map([[A, [joined(1)]]]),
        next: Date.now() - 1,
      }));
      const queued = (await outbox.read(A, 100)).map(({ deviceId }) => deviceId);
      expect([...new Set(queued)].sort()).toEqual(expected);
      expect(await dueNow()).toEqual(expected);
      for (const { told: kept } of await look(...stored)) expect(kept).toEqual(told([A, 1]));
    });
  });

  it('a walk over nobody ends at once', async () => {
    expect(idsOf(await walk(10))).toEqual([]);
  });

  describe('who cannot be read', () => {
    const unreadable = { deviceId: device(2), problem: expect.stringContaining(device(2)) };
    beforeEach(async () => {
      for (const n of [1, 2, 3]) await visited(store, flagged(n));
      await dueWith(1, 2, 3);
      await tidy(place);
      await spoil(place, device(2));
    });
    const unreadableIn = (batches: readonly Batch[]) =>
      batches.flatMap(({ unreadable: some = [] }) => some);

    it('is put off, and said; everybody else is examined', async () => {
      const batches: Batch[] = [];
      for (const shard of await outbox.shards()) batches.push(await outbox.due(shard, 1_000));
      expect(idsOf(batches)).toEqual([1, 3].map(device));
      expect(unreadableIn(batches)).toEqual([unreadable]);
      await settle(batches, nothing);
      // Not at once.
      expect(await dueNow()).toEqual([]);
      expect(unreadableIn(await walk(1_000))).toEqual([unreadable]);
    });

    it('has lost nothing when it can be read again', async () => {
      for (const shard of await outbox.shards()) await outbox.due(shard, 1_000);
      await mend(place, device(2));
      await visited(store, flagged(2, 5));
      const [one] = (await dueWith(2)).flatMap(({ candidates }) =>
        candidates.filter(({ deviceId }) => deviceId === device(2)),
      );
      expect(one.profile && [countOf(one.profile, 1), countOf(one.profile, 5)]).toEqual([1, 1]);
    });

    it('is looked at with the others, who are as they are', async () => {
      const found = await outbox.look([3, 2, 1, 2].map(device));
      expect(found.map(isReadable)).toEqual([true, false, true, false]);
      expect(found[1]).toEqual(unreadable);
      expect(found[3]).toEqual(unreadable);
      expect(found[0]).toMatchObject({ deviceId: device(3), told: new Map() });
    });
  });

  describe('looking', () => {
    it('gives the visitors in the order in which they were asked for', async () => {
      await visited(store, visitOf(device(1), 1));
      await visited(store, visitOf(device(2), 1, 1));
      const seen = await look(2, 3, 1);
      expect(seen.map(({ deviceId }) => deviceId)).toEqual([2, 3, 1].map(device));
      expect(seen.map(({ profile }) => profile && countOf(profile, 1))).toEqual([2, undefined, 1]);
      expect(await outbox.look([])).toEqual([]);
    });

    it('says until when a profile is kept', async () => {
      await visited(store, visitOf(device(1), 1));
      await visited(store, newcomer(2, false));
      await visited(store, { ...visitOf(device(3)), change: { day: TODAY, optOut: true } });
      await visited(store, newcomer(4, false));
      await visited(store, visitOf(device(4), 1));
      const expected = [
        [TODAY + DAYS.profileDays, TODAY + DAYS.profileDays + 1],
        [TODAY + DAYS.newcomerDays, TODAY + DAYS.newcomerDays + 1],
        undefined,
        [TODAY + DAYS.profileDays, TODAY + DAYS.profileDays + 1],
      ];
      for (const _ of ['as they came', 'tidied']) {
        const met = (await walk(100)).flatMap(({ candidates }) => candidates);
        expect(met).toHaveLength(4);
        for (const { deviceId, keptUntil } of met) {
          const between = expected[Number(deviceId.slice(-1)) - 1];
          if (!between) {
            expect(keptUntil).toBeUndefined();
            continue;
          }
          // Engines that count from the second of the visit forget within the day before.
          expect(keptUntil).toBeGreaterThanOrEqual(between[0] * DAY_MS);
          expect(keptUntil).toBeLessThanOrEqual((between[1] + 1) * DAY_MS);
        }
        await tidy(place);
      }
    });
  });

  describe('a queue', () => {
    it('gives what was queued, in order, each once', async () => {
      await queue(1, [[A, joined(1), left(2)]]);
      await queue(2, [[A, joined(3)]]);
      await queue(1, [[A, joined(4)]]);
      const first = await outbox.read(A, 2);
      const rest = await outbox.read(A, 100);
      expect(await outbox.read(A, 100)).toEqual([]);
      const all = [...first, ...rest];
      expect(first.length).toBe(2);
      expect(all.map(({ deviceId, moves }) => [deviceId, moves])).toEqual([
        [device(1), [joined(1), left(2)]],
        [device(2), [joined(3)]],
        [device(1), [joined(4)]],
      ]);
      expect(new Set(all.map(({ id }) => id)).size).toBe(3);
      for (const { id, queuedAt } of all) {
        expect(id.length).toBeLessThanOrEqual(64);
        expect(Math.abs(queuedAt - Date.now())).toBeLessThan(60_000);
      }
      await queueSids(A, 5);
      expect(sidsOf(await outbox.read(A, 100))).toEqual([5]);
    });

    it('is apart from the queues of other destinations', async () => {
      await queue(1, [
        [A, joined(1)],
        [B, joined(2)],
      ]);
      await queueSids(B, 3);
      expect(sidsOf(await outbox.read(B, 100))).toEqual([2, 3]);
      expect(sidsOf(await outbox.read(A, 100))).toEqual([1]);
      expect(await outbox.read(9_003, 100)).toEqual([]);
      expect(await outbox.recover(9_003)).toEqual({ sealed: [], read: [] });
    });

    it('after a kill gives back what was read, sealed and neither, as it was', async () => {
      await queueSids(A, 1, 2, 3, 4, 5, 6, 7);
      const entries = await outbox.read(A, 5);
      // The order of messages is that of their entries, not that of their names.
      const sealed = [
        { message: 'm-2', entries: [entries[0], entries[2]] },
        { message: 'm-1', entries: [entries[1]] },
      ];
      for (const message of sealed) await outbox.seal(A, message);
      for (let i = 0; i < 2; i++) {
        await restart();
        expect(await outbox.recover(A)).toEqual({ sealed, read: entries.slice(3) });
      }
      expect(sidsOf(await outbox.read(A, 100))).toEqual([6, 7]);
      await restart();
      const { read } = await outbox.recover(A);
      expect(sidsOf(read)).toEqual([4, 5, 6, 7]);
      await outbox.seal(A, { message: 'm-3', entries: read });
      await restart();
      expect(inWords((await outbox.recover(A)).sealed)).toEqual([
        ['m-2', [1, 3]],
        ['m-1', [2]],
        ['m-3', [4, 5, 6, 7]],
      ]);
    });

    it('forgets what is done, and what is discarded', async () => {
      await queueSids(A, 1, 2, 3, 4, 5);
      const entries = await outbox.read(A, 100);
      const [one, two] = [
        { message: 'one', entries: entries.slice(0, 2) },
        { message: 'two', entries: entries.slice(2, 3) },
      ];
      await outbox.seal(A, one);
      await outbox.seal(A, two);
      await outbox.done(A, [one]);
      await outbox.discard(A, entries.slice(3, 4));
      // Whoever does not know whether it was kept says it again.
      await outbox.done(A, [one]);
      await outbox.discard(A, entries.slice(3, 4));
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: [two], read: entries.slice(4) });
      await outbox.done(A, [two]);
      await outbox.discard(A, entries.slice(4));
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: [], read: [] });
      expect(await outbox.queues()).toEqual([]);
      await queueSids(A, 6);
      expect(sidsOf(await outbox.read(A, 100))).toEqual([6]);
    });

    it('takes entries of a message back to its end, late, once', async () => {
      await queueSids(A, 1, 2, 3, 4);
      const entries = await outbox.read(A, 3);
      const message = { message: 'm', entries };
      await outbox.seal(A, message);
      for (let i = 0; i < 2; i++) await outbox.putBack(A, message, [entries[0], entries[2]]);
      await restart();
      expect(await outbox.recover(A)).toEqual({
        sealed: [{ message: 'm', entries: [entries[1]] }],
        read: [],
      });
      const next = await outbox.read(A, 100);
      expect(next.map(({ moves, isLate = false }) => [moves[0].sid, isLate])).toEqual([
        [4, false],
        [1, true],
        [3, true],
      ]);
      expect(next.map(({ deviceId }) => deviceId)).toEqual(Array(3).fill(device(1)));
      // By what it was before, too.
      await outbox.done(A, [message]);
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: [], read: next });
    });

    it('has an entry that goes on in another message in that one only', async () => {
      await queueSids(A, 1, 2, 3);
      const entries = await outbox.read(A, 3);
      await outbox.seal(A, { message: 'm', entries });
      const [first, ...others] = entries;
      const [alone, rest] = [
        { message: 'alone', entries: [first] },
        { message: 'm', entries: others },
      ];
      await Promise.all([outbox.seal(A, alone), outbox.seal(A, rest)]);
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: [alone, rest], read: [] });
      await outbox.done(A, [alone]);
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: [rest], read: [] });
    });

    it('of which a message was taken apart goes on with its parts', async () => {
      await queueSids(A, 1, 2, 3);
      const entries = await outbox.read(A, 3);
      await outbox.seal(A, { message: 'whole', entries });
      const parts = entries.map((entry, i) => ({ message: `part-${i}`, entries: [entry] }));
      await outbox.seal(A, ...parts);
      for (let i = 0; i < 2; i++) await outbox.done(A, [{ message: 'whole', entries: [] }]);
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: parts, read: [] });
      // One that has something left is not done by that.
      await outbox.done(A, [{ message: 'part-0', entries: [] }]);
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: parts, read: [] });
      await outbox.done(A, parts);
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: [], read: [] });
    });

    it('of which several messages are done at once forgets them', async () => {
      await queueSids(A, 1, 2, 3);
      const entries = await outbox.read(A, 100);
      const messages = entries.map((entry, i) => ({ message: `m-${i}`, entries: [entry] }));
      await Promise.all(messages.map((message) => outbox.seal(A, message)));
      await outbox.done(A, messages.slice(0, 2));
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: messages.slice(2), read: [] });
    });

    it('says how it stands', async () => {
      expect(await outbox.queues()).toEqual([]);
      const before = Date.now();
      await queueSids(A, 1, 2, 3);
      await queueSids(B, 1);
      const state = async () =>
        (await outbox.queues())
          .map(({ destination, waiting, dead }) => [destination, waiting, dead])
          .sort(([a], [b]) => a - b);
      expect(await state()).toEqual([
        [A, 3, 0],
        [B, 1, 0],
      ]);
      const [first, ...rest] = await outbox.read(A, 100);
      const oldest = async () =>
        (await outbox.queues()).find(({ destination }) => destination === A)?.oldest;
      expect(await oldest()).toBe(first.queuedAt);
      expect(Math.abs(first.queuedAt - before)).toBeLessThan(60_000);
      const message = { message: 'm', entries: [first] };
      await outbox.seal(A, message);
      expect(await state()).toEqual([
        [A, 3, 0],
        [B, 1, 0],
      ]);
      await outbox.bury(A, { ...message, at: Date.now(), problem: 'gone' });
      expect(await state()).toEqual([
        [A, 2, 1],
        [B, 1, 0],
      ]);
      expect(await oldest()).toBe(rest[0].queuedAt);
      await outbox.discard(A, rest);
      expect(await oldest()).toBeUndefined();
      expect(await state()).toEqual([
        [A, 0, 1],
        [B, 1, 0],
      ]);
      await outbox.drop(A, ALL);
      expect(await state()).toEqual([[B, 1, 0]]);
    });
  });

  describe('dead letters', () => {
    const BURIED = 1_790_000_000_000;
    /** Has messages of one entry given up, in this order. */
    const buried = async (...sids: number[]) => {
      await queueSids(A, ...sids);
      const letters = (await outbox.read(A, 100)).map((entry, i) => ({
        message: `m-${entry.moves[0].sid}`,
        entries: [entry],
        at: BURIED + i,
        problem: `answered 400: “${entry.moves[0].sid} ≠ Ж”`,
      }));
      for (const letter of letters) {
        await outbox.seal(A, letter);
        await outbox.bury(A, letter);
      }
      return letters;
    };

    it('are kept, newest first', async () => {
      const letters = await buried(1, 2, 3);
      await restart();
      expect(await outbox.recover(A)).toEqual({ sealed: [], read: [] });
      expect(await outbox.dead(A, 100)).toEqual(letters.toReversed());
      expect(inWords(await outbox.dead(A, 2))).toEqual([
        ['m-3', [3]],
        ['m-2', [2]],
      ]);
      expect(await outbox.dead(B, 100)).toEqual([]);
    });

    it.each<[string, Letters, number, number[], [string, number[]][]]>([
      ['some of them', ['m-1', 'm-3', 'm-8'], 2, [1, 3], [['m-2', [2]]]],
      ['all of them', ALL, 3, [1, 2, 3], []],
      ['the first ones', { until: BURIED + 1, limit: 10 }, 2, [1, 2], [['m-3', [3]]]],
      ['no more than', { until: BURIED + 9, limit: 2 }, 2, [1, 2], [['m-3', [3]]]],
    ])(
      'come to the end of the queue, late, as new entries: %s',
      async (_, which, count, sids, dead) => {
        const letters = await buried(1, 2, 3);
        await queueSids(A, 4);
        expect(await outbox.replay(A, which)).toBe(count);
        expect(inWords(await outbox.dead(A, 100))).toEqual(dead);
        const read = await outbox.read(A, 100);
        expect(sidsOf(read)).toEqual([4, ...sids]);
        const before = new Set(letters.flatMap(({ entries }) => entries.map(({ id }) => id)));
        for (const { id, deviceId, isLate = false, moves } of read) {
          expect(before).not.toContain(id);
          expect(deviceId).toBe(device(1));
          expect(isLate).toBe(moves[0].sid !== 4);
        }
        if (dead.length === 0) expect(await outbox.replay(A, which)).toBe(0);
        await restart();
        expect((await outbox.recover(A)).read).toEqual(read);
      },
    );

    it.each<[string, Letters, number, [string, number[]][]]>([
      ['some of them', ['m-1', 'm-3', 'm-8'], 2, [['m-2', [2]]]],
      ['all of them', ALL, 3, []],
      [
        'those of before',
        { until: BURIED, limit: 10 },
        1,
        [
          ['m-3', [3]],
          ['m-2', [2]],
        ],
      ],
    ])('are dropped: %s', async (_, which, count, dead) => {
      await buried(1, 2, 3);
      expect(await outbox.drop(A, which)).toBe(count);
      expect(inWords(await outbox.dead(A, 100))).toEqual(dead);
      expect(await outbox.drop(A, which)).toBe(0);
      expect((await outbox.queues())[0]?.dead ?? 0).toBe(dead.length);
      expect(await outbox.read(A, 100)).toEqual([]);
    });

    describe.each<Spoiling>(['damaged', 'new'])('of which some cannot be read: %s', (how) => {
      beforeEach(async () => {
        await buried(1, 2, 3, 4, 5);
        for (const sid of [1, 2, 4]) await spoilLetter(place, A, `m-${sid}`, how);
      });
      const words = async (letters: Promise<DeadLetter[]>) =>
        (await letters).map(({ message, entries, at, problem, isUnreadable }) => {
          expect(at).toBe(BURIED + Number(message.slice(-1)) - 1);
          if (isUnreadable)
            expect(problem).toMatch(/cannot be read by this version .*only be dropped$/);
          return [message, isUnreadable ? 'unreadable' : sidsOf(entries)];
        });
      const all = [
        ['m-1', 'unreadable'],
        ['m-2', 'unreadable'],
        ['m-3', [3]],
        ['m-4', 'unreadable'],
        ['m-5', [5]],
      ];
      const unreadable = all.filter(([, what]) => what === 'unreadable');

      it('show all', async () => {
        expect(await words(outbox.dead(A, 100))).toEqual(all.toReversed());
        expect(await words(outbox.dead(A, 2))).toEqual(all.slice(3).toReversed());
      });

      it.each([1, 2, 100])('come all, oldest first, %i at a time', async (limit) => {
        const met: DeadLetter[] = [];
        for (let some = await outbox.oldestDead(A, limit); some.length > 0; ) {
          met.push(...some);
          some = await outbox.oldestDead(A, limit, met.at(-1));
        }
        expect(await words(Promise.resolve(met))).toEqual(all);
      });

      it.each<[string, Letters, number[]]>([
        ['some', ['m-1', 'm-3', 'm-4'], [3]],
        ['all', ALL, [3, 5]],
        ['those of a time', { until: BURIED + 3, limit: 10 }, [3]],
        ['the first that can be', { until: BURIED + 9, limit: 1 }, [3]],
      ])('have the others sent again, and stay: %s', async (_, which, sids) => {
        expect(await outbox.replay(A, which)).toBe(sids.length);
        expect(sidsOf(await outbox.read(A, 100))).toEqual(sids);
        const left = all.filter(([, what]) => !sids.includes(Number(what)));
        expect(await words(outbox.oldestDead(A, 100))).toEqual(left);
        expect(await outbox.queues()).toMatchObject([{ dead: left.length }]);
      });

      it('are dropped as the others are', async () => {
        expect(await outbox.replay(A, ALL)).toBe(2);
        expect(await words(outbox.dead(A, 100))).toEqual(unreadable.toReversed());
        expect(await outbox.drop(A, ['m-2'])).toBe(1);
        expect(await outbox.drop(A, { until: BURIED, limit: 1 })).toBe(1);
        expect(await words(outbox.dead(A, 100))).toEqual([['m-4', 'unreadable']]);
      });
    });
  });

  describe('dead letters that are gone through, oldest first,', () => {
    /** Several are of the same instant. */
    const buried = async (): Promise<DeadLetter[]> => {
      await queueSids(A, 1, 2, 3, 4, 5);
      const letters = (await outbox.read(A, 100)).map((entry, i) => ({
        message: `m-${i}`,
        entries: [entry],
        at: 1_790_000_000_000 + Math.floor(i / 2),
        problem: 'gone',
      }));
      for (const letter of letters) {
        await outbox.seal(A, letter);
        await outbox.bury(A, letter);
      }
      return letters;
    };

    it.each([1, 2, 3, 100])('come once each, %i at a time', async (limit) => {
      const letters = await buried();
      const met: DeadLetter[] = [];
      for (let some = await outbox.oldestDead(A, limit); some.length > 0; ) {
        expect(some.length).toBeLessThanOrEqual(limit);
        met.push(...some);
        some = await outbox.oldestDead(A, limit, met.at(-1));
      }
      expect(met).toEqual(letters);
      expect(await outbox.oldestDead(B, limit)).toEqual([]);
    });

    it('go on after one that is not there any more', async () => {
      await buried();
      const [first, second] = await outbox.oldestDead(A, 2);
      await outbox.drop(A, [second.message]);
      const rest = await outbox.oldestDead(A, 100, second);
      expect(rest.map(({ message }) => message).filter((name) => name !== first.message)).toEqual([
        'm-2',
        'm-3',
        'm-4',
      ]);
    });

    it('may be made to tell something else, or nothing; not when they have gone', async () => {
      await buried();
      const [first, second, third] = await outbox.oldestDead(A, 3);
      const [entry] = first.entries;
      const less = { ...first, entries: [{ ...entry, moves: [left(9)] }] };
      await outbox.amend(A, less);
      await outbox.amend(A, { ...second, entries: [] });
      await outbox.drop(A, [third.message]);
      await outbox.amend(A, third);
      await outbox.amend(A, { ...third, entries: [] });
      const dead = await outbox.oldestDead(A, 100);
      expect(dead[0]).toEqual(less);
      expect(dead.map(({ message }) => message)).toEqual(['m-0', 'm-3', 'm-4']);
      expect(await outbox.queues()).toMatchObject([{ destination: A, dead: 3 }]);
      await outbox.replay(A, ['m-0']);
      expect((await outbox.read(A, 10)).map(({ moves }) => moves)).toEqual([[left(9)]]);
    });
  });

  it('a destination that is cleared has nothing left, and may be queued for again', async () => {
    await queueSids(A, 1, 2, 3, 4);
    await queueSids(B, 9);
    const [first, second, third] = await outbox.read(A, 3);
    const letter = { message: 'dead', entries: [first], at: 1, problem: 'gone' };
    await outbox.seal(A, letter);
    await outbox.bury(A, letter);
    const sealed = { message: 'sealed', entries: [second] };
    await outbox.seal(A, sealed);
    await outbox.clear(A);
    expect((await outbox.queues()).map(({ destination }) => destination)).toEqual([B]);
    expect(await outbox.dead(A, 100)).toEqual([]);
    expect(await outbox.read(A, 100)).toEqual([]);
    expect(await outbox.recover(A)).toEqual({ sealed: [], read: [] });
    await queueSids(A, 5);
    // A sender that was under way says what became of it.
    await outbox.done(A, [sealed]);
    await outbox.discard(A, [third]);
    expect(sidsOf(await outbox.read(A, 100))).toEqual([5]);
    expect((await outbox.queues()).map(({ waiting }) => waiting)).toEqual([1, 1]);
  });

  describe('a lease', () => {
    let other: Outbox;
    beforeEach(async () => {
      other = await openOutbox(place);
    });
    afterEach(() => other.close());

    it('is had by one at a time, who may keep it', async () => {
      expect(await outbox.lease('queue:1', 'one', 60_000)).toBe(true);
      expect(await other.lease('queue:1', 'other', 60_000)).toBe(false);
      expect(await outbox.lease('queue:1', 'one', 60_000)).toBe(true);
      expect(await other.lease('queue:2', 'other', 60_000)).toBe(true);
      expect(await outbox.lease('queue:2', 'one', 60_000)).toBe(false);
    });

    it('is had by one of two who ask at the same instant', async () => {
      const both = await Promise.all(
        [outbox, other].map((one, i) => one.lease('all', `${i}`, 60_000)),
      );
      expect(both.toSorted()).toEqual([false, true]);
    });

    it('is had by one of two in the same process', async () => {
      expect(await outbox.lease('queue:1', 'one', 60_000)).toBe(true);
      expect(await outbox.lease('queue:1', 'another', 60_000)).toBe(false);
      await outbox.release('queue:1', 'another');
      expect(await outbox.lease('queue:1', 'another', 60_000)).toBe(false);
    });

    it('that was released is free; that of somebody else is not released', async () => {
      await outbox.lease('queue:1', 'one', 60_000);
      await other.release('queue:1', 'other');
      expect(await other.lease('queue:1', 'other', 60_000)).toBe(false);
      await outbox.release('queue:1', 'one');
      expect(await other.lease('queue:1', 'other', 60_000)).toBe(true);
    });

    it('ends by itself, also that of a killed process', async () => {
      await outbox.lease('queue:1', 'one', 200);
      await outbox.lease('queue:2', 'one', 60_000);
      await restart();
      const free = async (name: string) => {
        for (const end = Date.now() + 10_000; Date.now() < end; await pause(20)) {
          if (await other.lease(name, 'other', 60_000)) return true;
        }
        return false;
      };
      expect(await free('queue:1')).toBe(true);
      expect(await other.lease('queue:2', 'other', 60_000)).toBe(false);
    });
  });

  it('200 destinations have queues of their own', async () => {
    const destinations = Array.from({ length: 200 }, (_, i) => 10_000 + i);
    await queue(
      1,
      destinations.map((destination) => [destination, joined(destination)]),
    );
    expect((await outbox.queues()).map(({ destination }) => destination).sort()).toEqual(
      destinations,
    );
    const read = await Promise.all(destinations.map((destination) => outbox.read(destination, 9)));
    expect(read.map(sidsOf)).toEqual(destinations.map((sid) => [sid]));
  });

  it('10,000 entries come out as they went in, through kills', async () => {
    const VISITORS = 100;
    const TIMES = 100;
    await Promise.all(
      Array.from({ length: VISITORS }, (_, n) => visited(store, visitOf(device(n), 1))),
    );
    const batches = await walk(1_000);
    expect(idsOf(batches).length).toBe(VISITORS);
    for (let time = 1; time <= TIMES; time++) {
      await settle(batches, (one) => ({ ...nothing(one), moves: new Map([[A, [joined(time)]]]) }));
    }
    expect((await outbox.queues()).map(({ waiting }) => waiting)).toEqual([VISITORS * TIMES]);
    const last = new Map<string, number>();
    let count = 0;
    const arrive = ({ entries }: Sealed) => {
      for (const { deviceId, moves } of entries) {
        expect(moves).toEqual([joined((last.get(deviceId) ?? 0) + 1)]);
        last.set(deviceId, moves[0].sid);
        count++;
      }
    };
    for (let round = 0; count < VISITORS * TIMES; round++) {
      const entries = await outbox.read(A, 1_000);
      const messages = Array.from({ length: entries.length / 10 }, (_, i) => ({
        message: `m-${round}-${i}`,
        entries: entries.slice(10 * i, 10 * i + 10),
      }));
      await Promise.all(messages.map((message) => outbox.seal(A, message)));
      if (round % 3 === 1) {
        await restart();
        expect(await outbox.recover(A)).toEqual({ sealed: messages, read: [] });
      }
      messages.forEach(arrive);
      await outbox.done(A, messages);
    }
    expect(new Set(last.values())).toEqual(new Set([TIMES]));
    expect(await outbox.read(A, 1)).toEqual([]);
    expect(await outbox.queues()).toEqual([]);
  });
}
