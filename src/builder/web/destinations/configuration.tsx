/** Configuration: what is different for each kind, and when and where it may fire. */
import {
  Group,
  MultiSelect,
  NumberInput,
  Paper,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Title,
} from '@mantine/core';
import { useAnswer } from '../api.ts';
import { CookieConfiguration } from './cookie.tsx';
import type { StepProps } from './editor.tsx';
import { number } from './field.ts';
import type { Site } from './list.tsx';
import { ServerConfiguration } from './server.tsx';
import { UrlConfiguration } from './url.tsx';

export function Configuration(props: StepProps) {
  const { destinationType } = props.destination;
  return (
    <>
      {destinationType === 'PUSH' && <UrlConfiguration {...props} />}
      {destinationType === 'ADS' && <CookieConfiguration {...props} />}
      {destinationType === 'S2S' && <ServerConfiguration {...props} />}
      {destinationType !== 'S2S' && <Limits {...props} />}
    </>
  );
}

/** When and where it may fire. */
function Limits(props: StepProps) {
  const { destination, set, problems } = props;
  const { domainRestrictions = 'all_domains', siteIDs, frequencyCap: cap } = destination;
  const sites = useAnswer<readonly Site[]>('/sites');
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>Where and how often</Title>
        <div>
          <Text size="sm" fw={500} id="publish-to">
            Publish to
          </Text>
          <Text size="xs" c="dimmed" mb={6}>
            On pages of which of your sites it may fire.
          </Text>
          <SegmentedControl
            aria-labelledby="publish-to"
            value={domainRestrictions}
            onChange={(value) =>
              set({ domainRestrictions: value as NonNullable<typeof domainRestrictions> })
            }
            data={[
              { value: 'all_domains', label: 'All sites' },
              { value: 'inclusion', label: 'Only these' },
              { value: 'exclusion', label: 'All but these' },
            ]}
          />
        </div>
        {domainRestrictions !== 'all_domains' && (
          <MultiSelect
            label="Sites"
            data={sites.data?.map(({ siteId, name }) => ({ value: String(siteId), label: name }))}
            value={(siteIDs ?? []).map(String)}
            onChange={(values) => set({ siteIDs: values.map(Number) })}
            error={problems.at('siteIDs')}
            searchable
          />
        )}
        <Switch
          label="Limit how often one visitor triggers it"
          description="Beyond the limit it waits; reports say “capped”."
          checked={cap != null}
          onChange={(event) =>
            set({ frequencyCap: event.currentTarget.checked ? { count: 3, hours: 24 } : null })
          }
        />
        {cap && (
          <Group align="flex-end" gap="xs">
            <NumberInput
              label="At most"
              w={100}
              min={1}
              max={1_000}
              allowDecimal={false}
              value={cap.count}
              error={problems.at('frequencyCap.count')}
              onChange={(value) => set({ frequencyCap: { ...cap, count: Number(value) } })}
            />
            <NumberInput
              label="times in … hours"
              w={140}
              min={1}
              max={24 * 366}
              allowDecimal={false}
              value={cap.hours}
              error={problems.at('frequencyCap.hours')}
              onChange={(value) => set({ frequencyCap: { ...cap, hours: Number(value) } })}
            />
          </Group>
        )}
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <NumberInput
            label="Priority among destinations"
            description="Where a site allows only so many calls a page, the higher goes first. 0 if it does not matter."
            {...number(props, 'priority')}
          />
        </SimpleGrid>
      </Stack>
    </Paper>
  );
}
