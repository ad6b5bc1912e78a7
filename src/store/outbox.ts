/**
 * The outbox contract: what server-to-server delivery keeps beside the visitors.
 *
 * - The **agenda**: whom to examine, and when. A visit that partners may have to hear of puts its
 *   visitor there in the same step that keeps the visit, so a process killed at any instant owes no
 *   examination that nobody knows of. What changes by time alone is there with its time.
 * - What partners have been **told** of each visitor, as far as it was queued.
 * - The **queues**: what each destination still has to be told, in order.
 *
 * None of it is in the way of a page.
 */
import type { Profile } from '../audience/profile.ts';

/** By destination: since when the visitor is in a segment, by its sid; Unix milliseconds, in whole seconds. */
export type Told = ReadonlyMap<number, ReadonlyMap<number, number>>;

/** A visitor who entered or left a segment that is mapped to a destination. */
export interface Move {
  readonly sid: number;
  readonly isMember: boolean;
  /** Unix milliseconds, in whole seconds. */
  readonly at: number;
}

/** Somebody of whom partners may hear, as of now. */
export interface Subject {
  readonly deviceId: string;
  /** Undefined where nothing is stored of them any more. Not to be changed. */
  readonly profile: Profile | undefined;
  readonly told: Told;
  /** By destination: the id by which its partner heard of the visitor (`outbound/partner-id.ts`). */
  readonly partnerIds?: ReadonlyMap<number, string>;
}

/** What has brought a visitor to the agenda. */
export type Cause = 'visit' | 'time';
/** Somebody of whom something is stored that this program cannot read, such as what a newer one has written. */
export interface Unreadable {
  readonly deviceId: string;
  /** In words for the operator. */
  readonly problem: string;
}

/** So long are they put off, in milliseconds. */
export const PUT_OFF_MS = 60_000;

export const isReadable = (one: Subject | Unreadable): one is Subject => !('problem' in one);

/** Somebody to examine. */
export interface Candidate extends Subject {
  /** When the profile is forgotten unless the visitor is seen again, in Unix milliseconds; undefined: never. */
  readonly keptUntil: number | undefined;
}

/** Some visitors to examine, all of one shard. */
export interface Batch {
  readonly candidates: readonly Candidate[];
  /** Those among them who cannot be read: they are put off, and come to the agenda again by themselves. */
  readonly unreadable?: readonly Unreadable[];
}

/** What came out for a candidate. */
export interface Outcome {
  readonly deviceId: string;
  /** Takes the place of what was told; empty: nothing is kept. */
  readonly told: Told;
  /** What is to be queued, by destination. */
  readonly moves: ReadonlyMap<number, readonly Move[]>;
  /** By destination: the id by which its partner hears of the visitor; kept for as long as anything is told. */
  readonly partnerIds?: ReadonlyMap<number, string>;
  /**
   * When to examine again, in Unix milliseconds; undefined: not before the visitor comes back. What is to
   * be at once counts as a visit: somebody has made it necessary, and waits.
   */
  readonly next: number | undefined;
}

/** What a destination is to be told of one visitor. */
export interface Entry {
  /** Names it within its queue; a text of at most 64 characters. */
  readonly id: string;
  /** Unix milliseconds. */
  readonly queuedAt: number;
  readonly deviceId: string;
  /** The id by which the partner hears of the visitor (`outbound/partner-id.ts`). */
  readonly partnerId?: string;
  readonly moves: readonly Move[];
  /**
   * Whether it was put back behind what was queued after it: the partner hears how it is by then, not how
   * it was.
   */
  readonly isLate?: boolean;
}

/** Entries that go out as one message; the name outlives the process that sends it. */
export interface Sealed {
  /** Letters, digits and -, at most 64. */
  readonly message: string;
  readonly entries: readonly Entry[];
}

/** A message that was given up. */
export interface DeadLetter extends Sealed {
  /** When it was given up, in Unix milliseconds. */
  readonly at: number;
  /** Why, in words. */
  readonly problem: string;
  /**
   * Whether this program cannot read it, such as what a newer one has written: then it has no entries here,
   * and `problem` says why.
   */
  readonly isUnreadable?: true;
}

/** What a parser says of it is left out: it quotes what is in there, and this comes to logs. */
export const unreadableLetter = (message: string, at: number): DeadLetter => ({
  ...{ message, at, entries: [], isUnreadable: true },
  problem:
    'this message cannot be read by this version (a newer one wrote it, or it is damaged): it can only be dropped',
});

/**
 * Which dead letters: some by their names, or of those that were given up until then (Unix milliseconds)
 * so many, the oldest first.
 */
export type Letters = readonly string[] | { readonly until: number; readonly limit: number };

/** How a destination's queue stands. */
export interface QueueState {
  readonly destination: number;
  /** Entries that are not done, those under way among them. */
  readonly waiting: number;
  /** When the oldest of them was queued, in Unix milliseconds; undefined where nothing waits. */
  readonly oldest: number | undefined;
  /** Messages that were given up. */
  readonly dead: number;
}

/** All methods reject with `StoreError` where the outbox cannot be read or written now. */
export interface Outbox {
  /**
   * Parts of the visitors, each worked on by one process at a time (see `lease`). They may change:
   * a Cluster has one for each primary.
   */
  shards(): Promise<string[]>;

  /**
   * Takes the right to something, or keeps it, for so many milliseconds.
   *
   * @param holder who is to have it; within one process, too, each has a name of their own
   * @returns whether they have it
   */
  lease(name: string, holder: string, milliseconds: number): Promise<boolean>;
  release(name: string, holder: string): Promise<void>;

  /**
   * Visitors of a shard whose time has come, as of now; those who wait longest first.
   *
   * @param by whom a visit has brought; or whom time alone has, of whom there may be very many at once,
   *   or that nobody knows any more who came, so that all visitors are to be examined; visits
   */
  due(shard: string, limit: number, by?: Cause): Promise<Batch>;

  /**
   * Stored visitors of a shard, whoever they are: who is stored all the time is met at least once.
   *
   * @param cursor where to go on, as it came back before; undefined: from the start
   * @returns the cursor is undefined at the end; `progress` goes from 0 to 1
   */
  walk(
    shard: string,
    cursor: string | undefined,
    limit: number,
  ): Promise<{ batch: Batch; cursor: string | undefined; progress: number }>;

  /**
   * Keeps what came out: what was told, what is queued, and when to examine again. A candidate who is not
   * among the outcomes stays on the agenda, and so does who came back since the batch was taken. When it
   * resolves, a killed process loses nothing of it; where it rejects, the same candidates come again.
   *
   * Somebody else may have settled a visitor since the batch was taken, where this process has lost its
   * right unawares. Where something else has been told since, nothing is kept of the outcome, and the
   * visitor is to be examined again at once; so they are where only the agenda shows it.
   */
  settle(batch: Batch, outcomes: readonly Outcome[]): Promise<void>;

  /** The visitors as of now, in this order. One who cannot be read keeps nobody else. */
  look(deviceIds: readonly string[]): Promise<(Subject | Unreadable)[]>;

  /** Of all destinations that have anything in their queue, or dead letters. */
  queues(): Promise<QueueState[]>;

  /**
   * What others have left behind, or this process before: messages that were sealed, and entries that were
   * read but are part of none; both in order. Whoever has leased a queue asks once.
   */
  recover(destination: number): Promise<{ sealed: Sealed[]; read: Entry[] }>;

  /** The next entries that nobody has read, in order. */
  read(destination: number, limit: number): Promise<Entry[]>;

  /**
   * Makes messages of entries, before they are sent for the first time. Entries that were part of another
   * one are not any more.
   */
  seal(destination: number, ...messages: readonly Sealed[]): Promise<void>;

  /**
   * Messages that have arrived, or that there is no more reason to send; without entries: one whose entries
   * all are part of others now.
   */
  done(destination: number, messages: readonly Sealed[]): Promise<void>;

  /** Entries that were read and never sealed: there is no more reason to send them. */
  discard(destination: number, entries: readonly Entry[]): Promise<void>;

  /** Has some entries of a message come once more, late, as new ones at the end of the queue. */
  putBack(destination: number, message: Sealed, entries: readonly Entry[]): Promise<void>;

  /** Gives a message up. */
  bury(destination: number, letter: DeadLetter): Promise<void>;

  /** The messages that were given up last, newest first. */
  dead(destination: number, limit: number): Promise<DeadLetter[]>;

  /**
   * Those that were given up first, oldest first.
   *
   * @param after goes on after this one, which need not be there any more
   */
  oldestDead(destination: number, limit: number, after?: DeadLetter): Promise<DeadLetter[]>;

  /** Has a dead letter tell this instead, if it is still there; where it tells nothing, it is dropped. */
  amend(destination: number, letter: DeadLetter): Promise<void>;

  /**
   * Puts dead letters back at the end of the queue, as new entries that are late, or drops them. Those that
   * cannot be read are not put back, and stay.
   *
   * @returns how many there were
   */
  replay(destination: number, letters: Letters): Promise<number>;
  drop(destination: number, letters: Letters): Promise<number>;

  /** Forgets a destination: its queue and its dead letters. */
  clear(destination: number): Promise<void>;

  close(): Promise<void>;
}
