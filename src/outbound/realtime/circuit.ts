/**
 * The circuit of a destination: whether anything may be sent to its partner now.
 *
 * Closed while the partner answers. After some failures in a row it opens: from then on there is one
 * probe at a time, each after a longer pause, until one arrives. Time and chance are given to it.
 */

/** So many failures in a row open it. */
export const FAILURES = 5;
const MIN_PAUSE_MS = 1_000;
/** The longest pause of an open circuit, in milliseconds. */
export const MAX_PAUSE_MS = 60_000;
/** A partner may ask to be left alone for so long, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 3_600_000;
/** A shorter silence is no news. */
const LONG_MS = 10_000;

/**
 * A pause that grows with each failure, with full jitter: whoever failed together does not come back
 * together.
 *
 * @param failures how often in a row it has failed before, from 0
 * @param random from 0 to 1
 * @returns whole milliseconds
 */
export const backoff = (failures: number, random: number, max = MAX_PAUSE_MS): number =>
  Math.round(random * Math.min(max, MIN_PAUSE_MS * 2 ** failures));

/** Something that was started; its end is told to the circuit. */
export interface Attempt {
  readonly isProbe: boolean;
  /** How often somebody had wanted a try before it began. */
  readonly wishes: number;
}

/** All times are Unix milliseconds. */
export class Circuit {
  #failures = 0;
  /** The partner asked for silence until then. */
  #silentUntil = 0;
  /** The pause that an open circuit makes. */
  #pausedUntil = 0;
  #probe: Attempt | undefined;
  /** How often somebody wanted a try. */
  #wishes = 0;
  readonly #paused: (until: number) => void;
  /** What people were told: that the partner is away, or that it refuses whatever it gets. */
  trouble: 'away' | 'refuses' | undefined;

  /** @param paused is told from when on something is started again, each time that the partner turns out to be away */
  constructor(paused: (until: number) => void = () => {}) {
    this.#paused = paused;
  }

  get isOpen(): boolean {
    return this.#failures >= FAILURES;
  }

  /** Whether people have to know that nothing is sent: the circuit is open, or the partner wants a long silence. */
  isAway(now: number): boolean {
    return this.isOpen || this.#silentUntil - now >= LONG_MS;
  }

  /** From when on something may be started; for ever where only the end of a probe can tell. */
  get from(): number {
    return this.#probe ? Number.POSITIVE_INFINITY : this.#quietUntil;
  }

  get #quietUntil(): number {
    return Math.max(this.#silentUntil, this.#pausedUntil);
  }

  /** Starts something if that may be; at the end of every attempt it is dropped. */
  start(now: number): Attempt | undefined {
    if (now < this.from) return undefined;
    const attempt = { isProbe: this.isOpen, wishes: this.#wishes };
    if (attempt.isProbe) this.#probe = attempt;
    return attempt;
  }

  /** Somebody wants it to be tried now: neither a pause nor what is under way keeps that. */
  relent(): void {
    this.#wishes++;
    this.#silentUntil = 0;
    this.#pausedUntil = 0;
    this.#probe = undefined;
  }

  /** Whether somebody has wanted a try since it began: that it fails says nothing of now. */
  isOutdated(attempt: Attempt): boolean {
    return attempt.wishes < this.#wishes;
  }

  /** The partner is there. */
  succeed(): void {
    this.#probe = undefined;
    this.#failures = 0;
    this.#pausedUntil = 0;
  }

  /** @param retryAfter what the partner asked for, in milliseconds */
  fail(attempt: Attempt, now: number, random: number, retryAfter = 0): void {
    if (this.isOutdated(attempt)) return;
    const wasProbe = this.#probe === attempt;
    this.drop(attempt);
    this.#silentUntil = Math.max(this.#silentUntil, now + Math.min(retryAfter, MAX_RETRY_AFTER_MS));
    // What was under way when it opened says nothing new.
    if (!this.isOpen || wasProbe) this.#count(now, random);
    if (this.isAway(now)) this.#paused(this.#quietUntil);
  }

  #count(now: number, random: number): void {
    this.#failures++;
    if (!this.isOpen) return;
    this.#pausedUntil = now + backoff(this.#failures - FAILURES, random);
  }

  /** An attempt is over; if it neither succeeded nor failed, it said nothing of the partner. */
  drop(attempt: Attempt): void {
    if (this.#probe === attempt) this.#probe = undefined;
  }
}
