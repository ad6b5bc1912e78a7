/** The description of the REST interface, made from the schemas that check the requests. */
import { Hono } from 'hono';
import { z } from 'zod';
import { activityPaths } from './activity.ts';
import type { Behind } from './caller.ts';
import { consentPaths } from './consent.ts';
import { deliveryPaths } from './deliveries.ts';
import { draftPaths } from './draft.ts';
import { estimatePaths } from './estimates.ts';
import { nodePaths } from './node-state.ts';
import { type Operation, type Paths, REFUSALS, type Shape } from './operation.ts';
import { peoplePaths } from './people-routes.ts';
import { previewPaths } from './preview.ts';
import { questionPaths } from './questions.ts';
import { reportPaths } from './report.ts';
import { MAPPING, RESOURCES, type Resource } from './resource.ts';
import { sessionPaths } from './session-routes.ts';

type Json = Record<string, unknown>;
type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The routes of the description itself. */
export function openApiRoutes(): Hono<Behind> {
  const app = new Hono<Behind>();
  app.get('/openapi.json', (c) => c.json(openApi()));
  return app;
}

/** OpenAPI 3.1. */
export function openApi(): Json {
  const paths: Paths = {
    ...Object.assign({}, ...RESOURCES.map(resourcePaths)),
    ...listPaths('/v1/destinations/{destination}/mappings', 'mapping', {}),
    ...DOCUMENT_PATHS,
    ...consentPaths,
    ...sessionPaths,
    ...peoplePaths,
    ...previewPaths,
    ...draftPaths,
    ...activityPaths,
    ...nodePaths,
    ...estimatePaths,
    ...reportPaths,
    ...deliveryPaths,
    ...questionPaths,
  };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Switchyard',
      version: '1',
      description: 'Traits, segments, destinations and what belongs to them.',
    },
    security: [{ token: [] }, { session: [] }],
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, operations]) => [path, described(path, operations)]),
    ),
    components: {
      securitySchemes: SECURITY_SCHEMES,
      schemas: {
        ...Object.fromEntries(
          RESOURCES.map((resource) => [nameOf(resource), writable(resource.schema, resource.id)]),
        ),
        mapping: writable(MAPPING.schema, MAPPING.id),
        errors: z.toJSONSchema(z.object({ errors: z.array(problem) })),
      },
    },
  };
}

const SECURITY_SCHEMES = {
  token: { type: 'http', scheme: 'bearer', description: 'A key, or the ADMIN_TOKEN.' },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'switchyard_session',
    description:
      'Whoever has logged in (by https: __Host-switchyard). What is no GET needs X-Requested-With: switchyard, too.',
  },
};

const problem = z.object({
  path: z.string().meta({ description: 'The field, as a JSON path.' }),
  wrong: z.string().meta({ description: 'What is wrong with it.' }),
  instead: z.string().meta({ description: 'What to write instead.' }),
});

const PAGE = {
  page: 'Page, from 0; with it, the answer is { page, pageSize, total, list }.',
  pageSize: 'Entries of a page, at most 1,000; 20 if not given.',
};
const LIST = {
  ...PAGE,
  search: 'A part of name, description, integration code or rule.',
  sortBy: 'A field.',
  descending: 'true or false.',
  ids: 'Only these, such as 12,13.',
};
const OF_DESTINATIONS = {
  containsSegment: 'Only those to which this segment is mapped.',
  destinationType: 'Only those of these kinds, such as PUSH,ADS.',
  fallbackDestinationId: 'Only those whose blocked calls go to this one instead.',
  includeMappings: 'true: with their mappings.',
};

const OF_SEGMENTS = {
  containsTrait: 'Only those whose rules name this trait.',
  labels:
    'Data export labels of a destination, such as PII: exportControls says what keeps each segment from being mapped to it.',
};
const OF_TRAITS = {
  folderId: 'Only those in this folder, or in one below it.',
  traitType: 'Only those of this type.',
};
const WITH_MAPPINGS = {
  withMappings: 'true: its mappings go with it; else a destination that has any stays (409).',
};
const DRY_RUN = { dryRun: 'true: everything is checked, nothing is saved; the answer is a 200.' };

const nameOf = ({ noun }: Pick<Resource, 'noun'>) => noun.replace(' ', '');

const resourcePaths = (resource: Resource): Paths =>
  listPaths(`/v1/${resource.path}`, nameOf(resource), {
    ...LIST,
    ...(resource.path === 'destinations' && OF_DESTINATIONS),
    ...(resource.path === 'segments' && OF_SEGMENTS),
    ...(resource.path === 'traits' && OF_TRAITS),
  });

/** The operations on a list of the account and on what is in it. */
function listPaths(base: string, name: string, query: Operation['query']): Paths {
  const one = [`The ${name}.`, name] as const;
  const editor = { role: 'editor', refusals: [400, 404, 409] } as const;
  const tried = [`The ${name} as it would be (dryRun).`, name] as const;
  return {
    [base]: {
      get: { summary: 'List', query, answers: { 200: ['The list.', `${name}[]`] } },
      post: {
        ...editor,
        summary: `Create a ${name}`,
        query: DRY_RUN,
        body: name,
        answers: { 200: tried, 201: one },
      },
    },
    [`${base}/{id}`]: {
      get: { summary: `Get a ${name}`, answers: { 200: one }, refusals: [404] },
      put: {
        ...editor,
        summary: `Replace a ${name}`,
        query: DRY_RUN,
        ifMatch: true,
        body: name,
        answers: { 200: one },
      },
      delete: {
        ...editor,
        summary: `Delete a ${name}`,
        ...(name === 'destination' && { query: WITH_MAPPINGS }),
        ifMatch: true,
        answers: { 204: ['Deleted.'] },
      },
    },
    [`${base}/bulk-delete`]: {
      post: {
        ...editor,
        summary: 'Delete several, all or none',
        body: z.array(z.int()).min(1),
        answers: { 204: ['Deleted.'] },
      },
    },
  };
}

const DOCUMENT_PATHS: Paths = {
  '/v1/export': {
    get: {
      summary: 'The whole account document',
      role: 'editor',
      answers: { 200: ['The document; its ETag is the revision.'] },
    },
  },
  '/v1/import': {
    post: {
      summary: 'Replace the whole account document',
      role: 'editor',
      query: {
        dryRun:
          'true: everything is checked, nothing is saved; the difference is shown, and the ETag is the revision that it was compared with. To viewers, secrets are no difference.',
      },
      ifMatch: true,
      answers: { 200: ['What differs, and the revision if it was saved.'] },
      refusals: [400, 413, 429],
    },
  },
};

const ID_NAMES = /\{(\w+)\}/g;
/** Ids that are no numbers. */
const TEXT_ID = /^(name|\w*(draft|key|call|estimate)Id)$/;

function described(path: string, operations: Paths[string]): Json {
  const parameters = [...path.matchAll(ID_NAMES)].map(([, name]) =>
    parameter(name, 'path', 'Its id.', TEXT_ID.test(name) ? 'string' : 'integer'),
  );
  return {
    ...(parameters.length > 0 && { parameters }),
    ...Object.fromEntries(
      Object.entries(operations).map(([method, operation]) => [method, operationJson(operation)]),
    ),
  };
}

function operationJson({ summary, role, query, ifMatch, body, answers, refusals }: Operation) {
  const parameters = Object.entries(query ?? {}).map(([name, meaning]) =>
    parameter(name, 'query', meaning, 'string'),
  );
  if (ifMatch) {
    parameters.push(
      parameter('If-Match', 'header', 'The ETag of what was read; changed since: 412.', 'string'),
    );
  }
  const ends = new Set<keyof typeof REFUSALS>(refusals);
  if (ifMatch) ends.add(412);
  if (role !== 'nobody') ends.add(401);
  if (role === 'editor' || role === 'admin') ends.add(403);
  return {
    summary,
    ...(role === 'nobody' ? { security: [] } : { 'x-role': role ?? 'viewer' }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: json(schemaOf(body, 'input')) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, [description, shape]]) => [
          status,
          { description, ...(shape && { content: json(schemaOf(shape, 'output')) }) },
        ]),
      ),
      ...Object.fromEntries(
        [...ends].map((status) => [
          status,
          { description: REFUSALS[status], content: json(ref('errors')) },
        ]),
      ),
    },
  };
}

const parameter = (
  name: string,
  where: 'path' | 'query' | 'header',
  description: string,
  type: 'integer' | 'string',
) => ({ name, in: where, description, required: where === 'path', schema: { type } });

const json = (schema: Json) => ({ 'application/json': { schema } });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function schemaOf(shape: Shape, io: 'input' | 'output'): Json {
  if (typeof shape !== 'string') {
    const { $schema, ...schema } = io === 'input' ? writable(shape) : z.toJSONSchema(shape);
    return schema;
  }
  return shape.endsWith('[]') ? { type: 'array', items: ref(shape.slice(0, -2)) } : ref(shape);
}

/** What is written: the fields as they are kept, of which only those without a default have to be there. */
function writable(schema: z.ZodType, id = ''): JsonSchema {
  const { $schema, ...kept } = z.toJSONSchema(schema);
  const given = z.toJSONSchema(schema, { io: 'input' });
  const requiring = (one: JsonSchema, { required }: JsonSchema): JsonSchema =>
    one.type === 'object' ? { ...one, required: required?.filter((field) => field !== id) } : one;
  if (!kept.oneOf) return requiring(kept, given);
  const kinds = (kept.oneOf as JsonSchema[]).map((kind, i) =>
    requiring(kind, (given.oneOf as JsonSchema[])[i]),
  );
  return { ...kept, oneOf: kinds };
}
