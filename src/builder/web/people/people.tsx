/** Who may come in: people with passwords, scripts with keys. For admins. */
import { Badge, Button, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { IconKey, IconPlus, IconUserPlus, IconUsers } from '@tabler/icons-react';
import { useState } from 'react';
import type { Role } from '../../caller.ts';
import { useAnswer } from '../api.ts';
import { Moment } from '../moment.tsx';
import { Page } from '../page.tsx';
import { type Column, Rows } from '../rows.tsx';
import { useSession } from '../session.tsx';
import { Answered, Empty } from '../state.tsx';
import { KeyPanel, NewKey } from './key.tsx';
import { NewPerson, PersonPanel } from './person.tsx';

export interface Person {
  readonly name: string;
  readonly role: Role;
  /** Still has the password that an admin was shown. */
  readonly mustChangePassword: boolean;
  readonly createTime: number;
  readonly lastSeen?: number | null;
}

export interface Key {
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  readonly createTime: number;
  /** Who made it. */
  readonly by: string;
  readonly lastUsed?: number | null;
}

const COLORS: Record<Role, string> = { viewer: 'gray', editor: 'petrol', admin: 'violet' };

const RoleBadge = ({ role }: { role: Role }) => <Badge color={COLORS[role]}>{role}</Badge>;

const KEY_COLUMNS: readonly Column<Key>[] = [
  { title: 'Name', show: ({ name }) => name },
  { title: 'Role', show: ({ role }) => <RoleBadge role={role} />, width: '7rem' },
  { title: 'Made', show: ({ createTime }) => <Moment at={createTime} />, width: '10rem' },
  { title: 'By', show: ({ by }) => by, isExtra: true },
  { title: 'Last used', show: ({ lastUsed }) => <Moment at={lastUsed} never="never" /> },
];

type Open = { readonly what: 'person' | 'key'; readonly id?: string };

export default function People() {
  const people = useAnswer<readonly Person[]>('/people');
  const keys = useAnswer<readonly Key[]>('/keys');
  const session = useSession();
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);

  const columns: readonly Column<Person>[] = [
    {
      title: 'Name',
      show: ({ name }) => (
        <>
          {name}
          {name === session.name && session.kind === 'session' && (
            <Text span c="dimmed" size="sm">
              {' '}
              (you)
            </Text>
          )}
        </>
      ),
    },
    { title: 'Role', show: ({ role }) => <RoleBadge role={role} />, width: '7rem' },
    { title: 'Added', show: ({ createTime }) => <Moment at={createTime} />, width: '10rem' },
    {
      title: 'Last seen',
      show: ({ lastSeen, mustChangePassword }) =>
        mustChangePassword ? (
          <Badge color="amber">has a one-time password</Badge>
        ) : (
          <Moment at={lastSeen} never="never" />
        ),
    },
  ];

  return (
    <Page
      title="People and keys"
      lead="Viewers see everything and change nothing. Editors change destinations, segments, traits and settings. Admins look after people and keys, too."
    >
      <Stack component="section" gap="sm" aria-labelledby="people">
        <Group justify="space-between">
          <Title order={2} id="people">
            People
          </Title>
          <Button
            leftSection={<IconUserPlus size={16} aria-hidden />}
            onClick={() => setOpen({ what: 'person' })}
          >
            Add a person
          </Button>
        </Group>
        <Paper withBorder style={{ overflow: 'clip' }}>
          <Answered query={people}>
            {(all) =>
              all.length > 0 ? (
                <Rows
                  label="People"
                  entries={all}
                  columns={columns}
                  idOf={({ name }) => name}
                  open={({ name }) => setOpen({ what: 'person', id: name })}
                />
              ) : (
                <Empty
                  icon={IconUsers}
                  title="Nobody yet"
                  text="You came in with the server's own token. Add the people who work here: each gets a password of their own."
                />
              )
            }
          </Answered>
        </Paper>
      </Stack>
      <Stack component="section" gap="sm" aria-labelledby="keys">
        <Group justify="space-between">
          <Title order={2} id="keys">
            API keys
          </Title>
          <Button
            variant="default"
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={() => setOpen({ what: 'key' })}
          >
            Create a key
          </Button>
        </Group>
        <Paper withBorder style={{ overflow: 'clip' }}>
          <Answered query={keys}>
            {(all) =>
              all.length > 0 ? (
                <Rows
                  label="API keys"
                  entries={all}
                  columns={KEY_COLUMNS}
                  idOf={({ keyId }) => keyId}
                  open={({ keyId }) => setOpen({ what: 'key', id: keyId })}
                />
              ) : (
                <Empty
                  icon={IconKey}
                  title="No keys yet"
                  text="A script that calls the API shows a key, so that it needs nobody's password."
                />
              )
            }
          </Answered>
        </Paper>
      </Stack>
      <NewPerson isOpen={open?.what === 'person' && !open.id} close={close} />
      <PersonPanel
        person={
          open?.what === 'person' ? people.data?.find(({ name }) => name === open.id) : undefined
        }
        close={close}
      />
      <NewKey isOpen={open?.what === 'key' && !open.id} close={close} />
      <KeyPanel
        apiKey={
          open?.what === 'key' ? keys.data?.find(({ keyId }) => keyId === open.id) : undefined
        }
        close={close}
      />
    </Page>
  );
}
