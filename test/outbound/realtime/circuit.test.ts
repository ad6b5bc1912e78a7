/** Whether anything may be sent to a partner now, whatever happened before. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Attempt,
  backoff,
  Circuit,
  FAILURES,
  MAX_PAUSE_MS,
  MAX_RETRY_AFTER_MS,
} from '../../../src/outbound/realtime/circuit.ts';

describe('the pause after failures', () => {
  it.each([
    [0, 1_000],
    [1, 2_000],
    [5, 32_000],
    [6, 60_000],
    [10_000, 60_000],
  ])('after %s it is at most %s ms, and any time up to that', (failures, most) => {
    expect([0, 0.25, 1].map((random) => backoff(failures, random))).toEqual([0, most / 4, most]);
  });
});

/** Opens a circuit; the last failure has this chance. */
function opened(now: number, random = 1): Circuit {
  const circuit = new Circuit();
  for (let i = 0; i < FAILURES; i++) circuit.fail(circuit.start(now) as Attempt, now, random);
  return circuit;
}

describe('a circuit', () => {
  it('is closed until so many failures in a row', () => {
    const circuit = new Circuit();
    for (let i = 1; i < FAILURES; i++) circuit.fail(circuit.start(0) as Attempt, 0, 1);
    expect(circuit.isOpen).toBe(false);
    circuit.succeed();
    for (let i = 1; i < FAILURES; i++) circuit.fail(circuit.start(0) as Attempt, 0, 1);
    expect([circuit.isOpen, circuit.from]).toEqual([false, 0]);
    circuit.fail(circuit.start(0) as Attempt, 0, 1);
    expect([circuit.isOpen, circuit.from]).toEqual([true, 1_000]);
  });

  it('lets one probe through when its pause is over, then makes a longer one', () => {
    const circuit = opened(0);
    expect(circuit.start(999)).toBeUndefined();
    const probe = circuit.start(1_000) as Attempt;
    expect(probe).toBeDefined();
    expect(circuit.start(99_999)).toBeUndefined();
    circuit.fail(probe, 2_000, 1);
    expect(circuit.from).toBe(4_000);
  });

  it('is closed by a probe that arrives', () => {
    const circuit = opened(0);
    circuit.start(1_000);
    circuit.succeed();
    expect([circuit.isOpen, circuit.from]).toEqual([false, 0]);
  });

  it('lets a probe through at once when somebody wants it, whatever the partner asked for', () => {
    const circuit = opened(0);
    circuit.fail(circuit.start(1_000) as Attempt, 1_000, 1, MAX_RETRY_AFTER_MS);
    circuit.relent();
    const probe = circuit.start(1_001) as Attempt;
    expect(probe.isProbe).toBe(true);
    expect(circuit.start(1_001)).toBeUndefined();
    circuit.fail(probe, 1_001, 1);
    expect(circuit.from).toBe(5_001);
  });

  it('learns nothing from what was under way when somebody wanted a try', () => {
    const circuit = opened(0);
    const before = circuit.start(1_000) as Attempt;
    circuit.relent();
    const probe = circuit.start(1_001) as Attempt;
    circuit.fail(before, 1_002, 1, MAX_RETRY_AFTER_MS);
    expect([circuit.isOutdated(before), circuit.isOutdated(probe)]).toEqual([true, false]);
    circuit.drop(probe);
    expect(circuit.from).toBe(0);
  });

  it.each([
    [9_999, false],
    [10_000, true],
  ])('a silence of %s ms is said: %s', (retryAfter, isSaid) => {
    const said: number[] = [];
    const circuit = new Circuit((until) => said.push(until));
    circuit.fail(circuit.start(5) as Attempt, 5, 1, retryAfter);
    expect([circuit.isAway(5), said]).toEqual([isSaid, isSaid ? [10_005] : []]);
    expect(circuit.isAway(6)).toBe(false);
  });

  it('learns nothing from a probe that came to nothing: the next one may go', () => {
    const circuit = opened(0);
    circuit.drop(circuit.start(1_000) as Attempt);
    expect([circuit.isOpen, circuit.from]).toEqual([true, 1_000]);
  });

  it('learns nothing new from what was under way when it opened', () => {
    const circuit = new Circuit();
    const late = Array.from({ length: 8 }, () => circuit.start(0) as Attempt);
    for (const attempt of late) circuit.fail(attempt, 0, 1);
    expect(circuit.from).toBe(1_000);
  });

  it.each([
    ['while it is closed', () => new Circuit()],
    ['while it is open', () => opened(0, 0)],
  ])('obeys Retry-After %s, for an hour at most', (_, make) => {
    const circuit = make();
    circuit.fail(circuit.start(0) as Attempt, 0, 0, 120_000);
    expect(circuit.from).toBe(120_000);
    circuit.fail(circuit.start(120_000) as Attempt, 120_000, 0, 1e12);
    expect(circuit.from).toBe(120_000 + MAX_RETRY_AFTER_MS);
  });

  it('obeys it, too, where something else arrives meanwhile', () => {
    const circuit = new Circuit();
    const [one, other] = [circuit.start(0) as Attempt, circuit.start(0) as Attempt];
    circuit.fail(one, 0, 0, 5_000);
    expect(other).toBeDefined();
    circuit.succeed();
    expect(circuit.from).toBe(5_000);
  });
});

it('whatever happens: one at a time while open, never too early, and never shut for ever', () => {
  const event = fc.record({
    wait: fc.integer({ min: 0, max: 20_000 }),
    what: fc.constantFrom('start', 'succeed', 'fail', 'fail', 'drop'),
    which: fc.nat(),
    random: fc.double({ min: 0, max: 1, noNaN: true }),
    retryAfter: fc.option(fc.integer({ min: 0, max: 1e7 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const circuit = new Circuit();
      const underWay: Attempt[] = [];
      let now = 0;
      let silentUntil = 0;
      let probes: Attempt[] = [];
      for (const { wait, what, which, random, retryAfter } of events) {
        now += wait;
        if (what === 'start') {
          const { isOpen } = circuit;
          const attempt = circuit.start(now);
          if (attempt) {
            underWay.push(attempt);
            expect(now).toBeGreaterThanOrEqual(silentUntil);
            if (isOpen) {
              expect(probes).toEqual([]);
              probes = [attempt];
            }
          } else expect(isOpen || now < silentUntil).toBe(true);
          continue;
        }
        const [attempt] = underWay.splice(which % (underWay.length || 1), 1);
        if (!attempt) continue;
        if (what === 'succeed') circuit.succeed();
        else if (what === 'drop') circuit.drop(attempt);
        else {
          circuit.fail(attempt, now, random, retryAfter);
          silentUntil = Math.max(silentUntil, now + Math.min(retryAfter ?? 0, MAX_RETRY_AFTER_MS));
        }
        probes = what === 'succeed' ? [] : probes.filter((probe) => probe !== attempt);
        if (what === 'succeed') expect(circuit.isOpen).toBe(false);
        if (probes.length === 0) {
          expect(circuit.from).toBeLessThanOrEqual(Math.max(silentUntil, now + MAX_PAUSE_MS));
        }
      }
    }),
  );
});
