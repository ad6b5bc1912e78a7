/** One trait: what it is, its rule, and what follows from it. */
import {
  ActionIcon,
  NumberInput,
  Paper,
  Radio,
  Select,
  Stack,
  Switch,
  Textarea,
  TextInput,
  Tooltip,
} from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useRef } from 'react';
import { useNavigate, useParams, useSearchParams } from 'react-router';
import type { TraitDocument } from '../../../account/document.ts';
import { type ApiError, api, keyOf, type Tagged, useAnswer } from '../api.ts';
import { Conflict, OtherProblems, useEdit } from '../edit.tsx';
import { notice } from '../notice.tsx';
import { Page } from '../page.tsx';
import { Refusal, useRemoval } from '../removal.tsx';
import { EstimateOf } from '../rules/estimate.tsx';
import { useFolders } from '../rules/folders.ts';
import { FormFoot } from '../rules/form-foot.tsx';
import { useRule, useTraitLanguage } from '../rules/rule.ts';
import { TraitRuleEditor } from '../rules/rule-editor.tsx';
import classes from '../rules/rules.module.css';
import { StatusBadge, StatusSwitch } from '../rules/status.tsx';
import { Trial } from '../rules/trial.tsx';
import { TYPES, TYPES_IN_WORDS } from '../rules/types.ts';
import { UsedBy, UserList, useSegmentsOf } from '../rules/users.tsx';
import { useMay } from '../session.tsx';
import { Answered } from '../state.tsx';

type Trait = Partial<TraitDocument>;
type TraitType = TraitDocument['traitType'];

const PARENT = { title: 'Traits', to: '/traits' };
const USUAL_TTL = 120;
const MAX_TTL = 36_500;
const FIELDS = [
  ...['name', 'description', 'integrationCode', 'dataSourceId', 'folderId', 'status'],
  ...['traitType', 'traitRule', 'ttl'],
];

const keyOfTrait = (id: string) => [...keyOf(`/traits/${id}`), 'tagged'];

export default function TraitPage() {
  const { id } = useParams();
  return id === undefined ? <New /> : <Existing key={id} id={id} />;
}

interface DataSource {
  readonly dataSourceId: number;
  readonly name: string;
}

const useDataSources = () => useAnswer<readonly DataSource[]>('/datasources');

function New() {
  const [params] = useSearchParams();
  const sources = useDataSources();
  const folder = Number(params.get('folder')) || null;
  if (!sources.data) {
    return (
      <Page title="New trait" parent={PARENT}>
        <Answered query={sources}>{() => null}</Answered>
      </Page>
    );
  }
  const start: Trait = {
    name: '',
    traitType: 'RULE_BASED_TRAIT',
    traitRule: '',
    ttl: USUAL_TTL,
    status: 'active',
    dataSourceId: sources.data.length === 1 ? sources.data[0].dataSourceId : undefined,
    folderId: folder,
  };
  return <Form start={{ value: start, etag: undefined }} />;
}

function Existing({ id }: { id: string }) {
  const query = useQuery<Tagged<Trait>, ApiError>({
    queryKey: keyOfTrait(id),
    queryFn: ({ signal }) => api.tagged<Trait>(`/traits/${id}`, signal),
    // A form begins with what is there now.
    gcTime: 0,
  });
  if (query.data) return <Form start={query.data} />;
  return (
    <Page title={`Trait ${id}`} parent={PARENT}>
      <Answered query={query}>{() => null}</Answered>
    </Page>
  );
}

function Form({ start }: { start: Tagged<Trait> }) {
  const id = start.value.sid;
  const isNew = id === undefined;
  const isReadOnly = !useMay('editor');
  const navigate = useNavigate();
  const client = useQueryClient();
  const editor = useRef<HTMLDivElement>(null);
  const edit = useEdit<Trait>({
    path: '/traits',
    id,
    start,
    affects: ['/segments', '/signals'],
    onSaved: async (saved) => {
      notice.done(isNew ? 'Trait created' : 'Trait saved');
      if (isNew) return navigate(`/traits/${saved.sid}`, { replace: true });
      const now = await api.tagged<Trait>(`/traits/${id}`);
      client.setQueryData(keyOfTrait(String(id)), now);
      edit.reload(now);
    },
  });
  const { value, set, problems } = edit;
  const { traitType = 'RULE_BASED_TRAIT', ttl = USUAL_TTL } = value;
  const isRuled = traitType === 'RULE_BASED_TRAIT';
  const setText = useCallback((traitRule: string) => set({ traitRule }), [set]);
  const text = value.traitRule ?? '';
  const rule = useRule(useTraitLanguage(text), text, setText);
  /** Of a trait that is of another type for a while. */
  const putAside = useRef('');
  const users = useSegmentsOf(id);
  const folders = useFolders();
  const sources = useDataSources();
  const removal = useRemoval({
    path: '/traits',
    id: id ?? '',
    noun: 'trait',
    name: start.value.name ?? '',
    etag: start.etag,
    text: 'Visitors no longer have it at once. You can go back to before in Activity.',
    onDone: () => navigate('/traits'),
  });

  const setType = (type: TraitType) => {
    if (isRuled) putAside.current = text;
    set({
      traitType: type,
      traitRule: type === 'RULE_BASED_TRAIT' ? putAside.current : null,
    });
  };
  const save = async () => {
    if (isRuled && rule.problem) {
      editor.current?.scrollIntoView({ block: 'center' });
      editor.current?.querySelector<HTMLElement>('[contenteditable], input, button')?.focus();
      return;
    }
    await edit.save();
  };

  return (
    <Page
      title={isNew ? 'New trait' : (start.value.name ?? '')}
      parent={PARENT}
      beside={isNew ? undefined : <StatusBadge status={start.value.status ?? 'active'} />}
      actions={
        !isNew &&
        !isReadOnly && (
          <Tooltip label="Delete this trait">
            <ActionIcon
              size="lg"
              variant="default"
              aria-label="Delete this trait"
              loading={removal.isRunning}
              onClick={removal.remove}
            >
              <IconTrash size={18} stroke={1.6} aria-hidden />
            </ActionIcon>
          </Tooltip>
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
          <Conflict edit={edit} list="traits" />
          <OtherProblems edit={edit} fields={FIELDS} />
          <Paper withBorder p="lg">
            <Stack gap="md">
              <TextInput
                label="Name"
                description="What somebody with this trait did, such as “Looked at a concert”."
                readOnly={isReadOnly}
                autoFocus={isNew}
                {...edit.field('name', '')}
              />
              <Radio.Group
                label="Type"
                value={traitType}
                readOnly={isReadOnly}
                error={problems.at('traitType')}
                onChange={(type) => setType(type as TraitType)}
              >
                <div className={classes.pair} data-types>
                  {(Object.keys(TYPES) as TraitType[]).map((type) => (
                    <Radio
                      key={type}
                      mt={6}
                      value={type}
                      label={TYPES[type]}
                      description={TYPES_IN_WORDS[type]}
                      disabled={isReadOnly && type !== traitType}
                    />
                  ))}
                </div>
              </Radio.Group>
              {isRuled && (
                <div ref={editor}>
                  <TraitRuleEditor
                    rule={rule}
                    error={problems.at('traitRule')}
                    isReadOnly={isReadOnly}
                  />
                </div>
              )}
            </Stack>
          </Paper>
          <Paper withBorder p="lg">
            <Stack gap="md">
              <div className={classes.pair}>
                <Select
                  label="Data source"
                  description="Whose data this is. It may forbid some uses."
                  placeholder="Choose one"
                  searchable
                  readOnly={isReadOnly}
                  data={(sources.data ?? []).map(({ dataSourceId, name }) => ({
                    value: String(dataSourceId),
                    label: name,
                  }))}
                  value={value.dataSourceId ? String(value.dataSourceId) : null}
                  error={problems.at('dataSourceId')}
                  onChange={(chosen) => set({ dataSourceId: Number(chosen) || undefined })}
                />
                <Select
                  label={traitType === 'FOLDER_TRAIT' ? 'Folder' : 'Folder (optional)'}
                  description={
                    traitType === 'FOLDER_TRAIT'
                      ? 'The folder whose traits are summed up.'
                      : 'Where it is found; folder traits sum folders up.'
                  }
                  placeholder="None"
                  searchable
                  clearable
                  limit={100}
                  readOnly={isReadOnly}
                  data={[...folders.all]}
                  value={value.folderId ? String(value.folderId) : null}
                  error={problems.at('folderId')}
                  onChange={(chosen) => set({ folderId: chosen ? Number(chosen) : null })}
                />
              </div>
              {traitType !== 'FOLDER_TRAIT' && (
                <div className={classes.pair}>
                  <NumberInput
                    label="Kept for"
                    description="Days after the visitor realized it for the last time."
                    suffix={ttl === 1 ? ' day' : ' days'}
                    min={1}
                    max={MAX_TTL}
                    allowDecimal={false}
                    disabled={ttl === 0}
                    readOnly={isReadOnly}
                    value={ttl === 0 ? '' : ttl}
                    error={problems.at('ttl')}
                    onChange={(days) => typeof days === 'number' && days > 0 && set({ ttl: days })}
                  />
                  <Switch
                    label="For ever"
                    description="Visitors keep it until it is deleted."
                    checked={ttl === 0}
                    disabled={isReadOnly}
                    mt={24}
                    onChange={(event) => set({ ttl: event.currentTarget.checked ? 0 : USUAL_TTL })}
                  />
                </div>
              )}
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
                  description="Your own id for it."
                  readOnly={isReadOnly}
                  {...edit.field('integrationCode', '')}
                />
              </div>
              <StatusSwitch
                status={value.status ?? 'active'}
                set={(status) => set({ status })}
                description="No request realizes an inactive trait."
                isReadOnly={isReadOnly}
              />
            </Stack>
          </Paper>
          {!isReadOnly && (
            <FormFoot
              isNew={isNew}
              isDirty={edit.isDirty}
              isSaving={edit.isSaving}
              back="/traits"
            />
          )}
        </div>
        <aside className={classes.aside} aria-label="What follows from this trait">
          {isRuled && <EstimateOf rule={rule} of="traitRule" />}
          {!isNew && (
            <UsedBy title="Used by" users={users} none="No segment is made of this trait yet." />
          )}
          <Trial
            list="traits"
            entry={value}
            isReady={Boolean(value.name && value.dataSourceId) && !(isRuled && rule.problem)}
          />
        </aside>
      </form>
    </Page>
  );
}
