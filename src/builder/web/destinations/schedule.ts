/** Schedules in words. */

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const SHORTHANDS: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
};

/**
 * The usual cron patterns, in UTC; undefined for all others.
 *
 * @example
 * scheduleInWords('30 2 * * *') // every day at 02:30 UTC
 */
export function scheduleInWords(pattern: string): string | undefined {
  const text = pattern.trim().toLowerCase();
  const fields = (SHORTHANDS[text] ?? text).split(/ +/);
  if (fields.length !== 5 || fields[3] !== '*') return undefined;
  const [minute, hour, date, , day] = fields;
  const isEveryDay = date === '*' && day === '*';
  const minutes = stepIn(minute, 60);
  if (minutes) {
    if (hour !== '*' || !isEveryDay) return undefined;
    return minutes === 1 ? 'every minute' : `every ${minutes} minutes`;
  }
  const at = within(minute, 59);
  if (at === undefined) return undefined;
  const hours = stepIn(hour, 24);
  if (hours) {
    if (!isEveryDay) return undefined;
    const often = hours === 1 ? 'every hour' : `every ${hours} hours`;
    return at === 0 ? often : `${often}, at minute ${at}`;
  }
  const oclock = within(hour, 23);
  if (oclock === undefined) return undefined;
  const time = `at ${String(oclock).padStart(2, '0')}:${String(at).padStart(2, '0')} UTC`;
  if (isEveryDay) return `every day ${time}`;
  const weekday = within(day, 7);
  if (date === '*' && weekday !== undefined) return `every ${DAYS[weekday % 7]} ${time}`;
  if (date === '*' && day === '1-5') return `from Monday to Friday ${time}`;
  const ofMonth = within(date, 31);
  if (day === '*' && ofMonth) return `on day ${ofMonth} of every month ${time}`;
  return undefined;
}

// Of `*`, and of `*` with a step that divides the whole: others start anew with each hour or day.
function stepIn(field: string, whole: number): number | undefined {
  if (field === '*') return 1;
  const step = Number(/^\*\/(\d{1,2})$/.exec(field)?.[1]);
  return step > 0 && whole % step === 0 ? step : undefined;
}

const within = (text: string, most: number): number | undefined =>
  /^\d{1,2}$/.test(text) && Number(text) <= most ? Number(text) : undefined;
