/** The way of a page request, from the call to its answer. */
import type { Snapshot } from '../account/snapshot.ts';
import { Profile } from '../audience/profile.ts';
import type { Recorder } from '../destinations/due.ts';
import type { Tally } from '../destinations/tally.ts';
import { ECID_SOURCE, type Remember, type Store, type Visit } from '../store/store.ts';
import { type AnswerSettings, answer } from './answer.ts';
import { type Call, type CallSettings, type RawCall, readCall } from './call.ts';
import { complain } from './complaint.ts';
import { asChange, isRefused, newIn, REFUSED_BEFORE } from './consent.ts';
import type { Deadline } from './deadline.ts';
import {
  changeOf,
  type Decision,
  decide,
  NO_REALIZATION,
  type Realization,
  realize,
} from './decision.ts';
import type { Guard } from './guard.ts';
import type { Recording } from './recording.ts';

/** What the front door works with. */
export interface FrontDoor {
  /** The account in force; asked once for each call, so that none is decided by two of them. */
  readonly snapshot: () => Snapshot;
  /** Its revision, as the account's store counts them. */
  readonly revision?: () => number;
  readonly store: Store;
  readonly guard: Guard;
  readonly deadline: Deadline;
  /** Counts what is decided. */
  readonly tally: Tally;
  readonly settings: AnswerSettings & CallSettings;
  /** The sample of calls; without it, none are recorded. */
  readonly recording?: Recording;
  /** Says what an operator has to know of one call. */
  readonly report: (message: string, about: { tid: string; error?: unknown }) => void;
}

export function event(raw: RawCall, door: FrontDoor): Promise<Response> | Response {
  const snapshot = door.snapshot();
  const call = readCall(raw, snapshot, door.settings);
  const realization = realize(snapshot, call);
  call.complaints.push(...realization.complaints);
  const { tally } = door;
  const { region } = door.settings;
  const reply = (
    decision: Decision | undefined,
    deviceId: string | undefined,
    told = realization,
  ) => {
    tally.totals.pixels += decision?.urls.length ?? 0;
    return answer({ call, realization: told, decision, deviceId }, snapshot, door.settings);
  };
  const refuses = call.stated.gdpr?.refused === true;
  const known = call.optedOut || refuses ? undefined : call.deviceId;

  if (call.disregarded) return reply(undefined, known);
  if (isBlocked(call, door.guard)) return reply(undefined, known);

  tally.totals.calls++;
  const { visit, transient } = visitOf(call, realization, snapshot);
  const { requiredConsent } = snapshot;
  const remembering = (decision: Decision, stated: Remember | undefined) =>
    transient ? undefined : withStated(decision.remember, stated, snapshot);
  return new Promise<Response>((resolve) => {
    door.deadline.ask(door.store, visit, {
      decide({ deviceId, profile }) {
        if (call.optedOut || profile.optedOut) {
          call.complaints.push(complain(171));
          if (deviceId !== call.freshId) door.recording?.remind(deviceId);
          // Nothing is due; cookies that are still there are removed.
          const forgotten = profile.clone();
          forgotten.apply({ day: call.day, optOut: true });
          const decision = decide(snapshot, call, deviceId, forgotten, region, tally.record);
          resolve(reply(decision, undefined, NO_REALIZATION));
          return decision.remember;
        }
        const stated = newIn(call.stated, profile, requiredConsent);
        if (isRefused(call.stated, profile, requiredConsent)) {
          if (!refuses) call.complaints.push(complain(315, REFUSED_BEFORE));
          if (deviceId !== call.freshId) door.recording?.remind(deviceId);
          const decision = decide(snapshot, call, deviceId, profile, region, tally.record);
          // What there is of the visitor is neither used nor told; cookies that are still there are removed.
          resolve(reply({ ...decision, segments: [] }, undefined, NO_REALIZATION));
          return remembering(decision, stated);
        }
        if (transient) profile.apply(changeOf(call, realization));
        const tape = transient ? undefined : door.recording?.begin(call.at);
        const record: Recorder = tape
          ? (...told) => {
              tally.record(...told);
              tape.record(...told);
            }
          : tally.record;
        const decision = decide(snapshot, call, deviceId, profile, region, record);
        resolve(reply(decision, deviceId));
        tape?.keep(raw, call, realization, { deviceId, profile });
        return remembering(decision, stated);
      },
      late() {
        tally.totals.late++;
        const isAlias = call.deviceId === undefined && visit.aliases.length > 0;
        call.complaints.push(complain(isAlias ? 201 : 200));
        if (call.optedOut) {
          call.complaints.push(complain(171));
          resolve(reply(undefined, undefined, NO_REALIZATION));
          return undefined;
        }
        // Without the profile, the request alone decides, and it does not tell what ends.
        const profile = new Profile();
        profile.apply(changeOf(call, realization));
        // Whom an alias leads to is not known now; a new id would be a second visitor.
        const deviceId = call.deviceId ?? (isAlias ? undefined : call.freshId);
        const alone = { ...call, cookies: {} };
        const unread = deviceId !== call.freshId;
        const decision = decide(
          snapshot,
          alone,
          deviceId ?? '',
          profile,
          region,
          tally.record,
          unread,
        );
        resolve(reply(decision, refuses ? undefined : deviceId));
        // What was stated before is not known; a refusal is kept with the visit.
        return remembering(decision, refuses ? undefined : asChange(call.stated));
      },
      fail(error) {
        door.report('a call failed', { tid: call.transaction.id, error });
        call.complaints.push(complain(0));
        resolve(reply(undefined, known));
      },
    });
  });
}

/** What is to be remembered, with what is new of consent: partners may have to hear of it. */
export const withStated = (
  remember: Remember | undefined,
  stated: Remember | undefined,
  { serverTraits }: Snapshot,
): Remember | undefined =>
  stated ? { ...remember, ...stated, examine: serverTraits.size > 0 } : remember;

/** Ids that call abnormally often are not served from the profile, nor added to it. */
export function isBlocked(call: Call, guard: Guard): boolean {
  if (call.deviceId !== undefined && guard.exceeds(call.deviceId, call.at)) {
    call.complaints.push(complain(306, call.deviceId), complain(307, call.deviceId));
    return true;
  }
  for (const { dataSource, id } of call.declared) {
    if (!guard.exceeds(`${dataSource}:${id}`, call.at)) continue;
    call.complaints.push(complain(303, `${dataSource}:${id}`));
    return true;
  }
  return false;
}

/** Whom the call is about, and what it adds. */
export function visitOf(
  call: Call,
  realization: Realization,
  { serverTraits }: Snapshot,
): { visit: Visit /** Whether nothing of it shall be kept. */; transient: boolean } {
  const { deviceId, freshId, ecid, declared } = call;
  const isServed = serverTraits.size > 0;
  if (call.optedOut) {
    return {
      visit: { deviceId, aliases: [], freshId, change: { day: call.day } },
      transient: false,
    };
  }
  const aliases = ecid ? [{ dataSource: ECID_SOURCE, id: ecid }, ...declared] : declared;
  if (call.stated.gdpr?.refused) {
    // Who is known by nothing leaves nothing; and ids are not told to be of one visitor.
    const transient = deviceId === undefined && aliases.length === 0;
    const change = transient ? { day: call.day } : changeOf(call, realization);
    const by = deviceId ? [] : aliases.slice(0, 1);
    return { visit: { deviceId, aliases: by, freshId, change, examine: isServed }, transient };
  }
  // A browser that takes no cookies and asks for no answer can never come back as the same visitor.
  const transient =
    deviceId === undefined && aliases.length === 0 && call.cookiesBlocked && call.answer !== 'json';
  if (transient) call.complaints.push(complain(172));
  const change = transient ? { day: call.day } : changeOf(call, realization);
  const examine =
    !transient &&
    isServed &&
    // By another id, a partner may not have heard of them; who objects may have to leave.
    (declared.length > 0 ||
      call.stated.objectsToSale === true ||
      realization.sids.some((sid) => serverTraits.has(sid)));
  return { visit: { deviceId, aliases, freshId, change, examine }, transient };
}
