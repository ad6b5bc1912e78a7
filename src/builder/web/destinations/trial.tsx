/** Tries a destination against the last recorded page requests, before it is published. */
import { Alert, Button, Group, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ApiError, api } from '../api.ts';
import { Panel } from '../panel.tsx';
import { Problems, sentence } from '../problem.ts';
import { Failed, Loading } from '../state.tsx';
import { TrialOutcome, type Tried } from '../trial-outcome.tsx';
import { type Destination, published } from './destination.ts';

interface TrialProps {
  readonly destination: Destination;
  readonly isOpen: boolean;
  readonly close: () => void;
}

export function Trial({ destination, isOpen, close }: TrialProps) {
  return (
    <Panel title="What would have fired" isOpen={isOpen} close={close}>
      {isOpen && <Try destination={destination} />}
    </Panel>
  );
}

function Try({ destination }: { destination: Destination }) {
  const { data, error, refetch, isFetching } = useQuery<Tried, ApiError>({
    queryKey: ['trial', destination],
    queryFn: ({ signal }) =>
      api.post<Tried>(
        '/trials',
        { list: 'destinations', entry: published(destination) },
        { signal },
      ),
    gcTime: 0,
    retry: false,
  });
  if (error?.status === 400) {
    return (
      <Alert color="amber" title="It cannot be tried yet">
        <ul>
          {new Problems(error.problems).all.map((problem) => (
            <li key={`${problem.path} ${problem.wrong}`}>{sentence(problem)}</li>
          ))}
        </ul>
      </Alert>
    );
  }
  if (error) return <Failed error={error} retry={() => refetch()} />;
  if (!data) return <Loading label="Trying" />;
  return <Result tried={data} again={() => refetch()} isBusy={isFetching} />;
}

interface ResultProps {
  readonly tried: Tried;
  readonly again: () => void;
  readonly isBusy: boolean;
}

function Result({ tried, again, isBusy }: ResultProps) {
  return (
    <Stack>
      <TrialOutcome tried={tried} />
      <Group>
        <Button variant="default" size="xs" onClick={again} loading={isBusy}>
          Try again
        </Button>
      </Group>
    </Stack>
  );
}
