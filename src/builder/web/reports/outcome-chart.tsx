/** What happened over time, as stacked bars. */
import { BarChart } from '@mantine/charts';
import '@mantine/charts/styles.layer.css';
import { count, date, timeOfDay } from '../figures.ts';
import type { Unit } from './report.ts';

export interface Bar {
  /** When the hour or day began: Unix milliseconds. */
  readonly at: number;
  readonly [series: string]: number;
}

interface OutcomeChartProps {
  readonly unit: Unit;
  readonly bars: readonly Bar[];
  readonly series: readonly {
    readonly name: string;
    readonly label: string;
    readonly color: string;
  }[];
  /** Whether they are parts of a whole, and stand on each other; else beside each other. */
  readonly isStacked?: boolean;
  /** The whole in words, for those who do not see it. */
  readonly label: string;
}

export default function OutcomeChart(props: OutcomeChartProps) {
  const { unit, bars, series, isStacked = true, label } = props;
  const name = (at: number) => (unit === 'hour' ? timeOfDay(at) : date(at).replace(/ \d{4}$/, ''));
  return (
    <div role="img" aria-label={label}>
      <div aria-hidden inert>
        <BarChart
          h={240}
          type={isStacked ? 'stacked' : 'default'}
          withLegend
          dataKey="name"
          data={bars.map((bar) => ({ ...bar, name: name(bar.at) }))}
          series={[...series]}
          valueFormatter={count}
          tickLine="none"
          yAxisProps={{ allowDecimals: false }}
          barProps={{ isAnimationActive: false }}
        />
      </div>
    </div>
  );
}
