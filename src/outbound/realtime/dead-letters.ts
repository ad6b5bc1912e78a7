/**
 * Dead letters are gone through time and again: none outlives the profiles, and of who has opted out, or
 * refuses what the destination needs, nothing stays in them but that they have left, which their partner has
 * yet to hear.
 */
import { missingConsent } from '../../destinations/consent.ts';
import type { ServerDestination } from '../../destinations/destination.ts';
import {
  type DeadLetter,
  type Entry,
  isReadable,
  type Move,
  type Outbox,
  type Subject,
  type Unreadable,
} from '../../store/outbox.ts';
import type { Lease } from '../lease.ts';
import type { Terms } from '../terms.ts';

export interface DeadLettersOptions {
  readonly outbox: Outbox;
  /** As they are now. */
  readonly terms: () => Pick<Terms, 'destinations'>;
  /** `PROFILE_TTL_DAYS`. */
  readonly profileDays: number;
  /** Says what an operator has to know. */
  readonly report: (message: string, error: unknown) => void;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

const DAY_MS = 86_400_000;
/** From the begin of one round to that of the next. */
const ROUND_MS = 300_000;
/** Letters of one step: neither senders nor pages are to feel it. */
const PIECE = 100;

/** One process at a time goes through them. */
export class DeadLetters {
  readonly #outbox: Outbox;
  readonly #terms: DeadLettersOptions['terms'];
  readonly #profileDays: number;
  readonly #report: DeadLettersOptions['report'];
  readonly #now: () => number;
  /** Destinations that this round has not come to the end of. */
  #left: number[] = [];
  /** The last letter that it looked at, of the first of them. */
  #after: DeadLetter | undefined;
  /** Destinations of which it was said that some cannot be read. */
  readonly #said = new Set<number>();
  #roundAt = Number.NEGATIVE_INFINITY;

  constructor({ outbox, terms, profileDays, report, now = Date.now }: DeadLettersOptions) {
    this.#outbox = outbox;
    this.#terms = terms;
    this.#profileDays = profileDays;
    this.#report = report;
    this.#now = now;
  }

  /**
   * Looks at some of them, if it is time.
   *
   * @param lease the right to all of them
   */
  async step(lease: Pick<Lease, 'isHeld'>): Promise<void> {
    const [destination] = this.#left;
    if (destination !== undefined) {
      try {
        await this.#goOn(destination, lease);
      } catch (error) {
        // They are in the way of no others, and of nothing else.
        this.#report(`dead letters of destination ${destination} cannot be gone through`, error);
        this.#goToNext();
      }
      return;
    }
    if (this.#now() - this.#roundAt < ROUND_MS) return;
    this.#roundAt = this.#now();
    const queues = await this.#outbox.queues();
    this.#left = queues.filter(({ dead }) => dead > 0).map((queue) => queue.destination);
  }

  async #goOn(destination: number, lease: Pick<Lease, 'isHeld'>): Promise<void> {
    const outbox = this.#outbox;
    const until = this.#now() - this.#profileDays * DAY_MS;
    if ((await outbox.drop(destination, { until, limit: PIECE })) === PIECE) return;
    const letters = await outbox.oldestDead(destination, PIECE, this.#after);
    const ids = new Set(letters.flatMap(({ entries }) => entries.map(({ deviceId }) => deviceId)));
    const found = new Map((await outbox.look([...ids])).map((one) => [one.deviceId, one]));
    const terms = this.#terms().destinations.get(destination);
    for (const letter of letters) {
      if (letter.isUnreadable) {
        this.#sayUnreadable(destination, letter);
        continue;
      }
      const entries = letter.entries.flatMap((entry) =>
        keptOf(entry, found.get(entry.deviceId), terms),
      );
      const isLess = entries.some((entry, i) => entry !== letter.entries[i]);
      if (isLess || entries.length < letter.entries.length) {
        // Somebody else may have taken more out since it was read.
        if (!lease.isHeld) return;
        await outbox.amend(destination, { ...letter, entries });
      }
    }
    this.#after = letters.at(-1);
    if (letters.length < PIECE) this.#goToNext();
  }

  /** Once, however many there are: they stay until they are dropped, or too old. */
  #sayUnreadable(destination: number, { message, problem }: DeadLetter): void {
    if (this.#said.has(destination)) return;
    this.#said.add(destination);
    const which = `dead letter ${message} of destination ${destination}`;
    this.#report(`${which} cannot be gone through`, new Error(problem));
  }

  #goToNext(): void {
    this.#left.shift();
    this.#after = undefined;
  }
}

/**
 * What of an entry may stay.
 *
 * @param destination undefined where it is gone
 */
function keptOf(
  entry: Entry,
  subject: Subject | Unreadable | undefined,
  destination: ServerDestination | undefined,
): Entry | [] {
  if (!subject || !isReadable(subject) || !subject.profile) return entry;
  const { profile, told } = subject;
  const isRefused = destination !== undefined && missingConsent(destination, profile) !== undefined;
  const isCounted = (sid: number) => destination && told.get(destination.id)?.has(sid);
  // What counts as told is not queued anew for who agrees again.
  const isToGo = ({ sid, isMember }: Move) =>
    isMember && (profile.optedOut || (isRefused && !isCounted(sid)));
  const moves = entry.moves.filter((move) => !isToGo(move));
  if (moves.length === entry.moves.length) return entry;
  return moves.length > 0 ? { ...entry, moves } : [];
}
