/** A real-time destination and what an account says of it; tests change what they are about. */
import { type Change, Profile } from '../../src/audience/profile.ts';
import type { RealtimeTransfer, ServerDestination } from '../../src/destinations/destination.ts';
import type { ServerMapping, Terms } from '../../src/outbound/terms.ts';

export const ID = 423;
/** Data source of the ids that the partner knows visitors by. */
export const PARTNER_IDS = 12_345;

export const serverDestination = (
  transfer: Partial<RealtimeTransfer>,
  change: Partial<ServerDestination> = {},
): ServerDestination => ({
  id: ID,
  name: 'Partner',
  kind: 'server',
  isFallback: false,
  active: true,
  platform: 'all',
  labels: 0,
  consent: { purposes: 0, vendors: [], serviceProvider: false },
  priority: 0,
  publish: { to: 'all_domains', sites: new Set() },
  transfer: {
    kind: 'realtime',
    endpointUrl: 'https://partner.example/in',
    userDataSource: PARTNER_IDS,
    clientId: '74323',
    ...transfer,
  },
  ...change,
});

export const serverMapping = (
  destination: ServerDestination,
  sid: number,
  change: Partial<ServerMapping> = {},
): ServerMapping => ({
  destination,
  segment: sid,
  sid,
  from: Number.NEGATIVE_INFINITY,
  to: Number.POSITIVE_INFINITY,
  priority: 0,
  alias: `s${sid}`,
  key: '',
  restrictions: 0,
  ...change,
});

export const termsWith = (
  destination: ServerDestination,
  mappings: readonly ServerMapping[],
): Terms => ({
  destinations: new Map([[destination.id, destination]]),
  mappings: new Map([[destination.id, new Map(mappings.map((m) => [m.sid, m]))]]),
  clocks: new Map(),
  digest: '',
});

export function visitor({
  partnerId,
  ...change
}: {
  partnerId?: string;
} & Pick<Change, 'optOut' | 'gdpr' | 'objectsToSale'> = {}): Profile {
  const profile = new Profile();
  const declared = partnerId === undefined ? [] : [{ dataSource: PARTNER_IDS, id: partnerId }];
  profile.apply({ day: 20_000, declared });
  profile.apply({ day: 20_000, ...change });
  return profile;
}
