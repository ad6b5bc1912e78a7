/** Answers: JSON, a call of a function, a pixel, a redirect or a page, with their headers. */
import type { Snapshot } from '../account/snapshot.ts';
import { covers } from '../destinations/cookie.ts';
import type { CookieLine, UrlCall } from '../destinations/due.ts';
import type { Call } from './call.ts';
import type { Decision, Realization } from './decision.ts';
import { cookieHeader, type DeviceCookie } from './device-cookie.ts';

/** A transparent GIF of one pixel, 43 bytes. */
const PIXEL = Uint8Array.from(
  atob('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=='),
  (c) => c.charCodeAt(0),
);

export interface AnswerSettings {
  readonly region: number;
  readonly deviceCookie: DeviceCookie;
}

/** What an answer is made from. */
export interface Outcome {
  readonly call: Call;
  readonly realization: Realization;
  /** Undefined where nothing was decided. */
  readonly decision: Decision | undefined;
  /** The visitor's device id; undefined where it is not told, as to one who has opted out. */
  readonly deviceId: string | undefined;
}

type Headers_ = Record<string, string>;

/** Writes the answer that the call asked for. */
export function answer(outcome: Outcome, snapshot: Snapshot, settings: AnswerSettings): Response {
  const { call, decision } = outcome;
  const headers = headersOf(call);
  const { complaints, place } = call;
  if (complaints.length > 0) {
    headers['X-Error'] = [...new Set(complaints.map(({ code }) => code))].join(',');
  }
  allowOrigin(headers, place, snapshot);
  const cookies = setCookies(outcome, settings);
  const calls = decision?.urls ?? [];
  if (call.answer === 'json') {
    const json = JSON.stringify(body(outcome, snapshot, settings));
    headers['Content-Type'] = call.callback
      ? 'application/javascript; charset=utf-8'
      : 'application/json; charset=utf-8';
    if (call.callback) headers['X-Content-Type-Options'] = 'nosniff';
    return respond(call.callback ? `/**/${call.callback}(${json});` : json, 200, headers, cookies);
  }
  if (call.answer === 'iframe') return page(calls, place.pageSecure, headers, cookies);
  const [first] = calls;
  if (!first) {
    headers['Content-Type'] = 'image/gif';
    return respond(PIXEL, 200, headers, cookies);
  }
  headers.Location = first.url;
  if (first.destination.hideReferrer) headers['Referrer-Policy'] = 'no-referrer';
  return respond('', 302, headers, cookies);
}

/** What every answer to a call says: it is not to be kept, and which call it is of. */
export const headersOf = ({ transaction }: Call): Headers_ => ({
  'Cache-Control': 'no-cache, no-store, private',
  'X-TID': transaction.id,
});

/** A transparent pixel outside of a decision. */
export function pixel(headers: Headers_, cookies: readonly string[]): Response {
  return respond(PIXEL, 200, { 'Content-Type': 'image/gif', ...headers }, cookies);
}

export function redirect(location: string, headers: Headers_, cookies: readonly string[]) {
  return respond('', 302, { Location: location, ...headers }, cookies);
}

/** Lets the account's own pages, and no others, read the answer and send cookies. */
export function allowOrigin(
  headers: Headers_,
  { origin, pageHost }: Call['place'],
  { sites }: Snapshot,
) {
  headers.Vary = 'Origin';
  if (origin === undefined || pageHost === undefined || !sites.ownsPage(pageHost)) return;
  headers['Access-Control-Allow-Origin'] = origin;
  headers['Access-Control-Allow-Credentials'] = 'true';
}

function body(
  { call, realization, decision, deviceId }: Outcome,
  snapshot: Snapshot,
  { region }: AnswerSettings,
): object {
  const answer: Record<string, unknown> = {};
  if (deviceId !== undefined) answer.uuid = deviceId;
  answer.dcs_region = region;
  answer.tid = call.transaction.id;
  answer.stuff = (decision?.cookies ?? []).filter(({ byTag }) => byTag).map(stuff);
  if (call.wantsUrls) answer.dests = (decision?.urls ?? []).map(dest);
  if (call.wantsTraits) {
    answer.traits = realization.sids;
    answer.segments = (decision?.segments ?? []).map((place) => snapshot.segments[place].sid);
  }
  if (call.complaints.length > 0) answer.errors = call.complaints;
  return answer;
}

const stuff = ({ name, value, ttlDays, domain, byHeader }: CookieLine) => ({
  cn: name,
  cv: value,
  ttl: ttlDays,
  dmn: domain && `.${domain}`,
  // Where the browser has taken it from the header, the tag leaves it: what scripts write lives shorter.
  ...(byHeader && { set: true }),
});

const dest = ({ destination, url, secureUrl }: UrlCall) => ({
  id: String(destination.id),
  y: destination.tag,
  c: url,
  e: secureUrl,
  hr: destination.hideReferrer,
});

function setCookies(
  { call, decision, deviceId }: Outcome,
  { deviceCookie }: AnswerSettings,
): string[] {
  const cookies: string[] = [];
  const { secure, host, pageHost } = call.place;
  // Under child protection, a third party sets none of its own.
  const isOwn = host !== undefined && pageHost !== undefined && covers(host, pageHost);
  if (deviceId !== undefined && (!call.coppa || isOwn)) {
    cookies.push(deviceCookie.write(deviceId, secure));
  }
  for (const line of decision?.cookies ?? []) {
    if (line.byHeader) cookies.push(cookieHeader(line, secure));
  }
  return cookies;
}

/** A page that calls every destination; nothing else may run or load in it. */
function page(
  calls: readonly UrlCall[],
  secure: boolean,
  headers: Headers_,
  cookies: readonly string[],
): Response {
  const sources = secure ? 'https:' : 'http: https:';
  headers['Content-Type'] = 'text/html; charset=utf-8';
  headers['Content-Security-Policy'] =
    `default-src 'none'; img-src ${sources}; frame-src ${sources}; base-uri 'none'; form-action 'none'`;
  const tags = calls.map(({ destination, url }) => {
    const policy = destination.hideReferrer ? 'no-referrer' : 'strict-origin-when-cross-origin';
    const attributes = `src="${escapeHtml(url)}" referrerpolicy="${policy}" width="1" height="1"`;
    return destination.tag === 'img'
      ? `<img ${attributes} alt="">`
      : `<iframe ${attributes} title="" sandbox="allow-scripts allow-same-origin"></iframe>`;
  });
  const html = `<!doctype html><meta charset="utf-8"><title>Destinations</title>\n${tags.join('\n')}\n`;
  return respond(html, 200, headers, cookies);
}

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function respond(
  body: string | Uint8Array<ArrayBuffer>,
  status: number,
  headers: Headers_,
  cookies: readonly string[],
): Response {
  if (cookies.length <= 1) {
    // A plain object is what the runtime's adapter writes fastest.
    if (cookies.length === 1) headers['Set-Cookie'] = cookies[0];
    return new Response(body, { status, headers });
  }
  const all = new Headers(headers);
  for (const cookie of cookies) all.append('Set-Cookie', cookie);
  return new Response(body, { status, headers: all });
}
