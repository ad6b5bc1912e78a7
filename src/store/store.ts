/**
 * The store contract: what every engine keeps of visitors, and how a request gets at it.
 *
 * The way of a request is one step: add what it realized, and see the visitor as of then. Additions
 * commute, so simultaneous requests for one visitor all count.
 */
import type { UsedIds } from '../account/used-ids.ts';
import type { Change, DeclaredId, Profile } from '../audience/profile.ts';

/** Whom a request is about and what it adds. */
export interface Visit {
  /** The device id that the request carries. */
  readonly deviceId: string | undefined;
  /**
   * Other ids that the visitor may be known by, the most telling first. They find the visitor where
   * the request carries no device id, and lead to it from now on. An ECID has `ECID_SOURCE` as its
   * data source.
   */
  readonly aliases: readonly DeclaredId[];
  /** A new device id for a visitor who is known by nothing. */
  readonly freshId: string;
  readonly change: Change;
  /** Whether partners may have to hear of it: then the same step puts the visitor on the agenda (`outbox.ts`). */
  readonly examine?: boolean;
}

/** Stands for the ECID among data sources, whose own ids start at 1. */
export const ECID_SOURCE = 0;

/** A visitor as of one visit. */
export interface Visitor {
  readonly deviceId: string;
  /** Valid until the callback that got it returns. */
  readonly profile: Profile;
}

/** Something to remember of a visitor: what was decided for them. */
export interface Remember extends Omit<Change, 'day'> {
  /** As of a visit. */
  readonly examine?: boolean;
}

/**
 * Who waits for a visit. Either `decide` or `refuse` is called, once; before that, `late` may be.
 */
export interface Waiter {
  /**
   * Decides the request. What the visit adds is in the profile, and is as safe as the engine was told
   * to make it. What comes back is remembered for the visitor (firings, cookies) before the next visit
   * of the same visitor is decided, where both are served by one process.
   */
  decide(visitor: Visitor): Remember | undefined;
  /** Nothing will be decided soon: who can answer without the store should. The visit is kept. */
  late(): void;
  /** The visit was not kept, or cannot be decided: `StoreError`, or what `decide` threw. */
  refuse(error: unknown): void;
}

/** The store cannot keep or read a visit; in words for the operator. */
export class StoreError extends Error {}

/** What was drawn of a sample since the part before. */
export interface SamplePart {
  /** Visitors, newcomers among them; nobody who has opted out. Not to be changed. */
  readonly profiles: readonly Profile[];
  /** How many were drawn until now, with those that turned out to be no visitors, or to have opted out. */
  readonly drawn: number;
  /** Out of how many. In the last part the same as `drawn` where everybody was looked at. */
  readonly of: number;
  /** How far the whole sample is, from 0 to 1. */
  readonly progress: number;
}

export interface Store {
  /**
   * Adds and reads in one atomic, commutative step, and has it decided.
   *
   * Visits for whom nothing is known but `freshId` are kept apart, for a short time, until the id
   * comes back: a browser that refuses cookies does not become a profile with every request.
   */
  visit(visit: Visit, waiter: Waiter): void;

  /**
   * Sees the visitor without adding or keeping anything.
   *
   * @throws StoreError where the store cannot be read now
   */
  look(visit: Visit): Promise<Visitor>;

  /**
   * Draws stored visitors at random, nobody twice, each as likely as any other; all of them where they
   * are no more than `size`. It takes its time, so that pages do not: what they add meanwhile may be
   * seen or not.
   *
   * @throws StoreError where the store cannot be read now, or has closed
   */
  sample(size: number): AsyncGenerator<SamplePart>;

  /** What is wrong with the store now; undefined if nothing is. */
  readonly problem: string | undefined;

  /** How many visits were not kept, since the start. */
  readonly lost: number;

  /** Why the last of them was not; in words for the operator. */
  readonly whyLost: string | undefined;

  /** Keeps what was promised, for at most so many milliseconds, then lets go of every resource. */
  close(milliseconds?: number): Promise<void>;
}

/** Who saved an account, and when. */
export interface Origin {
  /** Unix milliseconds. */
  readonly at: number;
  readonly by: string;
  /** The `ACCOUNT_FILE` that a server was given before, by its digest. */
  readonly file?: string;
  /** Whether it was made from the demo's account, so that shop and inbox belong to it. */
  readonly isDemo?: boolean;
  /** What it changed, in lines for people; without secrets, and not all of it where that is a lot. */
  readonly changes?: readonly string[];
  /** Until then; none of them is given away again. Missing where it was saved by an older version. */
  readonly usedIds?: UsedIds;
}

/** An account document as it was saved. */
export interface SavedAccount {
  /** Grows by one with each time the account is saved. */
  readonly revision: number;
  readonly document: unknown;
  readonly origin: Origin;
}

/** A revision that was saved once. */
export interface Past {
  readonly revision: number;
  readonly origin: Origin;
  /** Whether its document is still kept. */
  readonly canRestore: boolean;
}

/** So many revisions are remembered; fewer of their documents are kept. */
export const REMEMBERED = 1_000;

/** Somebody else has saved the account meanwhile. */
export class AccountConflict extends Error {
  /** The one that is in force. */
  readonly revision: number;

  constructor(revision: number) {
    super(`the account was changed meanwhile: revision ${revision} is in force`);
    this.revision = revision;
  }
}

/** Where the account is kept, for all processes that serve it. */
export interface AccountStore {
  /** The revision that was saved last; 0 if none ever was. */
  revision(): Promise<number>;

  /** The document that was saved last, or an earlier one; undefined if there is none (any more). */
  load(revision?: number): Promise<SavedAccount | undefined>;

  /**
   * Saves a document; every process hears of it. Returns its revision.
   *
   * @param after the revision that it was made from; without it, whatever is there is replaced
   * @throws AccountConflict where another revision is in force
   */
  save(document: unknown, origin: Origin, after?: number): Promise<number>;

  /** Who saved it when, and what that changed, newest first; without reading documents. */
  history(): Promise<Past[]>;

  /**
   * Tells of every document that is saved from now on, though not of each of several that come in
   * quick succession. A message that went missing is made up for within a second.
   *
   * @param changed takes the account over; not called again before it is done
   */
  watch(changed: (account: SavedAccount) => Promise<void>): void;

  close(): Promise<void>;
}
