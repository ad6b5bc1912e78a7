import { Badge, Code, Text } from '@mantine/core';
import { type Column, Rows } from '../rows.tsx';
import { limitsOf, nameIn, type Schema, typeOf } from './schema.ts';

export interface Field {
  readonly name: string;
  /** Of a parameter: in the path, the query, a header. */
  readonly where?: string;
  readonly isRequired: boolean;
  readonly schema: Schema;
}

const COLUMNS: readonly Column<Field>[] = [
  {
    title: 'Name',
    show: ({ name, where, isRequired }) => (
      <>
        <Code>{name}</Code>{' '}
        {where && (
          <Text span size="xs" c="dimmed">
            {where === 'header' ? 'a header' : `in the ${where}`}
          </Text>
        )}{' '}
        {isRequired && <Badge color="amber">required</Badge>}
      </>
    ),
    width: '34%',
  },
  {
    title: 'Value',
    show: ({ schema }) => {
      const ref = schema.$ref ?? schema.items?.$ref;
      return ref ? <a href={`#shape-${nameIn(ref)}`}>{typeOf(schema)}</a> : typeOf(schema);
    },
    width: '26%',
  },
  {
    title: 'Meaning',
    show: ({ schema }) => (
      <>
        {schema.description}
        {limitsOf(schema) && (
          <Text size="sm" c="dimmed">
            {limitsOf(schema)}
          </Text>
        )}
      </>
    ),
  },
];

/** What a call or an entry is made of. */
export function Fields({ label, fields }: { label: string; fields: readonly Field[] }) {
  return <Rows label={label} entries={fields} columns={COLUMNS} idOf={({ name }) => name} />;
}
