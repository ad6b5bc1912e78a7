/** When files are due: cron patterns, read in UTC. */
import { Cron } from 'croner';

/** A pattern that says no time; in words for whoever wrote it. */
export class ScheduleError extends Error {}

/**
 * The next time after another one, both in Unix milliseconds.
 *
 * @param pattern minute, hour, day of the month, month and day of the week; or `@hourly`, `@daily`,
 *   `@weekly`, `@monthly`, `@yearly`
 * @throws ScheduleError
 * @example
 * nextRun('30 2 * * *', Date.UTC(2026, 6, 4)) // half past two that night
 */
export function nextRun(pattern: string, after: number): number {
  const shown = JSON.stringify(pattern.slice(0, 80));
  // The package would take a single date, too.
  if (!/^(@[a-z]+|\S+( +\S+){4})$/i.test(pattern.trim())) {
    throw new ScheduleError(`${shown} is no schedule`);
  }
  let next: Date | null;
  try {
    const cron = new Cron(pattern.trim(), { timezone: 'UTC', paused: true, mode: '5-part' });
    next = cron.nextRun(new Date(after));
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : error;
    throw new ScheduleError(`${shown} is no schedule: ${why}`);
  }
  if (!next) throw new ScheduleError(`${shown} is a time that never comes`);
  return next.getTime();
}
