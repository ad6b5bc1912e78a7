/**
 * The decision: from a call and a profile to what is delivered.
 *
 * Pure: the same call, profile, account and time give the same decision. The trace is this code with
 * a recorder.
 */
import type { Snapshot } from '../account/snapshot.ts';
import type { Change, Profile } from '../audience/profile.ts';
import { PATTERN_BUDGET } from '../audience/trait-rule.ts';
import { type Delivery, due, type Recorder } from '../destinations/due.ts';
import type { Call } from './call.ts';
import { type Complaint, complain } from './complaint.ts';
import { asChange, consentOf } from './consent.ts';

/** What a call realizes, known before anything is read. */
export interface Realization {
  /** Places of the traits whose rules hold, or that the call names. */
  readonly traits: readonly number[];
  readonly sids: readonly number[];
  /** What could not be evaluated. */
  readonly complaints: readonly Complaint[];
}

export const NO_REALIZATION: Realization = { traits: [], sids: [], complaints: [] };

/** Which traits a call realizes. */
export function realize(snapshot: Snapshot, call: Call): Realization {
  if (call.disregarded || call.stated.gdpr?.refused) return NO_REALIZATION;
  const evaluation = { signals: call.signals, patternBudget: PATTERN_BUDGET };
  const { dataSources } = call;
  const complaints: Complaint[] = [];
  const all = snapshot.traitIndex.realized(evaluation);
  if (evaluation.patternBudget < 0) {
    complaints.push(complain(10, 'the values are too long for the regular expressions'));
  }
  for (const sid of call.sids) {
    const place = snapshot.traitPlaces.get(sid);
    const trait = place === undefined ? undefined : snapshot.traits[place];
    if (place === undefined || !trait?.active || trait.type === 'FOLDER_TRAIT') {
      complaints.push(complain(10, `d_sid names no active rule-based or onboarded trait: ${sid}`));
    } else if (!all.includes(place)) all.push(place);
  }
  const traits = dataSources
    ? all.filter((place) => dataSources.has(snapshot.traits[place].dataSource))
    : all;
  return { traits, sids: traits.map((place) => snapshot.traits[place].sid), complaints };
}

/**
 * What the visitor's profile gains by a call: of one that refuses it, that alone.
 *
 * An objection goes with what the call adds, since nothing may come between the two. So does all that is
 * stated of a newcomer; of others, what they allow is remembered where it is new.
 */
export function changeOf(call: Call, { sids }: Realization): Change {
  const { day, ecid, declared, deviceId, stated } = call;
  if (stated.gdpr?.refused) return { day, ...asChange(stated) };
  const isNew = deviceId === undefined && ecid === undefined && declared.length === 0;
  const { at, gdpr, objectsToSale } = stated;
  const kept = isNew ? asChange(stated) : objectsToSale && { objectsToSale, statedAt: at };
  const consents = gdpr && !isNew && { consents: true, statedAt: at };
  return { day, realized: sids, ecid, declared, ...kept, ...consents };
}

export interface Decision extends Delivery {
  readonly deviceId: string;
  /** Places of the segments that hold. */
  readonly segments: readonly number[];
}

/**
 * What holds and what is due, with the call's change already in the profile.
 *
 * @param unread as in `Visit`
 */
export function decide(
  snapshot: Snapshot,
  call: Call,
  deviceId: string,
  profile: Profile,
  region: number,
  record?: Recorder,
  unread = false,
): Decision {
  const held = snapshot.heldTraits.load(profile, call.day);
  const segments = snapshot.segmentIndex.qualified(held);
  const delivery = due(
    snapshot.mappings,
    segments,
    profile,
    {
      at: call.at,
      day: call.day,
      deviceId,
      platform: call.platform,
      site: call.site?.id,
      pageBudget: call.site?.pageBudget ?? Number.POSITIVE_INFINITY,
      pageHost: call.place.pageHost,
      pageSecure: call.place.pageSecure,
      host: call.place.host ?? '',
      coppa: call.coppa,
      urls:
        call.answer === 'image'
          ? 'one'
          : call.answer === 'iframe' || call.wantsUrls
            ? 'all'
            : 'none',
      tagWritesCookies: call.answer === 'json',
      cookies: call.cookies,
      region,
      nonce: call.transaction.nonce,
      consent: call.parameter,
      stated: consentOf(call.stated, profile),
      unread,
    },
    record,
  );
  return { ...delivery, deviceId, segments };
}
