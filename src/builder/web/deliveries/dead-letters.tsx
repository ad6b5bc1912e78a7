/** Messages that were given up: why, and what they say of whom. They can be sent again, or dropped. */
import { Button, Checkbox, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { IconMailCheck, IconRefresh, IconTrash } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, changed, useAnswer } from '../api.ts';
import { useConfirmation } from '../confirmation.tsx';
import { count, many } from '../figures.ts';
import { Moment } from '../moment.tsx';
import { notice } from '../notice.tsx';
import { Panel } from '../panel.tsx';
import { useNames } from '../reports/use-names.ts';
import { type Column, Rows } from '../rows.tsx';
import { useMay } from '../session.tsx';
import { Answered, Empty } from '../state.tsx';
import { type DeadLetter, type Delivery, LOOK_MS, type Told } from './delivery.ts';

type Names = ReadonlyMap<number | undefined, string>;

export function DeadLetters({ delivery }: { delivery: Delivery }) {
  const { destinationId, dead } = delivery;
  const letters = useAnswer<readonly DeadLetter[]>(`/deliveries/${destinationId}/dead-letters`, {
    refetchInterval: LOOK_MS,
  });
  return (
    <Answered query={letters}>
      {(list) =>
        list.length === 0 ? (
          <Paper withBorder component="section" aria-label="Dead letters">
            <Empty
              icon={IconMailCheck}
              title="No dead letters"
              text="A message that cannot be delivered for long is given up and kept here, with the reason. Then you can send it again, or drop it."
            />
          </Paper>
        ) : (
          <Kept destinationId={destinationId} letters={list} total={Math.max(dead, list.length)} />
        )
      }
    </Answered>
  );
}

interface KeptProps {
  readonly destinationId: number;
  /** Newest first. */
  readonly letters: readonly DeadLetter[];
  /** Of which these are the newest. */
  readonly total: number;
}

function Kept({ destinationId, letters, total }: KeptProps) {
  const mayEdit = useMay('editor');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState<DeadLetter>();
  // What was chosen may be gone by now.
  const selected = letters.filter(({ message }) => chosen.has(message));
  const sids = new Set(
    letters.flatMap(({ users }) => users.flatMap(({ segments }) => segments.map(({ sid }) => sid))),
  );
  const names = useNames(
    '/segments',
    [...sids].toSorted((a, b) => a - b),
  );
  const choose = (messages: readonly string[], isChosen: boolean) => {
    const next = new Set(selected.map(({ message }) => message));
    for (const message of messages) {
      if (isChosen) next.add(message);
      else next.delete(message);
    }
    setChosen(next);
  };
  const all = letters.map(({ message }) => message);
  return (
    <Paper withBorder component="section" aria-label="Dead letters" style={{ overflow: 'clip' }}>
      <Stack gap="xs" p="lg">
        <Title order={2}>Dead letters</Title>
        <Text size="sm" c="dimmed" maw={720}>
          {many(total, 'message')} could not be delivered and{' '}
          {total === 1 ? 'was given up.' : 'were given up.'}
          {total > letters.length && ` The newest ${count(letters.length)} are shown.`} Sent again,
          they go to the end of what waits; the partner is told what is so by then. They are kept
          for as long as visitors are; of who has opted out, only that they have left.
        </Text>
        {mayEdit && (
          <Group justify="space-between" gap="xs">
            <Checkbox
              label={selected.length === 0 ? 'All that are shown' : `${selected.length} selected`}
              checked={selected.length === letters.length}
              indeterminate={selected.length > 0 && selected.length < letters.length}
              onChange={(event) => choose(all, event.currentTarget.checked)}
            />
            <Orders
              destinationId={destinationId}
              selected={selected.map(({ message }) => message)}
              total={total}
              onDone={() => setChosen(new Set())}
            />
          </Group>
        )}
      </Stack>
      <Rows<DeadLetter>
        label="Dead letters"
        entries={letters}
        columns={columnsWith(names)}
        idOf={({ message }) => message}
        open={setOpened}
        select={
          mayEdit
            ? ({ message, at }) => (
                <Checkbox
                  aria-label={`Select the message given up ${new Date(at).toISOString()}`}
                  checked={chosen.has(message)}
                  onChange={(event) => choose([message], event.currentTarget.checked)}
                />
              )
            : undefined
        }
      />
      <Panel
        title="Dead letter"
        isOpen={opened !== undefined}
        close={() => setOpened(undefined)}
        size={560}
      >
        {opened && <Letter letter={opened} names={names} />}
      </Panel>
    </Paper>
  );
}

const columnsWith = (names: Names): readonly Column<DeadLetter>[] => [
  { title: 'Given up', show: ({ at }) => <Moment at={at} isExact />, width: '12rem' },
  { title: 'Why', show: ({ problem }) => <Text size="sm">{problem}</Text> },
  {
    title: 'Of whom',
    show: ({ users }) => ofWhom(users),
    width: '10rem',
  },
  { title: 'What', show: ({ users }) => inShort(users, names) },
];

function ofWhom(users: readonly Told[]): string {
  // Only of a letter that cannot be read; `problem` says so.
  if (users.length === 0) return 'unknown';
  return users.length === 1
    ? `visitor …${users[0].deviceId.slice(-6)}`
    : many(users.length, 'visitor');
}

/** So many segments are named. */
const NAMED = 3;

function inShort(users: readonly Told[], names: Names): string {
  const all = new Set(
    users.flatMap(({ segments }) =>
      segments.map(({ sid, isMember }) => `${isMember ? 'entered' : 'left'} ${nameOf(sid, names)}`),
    ),
  );
  const shown = [...all].slice(0, NAMED).join(', ');
  return all.size > NAMED ? `${shown}, and ${count(all.size - NAMED)} more` : shown;
}

const nameOf = (sid: number, names: Names) => names.get(sid) ?? `segment ${sid}`;

function Letter({ letter, names }: { letter: DeadLetter; names: Names }) {
  const { message, at, problem, users } = letter;
  return (
    <Stack>
      <div>
        <Text size="sm">{problem}</Text>
        <Text size="sm" c="dimmed">
          Given up <Moment at={at} isExact />. The partner knows it as <code>{message}</code>.
        </Text>
      </div>
      {users.map(({ deviceId, queuedAt, segments }) => (
        <section key={deviceId} aria-label={`Visitor ${deviceId}`}>
          <Text size="sm" fw={550} style={{ overflowWrap: 'anywhere' }}>
            {deviceId}
          </Text>
          <Text size="xs" c="dimmed">
            waiting since <Moment at={queuedAt} isExact />
          </Text>
          {segments.map(({ sid, isMember, at: moved }) => (
            <Text size="sm" key={sid}>
              {isMember ? '+ entered' : '− left'} {nameOf(sid, names)},{' '}
              <Moment at={moved} isExact />
            </Text>
          ))}
        </section>
      ))}
    </Stack>
  );
}

interface OrdersProps {
  readonly destinationId: number;
  /** None: all there are. */
  readonly selected: readonly string[];
  readonly total: number;
  readonly onDone: () => void;
}

function Orders({ destinationId, selected, total, onDone }: OrdersProps) {
  const confirm = useConfirmation();
  const client = useQueryClient();
  const order = useMutation({
    mutationFn: (kind: 'replay' | 'drop') =>
      api.post<{ count: number; isUnderWay: boolean }>(
        `/deliveries/${destinationId}/dead-letters/${kind}`,
        selected.length > 0 ? { messages: selected } : {},
      ),
    onSuccess: async ({ count: done, isUnderWay }, kind) => {
      const what = kind === 'replay' ? 'sent again' : 'dropped';
      notice.done(
        isUnderWay
          ? `${many(done, 'message')} of ${count(total)} ${done === 1 ? 'is' : 'are'} ${what} by now; it goes on`
          : `${many(done, 'message')} ${done === 1 ? 'is' : 'are'} ${what}`,
      );
      onDone();
      await changed(client, '/deliveries');
    },
    onError: (error) => notice.failed(error),
  });
  const which =
    selected.length > 0
      ? `the ${many(selected.length, 'selected message', 'selected messages')}`
      : total === 1
        ? 'the message'
        : `all ${count(total)} messages`;
  const drop = async () => {
    const yes = await confirm({
      title: `Drop ${which}?`,
      text: 'The partner is never told what is in there. This cannot be taken back.',
      action: 'Drop',
      isDestructive: true,
    });
    if (yes) order.mutate('drop');
  };
  const some = selected.length > 0 ? 'selected' : 'all';
  const running = order.isPending ? order.variables : undefined;
  return (
    <Group gap="xs">
      <Button
        size="xs"
        variant="default"
        leftSection={<IconRefresh size={16} aria-hidden />}
        loading={running === 'replay'}
        disabled={running === 'drop'}
        onClick={() => order.mutate('replay')}
      >
        Send {some} again
      </Button>
      <Button
        size="xs"
        variant="subtle"
        color="red"
        leftSection={<IconTrash size={16} aria-hidden />}
        loading={running === 'drop'}
        disabled={running === 'replay'}
        onClick={drop}
      >
        Drop {some}…
      </Button>
    </Group>
  );
}
