/** Data export labels: what the partner may do with what it gets. */
import { Checkbox, Paper, Stack, Text, Title } from '@mantine/core';
import type { Label } from './destination.ts';
import type { StepProps } from './editor.tsx';

/** In the words of the user guide, with an example. */
export const LABELS: readonly { value: Label; label: string; description: string }[] = [
  {
    value: 'PII',
    label: 'May be combined with personally identifiable information',
    description: 'The partner can tie it to a name, an e-mail address or an account.',
  },
  {
    value: 'ON_SITE_AD_TARGETING',
    label: 'May be used for on-site ad targeting',
    description: 'Ads on your own sites are chosen by it.',
  },
  {
    value: 'OFF_SITE_AD_TARGETING',
    label: 'May be used for off-site ad targeting',
    description: 'Ads elsewhere are chosen by it: retargeting, for instance.',
  },
  {
    value: 'ON_SITE_PERSONALIZATION',
    label: 'May be used for on-site personalization',
    description: 'Your pages look different because of it.',
  },
];

export function Labels({ destination, set, problems }: StepProps) {
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>Data export labels</Title>
        <Text size="sm" c="dimmed" maw={620}>
          Say what the partner may do with what it gets. A data source can forbid such uses of its
          data: segments made of it can then not be mapped here, and are never sent here.
        </Text>
        <Checkbox.Group
          aria-label="The partner"
          value={[...(destination.dataExportLabels ?? [])]}
          onChange={(values) => set({ dataExportLabels: values as Label[] })}
          error={problems.at('dataExportLabels')}
        >
          <Stack gap="md">
            {LABELS.map(({ value, label, description }) => (
              <Checkbox key={value} {...{ value, label, description }} />
            ))}
          </Stack>
        </Checkbox.Group>
      </Stack>
    </Paper>
  );
}
