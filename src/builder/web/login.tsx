/** The way in: name and password, and a password of one's own where it was given by somebody else. */
import {
  Alert,
  Button,
  Group,
  Paper,
  PasswordInput,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect } from 'react';
import { type ApiError, api } from './api.ts';
import { Brand } from './brand.tsx';
import classes from './login.module.css';
import { wordsOf } from './notice.tsx';
import { Problems } from './problem.ts';
import { type Session, useEntrance } from './session.tsx';

function Door({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Destination Builder`;
  }, [title]);
  return (
    <main className={classes.door}>
      <Brand />
      <Paper withBorder shadow="sm" radius="md" p="xl" w="100%" maw={400}>
        <Stack>
          <Title order={1} size="h2">
            {title}
          </Title>
          {children}
        </Stack>
      </Paper>
    </main>
  );
}

interface Named {
  readonly name: string;
  readonly password: string;
}

export function Login() {
  const enter = useEntrance();
  const login = useMutation<Session, ApiError, Named>({
    mutationFn: (named) => api.post<Session>('/session', named),
    onSuccess: enter,
  });
  return (
    <Door title="Log in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          login.mutate({ name: String(form.get('name')), password: String(form.get('password')) });
        }}
      >
        <Stack>
          {login.error && (
            <Alert color="red" role="alert">
              {reasonOf(login.error)}
            </Alert>
          )}
          <TextInput
            label="Name"
            name="name"
            autoComplete="username"
            required
            withAsterisk={false}
            autoFocus
          />
          <PasswordInput
            label="Password"
            name="password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
          />
          <Button type="submit" loading={login.isPending} fullWidth>
            Log in
          </Button>
          <Text size="xs" c="dimmed">
            Forgotten? An admin can give you a new one-time password.
          </Text>
        </Stack>
      </form>
    </Door>
  );
}

function reasonOf(error: ApiError): string {
  if (error.status === 401) return 'Name or password is wrong.';
  if (error.status === 429) {
    const minutes = Math.ceil((error.retryAfter ?? 60) / 60);
    const wait = minutes === 1 ? 'a minute' : `${minutes} minutes`;
    return `Too many attempts. Try again in ${wait}.`;
  }
  return wordsOf(error);
}

/** Where somebody came in with a one-time password. */
export function FirstPassword({ session }: { session: Session }) {
  const enter = useEntrance();
  return (
    <Door title="Choose a password">
      <Text size="sm" c="dimmed">
        Welcome, {session.name}. The password that you were given works only once: choose one that
        nobody else knows.
      </Text>
      <PasswordForm
        oldLabel="One-time password"
        action="Set password"
        onDone={() => enter({ ...session, mustChangePassword: false })}
      />
      <Group justify="center">
        <Button
          variant="subtle"
          size="xs"
          onClick={() => api.remove('/session').finally(() => enter(null))}
        >
          Log in as somebody else
        </Button>
      </Group>
    </Door>
  );
}

interface PasswordFormProps {
  readonly oldLabel: string;
  readonly action: string;
  readonly onDone: () => void;
}

export function PasswordForm({ oldLabel, action, onDone }: PasswordFormProps) {
  const change = useMutation<void, ApiError, { password: string; newPassword: string }>({
    mutationFn: (passwords) => api.put('/session/password', passwords),
    onSuccess: onDone,
  });
  const problems = new Problems(change.error?.problems);
  const others = problems.besides(['password', 'newPassword']).all;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        change.mutate({
          password: String(form.get('password')),
          newPassword: String(form.get('newPassword')),
        });
      }}
    >
      <Stack>
        {others.length > 0 && (
          <Alert color="red" role="alert">
            {wordsOf(change.error)}
          </Alert>
        )}
        <PasswordInput
          label={oldLabel}
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          error={problems.at('password')}
          aria-invalid={problems.at('password') !== undefined}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
        />
        <PasswordInput
          label="New password"
          description="At least 12 characters; several words are easy to remember."
          name="newPassword"
          autoComplete="new-password"
          required
          withAsterisk={false}
          error={problems.at('newPassword')}
          aria-invalid={problems.at('newPassword') !== undefined}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the new password' }}
        />
        <Button type="submit" loading={change.isPending}>
          {action}
        </Button>
      </Stack>
    </form>
  );
}
