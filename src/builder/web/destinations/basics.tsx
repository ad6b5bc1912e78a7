/** Basic information: what it is called, and what is alike for every kind. */
import {
  Paper,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import type { StepProps } from './editor.tsx';
import { choice, text } from './field.ts';

const AUTO_FILL = [
  { value: 'SEGMENT_ID', label: 'The segment’s id' },
  { value: 'INTEGRATION_CODE', label: 'The segment’s integration code' },
  { value: 'NONE', label: 'Nothing: I write each value' },
];

export function Basics(props: StepProps) {
  const { destination, set } = props;
  const isCookie = destination.destinationType === 'ADS';
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>Basic information</Title>
        <TextInput
          label="Name"
          description="Reports and the list show it. Example: Kestrel, spring campaign"
          {...text(props, 'name')}
        />
        <Textarea
          label="Description (optional)"
          description="What the partner does with it, and whom to ask."
          autosize
          minRows={2}
          {...text(props, 'description')}
        />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TextInput
            label="Category (optional)"
            description="A word to find it by. Example: Ad server"
            {...text(props, 'category')}
          />
          <Select
            label="Value of a new mapping"
            description="What the partner gets for a segment, unless you write another value."
            data={AUTO_FILL}
            allowDeselect={false}
            {...choice(props, 'autoFill', 'NONE')}
          />
          {!isCookie && (
            <Select
              label="Platform"
              description="Visitors on other platforms are left out."
              data={[
                { value: 'all', label: 'All' },
                { value: 'browser', label: 'Browsers' },
                { value: 'android', label: 'Android apps' },
                { value: 'ios', label: 'iOS apps' },
              ]}
              allowDeselect={false}
              {...choice(props, 'platform', 'all')}
            />
          )}
        </SimpleGrid>
        <Switch
          label="Active"
          description="Switched off, nothing is sent; everything else stays as it is."
          checked={destination.status !== 'inactive'}
          onChange={(event) => set({ status: event.currentTarget.checked ? 'active' : 'inactive' })}
        />
      </Stack>
    </Paper>
  );
}
