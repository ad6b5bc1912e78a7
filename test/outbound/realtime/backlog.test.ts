/** Which entries go out together: a visitor once, and in order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backlog } from '../../../src/outbound/realtime/backlog.ts';
import type { Entry } from '../../../src/store/outbox.ts';

/** `a1` is of visitor a, queued at 1. */
const entries = (text: string): Entry[] =>
  text.split(' ').map((id) => ({ id, deviceId: id[0], queuedAt: Number(id.slice(1)), moves: [] }));
const names = (taken: readonly Entry[]) => taken.map(({ id }) => id).join(' ');

function backlogOf(text: string): Backlog {
  const backlog = new Backlog();
  backlog.add(entries(text));
  return backlog;
}

describe('a message takes', () => {
  it('so many entries, in order', () => {
    const backlog = backlogOf('a1 b2 c3');
    expect([names(backlog.take(2)), names(backlog.take(2)), names(backlog.take(2))]).toEqual([
      ...['a1 b2', 'c3', ''],
    ]);
  });

  it('each visitor once; what came later waits until they are free', () => {
    const backlog = backlogOf('a1 a2 b3 a4');
    const first = backlog.take(10);
    expect(names(first)).toBe('a1 b3');
    expect(names(backlog.take(10))).toBe('');
    expect(backlog.size).toBe(2);
    backlog.free(first);
    expect(names(backlog.take(10))).toBe('a2');
  });

  it('nobody who is in a message that was found', () => {
    const backlog = backlogOf('a1 b2');
    backlog.occupy(entries('a0'));
    expect(names(backlog.take(10))).toBe('b2');
  });

  it('what is meant, and no visitor out of order', () => {
    const backlog = backlogOf('a5 a1 b2 c9');
    expect(names(backlog.take(10, ({ queuedAt }) => queuedAt < 4))).toBe('b2');
    expect(names(backlog.take(10))).toBe('a5 c9');
  });
});

it('what waits of some visitors can be counted, whether they are in a message or not', () => {
  const backlog = backlogOf('a1 b2 a3 c4 a5');
  backlog.take(1);
  expect([['a'], ['a', 'c'], ['d']].map((ids) => backlog.countOf(new Set(ids)))).toEqual([2, 3, 0]);
});

it('whatever is taken and freed, each comes once, in order for each visitor', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 }),
      fc.array(fc.record({ limit: fc.integer({ min: 1, max: 4 }), frees: fc.nat(3) })),
      (visitors, steps) => {
        const backlog = backlogOf(visitors.map((name, i) => `${name}${i}`).join(' ') || 'a0');
        const all = backlog.size;
        const seen: Entry[] = [];
        const busy: Entry[][] = [];
        for (const { limit, frees } of [...steps, ...Array(all + 1).fill({ limit: 4, frees: 3 })]) {
          const taken = backlog.take(limit);
          const others = new Set(busy.flat().map(({ deviceId }) => deviceId));
          expect(new Set(taken.map(({ deviceId }) => deviceId)).size).toBe(taken.length);
          expect(taken.filter(({ deviceId }) => others.has(deviceId))).toEqual([]);
          seen.push(...taken);
          busy.push(taken);
          for (const done of busy.splice(0, frees)) backlog.free(done);
        }
        expect(seen).toHaveLength(all);
        for (const name of 'abcd') {
          const times = seen.filter((e) => e.deviceId === name).map(({ queuedAt }) => queuedAt);
          expect(times).toEqual([...times].sort((a, b) => a - b));
        }
      },
    ),
  );
});
