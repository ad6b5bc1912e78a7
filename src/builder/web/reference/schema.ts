/** JSON Schemas of the interface's description, read for people. */

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
}

export type Schemas = Readonly<Record<string, Schema>>;

/** `#/components/schemas/site` → site */
export const nameIn = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

/** The schema that a reference names; else the schema itself. */
export function resolved(schema: Schema, schemas: Schemas): Schema {
  return schema.$ref ? (schemas[nameIn(schema.$ref)] ?? {}) : schema;
}

/** The kinds that an entry may be of; itself alone where there is but one. */
export function kindsOf(schema: Schema): readonly Schema[] {
  const kinds = schema.oneOf ?? schema.anyOf;
  const isEntry = kinds?.every((kind) => kind.properties);
  return kinds && isEntry ? kinds : [schema];
}

/** What tells a kind from the others: destinationType "PUSH" */
export function kindName(kind: Schema): string | undefined {
  const fixed = Object.entries(kind.properties ?? {}).find(
    ([, field]) => field.const !== undefined,
  );
  return fixed && `${fixed[0]}: ${JSON.stringify(fixed[1].const)}`;
}

/** What may be written: text, whole number, list of text … */
export function typeOf(schema: Schema): string {
  if (schema.$ref) return nameIn(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return [...new Set(choices.map(typeOf))].join(' | ');
  if (schema.type === 'array') return `list of ${schema.items ? typeOf(schema.items) : 'anything'}`;
  const types = [schema.type ?? []].flat();
  if (types.length === 0) return 'anything';
  return types.map((type) => WORDS[type] ?? type).join(' | ');
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'true | false',
  null: 'null',
  object: 'object',
};

/** The parts that are not `null`: where one may also leave a field empty, that is not worth a word. */
function core(schema: Schema): Schema {
  const choices = schema.anyOf ?? schema.oneOf ?? [];
  const real = choices.filter(({ type }) => type !== 'null');
  return real.length === 1 ? { ...schema, ...real[0] } : schema;
}

/** What else is asked of a value: 1 to 255 characters */
export function limitsOf(given: Schema): string {
  const schema = core(given);
  const parts = [
    range(schema.minLength, schema.maxLength, 'characters'),
    range(schema.minItems, schema.maxItems, 'entries'),
    range(schema.minimum, schema.maximum, ''),
    schema.default === undefined ? '' : `${JSON.stringify(schema.default)} if not given`,
  ];
  return parts.filter(Boolean).join('; ');
}

const number = new Intl.NumberFormat('en');

function range(min: number | undefined, max: number | undefined, unit: string): string {
  const isOpen = max === undefined || max >= Number.MAX_SAFE_INTEGER;
  const from = min === undefined || min <= Number.MIN_SAFE_INTEGER ? undefined : number.format(min);
  if (isOpen) return from === undefined ? '' : `at least ${from} ${unit}`.trim();
  const to = number.format(max);
  return (from === undefined ? `at most ${to} ${unit}` : `${from} to ${to} ${unit}`).trim();
}

/** A value that the schema takes, with what has to be there. */
export function exampleOf(schema: Schema, schemas: Schemas, depth = 0): unknown {
  const real = core(resolved(schema, schemas));
  if (real.examples?.length) return real.examples[0];
  if (real.const !== undefined) return real.const;
  if (real.enum) return real.enum[0];
  if (real.default !== undefined) return real.default;
  const choices = real.oneOf ?? real.anyOf;
  if (choices) return exampleOf(choices[0], schemas, depth);
  if (real.properties) {
    if (depth > 3) return {};
    const wanted = real.required ?? Object.keys(real.properties);
    return Object.fromEntries(
      wanted.flatMap((name) =>
        real.properties?.[name]
          ? [[name, exampleOf(real.properties[name], schemas, depth + 1)]]
          : [],
      ),
    );
  }
  switch ([real.type].flat()[0]) {
    case 'array':
      return real.items ? [exampleOf(real.items, schemas, depth + 1)] : [];
    case 'integer':
    case 'number':
      return Math.max(1, real.minimum ?? 1);
    case 'boolean':
      return true;
    case 'string':
      return 'text';
    default:
      return {};
  }
}
