/** Data export labels: what the partner may do with what it gets; and the consent that this takes. */
import { Checkbox, Paper, Stack, Text, Title } from '@mantine/core';
import { type ExportLabel, LABELS } from '../export-labels.ts';
import { Consent } from './consent.tsx';
import type { StepProps } from './editor.tsx';

/** Under which conditions the partner gets anything. */
export function Labels(props: StepProps) {
  return (
    <>
      <Uses {...props} />
      <Consent {...props} />
    </>
  );
}

function Uses({ destination, set, problems }: StepProps) {
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>Data export labels</Title>
        <Text size="sm" c="dimmed" maw={620}>
          Say what the partner may use it for. A data source can forbid such uses of its data:
          segments made of it can then not be mapped here, and are never sent here.
        </Text>
        <Checkbox.Group
          aria-label="The partner may use it for"
          value={[...(destination.dataExportLabels ?? [])]}
          onChange={(values) => set({ dataExportLabels: values as ExportLabel[] })}
          error={problems.at('dataExportLabels')}
        >
          <Stack gap="md">
            {LABELS.map(({ label, title, meaning }) => (
              <Checkbox key={label} value={label} label={title} description={meaning} />
            ))}
          </Stack>
        </Checkbox.Group>
      </Stack>
    </Paper>
  );
}
