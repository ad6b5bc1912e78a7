import { Button, Group, MultiSelect, NumberInput, Paper, Stack, Text, Title } from '@mantine/core';
import { type Tagged, useTagged } from '../api.ts';
import { Conflict, OtherProblems, useEdit } from '../edit.tsx';
import { notice } from '../notice.tsx';
import { purposeChoices } from '../purposes.ts';
import { useMay } from '../session.tsx';
import { Failed, Loading } from '../state.tsx';
import { Frame } from './frame.tsx';

/** What the account needs of every visitor, where GDPR applies. */
export interface Requirement {
  readonly purposes: readonly number[];
  readonly vendorId: number | null;
}

export function Consent() {
  const { data, error, refetch } = useTagged<Requirement>('/consent');
  return (
    <Frame
      title="Consent"
      lead="Where GDPR applies, nothing is stored of a visitor who has not consented to this, and nothing is sent; they are treated like somebody who has opted out, until they consent."
    >
      {error ? (
        <Failed error={error} retry={() => refetch()} />
      ) : data ? (
        <Form key={data.etag} start={data} />
      ) : (
        <Loading label="Loading what is needed" />
      )}
    </Frame>
  );
}

function Form({ start }: { start: Tagged<Requirement> }) {
  const mayEdit = useMay('editor');
  const edit = useEdit<Requirement>({
    path: '',
    id: 'consent',
    start,
    onSaved: () => notice.done('In force: stored visitors are gone through now'),
  });
  const { purposes } = edit.value;
  return (
    <Paper
      withBorder
      p="lg"
      component="form"
      aria-label="What is needed"
      onSubmit={(event) => {
        event.preventDefault();
        edit.save();
      }}
    >
      <Stack>
        <Title order={2}>What is needed</Title>
        <Conflict edit={edit} list="consent" />
        <OtherProblems edit={edit} fields={['purposes', 'vendorId']} />
        <MultiSelect
          label="Purposes"
          description="Of IAB’s Transparency and Consent Framework. The first one is what a cookie needs; add others if you rely on consent to them."
          data={purposeChoices(purposes)}
          value={purposes.map(String)}
          onChange={(values) => edit.set({ purposes: values.map(Number).sort((a, b) => a - b) })}
          error={edit.problems.at('purposes')}
          readOnly={!mayEdit}
          searchable
        />
        <NumberInput
          label="Your vendor id (optional)"
          description="Your own number in IAB’s Global Vendor List, if you have one: then visitors have to have consented to you, too."
          maw={420}
          min={1}
          allowDecimal={false}
          value={edit.value.vendorId ?? ''}
          onChange={(value) => edit.set({ vendorId: value === '' ? null : Number(value) })}
          error={edit.problems.at('vendorId')}
          readOnly={!mayEdit}
        />
        {purposes.length === 0 && (
          <Text size="sm" c="dimmed">
            Without a purpose, visitors are stored whatever they say. Make sure that this is right.
          </Text>
        )}
        {mayEdit && (
          <Group gap="xs">
            <Button type="submit" loading={edit.isSaving} disabled={!edit.isDirty}>
              Save
            </Button>
            {edit.isDirty && (
              <Text size="sm" c="dimmed">
                Not saved yet
              </Text>
            )}
          </Group>
        )}
      </Stack>
    </Paper>
  );
}
