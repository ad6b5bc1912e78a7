/**
 * How many stored visitors qualify for a rule, in the background: counted in a random sample here, or
 * exactly by a process that delivers.
 *
 * What becomes of an estimate is in the registry, so any process can say it. While one is counted,
 * its process says so again and again, by a record that is soon forgotten: where there is none and no
 * outcome either, that process has ended.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Snapshot } from '../account/snapshot.ts';
import { HeldTraits } from '../audience/holdings.ts';
import { dayOf } from '../audience/profile.ts';
import {
  compileSegmentRule,
  printSegmentRule,
  type SegmentRule,
} from '../audience/segment-rule.ts';
import {
  AWAITED_MS,
  cancelCensus,
  censusOrder,
  censusOrders,
  type EstimateOutcome,
  type EstimateRecord,
  KEPT_MS,
  orderCensus,
} from '../outbound/census/census-order.ts';
import { type Kept, type Registry, RegistryConflict } from '../store/registry.ts';
import { type Store, StoreError } from '../store/store.ts';
import { CONFIDENCE, interval } from './interval.ts';

const whole = (description: string) => z.int().min(0).optional().meta({ description });

export const estimateSchema = z.object({
  estimateId: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  progress: z.number().min(0).max(1),
  visitors: whole('Stored visitors who qualify.'),
  low: whole('No fewer than these do, with this confidence.'),
  high: whole('No more than these do.'),
  confidence: z.literal(CONFIDENCE),
  sampled: whole('Visitors who were looked at.'),
  total: whole('All stored visitors.'),
  isExact: z.boolean().optional().meta({ description: 'Whether all of them were looked at.' }),
  problem: z.string().optional().meta({ description: 'Why it failed.' }),
});
export type Estimate = z.infer<typeof estimateSchema>;

/** One that is counted now, or waits for it. */
interface Job {
  readonly estimateId: string;
  progress: number;
  isOver: boolean;
}

/** Up to so many visitors everybody is looked at; of more, so many tell the share to within 0.7 %. */
const SAMPLE = 20_000;
const MAX_COUNTED = 2;
const MAX_WAITING = 20;
/** Who asks the same again so soon gets the same. */
const FRESH_MS = 60_000;
/** How often what moves is told; what stands still has to be told, too, or it is taken for ended. */
const TELL_MS = 250;
const STILL_MS = 3_000;
const SILENT_MS = 10_000;

const GONE = 'the server that counted has stopped; ask again';
const NOBODY =
  'no process delivers now, and only one that does counts exactly; start a server with ROLE=deliver, or with ROLE=all, and ask again';

export class Estimates {
  readonly #registry: Registry;
  readonly #store: Store;
  readonly #report: (message: string, error: unknown) => void;
  /** Of the same estimate, only one is asked for at a time. */
  readonly #asking = new Map<string, Promise<Estimate | undefined>>();
  #jobs = 0;
  #counted = 0;
  /** Start the next jobs, first come, first served. */
  readonly #waiting: (() => void)[] = [];

  constructor(registry: Registry, store: Store, report: (message: string, error: unknown) => void) {
    this.#registry = registry;
    this.#store = store;
    this.#report = report;
  }

  /**
   * Has the visitors counted who qualify for a rule, unless that has just been done.
   *
   * @param revision of the account that the snapshot is of
   * @returns undefined where too many wait already
   */
  ask(rule: SegmentRule, snapshot: Snapshot, revision: number): Promise<Estimate | undefined> {
    return this.#once(idOf(rule, revision), (estimateId, last) =>
      this.#begin(estimateId, last, rule, snapshot),
    );
  }

  /** Likewise, with everybody looked at by a process that delivers. */
  askExactly(rule: SegmentRule, revision: number): Promise<Estimate | undefined> {
    return this.#once(idOf(rule, revision, 'exact'), (estimateId, last) =>
      this.#order(estimateId, last, rule, revision),
    );
  }

  /** An estimate as it is now; undefined if there is none, or none any more. */
  async get(estimateId: string): Promise<Estimate | undefined> {
    const asked = (await this.#registry.get<EstimateRecord>('estimate', estimateId))?.value;
    return asked && this.#shown(estimateId, asked);
  }

  /** Forgets an estimate; a census for it is broken off. Returns whether there was one. */
  async forget(estimateId: string): Promise<boolean> {
    await cancelCensus(this.#registry, estimateId);
    return this.#registry.remove('estimate', estimateId);
  }

  #once(estimateId: string, begin: Begin): Promise<Estimate | undefined> {
    let asking = this.#asking.get(estimateId);
    if (!asking) {
      asking = this.#ask(estimateId, begin).finally(() => {
        this.#asking.delete(estimateId);
      });
      this.#asking.set(estimateId, asking);
    }
    return asking;
  }

  async #ask(estimateId: string, begin: Begin): Promise<Estimate | undefined> {
    const last = await this.#registry.get<EstimateRecord>('estimate', estimateId);
    if (last) {
      const shown = await this.#shown(estimateId, last.value);
      const isFresh = shown.state === 'done' && Date.now() - last.value.at < FRESH_MS;
      if (isFresh || shown.state === 'running') return shown;
    }
    try {
      return await begin(estimateId, last);
    } catch (error) {
      // Another process was asked the same at the same moment.
      if (error instanceof RegistryConflict) return this.get(estimateId);
      throw error;
    }
  }

  async #order(
    estimateId: string,
    last: Kept<EstimateRecord> | undefined,
    rule: SegmentRule,
    revision: number,
  ): Promise<Estimate | undefined> {
    if ((await censusOrders(this.#registry)).length > MAX_WAITING) return undefined;
    const at = Date.now();
    const segmentRule = printSegmentRule(rule);
    // Ordered first, so that nobody takes it for one that nobody sees to.
    await orderCensus(this.#registry, { estimateId, segmentRule, revision, at });
    const record: EstimateRecord = { at, isExact: true };
    const options = { after: last?.version ?? 0, ttl: AWAITED_MS };
    await this.#registry.put('estimate', estimateId, record, options);
    return running(estimateId, 0);
  }

  async #begin(
    estimateId: string,
    last: Kept<EstimateRecord> | undefined,
    rule: SegmentRule,
    snapshot: Snapshot,
  ): Promise<Estimate | undefined> {
    if (this.#jobs >= MAX_COUNTED + MAX_WAITING) return undefined;
    this.#jobs++;
    const asked = { at: Date.now() };
    const job = { estimateId, progress: 0, isOver: false };
    try {
      // Told first, so that nobody takes it for ended.
      await this.#tell(job);
      const options = { after: last?.version ?? 0, ttl: KEPT_MS };
      await this.#registry.put('estimate', estimateId, asked, options);
    } catch (error) {
      this.#jobs--;
      throw error;
    }
    void this.#work(job, asked, rule, snapshot);
    return running(estimateId, 0);
  }

  async #shown(estimateId: string, { isExact, outcome }: EstimateRecord): Promise<Estimate> {
    if (outcome) return over(estimateId, outcome);
    if (!isExact) {
      const told = await this.#registry.get<number>('estimate', toldId(estimateId));
      return told ? running(estimateId, told.value) : over(estimateId, { problem: GONE });
    }
    const order = await censusOrder(this.#registry, estimateId);
    if (order) return running(estimateId, order.progress);
    // It may have been carried out in this moment.
    const now = await this.#registry.get<EstimateRecord>('estimate', estimateId);
    return over(estimateId, now?.value.outcome ?? { problem: NOBODY });
  }

  async #work(
    job: Job,
    asked: EstimateRecord,
    rule: SegmentRule,
    snapshot: Snapshot,
  ): Promise<void> {
    void this.#keepTelling(job);
    let outcome: EstimateOutcome;
    try {
      await this.#turn();
      outcome = await this.#count(job, rule, snapshot);
    } catch (error) {
      if (!(error instanceof StoreError)) this.#report('an estimate failed', error);
      const problem = error instanceof StoreError ? error.message : 'an error; see the log';
      outcome = { problem };
    }
    const next = this.#waiting.shift();
    if (next) next();
    else this.#counted--;
    this.#jobs--;
    job.isOver = true;
    const { estimateId } = job;
    await this.#registry
      .put('estimate', estimateId, { ...asked, outcome }, { ttl: KEPT_MS })
      // Nobody hears of it any more: it is taken for ended.
      .catch(() => undefined);
  }

  async #turn(): Promise<void> {
    if (this.#counted === MAX_COUNTED) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#counted++;
  }

  async #count(job: Job, rule: SegmentRule, snapshot: Snapshot): Promise<EstimateOutcome> {
    const { traits, traitPlaces } = snapshot;
    const holds = compileSegmentRule(rule, (sid) => traitPlaces.get(sid) ?? -1);
    // Not the one that pages are decided by: they come in between.
    const held = new HeldTraits(traits, traitPlaces);
    const today = dayOf(Date.now());
    const found = { hits: 0, visitors: 0, drawn: 0, of: 0 };
    for await (const { profiles, drawn, of, progress } of this.#store.sample(SAMPLE)) {
      for (const profile of profiles) if (holds(held.load(profile, today))) found.hits++;
      found.visitors += profiles.length;
      found.drawn = drawn;
      found.of = of;
      job.progress = Math.round(progress * 1_000) / 1_000;
    }
    return outcomeOf(found);
  }

  /** Says that a job moves for as long as it is not over. */
  async #keepTelling(job: Job): Promise<void> {
    let told = { at: performance.now(), progress: 0 };
    while (!job.isOver) {
      await pause(TELL_MS, undefined, { ref: false });
      const { progress } = job;
      const isStill = progress === told.progress;
      if (job.isOver || (isStill && performance.now() - told.at < STILL_MS)) continue;
      // What cannot be told now is told the next time.
      await this.#tell(job).catch(() => undefined);
      told = { at: performance.now(), progress };
    }
  }

  async #tell({ estimateId, progress }: Job): Promise<void> {
    await this.#registry.put('estimate', toldId(estimateId), progress, { ttl: SILENT_MS });
  }
}

/** Has an estimate counted, after the last one of the same. */
type Begin = (
  estimateId: string,
  last: Kept<EstimateRecord> | undefined,
) => Promise<Estimate | undefined>;

/** The same for who asks the same of the same account. */
const idOf = (rule: SegmentRule, revision: number, ...how: string[]) =>
  createHash('sha256')
    .update([revision, ...how, printSegmentRule(rule)].join(' '))
    .digest('base64url')
    .slice(0, 22);

/** The id of the record that says how far an estimate is; none of an estimate looks like it. */
const toldId = (estimateId: string) => `${estimateId}/progress`;

const running = (estimateId: string, progress: number): Estimate => ({
  estimateId,
  state: 'running',
  progress,
  confidence: CONFIDENCE,
});

const over = (estimateId: string, outcome: EstimateOutcome): Estimate => {
  const state = outcome.problem === undefined ? 'done' : 'failed';
  return { estimateId, state, progress: 1, confidence: CONFIDENCE, ...outcome };
};

/** What was found in a sample, and what that says of all. */
interface Found {
  /** Visitors who qualify. */
  readonly hits: number;
  readonly visitors: number;
  /** With those who were no visitors, and out of how many. */
  readonly drawn: number;
  readonly of: number;
}

/**
 * @example
 * outcomeOf({ hits: 70, visitors: 1000, drawn: 1000, of: 50_000 })
 * // { visitors: 3500, low: 2795, high: 4367, sampled: 1000, total: 50_000, isExact: false }
 */
export function outcomeOf({ hits, visitors, drawn, of }: Found): EstimateOutcome {
  if (drawn === of) {
    const all = { sampled: visitors, total: visitors };
    return { visitors: hits, low: hits, high: hits, ...all, isExact: true };
  }
  const { low, high } = interval({ hits, drawn, of });
  return {
    visitors: Math.round((of * hits) / drawn),
    // Those who were seen are there.
    low: Math.max(hits, Math.floor(of * low)),
    high: Math.min(of - (drawn - hits), Math.ceil(of * high)),
    sampled: visitors,
    total: Math.round((of * visitors) / drawn),
    isExact: false,
  };
}
