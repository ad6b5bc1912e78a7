/** Opens a draft, or a destination that is there with the draft of its changes, if there is one. */
import { useQuery } from '@tanstack/react-query';
import { useParams, useSearchParams } from 'react-router';
import { type ApiError, api } from '../api.ts';
import { Missing } from '../missing.tsx';
import { useMay } from '../session.tsx';
import { Answered } from '../state.tsx';
import { type Destination, STEPS, type StepId } from './destination.ts';
import type { Draft, Start } from './draft.ts';
import { Editor } from './editor.tsx';

export function OpenDraft() {
  const { draftId = '' } = useParams();
  const step = useWantedStep();
  const query = useStart(`draft ${draftId}`, async (signal) => {
    const draft = await api.tagged<Draft>(`/drafts/${encodeURIComponent(draftId)}`, signal);
    const { destination, destinationId, etag } = draft.value;
    return { destination, destinationId, etag, draft, step };
  });
  return <Opened query={query} name={`draft ${draftId}`} />;
}

export function ExistingDestination() {
  const { id = '' } = useParams();
  const step = useWantedStep();
  // Whoever only looks sees what is in force.
  const mayEdit = useMay('editor');
  const query = useStart(`destination ${id}`, async (signal) => {
    const path = `/destinations/${encodeURIComponent(id)}`;
    const [{ value, etag }, drafts] = await Promise.all([
      api.tagged<Destination>(`${path}?includeMappings=true`, signal),
      mayEdit ? api.get<readonly Draft[]>('/drafts', signal) : [],
    ]);
    const destinationId = value.destinationId as number;
    const found = drafts.find((draft) => draft.destinationId === destinationId);
    if (!found) return { destination: value, destinationId, etag, step };
    const draft = await api.tagged<Draft>(`/drafts/${found.draftId}`, signal);
    return {
      destination: draft.value.destination,
      destinationId,
      etag: draft.value.etag,
      draft,
      step,
    };
  });
  return <Opened query={query} name={`destination ${id}`} />;
}

/** The step that a link asks for: `?step=mappings`. */
function useWantedStep(): StepId | undefined {
  const [params] = useSearchParams();
  return STEPS.find(({ id }) => id === params.get('step'))?.id;
}

/** Read anew each time: what is edited is never what was looked at long ago. */
function useStart(name: string, read: (signal: AbortSignal) => Promise<Start>) {
  return useQuery<Start, ApiError>({
    queryKey: ['start', name],
    queryFn: ({ signal }) => read(signal),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnMount: 'always',
  });
}

function Opened({ query, name }: { query: ReturnType<typeof useStart>; name: string }) {
  if (query.error?.status === 404) return <Missing />;
  return (
    <Answered query={query as never}>
      {(start: Start) => (
        <Editor
          key={`${name} ${query.dataUpdatedAt}`}
          start={start}
          reopen={() => query.refetch()}
        />
      )}
    </Answered>
  );
}
