/** The interface's description (OpenAPI 3.1), in the order in which it is read. */
import { exampleOf, type Schema, type Schemas } from './schema.ts';

interface Content {
  readonly [type: string]: { readonly schema?: Schema };
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header' | 'cookie';
  readonly description?: string;
  readonly required?: boolean;
  readonly schema?: Schema;
}

interface Said {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly description?: string; readonly content?: Content };
  readonly responses?: Readonly<Record<string, { description?: string; content?: Content }>>;
}

type Path = Readonly<Partial<Record<Method, Said>>> & {
  readonly parameters?: readonly Parameter[];
};

export interface Description {
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description?: string;
  };
  readonly paths: Readonly<Record<string, Path>>;
  readonly components?: { readonly schemas?: Schemas };
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
type Method = (typeof METHODS)[number];

export interface Operation {
  /** Of its place on the page. */
  readonly id: string;
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly description: string | undefined;
  readonly parameters: readonly Parameter[];
  readonly body: Schema | undefined;
  readonly answers: readonly {
    readonly status: string;
    readonly description: string;
    readonly schema: Schema | undefined;
  }[];
}

export interface Group {
  readonly name: string;
  readonly operations: readonly Operation[];
}

const schemaIn = (content: Content | undefined) => Object.values(content ?? {})[0]?.schema;

/** Operations by what they are about: a tag, else the first part of the address. */
export function groupsOf(description: Description): Group[] {
  const groups = new Map<string, Operation[]>();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS) {
      const said = item[method];
      if (!said) continue;
      const name = said.tags?.[0] ?? path.replace(/^\/v1\//, '').split('/')[0];
      const operation: Operation = {
        id: `${method}${path.replace(/[^a-z0-9]+/gi, '-')}`.replace(/-$/, ''),
        method,
        path,
        summary: said.summary ?? '',
        description: said.description,
        parameters: [...(item.parameters ?? []), ...(said.parameters ?? [])],
        body: schemaIn(said.requestBody?.content),
        answers: Object.entries(said.responses ?? {}).map(([status, answer]) => ({
          status,
          description: answer.description ?? '',
          schema: schemaIn(answer.content),
        })),
      };
      groups.set(name, [...(groups.get(name) ?? []), operation]);
    }
  }
  return [...groups].map(([name, operations]) => ({ name, operations }));
}

/** A command for a shell that makes the call. */
export function curlOf(operation: Operation, schemas: Schemas, origin: string): string {
  const { method, path, parameters, body } = operation;
  const address = path.replace(/\{(\w+)\}/g, (_, name) => {
    const parameter = parameters.find((one) => one.name === name);
    return String(exampleOf(parameter?.schema ?? { type: 'integer' }, schemas));
  });
  const parts = [
    `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}${origin}${address}`,
    '-H "Authorization: Bearer $SWITCHYARD_KEY"',
  ];
  if (body) {
    const text = JSON.stringify(exampleOf(body, schemas), null, 2).replaceAll(
      "'",
      String.raw`'\''`,
    );
    parts.push("-H 'Content-Type: application/json'", `-d '${text}'`);
  }
  return parts.join(' \\\n  ');
}
