/** A chart with its heading; the library for it is loaded when one is shown. */
import { Center, Loader, Paper, Title } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { Bar } from './outcome-chart.tsx';
import type { Unit } from './report.ts';

const OutcomeChart = lazy(() => import('./outcome-chart.tsx'));

interface ChartProps {
  readonly title: string;
  readonly unit: Unit;
  readonly bars: readonly Bar[];
  readonly series: readonly {
    readonly name: string;
    readonly label: string;
    readonly color: string;
  }[];
  readonly isStacked?: boolean;
  readonly label: string;
}

export function Chart({ title, ...chart }: ChartProps) {
  return (
    <Paper withBorder p="lg">
      <Title order={2} mb="md">
        {title}
      </Title>
      <Suspense
        fallback={
          <Center h={240}>
            <Loader />
          </Center>
        }
      >
        <OutcomeChart {...chart} />
      </Suspense>
    </Paper>
  );
}

export const OUTCOMES = [
  { name: 'fired', label: 'Fired', color: 'petrol.6' },
  { name: 'capped', label: 'Capped', color: 'amber.5' },
  { name: 'blocked', label: 'Blocked', color: 'red.5' },
] as const;
