/** Consent: what a visitor has to have said before the partner is told of them. */
import {
  MultiSelect,
  NumberInput,
  Paper,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Title,
} from '@mantine/core';
import { useAnswer } from '../api.ts';
import { purposeChoices } from '../purposes.ts';
import type { Requirement } from '../settings/consent.tsx';
import type { StepProps } from './editor.tsx';
import { flag, number } from './field.ts';

export function Consent(props: StepProps) {
  const { destination, set, problems } = props;
  const isCookie = destination.destinationType === 'ADS';
  const chosen = destination.iabPurposes ?? [];
  const requirement = useAnswer<Requirement>('/consent');
  const needed = requirement.data?.purposes ?? [];
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>Consent</Title>
        <Text size="sm" c="dimmed" maw={620}>
          Where GDPR applies, visitors have to have consented to what your account needs
          {needed.length > 0 && ` (${needed.map((purpose) => `purpose ${purpose}`).join(', ')})`},
          and to what you add here. It holds at the moment of sending, too: who withdraws it has
          left.
        </Text>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <NumberInput
            label="The partner’s vendor id (optional)"
            description="Its number in IAB’s Global Vendor List. With one, only visitors who consented to this vendor count."
            min={1}
            {...number(props, 'iabVendorId')}
          />
          <MultiSelect
            label="Further purposes (optional)"
            description="What the partner needs consent to, besides what your account does. Its entry in the list names them."
            data={purposeChoices(chosen)}
            value={chosen.map(String)}
            onChange={(values) => set({ iabPurposes: values.map(Number).sort((a, b) => a - b) })}
            error={problems.at('iabPurposes')}
            searchable
          />
        </SimpleGrid>
        <Switch
          label="The partner works for us only"
          description={
            isCookie
              ? 'A cookie stays on your own domain: an objection to the sale of data never concerns it.'
              : 'A service provider may not use the data for itself, so nothing is sold to it. Switched off, it hears nothing of visitors who object to the sale or sharing of their data.'
          }
          {...flag(props, 'serviceProvider')}
        />
      </Stack>
    </Paper>
  );
}
