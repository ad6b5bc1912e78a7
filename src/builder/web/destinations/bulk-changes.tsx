/** What can be done with many mappings at once. */
import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { many } from '../figures.ts';
import type { Mapping } from './destination.ts';

interface BulkChangesProps {
  readonly count: number;
  /** Makes something else of each selected mapping; undefined removes it. */
  readonly change: (make: (mapping: Mapping) => Mapping | undefined) => void;
  readonly done: () => void;
}

export function BulkChanges({ count, change, done }: BulkChangesProps) {
  const [isDating, setDating] = useState(false);
  const [startDate, setStartDate] = useState('');
  const [endDate, setEndDate] = useState('');
  const apply = (make: (mapping: Mapping) => Mapping | undefined) => {
    change(make);
    done();
  };
  return (
    <Group gap="xs">
      <Button size="xs" variant="default" onClick={() => setDating(true)}>
        Set dates
      </Button>
      <Button
        size="xs"
        variant="default"
        onClick={() => apply(({ traitAlias, valueAlias, ...rest }) => rest)}
      >
        Fill in values anew
      </Button>
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
      >
        <Stack>
          <Text size="sm" c="dimmed">
            Both days are included, in UTC. Empty: at once, for ever.
          </Text>
          <Group grow>
            <TextInput
              type="date"
              label="From"
              value={startDate}
              onChange={(event) => setStartDate(event.currentTarget.value)}
            />
            <TextInput
              type="date"
              label="Until"
              value={endDate}
              onChange={(event) => setEndDate(event.currentTarget.value)}
            />
          </Group>
          <Group justify="flex-end">
            <Button
              onClick={() => {
                setDating(false);
                apply((mapping) => ({ ...mapping, startDate, endDate }));
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
