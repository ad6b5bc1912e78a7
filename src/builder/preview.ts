/**
 * What a partner will get of a destination, while it is being written: made by the code that decides
 * and answers pages, for a sample visitor who holds every mapped segment.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { z } from 'zod';
import { type DestinationDocument, type SiteDocument, siteSchema } from '../account/document.ts';
import { inTurns } from '../account/turns.ts';
import { NOTHING_STATED } from '../audience/consent.ts';
import { dayOf, Profile } from '../audience/profile.ts';
import { cookieHeader } from '../collect/device-cookie.ts';
import type { FrontDoor } from '../collect/event.ts';
import { isDeviceId } from '../collect/identity.ts';
import { covers } from '../destinations/cookie.ts';
import type {
  CookieDestination,
  Destination,
  FileTransfer,
  Mapping,
  RealtimeTransfer,
  UrlDestination,
} from '../destinations/destination.ts';
import { type Delivery, due, reachOf, type Visit } from '../destinations/due.ts';
import { lifetimesOf } from '../destinations/lifetime.ts';
import { REASONS, type Reason } from '../destinations/reason.ts';
import {
  infoName,
  infoOf,
  syncFileName,
  syncFileRoot,
  syncLine,
} from '../outbound/files/sync-file.ts';
import { composeMessage } from '../outbound/realtime/message.ts';
import type { AccountBook, Document } from './book.ts';
import { type Behind, includes } from './caller.ts';
import type { Paths } from './operation.ts';
import { bodyIn, either, RestError } from './request.ts';
import { entriesOf } from './resource.ts';
import { type Sketch, sketch } from './sketch.ts';

/** Easy to see in an address. */
const SAMPLE_UUID = '12345678901234567890123456789012345678';
const SAMPLE_ECID = '98765432109876543210987654321098765432';
const SAMPLE_NONCE = 1_234_567_890;
const SAMPLE_CONSENT: Readonly<Record<string, string>> = {
  gdpr: '1',
  gdpr_consent: 'CONSENT',
  gpp: 'GPP',
  gpp_sid: '7',
  us_privacy: '1YNN',
};
const sampleIdIn = (dataSource: number) => `id-in-${dataSource}`;

export function preview(book: AccountBook, door: FrontDoor): Hono<Behind> {
  const app = new Hono<Behind>();

  app.on('POST', either('/preview'), async (c) => {
    const given = await bodyIn(c, previewRequest);
    const document = (await book.current()).document as Document;
    const place = placeOf(document, given, c.req.header('host') ?? '');
    const drawn = await inTurns(sketch(document, given.destination));
    const visitor = { uuid: given.uuid ?? SAMPLE_UUID, region: door.settings.region };
    // Who may change nothing could have messages signed here that the partner would believe.
    const maySign = includes(c.get('caller').role, 'editor');
    return c.json(previewOf(drawn, { ...place, ...visitor, maySign, at: Date.now() }));
  });

  return app;
}

/** For whom, where and when a preview is made. */
export interface Setting {
  readonly uuid: string;
  readonly region: number;
  readonly at: number;
  /** The site that is asked about, its page, and the hosts of the endpoint that it calls. */
  readonly site: number | undefined;
  readonly page: { readonly host: string; readonly secure: boolean } | undefined;
  readonly hosts: readonly string[];
  /** Whether signatures are made with the stored keys. */
  readonly maySign: boolean;
}

export function previewOf({ problems, compiled }: Sketch, setting: Setting): Preview {
  if (!compiled)
    return { problems: [...problems], calls: [], blocked: [], visitor: shownVisitor() };
  const { destination, mappings, document } = compiled;
  const profile = sampleProfile(JSON.stringify(document));
  const visit = visitOf(destination, setting);
  const told = {
    problems: [...problems],
    calls: [],
    blocked: [
      ...switchedOff(document),
      ...blockedOf(destination, mappings, profile, visit, setting),
    ],
    visitor: shownVisitor(setting.uuid, profile),
  };
  switch (destination.kind) {
    case 'url':
      return { ...told, calls: callsOf(destination, mappings, profile, visit) };
    case 'cookie':
      return { ...told, cookie: cookieOf(destination, mappings, profile, visit, setting) };
    case 'server': {
      const { id, transfer } = destination;
      const hasToken = 'oauth' in document && document.oauth != null;
      return transfer.kind === 'realtime'
        ? { ...told, message: messageOf(id, transfer, hasToken, mappings, profile, setting) }
        : { ...told, file: fileOf(id, transfer, mappings, profile, setting) };
    }
  }
}

/** Nothing keeps these from being delivered. */
const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, restrictions: 0 };
const OPEN = {
  active: true,
  platform: 'all',
  cap: undefined,
  publish: { to: 'all_domains', sites: new Set<number>() },
} as const;

interface Decided extends Delivery {
  readonly reasons: readonly { sid: number; reason: Reason }[];
}

/** What the decision makes of a visitor who holds all segments, and no other destination. */
function decided(mappings: readonly Mapping[], profile: Profile, visit: Visit): Decided {
  const reasons: { sid: number; reason: Reason }[] = [];
  const cookies = new Set(mappings.flatMap(({ destination: d }) => (d.kind === 'cookie' ? d : [])));
  const delivery = due(
    {
      bySegment: mappings.map((mapping) => [mapping]),
      cookieDestinations: {
        byId: new Map([...cookies].map((cookie) => [cookie.id, cookie])),
        byName: Map.groupBy(cookies, ({ cookieName }) => cookieName),
      },
      keepsOrder: false,
    },
    [...mappings.keys()],
    profile,
    visit,
    (_, sid, reason) => {
      if (sid !== 0) reasons.push({ sid, reason });
    },
  );
  return { ...delivery, reasons };
}

const unhindered = (destination: Destination, mappings: readonly Mapping[]): Mapping[] => {
  const open: Destination = { ...destination, ...OPEN };
  return mappings.map((mapping) => ({ ...mapping, ...ALWAYS, destination: open }));
};

function callsOf(
  destination: UrlDestination,
  mappings: readonly Mapping[],
  profile: Profile,
  visit: Visit,
): Preview['calls'] {
  const { urls, reasons } = decided(unhindered(destination, mappings), profile, visit);
  const sids = reasons.map(({ sid }) => sid);
  return urls.map(({ url, secureUrl }, i) => ({
    sids: destination.serialized ? sids : [sids[i]],
    url,
    secureUrl,
  }));
}

function cookieOf(
  destination: CookieDestination,
  mappings: readonly Mapping[],
  profile: Profile,
  visit: Visit,
  { hosts, page }: Setting,
): Preview['cookie'] {
  const { cookieName: name, domain, ttlDays, maxSize } = destination;
  // Somewhere where it can be set, wherever that is.
  const host = domain || visit.pageHost || 'page';
  const { cookies, reasons } = decided(unhindered(destination, mappings), profile, {
    ...visit,
    host,
    pageHost: host,
  });
  const [line] = cookies;
  const reach = hosts.map((one) => reachFrom(destination, one, page?.host));
  return {
    name,
    value: line?.value ?? '',
    line: line ? cookieHeader(line, visit.pageSecure) : '',
    bytes: line?.value.length ?? 0,
    maxSize,
    leftOut: reasons.filter(({ reason }) => reason === 'over-size').map(({ sid }) => sid),
    reach,
    lifetimes: lifetimesOf(ttlDays, reach.length === 0 || reach.some(({ isOwn }) => isOwn)),
  };
}

/** Who writes the cookie where a page calls an endpoint. */
function reachFrom({ domain }: CookieDestination, host: string, pageHost: string | undefined) {
  const reach = reachOf({ domain }, { pageHost, host, tagWritesCookies: true, coppa: false });
  const shown = domain ? `.${domain}` : 'of the page';
  const isOwn = domain === '' || pageHost === undefined || covers(domain, pageHost);
  const how = reach?.byHeader ? 'server' : reach?.byTag ? 'script' : 'nobody';
  const why = {
    server: `the server sets it: ${host} belongs to the cookie domain ${shown}`,
    script: `the tag on the page writes it: ${host} does not belong to the cookie domain ${shown}, so the server cannot`,
    nobody: REASONS['cookie-domain'],
  }[how];
  return { host, how, isOwn, why } as const;
}

const switchedOff = ({ mappings }: DestinationDocument): Preview['blocked'] =>
  (mappings ?? [])
    .filter(({ elementStatus }) => elementStatus !== 'active')
    .map(({ sid }) => ({ sid, reason: 'inactive', why: 'the mapping is switched off' }));

/** What keeps mappings from being delivered there and now. */
function blockedOf(
  destination: Destination,
  mappings: readonly Mapping[],
  profile: Profile,
  visit: Visit,
  { page, site }: Setting,
): Preview['blocked'] {
  const isAnywhere = page === undefined && site === undefined;
  const one: Destination = isAnywhere ? { ...destination, publish: OPEN.publish } : destination;
  const host = isAnywhere && one.kind === 'cookie' ? one.domain || 'page' : visit.host;
  const pageHost = isAnywhere && one.kind === 'cookie' ? host : visit.pageHost;
  const { reasons } = decided(
    mappings.map((mapping) => ({ ...mapping, destination: one })),
    profile,
    { ...visit, host, pageHost },
  );
  return reasons
    .filter(({ reason }) => !FINE.has(reason))
    .map(({ sid, reason }) => ({ sid, reason, why: REASONS[reason] }));
}

const FINE = new Set<Reason>(['delivered', 'over-size', 'later']);

function messageOf(
  id: number,
  transfer: RealtimeTransfer,
  hasToken: boolean,
  mappings: readonly Mapping[],
  profile: Profile,
  { uuid, region, at, maySign }: Setting,
): Preview['message'] {
  const { signature, endpointUrl, userDataSource } = transfer;
  const user = {
    deviceId: uuid,
    partnerId: userDataSource === undefined ? undefined : profile.idIn(userDataSource),
    regions: [region],
    segments: mappings.map(({ alias }) => ({ alias, isMember: true, at })),
  };
  const signed = maySign ? transfer : { ...transfer, signature: undefined };
  const { headers, body } = composeMessage({ id }, signed, [user], at);
  const shown: Record<string, string> = {};
  if (hasToken) shown.Authorization = 'Bearer (what the token address gives)';
  if (signature && !maySign) shown[signature.header] = '(a signature, for editors to see)';
  // Two headers of one name mean the same as one with both values.
  for (const [name, value] of headers) {
    shown[name] = shown[name] === undefined ? value : `${shown[name]}, ${value}`;
  }
  return { url: endpointUrl, headers: shown, body: JSON.parse(body), text: body };
}

function fileOf(
  id: number,
  transfer: FileTransfer,
  mappings: readonly Mapping[],
  profile: Profile,
  { uuid, at }: Setting,
): Preview['file'] {
  const { userDataSource, compress } = transfer;
  const partnerId = userDataSource === undefined ? undefined : profile.idIn(userDataSource);
  const aliases = mappings.map(({ alias }) => alias);
  const lines = [syncLine(partnerId ?? uuid, aliases)];
  const text = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  const bytes = compress ? gzipSync(text) : text;
  const root = syncFileRoot({ id }, transfer, at);
  const name = syncFileName(root, compress);
  const md5 = createHash('md5').update(bytes).digest('hex');
  const info = infoOf(root, [{ name, size: bytes.length, lines: lines.length, md5 }]);
  return { name, lines, infoName: infoName(root), info: { ...info } };
}

/** Known to every data source that the destination asks for. */
function sampleProfile(text: string): Profile {
  const profile = new Profile();
  profile.ecid = SAMPLE_ECID;
  for (const [, macro, field] of text.matchAll(/%DPID_(\d+)%|"userDataSourceId":(\d+)/gi)) {
    const dataSource = Number(macro ?? field);
    profile.declare(dataSource, sampleIdIn(dataSource));
  }
  return profile;
}

function shownVisitor(uuid = SAMPLE_UUID, profile = new Profile()): Preview['visitor'] {
  const ids = [...profile.declared].map(([dataSource, [id]]) => [dataSource, id]);
  return { uuid, ecid: SAMPLE_ECID, ids: Object.fromEntries(ids), consent: SAMPLE_CONSENT };
}

const visitOf = (
  { platform }: Destination,
  { uuid, region, at, site, page, hosts }: Setting,
): Visit => ({
  at,
  day: dayOf(at),
  deviceId: uuid,
  platform,
  site,
  pageBudget: Number.POSITIVE_INFINITY,
  pageHost: page?.host,
  pageSecure: page?.secure ?? true,
  host: hosts[0] ?? '',
  coppa: false,
  urls: 'all',
  tagWritesCookies: true,
  cookies: {},
  region,
  nonce: SAMPLE_NONCE,
  consent: (parameter) => SAMPLE_CONSENT[parameter],
  stated: NOTHING_STATED,
  unread: false,
});

/** Which site and page are asked about, and which hosts they call. */
function placeOf(
  document: Document,
  { siteId, page }: z.output<typeof previewRequest>,
  ownHost: string,
): Pick<Setting, 'site' | 'page' | 'hosts'> {
  const address = page === undefined ? undefined : URL.parse(page);
  if (address === null) {
    const instead = 'write it with https:// and a host name, or leave it out';
    throw new RestError(400, { path: 'page', wrong: 'no web address', instead });
  }
  const sites = entriesOf(document, 'sites').map((entry) => siteSchema.parse(entry));
  const site =
    siteId === undefined
      ? address && siteOfPage(sites, address.hostname)
      : sites.find((one) => one.siteId === siteId);
  if (siteId !== undefined && !site) {
    const instead = 'write the siteId of a site of the account, or leave it out';
    throw new RestError(400, { path: 'siteId', wrong: `there is no site ${siteId}`, instead });
  }
  const own = ownHost.replace(/:\d+$/, '').toLowerCase();
  return {
    site: site?.siteId,
    page: address
      ? { host: address.hostname, secure: address.protocol === 'https:' }
      : site && { host: site.domains[0], secure: true },
    hosts: site && site.hosts.length > 0 ? site.hosts : [own],
  };
}

/** The site with the longest domain that covers a page's host. */
function siteOfPage(sites: readonly SiteDocument[], host: string): SiteDocument | undefined {
  const length = ({ domains }: SiteDocument) =>
    Math.max(0, ...domains.filter((domain) => covers(domain, host)).map((domain) => domain.length));
  return sites.filter((site) => length(site) > 0).sort((a, b) => length(b) - length(a))[0];
}

const previewRequest = z.strictObject({
  destination: z.record(z.string(), z.unknown()).meta({
    description:
      'As it is written so far, with its mappings. With the id of one that is there: instead of it.',
  }),
  siteId: z.int().min(1).optional().meta({ description: 'The site that is asked about.' }),
  page: z
    .string()
    .max(8_192)
    .optional()
    .meta({ description: 'Likewise the page, by its address.' }),
  uuid: z
    .string()
    .refine(isDeviceId, { error: 'no device id|write its 38 digits, or leave it out' })
    .optional(),
});

const problem = z.object({ path: z.string(), wrong: z.string(), instead: z.string() });
const sid = z.int();

const previewAnswer = z.object({
  problems: z.array(problem).meta({
    description: 'What saving would find wrong; paths are from the destination on.',
  }),
  blocked: z.array(z.object({ sid, reason: z.string(), why: z.string() })).meta({
    description: 'Mappings that would not be delivered now, on the page asked about.',
  }),
  calls: z.array(z.object({ sids: z.array(sid), url: z.string(), secureUrl: z.string() })),
  cookie: z
    .object({
      name: z.string(),
      value: z.string(),
      line: z.string().meta({ description: 'The header Set-Cookie.' }),
      bytes: z.int().meta({ description: 'Of the value.' }),
      maxSize: z.int(),
      leftOut: z.array(sid),
      reach: z.array(
        z.object({
          host: z.string().meta({ description: 'Of the collection endpoint.' }),
          how: z.enum(['server', 'script', 'nobody']),
          isOwn: z.boolean().meta({ description: 'Whether it is a cookie of the page itself.' }),
          why: z.string(),
        }),
      ),
      lifetimes: z.array(
        z.object({
          how: z.enum(['server', 'script']),
          browser: z.string(),
          days: z.number(),
          why: z.string(),
        }),
      ),
    })
    .optional(),
  message: z
    .object({
      url: z.string(),
      headers: z.record(z.string(), z.string()),
      body: z.unknown(),
      text: z.string().meta({ description: 'The body as it is sent, and as it is signed.' }),
    })
    .optional(),
  file: z
    .object({
      name: z.string(),
      lines: z.array(z.string()),
      infoName: z.string(),
      info: z.record(z.string(), z.unknown()),
    })
    .optional(),
  visitor: z.object({
    uuid: z.string(),
    ecid: z.string(),
    ids: z.record(z.string(), z.string()),
    consent: z.record(z.string(), z.string()),
  }),
});

export type Preview = z.output<typeof previewAnswer>;

export const previewPaths: Paths = {
  '/v1/preview': {
    post: {
      summary: 'What the partner will get of a destination, half written or whole',
      body: previewRequest,
      answers: { 200: ['For a sample visitor who holds every mapped segment.', previewAnswer] },
      refusals: [400],
    },
  },
};
