/** The description of the REST interface, made from the schemas that check the account. */
import { z } from 'zod';
import { questionPaths } from './questions.ts';
import { MAPPING, RESOURCES, type Resource } from './resource.ts';

type Json = Record<string, unknown>;

const problem = z.object({
  path: z.string().meta({ description: 'The field, as a JSON path.' }),
  wrong: z.string().meta({ description: 'What is wrong with it.' }),
  instead: z.string().meta({ description: 'What to write instead.' }),
});

const json = (schema: Json) => ({ 'application/json': { schema } });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const errors = (description: string) => ({ description, content: json(ref('errors')) });

const UNAUTHORISED = { 401: errors('The token is missing or wrong.') };
const WRONG = {
  400: errors('A field is wrong: every error, its path, what is wrong, what to write instead.'),
  409: errors('Others stand against it: an id that is taken, or something that still needs it.'),
};
const UNKNOWN = { 404: errors('There is none with this id.') };
const STALE = { 412: errors('It was changed since it was read (If-Match).') };

const parameter = (name: string, where: 'path' | 'query' | 'header', description: string) => ({
  name,
  in: where,
  description,
  required: where === 'path',
  schema: { type: where === 'path' ? 'integer' : 'string' },
});
const ID = parameter('id', 'path', 'Its id.');
const IF_MATCH = parameter('If-Match', 'header', 'The ETag of what was read; changed since: 412.');
const LIST = [
  parameter(
    'page',
    'query',
    'Page, from 0; with it, the answer is { page, pageSize, total, list }.',
  ),
  parameter('pageSize', 'query', 'Entries of a page, at most 1,000; 20 if not given.'),
  parameter('search', 'query', 'A part of name, description, integration code or rule.'),
  parameter('sortBy', 'query', 'A field.'),
  parameter('descending', 'query', 'true or false.'),
];
const OF_DESTINATIONS = [
  parameter('containsSegment', 'query', 'Only those to which this segment is mapped.'),
  parameter('includeMappings', 'query', 'true: with their mappings.'),
];

function paths(base: string, parameters: Json[], name: string, noun: string, query: Json[]): Json {
  const one = { description: `The ${noun}.`, content: json(ref(name)) };
  const body = { required: true, content: json(ref(name)) };
  const ids = { type: 'array', items: { type: 'integer' } };
  const gone = { 204: { description: 'Deleted.' } };
  const list = { description: 'The list.', content: json({ type: 'array', items: ref(name) }) };
  return {
    [base]: {
      parameters,
      get: { summary: `List`, parameters: query, responses: { 200: list, ...UNAUTHORISED } },
      post: {
        summary: `Create a ${noun}`,
        requestBody: body,
        responses: { 201: one, ...WRONG, ...UNAUTHORISED },
      },
    },
    [`${base}/{id}`]: {
      parameters: [...parameters, ID],
      get: { summary: `Get a ${noun}`, responses: { 200: one, ...UNKNOWN, ...UNAUTHORISED } },
      put: {
        summary: `Replace a ${noun}`,
        parameters: [IF_MATCH],
        requestBody: body,
        responses: { 200: one, ...WRONG, ...UNKNOWN, ...STALE, ...UNAUTHORISED },
      },
      delete: {
        summary: `Delete a ${noun}`,
        parameters: [IF_MATCH],
        responses: { ...gone, 409: WRONG[409], ...UNKNOWN, ...STALE, ...UNAUTHORISED },
      },
    },
    [`${base}/bulk-delete`]: {
      parameters,
      post: {
        summary: 'Delete several, all or none',
        requestBody: { required: true, content: json(ids) },
        responses: { ...gone, 409: WRONG[409], ...UNKNOWN, ...UNAUTHORISED },
      },
    },
  };
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** What is written: the fields as they are kept, of which only those without a default have to be there. */
function schemaOf(schema: z.ZodType, id: string): JsonSchema {
  const { $schema, ...kept } = z.toJSONSchema(schema);
  const given = z.toJSONSchema(schema, { io: 'input' });
  const requiring = (one: JsonSchema, { required }: JsonSchema): JsonSchema => ({
    ...one,
    required: required?.filter((field) => field !== id),
  });
  if (!kept.oneOf) return requiring(kept, given);
  const kinds = (kept.oneOf as JsonSchema[]).map((kind, i) =>
    requiring(kind, (given.oneOf as JsonSchema[])[i]),
  );
  return { ...kept, oneOf: kinds };
}

const nameOf = ({ noun }: Pick<Resource, 'noun'>) => noun.replace(' ', '');

/** OpenAPI 3.1. */
export function openApi(): Json {
  const mapping = paths(
    '/v1/destinations/{destination}/mappings',
    [parameter('destination', 'path', 'The id of the destination.')],
    'mapping',
    'mapping',
    [],
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'Switchyard',
      version: '1',
      description: 'Traits, segments, destinations and what belongs to them.',
    },
    security: [{ token: [] }],
    paths: {
      ...Object.assign(
        {},
        ...RESOURCES.map((resource) => {
          const query = resource.path === 'destinations' ? [...LIST, ...OF_DESTINATIONS] : LIST;
          return paths(`/v1/${resource.path}`, [], nameOf(resource), resource.noun, query);
        }),
      ),
      ...mapping,
      '/v1/export': {
        get: {
          summary: 'The whole account document',
          responses: { 200: { description: 'The document; its ETag is the revision.' } },
        },
      },
      '/v1/import': {
        post: {
          summary: 'Replace the whole account document',
          parameters: [
            parameter('dryRun', 'query', 'true: nothing is saved, the difference is shown.'),
            IF_MATCH,
          ],
          responses: {
            200: { description: 'What differs, and the revision if it was saved.' },
            ...WRONG,
            ...STALE,
          },
        },
      },
      ...questionPaths(),
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        ...Object.fromEntries(
          RESOURCES.map((resource) => [nameOf(resource), schemaOf(resource.schema, resource.id)]),
        ),
        mapping: schemaOf(MAPPING.schema, MAPPING.id),
        errors: z.toJSONSchema(z.object({ errors: z.array(problem) })),
      },
    },
  };
}
