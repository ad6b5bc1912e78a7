/** Makes or changes a destination, step by step, beside what the partner will get of it. */
import { Alert, Button, Group, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconCloudCheck, IconCloudUp, IconFlask, IconRocket } from '@tabler/icons-react';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useNavigate } from 'react-router';
import { differences } from '../../../account/difference.ts';
import { ApiError, api, changed, type Tagged } from '../api.ts';
import { useConfirmation } from '../confirmation.tsx';
import { fieldInWords, fieldLines } from '../difference.ts';
import { many } from '../figures.ts';
import { notice } from '../notice.tsx';
import { Page } from '../page.tsx';
import { Problems, sentence } from '../problem.ts';
import { useMay } from '../session.tsx';
import { Basics } from './basics.tsx';
import { Configuration } from './configuration.tsx';
import { type Destination, KINDS, published, STEPS, type StepId } from './destination.ts';
import { type Editing, type Keeping, type Start, useEditing } from './draft.ts';
import classes from './editor.module.css';
import { Labels } from './labels.tsx';
import { Mappings } from './mappings.tsx';
import { Overview } from './overview.tsx';
import { Preview, type Previewed } from './preview.tsx';
import { Status } from './status.tsx';
import { Steps } from './steps.tsx';
import { Trial } from './trial.tsx';

const PAUSE_MS = 250;

/** What every step is given. */
export interface StepProps {
  readonly destination: Destination;
  readonly set: (values: Partial<Destination>) => void;
  /** What is wrong with what has been looked at. */
  readonly problems: Problems;
  readonly isReadOnly: boolean;
}

export function Editor({ start, reopen }: { start: Start; reopen: () => void }) {
  const editing = useEditing(start);
  const { destination, set, step, go, keeping, isChanged } = editing;
  const isReadOnly = !useMay('editor');
  const navigate = useNavigate();
  const confirm = useConfirmation();
  const client = useQueryClient();
  const isNew = start.destinationId === undefined;
  const [visited, setVisited] = useState<ReadonlySet<StepId>>(
    () => new Set(isNew && step === 'basics' ? [] : STEPS.map(({ id }) => id)),
  );
  const [refused, setRefused] = useState<Problems>(() => new Problems());
  const [theirs, setTheirs] = useState<Tagged<Destination>>();
  const [isTrying, setTrying] = useState(false);

  const [settled] = useDebouncedValue(destination, PAUSE_MS);
  const previewed = useQuery<Previewed, ApiError>({
    queryKey: ['preview', settled],
    queryFn: ({ signal }) =>
      api.post<Previewed>('/preview', { destination: published(settled) }, { signal }),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 10_000,
  });
  const found = previewed.data?.problems;

  const leaveStep = (next: StepId) => {
    setVisited((before) => new Set(before).add(step));
    go(next);
    document.getElementById('step')?.focus({ preventScroll: true });
  };
  const at = STEPS.findIndex(({ id }) => id === step);
  const next = STEPS[at + 1];

  // What was refused has been changed.
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever changes
  useEffect(() => setRefused(new Problems()), [destination]);

  const publishing = useMutation({
    mutationFn: (over?: string) => editing.publish(over),
    onSuccess: ({ destinationId, name }) => {
      notice.done(`“${name}” is published`);
      navigate(`/destinations/${destinationId}`, { replace: true });
      reopen();
    },
    onError: async (error) => {
      setVisited(new Set(STEPS.map(({ id }) => id)));
      if (!(error instanceof ApiError)) return notice.failed(error);
      if (error.status !== 412) return setRefused(new Problems(error.problems));
      try {
        setTheirs(
          await api.tagged<Destination>(
            `/destinations/${start.destinationId}?includeMappings=true`,
          ),
        );
      } catch (gone) {
        notice.failed(gone);
      }
    },
  });
  const publish = () => {
    setVisited(new Set(STEPS.map(({ id }) => id)));
    publishing.mutate(undefined);
  };

  const remove = async () => {
    const mappings = start.destination.mappings?.length ?? 0;
    const yes = await confirm({
      title: `Delete “${start.destination.name}”?`,
      text:
        mappings > 0
          ? `It and its ${many(mappings, 'mapping')} go; from then on the partner gets nothing. You can take it back in Activity.`
          : 'You can take it back in Activity.',
      action: 'Delete',
      isDestructive: true,
    });
    if (!yes) return;
    try {
      // What goes is what was looked at, at once and with all of it.
      await api.remove(`/destinations/${start.destinationId}?withMappings=true`, start.etag);
      await editing.discard();
      await changed(client, '/destinations', '/segments', '/activity', '/nodes');
      notice.done('Destination deleted');
      navigate('/destinations');
    } catch (error) {
      const isTheirs = error instanceof ApiError && error.status === 412;
      notice.failed(error, isTheirs ? 'Somebody has changed it meanwhile' : 'It is still there');
    }
  };

  const discard = async () => {
    const yes = await confirm({
      title: isNew ? 'Throw this draft away?' : 'Throw the changes away?',
      text: isNew ? 'Nothing of it has been published.' : 'What is in force stays as it is.',
      action: 'Throw away',
      isDestructive: true,
    });
    if (!yes) return;
    await editing.discard();
    if (isNew) navigate('/destinations');
    else reopen();
  };

  // Where nobody has been, what is missing is no mistake yet.
  const visible = new Problems([
    ...(visited.has(step)
      ? (found ?? [])
      : (found ?? []).filter(({ wrong }) => wrong !== 'missing')),
    ...refused.all,
  ]);
  const props: StepProps = { destination, set, problems: visible, isReadOnly };
  return (
    <Page
      title={destination.name || `New ${KINDS[destination.destinationType].name.toLowerCase()}`}
      parent={{ title: 'Destinations', to: '/destinations' }}
      beside={
        isNew ? null : (
          <>
            <Status of={start.draft ? destination : start.destination} />
            <Text span size="sm" c="dimmed">
              {KINDS[destination.destinationType].short}, id {start.destinationId}
            </Text>
          </>
        )
      }
      actions={
        isReadOnly ? null : (
          <>
            <Kept keeping={keeping} />
            {isChanged && (
              <Button variant="subtle" color="gray" onClick={discard}>
                {isNew ? 'Discard draft' : 'Discard changes'}
              </Button>
            )}
            {!isNew && !isChanged && (
              <Button variant="subtle" color="red" onClick={remove}>
                Delete
              </Button>
            )}
            <Button
              variant="default"
              leftSection={<IconFlask size={16} aria-hidden />}
              onClick={() => setTrying(true)}
            >
              Try
            </Button>
            <Button
              leftSection={<IconRocket size={16} aria-hidden />}
              disabled={!isChanged}
              loading={publishing.isPending}
              onClick={publish}
            >
              Publish
            </Button>
          </>
        )
      }
    >
      <Hints {...{ start, editing, refused, theirs }} over={(tag) => publishing.mutate(tag)} />
      {start.destinationId !== undefined && (
        <Overview destinationId={start.destinationId} destination={start.destination} />
      )}
      <Steps step={step} go={leaveStep} problems={found} visited={visited} />
      <div className={classes.columns}>
        <section id="step" className={classes.step} tabIndex={-1} aria-label={STEPS[at].title}>
          <fieldset className={classes.fields} disabled={isReadOnly}>
            {step === 'basics' && <Basics {...props} />}
            {step === 'labels' && <Labels {...props} />}
            {step === 'configuration' && <Configuration {...props} />}
            {step === 'mappings' && <Mappings {...props} />}
          </fieldset>
          <Group justify="space-between">
            {at > 0 ? (
              <Button variant="subtle" onClick={() => leaveStep(STEPS[at - 1].id)}>
                ‹ {STEPS[at - 1].title}
              </Button>
            ) : (
              <span />
            )}
            {next && (
              <Button variant="light" onClick={() => leaveStep(next.id)}>
                {next.title} ›
              </Button>
            )}
          </Group>
        </section>
        <Preview
          destination={destination}
          previewed={previewed.data}
          isStale={previewed.isPlaceholderData || settled !== destination}
          error={previewed.error}
          go={leaveStep}
        />
      </div>
      <Trial destination={destination} isOpen={isTrying} close={() => setTrying(false)} />
    </Page>
  );
}

/** Whether what is on the screen would be lost. */
function Kept({ keeping }: { keeping: Keeping }) {
  if (keeping === 'nothing' || keeping === 'elsewhere') return null;
  const isKept = keeping === 'kept';
  const Icon = isKept ? IconCloudCheck : IconCloudUp;
  const words =
    typeof keeping === 'object'
      ? `Not kept: ${keeping.failed}`
      : isKept
        ? 'Kept as a draft'
        : 'Keeping…';
  return (
    <Text
      span
      size="sm"
      c={typeof keeping === 'object' ? 'red' : 'dimmed'}
      role="status"
      className={classes.kept}
    >
      <Icon size={16} aria-hidden /> {words}
    </Text>
  );
}

interface HintsProps {
  readonly start: Start;
  readonly editing: Editing;
  readonly refused: Problems;
  readonly theirs: Tagged<Destination> | undefined;
  readonly over: (tag: string | undefined) => void;
}

/** What has to be known before going on. */
function Hints({ start, editing, refused, theirs, over }: HintsProps) {
  const { draft, destinationId } = start;
  const { keeping, destination } = editing;
  return (
    <>
      {keeping === 'elsewhere' && (
        <Alert color="amber" role="alert" title="Somebody else is writing this draft, too">
          <Group justify="space-between">
            <Text size="sm">What you see is not kept. Load theirs by opening the draft again.</Text>
            <Button size="xs" variant="default" onClick={editing.takeOver}>
              Keep mine instead
            </Button>
          </Group>
        </Alert>
      )}
      {draft && destinationId !== undefined && keeping === 'kept' && (
        <Alert color="petrol" title="These are changes that are not published">
          <Text size="sm">
            Last written by {draft.value.by}. What is in force stays as it is until you publish.
          </Text>
        </Alert>
      )}
      {theirs && (
        <Alert
          color="amber"
          role="alert"
          title="Somebody else has changed this destination meanwhile"
        >
          <Text size="sm">What is in force now → what you would publish:</Text>
          <ul className={classes.lines}>
            {fieldLines(
              differences(
                { destinations: [{ ...theirs.value }] },
                { destinations: [{ ...published(destination), destinationId }] },
              ),
            ).map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
          <Button size="xs" variant="default" onClick={() => over(theirs.etag)}>
            Publish mine over theirs
          </Button>
        </Alert>
      )}
      {refused.all.length > 0 && (
        <Alert color="red" role="alert" title="Not published">
          <ul className={classes.lines}>
            {refused.all.map((problem) => (
              <li key={`${problem.path} ${problem.wrong}`}>
                {problem.path && !problem.path.startsWith('(') && (
                  <b>{fieldInWords(problem.path)}: </b>
                )}
                {sentence(problem)}
              </li>
            ))}
          </ul>
        </Alert>
      )}
    </>
  );
}
