import { Paper, Text } from '@mantine/core';
import classes from './reports.module.css';

interface FigureRowProps {
  readonly figures: readonly {
    readonly name: string;
    readonly value: string;
    readonly hint?: string;
  }[];
}

/** The numbers that matter, large. */
export function FigureRow({ figures }: FigureRowProps) {
  return (
    <div className={classes.figures}>
      {figures.map(({ name, value, hint }) => (
        <Paper key={name} withBorder className={classes.figure}>
          <Text span size="sm" c="dimmed">
            {name}
          </Text>
          <span className={classes.value}>{value}</span>
          {hint && (
            <Text span size="xs" c="dimmed">
              {hint}
            </Text>
          )}
        </Paper>
      ))}
    </div>
  );
}
