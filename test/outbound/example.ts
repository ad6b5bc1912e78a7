/** What the tests of server-to-server delivery work with: a small account and visitors. */
import { compileAccount } from '../../src/account/snapshot.ts';
import { atOnce } from '../../src/account/turns.ts';
import { HeldTraits } from '../../src/audience/holdings.ts';
import { type Change, dayOf, Profile } from '../../src/audience/profile.ts';
import type { Grounds } from '../../src/outbound/examination.ts';
import { termsOf } from '../../src/outbound/terms.ts';
import type { Candidate, Told } from '../../src/store/outbox.ts';

export const DAY_MS = 86_400_000;
export const NOW = Date.parse('2026-11-24T12:00:00Z');
export const TODAY = dayOf(NOW);
export const DEVICE = `7${'1'.padStart(37, '0')}`;

export const trait = (sid: number, more: object = {}) => ({
  sid,
  name: `trait ${sid}`,
  traitType: 'RULE_BASED_TRAIT',
  traitRule: `c_t == "${sid}"`,
  dataSourceId: 1,
  ttl: 0,
  ...more,
});
export const segment = (sid: number, segmentRule: string, more: object = {}) => ({
  sid,
  name: `segment ${sid}`,
  segmentRule,
  ...more,
});
export const realtime = (destinationId: number, sids: readonly number[], more: object = {}) => ({
  destinationId,
  name: `partner ${destinationId}`,
  destinationType: 'S2S',
  endpointUrl: 'https://partner.example/in',
  clientId: '74323',
  mappings: sids.map((sid) => ({ sid, traitAlias: `a${sid}` })),
  ...more,
});

/** An account of which only what matters is written. */
export const account = (lists: {
  traits?: readonly object[];
  segments?: readonly object[];
  destinations?: readonly object[];
  dataSources?: readonly object[];
  folders?: readonly object[];
}) => ({
  dataSources: [{ dataSourceId: 1, name: 'own' }],
  folders: [],
  traits: [],
  segments: [],
  destinations: [],
  sites: [{ siteId: 1, name: 'shop', domains: ['shop.example'] }],
  ...lists,
});

export function groundsOf(document: object, today = TODAY): Grounds {
  const snapshot = compileAccount(document);
  return {
    snapshot,
    held: new HeldTraits(snapshot.traits, snapshot.traitPlaces),
    terms: atOnce(termsOf(snapshot, today)),
  };
}

/** Realizations as [trait, days ago]. */
export function profileOf(
  realized: readonly (readonly [trait: number, daysAgo: number])[],
  more: Partial<Change> = {},
): Profile {
  const profile = new Profile();
  for (const [sid, daysAgo] of realized) {
    profile.apply({ day: TODAY - daysAgo, realized: [sid] });
  }
  profile.apply({ day: profile.seen || TODAY, ...more });
  return profile;
}

/** What was told, as { destination: { sid: Unix milliseconds } }. */
export const toldOf = (told: Record<number, Record<number, number>>): Told =>
  new Map(
    Object.entries(told).map(([destination, sids]) => [
      Number(destination),
      new Map(Object.entries(sids).map(([sid, at]) => [Number(sid), at])),
    ]),
  );

export const candidateOf = (
  profile: Profile | undefined,
  told: Record<number, Record<number, number>> = {},
  more: Partial<Candidate> = {},
): Candidate => ({
  deviceId: DEVICE,
  profile,
  keptUntil: profile && !profile.optedOut ? (profile.seen + 121) * DAY_MS : undefined,
  told: toldOf(told),
  ...more,
});
