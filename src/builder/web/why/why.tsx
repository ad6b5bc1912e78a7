/** Why something was sent, or was not: for a page, a visitor or a recorded request. */
import { Paper, Stack, Text, TextInput, Title, UnstyledButton } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconHelpHexagon, IconSearch } from '@tabler/icons-react';
import { useSearchParams } from 'react-router';
import { useAnswer, withQuery } from '../api.ts';
import { many } from '../figures.ts';
import { Moment } from '../moment.tsx';
import { Page } from '../page.tsx';
import { Empty, Failed, Loading } from '../state.tsx';
import { Finding, type Question } from './finding.tsx';
import type { RecordedCall } from './trace.ts';
import classes from './why.module.css';

const SHOWN = 30;

export default function Why() {
  const [params, setParams] = useSearchParams();
  const asked = params.get('about') ?? '';
  const callId = params.get('call') ?? undefined;
  const destination = Number(params.get('destination')) || undefined;
  const [settled] = useDebouncedValue(asked.trim(), 250);
  const isUuid = /^\d{38}$/.test(settled);
  const typed = eventIn(settled);
  const calls = useAnswer<readonly RecordedCall[]>(
    withQuery('/calls', {
      page: isUuid || typed ? undefined : settled,
      uuid: isUuid ? settled : undefined,
      limit: SHOWN,
    }),
    { refetchInterval: 5_000, placeholderData: (before) => before, enabled: !typed },
  );
  const set = (values: Record<string, string | undefined>) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(values)) {
          if (value) next.set(name, value);
          else next.delete(name);
        }
        return next;
      },
      { replace: true },
    );
  // A page that nobody has been recorded on: what happens to somebody new who opens it and says nothing.
  const isUnseen = /^https?:\/\/[^/]/.test(settled) && !isUuid && calls.data?.length === 0;
  const question: Question | undefined = typed
    ? { url: typed }
    : callId
      ? { call: callId }
      : isUnseen
        ? { url: '/event?d_rtbd=json&d_dst=1', headers: { Referer: settled } }
        : undefined;

  return (
    <Page
      title="Why?"
      lead="Paste a page’s address, or pick a visit: see what was decided for it, and why, from the signal to the destination. Nothing is sent."
    >
      <TextInput
        label="Page address, device id, or a call of /event"
        description="Example: https://shop.example/concerts"
        value={asked}
        spellCheck={false}
        leftSection={<IconSearch size={16} aria-hidden />}
        onChange={(event) => set({ about: event.currentTarget.value, call: undefined })}
      />
      <div className={classes.columns}>
        {!typed && (
          <Paper
            withBorder
            component="section"
            aria-label="Recent visits"
            className={classes.calls}
          >
            <Title order={2} className={classes.heading}>
              Recent visits
            </Title>
            {calls.error ? (
              <Failed error={calls.error} retry={() => calls.refetch()} />
            ) : !calls.data ? (
              <Loading label="Loading visits" />
            ) : calls.data.length === 0 ? (
              <Text size="sm" c="dimmed" p="md">
                {settled
                  ? 'No recorded visit of this. Beside, you see what happens to somebody new who opens the page without sending any signal. Open it in your browser: the visit appears here within seconds.'
                  : 'No visit has been recorded yet. Open a page that carries the tag: it appears here within seconds.'}
              </Text>
            ) : (
              <ol>
                {calls.data.map((call) => (
                  <li key={call.callId}>
                    <Visit
                      call={call}
                      isPicked={call.callId === callId}
                      pick={() => set({ call: call.callId })}
                    />
                  </li>
                ))}
              </ol>
            )}
          </Paper>
        )}
        <Stack className={classes.finding}>
          {question ? (
            <Finding
              key={JSON.stringify(question)}
              question={question}
              destination={destination}
              pick={(id) => set({ destination: id === undefined ? undefined : String(id) })}
            />
          ) : (
            <Paper withBorder>
              <Empty
                icon={IconHelpHexagon}
                title="Pick a visit"
                text={
                  destination
                    ? 'Then you see why this destination was called for it, or was not.'
                    : 'Then you see each destination with its reason, and the whole path to it.'
                }
              />
            </Paper>
          )}
        </Stack>
      </div>
    </Page>
  );
}

/** A call of the collection endpoint, pasted with or without its host. */
function eventIn(text: string): string | undefined {
  return /^(?:https?:\/\/[^/]+)?(\/event\?\S+)$/.exec(text)?.[1];
}

interface VisitProps {
  readonly call: RecordedCall;
  readonly isPicked: boolean;
  readonly pick: () => void;
}

function Visit({ call, isPicked, pick }: VisitProps) {
  const { at, uuid, page, destinations } = call;
  return (
    <UnstyledButton className={classes.visit} aria-pressed={isPicked} onClick={pick}>
      <span className={classes.page}>{page ? shortened(page) : 'unknown page'}</span>
      <Text span size="xs" c="dimmed" className={classes.facts}>
        <span>
          visitor …{uuid.slice(-6)},{' '}
          {destinations.length === 0
            ? 'nothing fired'
            : `${many(destinations.length, 'destination')} fired`}
        </span>
        <Moment at={at} />
      </Text>
    </UnstyledButton>
  );
}

/** Without the scheme: what tells pages apart comes first. */
function shortened(page: string): string {
  const text = page.replace(/^https?:\/\//, '');
  return text.length > 80 ? `${text.slice(0, 78)}…` : text;
}
