/** What the operator is told of visitors who cannot be read. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Meet, unreadableReport } from '../../src/outbound/unreadable.ts';

let said: string[];
let meet: Meet;
beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  meet = unreadableReport((message, error) => said.push(`${message}: ${error.message}`));
});
afterEach(() => vi.useRealTimers());

const readable = { deviceId: '1', profile: undefined, told: new Map() };
const unreadable = (deviceId: string) => ({ deviceId, problem: `visitor ${deviceId}: why` });

it('is the first of them, and why; of the others one an hour', () => {
  meet([]);
  meet([readable]);
  expect(said).toEqual([]);
  meet([readable, unreadable('2'), unreadable('3')]);
  expect(said).toEqual(['some visitors cannot be read and are put off: visitor 2: why']);
  for (let minute = 0; minute < 59; minute++) {
    vi.advanceTimersByTime(60_000);
    meet([unreadable('2')]);
  }
  expect(said).toHaveLength(1);
  vi.advanceTimersByTime(60_000);
  meet([unreadable('4')]);
  expect(said).toHaveLength(2);
});
