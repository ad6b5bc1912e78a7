/**
 * The census: how many stored visitors qualify for a rule, counted by looking at all of them. It takes no
 * more memory for more visitors.
 */

import type { Snapshot } from '../../account/snapshot.ts';
import { HeldTraits } from '../../audience/holdings.ts';
import { dayOf } from '../../audience/profile.ts';
import { compileSegmentRule, type SegmentRule } from '../../audience/segment-rule.ts';
import { isReadable, type Outbox, type Subject, type Unreadable } from '../../store/outbox.ts';
import { type Gathered, Gathering } from '../gathering.ts';
import type { WorkFolder } from '../work-folder.ts';

export interface CensusOptions {
  readonly outbox: Outbox;
  /** For the ids of all visitors; nothing else may be in it. */
  readonly folder: WorkFolder;
  /** When it was asked for: what is in the folder of another one is of no use. */
  readonly at: number;
  readonly rule: SegmentRule;
  readonly snapshot: Pick<Snapshot, 'traits' | 'traitPlaces'>;
  /**
   * Waited for before some visitors are read; rejects where this process may not go on.
   *
   * @param progress from 0 to 1
   */
  readonly pace: (progress: number) => Promise<void>;
  /** Ids that are sorted in memory. */
  readonly sorted?: number;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

export interface Counted {
  /** Those who qualify. */
  readonly visitors: number;
  /** All of them. */
  readonly total: number;
}

interface CensusRecord extends Gathered {
  readonly at: number;
}

const RECORD = 'census.json';

/**
 * Counts each stored visitor once, as they are when they are looked at; who has opted out is none. After
 * it was broken off, the same census goes on: whom it has met it need not meet again.
 *
 * @throws StoreError
 */
export async function takeCensus(options: CensusOptions): Promise<Counted> {
  const { outbox, folder, rule, snapshot, pace, sorted, now = Date.now } = options;
  const record = await recordOf(options);
  const gathering = new Gathering({
    ...{ outbox, folder, record, sorted },
    save: () => folder.write(RECORD, record),
    isMeant: isVisitor,
    pace: (progress) => pace(progress / 2),
  });
  await gathering.run();
  const { traits, traitPlaces } = snapshot;
  const holds = compileSegmentRule(rule, (sid) => traitPlaces.get(sid) ?? -1);
  // Not the one that visitors are examined by: they come in between.
  const held = new HeldTraits(traits, traitPlaces);
  const size = await gathering.size();
  let [visitors, total, read] = [0, 0, 0];
  for await (const ids of gathering.ids()) {
    await pace((1 + read / size) / 2);
    const today = dayOf(now());
    for (const one of await outbox.look(ids)) {
      if (!isVisitor(one)) continue;
      total++;
      if (holds(held.load(one.profile, today))) visitors++;
    }
    for (const id of ids) read += id.length + 1;
  }
  return { visitors, total };
}

/** Forgets what a census has left in its folder. */
export async function forgetCensus(folder: WorkFolder): Promise<void> {
  await folder.open();
  await folder.clear(RECORD);
}

async function recordOf({ at, folder }: CensusOptions): Promise<CensusRecord> {
  const kept = await folder.read<CensusRecord>(RECORD);
  if (kept?.at === at) return kept;
  await forgetCensus(folder);
  return { at, walked: [], cursor: undefined, ids: [], isGathered: false };
}

type Visitor = Subject & { readonly profile: NonNullable<Subject['profile']> };

const isVisitor = (one: Subject | Unreadable): one is Visitor =>
  isReadable(one) && one.profile !== undefined && !one.profile.optedOut;
