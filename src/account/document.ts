/**
 * The account document: everything that a business user sets, as JSON with the field names that
 * REST scripts of this field already use. Source of the names: user guide, api/rest-api-main.
 *
 * The schemas check shapes; what one part says of another is checked where the document is compiled
 * (`snapshot.ts`).
 */
import { z } from 'zod';
import { MAX_PURPOSE, MAX_VENDOR } from '../audience/consent.ts';
import { type Problem, problemsOf } from './problem.ts';
import type { Readings } from './readings.ts';
import type { Turns } from './turns.ts';

// Compiled validators need `new Function`, which Workers forbid.
z.config({ jitless: true });

/** Uses of data that a data source forbids and a destination declares; the order gives the bits. */
export const EXPORT_LABELS = [
  'PII',
  'ON_SITE_AD_TARGETING',
  'OFF_SITE_AD_TARGETING',
  'ON_SITE_PERSONALIZATION',
] as const;

/** Labels as bits, in the order of `EXPORT_LABELS`. */
export function bitsOf(labels: readonly (typeof EXPORT_LABELS)[number][] | null | undefined) {
  return (labels ?? []).reduce((bits, label) => bits | (1 << EXPORT_LABELS.indexOf(label)), 0);
}

export const MAX_ID = 2 ** 32 - 1;

/** Existing scripts send numbers as text, too. */
const integer = (min: number, max: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value),
    z.int().min(min).max(max),
  );
const id = integer(1, MAX_ID);
const name = z.string().min(1).max(255);
const description = z.string().max(4_096).nullish();
const integrationCode = z.string().min(1).max(255).nullish();
const status = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['active', 'inactive']))
  .default('active');
const labels = z.array(z.enum(EXPORT_LABELS)).nullish();
const purposes = z.array(integer(1, MAX_PURPOSE));
const vendorId = integer(1, MAX_VENDOR).nullish();

/** What answers of this field's REST interfaces add; accepted, so that an answer can be sent back. */
const added = {
  pid: z.unknown().optional(),
  crUID: z.unknown().optional(),
  upUID: z.unknown().optional(),
  createTime: z.unknown().optional(),
  updateTime: z.unknown().optional(),
};

/** What data sources, traits and segments have alike. */
const described = { name, description, status, integrationCode };

export const dataSourceSchema = z.strictObject({
  ...added,
  dataSourceId: id,
  ...described,
  dataExportRestrictions: labels,
});

export const folderSchema = z.strictObject({
  ...added,
  folderId: id,
  name,
  description,
  parentFolderId: integer(0, MAX_ID).nullish(),
});

export const traitSchema = z.strictObject({
  ...added,
  sid: id,
  ...described,
  traitType: z.enum(['RULE_BASED_TRAIT', 'ON_BOARDED_TRAIT', 'FOLDER_TRAIT']),
  traitRule: z.string().nullish(),
  ttl: integer(0, 36_500).default(120),
  dataSourceId: id,
  folderId: integer(0, MAX_ID).nullish(),
});

export const segmentSchema = z.strictObject({
  ...added,
  destinationCount: z.unknown().optional(),
  exportControls: z.unknown().optional(),
  sid: id,
  ...described,
  segmentRule: z.string(),
  dataSourceId: id.nullish(),
  folderId: integer(0, MAX_ID).nullish(),
});

const date = z
  .string()
  .refine((text) => /^\d{4}-\d\d-\d\d$/.test(text) && isDate(text), {
    error: 'no day of the calendar|write year, month and day, such as "2026-07-04"',
  })
  .nullish();

const isDate = (text: string) => {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
};

export const mappingSchema = z.strictObject({
  ...added,
  mappingId: z.unknown().optional(),
  destinationMappingId: z.unknown().optional(),
  destinationId: z.unknown().optional(),
  traitValue: z.unknown().optional(),
  elementName: z.unknown().optional(),
  elementDescription: z.unknown().optional(),
  elementStatus: status,
  tagCode: z.unknown().optional(),
  secureTagCode: z.unknown().optional(),
  sid: id,
  traitType: z.literal('SEGMENT').default('SEGMENT'),
  startDate: date,
  endDate: date,
  url: z.string().max(8_192).nullish(),
  secureUrl: z.string().max(8_192).nullish(),
  traitAlias: z.string().max(1_024).nullish(),
  valueAlias: z.string().max(1_024).nullish(),
  priority: integer(-1_000_000, 1_000_000).nullish(),
});

const destination = {
  ...added,
  mappingCount: z.unknown().optional(),
  notShown: z.unknown().optional(),
  destinationId: id,
  name,
  description,
  status,
  category: z.string().max(255).nullish(),
  platform: z.enum(['all', 'browser', 'android', 'ios']).optional(),
  autoFill: z.enum(['SEGMENT_ID', 'INTEGRATION_CODE', 'NONE']).default('NONE'),
  dataExportLabels: labels,
  /** The partner's number in IAB's Global Vendor List. */
  iabVendorId: vendorId,
  /** Of IAB's TCF: what the partner needs consent to, besides what the account does. */
  iabPurposes: purposes.nullish(),
  /** Whether the partner works for the site only, so that an objection to sale does not concern it. */
  serviceProvider: z.boolean().default(false),
  domainRestrictions: z.enum(['all_domains', 'inclusion', 'exclusion']).default('all_domains'),
  siteIDs: z.array(id).nullish(),
  priority: integer(-1_000_000, 1_000_000).default(0),
  frequencyCap: z.strictObject({ count: integer(1, 1_000), hours: integer(1, 24 * 366) }).nullish(),
  mappings: z.array(mappingSchema).nullish(),
  dataSourceId: z.unknown().optional(),
  // Answers have them, always empty: dates belong to mappings.
  startDate: z.null().optional(),
  endDate: z.null().optional(),
};

const pushSchema = z.strictObject({
  ...destination,
  destinationType: z.literal('PUSH'),
  serializationEnabled: z.boolean().default(false),
  urlFormatString: z.string().max(8_192).nullish(),
  secureUrlFormatString: z.string().max(8_192).nullish(),
  delimiter: z.string().max(16).nullish(),
  /** 0 image, 1 iframe. */
  tagType: integer(0, 1).default(0),
  hideReferrer: z.boolean().default(true),
  /** The server-to-server destination that is told instead, where a page's call could not get through. */
  fallbackDestinationId: id.nullish(),
});

/** Separators stand in the cookie as they are: RFC 6265 cookie-octets, and the comma it tolerates. */
const separator = z.string().regex(/^[\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]{1,8}$/, {
  error: 'not possible in a cookie|write one to eight visible characters, no ; " or \\',
});

const adsSchema = z.strictObject({
  ...destination,
  destinationType: z.literal('ADS'),
  adServerTypeID: z.unknown().optional(),
  transferMethod: z.unknown().optional(),
  uparamEnabled: z.unknown().optional(),
  cookieName: z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,128}$/, {
    error: 'no cookie name|write letters, digits, - and _ (no space, ; , =)',
  }),
  cnameDomain: z
    .string()
    .regex(/^$|^\.?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i, {
      error: 'no domain|write one domain without wildcard, such as .sports.com, or leave it empty',
    })
    .nullish(),
  maxSize: integer(1, 4_096).default(2_048),
  ttl: integer(0, 400).default(0),
  formatType: z.enum(['single_key', 'key_value']),
  singleKey: z.string().min(1).max(255).nullish(),
  keySeparator: separator.default('='),
  valueSeparator: separator.default(','),
  serializationEnabled: z.boolean().default(false),
  serializationSeparator: separator.nullish(),
});

const s2sSchema = z.strictObject({
  ...destination,
  destinationType: z.literal('S2S'),
  transfer: z.enum(['realtime', 'file']).default('realtime'),
  endpointUrl: z.string().max(8_192).nullish(),
  userDataSourceId: id.nullish(),
  clientId: z.string().max(255).nullish(),
  signatureHeader: z.string().max(255).nullish(),
  signatureAlgorithm: z.enum(['sha1', 'sha256']).nullish(),
  signatureKeys: z.array(z.string().min(1)).max(2).nullish(),
  oauth: z
    .strictObject({ tokenUrl: z.string(), clientId: z.string(), clientSecret: z.string() })
    .nullish(),
  /** A folder, sftp://… or s3://… */
  target: z.string().max(8_192).nullish(),
  /** Of S3-compatible storage that is not Amazon's. */
  endpoint: z.string().max(8_192).nullish(),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, { error: 'no region|write its name, such as eu-central-1' })
    .nullish(),
  credentials: z
    .strictObject({
      hostKey: z.string().max(65_536).nullish(),
      password: z.string().max(4_096).nullish(),
      privateKey: z.string().max(65_536).nullish(),
      passphrase: z.string().max(4_096).nullish(),
      accessKeyId: z.string().max(255).nullish(),
      secretAccessKey: z.string().max(4_096).nullish(),
    })
    .nullish(),
  schedule: z.string().max(255).nullish(),
  syncMode: z.enum(['full', 'iter']).nullish(),
  splitLines: integer(1, 1_000_000_000).nullish(),
  compress: z.boolean().nullish(),
  alias: z.string().max(255).nullish(),
});

export const destinationSchema = z.discriminatedUnion('destinationType', [
  pushSchema,
  adsSchema,
  s2sSchema,
]);

const hostName =
  /^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$|^\[[0-9a-f:.]+\]$/i;
const host = z
  .string()
  .regex(hostName, {
    error: 'no host name|write it without https:// and path, such as shop.example',
  })
  .toLowerCase();

export const siteSchema = z.strictObject({
  ...added,
  siteId: id,
  name,
  /** Host names of the collection endpoint that this site calls; none: every host name. */
  hosts: z.array(host).default([]),
  /** Domains of the site's pages, subdomains included. */
  domains: z.array(host).min(1),
  /** At most so many URL calls in one answer. */
  pageBudget: integer(1, 1_000).nullish(),
  /** Where an ID sync may redirect to: a host name, or a host name with its only port. */
  redirectHosts: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9_.-]+(:\d{1,5})?$/i, {
          error: 'no host name|write it without https:// and path, such as partner.example',
        })
        .toLowerCase(),
    )
    .default([]),
});

/** Without which nothing is kept of a visitor, where GDPR applies. */
export const consentSchema = z.strictObject({
  /** Of IAB's TCF; 1: to store and read on a device. */
  purposes: purposes.default([1]),
  /** The operator's own number in IAB's Global Vendor List. */
  vendorId,
});

export const accountSchema = z.strictObject({
  organizationId: z.string().min(1).max(255).nullish(),
  consent: consentSchema.nullish(),
  dataSources: z.array(dataSourceSchema),
  folders: z.array(folderSchema),
  traits: z.array(traitSchema),
  segments: z.array(segmentSchema),
  destinations: z.array(destinationSchema),
  sites: z.array(siteSchema),
});

/** An entry of a list with what it says by saying nothing; as it is where it cannot be read. */
export function meaningOf(list: string, entry: Readonly<Record<string, unknown>>) {
  const entrySchema: z.ZodType = accountSchema.shape[list as (typeof LISTS)[number]].element;
  const { success, data } = entrySchema.safeParse(entry);
  return success ? (data as Readonly<Record<string, unknown>>) : entry;
}

export type AccountDocument = z.output<typeof accountSchema>;
export type TraitDocument = z.output<typeof traitSchema>;
export type SegmentDocument = z.output<typeof segmentSchema>;
export type DestinationDocument = z.output<typeof destinationSchema>;
export type MappingDocument = z.output<typeof mappingSchema>;
export type SiteDocument = z.output<typeof siteSchema>;

/** The lists of a document, whose entries are read one by one. */
const LISTS = ['dataSources', 'folders', 'traits', 'segments', 'destinations', 'sites'] as const;
const frameSchema = accountSchema.extend(
  Object.fromEntries(LISTS.map((list) => [list, z.array(z.unknown())])),
);

/** Reads a document, pausing after each entry; either it or everything that is wrong with its shape. */
export function* readDocument(
  input: unknown,
  readings: Readings,
): Turns<{ document: AccountDocument } | { problems: Problem[] }> {
  const frame = frameSchema.safeParse(input);
  const document: Record<string, unknown> = { ...frame.data };
  let isRight = frame.success;
  for (const list of isRight ? LISTS : []) {
    const entrySchema: z.ZodType = accountSchema.shape[list].element;
    const entries: unknown[] = [];
    for (const entry of document[list] as unknown[]) {
      yield;
      const read = readings.of(entry, () => entrySchema.safeParse(entry).data);
      isRight &&= read !== undefined;
      entries.push(read);
    }
    document[list] = entries;
  }
  if (isRight) return { document: document as AccountDocument };
  const whole = accountSchema.safeParse(input, { reportInput: true });
  return whole.success ? { document: whole.data } : { problems: problemsOf(whole.error) };
}
