/** A destination as it is edited: the fields of all three kinds, none of which has to be there yet. */
import type { ExportLabel } from '../export-labels.ts';
import type { Problem } from '../problem.ts';

export type Kind = 'PUSH' | 'ADS' | 'S2S';

/** What a destination shares of one segment. Field names are those of the REST interface. */
export interface Mapping {
  readonly sid: number;
  readonly elementStatus?: 'active' | 'inactive';
  readonly startDate?: string | null;
  readonly endDate?: string | null;
  readonly url?: string | null;
  readonly secureUrl?: string | null;
  readonly traitAlias?: string | null;
  readonly valueAlias?: string | null;
  readonly priority?: number | null;
}

export interface Destination {
  readonly destinationId?: number;
  readonly destinationType: Kind;
  readonly name?: string;
  readonly description?: string | null;
  readonly category?: string | null;
  readonly status?: 'active' | 'inactive';
  readonly platform?: 'all' | 'browser' | 'android' | 'ios';
  readonly autoFill?: 'SEGMENT_ID' | 'INTEGRATION_CODE' | 'NONE';
  readonly dataExportLabels?: readonly ExportLabel[] | null;
  readonly iabVendorId?: number | null;
  readonly iabPurposes?: readonly number[] | null;
  readonly serviceProvider?: boolean;
  readonly domainRestrictions?: 'all_domains' | 'inclusion' | 'exclusion';
  readonly siteIDs?: readonly number[] | null;
  readonly priority?: number;
  readonly frequencyCap?: { readonly count: number; readonly hours: number } | null;
  readonly mappings?: readonly Mapping[];

  readonly serializationEnabled?: boolean;
  readonly urlFormatString?: string | null;
  readonly secureUrlFormatString?: string | null;
  readonly delimiter?: string | null;
  readonly tagType?: number;
  readonly hideReferrer?: boolean;
  /** The server-to-server destination that is told where a call was blocked. */
  readonly fallbackDestinationId?: number | null;

  readonly cookieName?: string;
  readonly cnameDomain?: string | null;
  readonly maxSize?: number;
  readonly ttl?: number;
  readonly formatType?: 'single_key' | 'key_value';
  readonly singleKey?: string | null;
  readonly keySeparator?: string;
  readonly valueSeparator?: string;
  readonly serializationSeparator?: string | null;

  readonly transfer?: 'realtime' | 'file';
  readonly endpointUrl?: string | null;
  readonly userDataSourceId?: number | null;
  readonly clientId?: string | null;
  readonly signatureHeader?: string | null;
  readonly signatureAlgorithm?: 'sha1' | 'sha256' | null;
  readonly signatureKeys?: readonly SignatureKey[] | null;
  readonly oauth?: Secret<'tokenUrl' | 'clientId' | 'clientSecret'> | null;
  readonly target?: string | null;
  readonly endpoint?: string | null;
  readonly region?: string | null;
  readonly credentials?: Secret<
    'hostKey' | 'password' | 'privateKey' | 'passphrase' | 'accessKeyId' | 'secretAccessKey'
  > | null;
  readonly schedule?: string | null;
  readonly syncMode?: 'full' | 'iter' | null;
  readonly splitLines?: number | null;
  readonly compress?: boolean | null;
  readonly alias?: string | null;

  /** What is kept of it and not shown, such as `signatureKeys[0]` and `oauth.clientSecret`. */
  readonly notShown?: readonly string[];
}

/** What is written of a secret: of the rest, what is kept stays; null is removed. */
export type Secret<Part extends string> = { readonly [Name in Part]?: string | null };

/** A key, or the place of one that is kept. */
export type SignatureKey = string | { readonly kept: number };

/** What lists add to it. */
export interface ListedDestination extends Destination {
  readonly destinationId: number;
  readonly name: string;
  readonly mappingCount: number;
}

/** What a new one starts with. */
export const STARTS: Readonly<Record<Kind, Destination>> = {
  PUSH: {
    destinationType: 'PUSH',
    autoFill: 'SEGMENT_ID',
    serializationEnabled: true,
    delimiter: ',',
    tagType: 0,
    hideReferrer: true,
    mappings: [],
  },
  ADS: {
    destinationType: 'ADS',
    autoFill: 'SEGMENT_ID',
    formatType: 'single_key',
    singleKey: 'seg',
    keySeparator: '=',
    valueSeparator: ',',
    serializationEnabled: true,
    serializationSeparator: '#',
    ttl: 30,
    maxSize: 2_048,
    mappings: [],
  },
  S2S: {
    destinationType: 'S2S',
    autoFill: 'SEGMENT_ID',
    transfer: 'realtime',
    mappings: [],
  },
};

/** The kinds in a marketer's words. */
export const KINDS: Readonly<
  Record<Kind, { readonly name: string; readonly short: string; readonly what: string }>
> = {
  PUSH: {
    name: 'URL destination',
    short: 'URL',
    what: 'The visitor’s browser calls the partner while the page is open: ad networks, DSPs, analytics.',
  },
  ADS: {
    name: 'Cookie destination',
    short: 'Cookie',
    what: 'A cookie on your own pages says which segments a visitor is in: for ad servers and your own scripts.',
  },
  S2S: {
    name: 'Server-to-server destination',
    short: 'Server-to-server',
    what: 'Switchyard’s servers tell the partner’s servers, in real time or as files, also of visitors who are away.',
  },
};

/** Whether each mapping of it has a URL of its own. */
export const isPlain = ({ destinationType, serializationEnabled }: Destination) =>
  destinationType === 'PUSH' && !serializationEnabled;

/**
 * A mapping whose value is filled in by the destination, as a new one's is. What a key-and-value cookie has
 * as `traitAlias` is the key, which nothing fills in.
 */
export function valueless(
  { destinationType, formatType }: Destination,
  { traitAlias, valueAlias, ...rest }: Mapping,
): Mapping {
  if (destinationType !== 'ADS') return { ...rest, valueAlias };
  // With a single key, either may be the value.
  return formatType === 'key_value' ? { ...rest, traitAlias } : rest;
}

/** As it is sent: what was left empty is left out; of secrets it stays as it is then, and null removes it. */
export function published({ notShown: _, ...destination }: Destination): Destination {
  const given = (entry: object) =>
    Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== '' && value !== null));
  const parts = (secret: object) =>
    Object.fromEntries(Object.entries(secret).filter(([, part]) => part !== ''));
  const { mappings, signatureKeys, oauth, credentials } = destination;
  return {
    ...(given(destination) as unknown as Destination),
    mappings: mappings?.map(given) as Mapping[] | undefined,
    signatureKeys: signatureKeys ? signatureKeys.filter((key) => key !== '') : signatureKeys,
    oauth: oauth ? parts(oauth) : oauth,
    credentials: credentials ? parts(credentials) : credentials,
  };
}

/** The steps in which it is made, and which fields each is about. */
export const STEPS = [
  {
    id: 'basics',
    title: 'Basic information',
    fields: ['name', 'description', 'category', 'status', 'platform', 'autoFill'],
  },
  {
    id: 'labels',
    title: 'Labels and consent',
    fields: ['dataExportLabels', 'iabVendorId', 'iabPurposes', 'serviceProvider'],
  },
  { id: 'configuration', title: 'Configuration', fields: [] },
  { id: 'mappings', title: 'Segment mappings', fields: ['mappings'] },
] as const;
export type StepId = (typeof STEPS)[number]['id'];

/** The step in which a problem can be mended: what no other step is about is configuration. */
export function stepOf({ path }: Problem): StepId {
  const field = /^\w*/.exec(path)?.[0] ?? '';
  const step = STEPS.find(({ fields }) => (fields as readonly string[]).includes(field));
  return step?.id ?? 'configuration';
}
