/**
 * The store contract: what every engine keeps of visitors, and how a request gets at it.
 *
 * The way of a request is one step: add what it realized, and see the visitor as of then. Additions
 * commute, so simultaneous requests for one visitor all count.
 */
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
}

/** Stands for the ECID among data sources, whose own ids start at 1. */
export const ECID_SOURCE = 0;

/** A visitor as of one visit. */
export interface Visitor {
  readonly deviceId: string;
  /** Valid until the callback that got it returns. */
  readonly profile: Profile;
}

/**
 * Decides a request. Called once, with everything added that the visit adds; what it returns is
 * remembered for the visitor (firings, cookies) before the next visit of the same visitor is decided,
 * where both are served by one process.
 */
export type Decide = (visitor: Visitor) => Omit<Change, 'day'> | undefined;

/** The store cannot keep or read a visit now; in words for the operator. */
export class StoreError extends Error {}

export interface Store {
  /**
   * Adds and reads in one atomic, commutative step, and decides. When the promise is fulfilled, what
   * the visit added survives the death of the process.
   *
   * Visits for whom nothing is known but `freshId` are kept apart, for a short time, until the id
   * comes back: a browser that refuses cookies does not become a profile with every request.
   *
   * @throws StoreError where the visit was not kept and will not be
   */
  visit(visit: Visit, decide: Decide): Promise<void>;

  /** Sees the visitor without adding or keeping anything. */
  look(visit: Visit): Promise<Visitor>;

  /** The account document that was saved last; undefined if none ever was. */
  loadAccount(): unknown;
  saveAccount(document: unknown): Promise<void>;

  /** What is wrong with the store now; undefined if nothing is. */
  readonly problem: string | undefined;

  /** Keeps what was promised, then lets go of every resource. */
  close(): Promise<void>;
}
