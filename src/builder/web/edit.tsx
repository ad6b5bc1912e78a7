/** An entry under edit: its fields, what is wrong with them, and what others did meanwhile. */
import { Alert, Button, Group, List, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ChangeEvent, useCallback, useMemo, useState } from 'react';
import { differences } from '../../account/difference.ts';
import { ApiError, api, changed, type Tagged } from './api.ts';
import { fieldInWords, fieldLines } from './difference.ts';
import { notice } from './notice.tsx';
import { Problems, sentence } from './problem.ts';

type Fields = object;

interface EditOptions<T> {
  /** Of the list: `/sites`. */
  readonly path: string;
  /** The entry's id; undefined where it is new. */
  readonly id: string | number | undefined;
  /** The entry as it was read, or what a new one starts with. */
  readonly start: Tagged<T>;
  /** What else changes when it is saved, besides its list and the activities. */
  readonly affects?: readonly string[];
  readonly onSaved?: (entry: T) => void;
}

type Change<V> = (given: V | ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => void;

/** What a Mantine input takes. */
interface Input<V> {
  readonly value: V;
  readonly onChange: Change<V>;
  readonly error: string | undefined;
}

export interface Edit<T> {
  readonly value: T;
  readonly set: (values: Partial<T>) => void;
  readonly problems: Problems;
  /** For an input: `<TextInput label="Name" {...edit.field('name', '')} />`. */
  readonly field: <K extends keyof T & string, V extends T[K]>(
    name: K,
    empty: V,
  ) => Input<NonNullable<T[K]> | V>;
  readonly isDirty: boolean;
  readonly isSaving: boolean;
  /** What somebody else has saved since this was read. */
  readonly theirs: Tagged<T> | undefined;
  /** Goes on with what somebody else has saved, or with an entry that was read anew. */
  readonly reload: (entry: Tagged<T>) => void;
  /** @returns whether it is saved; else `problems` or `theirs` say why not */
  readonly save: () => Promise<boolean>;
}

export function useEdit<T extends Fields>(options: EditOptions<T>): Edit<T> {
  const { path, id, affects = [], onSaved } = options;
  const client = useQueryClient();
  const [start, setStart] = useState(options.start);
  const [value, setValue] = useState<T>(options.start.value);
  const [problems, setProblems] = useState(() => new Problems());
  const [isSaving, setSaving] = useState(false);
  const [theirs, setTheirs] = useState<Tagged<T>>();

  const set = useCallback((values: Partial<T>) => {
    setValue((before) => ({ ...before, ...values }));
    // What was wrong there has been changed.
    setProblems((before) => before.besides(Object.keys(values)));
  }, []);

  const reload = (entry: Tagged<T>) => {
    setStart(entry);
    setValue(entry.value);
    setProblems(new Problems());
    setTheirs(undefined);
  };

  const save = async () => {
    setSaving(true);
    try {
      const place = `${path}/${id}`;
      const saved =
        id === undefined
          ? await api.post<T>(path, value)
          : await api.put<T>(place, value, { etag: start.etag });
      setProblems(new Problems());
      await changed(client, path, '/activity', '/nodes', ...affects);
      onSaved?.(saved);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 412) {
        try {
          setTheirs(await api.tagged<T>(`${path}/${id}`));
        } catch (gone) {
          notice.failed(gone);
        }
      } else setProblems(new Problems(error.problems));
      return false;
    } finally {
      setSaving(false);
    }
  };

  const isDirty = useMemo(
    () => JSON.stringify(value) !== JSON.stringify(start.value),
    [value, start],
  );

  return {
    value,
    set,
    problems,
    isDirty,
    isSaving,
    theirs,
    reload,
    save,
    field: (name, empty) => ({
      value: (value[name] ?? empty) as never,
      error: problems.at(name),
      onChange: (given) => {
        const next = isEvent(given) ? given.currentTarget.value : given;
        set({ [name]: next === '' ? null : next } as Partial<T>);
      },
    }),
  };
}

const isEvent = (given: unknown): given is ChangeEvent<HTMLInputElement> =>
  typeof given === 'object' && given !== null && 'currentTarget' in given;

/** Paths of no field: the whole entry, or a place of another list, which tells people nothing. */
const OF_OTHERS = /^$|^\(|^(?:destinations|segments|traits|dataSources|folders|sites)\[/;

/** What is wrong and stands beside none of these fields. */
export function OtherProblems<T>({ edit, fields }: { edit: Edit<T>; fields: readonly string[] }) {
  const others = edit.problems.besides(fields).all;
  if (others.length === 0) return null;
  return (
    <Alert color="red" role="alert" title="Not saved">
      <List size="sm" listStyleType="none">
        {others.map((problem) => (
          <List.Item key={`${problem.path} ${problem.wrong}`}>
            {OF_OTHERS.test(problem.path) ? '' : `${fieldInWords(problem.path)}: `}
            {sentence(problem)}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

/** What somebody else saved meanwhile, and what can be done about it. */
export function Conflict<T extends Fields>({ edit, list }: { edit: Edit<T>; list: string }) {
  const { theirs, value, reload } = edit;
  if (!theirs) return null;
  const lines = fieldLines(
    differences({ [list]: [{ ...value }] }, { [list]: [{ ...theirs.value }] }),
  );
  return (
    <Alert color="amber" role="alert" title="Somebody else has changed this meanwhile">
      <Text size="sm">
        Nothing is lost: what you wrote is still here. Where yours → theirs differ:
      </Text>
      <List size="sm" my="xs">
        {lines.map((line) => (
          <List.Item key={line}>{line}</List.Item>
        ))}
      </List>
      <Group gap="xs">
        <Button size="xs" variant="default" onClick={() => reload(theirs)}>
          Load theirs
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={() => {
            const mine = value;
            reload(theirs);
            edit.set(mine);
          }}
        >
          Keep mine, to save over theirs
        </Button>
      </Group>
    </Alert>
  );
}
