/** Deletes an entry, if nothing needs it any more. */
import { Alert, List, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ApiError, api, changed } from './api.ts';
import { useConfirmation } from './confirmation.tsx';
import { notice } from './notice.tsx';
import { sentence } from './problem.ts';

interface RemovalOptions {
  /** Of the list: `/segments`. */
  readonly path: string;
  readonly id: string | number;
  /** Such as segment. */
  readonly noun: string;
  readonly name: string;
  /** As it was looked at. */
  readonly etag: string | undefined;
  /** What will happen. */
  readonly text: ReactNode;
  readonly onDone: () => void;
}

interface Removal {
  readonly remove: () => Promise<void>;
  /** Why it was not deleted: others need it. */
  readonly refusal: ApiError | undefined;
  readonly isRunning: boolean;
}

export function useRemoval(options: RemovalOptions): Removal {
  const { path, id, noun, name, etag, text, onDone } = options;
  const client = useQueryClient();
  const confirm = useConfirmation();
  const [refusal, setRefusal] = useState<ApiError>();
  const [isRunning, setRunning] = useState(false);

  const remove = async () => {
    const title = `Delete “${name}”?`;
    if (!(await confirm({ title, text, action: 'Delete', isDestructive: true }))) return;
    setRunning(true);
    setRefusal(undefined);
    try {
      await api.remove(`${path}/${id}`, etag);
      onDone();
      notice.done(`${noun.charAt(0).toUpperCase()}${noun.slice(1)} deleted`);
      await changed(client, path, '/activity', '/nodes');
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) setRefusal(error);
      else notice.failed(error, `The ${noun} was not deleted`);
    } finally {
      setRunning(false);
    }
  };
  return { remove, refusal, isRunning };
}

interface RefusalProps {
  readonly refusal: ApiError | undefined;
  /** Links to what needs it; where there are none, the server's own words stand there. */
  readonly users: ReactNode;
}

export function Refusal({ refusal, users }: RefusalProps) {
  if (!refusal) return null;
  return (
    <Alert color="amber" role="alert" title="Not deleted: it is still in use">
      {users ? (
        <>
          <Text size="sm">Take it out of these first:</Text>
          {users}
        </>
      ) : (
        <List size="sm" listStyleType="none">
          {refusal.problems.map((problem) => (
            <List.Item key={problem.path + problem.wrong}>{sentence(problem)}</List.Item>
          ))}
        </List>
      )}
    </Alert>
  );
}
