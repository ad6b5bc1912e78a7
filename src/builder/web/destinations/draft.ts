/** What is being made of a destination, kept as a draft while it is edited. */
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError, api, changed, type Tagged } from '../api.ts';
import { wordsOf } from '../notice.tsx';
import { type Destination, published, type StepId } from './destination.ts';

export interface Draft {
  readonly draftId: string;
  readonly name: string;
  /** The destination that it changes; without it, a new one. */
  readonly destinationId?: number;
  /** The mark of the destination as it was when it was begun. */
  readonly etag?: string;
  readonly step: StepId;
  readonly destination: Destination;
  /** Who wrote it last. */
  readonly by: string;
  /** Unix milliseconds. */
  readonly updateTime: number;
}

/** What an edit begins with. */
export interface Start {
  readonly destination: Destination;
  /** Of a destination that is there. */
  readonly destinationId?: number;
  readonly etag?: string;
  /** Of a draft that is there. */
  readonly draft?: Tagged<Draft>;
  /** Where to begin, if somebody was sent to a step. */
  readonly step?: StepId;
}

/** Whether what is on the screen is kept. */
export type Keeping = 'nothing' | 'kept' | 'keeping' | 'elsewhere' | { readonly failed: string };

const PAUSE_MS = 700;

export interface Editing {
  readonly destination: Destination;
  readonly set: (values: Partial<Destination>) => void;
  readonly step: StepId;
  readonly go: (step: StepId) => void;
  readonly keeping: Keeping;
  /** Whether there is something to publish. */
  readonly isChanged: boolean;
  /** Puts it in force. @throws ApiError */
  readonly publish: (over?: string) => Promise<Destination>;
  /** Throws the draft away. */
  readonly discard: () => Promise<void>;
  /** Goes on from here although somebody else has written the draft meanwhile. */
  readonly takeOver: () => Promise<void>;
}

/** Keeps every change as a draft, shortly after it was made. */
export function useEditing(start: Start): Editing {
  const client = useQueryClient();
  const [destination, setDestination] = useState(start.destination);
  const first = start.step ?? start.draft?.value.step ?? 'basics';
  const [step, setStep] = useState<StepId>(first);
  const [keeping, setKeeping] = useState<Keeping>(start.draft ? 'kept' : 'nothing');
  const [draft, setDraft] = useState(start.draft);
  /** What was kept last; what is written at the moment; whether nothing shall be written any more. */
  const kept = useRef({
    destination: start.destination,
    step: first,
  });
  const current = useRef({ draft, writing: Promise.resolve(), isOver: false });
  const latest = useRef({ destination, step });
  latest.current = { destination, step };

  const write = useCallback(
    async (isOver = false) => {
      const now = latest.current;
      if (current.current.isOver && !isOver) return;
      if (kept.current.destination === now.destination && kept.current.step === now.step) return;
      setKeeping('keeping');
      const { destinationId, etag } = start;
      const body = {
        name: now.destination.name ?? '',
        destinationId,
        etag,
        step: now.step,
        destination: now.destination,
      };
      try {
        const before = current.current.draft;
        // The mark of what was written here, not of what somebody else may have written since.
        const tagged = before
          ? await api.keep<Draft>('PUT', `/drafts/${before.value.draftId}`, body, before.etag)
          : await api.keep<Draft>('POST', '/drafts', body);
        current.current.draft = tagged;
        kept.current = now;
        setDraft(tagged);
        setKeeping('kept');
        changed(client, '/drafts');
      } catch (error) {
        const isTheirs = error instanceof ApiError && error.status === 412;
        setKeeping(isTheirs ? 'elsewhere' : { failed: wordsOf(error) });
      }
    },
    [client, start],
  );

  const keep = useCallback(() => {
    // One after the other: each needs the mark of the one before.
    current.current.writing = current.current.writing.then(() => write());
    return current.current.writing;
  }, [write]);

  useEffect(() => {
    const isKept = kept.current.destination === destination && kept.current.step === step;
    // Looking around in what is there makes no draft of it.
    const isLooking = !current.current.draft && destination === start.destination;
    if (isKept || isLooking || keeping === 'elsewhere') return;
    const timer = setTimeout(keep, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [destination, step, keeping, keep, start]);

  // Whoever leaves within the pause has it kept, too.
  useEffect(
    () => () => {
      if (current.current.draft || latest.current.destination !== start.destination) keep();
    },
    [keep, start],
  );

  const end = async () => {
    current.current.isOver = true;
    await current.current.writing;
    const last = current.current.draft;
    try {
      if (last) await api.remove(`/drafts/${last.value.draftId}`, last.etag);
    } catch (error) {
      // What somebody else has written into it since stays.
      if (!(error instanceof ApiError) || error.status !== 412) throw error;
    }
    await changed(client, '/drafts');
  };

  return {
    destination,
    set: useCallback((values: Partial<Destination>) => {
      setDestination((before) => ({ ...before, ...values }));
    }, []),
    step,
    go: setStep,
    keeping,
    isChanged: draft !== undefined || destination !== start.destination,
    publish: async (over) => {
      const body = published(latest.current.destination);
      const { destinationId, etag } = start;
      const saved =
        destinationId === undefined
          ? await api.post<Destination>('/destinations', body)
          : await api.put<Destination>(`/destinations/${destinationId}`, body, {
              etag: over ?? etag,
            });
      try {
        await end();
      } finally {
        await changed(client, '/destinations', '/segments', '/activity', '/nodes', '/reports');
      }
      return saved;
    },
    discard: end,
    takeOver: async () => {
      const { draft: mine } = current.current;
      if (!mine) return;
      current.current.draft = await api.tagged<Draft>(`/drafts/${mine.value.draftId}`);
      kept.current = { ...kept.current, destination: start.destination };
      setKeeping('keeping');
      await keep();
    },
  };
}
