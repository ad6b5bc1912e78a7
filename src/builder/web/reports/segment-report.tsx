/** One segment over a time: at which destinations it fired, and where it did not. */
import { Anchor, Stack } from '@mantine/core';
import { Link, useParams } from 'react-router';
import { useAnswer, withQuery } from '../api.ts';
import { count } from '../figures.ts';
import { Missing } from '../missing.tsx';
import { Page } from '../page.tsx';
import { Answered } from '../state.tsx';
import { Chart, OUTCOMES } from './chart.tsx';
import { Outcomes } from './outcomes.tsx';
import { Period, usePeriod } from './period.tsx';
import { ReasonTable } from './reason-table.tsx';
import { added, outcomeOf, queryOf, type SegmentReported } from './report.ts';
import classes from './reports.module.css';
import { useNames } from './use-names.ts';

export function SegmentReport() {
  const { sid = '' } = useParams();
  const period = usePeriod();
  const segment = useAnswer<{ name: string }>(`/segments/${sid}`);
  const report = useAnswer<SegmentReported>(
    withQuery(`/reports/segments/${sid}`, queryOf(period)),
    { refetchInterval: 15_000, placeholderData: (before) => before },
  );
  const ids = report.data?.destinations.map(({ destinationId }) => destinationId) ?? [];
  const names = useNames('/destinations', ids);
  if (segment.error?.status === 404) return <Missing />;
  return (
    <Page
      title={segment.data?.name ?? 'Report'}
      parent={{ title: 'Reports', to: '/reports' }}
      actions={<Period />}
      lead={
        <Anchor component={Link} to={`/segments/${sid}`} size="sm">
          Open the segment
        </Anchor>
      }
    >
      <Answered query={report}>
        {({ unit, series, destinations }) => {
          const reasons = added(series.map((row) => row.reasons));
          const { fired, capped, blocked } = outcomeOf(reasons);
          return (
            <Stack>
              <Chart
                title="What happened to its mappings"
                unit={unit}
                bars={series.map((row) => ({ at: row.at, ...outcomeOf(row.reasons) }))}
                series={OUTCOMES}
                label={`Fired ${count(fired)} times, capped ${count(capped)}, blocked ${count(blocked)}, in ${period.title}`}
              />
              <div className={classes.pair}>
                <ReasonTable title="Reasons" reasons={reasons} />
                <Outcomes
                  title="By destination"
                  noun="Destination"
                  rows={destinations.map((row) => ({
                    id: row.destinationId,
                    name: names.get(row.destinationId) ?? `Destination ${row.destinationId}`,
                    to: `/reports/destinations/${row.destinationId}`,
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
