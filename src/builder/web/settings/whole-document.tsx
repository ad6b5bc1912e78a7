import { Alert, Button, FileButton, Group, List, Paper, Stack, Text, Title } from '@mantine/core';
import { IconDownload, IconUpload } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, api } from '../api.ts';
import { useConfirmation } from '../confirmation.tsx';
import { Differences } from '../differences.tsx';
import { notice } from '../notice.tsx';
import type { Problem } from '../problem.ts';
import { sentence } from '../problem.ts';
import type { Nodes } from '../publishing-state.tsx';
import { useMay } from '../session.tsx';
import { Failed } from '../state.tsx';
import { Frame } from './frame.tsx';

interface Trial {
  readonly file: string;
  readonly document: unknown;
  /** Of the account that it was compared with. */
  readonly revision: number;
  readonly differences: readonly string[];
}

export function WholeDocument() {
  const mayEdit = useMay('editor');
  return (
    <Frame
      title="Import and export"
      lead="The whole account as one JSON document: to keep, to compare, to move to another server."
    >
      <Paper withBorder p="lg">
        <Group justify="space-between">
          <div>
            <Title order={2}>Export</Title>
            <Text size="sm" c="dimmed">
              Everything but people, keys and what visitors did.
            </Text>
          </div>
          <Button
            component="a"
            href="/v1/export"
            download="account.json"
            variant="default"
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            Download account.json
          </Button>
        </Group>
      </Paper>
      {mayEdit && <Import />}
    </Frame>
  );
}

function Import() {
  const client = useQueryClient();
  const confirm = useConfirmation();
  const [trial, setTrial] = useState<Trial>();

  const tried = useMutation<Trial, Error, File>({
    mutationFn: async (file) => {
      const document = readJson(await file.text());
      const { revision } = await api.get<Nodes>('/nodes');
      const answer = await api.post<{ differences: string[] }>('/import?dryRun=true', document);
      return { file: file.name, document, revision, differences: answer.differences };
    },
    onSuccess: setTrial,
    onMutate: () => setTrial(undefined),
  });

  const replace = useMutation<{ revision: number }, ApiError, Trial>({
    mutationFn: ({ document, revision }) =>
      api.post('/import', document, { etag: `"${revision}"` }),
    onSuccess: async ({ revision }) => {
      setTrial(undefined);
      notice.done(`The account is replaced: revision ${revision}`);
      await client.invalidateQueries();
    },
  });

  return (
    <Paper withBorder p="lg">
      <Stack>
        <Group justify="space-between">
          <div>
            <Title order={2}>Import</Title>
            <Text size="sm" c="dimmed">
              You see what would change before anything does.
            </Text>
          </div>
          <FileButton
            accept="application/json,.json"
            onChange={(file) => file && tried.mutate(file)}
          >
            {(props) => (
              <Button
                {...props}
                variant="default"
                loading={tried.isPending}
                leftSection={<IconUpload size={16} aria-hidden />}
              >
                Choose a document
              </Button>
            )}
          </FileButton>
        </Group>
        {tried.error && <Refused error={tried.error} />}
        {replace.error && <Failed error={replace.error} title="The account was not replaced" />}
        {trial && (
          <Stack role="region" aria-label="What would change">
            <Title order={3}>
              {trial.differences.length === 0
                ? `${trial.file} is what is in force`
                : `What ${trial.file} would change`}
            </Title>
            <Differences lines={trial.differences} none="Nothing would change." />
            {trial.differences.length > 0 && (
              <Group gap="xs">
                <Button
                  loading={replace.isPending}
                  onClick={async () => {
                    const question = {
                      title: 'Replace the whole account?',
                      text: 'The change is in force within a second. Under Activity you can go back to before it.',
                      action: 'Replace',
                    };
                    if (await confirm(question)) replace.mutate(trial);
                  }}
                >
                  Replace the account
                </Button>
                <Button variant="default" onClick={() => setTrial(undefined)}>
                  Leave it as it is
                </Button>
              </Group>
            )}
          </Stack>
        )}
      </Stack>
    </Paper>
  );
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const wrong = `the file is no JSON document: ${(error as Error).message}`;
    throw new ApiError(400, [
      { path: '', wrong, instead: 'choose a file that was exported here, or made like one' },
    ]);
  }
}

const MAX_SHOWN = 50;

/** A document with mistakes: each with its place. */
function Refused({ error }: { error: Error }) {
  const problems: readonly Problem[] = error instanceof ApiError ? error.problems : [];
  if (problems.length === 0 || problems[0].path === '') {
    return <Failed error={error} title="The document cannot be used" />;
  }
  return (
    <Alert color="red" role="alert" title="The document has mistakes; nothing was changed">
      <List size="sm" spacing={4}>
        {problems.slice(0, MAX_SHOWN).map((problem) => (
          <List.Item key={`${problem.path} ${problem.wrong}`}>
            <code>{problem.path}</code> – {sentence(problem)}
          </List.Item>
        ))}
      </List>
      {problems.length > MAX_SHOWN && (
        <Text size="sm" mt="xs">
          And {problems.length - MAX_SHOWN} more.
        </Text>
      )}
    </Alert>
  );
}
