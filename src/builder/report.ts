/**
 * The reports: how often each destination and segment fired, was capped or blocked, and by what, by
 * the hour or the day.
 */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { problemsOf } from '../account/problem.ts';
import { SIGHTS, type Sight, type Totals } from '../destinations/tally.ts';
import {
  type Counted,
  KEPT_UNITS,
  type Registry,
  startOf,
  UNIT_MS,
  type Unit,
} from '../store/registry.ts';
import type { AccountBook, Document } from './book.ts';
import type { Behind } from './caller.ts';
import { destinationsOf } from './counts.ts';
import { DESTINATIONS, readName, scopeOf, TOTAL } from './ledger.ts';
import type { Paths } from './operation.ts';
import { either, RestError, unknown } from './request.ts';
import { type Entry, entriesOf } from './resource.ts';

/** Hours and days begin as in UTC. */
interface Period {
  readonly unit: Unit;
  /** When the first and the last hour or day begin. */
  readonly from: number;
  readonly to: number;
}

/** So many hours or days where nothing else is asked for. */
const USUAL = { hour: 24, day: 30 } as const satisfies Record<Unit, number>;

export function reports(book: AccountBook, registry: Registry): Hono<Behind> {
  const app = new Hono<Behind>();
  const current = async () => (await book.current()).document as Document;
  const read = (scope: string, { unit, from, to }: Period): Promise<Counted[]> =>
    registry.counts(scope, unit, from, to);

  app.on('GET', either('/reports/destinations'), async (c) => {
    const period = usual('hour', Date.now());
    const byId = new Map(
      entriesOf(await current(), 'destinations').map((destination) => [
        idOf(destination),
        { fired: 0, ...NONE_SEEN, hours: timesOf(period).map(() => 0) },
      ]),
    );
    for (const { at, name, count } of await read(DESTINATIONS, period)) {
      const { id, what } = readName(name);
      const report = byId.get(id);
      if (!report) continue;
      if (isSight(what)) report[what] += count;
      else if (what === 'delivered') {
        report.fired += count;
        report.hours[(at - period.from) / UNIT_MS.hour] += count;
      }
    }
    const list = [...byId].map(([destinationId, report]) => ({ destinationId, ...report }));
    return c.json(list satisfies z.input<typeof LIST>);
  });

  app.on('GET', either('/reports/destinations/:id{\\d+}'), async (c) => {
    const period = periodIn(c);
    const id = Number(c.req.param('id'));
    const destination = entriesOf(await current(), 'destinations').find((one) => idOf(one) === id);
    if (!destination) throw unknown('destination', id);
    const series = seriesOf(period, () => ({ reasons: {}, ...NONE_SEEN }));
    const mappings = (destination.mappings ?? []) as readonly Entry[];
    const bySegment = new Map<number, Reasons>(mappings.map(({ sid }) => [Number(sid), {}]));
    for (const { at, name, count } of await read(scopeOf(id), period)) {
      const { id: sid, what } = readName(name);
      if (sid === 0) {
        const row = series.at(at);
        if (isSight(what)) row[what] += count;
        else addTo(row.reasons, what, count);
      } else {
        const reasons = bySegment.get(sid) ?? {};
        bySegment.set(sid, reasons);
        addTo(reasons, what, count);
      }
    }
    const segments = [...bySegment].map(([sid, reasons]) => ({ sid, reasons }));
    const report: z.input<typeof OF_DESTINATION> = { ...series.answer, segments };
    return c.json(report);
  });

  app.on('GET', either('/reports/segments/:sid{\\d+}'), async (c) => {
    const period = periodIn(c);
    const sid = Number(c.req.param('sid'));
    const document = await current();
    if (!entriesOf(document, 'segments').some((segment) => Number(segment.sid) === sid)) {
      throw unknown('segment', sid);
    }
    const series = seriesOf(period, () => ({ reasons: {} }));
    const destinations: { destinationId: number; reasons: Reasons }[] = [];
    for (const destination of destinationsOf(document).get(sid) ?? []) {
      const destinationId = idOf(destination);
      const reasons: Reasons = {};
      destinations.push({ destinationId, reasons });
      for (const { at, name, count } of await read(scopeOf(destinationId), period)) {
        const { id, what } = readName(name);
        if (id !== sid) continue;
        addTo(reasons, what, count);
        addTo(series.at(at).reasons, what, count);
      }
    }
    const report: z.input<typeof OF_SEGMENT> = { ...series.answer, destinations };
    return c.json(report);
  });

  app.on('GET', either('/reports/total'), async (c) => {
    const period = periodIn(c);
    const series = seriesOf(period, (): Totals => ({ calls: 0, pixels: 0, late: 0 }));
    for (const { at, name, count } of await read(TOTAL, period)) {
      series.at(at)[name as keyof Totals] += count;
    }
    const report: z.input<typeof OF_ALL> = series.answer;
    return c.json(report);
  });

  return app;
}

type Reasons = Record<string, number>;

function addTo(reasons: Reasons, reason: string, count: number): void {
  reasons[reason] = (reasons[reason] ?? 0) + count;
}

const isSight = (what: string): what is Sight => (SIGHTS as readonly string[]).includes(what);

const NONE_SEEN: Readonly<Record<Sight, number>> = { loaded: 0, failed: 0, timedOut: 0 };

/** Scripts write ids as text, too. */
const idOf = ({ destinationId }: Entry): number => Number(destinationId);

const timesOf = ({ unit, from, to }: Period): number[] =>
  Array.from({ length: (to - from) / UNIT_MS[unit] + 1 }, (_, i) => from + i * UNIT_MS[unit]);

/** A row for every hour or day, whether or not anything happened in it. */
function seriesOf<Row>(period: Period, empty: () => Row) {
  const series = timesOf(period).map((at) => ({ at, ...empty() }));
  return {
    at: (time: number) => series[(time - period.from) / UNIT_MS[period.unit]],
    answer: { unit: period.unit, series },
  };
}

function usual(unit: Unit, last: number): Period {
  const to = startOf(unit, last);
  return { unit, from: to - (USUAL[unit] - 1) * UNIT_MS[unit], to };
}

/** @throws RestError where there is no report of it */
function periodIn(c: Context): Period {
  const result = QUERY.safeParse(c.req.query(), { reportInput: true });
  if (!result.success) throw new RestError(400, ...problemsOf(result.error));
  const { unit, from, to } = result.data;
  const now = Date.now();
  const oldest = startOf(unit, now) - (KEPT_UNITS[unit] - 1) * UNIT_MS[unit];
  // Of what is still to come there is nothing to report.
  const last = Math.min(to ?? now, now);
  if (last < oldest) throw tooLongAgo('to', last, unit, oldest);
  if (from === undefined) {
    const period = usual(unit, last);
    return { ...period, from: Math.max(period.from, oldest) };
  }
  if (from < oldest) throw tooLongAgo('from', from, unit, oldest);
  if (from > last) {
    const wrong = `${from} is later than ${to !== undefined && to <= now ? `to, ${to}` : 'now'}`;
    throw new RestError(400, { path: 'from', wrong, instead: `write at most ${last}` });
  }
  return { unit, from: startOf(unit, from), to: startOf(unit, last) };
}

const tooLongAgo = (path: string, time: number, unit: Unit, oldest: number) =>
  new RestError(400, {
    path,
    wrong: `${time} is too long ago: by the ${unit}, the last ${KEPT_UNITS[unit]} ${unit}s are kept`,
    instead: `write at least ${oldest}${unit === 'hour' ? ', or unit=day' : ''}`,
  });

const time = z
  .string()
  .regex(/^\d{1,15}$/, { error: 'no time|write Unix milliseconds, such as 1795500000000' })
  .transform(Number)
  .optional();
const QUERY = z.object({ unit: z.enum(['hour', 'day']).default('hour'), from: time, to: time });

const count = z.int().min(0);
const at = z.int().meta({ description: 'When the hour or day began, in Unix milliseconds.' });
const unit = z.enum(['hour', 'day']);
const reasons = z.record(z.string(), count).meta({
  description: 'How often by reason, as the trace names them; without those that never were.',
});
const seen = {
  loaded: count.meta({ description: 'Calls that the partner answered, as the tag saw it.' }),
  failed: count.meta({
    description:
      'Calls that did not get through (blocked, no connection), or that were answered with something that is no image and that the partner keeps from the page (no Timing-Allow-Origin).',
  }),
  timedOut: count.meta({
    description: 'Calls without an answer after 10 seconds, or when the page was left.',
  }),
};
const LIST = z.array(
  z.object({
    destinationId: z.int(),
    fired: count.meta({ description: 'Calls and cookies in answers, in the last 24 hours.' }),
    ...seen,
    hours: z.array(count).length(USUAL.hour).meta({ description: 'Fired, oldest hour first.' }),
  }),
);
const OF_DESTINATION = z.object({
  unit,
  series: z
    .array(z.object({ at, reasons, ...seen }))
    .meta({ description: 'Of its calls or cookies: one may carry several segments.' }),
  segments: z.array(z.object({ sid: z.int(), reasons })),
});
const OF_SEGMENT = z.object({
  unit,
  series: z.array(z.object({ at, reasons })),
  destinations: z.array(z.object({ destinationId: z.int(), reasons })),
});
const OF_ALL = z.object({
  unit,
  series: z.array(
    z.object({
      at,
      calls: count.meta({ description: 'Page requests that were decided.' }),
      pixels: count.meta({ description: 'URL calls in their answers.' }),
      late: count.meta({ description: 'Page requests that were answered without the store.' }),
    }),
  ),
});

const PERIOD = {
  unit: `hour, of which the last ${KEPT_UNITS.hour} are kept, or day (${KEPT_UNITS.day}); as in UTC.`,
  from: `Unix milliseconds; if not given, ${USUAL.hour} hours or ${USUAL.day} days before.`,
  to: 'Unix milliseconds; if not given, now.',
};

export const reportPaths: Paths = {
  '/v1/reports/destinations': {
    get: {
      summary: 'The last 24 hours of every destination',
      answers: { 200: ['The reports.', LIST] },
    },
  },
  '/v1/reports/destinations/{id}': {
    get: {
      summary: 'How often a destination was called, or was not, and why',
      query: PERIOD,
      answers: { 200: ['The report.', OF_DESTINATION] },
      refusals: [400, 404],
    },
  },
  '/v1/reports/segments/{sid}': {
    get: {
      summary: 'How often a segment was delivered, or was not, and why',
      query: PERIOD,
      answers: { 200: ['The report.', OF_SEGMENT] },
      refusals: [400, 404],
    },
  },
  '/v1/reports/total': {
    get: {
      summary: 'All page requests together',
      query: PERIOD,
      answers: { 200: ['The report.', OF_ALL] },
      refusals: [400],
    },
  },
};
