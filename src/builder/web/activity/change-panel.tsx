import { Button, Divider, Group, Stack, Text, Title } from '@mantine/core';
import { IconArrowBackUp } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type ApiError, api, useTagged } from '../api.ts';
import { Differences } from '../differences.tsx';
import { Moment } from '../moment.tsx';
import { notice } from '../notice.tsx';
import { Panel } from '../panel.tsx';
import { useMay } from '../session.tsx';
import { Answered, Failed } from '../state.tsx';

interface Change {
  readonly revision: number;
  readonly at: number;
  readonly by: string;
  readonly changes: readonly string[];
  /** Whether what was before it is still kept. */
  readonly canRestore: boolean;
  /** What going back to the state before it would change now. */
  readonly toNow: readonly string[];
}

interface ChangePanelProps {
  readonly revision: string | undefined;
  readonly close: () => void;
}

/** One change of the account: what it did, and the way back to before it. */
export function ChangePanel({ revision, close }: ChangePanelProps) {
  return (
    <Panel
      title={`Revision ${revision ?? ''}`}
      isOpen={revision !== undefined}
      close={close}
      size={620}
    >
      {revision !== undefined && <Content key={revision} revision={revision} close={close} />}
    </Panel>
  );
}

function Content({ revision, close }: { revision: string; close: () => void }) {
  const query = useTagged<Change>(`/activity/${revision}`);
  return (
    <Answered query={query}>
      {({ value: change, etag }) => (
        <Stack>
          <Text size="sm" c="dimmed">
            {change.by}, <Moment at={change.at} isExact />
          </Text>
          <Differences lines={change.changes} />
          <Divider />
          <WayBack change={change} etag={etag} close={close} />
        </Stack>
      )}
    </Answered>
  );
}

interface WayBackProps {
  readonly change: Change;
  /** Of what was in force when it was shown: what was looked at is what is undone. */
  readonly etag: string | undefined;
  readonly close: () => void;
}

function WayBack({ change, etag, close }: WayBackProps) {
  const [isAsked, setAsked] = useState(false);
  const mayEdit = useMay('editor');
  const client = useQueryClient();

  const undo = useMutation<{ revision: number }, ApiError>({
    mutationFn: () => api.post(`/activity/${change.revision}/undo`, undefined, { etag }),
    onSuccess: async (answer) => {
      notice.done(
        `The account is as before revision ${change.revision}: revision ${answer.revision}`,
      );
      close();
      await client.invalidateQueries();
    },
  });

  if (!mayEdit) return null;
  if (!change.canRestore) {
    return (
      <Text size="sm" c="dimmed">
        The account as it was before this is not kept any more. Go back to before a newer change.
      </Text>
    );
  }
  if (!isAsked) {
    return (
      <Group justify="flex-end">
        <Button
          variant="default"
          leftSection={<IconArrowBackUp size={16} aria-hidden />}
          onClick={() => setAsked(true)}
        >
          Go back to before this…
        </Button>
      </Group>
    );
  }
  return (
    <Stack component="section" aria-label="Going back">
      <div>
        <Title order={3}>What going back would change now</Title>
        <Text size="sm" c="dimmed">
          Everything becomes as it was right before revision {change.revision}: what was changed
          since is undone, too. It becomes a new revision, so you can take this back as well.
        </Text>
      </div>
      <Differences lines={change.toNow} none="Nothing: the account is as it was before this." />
      {undo.error && <Failed error={undo.error} title="Nothing was changed" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={() => setAsked(false)}>
          Cancel
        </Button>
        <Button
          disabled={change.toNow.length === 0}
          loading={undo.isPending}
          onClick={() => undo.mutate()}
        >
          Go back
        </Button>
      </Group>
    </Stack>
  );
}
