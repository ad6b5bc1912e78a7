/**
 * What is due where: from the segments that hold to the calls and cookies of one answer.
 *
 * Pure: the same visit, profile and mappings give the same delivery. A recorder may listen to the
 * reason for each mapping; deciding and explaining are the same code.
 */
import type { Consent } from '../audience/consent.ts';
import type { Change, Firing, Profile } from '../audience/profile.ts';
import { missingConsent } from './consent.ts';
import { composeCookie, covers } from './cookie.ts';
import type {
  CookieDestination,
  Destination,
  Mapping,
  Platform,
  UrlDestination,
} from './destination.ts';
import { fillTemplate, type MacroValues } from './macro.ts';
import type { Reason } from './reason.ts';

/** What the decision has to know of a request. */
export interface Visit {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly day: number;
  readonly deviceId: string;
  readonly platform: Platform;
  /** The site that is calling; undefined where the request does not tell. */
  readonly site: number | undefined;
  /** At most so many URL calls in this answer. */
  readonly pageBudget: number;
  /** The page's host name, where the request tells it. */
  readonly pageHost: string | undefined;
  readonly pageSecure: boolean;
  /** The host name that was called, without port. */
  readonly host: string;
  readonly coppa: boolean;
  /**
   * How URL destinations can be called: all of them by a tag or an iframe page, one by a redirect,
   * or none because nobody asked.
   */
  readonly urls: 'all' | 'one' | 'none';
  /** Whether a tag on the page writes the cookies, too. */
  readonly tagWritesCookies: boolean;
  /** The request's cookies, by name. */
  readonly cookies: Readonly<Record<string, string | undefined>>;
  readonly region: number;
  readonly nonce: number;
  readonly consent: MacroValues['consent'];
  /** What the visitor has stated, with this request or before. */
  readonly stated: Consent;
  /**
   * Whether the visitor is known by an id, but the profile could not be read: they may have opted
   * out, or have reached a cap.
   */
  readonly unread: boolean;
}

export interface UrlCall {
  readonly destination: UrlDestination;
  /** The address for the page as it is. */
  readonly url: string;
  readonly secureUrl: string;
}

export interface CookieLine {
  readonly name: string;
  readonly value: string;
  /** 0: until the browser closes; below 0: remove. */
  readonly ttlDays: number;
  /** As in `CookieDestination.domain`. */
  readonly domain: string;
  /** Whether it goes out as a `Set-Cookie` header, and whether the tag gets it. */
  readonly byHeader: boolean;
  readonly byTag: boolean;
}

export interface Delivery {
  readonly urls: readonly UrlCall[];
  readonly cookies: readonly CookieLine[];
  /** What the profile has to remember of it; undefined: nothing. */
  readonly remember: Pick<Change, 'firings' | 'cookiesSet' | 'cookiesRemoved'> | undefined;
}

/** Mappings of an account as the decision needs them. */
export interface Mappings {
  /** By the segment's place. */
  readonly bySegment: readonly (readonly Mapping[])[];
  readonly cookieDestinations: {
    readonly byId: ReadonlyMap<number, CookieDestination>;
    readonly byName: ReadonlyMap<string, readonly CookieDestination[]>;
  };
  /** Whether the order of calls matters at some site, so that each has to be remembered. */
  readonly keepsOrder: boolean;
}

/**
 * Is told the reason for each mapping whose segment holds; and, with 0 instead of a segment's id, for
 * each call or cookie of the destination: one for every mapping where each has a call of its own, one
 * for all of them together where they share it.
 */
export type Recorder = (destination: Destination, sid: number, reason: Reason) => void;

const NOTHING: Delivery = { urls: [], cookies: [], remember: undefined };

/** What a cookie's value is while it is being removed; some tags skip an empty one. */
const REMOVED = '-';

export function due(
  mappings: Mappings,
  segments: readonly number[],
  profile: Profile,
  visit: Visit,
  record?: Recorder,
): Delivery {
  const urls: Mapping[] = [];
  const cookies = new Map<CookieDestination, Mapping[]>();
  const untouched = new Set<CookieDestination>();
  const withheld: Withheld = new Map();
  for (const segment of segments) {
    for (const mapping of mappings.bySegment[segment]) {
      const { destination } = mapping;
      const reason = obstacle(mapping, profile, visit);
      if (reason) {
        if (record) recordObstacle(mapping, reason, withheld, record);
        if (destination.kind === 'cookie' && KEEPS_COOKIE.has(reason)) untouched.add(destination);
      } else if (destination.kind === 'url') urls.push(mapping);
      else if (destination.kind === 'cookie') {
        const due = cookies.get(destination);
        if (due) due.push(mapping);
        else cookies.set(destination, [mapping]);
      }
    }
  }
  const present = presentCookies(mappings, profile, visit);
  if (urls.length === 0 && cookies.size === 0 && present.size === 0) {
    if (record) recordWithheld(withheld, record);
    return NOTHING;
  }
  const firings: Firing[] = [];
  const calls = dueUrls(urls, profile, visit, mappings.keepsOrder, firings, record);
  const cookiesSet: number[] = [];
  const cookiesRemoved: number[] = [];
  const lines: CookieLine[] = [];
  const written = new Set<CookieDestination>();
  for (const [destination, due] of cookies) {
    const line = dueCookie(destination, due, visit, record);
    // Where not even one value fits, an older cookie is wrong.
    if (!line) {
      withheld.set(destination, 'over-size');
      continue;
    }
    withheld.delete(destination);
    written.add(destination);
    lines.push(line);
    if (!profile.cookies.has(destination.id)) cookiesSet.push(destination.id);
    if (destination.cap) firings.push(firing(destination, 0, visit));
  }
  for (const destination of present) {
    if (written.has(destination) || untouched.has(destination)) continue;
    const reach = reachOf(destination, visit);
    if (!reach) continue;
    const { cookieName: name, domain } = destination;
    lines.push({ name, value: REMOVED, ttlDays: -1, domain, ...reach });
    if (profile.cookies.has(destination.id)) cookiesRemoved.push(destination.id);
    withheld.delete(destination);
    record?.(destination, 0, 'removed');
  }
  if (record) {
    for (const { destination } of urls) withheld.delete(destination);
    recordWithheld(withheld, record);
  }
  const remembers = firings.length + cookiesSet.length + cookiesRemoved.length > 0;
  return {
    urls: calls,
    cookies: lines,
    remember: remembers ? { firings, cookiesSet, cookiesRemoved } : undefined,
  };
}

/** Destinations whose mappings share one call or cookie, with what is in its way. */
type Withheld = Map<Destination, Reason>;

function recordObstacle(
  { destination, sid }: Mapping,
  reason: Reason,
  withheld: Withheld,
  record: Recorder,
): void {
  record(destination, sid, reason);
  if (destination.kind === 'url' && !destination.serialized) record(destination, 0, reason);
  // Another mapping may still bring about what they share; else it is the first reason that counts.
  else if (!withheld.has(destination)) withheld.set(destination, reason);
}

function recordWithheld(withheld: Withheld, record: Recorder): void {
  for (const [destination, reason] of withheld) record(destination, 0, reason);
}

/** Cookie destinations whose cookie the browser has, as far as it shows or we remember. */
function presentCookies(
  { cookieDestinations: { byId, byName } }: Mappings,
  profile: Profile,
  visit: Visit,
): ReadonlySet<CookieDestination> {
  if (byId.size === 0) return NO_COOKIES;
  const present = new Set<CookieDestination>();
  for (const id of profile.cookies) {
    const destination = byId.get(id);
    if (destination) present.add(destination);
  }
  for (const name in visit.cookies) {
    for (const destination of byName.get(name) ?? []) present.add(destination);
  }
  return present;
}

const NO_COOKIES: ReadonlySet<CookieDestination> = new Set();

/** Obstacles that say nothing about whether the visitor still qualifies for a cookie. */
const KEEPS_COOKIE = new Set<Reason>([
  'capped',
  'platform',
  'cookie-domain',
  'domain',
  'coppa',
  'not-read',
]);

/** Why a mapping whose segment holds is not due; undefined if it is. */
function obstacle(mapping: Mapping, profile: Profile, visit: Visit): Reason | undefined {
  const { destination } = mapping;
  if (profile.optedOut) return 'opted-out';
  if (!destination.active) return 'inactive';
  if (visit.day < mapping.from) return 'not-started';
  if (visit.day > mapping.to) return 'ended';
  if (mapping.restrictions & destination.labels) return 'export-control';
  const missing = missingConsent(destination, visit.stated);
  if (missing) return missing;
  if (destination.kind === 'server') {
    const isHeld = destination.isFallback && !hasFallenBack(profile, destination.id);
    return isHeld ? 'fallback' : 'later';
  }
  const { platform, publish } = destination;
  if (platform !== 'all' && visit.platform !== 'all' && platform !== visit.platform) {
    return 'platform';
  }
  if (publish.to !== 'all_domains') {
    // A site that the request does not tell cannot be shown to be allowed.
    const listed = visit.site !== undefined && publish.sites.has(visit.site);
    if (publish.to === 'inclusion' ? !listed : listed || visit.site === undefined) return 'domain';
  }
  if (destination.kind === 'url') {
    if (visit.coppa) return 'coppa';
    if (visit.urls === 'none') return 'not-requested';
    if (visit.urls === 'one' && destination.tag === 'iframe') return 'needs-iframe';
  } else {
    if (!reachOf(destination, visit)) return visit.coppa ? 'coppa' : 'cookie-domain';
    if (destination.cap && firedWithin(destination, profile, visit) >= destination.cap.count) {
      return 'capped';
    }
  }
  return visit.unread ? 'not-read' : undefined;
}

/** Whether a page's call to a destination did not get through for this visitor, and this one is told instead. */
export const hasFallenBack = ({ firings }: Profile, id: number): boolean =>
  firings.some(({ destination }) => destination === id);

/** A call that is due if there is room for it. */
interface Candidate {
  readonly destination: UrlDestination;
  readonly mappings: readonly Mapping[];
  /** As in `Firing.mapping`. */
  readonly unit: number;
  readonly last: number;
}

function dueUrls(
  due: readonly Mapping[],
  profile: Profile,
  visit: Visit,
  keepsOrder: boolean,
  firings: Firing[],
  record: Recorder | undefined,
): UrlCall[] {
  const candidates: Candidate[] = [];
  const serialized = new Map<UrlDestination, Mapping[]>();
  for (const mapping of due) {
    const destination = mapping.destination as UrlDestination;
    if (!destination.serialized) candidates.push(candidate(destination, [mapping], profile));
    else {
      const others = serialized.get(destination);
      if (others) others.push(mapping);
      else serialized.set(destination, [mapping]);
    }
  }
  for (const [destination, mappings] of serialized) {
    mappings.sort(byPriority);
    candidates.push(candidate(destination, mappings, profile));
  }
  if (candidates.length > 1) {
    candidates.sort(visit.urls === 'one' ? byPriorityThenRest : byRestThenPriority);
  }
  const room = visit.urls === 'one' ? 1 : visit.pageBudget;
  const calls: UrlCall[] = [];
  for (const { destination, mappings, unit } of candidates) {
    const { cap } = destination;
    const reason: Reason =
      cap && firedWithin(destination, profile, visit, firings) >= cap.count
        ? 'capped'
        : calls.length < room
          ? 'delivered'
          : visit.urls === 'one'
            ? 'one-per-image'
            : 'page-budget';
    if (record) {
      for (const mapping of mappings) record(destination, mapping.sid, reason);
      record(destination, 0, reason);
    }
    if (reason !== 'delivered') continue;
    calls.push(call(destination, mappings, profile, visit));
    if (cap || keepsOrder || visit.urls === 'one') firings.push(firing(destination, unit, visit));
  }
  return calls;
}

function candidate(
  destination: UrlDestination,
  mappings: readonly Mapping[],
  profile: Profile,
): Candidate {
  const unit = destination.serialized ? 0 : mappings[0].sid;
  let last = 0;
  for (const { destination: id, mapping, at } of profile.firings) {
    if (id === destination.id && mapping === unit && at > last) last = at;
  }
  return { destination, mappings, unit, last };
}

const byPriority = (a: Mapping, b: Mapping) => b.priority - a.priority || a.sid - b.sid;

const byPriorityThenRest = (a: Candidate, b: Candidate) =>
  b.destination.priority - a.destination.priority || a.last - b.last || byId(a, b);

const byRestThenPriority = (a: Candidate, b: Candidate) =>
  a.last - b.last || b.destination.priority - a.destination.priority || byId(a, b);

const byId = (a: Candidate, b: Candidate) => a.destination.id - b.destination.id || a.unit - b.unit;

/** How often a destination was called for this visitor within the window of its cap. */
function firedWithin(
  destination: Destination,
  profile: Profile,
  visit: Visit,
  justNow: readonly Firing[] = [],
): number {
  const since = visit.at / 1000 - (destination.cap?.hours ?? 0) * 3600;
  const counts = ({ destination: id, at }: Firing) => id === destination.id && at > since;
  return profile.firings.filter(counts).length + justNow.filter(counts).length;
}

function firing(destination: Destination, mapping: number, visit: Visit): Firing {
  return {
    destination: destination.id,
    mapping,
    at: Math.floor(visit.at / 1000),
    hours: destination.cap?.hours ?? 0,
  };
}

function call(
  destination: UrlDestination,
  mappings: readonly Mapping[],
  profile: Profile,
  visit: Visit,
): UrlCall {
  const values: MacroValues = {
    aliases: mappings.map(({ alias }) => alias),
    delimiter: destination.serialized?.delimiter ?? '',
    deviceId: visit.deviceId,
    ecid: profile.ecid,
    declared: (dataSource) => profile.idIn(dataSource),
    region: visit.region,
    secure: visit.pageSecure,
    nonce: visit.nonce,
    at: visit.at,
    consent: visit.consent,
  };
  const { url, secureUrl } = destination.serialized ?? mappings[0];
  const secure = fillTemplate(secureUrl ?? [], { ...values, secure: true });
  // Today's tags fire the plain one, so on an https page that has to be https, too.
  const plain = visit.pageSecure ? secure : fillTemplate(url ?? [], values);
  return { destination, url: plain, secureUrl: secure };
}

function dueCookie(
  destination: CookieDestination,
  due: Mapping[],
  visit: Visit,
  record: Recorder | undefined,
): CookieLine | undefined {
  due.sort(byPriority);
  const { value, leftOut } = composeCookie(destination, due);
  if (record) {
    for (const mapping of due) {
      record(destination, mapping.sid, leftOut.includes(mapping) ? 'over-size' : 'delivered');
    }
  }
  const reach = reachOf(destination, visit);
  if (value === '' || !reach) return undefined;
  record?.(destination, 0, 'delivered');
  const { cookieName: name, ttlDays, domain } = destination;
  return { name, value, ttlDays, domain, ...reach };
}

/** How a destination's cookie can be set for this visit, if at all. */
export function reachOf(
  { domain }: Pick<CookieDestination, 'domain'>,
  {
    pageHost,
    host,
    tagWritesCookies,
    coppa,
  }: Pick<Visit, 'pageHost' | 'host' | 'tagWritesCookies' | 'coppa'>,
): Pick<CookieLine, 'byHeader' | 'byTag'> | undefined {
  // A blank domain means the page's own, and only the page's own host can set that.
  const ownHost = domain === '' ? host === pageHost : covers(domain, host);
  // Under child protection, only cookies of the page's own domain are set.
  const byHeader =
    ownHost && (!coppa || (pageHost !== undefined && covers(domain || host, pageHost)));
  // Where the page is unknown, the tag tries: a browser refuses a domain that is not its own.
  const byTag =
    tagWritesCookies && (domain === '' || pageHost === undefined || covers(domain, pageHost));
  return byHeader || byTag ? { byHeader, byTag } : undefined;
}
