/** Configuration of a URL destination. */
import {
  Checkbox,
  Paper,
  Radio,
  SegmentedControl,
  Select,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import { useAnswer, withQuery } from '../api.ts';
import type { ListedDestination } from './destination.ts';
import type { StepProps } from './editor.tsx';
import { flag, text } from './field.ts';
import { UrlInput } from './url-input.tsx';

export function UrlConfiguration(props: StepProps) {
  const { destination, set, problems } = props;
  const isSerialized = destination.serializationEnabled === true;
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>How the partner is called</Title>
        <Radio.Group
          label="When a visitor is in several mapped segments"
          value={isSerialized ? 'one' : 'each'}
          onChange={(value) => set({ serializationEnabled: value === 'one' })}
        >
          <Stack gap="xs" mt="xs">
            <Radio
              value="one"
              label="One call with all values"
              description="One address; the values are joined, such as s=12,17,40."
            />
            <Radio
              value="each"
              label="A call for each segment"
              description="Each mapping has an address of its own."
            />
          </Stack>
        </Radio.Group>
        {isSerialized ? (
          <>
            <UrlInput
              label="Base URL"
              description="%ALIAS% stands where the values go. Example: https://dsp.example/match?u=%DID%&s=%ALIAS%"
              value={destination.urlFormatString ?? ''}
              onChange={(urlFormatString) => set({ urlFormatString })}
              error={problems.at('urlFormatString')}
            />
            <UrlInput
              label="Secure base URL (optional)"
              description="For pages on https. Empty: the base URL with https."
              value={destination.secureUrlFormatString ?? ''}
              onChange={(secureUrlFormatString) => set({ secureUrlFormatString })}
              error={problems.at('secureUrlFormatString')}
            />
            <TextInput
              label="Delimiter"
              description="Stands between the values."
              w={160}
              {...text(props, 'delimiter')}
            />
          </>
        ) : (
          <Text size="sm" c="dimmed">
            You write the addresses in the step “Segment mappings”.
          </Text>
        )}
        <div>
          <Text size="sm" fw={500} id="tag-type">
            Called as
          </Text>
          <Text size="xs" c="dimmed" mb={6}>
            An image for nearly all partners; an iframe where the partner’s page has to run scripts.
          </Text>
          <SegmentedControl
            aria-labelledby="tag-type"
            value={String(destination.tagType ?? 0)}
            onChange={(value) => set({ tagType: Number(value) })}
            data={[
              { value: '0', label: 'Image' },
              { value: '1', label: 'Iframe' },
            ]}
          />
        </div>
        <Checkbox
          label="Hide from the partner which page the visitor is on"
          description="The call goes out without a Referer header."
          {...flag(props, 'hideReferrer', true)}
        />
        <Fallback {...props} />
      </Stack>
    </Paper>
  );
}

const NOBODY = '0';

/** Who is told server to server what the browser would not let through. */
function Fallback({ destination, set, problems }: StepProps) {
  const { fallbackDestinationId: id } = destination;
  const servers = useAnswer<readonly ListedDestination[]>(
    withQuery('/destinations', { destinationType: 'S2S', sortBy: 'name' }),
  );
  const choices = (servers.data ?? [])
    .filter(({ transfer }) => transfer !== 'file')
    .map(({ destinationId, name }) => ({ value: String(destinationId), label: name }));
  return (
    <Select
      label="If the call is blocked, tell instead (optional)"
      description="Where the tag reports that a call failed or timed out, this server-to-server destination is told of the visitor, once. It then hears of nobody else."
      data={[{ value: NOBODY, label: 'Nobody' }, ...choices]}
      value={id ? String(id) : NOBODY}
      onChange={(value) => set({ fallbackDestinationId: Number(value) || null })}
      error={problems.at('fallbackDestinationId')}
      nothingFoundMessage="No server-to-server destination of this name is told in real time"
      allowDeselect={false}
      searchable
    />
  );
}
