/**
 * The real-time message: what a partner gets of visitors who enter and leave segments, as JSON by
 * POST.
 *
 * Source of the form: user guide, integration/receiving-audience-data, real-time outbound transfers
 * and digitally signed HTTP requests.
 */
import { createHmac } from 'node:crypto';
import type { RealtimeTransfer, ServerDestination } from '../../destinations/destination.ts';
import type { DisclosedUser } from '../disclosure.ts';

/** What the header and the body of a message say; a header may stand there twice. */
export interface Message {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** @param at when it is sent, in Unix milliseconds */
export function composeMessage(
  destination: Pick<ServerDestination, 'id'>,
  transfer: RealtimeTransfer,
  users: readonly DisclosedUser[],
  at: number,
): Message {
  const body = JSON.stringify({
    ProcessTime: timeText(at),
    User_DPID: String(transfer.userDataSource ?? ''),
    Client_ID: transfer.clientId,
    AAM_Destination_Id: String(destination.id),
    User_count: String(users.length),
    Users: users.map(({ deviceId, partnerId, regions, segments }) => ({
      AAM_UUID: deviceId,
      DataPartner_UUID: partnerId ?? deviceId,
      AAM_Regions: regions.map(String),
      Segments: segments.map(({ alias, isMember, at: since }) => ({
        Segment_ID: alias,
        Status: isMember ? '1' : '0',
        DateTime: timeText(since),
      })),
    })),
  });
  const { signature } = transfer;
  return {
    headers: [
      ['Content-Type', 'application/json'],
      // While keys are rotated, one header for each: the partner looks at the one that it knows.
      ...(signature?.keys ?? []).map(
        (key) => [signature?.header ?? '', sign(body, key, signature?.algorithm)] as const,
      ),
    ],
    body,
  };
}

/**
 * HMAC in base64, which tells the partner that a message comes from us and is whole.
 *
 * @param content the body of a POST; path and query of a GET
 */
export const sign = (content: string, key: string, algorithm: 'sha1' | 'sha256' = 'sha1'): string =>
  createHmac(algorithm, key).update(content).digest('base64');

/** `Wed Jul 27 16:17:42 UTC 2016` */
function timeText(at: number): string {
  const [weekday, day, month, year, time] = new Date(at).toUTCString().split(/[ ,]+/);
  return `${weekday} ${month} ${day} ${time} UTC ${year}`;
}
