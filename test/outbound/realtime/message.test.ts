/** What a partner gets server to server, in real time: the answers of the user guide. */
import { describe, expect, it } from 'vitest';
import type { RealtimeTransfer } from '../../../src/destinations/destination.ts';
import type { DisclosedUser } from '../../../src/outbound/disclosure.ts';
import { composeMessage, sign } from '../../../src/outbound/realtime/message.ts';

const transfer: RealtimeTransfer = {
  kind: 'realtime',
  endpointUrl: 'https://partner.example/in',
  userDataSource: 12_345,
  clientId: '74323',
};
const user: DisclosedUser = {
  deviceId: '19393572368547369350319949416899715727',
  partnerId: '4250948725049857',
  regions: [9],
  segments: [
    { alias: '14356', isMember: true, at: Date.UTC(2016, 6, 27, 16, 17, 22) },
    { alias: '12176', isMember: false, at: Date.UTC(2016, 6, 3, 6, 7, 2) },
  ],
};
const SENT = Date.UTC(2016, 6, 27, 16, 17, 42);

const composed = (change: Partial<RealtimeTransfer>, ...users: DisclosedUser[]) =>
  composeMessage({ id: 423 }, { ...transfer, ...change }, users, SENT);

describe('a message', () => {
  it('is what the user guide shows', () => {
    const { headers, body } = composed({}, user);
    expect(headers).toEqual([['Content-Type', 'application/json']]);
    expect(JSON.parse(body)).toEqual({
      ProcessTime: 'Wed Jul 27 16:17:42 UTC 2016',
      User_DPID: '12345',
      Client_ID: '74323',
      AAM_Destination_Id: '423',
      User_count: '1',
      Users: [
        {
          AAM_UUID: '19393572368547369350319949416899715727',
          DataPartner_UUID: '4250948725049857',
          AAM_Regions: ['9'],
          Segments: [
            { Segment_ID: '14356', Status: '1', DateTime: 'Wed Jul 27 16:17:22 UTC 2016' },
            { Segment_ID: '12176', Status: '0', DateTime: 'Sun Jul 03 06:07:02 UTC 2016' },
          ],
        },
      ],
    });
  });

  it('counts its users, and has the device id of one whom the partner does not know', () => {
    const { User_count, Users } = JSON.parse(
      composed({}, user, { ...user, partnerId: undefined }).body,
    );
    expect(User_count).toBe('2');
    expect(Users[1].DataPartner_UUID).toBe(user.deviceId);
  });

  it('of a destination without a data source and client names none', () => {
    const message = composed({ userDataSource: undefined, clientId: '' }, user);
    expect(JSON.parse(message.body)).toMatchObject({ User_DPID: '', Client_ID: '' });
  });
});

describe('a signature', () => {
  it.each([
    ['sha1', '+wFdR/afZNoVqtGl8/e1KJ4ykPU='],
    // By openssl dgst -hmac.
    ['sha256', 'WJzevEtYmeOolVtcXGrcA3KKiTQMTZUfKzCw/ZNz9YU='],
  ] as const)('by %s', (algorithm, expected) => {
    expect(sign('POST message content', 'sample_partner_private_key', algorithm)).toBe(expected);
  });

  it('is of the body as it is sent, in the header of the partner', () => {
    const signature = { header: 'X-Sig', algorithm: 'sha256', keys: ['key é'] } as const;
    const { headers, body } = composed({ signature }, user);
    expect(headers.slice(1)).toEqual([['X-Sig', sign(body, 'key é', 'sha256')]]);
  });

  it('is there twice while keys are rotated', () => {
    const signature = { header: 'X-Signature', algorithm: 'sha1', keys: ['old', 'new'] } as const;
    const { headers, body } = composed({ signature }, user);
    expect(headers.slice(1)).toEqual([
      ['X-Signature', sign(body, 'old')],
      ['X-Signature', sign(body, 'new')],
    ]);
  });
});
