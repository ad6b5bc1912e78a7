/** The endpoint of a partner who is told in real time, and how it knows that it is us. */
import {
  Button,
  Group,
  Paper,
  PasswordInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import type { Destination, SignatureKey } from './destination.ts';
import type { StepProps } from './editor.tsx';
import { isKept, KEPT, secret, text } from './field.ts';

type Proof = 'none' | 'signature' | 'oauth';

function proofOf(destination: Destination): Proof {
  if (destination.oauth || isKept(destination, 'oauth')) return 'oauth';
  const isSigned = destination.signatureHeader != null || keysOf(destination).length > 0;
  return isSigned ? 'signature' : 'none';
}

/** Keys as they will be: those that are kept by their places. */
function keysOf({ signatureKeys, notShown = [] }: Destination): readonly SignatureKey[] {
  if (signatureKeys !== undefined) return signatureKeys ?? [];
  return notShown.flatMap((path) => {
    const place = /^signatureKeys\[(\d+)\]$/.exec(path)?.[1];
    return place === undefined ? [] : { kept: Number(place) };
  });
}

export function Partner(props: StepProps) {
  const { destination, set } = props;
  const proof = proofOf(destination);
  const prove = (value: string) => {
    const isSigned = value === 'signature';
    const isOauthKept = destination.notShown?.some((path) => path.startsWith('oauth.'));
    set({
      signatureHeader: isSigned ? destination.signatureHeader || 'X-Signature' : null,
      signatureAlgorithm: isSigned ? (destination.signatureAlgorithm ?? 'sha256') : null,
      // Not written: what is kept stays.
      signatureKeys: isSigned ? undefined : null,
      oauth: value !== 'oauth' ? null : isOauthKept ? undefined : {},
    });
  };
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>The partner’s endpoint</Title>
        <TextInput
          label="Address"
          description="It takes a POST with JSON, over https. Example: https://partner.example/audience"
          spellCheck={false}
          {...text(props, 'endpointUrl')}
        />
        <div>
          <SegmentedControl
            aria-label="How the partner knows that it is you"
            value={proof}
            onChange={prove}
            data={[
              { value: 'none', label: 'No proof' },
              { value: 'signature', label: 'Signature' },
              { value: 'oauth', label: 'OAuth 2.0' },
            ]}
          />
        </div>
        {proof === 'signature' && <Signature {...props} />}
        {proof === 'oauth' && <Oauth {...props} />}
      </Stack>
    </Paper>
  );
}

function Signature(props: StepProps) {
  const { destination, set, problems } = props;
  const keys = keysOf(destination);
  const input = (at: number) => {
    const key = keys[at];
    return {
      autoComplete: 'off',
      placeholder: typeof key === 'object' ? KEPT : undefined,
      value: typeof key === 'string' ? key : '',
      onChange: (event: { currentTarget: { value: string } }) => {
        const next = [...keys];
        next[at] = event.currentTarget.value;
        set({ signatureKeys: next.filter((one, place) => one !== '' || place < at || at === 0) });
      },
    };
  };
  const drop = (at: number) => set({ signatureKeys: keys.filter((_, place) => place !== at) });
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput label="Header" {...text(props, 'signatureHeader')} />
        <Select
          label="Algorithm"
          data={[
            { value: 'sha256', label: 'HMAC-SHA-256' },
            { value: 'sha1', label: 'HMAC-SHA-1' },
          ]}
          allowDeselect={false}
          value={destination.signatureAlgorithm ?? 'sha1'}
          onChange={(value) => set({ signatureAlgorithm: value as 'sha1' | 'sha256' })}
        />
        <PasswordInput
          label="Key"
          description="The partner has it, too. Drafts do not keep it."
          error={problems.at('signatureKeys')}
          {...input(0)}
        />
        {keys.length > 0 && (
          <PasswordInput
            label="Second key (optional)"
            description="While keys are changed: each message is signed with both."
            {...input(1)}
          />
        )}
      </SimpleGrid>
      {keys.length > 1 && (
        <Group gap="xs">
          <Text size="sm" c="dimmed">
            The change of keys is over?
          </Text>
          <Button size="xs" variant="default" onClick={() => drop(0)}>
            Keep only the second
          </Button>
          <Button size="xs" variant="default" onClick={() => drop(1)}>
            Keep only the first
          </Button>
        </Group>
      )}
    </>
  );
}

function Oauth(props: StepProps) {
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        A token is asked for with these (client credentials) and sent with each message. Drafts do
        not keep them.
      </Text>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput label="Token address" {...secret(props, 'oauth', 'tokenUrl')} />
        <TextInput label="Client id for the token" {...secret(props, 'oauth', 'clientId')} />
        <PasswordInput label="Client secret" {...secret(props, 'oauth', 'clientSecret')} />
      </SimpleGrid>
    </Stack>
  );
}
