/** All requests and all destinations over a time. */
import { Text } from '@mantine/core';
import { IconChartBar } from '@tabler/icons-react';
import { useAnswer, withQuery } from '../api.ts';
import { count, share } from '../figures.ts';
import { Listing } from '../listing.tsx';
import { Page } from '../page.tsx';
import { Answered, Empty } from '../state.tsx';
import { Chart } from './chart.tsx';
import { FigureRow } from './figure-row.tsx';
import { Period, usePeriod } from './period.tsx';
import { queryOf, type TotalReported } from './report.ts';

interface DayReport {
  readonly destinationId: number;
  readonly fired: number;
  readonly loaded: number;
  readonly failed: number;
  readonly timedOut: number;
}

interface Named {
  readonly destinationId: number;
  readonly name: string;
}

export function Summary() {
  const period = usePeriod();
  const total = useAnswer<TotalReported>(withQuery('/reports/total', queryOf(period)), {
    refetchInterval: 15_000,
    placeholderData: (before) => before,
  });
  const day = useAnswer<readonly DayReport[]>('/reports/destinations', { refetchInterval: 15_000 });
  const byId = new Map(day.data?.map((report) => [report.destinationId, report]));
  const seen = (id: number) => {
    const { loaded = 0, failed = 0, timedOut = 0 } = byId.get(id) ?? {};
    return { loaded, missed: failed + timedOut, all: loaded + failed + timedOut };
  };
  return (
    <Page title="Reports" lead="What was seen and what was sent." actions={<Period />}>
      <Answered query={total}>
        {({ unit, series }) => {
          const sum = (name: 'calls' | 'pixels' | 'late') =>
            series.reduce((all, row) => all + row[name], 0);
          const [calls, pixels, late] = [sum('calls'), sum('pixels'), sum('late')];
          return (
            <>
              <FigureRow
                figures={[
                  { name: 'Page requests', value: count(calls) },
                  { name: 'Partner calls', value: count(pixels) },
                  {
                    name: 'Calls a page',
                    value: calls === 0 ? '–' : (pixels / calls).toFixed(2),
                  },
                  {
                    name: 'Answered without the store',
                    value: calls === 0 ? '–' : share(late / calls),
                    hint: 'Decided by the request alone',
                  },
                ]}
              />
              <Chart
                title="Requests and partner calls"
                isStacked={false}
                unit={unit}
                bars={series.map(({ at, calls: requests, pixels: sent }) => ({
                  at,
                  requests,
                  sent,
                }))}
                series={[
                  { name: 'requests', label: 'Page requests', color: 'gray.5' },
                  { name: 'sent', label: 'Partner calls', color: 'petrol.6' },
                ]}
                label={`${count(calls)} page requests and ${count(pixels)} partner calls in ${period.title}`}
              />
            </>
          );
        }}
      </Answered>
      <Listing<Named>
        label="Destinations, in the last 24 hours"
        path="/destinations"
        columns={[
          { title: 'Destination', sortBy: 'name', show: ({ name }) => name },
          {
            title: 'Fired',
            align: 'end',
            show: ({ destinationId }) => count(byId.get(destinationId)?.fired ?? 0),
          },
          {
            title: 'Arrived',
            align: 'end',
            show: ({ destinationId }) => {
              const { loaded, all } = seen(destinationId);
              return all === 0 ? '–' : `${count(loaded)} (${share(loaded / all)})`;
            },
          },
          {
            title: 'Failed or timed out',
            align: 'end',
            show: ({ destinationId }) => {
              const { missed, all } = seen(destinationId);
              return all === 0 ? '–' : count(missed);
            },
          },
        ]}
        idOf={({ destinationId }) => destinationId}
        linkTo={({ destinationId }) => `/reports/destinations/${destinationId}`}
        search="Name or description"
        initialSort={{ by: 'name', isDescending: false }}
        empty={
          <Empty
            icon={IconChartBar}
            title="No destinations yet"
            text="Reports begin with the first destination."
          />
        }
      />
      <Text size="xs" c="dimmed">
        “Arrived” is what the tag saw in the visitors’ browsers, as far as they tell. Hours and days
        begin in UTC.
      </Text>
    </Page>
  );
}
