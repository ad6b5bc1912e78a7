/** A small chart of how often something happened, hour by hour. */
import { count, many } from '../figures.ts';
import classes from './sparkline.module.css';

interface SparklineProps {
  /** Oldest first. */
  readonly values: readonly number[];
  /** What was counted: "call". */
  readonly noun: string;
}

const WIDTH = 4;
const GAP = 1;
const HEIGHT = 22;

/** The whole is said in words, too. */
export function Sparkline({ values, noun }: SparklineProps) {
  const highest = Math.max(1, ...values);
  const total = values.reduce((sum, value) => sum + value, 0);
  return (
    <svg
      className={classes.chart}
      role="img"
      aria-label={`${many(total, noun)} in ${values.length} hours, ${count(Math.max(0, ...values))} in the busiest`}
      width={values.length * (WIDTH + GAP)}
      height={HEIGHT}
    >
      {values.map((value, hour) => {
        const height = value === 0 ? 1 : Math.max(2, (value / highest) * HEIGHT);
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: hours have no other name
            key={hour}
            data-empty={value === 0 || undefined}
            x={hour * (WIDTH + GAP)}
            y={HEIGHT - height}
            width={WIDTH}
            height={height}
            rx={1}
          />
        );
      })}
    </svg>
  );
}
