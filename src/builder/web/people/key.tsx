import { Alert, Button, Code, Group, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Role } from '../../caller.ts';
import { type ApiError, api, changed } from '../api.ts';
import { useConfirmation } from '../confirmation.tsx';
import { Moment } from '../moment.tsx';
import { notice, wordsOf } from '../notice.tsx';
import { Panel } from '../panel.tsx';
import { Problems } from '../problem.ts';
import type { Key } from './people.tsx';
import { RoleChoice } from './role-choice.tsx';
import { Secret } from './secret.tsx';

export function NewKey({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const client = useQueryClient();
  const create = useMutation<Key & { key: string }, ApiError, { name: string; role: Role }>({
    mutationFn: (key) => api.post('/keys', key),
    onSuccess: () => changed(client, '/keys', '/activity'),
  });
  const leave = () => {
    close();
    setName('');
    setRole('viewer');
    create.reset();
  };
  const problems = new Problems(create.error?.problems);
  const others = problems.besides(['name', 'role']).all;
  return (
    <Panel title={create.data ? 'The key' : 'Create a key'} isOpen={isOpen} close={leave}>
      {create.data ? (
        <Secret
          label={`Key of ${name}`}
          secret={create.data.key}
          text={
            <>
              The script sends it as <Code>Authorization: Bearer …</Code>
            </>
          }
          close={leave}
        />
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            create.mutate({ name: name.trim(), role });
          }}
        >
          <Stack>
            {others.length > 0 && (
              <Alert color="red" role="alert">
                {wordsOf(create.error)}
              </Alert>
            )}
            <TextInput
              label="Name"
              description="What uses it, such as nightly import"
              data-autofocus
              autoComplete="off"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={problems.at('name')}
            />
            <RoleChoice
              label="What it may do"
              value={role}
              onChange={setRole}
              error={problems.at('role')}
            />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={leave}>
                Cancel
              </Button>
              <Button type="submit" loading={create.isPending}>
                Create
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Panel>
  );
}

export function KeyPanel({ apiKey, close }: { apiKey: Key | undefined; close: () => void }) {
  const client = useQueryClient();
  const confirm = useConfirmation();

  const remove = async ({ keyId, name }: Key) => {
    const question = {
      title: `Delete the key “${name}”?`,
      text: 'Whatever uses it is refused from this moment on.',
      action: 'Delete',
      isDestructive: true,
    };
    if (!(await confirm(question))) return;
    try {
      await api.remove(`/keys/${encodeURIComponent(keyId)}`);
      await changed(client, '/keys', '/activity');
      notice.done(`The key “${name}” is deleted`);
      close();
    } catch (error) {
      notice.failed(error, 'The key was not deleted');
    }
  };

  return (
    <Panel title={apiKey?.name ?? ''} isOpen={apiKey !== undefined} close={close}>
      {apiKey && (
        <Stack>
          <Text size="sm">
            May do what a {apiKey.role} may. Made by {apiKey.by},{' '}
            <Moment at={apiKey.createTime} isExact />. Last used:{' '}
            <Moment at={apiKey.lastUsed} never="never" />.
          </Text>
          <Text size="sm" c="dimmed">
            The key itself is not kept: if it is lost, create another one and delete this.
          </Text>
          <Group justify="flex-end">
            <Button variant="light" color="red" onClick={() => remove(apiKey)}>
              Delete the key
            </Button>
          </Group>
        </Stack>
      )}
    </Panel>
  );
}
