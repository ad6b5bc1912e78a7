/**
 * What Switchyard keeps of a visitor: which traits were realized on which UTC day and how often,
 * the ids that partners know the visitor by, what was fired where, and what was stated of consent.
 *
 * A profile changes only by adding, and realizations commute: in whatever order the changes of two
 * simultaneous requests arrive, the counts are the same; of ids, cookies and consent, the last one counts.
 * Time to live is not kept here, it belongs to the traits (see `holdings.ts`), so a changed TTL is in force
 * at once.
 */
import type { Consent, Gdpr } from './consent.ts';

/** A UTC day, counted from 1970-01-01. */
export type Day = number;

export const dayOf = (milliseconds: number): Day => Math.floor(milliseconds / 86_400_000);

/** An id that a partner knows the visitor by. Source: user guide, features/declared-ids. */
export interface DeclaredId {
  readonly dataSource: number;
  readonly id: string;
}

/** One call of a destination. */
export interface Firing {
  readonly destination: number;
  /** The segment whose mapping was called; 0 where one call carries all mappings. */
  readonly mapping: number;
  /** Unix time in seconds. */
  readonly at: number;
  /** For how long it has to be remembered for a frequency cap; the last one is kept anyway. */
  readonly hours: number;
}

/** What one request adds to a profile. */
export interface Change {
  readonly day: Day;
  /** Ids of realized traits. */
  readonly realized?: readonly number[];
  readonly ecid?: string;
  readonly declared?: readonly DeclaredId[];
  readonly firings?: readonly Firing[];
  /** Cookie destinations whose cookie the browser now has, or has no more. */
  readonly cookiesSet?: readonly number[];
  readonly cookiesRemoved?: readonly number[];
  /** The visitor opts out: everything but the cookies to remove is forgotten, for ever. */
  readonly optOut?: boolean;
  /** When the following was stated, in Unix milliseconds: what was stated before it does not undo it. */
  readonly statedAt?: number;
  /** What is stated of GDPR. A refusal keeps what there is, and has nothing added from then on. */
  readonly gdpr?: Gdpr;
  /** The request has the consent that a refusal missed: what it adds counts. */
  readonly consents?: boolean;
  readonly objectsToSale?: boolean;
}

/** At most so many ids of one data source are kept for a device; the oldest goes. */
export const MAX_IDS_PER_DATA_SOURCE = 10;
/** A trait counts at most so often a day. */
export const MAX_DAILY_COUNT = 65_535;

// Most profiles have no ids and no cookies, and there are many profiles: they share these.
const NO_IDS: ReadonlyMap<number, readonly string[]> = new Map();
const NO_COOKIES: ReadonlySet<number> = new Set();
const NO_FIRINGS: readonly Firing[] = Object.freeze([]);

export class Profile implements Consent {
  /**
   * Pairs of a trait id and `day * 65536 + count`, sorted; only the first `length` numbers are in
   * use. Flat, since a profile is read far more often than it grows.
   */
  realizations: Uint32Array = new Uint32Array(8);
  length = 0;
  ecid: string | undefined;
  /** By data source, oldest first. */
  declared: ReadonlyMap<number, readonly string[]> = NO_IDS;
  firings: readonly Firing[] = NO_FIRINGS;
  /** Cookie destinations whose cookie the browser has. */
  cookies: ReadonlySet<number> = NO_COOKIES;
  optedOut = false;
  gdpr: Gdpr | undefined;
  objectsToSale = false;
  /** When the two were stated; 0: it is not known, or nothing was. */
  gdprAt = 0;
  objectionAt = 0;
  /** The last day on which the visitor was seen. */
  seen: Day = 0;

  apply(change: Change): void {
    if (change.day > this.seen) this.seen = change.day;
    if (change.optOut) this.#forget();
    // Which cookies are still to be removed is known of everybody.
    if (change.cookiesSet?.length || change.cookiesRemoved?.length) {
      const kept = new Set(this.cookies);
      for (const destination of change.cookiesSet ?? []) kept.add(destination);
      for (const destination of change.cookiesRemoved ?? []) kept.delete(destination);
      this.cookies = kept;
    }
    if (this.optedOut) return;
    const { gdpr, objectsToSale, statedAt } = change;
    // A consent may come after a refusal that is younger: it has waited, or is remembered only now.
    if (gdpr && !isBefore(statedAt, this.gdprAt)) {
      this.gdpr = gdpr;
      this.gdprAt = statedAt ?? this.gdprAt;
    }
    if (objectsToSale !== undefined && !isBefore(statedAt, this.objectionAt)) {
      this.objectsToSale = objectsToSale;
      this.objectionAt = statedAt ?? this.objectionAt;
    }
    if (change.consents) this.resume(statedAt);
    if (this.isRefused) return;
    for (const trait of change.realized ?? []) this.realize(trait, change.day, 1);
    if (change.ecid !== undefined) this.ecid = change.ecid;
    for (const { dataSource, id } of change.declared ?? []) this.declare(dataSource, id);
    for (const firing of change.firings ?? []) this.fire(firing);
  }

  /** Whether the visitor has refused that anything be added. */
  get isRefused(): boolean {
    return this.gdpr?.refused === true;
  }

  /** Ends a refusal, if there is one that is no younger. */
  resume(statedAt?: number): void {
    if (!this.gdpr?.refused || isBefore(statedAt, this.gdprAt)) return;
    this.gdpr = { ...this.gdpr, refused: false };
    this.gdprAt = statedAt ?? this.gdprAt;
  }

  realize(trait: number, day: Day, count: number): void {
    const { realizations } = this;
    let i = this.length;
    while (i > 0 && isAfter(realizations[i - 2], realizations[i - 1] >>> 16, trait, day)) i -= 2;
    if (i > 0 && realizations[i - 2] === trait && realizations[i - 1] >>> 16 === day) {
      const sum = (realizations[i - 1] & 0xffff) + count;
      realizations[i - 1] = ((day << 16) | Math.min(sum, MAX_DAILY_COUNT)) >>> 0;
      return;
    }
    if (this.length === realizations.length) {
      this.realizations = new Uint32Array(this.length * 2);
      this.realizations.set(realizations);
    }
    this.realizations.copyWithin(i + 2, i, this.length);
    this.realizations[i] = trait;
    this.realizations[i + 1] = ((day << 16) | Math.min(count, MAX_DAILY_COUNT)) >>> 0;
    this.length += 2;
  }

  /** The id in a data source that was declared last. */
  idIn(dataSource: number): string | undefined {
    return this.declared.get(dataSource)?.at(-1);
  }

  declare(dataSource: number, id: string): void {
    const ids = this.declared.get(dataSource) ?? [];
    const newest = [...ids.filter((known) => known !== id), id].slice(-MAX_IDS_PER_DATA_SOURCE);
    this.declared = new Map(this.declared).set(dataSource, newest);
  }

  /** Remembers a firing; older ones of the same mapping go once no cap needs them. */
  fire(firing: Firing): void {
    const kept = this.firings.filter(
      (old) =>
        old.destination !== firing.destination ||
        old.mapping !== firing.mapping ||
        old.at + old.hours * 3600 > firing.at,
    );
    this.firings = [...kept, firing];
  }

  clone(): Profile {
    const copy = new Profile();
    copy.realizations = this.realizations.slice();
    copy.length = this.length;
    copy.ecid = this.ecid;
    copy.declared = this.declared;
    copy.firings = this.firings;
    copy.cookies = this.cookies;
    copy.optedOut = this.optedOut;
    copy.gdpr = this.gdpr;
    copy.objectsToSale = this.objectsToSale;
    copy.gdprAt = this.gdprAt;
    copy.objectionAt = this.objectionAt;
    copy.seen = this.seen;
    return copy;
  }

  #forget(): void {
    this.optedOut = true;
    this.length = 0;
    this.realizations = new Uint32Array(8);
    this.ecid = undefined;
    this.declared = NO_IDS;
    this.firings = NO_FIRINGS;
    this.gdpr = undefined;
    this.objectsToSale = false;
    this.gdprAt = 0;
    this.objectionAt = 0;
  }
}

const isAfter = (trait: number, day: Day, otherTrait: number, otherDay: Day) =>
  trait > otherTrait || (trait === otherTrait && day > otherDay);

const isBefore = (statedAt: number | undefined, than: number) =>
  statedAt !== undefined && statedAt < than;
