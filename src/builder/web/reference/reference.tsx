/** The REST interface, readable: from the description that the server makes of itself. */
import { Anchor, Badge, Code, Paper, Stack, Text, Title } from '@mantine/core';
import { IconChevronRight } from '@tabler/icons-react';
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import { useLocation } from 'react-router';
import { useAnswer } from '../api.ts';
import { Copyable } from '../copy.tsx';
import { Search } from '../listing.tsx';
import { Page } from '../page.tsx';
import { Answered, Empty } from '../state.tsx';
import { curlOf, type Description, type Group, groupsOf, type Operation } from './description.ts';
import { Fields } from './fields.tsx';
import classes from './reference.module.css';
import {
  kindName,
  kindsOf,
  nameIn,
  resolved,
  type Schema,
  type Schemas,
  typeOf,
} from './schema.ts';

export default function Reference() {
  const query = useAnswer<Description>('/openapi.json', { staleTime: Number.POSITIVE_INFINITY });
  return (
    <Page
      title="API"
      lead={
        <>
          Everything that these pages do, scripts can do, too. Make them a key under “People and
          keys”. The same as{' '}
          <Anchor href="/v1/openapi.json" inherit>
            OpenAPI 3.1
          </Anchor>
          .
        </>
      }
    >
      <Answered query={query}>{(description) => <Content description={description} />}</Answered>
    </Page>
  );
}

function Content({ description }: { description: Description }) {
  const [search, setSearch] = useState('');
  const schemas = description.components?.schemas ?? {};
  const groups = useMemo(() => groupsOf(description), [description]);
  const found = useMemo(() => matching(groups, search), [groups, search]);
  return (
    <div className={classes.columns}>
      <nav aria-label="Parts of the API" className={classes.parts}>
        <ul>
          {groups.map(({ name }) => (
            <li key={name}>
              <a href={`#${name}`}>{title(name)}</a>
            </li>
          ))}
          <li>
            <a href="#schemas">Shapes</a>
          </li>
        </ul>
      </nav>
      <Stack gap="xl" className={classes.content}>
        <Search label="Address or what it does" value={search} onChange={setSearch} />
        {found.length === 0 && (
          <Empty title="Nothing found" text={`No call has “${search}” in its address or words.`} />
        )}
        {found.map(({ name, operations }) => (
          <section key={name} id={name} aria-labelledby={`${name}-title`}>
            <Title order={2} id={`${name}-title`} mb="sm">
              {title(name)}
            </Title>
            <Paper withBorder className={classes.list}>
              {operations.map((operation) => (
                <Call key={operation.id} operation={operation} schemas={schemas} />
              ))}
            </Paper>
          </section>
        ))}
        {search === '' && <Shapes schemas={schemas} />}
      </Stack>
    </div>
  );
}

const title = (name: string) =>
  (name.charAt(0).toUpperCase() + name.slice(1)).replace(/^Datasources$/, 'Data sources');

function matching(groups: readonly Group[], search: string): readonly Group[] {
  const wanted = search.toLowerCase();
  return groups
    .map(({ name, operations }) => ({
      name,
      operations: operations.filter(({ method, path, summary }) =>
        `${method} ${path} ${summary}`.toLowerCase().includes(wanted),
      ),
    }))
    .filter(({ operations }) => operations.length > 0);
}

const COLORS = { get: 'petrol', post: 'green', put: 'amber', patch: 'amber', delete: 'red' };

interface CallProps {
  readonly operation: Operation;
  readonly schemas: Schemas;
}

function Call({ operation, schemas }: CallProps) {
  const { id, method, path, summary } = operation;
  return (
    <Fold
      id={id}
      head={
        <>
          <Badge color={COLORS[method]} className={classes.method}>
            {method.toUpperCase()}
          </Badge>
          <code className={classes.path}>{path}</code>
          <Text span size="sm" c="dimmed" className={classes.summary}>
            {summary}
          </Text>
        </>
      }
    >
      <Details operation={operation} schemas={schemas} />
    </Fold>
  );
}

/** Something that is opened by a click, or by a link to it. */
function Fold({ id, head, children }: { id: string; head: ReactNode; children: ReactNode }) {
  const { hash } = useLocation();
  const [isOpen, setOpen] = useState(false);
  const place = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    if (hash !== `#${id}`) return;
    setOpen(true);
    place.current?.scrollIntoView();
  }, [hash, id]);
  return (
    <details
      id={id}
      ref={place}
      className={classes.fold}
      open={isOpen}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <IconChevronRight size={16} aria-hidden />
        {head}
      </summary>
      {isOpen && children}
    </details>
  );
}

function Details({ operation, schemas }: CallProps) {
  const { description, parameters, body, answers } = operation;
  return (
    <Stack className={classes.details}>
      {description && <Text size="sm">{description}</Text>}
      {parameters.length > 0 && (
        <Part title="Parameters">
          <Fields
            label="Parameters"
            fields={parameters.map(
              ({ name, in: where, required, description: meaning, schema }) => ({
                name,
                where,
                isRequired: required === true,
                schema: { ...schema, description: meaning ?? schema?.description },
              }),
            )}
          />
        </Part>
      )}
      {body && (
        <Part title="Body">
          <Shape schema={body} schemas={schemas} />
        </Part>
      )}
      <Part title="Answers">
        <ul className={classes.answers}>
          {answers.map(({ status, description: meaning, schema }) => (
            <li key={status}>
              <Badge color={status < '300' ? 'green' : status < '400' ? 'gray' : 'red'}>
                {status}
              </Badge>
              <span>
                {meaning} {schema && <Type schema={schema} />}
              </span>
            </li>
          ))}
        </ul>
      </Part>
      <Part title="Example">
        <Copyable
          label={`Example of ${operation.method} ${operation.path}`}
          text={curlOf(operation, schemas, location.origin)}
        />
      </Part>
    </Stack>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <Title order={3} size="sm" mb={6}>
        {title}
      </Title>
      {children}
    </div>
  );
}

/** What a schema is called, with a way to where it is described. */
function Type({ schema }: { schema: Schema }) {
  const ref = schema.$ref ?? schema.items?.$ref;
  const words = typeOf(schema);
  return ref ? <a href={`#shape-${nameIn(ref)}`}>{words}</a> : <Code>{words}</Code>;
}

/** A body: its fields, or where they are described. */
function Shape({ schema, schemas }: { schema: Schema; schemas: Schemas }) {
  const real = resolved(schema, schemas);
  if (schema.$ref || !real.properties) {
    return (
      <Text size="sm">
        JSON: <Type schema={schema} />
      </Text>
    );
  }
  return <Fields label="Fields" fields={fieldsOf(real)} />;
}

const fieldsOf = (schema: Schema) =>
  Object.entries(schema.properties ?? {})
    .filter(([, field]) => !isIgnored(field))
    .map(([name, field]) => ({
      name,
      isRequired: schema.required?.includes(name) ?? false,
      schema: field,
    }));

/** Of which anything is taken: it is there so that an answer can be sent back. */
const isIgnored = (field: Schema) => Object.keys(field).length === 0;

function Shapes({ schemas }: { schemas: Schemas }) {
  return (
    <section id="schemas" aria-labelledby="schemas-title">
      <Title order={2} id="schemas-title" mb="sm">
        Shapes
      </Title>
      <Paper withBorder className={classes.list}>
        {Object.entries(schemas).map(([name, schema]) => (
          <Fold key={name} id={`shape-${name}`} head={<code className={classes.path}>{name}</code>}>
            <div className={classes.details}>
              {kindsOf(schema).map((kind, i) => (
                <Kind key={kindName(kind) ?? i} name={name} kind={kind} />
              ))}
            </div>
          </Fold>
        ))}
      </Paper>
    </section>
  );
}

function Kind({ name, kind }: { name: string; kind: Schema }) {
  const title = kindName(kind);
  const ignored = Object.entries(kind.properties ?? {}).filter(([, field]) => isIgnored(field));
  return (
    <>
      {title && (
        <Title order={3} size="sm" my="xs">
          <Code>{title}</Code>
        </Title>
      )}
      <Fields label={`Fields of ${name} ${title ?? ''}`} fields={fieldsOf(kind)} />
      {ignored.length > 0 && (
        <Text size="sm" c="dimmed" my="xs">
          Also taken, and not looked at: {ignored.map(([field]) => field).join(', ')}
        </Text>
      )}
    </>
  );
}
