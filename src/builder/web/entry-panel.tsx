/** One entry of a list at the side: made, changed, deleted. */
import { Button, Group, Stack } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useEffect, useState } from 'react';
import { type ApiError, api, changed, type Tagged } from './api.ts';
import { useConfirmation } from './confirmation.tsx';
import { Conflict, type Edit, OtherProblems, useEdit } from './edit.tsx';
import classes from './entry-panel.module.css';
import { useLeaving } from './leaving.ts';
import { notice } from './notice.tsx';
import { Panel } from './panel.tsx';
import { useMay } from './session.tsx';
import { Failed, Loading } from './state.tsx';

interface EntryPanelProps<T> {
  /** Such as `/sites`. */
  readonly path: string;
  /** Of the account document: `sites`. */
  readonly list: string;
  /** What one of them is called: site. */
  readonly noun: string;
  /** Its id, or `new`; closed without one. */
  readonly id: string | undefined;
  /** What a new one starts with. */
  readonly empty: T;
  readonly nameOf: (entry: T) => string;
  readonly close: () => void;
  readonly affects?: readonly string[];
  /** What deleting it does. */
  readonly farewell?: ReactNode;
  /** The fields that the form shows: what is wrong elsewhere is said above it. */
  readonly fields: readonly string[];
  readonly form: (edit: Edit<T>) => ReactNode;
}

export function EntryPanel<T extends object>(props: EntryPanelProps<T>) {
  const { id, noun, path, close, empty } = props;
  const [entry, setEntry] = useState<Tagged<T>>();
  const [error, setError] = useState<ApiError>();
  const isNew = id === 'new';
  const isDirty = useState({ now: false })[0];
  const mayLeave = useLeaving(() => isDirty.now);

  useEffect(() => {
    setEntry(undefined);
    setError(undefined);
    isDirty.now = false;
    if (id === undefined || isNew) return;
    const abort = new AbortController();
    // Read anew each time: what is changed must be what is there.
    api.tagged<T>(`${path}/${id}`, abort.signal).then(setEntry, (reason) => {
      if (!abort.signal.aborted) setError(reason);
    });
    return () => abort.abort();
  }, [id, isNew, path, isDirty]);

  const leave = async () => {
    if (await mayLeave()) close();
  };

  const start = isNew ? { value: empty, etag: undefined } : entry;
  const title = isNew ? `New ${noun}` : entry ? props.nameOf(entry.value) : `The ${noun}`;
  return (
    <Panel title={title} isOpen={id !== undefined} close={leave}>
      {error ? (
        <Failed error={error} />
      ) : start ? (
        <Form key={id} {...props} start={start} isDirty={isDirty} leave={leave} />
      ) : (
        <Loading />
      )}
    </Panel>
  );
}

interface FormProps<T> extends EntryPanelProps<T> {
  readonly start: Tagged<T>;
  readonly isDirty: { now: boolean };
  readonly leave: () => void;
}

function Form<T extends object>(props: FormProps<T>) {
  const { path, list, noun, id, start, fields, form, close, leave, affects = [] } = props;
  const client = useQueryClient();
  const confirm = useConfirmation();
  const mayEdit = useMay('editor');
  const isNew = id === 'new';
  const edit = useEdit<T>({
    path,
    id: isNew ? undefined : id,
    start,
    affects,
    onSaved: (entry) => {
      props.isDirty.now = false;
      notice.done(`“${props.nameOf(entry)}” is saved`);
      close();
    },
  });
  props.isDirty.now = edit.isDirty;

  const remove = async () => {
    const name = props.nameOf(start.value);
    const question = {
      title: `Delete “${name}”?`,
      text: props.farewell,
      action: 'Delete',
      isDestructive: true,
    };
    if (!(await confirm(question))) return;
    try {
      await api.remove(`${path}/${id}`, start.etag);
      await changed(client, path, '/activity', '/nodes', ...affects);
      notice.done(`“${name}” is deleted`);
      props.isDirty.now = false;
      close();
    } catch (error) {
      notice.failed(error, `“${name}” was not deleted`);
    }
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        edit.save();
      }}
    >
      <Stack>
        <Conflict edit={edit} list={list} />
        <OtherProblems edit={edit} fields={fields} />
        <fieldset disabled={!mayEdit} className={classes.fields}>
          <Stack>{form(edit)}</Stack>
        </fieldset>
        {mayEdit && (
          <Group justify="space-between">
            {isNew ? (
              <span />
            ) : (
              <Button variant="subtle" color="red" onClick={remove}>
                Delete
              </Button>
            )}
            <Group gap="xs">
              <Button variant="default" onClick={leave}>
                Cancel
              </Button>
              <Button type="submit" loading={edit.isSaving} disabled={!isNew && !edit.isDirty}>
                {isNew ? `Create ${noun}` : 'Save'}
              </Button>
            </Group>
          </Group>
        )}
      </Stack>
    </form>
  );
}
