/** What can be done with many mappings at once. */
import { Button, Checkbox, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { many } from '../figures.ts';
import { type Destination, isPlain, type Mapping, valueless } from './destination.ts';

/** What was touched of the dates: '' where there shall be none. */
type Dates = { readonly [Name in 'startDate' | 'endDate']?: string };

const DATES = [
  ['startDate', 'From', 'At once'],
  ['endDate', 'Until', 'For ever'],
] as const;

interface BulkChangesProps {
  readonly destination: Destination;
  readonly count: number;
  /** Makes something else of each selected mapping; undefined removes it. */
  readonly change: (make: (mapping: Mapping) => Mapping | undefined) => void;
  readonly done: () => void;
}

export function BulkChanges({ destination, count, change, done }: BulkChangesProps) {
  const [isDating, setDating] = useState(false);
  const [dates, setDates] = useState<Dates>({});
  const apply = (make: (mapping: Mapping) => Mapping | undefined) => {
    change(make);
    done();
  };
  return (
    <Group gap="xs">
      <Button
        size="xs"
        variant="default"
        onClick={() => {
          setDates({});
          setDating(true);
        }}
      >
        Set dates
      </Button>
      {!isPlain(destination) && (
        <Button
          size="xs"
          variant="default"
          onClick={() => apply((mapping) => valueless(destination, mapping))}
        >
          Fill in values anew
        </Button>
      )}
      <Button
        size="xs"
        variant="default"
        onClick={() => apply((mapping) => ({ ...mapping, elementStatus: 'active' }))}
      >
        Switch on
      </Button>
      <Button
        size="xs"
        variant="default"
        onClick={() => apply((mapping) => ({ ...mapping, elementStatus: 'inactive' }))}
      >
        Switch off
      </Button>
      <Button size="xs" variant="light" color="red" onClick={() => apply(() => undefined)}>
        Remove
      </Button>
      <Modal
        opened={isDating}
        onClose={() => setDating(false)}
        title={`Dates of ${many(count, 'mapping')}`}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            Both days are included, in UTC. What you leave empty here stays as it is.
          </Text>
          <Group grow align="flex-start">
            {DATES.map(([name, label, none]) => (
              <Stack key={name} gap="xs">
                <TextInput
                  type="date"
                  label={label}
                  value={dates[name] ?? ''}
                  onChange={(event) => setDates({ ...dates, [name]: event.currentTarget.value })}
                />
                <Checkbox
                  label={none}
                  checked={dates[name] === ''}
                  onChange={(event) =>
                    setDates({ ...dates, [name]: event.currentTarget.checked ? '' : undefined })
                  }
                />
              </Stack>
            ))}
          </Group>
          <Group justify="flex-end">
            <Button
              disabled={DATES.every(([name]) => dates[name] === undefined)}
              onClick={() => {
                setDating(false);
                apply(({ startDate, endDate, ...mapping }) => ({
                  ...mapping,
                  startDate: dates.startDate ?? startDate,
                  endDate: dates.endDate ?? endDate,
                }));
              }}
            >
              Set
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Group>
  );
}
