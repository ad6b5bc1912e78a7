/** Schedules: cron patterns in UTC. */
import { describe, expect, it } from 'vitest';
import { nextRun, ScheduleError } from '../../../src/outbound/files/schedule.ts';

/** A Friday. */
const NOW = Date.UTC(2017, 1, 3, 16, 54, 3);

describe('the next run', () => {
  it.each([
    ['30 2 * * *', '2017-02-04T02:30:00.000Z'],
    ['*/15 * * * *', '2017-02-03T17:00:00.000Z'],
    ['54 16 * * *', '2017-02-04T16:54:00.000Z'],
    ['0 9-17 * * MON-FRI', '2017-02-03T17:00:00.000Z'],
    ['0 0 * * 7', '2017-02-05T00:00:00.000Z'],
    ['0 6 1 * *', '2017-03-01T06:00:00.000Z'],
    ['0 0 29 2 *', '2020-02-29T00:00:00.000Z'],
    [' 0  3 * * * ', '2017-02-04T03:00:00.000Z'],
    ['@hourly', '2017-02-03T17:00:00.000Z'],
    ['@daily', '2017-02-04T00:00:00.000Z'],
    ['@weekly', '2017-02-05T00:00:00.000Z'],
  ])('by %s', (pattern, expected) => {
    expect(new Date(nextRun(pattern, NOW)).toISOString()).toBe(expected);
  });

  it('comes after the one before', () => {
    const first = nextRun('0 * * * *', NOW);
    expect(nextRun('0 * * * *', first) - first).toBe(3_600_000);
  });
});

it.each([
  ['', 'no schedule'],
  ['daily', 'no schedule'],
  ['@never', 'no schedule'],
  ['0 2 * *', 'no schedule'],
  ['0 0 2 * * *', 'no schedule'],
  ['60 2 * * *', 'Invalid value for minute'],
  ['0 24 * * *', 'Invalid value for hour'],
  ['2026-07-04T00:00:00', 'no schedule'],
  ['0 0 30 2 *', 'never comes'],
])('%o is none', (pattern, why) => {
  expect(() => nextRun(pattern, NOW)).toThrow(ScheduleError);
  expect(() => nextRun(pattern, NOW)).toThrow(why);
});
