/**
 * Opt-out: from then on nothing is stored of the visitor and nothing delivered.
 *
 * `/demoptout.jpg?d_uuid=… | d_cid=… | d_cid_ic=…`, or with the cookie alone.
 */
import type { Visit, Visitor } from '../store/store.ts';
import { headersOf, pixel } from './answer.ts';
import { optOutCookie, type RawCall, readCall } from './call.ts';
import { complain } from './complaint.ts';
import { optOutHeader } from './device-cookie.ts';
import type { FrontDoor } from './event.ts';
import { isDeviceId } from './identity.ts';

export async function optOut(raw: RawCall, door: FrontDoor): Promise<Response> {
  const snapshot = door.snapshot();
  const call = readCall(raw, snapshot, door.settings);
  const { complaints, transaction, place } = call;
  const { settings } = door;
  // From whichever page it comes, a wish to opt out is heard: for the declared ids, for the device
  // that is named or calls, and where there is neither, for a new id that the browser is given.
  const { freshId, deviceId, declared } = call;
  const change = { day: call.day, optOut: true };
  const keep = (visit: Pick<Visit, 'deviceId' | 'aliases'>) =>
    new Promise<void>((resolve) => {
      const settle = () => {
        resolve();
        return undefined;
      };
      const forget = (visitor: Visitor) => {
        door.recording?.forget(visitor.deviceId);
        return settle();
      };
      door.deadline.ask(
        door.store,
        { ...visit, freshId, change, examine: snapshot.serverTraits.size > 0 },
        {
          decide: forget,
          keptLate: forget,
          // What could not be kept in time is kept as soon as it can be.
          late() {
            if (!complaints.some(({ code }) => code === 200)) complaints.push(complain(200));
            if (visit.deviceId) door.recording?.forget(visit.deviceId);
            return settle();
          },
          unkept: (error) => door.report('an opt-out was not kept', { tid: transaction.id, error }),
          fail(error) {
            door.report('a call failed', { tid: transaction.id, error });
            complaints.push(complain(0));
            settle();
          },
        },
      );
    });
  const kept = declared.map((id) => keep({ deviceId: undefined, aliases: [id] }));
  // Of an id that is none, nothing can be kept; without any, the browser gets one.
  const isNew = deviceId === undefined && declared.length === 0;
  const isInvalid = complaints.some(({ code }) => code === 102 || code === 104);
  if (deviceId || (isNew && !isInvalid)) kept.push(keep({ deviceId, aliases: [] }));
  await Promise.all(kept);
  const headers = headersOf(call);
  if (complaints.length > 0) headers['X-Error'] = complaints.map(({ code }) => code).join(',');
  // A server may opt out any id; a browser that names none opts out itself.
  const named = isDeviceId(call.parameter('d_uuid') ?? '') || declared.length > 0;
  const cookies =
    !named && kept.length > 0
      ? [
          settings.deviceCookie.write(deviceId ?? freshId, place.secure),
          optOutHeader(optOutCookie(settings), place.secure),
        ]
      : [];
  return pixel(headers, cookies);
}
