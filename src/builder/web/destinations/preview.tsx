/** Exactly what the partner will get, as the destination is written now. */
import { Alert, Anchor, Badge, Group, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import type { Preview as Answer } from '../../preview.ts';
import type { ApiError } from '../api.ts';
import { Copyable } from '../copy.tsx';
import { count, many } from '../figures.ts';
import { type Problem, sentence } from '../problem.ts';
import { Failed } from '../state.tsx';
import { type Destination, STEPS, type StepId, stepOf } from './destination.ts';
import classes from './preview.module.css';

export type Previewed = Answer;
type Lifetime = NonNullable<Answer['cookie']>['lifetimes'][number];

interface PreviewProps {
  readonly destination: Destination;
  readonly previewed: Previewed | undefined;
  readonly isStale: boolean;
  readonly error: ApiError | null;
  readonly go: (step: StepId) => void;
}

export function Preview({ destination, previewed, isStale, error, go }: PreviewProps) {
  const isEmpty =
    previewed &&
    previewed.calls.length === 0 &&
    !previewed.cookie &&
    !previewed.message &&
    !previewed.file;
  return (
    <Paper
      withBorder
      p="lg"
      component="section"
      aria-label="What the partner gets"
      aria-busy={isStale}
      className={classes.preview}
    >
      <Stack>
        <div>
          <Title order={2}>What the partner gets</Title>
          <Text size="sm" c="dimmed">
            For a sample visitor who is in every mapped segment.
          </Text>
        </div>
        {error && <Failed error={error} />}
        {previewed && (
          <>
            {isEmpty && (
              <Text size="sm" c="dimmed">
                Nothing yet.{' '}
                {(destination.mappings?.length ?? 0) === 0
                  ? 'Map a segment to see what leaves.'
                  : 'Mend what is said below to see what leaves.'}
              </Text>
            )}
            <Calls calls={previewed.calls} />
            {previewed.cookie && <Cookie cookie={previewed.cookie} />}
            {previewed.message && <Message message={previewed.message} />}
            {previewed.file && <File file={previewed.file} />}
            <Blocked blocked={previewed.blocked} />
            <ToMend problems={previewed.problems} go={go} />
          </>
        )}
      </Stack>
    </Paper>
  );
}

const MOST_CALLS = 5;

function Calls({ calls }: { calls: Previewed['calls'] }) {
  if (calls.length === 0) return null;
  return (
    <Stack gap="xs">
      <Text size="sm" fw={550}>
        {many(calls.length, 'call')}, on a page with https
      </Text>
      {calls.slice(0, MOST_CALLS).map(({ sids, secureUrl }) => (
        <div key={sids.join()}>
          <Copyable text={secureUrl} label={`Call for ${segments(sids)}`} isWrapped />
          <Text size="xs" c="dimmed" mt={4}>
            for {segments(sids)}
          </Text>
        </div>
      ))}
      {calls.length > MOST_CALLS && (
        <Text size="sm" c="dimmed">
          and {count(calls.length - MOST_CALLS)} more of this kind
        </Text>
      )}
    </Stack>
  );
}

const segments = (sids: readonly number[]) =>
  sids.length > 6 ? many(sids.length, 'segment') : `segment ${sids.join(', ')}`;

function Cookie({ cookie }: { cookie: NonNullable<Previewed['cookie']> }) {
  const { line, bytes, maxSize, leftOut, lifetimes, reach } = cookie;
  const isFull = leftOut.length > 0;
  return (
    <Stack gap="sm">
      <Copyable text={line} label="The cookie, as the server sets it" isWrapped />
      <div>
        <Group justify="space-between" mb={4}>
          <Text size="sm" fw={550}>
            Size
          </Text>
          <Text size="sm" c={isFull ? 'amber.8' : 'dimmed'} className={classes.size}>
            {count(bytes)} of {count(maxSize)} bytes
          </Text>
        </Group>
        <Progress
          value={Math.min(100, (bytes / maxSize) * 100)}
          color={isFull ? 'amber' : 'petrol'}
          aria-label="Size of the cookie"
        />
        {isFull && (
          <Alert color="amber" mt="xs" title={`${many(leftOut.length, 'value')} left out`}>
            There is no room for {segments(leftOut)}: lower priorities go first.
          </Alert>
        )}
      </div>
      <Lifetimes lifetimes={lifetimes} />
      <ul className={classes.problems}>
        {reach.map(({ host, why }) => (
          <li key={host}>
            {host && <b>{host}: </b>}
            {why}
          </li>
        ))}
      </ul>
    </Stack>
  );
}

const WRITERS = { server: 'Set by the server', script: 'Written by the tag' } as const;

/** How long it really lives: the usual, and who does otherwise. */
function Lifetimes({ lifetimes }: { lifetimes: readonly Lifetime[] }) {
  return (
    <div>
      <Text size="sm" fw={550}>
        How long it really lives
      </Text>
      {(['server', 'script'] as const).map((how) => {
        const own = lifetimes.filter((lifetime) => lifetime.how === how);
        if (own.length === 0) return null;
        const longest = Math.max(...own.map(({ days }) => days));
        const shorter = own.filter(({ days }) => days !== longest);
        return (
          <div key={how} className={classes.lifetime}>
            <Text size="sm">
              {WRITERS[how]}: <b>{longest > 0 ? lives(longest) : own[0].why}</b>
            </Text>
            <ul>
              {shorter.map(({ browser, days, why }) => (
                <li key={`${browser} ${why}`}>
                  {browser}: {days > 0 && <b>{lives(days)}, </b>}
                  {why}
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </div>
  );
}

const lives = (days: number) =>
  days < 1 ? many(Math.round(days * 24), 'hour') : many(days, 'day');

/** What is mapped and would not leave now all the same. */
function Blocked({ blocked }: { blocked: Answer['blocked'] }) {
  if (blocked.length === 0) return null;
  return (
    <div>
      <Text size="sm" fw={550}>
        Not delivered at the moment
      </Text>
      <ul className={classes.problems}>
        {[...Map.groupBy(blocked, ({ why }) => why)].map(([why, those]) => (
          <li key={why}>
            {segments(those.map(({ sid }) => sid))}: {why}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Message({ message: { headers, body } }: { message: NonNullable<Previewed['message']> }) {
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return (
    <Stack gap="xs">
      <Text size="sm" fw={550}>
        A message
      </Text>
      <Copyable
        text={`${head.join('\n')}\n\n${JSON.stringify(body, null, 2)}`}
        label="The message, with its headers"
      />
    </Stack>
  );
}

function File({ file: { name, lines, infoName, info } }: { file: NonNullable<Previewed['file']> }) {
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Text size="sm" fw={550}>
          A file
        </Text>
        <Badge color="gray">{name}</Badge>
      </Group>
      <Copyable text={lines.join('\n')} label="Lines of the file" />
      <Text size="sm" c="dimmed">
        After it is complete, the control file {infoName}:
      </Text>
      <Copyable text={JSON.stringify(info, null, 2)} label="The control file" />
    </Stack>
  );
}

const MOST_PROBLEMS = 8;

function ToMend({ problems, go }: { problems: readonly Problem[]; go: (step: StepId) => void }) {
  if (problems.length === 0) {
    return (
      <Text size="sm" c="var(--mantine-color-success)">
        ✓ Nothing stands against publishing.
      </Text>
    );
  }
  return (
    <div>
      <Text size="sm" fw={550}>
        Before it can be published
      </Text>
      <ul className={classes.problems}>
        {problems.slice(0, MOST_PROBLEMS).map((problem) => {
          const step = stepOf(problem);
          return (
            <li key={`${problem.path} ${problem.wrong}`}>
              <Anchor component="button" type="button" size="sm" onClick={() => go(step)}>
                {STEPS.find(({ id }) => id === step)?.title}
              </Anchor>
              {': '}
              {named(problem)}
            </li>
          );
        })}
        {problems.length > MOST_PROBLEMS && (
          <li>and {count(problems.length - MOST_PROBLEMS)} more</li>
        )}
      </ul>
    </div>
  );
}

/** Names of fields where "missing" alone would not tell what. */
const NAMES: Readonly<Record<string, string>> = {
  name: 'Name',
  cookieName: 'Cookie name',
  singleKey: 'Key',
  urlFormatString: 'Base URL',
  secureUrlFormatString: 'Secure base URL',
  endpointUrl: 'Address',
  target: 'Where the files go',
  schedule: 'Schedule',
  siteIDs: 'Sites',
  iabVendorId: 'The partner’s vendor id',
  iabPurposes: 'Further purposes',
};

function named(problem: Problem): string {
  const name = NAMES[problem.path];
  const mapping = /^mappings\[(\d+)\]/.exec(problem.path)?.[1];
  const subject = name ?? (mapping ? `Mapping ${Number(mapping) + 1}` : undefined);
  return subject ? `${subject}. ${sentence(problem)}` : sentence(problem);
}
