/** Compiles destinations and mappings of the account document for the decision. */
import { bitsOfPurposes, type ConsentNeed } from '../audience/consent.ts';
import type { ConsentTerms } from '../destinations/consent.ts';
import type {
  CookieDestination,
  Destination,
  Mapping,
  RealtimeTransfer,
  ServerDestination,
  UrlDestination,
} from '../destinations/destination.ts';
import { hasAlias, parseTemplate, type Template, TemplateError } from '../destinations/macro.ts';
import { nextRun, ScheduleError } from '../outbound/files/schedule.ts';
import {
  bitsOf,
  type DestinationDocument,
  EXPORT_LABELS,
  type MappingDocument,
  type SegmentDocument,
} from './document.ts';
import { compileTarget } from './file-target.ts';
import type { Problem } from './problem.ts';
import type { Turns } from './turns.ts';

/** What a mapping has to know of its segment. */
export interface MappedSegment {
  /** Its place in the account. */
  readonly place: number;
  readonly document: SegmentDocument;
  /** What the data sources of its traits forbid, as bits. */
  readonly restrictions: number;
}

/** What a destination has to know of the rest of the account. */
export interface Given {
  readonly path: string;
  readonly siteIds: ReadonlySet<number>;
  /** Ids of destinations that others fall back to. */
  readonly fallbackIds: ReadonlySet<number>;
  readonly segmentOf: (sid: number) => MappedSegment | undefined;
  /** What the account needs of every visitor. */
  readonly requiredConsent: ConsentNeed;
}

/**
 * A destination with its mappings: everything that is checked of it when it is saved, but its shape.
 *
 * @param mappings its own; undefined where one could not be read
 * @param segmentOf a segment of the account by its sid
 */
export function* compileWithMappings(
  document: DestinationDocument,
  mappings: readonly (MappingDocument | undefined)[],
  given: Given,
  problems: Problem[],
): Turns<{ destination: Destination; mappings: Mapping[] }> {
  const { segmentOf } = given;
  const destination = compileDestination(document, given, problems);
  const compiled: Mapping[] = [];
  for (const [i, mappingDocument] of mappings.entries()) {
    yield;
    if (!mappingDocument) continue;
    const path = `${given.path}.mappings[${i}]`;
    const segment = segmentOf(mappingDocument.sid);
    if (!segment) {
      problems.push({
        path: `${path}.sid`,
        wrong: `there is no segment ${mappingDocument.sid}`,
        instead: 'write the sid of a segment of this document',
      });
    }
    const mapping = compileMapping(document, destination, mappingDocument, segment?.document, {
      segment: segment?.place ?? -1,
      restrictions: segment?.restrictions ?? 0,
      path,
      problems,
    });
    if (mapping && segment && mappingDocument.elementStatus === 'active') compiled.push(mapping);
  }
  return { destination, mappings: compiled };
}

function compileDestination(
  document: DestinationDocument,
  { path, siteIds, fallbackIds, requiredConsent }: Given,
  problems: Problem[],
): Destination {
  document.siteIDs?.forEach((id, i) => {
    if (siteIds.has(id)) return;
    problems.push({
      path: `${path}.siteIDs[${i}]`,
      wrong: `there is no site ${id}`,
      instead: 'write the siteId of a site of this document',
    });
  });
  if (document.domainRestrictions !== 'all_domains' && !document.siteIDs?.length) {
    problems.push({
      path: `${path}.siteIDs`,
      wrong: `missing, though domainRestrictions is "${document.domainRestrictions}"`,
      instead: 'write the sites that are meant, or "all_domains"',
    });
  }
  const common = {
    id: document.destinationId,
    name: document.name,
    active: document.status === 'active',
    platform: document.platform ?? 'all',
    labels: bitsOf(document.dataExportLabels),
    consent: consentTerms(document, requiredConsent),
    priority: document.priority,
    cap: document.frequencyCap ?? undefined,
    publish: { to: document.domainRestrictions, sites: new Set(document.siteIDs) },
  };
  switch (document.destinationType) {
    case 'PUSH':
      return {
        ...common,
        kind: 'url',
        tag: document.tagType === 1 ? 'iframe' : 'img',
        hideReferrer: document.hideReferrer,
        serialized: compileSerialized(document, path, problems),
      };
    case 'ADS':
      return { ...common, ...compileCookie(document, path, problems) };
    case 'S2S':
      return {
        ...common,
        kind: 'server',
        transfer: compileTransfer(document, path, problems),
        isFallback: fallbackIds.has(document.destinationId),
      };
  }
}

const consentTerms = (
  { iabVendorId, iabPurposes, serviceProvider }: DestinationDocument,
  required: ConsentNeed,
): ConsentTerms => ({
  purposes: required.purposes | bitsOfPurposes(iabPurposes ?? []),
  vendors: iabVendorId == null ? required.vendors : [...required.vendors, iabVendorId],
  serviceProvider,
});

type PushDocument = Extract<DestinationDocument, { destinationType: 'PUSH' }>;
type AdsDocument = Extract<DestinationDocument, { destinationType: 'ADS' }>;
type S2sDocument = Extract<DestinationDocument, { destinationType: 'S2S' }>;

function compileSerialized(
  document: PushDocument,
  path: string,
  problems: Problem[],
): UrlDestination['serialized'] {
  if (!document.serializationEnabled) return undefined;
  const base = document.urlFormatString ?? '';
  const secure = document.secureUrlFormatString || base.replace(/^http:/i, 'https:');
  const before = problems.length;
  for (const [field, text] of [
    ['urlFormatString', base],
    ['secureUrlFormatString', document.secureUrlFormatString || undefined],
  ] as const) {
    if (text === undefined || hasAlias(text)) continue;
    problems.push({
      path: `${path}.${field}`,
      wrong: text ? 'there is no %ALIAS% in it' : 'missing, though serializationEnabled is true',
      instead: 'write %ALIAS% where the mapped values go, such as https://dsp.example/m?s=%ALIAS%',
    });
  }
  // The document is refused; its mappings are still to be checked as what they are.
  if (problems.length > before) return { url: [], secureUrl: [], delimiter: '' };
  return {
    url: template(base, `${path}.urlFormatString`, problems),
    secureUrl: secureTemplate(secure, `${path}.secureUrlFormatString`, problems),
    delimiter: encodeURI((document.delimiter ?? ',').toWellFormed()),
  };
}

function compileCookie(
  document: AdsDocument,
  path: string,
  problems: Problem[],
): Omit<
  CookieDestination,
  'id' | 'name' | 'active' | 'labels' | 'consent' | 'priority' | 'publish'
> {
  if (document.formatType === 'single_key' && !document.singleKey) {
    problems.push({
      path: `${path}.singleKey`,
      wrong: 'missing, though formatType is "single_key"',
      instead: 'write the key, or the formatType "key_value"',
    });
  }
  if (document.platform !== undefined && document.platform !== 'browser') {
    problems.push({
      path: `${path}.platform`,
      wrong: `"${document.platform}" cannot take cookies`,
      instead: 'write "browser", or leave it out',
    });
  }
  return {
    kind: 'cookie',
    platform: 'browser',
    cookieName: document.cookieName,
    domain: (document.cnameDomain ?? '').replace(/^\./, '').toLowerCase(),
    ttlDays: document.ttl,
    maxSize: document.maxSize,
    singleKey: document.formatType === 'single_key' ? (document.singleKey ?? '') : undefined,
    keySeparator: document.keySeparator,
    valueSeparator: document.valueSeparator,
    serializationSeparator: document.serializationEnabled
      ? (document.serializationSeparator ?? '#')
      : undefined,
  };
}

function compileTransfer(
  document: S2sDocument,
  path: string,
  problems: Problem[],
): ServerDestination['transfer'] {
  const userDataSource = document.userDataSourceId ?? undefined;
  if (document.transfer === 'file') {
    const { alias, syncMode, schedule, splitLines, compress } = document;
    if (alias && !/^[\w.-]+$/.test(alias)) {
      problems.push({
        path: `${path}.alias`,
        wrong: `${JSON.stringify(alias)} cannot stand in the name of a file`,
        instead: 'write letters, digits, - _ and .',
      });
    }
    if (schedule) checkSchedule(schedule, `${path}.schedule`, problems);
    return {
      kind: 'file',
      target: compileTarget(document, path, problems),
      userDataSource,
      alias: alias ?? '',
      syncMode: syncMode ?? 'iter',
      schedule: schedule || undefined,
      splitLines: splitLines ?? undefined,
      compress: compress ?? false,
    };
  }
  checkEndpoint(document.endpointUrl, `${path}.endpointUrl`, problems);
  if (document.oauth) {
    checkEndpoint(document.oauth.tokenUrl, `${path}.oauth.tokenUrl`, problems, '(secret)');
  }
  return {
    kind: 'realtime',
    endpointUrl: document.endpointUrl ?? '',
    userDataSource,
    clientId: document.clientId ?? '',
    signature: compileSignature(document, path, problems),
    oauth: document.oauth ?? undefined,
  };
}

function checkSchedule(schedule: string, path: string, problems: Problem[]): void {
  try {
    nextRun(schedule, Date.now());
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    problems.push({
      path,
      wrong: error.message,
      instead: 'write minute, hour, day, month and weekday in UTC, such as 30 2 * * * or @hourly',
    });
  }
}

/** Where it may lead, and that it is https, is looked at when it is saved: operators may allow others. */
function checkEndpoint(
  url: string | null | undefined,
  path: string,
  problems: Problem[],
  shown = JSON.stringify(url?.slice(0, 80)),
): void {
  if (url && /^https?:$/.test(URL.parse(url)?.protocol ?? '')) return;
  problems.push({
    path,
    wrong: url ? `${shown} is not a secure address` : 'missing',
    instead: 'write an address that starts with https://, such as https://partner.example/in',
  });
}

function compileSignature(
  { signatureHeader: header, signatureAlgorithm, signatureKeys }: S2sDocument,
  path: string,
  problems: Problem[],
): RealtimeTransfer['signature'] {
  const keys = signatureKeys ?? [];
  if (!header && keys.length === 0) return undefined;
  if (!header || keys.length === 0) {
    const [missing, given] = header
      ? ['signatureKeys', 'signatureHeader']
      : ['signatureHeader', 'signatureKeys'];
    problems.push({
      path: `${path}.${missing}`,
      wrong: `missing, though there is ${given}`,
      instead: header
        ? 'write the key that the partner checks messages with, or no header'
        : 'write the header that carries the signature, such as X-Signature',
    });
  } else if (!/^[\w-]+$/.test(header) || TAKEN_HEADERS.test(header)) {
    problems.push({
      path: `${path}.signatureHeader`,
      wrong: `${JSON.stringify(header)} cannot carry the signature`,
      instead: 'write a name of letters, digits and -, such as X-Signature',
    });
  }
  return { header: header ?? '', algorithm: signatureAlgorithm ?? 'sha1', keys };
}

/** Headers that say something else of a message. */
const TAKEN_HEADERS =
  /^(content-.*|host|connection|transfer-encoding|authorization|accept|date|idempotency-key)$/i;

/** @returns undefined where the mapping has a problem */
function compileMapping(
  destinationDocument: DestinationDocument,
  destination: Destination,
  document: MappingDocument,
  segmentDocument: SegmentDocument | undefined,
  given: { segment: number; restrictions: number; path: string; problems: Problem[] },
): Mapping | undefined {
  const { path, problems } = given;
  const before = problems.length;
  const blocked = given.restrictions & destination.labels;
  if (blocked) {
    const labels = EXPORT_LABELS.filter((_, bit) => blocked & (1 << bit)).join(', ');
    problems.push({
      path,
      wrong: `export controls forbid it: a data source of segment ${document.sid} excludes ${labels}, which the destination is labelled for`,
      instead: 'leave the mapping out, or change the label or the trait',
    });
  }
  const from = document.startDate ? dayOfDate(document.startDate) : Number.NEGATIVE_INFINITY;
  const to = document.endDate ? dayOfDate(document.endDate) : Number.POSITIVE_INFINITY;
  if (from > to) {
    problems.push({
      path: `${path}.endDate`,
      wrong: `${document.endDate} is before the start date ${document.startDate}`,
      instead: 'write a later day, or leave it out',
    });
  }
  const filled = autoFilled(destinationDocument, segmentDocument);
  const alias =
    destination.kind === 'cookie'
      ? document.valueAlias || (destination.singleKey ? document.traitAlias : '') || filled
      : document.traitAlias || filled;
  const plain = destination.kind === 'url' && !destination.serialized;
  if (!plain && !alias) {
    const field = destination.kind === 'cookie' ? 'valueAlias' : 'traitAlias';
    problems.push({
      path: `${path}.${field}`,
      wrong: 'missing',
      instead: 'write the value to send, or set autoFill on the destination',
    });
  }
  if (
    destination.kind === 'server' &&
    destination.transfer.kind === 'file' &&
    /[\s,]/.test(alias ?? '')
  ) {
    problems.push({
      path: `${path}.traitAlias`,
      wrong: `${JSON.stringify(alias)} cannot stand in a file, in which spaces and commas separate`,
      instead: 'write it without spaces and commas',
    });
  }
  const key = document.traitAlias ?? '';
  if (destination.kind === 'cookie' && destination.singleKey === undefined && !key) {
    problems.push({
      path: `${path}.traitAlias`,
      wrong: 'missing, though formatType is "key_value"',
      instead: 'write the key of this mapping',
    });
  }
  const urls = plain ? compileUrls(document, path, problems) : undefined;
  if (problems.length > before) return undefined;
  return {
    destination,
    segment: given.segment,
    sid: document.sid,
    from,
    to,
    priority: document.priority ?? 0,
    alias: alias ?? '',
    key,
    ...urls,
    restrictions: given.restrictions,
  };
}

function compileUrls(
  { url, secureUrl }: MappingDocument,
  path: string,
  problems: Problem[],
): Pick<Mapping, 'url' | 'secureUrl'> | undefined {
  if (!url) {
    problems.push({
      path: `${path}.url`,
      wrong: 'missing',
      instead: 'write the address to call, such as https://partner.example/pixel?id=%DID%',
    });
    return undefined;
  }
  const secure = secureUrl || url.replace(/^http:/i, 'https:');
  return {
    url: template(url, `${path}.url`, problems),
    secureUrl: secureTemplate(secure, `${path}.secureUrl`, problems),
  };
}

function template(text: string, path: string, problems: Problem[]): Template {
  try {
    return parseTemplate(text);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const [wrong, instead] = error.message.split('; ');
    problems.push({ path, wrong, instead });
    return [];
  }
}

function secureTemplate(text: string, path: string, problems: Problem[]): Template {
  if (!/^(https:|%HTTP_PROTO%:)/i.test(text)) {
    problems.push({
      path,
      wrong: `${JSON.stringify(text.slice(0, 80))} is not secure`,
      instead: 'write an address that starts with https://',
    });
    return [];
  }
  return template(text, path, problems);
}

function autoFilled(
  { autoFill }: DestinationDocument,
  segment: SegmentDocument | undefined,
): string {
  // What an unknown segment would fill in is not known; that it is unknown has been said.
  if (!segment) return autoFill === 'NONE' ? '' : '?';
  if (autoFill === 'SEGMENT_ID') return String(segment.sid);
  return autoFill === 'INTEGRATION_CODE' ? (segment.integrationCode ?? '') : '';
}

const dayOfDate = (date: string) => Date.parse(`${date}T00:00:00Z`) / 86_400_000;
