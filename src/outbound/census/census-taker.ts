/**
 * The census taker: carries out what is ordered, one census after the other. Any number of processes may
 * have one; whoever has the lease counts. What one has begun that was killed, the next one goes on with.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { AccountError } from '../../account/problem.ts';
import { readSegmentRule } from '../../account/snapshot.ts';
import type { Outbox } from '../../store/outbox.ts';
import type { Registry } from '../../store/registry.ts';
import { StoreError } from '../../store/store.ts';
import type { InForce } from '../examiner.ts';
import { BATCH } from '../gathering.ts';
import { Lease } from '../lease.ts';
import { reasonOf } from '../reason.ts';
import { WorkFolder } from '../work-folder.ts';
import { forgetCensus, takeCensus } from './census.ts';
import {
  type CensusOrder,
  censusOrders,
  type EstimateOutcome,
  fulfilCensus,
  renewCensus,
} from './census-order.ts';

export interface CensusTakerOptions {
  readonly outbox: Outbox;
  readonly registry: Registry;
  readonly inForce: () => InForce;
  /** For the ids of all visitors; nothing else may be in it. */
  readonly folder: string;
  /** Visitors that are read a second. */
  readonly rate: number;
  readonly report: (message: string, error?: unknown) => void;
}

/** How often orders are looked for, and how soon it is tried again to get the lease. */
const LOOK_MS = 500;
/** How often it is said how far it is. */
const RENEW_MS = 1_000;
/** A store that failed is tried again so often, each time after a pause. */
const TRIES = 5;
const RETRY_MS = 2_000;
/** An account that is not in force here after so long will not be. */
const ACCOUNT_MS = 15_000;

export class CensusTaker {
  readonly #options: CensusTakerOptions;
  readonly #holder = randomUUID();
  readonly #folder: WorkFolder;
  #running: Promise<void> = Promise.resolve();
  #isClosing = false;
  #renewedAt = 0;
  /** How often in a row the store failed in the midst of it. */
  #failures = 0;

  constructor(options: CensusTakerOptions) {
    this.#options = options;
    this.#folder = new WorkFolder(options.folder);
  }

  start(): void {
    this.#running = this.#live();
  }

  /** Breaks off what is under way; whoever comes next goes on with it. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#running;
  }

  async #live(): Promise<void> {
    const { outbox, report } = this.#options;
    let isTroubled = false;
    while (!this.#isClosing) {
      try {
        const lease = await Lease.take(outbox, 'census', this.#holder);
        if (lease) await this.#attend(lease).finally(() => lease.release());
        isTroubled = false;
      } catch (error) {
        if (!(error instanceof Stopped || isTroubled)) report('visitors cannot be counted', error);
        isTroubled = !(error instanceof Stopped);
        if (isTroubled) await pause(RETRY_MS);
      }
      await pause(LOOK_MS);
    }
  }

  async #attend(lease: Lease): Promise<void> {
    const check = () => {
      if (this.#isClosing || !lease.isHeld) throw new Stopped();
    };
    const first = await censusOrders(this.#options.registry);
    // What is left of one that nobody waits for any more.
    if (first.length === 0) await forgetCensus(this.#folder);
    for (;;) {
      check();
      const [order] = await censusOrders(this.#options.registry);
      if (order) await this.#carryOut(order, check);
      else await pause(LOOK_MS);
    }
  }

  async #carryOut(order: CensusOrder, check: () => void): Promise<void> {
    let outcome: EstimateOutcome;
    try {
      await this.#renew(order, 0);
      const { visitors, total } = await this.#count(order, check);
      const [low, high, sampled] = [visitors, visitors, total];
      outcome = { visitors, low, high, sampled, total, isExact: true };
    } catch (error) {
      if (error instanceof Stopped) throw error;
      if (error instanceof Unwanted) return forgetCensus(this.#folder);
      if (error instanceof StoreError && ++this.#failures < TRIES) throw error;
      this.#options.report('a census failed', error);
      outcome = { problem: inWords(error) };
    }
    this.#failures = 0;
    check();
    await fulfilCensus(this.#options.registry, order, outcome);
    await forgetCensus(this.#folder);
  }

  async #count(order: CensusOrder, check: () => void) {
    const { outbox, inForce, rate } = this.#options;
    const { at, segmentRule, revision } = order;
    const latest = performance.now() + ACCOUNT_MS;
    while (inForce().revision < revision && performance.now() < latest) {
      await this.#pause(order, 0, RENEW_MS / 4, check);
    }
    const { snapshot } = inForce();
    const { traits, traitPlaces } = snapshot;
    return takeCensus({
      // No more of the account is held: another one may come meanwhile.
      ...{ outbox, folder: this.#folder, at, snapshot: { traits, traitPlaces } },
      rule: readSegmentRule(segmentRule, 'segmentRule', snapshot),
      pace: (progress) => this.#pause(order, progress, (BATCH / rate) * 1_000, check),
    });
  }

  /** Says meanwhile how far it is. */
  async #pause(
    order: CensusOrder,
    progress: number,
    milliseconds: number,
    check: () => void,
  ): Promise<void> {
    const end = performance.now() + milliseconds;
    do {
      if (performance.now() - this.#renewedAt >= RENEW_MS) {
        await this.#renew(order, progress).catch((error) => {
          // What cannot be said now is said the next time.
          if (!(error instanceof StoreError)) throw error;
        });
      }
      await pause(Math.max(0, Math.min(RENEW_MS, end - performance.now())));
      check();
    } while (performance.now() < end);
  }

  /** Those that wait are seen to as well. */
  async #renew({ estimateId }: CensusOrder, progress: number): Promise<void> {
    const { registry } = this.#options;
    this.#renewedAt = performance.now();
    if (!(await renewCensus(registry, estimateId, progress))) throw new Unwanted();
    for (const { estimateId: other } of await censusOrders(registry)) {
      if (other !== estimateId) await renewCensus(registry, other, 0);
    }
  }
}

const inWords = (error: unknown): string =>
  error instanceof AccountError
    ? error.problems.map(({ wrong }) => wrong).join('; ')
    : reasonOf(error);

/** This process may not go on: it closes, or another one has the lease. */
class Stopped extends Error {}

/** Nobody waits for it any more. */
class Unwanted extends Error {}
