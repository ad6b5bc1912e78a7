/** One destination over a time: fired, capped, blocked and by what, and what arrived. */
import { Anchor, Stack } from '@mantine/core';
import { Link, useParams } from 'react-router';
import { useAnswer, withQuery } from '../api.ts';
import { count, share } from '../figures.ts';
import { Missing } from '../missing.tsx';
import { Page } from '../page.tsx';
import { Answered } from '../state.tsx';
import { Chart, OUTCOMES } from './chart.tsx';
import { FigureRow } from './figure-row.tsx';
import { Outcomes } from './outcomes.tsx';
import { Period, usePeriod } from './period.tsx';
import { ReasonTable } from './reason-table.tsx';
import { added, type DestinationReported, outcomeOf, queryOf } from './report.ts';
import classes from './reports.module.css';
import { useNames } from './use-names.ts';

export function DestinationReport() {
  const { id = '' } = useParams();
  const period = usePeriod();
  const destination = useAnswer<{ name: string; destinationType: string }>(`/destinations/${id}`);
  const report = useAnswer<DestinationReported>(
    withQuery(`/reports/destinations/${id}`, queryOf(period)),
    { refetchInterval: 15_000, placeholderData: (before) => before },
  );
  const names = useNames('/segments', report.data?.segments.map(({ sid }) => sid) ?? []);
  if (destination.error?.status === 404) return <Missing />;
  return (
    <Page
      title={destination.data?.name ?? 'Report'}
      parent={{ title: 'Reports', to: '/reports' }}
      actions={<Period />}
      lead={
        <Anchor component={Link} to={`/destinations/${id}`} size="sm">
          Open the destination
        </Anchor>
      }
    >
      <Answered query={report}>
        {({ unit, series, segments }) => {
          const reasons = added(series.map((row) => row.reasons));
          const { fired, capped, blocked } = outcomeOf(reasons);
          const sum = (name: 'loaded' | 'failed' | 'timedOut') =>
            series.reduce((all, row) => all + row[name], 0);
          const [loaded, failed, timedOut] = [sum('loaded'), sum('failed'), sum('timedOut')];
          const seen = loaded + failed + timedOut;
          const isUrl = destination.data?.destinationType === 'PUSH';
          return (
            <Stack>
              <FigureRow
                figures={[
                  { name: isUrl ? 'Fired' : 'Written', value: count(fired) },
                  { name: 'Capped', value: count(capped) },
                  { name: 'Blocked', value: count(blocked) },
                  ...(isUrl
                    ? [
                        {
                          name: 'Arrived',
                          value: seen === 0 ? '–' : share(loaded / seen),
                          hint:
                            seen === 0
                              ? 'No tag has told yet'
                              : `${count(loaded)} loaded, ${count(failed)} failed, ${count(timedOut)} timed out`,
                        },
                      ]
                    : []),
                ]}
              />
              <Chart
                title="What happened"
                unit={unit}
                bars={series.map((row) => ({ at: row.at, ...outcomeOf(row.reasons) }))}
                series={OUTCOMES}
                label={`Fired ${count(fired)} times, capped ${count(capped)}, blocked ${count(blocked)}, in ${period.title}`}
              />
              {isUrl && seen > 0 && (
                <Chart
                  title="What the browsers saw of it"
                  unit={unit}
                  bars={series.map((row) => ({
                    at: row.at,
                    loaded: row.loaded,
                    failed: row.failed,
                    timedOut: row.timedOut,
                  }))}
                  series={[
                    { name: 'loaded', label: 'Loaded', color: 'green.6' },
                    { name: 'failed', label: 'Failed', color: 'red.5' },
                    { name: 'timedOut', label: 'Timed out', color: 'amber.5' },
                  ]}
                  label={`${count(loaded)} loaded, ${count(failed)} failed, ${count(timedOut)} timed out`}
                />
              )}
              <div className={classes.pair}>
                <ReasonTable title="Reasons" reasons={reasons} />
                <Outcomes
                  title="By segment"
                  noun="Segment"
                  rows={segments.map((row) => ({
                    id: row.sid,
                    name: names.get(row.sid) ?? `Segment ${row.sid}`,
                    to: `/reports/segments/${row.sid}`,
                    reasons: row.reasons,
                  }))}
                />
              </div>
            </Stack>
          );
        }}
      </Answered>
    </Page>
  );
}
