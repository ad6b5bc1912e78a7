import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { IconEye } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Copyable } from '../copy.tsx';

interface SecretProps {
  /** What it is: One-time password */
  readonly label: string;
  readonly secret: string;
  /** What to do with it. */
  readonly text: ReactNode;
  readonly close: () => void;
}

/** Something that is shown now and never again. */
export function Secret({ label, secret, text, close }: SecretProps) {
  return (
    <Stack>
      <Alert color="amber" icon={<IconEye aria-hidden />} title="Shown only now">
        Nobody can look it up later, not even the server.
      </Alert>
      <Copyable text={secret} label={label} />
      <Text size="sm" c="dimmed" component="div">
        {text}
      </Text>
      <Group justify="flex-end">
        <Button onClick={close}>I have taken it down</Button>
      </Group>
    </Stack>
  );
}
