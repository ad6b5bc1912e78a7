/** Numbers and moments, written the same way everywhere. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });

/** 12345 → 12,345 */
export const count = (n: number): string => whole.format(n);

/** 12345 → 12.3K: where there is little room; put the whole number into a tooltip. */
export const countInShort = (n: number): string => short.format(n);

/** 0.125 → 12.5% */
export const share = (part: number): string => percent.format(part);

const kilobytes = new Intl.NumberFormat('en', {
  style: 'unit',
  unit: 'byte',
  unitDisplay: 'narrow',
  notation: 'compact',
  maximumFractionDigits: 1,
});

/** 12345 → 12.3KB */
export const bytes = (n: number): string => kilobytes.format(n);

/** `many(1, 'mapping')` → 1 mapping; `many(2, 'mapping')` → 2 mappings */
export const many = (n: number, noun: string, plural = `${noun}s`): string =>
  `${count(n)} ${n === 1 ? noun : plural}`;

const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' });
const minute = new Intl.DateTimeFormat('en', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
const second = new Intl.DateTimeFormat('en', {
  dateStyle: 'full',
  timeStyle: 'long',
  hourCycle: 'h23',
});
const clock = new Intl.DateTimeFormat('en', {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});

/** Unix milliseconds → 4 Jul 2026 (in the browser's time zone) */
export const date = (at: number): string => day.format(at);

/** Unix milliseconds → 4 Jul 2026, 14:05 */
export const moment = (at: number): string => minute.format(at);

/** Unix milliseconds → with weekday, seconds and time zone: for tooltips. */
export const momentInFull = (at: number): string => second.format(at);

/** Unix milliseconds → 14:05 */
export const timeOfDay = (at: number): string => clock.format(at);

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

const STEPS = [
  ['second', 60],
  ['minute', 60],
  ['hour', 24],
  ['day', 7],
  ['week', 5],
] as const;

/** Unix milliseconds → 5 minutes ago; what is older than some weeks by its date. */
export function ago(at: number, now = Date.now()): string {
  let distance = (at - now) / 1_000;
  if (Math.abs(distance) < 10) return 'just now';
  for (const [unit, size] of STEPS) {
    if (Math.abs(distance) < size) return relative.format(Math.round(distance), unit);
    distance /= size;
  }
  return date(at);
}
