/**
 * The sample of page requests that people ask about afterwards. It is taken beside the pages: a few
 * calls a second, written together once a second, given up where the registry does not take them.
 */
import type { Recorder } from '../destinations/due.ts';
import type { Recent, Registry } from '../store/registry.ts';
import type { Store, Visitor } from '../store/store.ts';
import type { Call, RawCall } from './call.ts';
import type { Realization } from './decision.ts';
import {
  CALLS,
  KEPT_CALLS,
  type RecordedCall,
  recordedCall,
  recordedCalls,
} from './recorded-call.ts';

/** One process records at most so many calls a second, and so many at once after a quiet second. */
const CALLS_PER_SECOND = 20;
const SECOND = 1_000;
const GAP_MS = SECOND / CALLS_PER_SECOND;
/** Calls that wait for the registry, and visitors still to be looked at; more are not recorded. */
const MAX_WAITING = 5 * CALLS_PER_SECOND;
/** Between one write and the next. */
const REST_MS = SECOND;
/** What an opt-out of some time ago has left is no matter of one rest. */
const REMINDED_RESTS = 5;
/** Visitors to forget while the registry does not answer. */
const MAX_GONE = 100_000;
/** How long a stop waits for the registry. */
const CLOSE_MS = 2 * SECOND;

export class Recording {
  readonly #registry: Registry;
  readonly #store: Pick<Store, 'look'>;
  readonly #rest: number;
  /** Up to when the calls a second are used up, in Unix milliseconds. */
  #free = 0;
  #waiting: Recent<RecordedCall>[] = [];
  /** Visitors who may have opted out, or refused consent, while what was recorded of them was being written. */
  readonly #unsure = new Set<string>();
  /** Visitors to forget. */
  readonly #gone = new Set<string>();
  /** When to look for them, and what follows, by `performance.now()`. */
  #lookAt = Number.POSITIVE_INFINITY;
  #timer: { readonly id: ReturnType<typeof setTimeout>; readonly at: number } | undefined;
  #writing: Promise<void> | undefined;
  /** Opt-outs in any number cost one look through the list a rest. */
  #restUntil = 0;
  #closing = false;

  /** @param rest between one write and the next, in milliseconds */
  constructor(registry: Registry, store: Pick<Store, 'look'>, rest = REST_MS) {
    this.#registry = registry;
    this.#store = store;
    this.#rest = rest;
  }

  /**
   * A tape for a call, if it is to be recorded: asked of every call, and before anything is done.
   *
   * @param at the call's time
   */
  begin(at: number): Tape | undefined {
    const isTooSoon = this.#free + GAP_MS > at;
    // A clock that was put back is no reason to wait.
    if (isTooSoon && this.#free < at + SECOND) return undefined;
    if (this.#waiting.length + this.#unsure.size >= MAX_WAITING) return undefined;
    this.#free = isTooSoon ? at : Math.max(this.#free, at - SECOND) + GAP_MS;
    return new Tape((call) => {
      this.#waiting.push(call);
      this.#wake(performance.now() + this.#rest);
    });
  }

  /** Has everything go that was recorded of a visitor who has opted out. */
  forget(owner: string): void {
    this.#forgetBy(owner, performance.now());
  }

  /** Likewise, of a visitor of whom nothing should be there any more. */
  remind(owner: string): void {
    if (!this.#gone.has(owner))
      this.#forgetBy(owner, performance.now() + REMINDED_RESTS * this.#rest);
  }

  /** Writes what waits, unless the registry takes too long. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer?.id);
    let patience: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      patience = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.#finish(), late]);
    clearTimeout(patience);
  }

  async #finish(): Promise<void> {
    await this.#writing;
    if (this.#gone.size > 0) this.#lookAt = 0;
    await this.#write();
  }

  #forgetBy(owner: string, at: number): void {
    if (this.#gone.size >= MAX_GONE) return;
    this.#gone.add(owner);
    this.#lookAt = Math.min(this.#lookAt, at);
    this.#wake(this.#lookAt);
  }

  #wake(by: number): void {
    const at = Math.max(by, this.#restUntil);
    if (this.#closing || this.#writing || (this.#timer && this.#timer.at <= at)) return;
    clearTimeout(this.#timer?.id);
    const id = setTimeout(() => this.#turn(), Math.max(0, at - performance.now()));
    this.#timer = { id, at };
  }

  #turn(): void {
    this.#timer = undefined;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
      this.#restUntil = performance.now() + this.#rest;
      if (this.#waiting.length + this.#unsure.size > 0) this.#wake(this.#restUntil);
      if (this.#gone.size > 0) this.#wake(this.#lookAt);
    });
  }

  async #write(): Promise<void> {
    const calls = this.#waiting.filter(({ owner }) => !this.#gone.has(owner));
    this.#waiting = [];
    try {
      for (const { owner } of calls) this.#unsure.add(owner);
      await this.#registry.append(CALLS, calls, KEPT_CALLS);
      await this.#makeSure();
      if (this.#lookAt <= performance.now()) await this.#look();
    } catch {
      // A sample may have gaps. Whom to forget, or to look at, is still known: that is tried again.
      if (this.#gone.size > 0) this.#lookAt = 0;
    }
  }

  /**
   * Finds opt-outs and refusals that came while calls were being written. Whoever heard of one may have looked
   * through the list before the calls were there; but the visitors' store knew of it by then.
   */
  async #makeSure(): Promise<void> {
    for (const owner of this.#unsure) {
      const visit = { deviceId: owner, aliases: [], freshId: owner, change: { day: 0 } };
      const { profile } = await this.#store.look(visit);
      if (profile.optedOut || profile.isRefused) await this.#registry.forget(CALLS, owner);
      this.#unsure.delete(owner);
    }
  }

  /** Looks through the list for the visitors to forget. */
  async #look(): Promise<void> {
    this.#lookAt = Number.POSITIVE_INFINITY;
    const gone = new Set(this.#gone);
    this.#gone.clear();
    try {
      const owners = new Set((await recordedCalls(this.#registry)).map(({ owner }) => owner));
      for (const owner of owners.intersection(gone)) await this.#registry.forget(CALLS, owner);
    } catch (error) {
      for (const owner of gone) this.#gone.add(owner);
      throw error;
    }
  }
}

/** Takes down one call while it is decided. */
export class Tape {
  readonly #destinations = new Set<number>();
  readonly #keep: (call: Recent<RecordedCall>) => void;

  constructor(keep: (call: Recent<RecordedCall>) => void) {
    this.#keep = keep;
  }

  /** Listens to the decision. */
  readonly record: Recorder = (destination, _sid, reason) => {
    if (reason === 'delivered') this.#destinations.add(destination.id);
  };

  /** @param visitor with what the call added, and before anything else is added */
  keep(raw: RawCall, call: Call, realization: Realization, visitor: Visitor): void {
    const value = recordedCall(raw, call, realization, visitor.profile, this.#destinations);
    if (value) this.#keep({ at: call.at, owner: visitor.deviceId, value });
  }
}
