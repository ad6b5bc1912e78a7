/**
 * ID sync: a partner tells the id that it knows the visitor by.
 *
 * `/ibs:dpid=DPID&dpuuid=ID&redir=URL`; `${DD_UUID}` in the address becomes the device id.
 */
import { headersOf, pixel, redirect } from './answer.ts';
import { type RawCall, readCall } from './call.ts';
import { complain } from './complaint.ts';
import { asChange, consentOf, isRefused, newIn, REFUSED_BEFORE } from './consent.ts';
import { NO_REALIZATION } from './decision.ts';
import { type FrontDoor, isBlocked, visitOf, withStated } from './event.ts';

const OBJECTED = 'the visitor objects to the sale of data';

/** @param raw with the path's `dpid=…&dpuuid=…&redir=…` as its query */
export async function sync(raw: RawCall, door: FrontDoor): Promise<Response> {
  const snapshot = door.snapshot();
  // The partner's words for what the event calls d_dpid and d_dpuuid.
  const query = raw.query.replace(/(^|&)dp(uu)?id=/g, '$1d_dp$2id=');
  const call = readCall({ ...raw, query }, snapshot, door.settings);
  const { complaints, transaction, place } = call;
  const { visit, transient } = visitOf(call, NO_REALIZATION, snapshot);
  const { stated } = call;
  const refuses = stated.gdpr?.refused === true;
  const objects = stated.objectsToSale === true;
  let deviceId: string | undefined;
  // The page is the partner's, or any that carries its pixel: it need not be one of the account's.
  const refused =
    complaints.some(({ code }) => code !== 109 && code !== 172 && code !== 315) ||
    isBlocked(call, door.guard);
  // Of who refuses it or objects, that is kept, and only where it is known who it is without the partner's id.
  const isKept = !(refuses || objects) || call.deviceId !== undefined;
  if (!refused && !transient && !call.optedOut && call.declared.length > 0 && isKept) {
    deviceId = await keep();
  } else if (call.optedOut) complaints.push(complain(171));
  else if (objects && !refuses && !refused) complaints.push(complain(315, OBJECTED));

  const headers = headersOf(call);
  const target = redirectTarget();
  if (complaints.length > 0) headers['X-Error'] = complaints.map(({ code }) => code).join(',');
  const { deviceCookie } = door.settings;
  const cookies = deviceId ? [deviceCookie.write(deviceId, place.secure)] : [];
  return target ? redirect(target, headers, cookies) : pixel(headers, cookies);

  function keep(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const change = { day: call.day, ...asChange(stated) };
      const kept = objects ? { ...visit, aliases: [], change } : visit;
      door.deadline.ask(door.store, kept, {
        decide({ deviceId, profile }) {
          const { requiredConsent } = snapshot;
          const hasRefused = isRefused(stated, profile, requiredConsent);
          const hasObjected = consentOf(stated, profile).objectsToSale;
          if (profile.optedOut) complaints.push(complain(171));
          else if (hasRefused && !refuses) complaints.push(complain(315, REFUSED_BEFORE));
          else if (hasObjected && !refuses) complaints.push(complain(315, OBJECTED));
          resolve(profile.optedOut || hasRefused || hasObjected ? undefined : deviceId);
          const news = profile.optedOut ? undefined : newIn(stated, profile, requiredConsent);
          return withStated(undefined, news, snapshot);
        },
        late() {
          complaints.push(complain(200));
          resolve(undefined);
          return withStated(undefined, refuses ? undefined : asChange(stated), snapshot);
        },
        fail(error) {
          door.report('a call failed', { tid: transaction.id, error });
          complaints.push(complain(0));
          resolve(undefined);
        },
      });
    });
  }

  function redirectTarget(): string | undefined {
    const redir = call.parameter('redir');
    if (redir === undefined) return undefined;
    const filled = redir.replaceAll(/\$\{DD_UUID\}/gi, deviceId ?? '');
    const url = URL.parse(filled);
    const allowed =
      url !== null &&
      (url.protocol === 'https:' || url.protocol === 'http:') &&
      snapshot.sites.mayRedirectTo(url);
    if (allowed) return url.href;
    complaints.push(complain(0, `redir is to no host that the account allows: ${redir}`));
    return undefined;
  }
}
