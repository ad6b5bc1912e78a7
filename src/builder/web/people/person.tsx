import { Alert, Button, Divider, Group, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Role } from '../../caller.ts';
import { type ApiError, api, changed } from '../api.ts';
import { useConfirmation } from '../confirmation.tsx';
import { notice, wordsOf } from '../notice.tsx';
import { Panel } from '../panel.tsx';
import { Problems } from '../problem.ts';
import { useSession } from '../session.tsx';
import type { Person } from './people.tsx';
import { RoleChoice } from './role-choice.tsx';
import { Secret } from './secret.tsx';

const pathOf = (name: string) => `/people/${encodeURIComponent(name)}`;

interface WithPassword {
  readonly oneTimePassword: string;
}

export function NewPerson({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('editor');
  const client = useQueryClient();
  const add = useMutation<WithPassword, ApiError, { name: string; role: Role }>({
    mutationFn: (person) => api.post('/people', person),
    onSuccess: () => changed(client, '/people', '/activity'),
  });
  const leave = () => {
    close();
    setName('');
    setRole('editor');
    add.reset();
  };
  const problems = new Problems(add.error?.problems);
  const others = problems.besides(['name', 'role']).all;
  return (
    <Panel title={add.data ? `${name} can come in` : 'Add a person'} isOpen={isOpen} close={leave}>
      {add.data ? (
        <Secret
          label={`One-time password of ${name}`}
          secret={add.data.oneTimePassword}
          text={`Give it to ${name}, not by the same way as the address of this page. At the first login, ${name} chooses a password that only ${name} knows.`}
          close={leave}
        />
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            add.mutate({ name: name.trim(), role });
          }}
        >
          <Stack>
            {others.length > 0 && (
              <Alert color="red" role="alert">
                {wordsOf(add.error)}
              </Alert>
            )}
            <TextInput
              label="Name"
              description="To log in with, and how activities name them. Such as ada or ada@shop.example"
              data-autofocus
              autoComplete="off"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={problems.at('name')}
            />
            <RoleChoice value={role} onChange={setRole} error={problems.at('role')} />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={leave}>
                Cancel
              </Button>
              <Button type="submit" loading={add.isPending}>
                Add
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Panel>
  );
}

export function PersonPanel({ person, close }: { person: Person | undefined; close: () => void }) {
  const [password, setPassword] = useState<string>();
  const leave = () => {
    close();
    setPassword(undefined);
  };
  return (
    <Panel title={person?.name ?? ''} isOpen={person !== undefined} close={leave}>
      {person && password && (
        <Secret
          label={`One-time password of ${person.name}`}
          secret={password}
          text={`The password before it is no longer good, and ${person.name} is logged out everywhere.`}
          close={leave}
        />
      )}
      {person && !password && (
        <About key={person.name} person={person} close={leave} onPassword={setPassword} />
      )}
    </Panel>
  );
}

interface AboutProps {
  readonly person: Person;
  readonly close: () => void;
  readonly onPassword: (password: string) => void;
}

function About({ person, close, onPassword }: AboutProps) {
  const { name } = person;
  const [role, setRole] = useState(person.role);
  const client = useQueryClient();
  const confirm = useConfirmation();
  const session = useSession();
  const isOneself = session.kind === 'session' && session.name === name;

  const save = useMutation<Person, ApiError>({
    mutationFn: () => api.put(pathOf(name), { role }),
    onSuccess: async () => {
      await changed(client, '/people', '/activity', '/session');
      notice.done(`${name} is ${role} now`);
      close();
    },
  });

  const renew = async () => {
    const question = {
      title: `New one-time password for ${name}?`,
      text: `The password that ${name} has now is no longer good.`,
      action: 'Make one',
    };
    if (!(await confirm(question))) return;
    try {
      const { oneTimePassword } = await api.post<WithPassword>(`${pathOf(name)}/password`);
      onPassword(oneTimePassword);
      await changed(client, '/people', '/activity');
    } catch (error) {
      notice.failed(error);
    }
  };

  const remove = async () => {
    const question = {
      title: `Delete ${name}?`,
      text: `${name} is logged out everywhere and cannot come in any more. What ${name} did stays, and so do the activities.`,
      action: 'Delete',
      isDestructive: true,
    };
    if (!(await confirm(question))) return;
    try {
      await api.remove(pathOf(name));
      await changed(client, '/people', '/activity');
      notice.done(`${name} is deleted`);
      close();
    } catch (error) {
      notice.failed(error, `${name} was not deleted`);
    }
  };

  return (
    <Stack>
      {save.error && (
        <Alert color="red" role="alert">
          {wordsOf(save.error)}
        </Alert>
      )}
      <RoleChoice value={role} onChange={setRole} />
      <Group justify="flex-end">
        <Button
          loading={save.isPending}
          disabled={role === person.role}
          onClick={() => save.mutate()}
        >
          Save
        </Button>
      </Group>
      <Divider />
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">Somebody who forgot the password gets a new one, good for one login.</Text>
        <Button variant="default" onClick={renew} flex="none" disabled={isOneself}>
          New password
        </Button>
      </Group>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">
          {isOneself
            ? 'You cannot delete yourself; another admin can.'
            : 'Who has left should not be able to come in.'}
        </Text>
        <Button variant="light" color="red" onClick={remove} flex="none" disabled={isOneself}>
          Delete
        </Button>
      </Group>
    </Stack>
  );
}
