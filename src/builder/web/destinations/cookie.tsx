/** Configuration of a cookie destination. */
import {
  NumberInput,
  Paper,
  Radio,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import type { StepProps } from './editor.tsx';
import { flag, number, text } from './field.ts';

export function CookieConfiguration(props: StepProps) {
  const { destination, set, problems } = props;
  const isSingle = destination.formatType !== 'key_value';
  return (
    <>
      <Paper withBorder p="lg">
        <Stack>
          <Title order={2}>The cookie</Title>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput
              label="Cookie name"
              description="Your script or ad server looks for it. Example: audience"
              spellCheck={false}
              {...text(props, 'cookieName')}
            />
            <TextInput
              label="Cookie domain (optional)"
              description="Example: .shop.example for all its subdomains. Empty: the page’s own host only."
              spellCheck={false}
              {...text(props, 'cnameDomain')}
            />
            <NumberInput
              label="Lifetime in days"
              description="0: until the browser closes. Browsers cap it, see the preview."
              min={0}
              max={400}
              {...number(props, 'ttl')}
            />
            <NumberInput
              label="Maximum size in bytes"
              description="Beyond it, the lowest priorities are left out."
              min={1}
              max={4_096}
              {...number(props, 'maxSize')}
            />
          </SimpleGrid>
        </Stack>
      </Paper>
      <Paper withBorder p="lg">
        <Stack>
          <Title order={2}>How the values stand in it</Title>
          <Radio.Group
            label="Data format"
            value={isSingle ? 'single_key' : 'key_value'}
            onChange={(value) => set({ formatType: value as 'single_key' | 'key_value' })}
            error={problems.at('formatType')}
          >
            <Stack gap="xs" mt="xs">
              <Radio
                value="single_key"
                label="One key for all values"
                description="seg=12,seg=17"
              />
              <Radio
                value="key_value"
                label="A key and a value for each mapping"
                description="age=30s,taste=jazz"
              />
            </Stack>
          </Radio.Group>
          <SimpleGrid cols={{ base: 1, xs: 2, sm: 3 }}>
            {isSingle && <TextInput label="Key" {...text(props, 'singleKey')} />}
            <TextInput label="Between key and value" {...text(props, 'keySeparator')} />
            <TextInput label="Between pairs" {...text(props, 'valueSeparator')} />
          </SimpleGrid>
          <Switch
            label="Write each key only once"
            description="seg=12#17 instead of seg=12,seg=17"
            {...flag(props, 'serializationEnabled')}
          />
          {destination.serializationEnabled && (
            <TextInput
              label="Between the values of one key"
              w={220}
              {...text(props, 'serializationSeparator')}
            />
          )}
          <Text size="xs" c="dimmed">
            Keys and values are percent-encoded: a space becomes %20, a semicolon %3B.
          </Text>
        </Stack>
      </Paper>
    </>
  );
}
