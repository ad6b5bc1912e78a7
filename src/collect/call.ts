/** One call, understood: what it says of the visitor, the page and the answer that it wants. */

import type { Site } from '../account/sites.ts';
import type { Snapshot } from '../account/snapshot.ts';
import { type DeclaredId, dayOf } from '../audience/profile.ts';
import type { Signals } from '../audience/signal.ts';
import type { Platform } from '../destinations/destination.ts';
import { type Complaint, complain } from './complaint.ts';
import { type Statement, statementOf } from './consent.ts';
import { DEVICE_KEYS, deviceOf } from './device.ts';
import {
  declaredIds,
  isDeviceId,
  newDeviceId,
  newTransaction,
  type Transaction,
} from './identity.ts';
import { Parameters } from './parameters.ts';
import { type Place, placeOf } from './place.ts';

export interface Call {
  readonly transaction: Transaction;
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly day: number;
  readonly place: Place;
  readonly site: Site | undefined;
  readonly answer: 'json' | 'image' | 'iframe';
  /** The function that the JSON is passed to. */
  readonly callback: string | undefined;
  readonly wantsUrls: boolean;
  readonly wantsTraits: boolean;
  readonly platform: Platform;
  readonly coppa: boolean;
  /** The device id that the call carries, explicitly or in its cookie. */
  readonly deviceId: string | undefined;
  /** A device id for who carries none; empty where there is one. */
  readonly freshId: string;
  readonly ecid: string | undefined;
  readonly declared: readonly DeclaredId[];
  /** Whether the browser has told that it takes no cookies here. */
  readonly cookiesBlocked: boolean;
  /** Whether the browser itself remembers that the visitor has opted out. */
  readonly optedOut: boolean;
  readonly stated: Statement;
  /** The signals that any rule of the account looks at. */
  readonly signals: Signals;
  /** Traits that the call realizes by their id. */
  readonly sids: readonly number[];
  /** Data sources that evaluation is restricted to; undefined: all. */
  readonly dataSources: ReadonlySet<number> | undefined;
  readonly complaints: Complaint[];
  /** Whether the call has to be answered without evaluating or storing anything. */
  readonly disregarded: boolean;
  /** By name; without a prototype. */
  readonly cookies: Readonly<Record<string, string | undefined>>;
  readonly parameter: (key: string) => string | undefined;
}

/** What a call is read from; each runtime gives its own. */
export interface RawCall {
  /** Query and form body, not decoded. */
  readonly query: string;
  readonly body: string;
  /** Whether there was a body of another type, which was not read. */
  readonly foreignBody: boolean;
  readonly header: (name: string) => string | null;
  readonly cookies: Readonly<Record<string, string | undefined>>;
  readonly at: number;
}

export interface CallSettings {
  /** Name of the device id's cookie. */
  readonly cookieName: string;
}

export const optOutCookie = ({ cookieName }: CallSettings) => `${cookieName}_optout`;

/** Dotted JavaScript identifiers: nothing that could be code. */
const CALLBACK = /^[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*$/;
const MAX_CALLBACK = 128;
const PLATFORMS: ReadonlySet<string> = new Set<Platform>(['all', 'browser', 'android', 'ios']);

export function readCall(raw: RawCall, snapshot: Snapshot, settings: CallSettings): Call {
  const { header, cookies, at } = raw;
  const parameters = new Parameters();
  parameters.add(raw.query);
  parameters.add(raw.body);
  const complaints: Complaint[] = [];
  const parameter = (key: string) => parameters.first(key);
  const place = placeOf(header, parameter('h_referer'));
  const isCrossSite = header('sec-fetch-site') === 'cross-site';
  const site = findSite(place, parameters, isCrossSite, snapshot, complaints);
  if (parameters.broken) complaints.push(complain(311));
  const disregarded = complaints.length > 0;

  if (raw.foreignBody) {
    complaints.push(complain(0, 'the body is not application/x-www-form-urlencoded'));
  }
  const callback = parameter('d_cb');
  const callable =
    callback !== undefined && callback.length <= MAX_CALLBACK && CALLBACK.test(callback);
  if (callback && !callable) {
    complaints.push(complain(0, 'd_cb is not the name of a function, such as app.answer'));
  }
  const rtbd = parameter('d_rtbd');
  const platform = parameter('d_ptfm') ?? 'browser';
  const wantsTraits = parameter('d_cts');
  const stated = statementOf({ parameter, header, at }, snapshot.requiredConsent, complaints);
  const deviceId = deviceIdOf(parameter('d_uuid'), cookies[settings.cookieName], complaints);
  return {
    transaction: newTransaction(),
    at,
    day: dayOf(at),
    place,
    site: site === 'unknown' ? undefined : site,
    answer: rtbd === 'json' ? 'json' : rtbd === 'iframe' ? 'iframe' : 'image',
    callback: callable ? callback : undefined,
    wantsUrls: parameter('d_dst') === '1',
    wantsTraits: wantsTraits === '1' || wantsTraits === '2',
    platform: PLATFORMS.has(platform) ? (platform as Platform) : 'browser',
    coppa: parameter('d_coppa') === '1',
    deviceId,
    freshId: deviceId === undefined ? newDeviceId() : '',
    ecid: ecidOf(parameter('d_mid'), complaints),
    declared: declaredIds(
      parameters,
      {
        has: (id) => snapshot.dataSources.has(id),
        byCode: (code) => snapshot.dataSourceByCode.get(code),
      },
      complaints,
    ),
    cookiesBlocked: header('sec-fetch-storage-access') === 'none',
    optedOut: cookies[optOutCookie(settings)] === '1',
    stated,
    signals: signalsOf(parameters, header, snapshot),
    sids: numbersOf(parameters.values('d_sid')),
    dataSources: restrictionOf(parameters, snapshot),
    complaints,
    disregarded,
    cookies,
    parameter,
  };
}

function findSite(
  place: Place,
  parameters: Parameters,
  isCrossSite: boolean,
  snapshot: Snapshot,
  complaints: Complaint[],
): Site | 'unknown' | undefined {
  const organization = parameters.first('d_orgid');
  if (organization !== undefined && snapshot.organizationId !== undefined) {
    if (organization !== snapshot.organizationId) complaints.push(complain(2, organization));
  }
  if (place.host === undefined) {
    complaints.push(complain(100));
    return undefined;
  }
  // Any page may load a script, and hide where from: only the browser's word counts there.
  if (parameters.first('d_cb') !== undefined && !place.isTold && isCrossSite) {
    complaints.push(complain(109));
    return undefined;
  }
  const site = snapshot.sites.find(place.host, place.pageHost);
  if (site === 'no-host') complaints.push(complain(1, place.host));
  else if (site === 'no-page') complaints.push(complain(109, place.pageHost));
  else return site;
  return undefined;
}

function deviceIdOf(
  explicit: string | undefined,
  cookie: string | undefined,
  complaints: Complaint[],
): string | undefined {
  if (explicit !== undefined && explicit !== '') {
    if (isDeviceId(explicit)) return explicit;
    complaints.push(complain(102, explicit));
  }
  return cookie !== undefined && isDeviceId(cookie) ? cookie : undefined;
}

function ecidOf(ecid: string | undefined, complaints: Complaint[]): string | undefined {
  if (ecid === undefined || ecid === '') return undefined;
  if (isDeviceId(ecid)) return ecid;
  complaints.push(complain(101, ecid));
  return undefined;
}

const HEADER_KEYS = ['host', 'user-agent', 'accept-language', 'referer', 'referrer', 'date'].map(
  (name) => ({ name, key: `h_${name}` }),
);

/** The signals of a call, of the keys that an account knows. */
export function signalsOf(
  parameters: Parameters,
  header: (name: string) => string | null,
  { traitIndex }: { readonly traitIndex: Pick<Snapshot['traitIndex'], 'knows'> },
): Signals {
  const signals = new Map<string, readonly string[]>();
  for (const [key, values] of parameters.all) {
    if (!traitIndex.knows(key)) continue;
    signals.set(key, splitAtCommas(key, values));
  }
  for (const { name, key } of HEADER_KEYS) {
    if (!traitIndex.knows(key) || (name === 'referer' && signals.has(key))) continue;
    const value = header(name);
    // Only the tag knows better than the browser, and only of the referer.
    if (value === null) signals.delete(key);
    else signals.set(key, [value]);
  }
  for (const key of DEVICE_KEYS) {
    if (!traitIndex.knows(key) || signals.has(key)) continue;
    const value = deviceOf(header('user-agent') ?? '')[key];
    if (value !== undefined) signals.set(key, [value]);
  }
  return signals;
}

/** A header is one value, whatever commas it holds. */
function splitAtCommas(key: string, values: readonly string[]): readonly string[] {
  for (const value of values) {
    if (!value.includes(',')) continue;
    return key.startsWith('h_') ? values : values.flatMap((v) => v.split(','));
  }
  return values;
}

const numbersOf = (values: readonly string[]): number[] =>
  values.length === 0
    ? []
    : values
        .flatMap((value) => value.split(','))
        .map((text) => (/^\d{1,10}$/.test(text) ? Number(text) : Number.NaN));

function restrictionOf(parameters: Parameters, snapshot: Snapshot): Set<number> | undefined {
  const ids = parameters.values('d_tdpid');
  const codes = parameters.values('d_tdpid_ic');
  if (ids.length + codes.length === 0) return undefined;
  const fromCodes = codes
    .flatMap((value) => value.split(','))
    .flatMap((code) => snapshot.dataSourceByCode.get(code) ?? []);
  return new Set([...numbersOf(ids), ...fromCodes]);
}
