/** One segment: what it is, its rule, and what follows from it. */
import {
  ActionIcon,
  Button,
  Paper,
  Select,
  Stack,
  Textarea,
  TextInput,
  Tooltip,
} from '@mantine/core';
import { IconChartBar, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useRef } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import type { AccountDocument, SegmentDocument } from '../../../account/document.ts';
import { type ApiError, api, keyOf, type Tagged, useAnswer } from '../api.ts';
import { Conflict, OtherProblems, useEdit } from '../edit.tsx';
import { notice } from '../notice.tsx';
import { Page } from '../page.tsx';
import { Refusal, useRemoval } from '../removal.tsx';
import { EstimateOf } from '../rules/estimate.tsx';
import { ExportControls } from '../rules/export-controls.tsx';
import { FormFoot } from '../rules/form-foot.tsx';
import { SEGMENT_RULES } from '../rules/language.ts';
import { useRule } from '../rules/rule.ts';
import { SegmentRuleEditor } from '../rules/rule-editor.tsx';
import classes from '../rules/rules.module.css';
import { StatusBadge, StatusSwitch } from '../rules/status.tsx';
import { Trial } from '../rules/trial.tsx';
import { UsedBy, UserList, useDestinationsOf } from '../rules/users.tsx';
import { useMay } from '../session.tsx';
import { Answered } from '../state.tsx';

type Segment = Partial<SegmentDocument>;

const PARENT = { title: 'Segments', to: '/segments' };
const START: Tagged<Segment> = {
  value: { name: '', segmentRule: '', status: 'active' },
  etag: undefined,
};
const FIELDS = ['name', 'description', 'integrationCode', 'dataSourceId', 'status', 'segmentRule'];

const keyOfSegment = (id: string) => [...keyOf(`/segments/${id}`), 'tagged'];

export default function SegmentPage() {
  const { id } = useParams();
  return id === undefined ? <Form start={START} /> : <Existing key={id} id={id} />;
}

function Existing({ id }: { id: string }) {
  const path = `/segments/${id}`;
  const query = useQuery<Tagged<Segment>, ApiError>({
    queryKey: keyOfSegment(id),
    queryFn: ({ signal }) => api.tagged<Segment>(path, signal),
    // A form begins with what is there now.
    gcTime: 0,
  });
  if (query.data) return <Form start={query.data} />;
  return (
    <Page title={`Segment ${id}`} parent={PARENT}>
      <Answered query={query}>{() => null}</Answered>
    </Page>
  );
}

type DataSource = AccountDocument['dataSources'][number];

function Form({ start }: { start: Tagged<Segment> }) {
  const id = start.value.sid;
  const isNew = id === undefined;
  const isReadOnly = !useMay('editor');
  const navigate = useNavigate();
  const client = useQueryClient();
  const editor = useRef<HTMLDivElement>(null);
  const edit = useEdit<Segment>({
    path: '/segments',
    id,
    start,
    affects: ['/destinations'],
    onSaved: async (saved) => {
      notice.done(isNew ? 'Segment created' : 'Segment saved');
      if (isNew) return navigate(`/segments/${saved.sid}`, { replace: true });
      const now = await api.tagged<Segment>(`/segments/${id}`);
      client.setQueryData(keyOfSegment(String(id)), now);
      edit.reload(now);
    },
  });
  const { value, set, problems } = edit;
  const setText = useCallback((segmentRule: string) => set({ segmentRule }), [set]);
  const rule = useRule(SEGMENT_RULES, value.segmentRule ?? '', setText);
  const users = useDestinationsOf(id);
  const sources = useAnswer<readonly DataSource[]>('/datasources');
  const removal = useRemoval({
    path: '/segments',
    id: id ?? '',
    noun: 'segment',
    name: start.value.name ?? '',
    etag: start.etag,
    text: 'Visitors no longer belong to it at once. You can go back to before in Activity.',
    onDone: () => navigate('/segments'),
  });

  const save = async () => {
    if (rule.problem) {
      editor.current?.scrollIntoView({ block: 'center' });
      editor.current?.querySelector<HTMLElement>('[contenteditable], button')?.focus();
      return;
    }
    await edit.save();
  };

  return (
    <Page
      title={isNew ? 'New segment' : (start.value.name ?? '')}
      parent={PARENT}
      beside={isNew ? undefined : <StatusBadge status={start.value.status ?? 'active'} />}
      actions={
        !isNew && (
          <>
            <Button
              component={Link}
              to={`/reports/segments/${id}`}
              variant="default"
              leftSection={<IconChartBar size={16} stroke={1.6} aria-hidden />}
            >
              Report
            </Button>
            {!isReadOnly && (
              <Tooltip label="Delete this segment">
                <ActionIcon
                  size="lg"
                  variant="default"
                  aria-label="Delete this segment"
                  loading={removal.isRunning}
                  onClick={removal.remove}
                >
                  <IconTrash size={18} stroke={1.6} aria-hidden />
                </ActionIcon>
              </Tooltip>
            )}
          </>
        )
      }
    >
      <Refusal
        refusal={removal.refusal}
        users={users && users.total > 0 ? <UserList users={users} /> : undefined}
      />
      <form
        className={classes.sheet}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <div className={classes.form}>
          <Conflict edit={edit} list="segments" />
          <OtherProblems edit={edit} fields={FIELDS} />
          <Paper withBorder p="lg">
            <Stack gap="md">
              <TextInput
                label="Name"
                description="As it is found in lists, such as “Jazz fans, this month”."
                readOnly={isReadOnly}
                autoFocus={isNew}
                {...edit.field('name', '')}
              />
              <div ref={editor}>
                <SegmentRuleEditor
                  rule={rule}
                  error={problems.at('segmentRule')}
                  isReadOnly={isReadOnly}
                />
              </div>
              <ExportControls
                segment={id}
                named={rule.named}
                traits={rule.traits}
                sources={sources.data ?? []}
              />
            </Stack>
          </Paper>
          <Paper withBorder p="lg">
            <Stack gap="md">
              <Textarea
                label="Description (optional)"
                autosize
                minRows={2}
                readOnly={isReadOnly}
                {...edit.field('description', '')}
              />
              <div className={classes.pair}>
                <TextInput
                  label="Integration code (optional)"
                  description="Your own id for it; destinations can send it instead of ours."
                  readOnly={isReadOnly}
                  {...edit.field('integrationCode', '')}
                />
                <Select
                  label="Data source (optional)"
                  description="Whose data this is."
                  placeholder="None"
                  searchable
                  clearable
                  readOnly={isReadOnly}
                  data={(sources.data ?? []).map(({ dataSourceId, name }) => ({
                    value: String(dataSourceId),
                    label: name,
                  }))}
                  value={value.dataSourceId ? String(value.dataSourceId) : null}
                  error={problems.at('dataSourceId')}
                  onChange={(chosen) => set({ dataSourceId: chosen ? Number(chosen) : null })}
                />
              </div>
              <StatusSwitch
                status={value.status ?? 'active'}
                set={(status) => set({ status })}
                description="Nobody belongs to an inactive segment, and nothing is sent for it."
                isReadOnly={isReadOnly}
              />
            </Stack>
          </Paper>
          {!isReadOnly && (
            <FormFoot
              isNew={isNew}
              isDirty={edit.isDirty}
              isSaving={edit.isSaving}
              back="/segments"
            />
          )}
        </div>
        <aside className={classes.aside} aria-label="What follows from this segment">
          <EstimateOf rule={rule} of="segmentRule" />
          {!isNew && (
            <UsedBy
              title="Mapped to"
              users={users}
              none="No destination gets this segment yet. Map it where you edit a destination."
            />
          )}
          <Trial list="segments" entry={value} isReady={!rule.problem && Boolean(value.name)} />
        </aside>
      </form>
    </Page>
  );
}
