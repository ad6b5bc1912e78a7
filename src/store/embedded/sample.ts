/**
 * Draws visitors of the embedded store at random, in turns that are short beside a page's deadline.
 *
 * Whom only the log tells of, newcomers and profiles are drawn one list after the other, in this
 * order: a visitor moves from list to list in it, too, and so is met at least once.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Profile } from '../../audience/profile.ts';
import { packDeviceId, readDeviceId } from '../record.ts';
import { type SamplePart, StoreError } from '../store.ts';
import {
  type Base,
  type Bytes,
  countAll,
  countOf,
  profileIn,
  type StoredVisitor,
  visitorsAfter,
} from './base.ts';

/** What is drawn from. */
export interface Source {
  readonly base: Base;
  /** Takes in what other processes have added. */
  catchUp(): void;
  /** Ids of those of whom the log tells what may not have been folded; some more than once. */
  recent(): Iterable<string>;
  /** The profile of one of them as of now; undefined of all others. */
  current(deviceId: string): Profile | undefined;
  /** From then on, nothing may be read. */
  isClosing(): boolean;
}

/** A page that comes during a turn waits for its end; most come during the pause. */
const TURN_MS = 1;
const PAUSE_MS = 5;

/**
 * Visitors who are read together, since their ids are neighbours. As ids are random numbers, neighbours
 * have no more in common than any others.
 */
const RUN = 10;
/** About as many as share a page of the base. */
const PER_RANGE = 20;
/** To pass over so many for each that is read takes about as long. */
const PASSED = 100;
/** So many are passed over at once; then there is a turn for pages, if it is time. */
const PASSED_AT_ONCE = 2_000;

/** What a step comes to: a visitor of the base, the id of one of the log, or nobody. */
type Drawn = StoredVisitor | string | undefined;

export async function* sample(source: Source, size: number): AsyncGenerator<SamplePart> {
  const seen = new Set<string>();
  let of = 0;
  let isWhole = false;
  function* profiles(): Generator<Profile | undefined> {
    const unfolded = yield* unfoldedOf(source);
    of = unfolded.length + countAll(source.base);
    isWhole = of <= size;
    for (const drawn of draw(source.base, unfolded, isWhole ? 1 : size / of)) {
      yield drawn === undefined ? undefined : profileOf(drawn);
    }
  }
  function profileOf(drawn: StoredVisitor | string): Profile | undefined {
    const deviceId = typeof drawn === 'string' ? drawn : readDeviceId(drawn.key, 0);
    if (seen.has(deviceId)) return undefined;
    seen.add(deviceId);
    const current = source.current(deviceId);
    if (current) return current;
    // Whom only the log told of may have been folded meanwhile.
    if (typeof drawn === 'string') return source.base.profile(deviceId)?.profile;
    return profileIn(drawn.value);
  }
  const steps = profiles();
  for (;;) {
    if (source.isClosing()) throw new StoreError('the store is closing');
    const { isDone, found } = turn(steps);
    const drawn = seen.size;
    if (isDone && isWhole) of = drawn;
    const progress = isDone ? 1 : of === 0 ? 0 : Math.min(1, drawn / Math.min(size, of));
    yield { profiles: found, drawn, of, progress };
    if (isDone) return;
    await pause(PAUSE_MS);
  }
}

/** Takes steps for as long as a turn lasts. */
function turn(steps: Iterator<Profile | undefined>): { isDone: boolean; found: Profile[] } {
  const found: Profile[] = [];
  const end = performance.now() + TURN_MS;
  try {
    do {
      const { done, value } = steps.next();
      if (done) return { isDone: true, found };
      if (value && !value.optedOut) found.push(value);
    } while (performance.now() < end);
  } catch (error) {
    throw new StoreError(`visitors cannot be read: ${(error as Error).message}`);
  }
  return { isDone: false, found };
}

/** Ids of those who are not in the base yet. */
function* unfoldedOf(source: Source): Generator<undefined, string[]> {
  source.catchUp();
  const ids = new Set<string>();
  for (const deviceId of source.recent()) {
    if (!source.base.has(deviceId)) ids.add(deviceId);
    yield undefined;
  }
  return [...ids];
}

/** @param share of all: the likelihood of each to be drawn */
function* draw(base: Base, unfolded: readonly string[], share: number): Generator<Drawn> {
  let at = 0;
  for (const passed of gaps(unfolded.length, share)) {
    at += passed;
    if (at >= unfolded.length) break;
    yield unfolded[at++];
  }
  if (share * PASSED < 1) {
    const inRanges = yield* drawRanges(base, share);
    if (inRanges) {
      yield* inRanges;
      return;
    }
  }
  for (const list of [base.newcomers, base.profiles]) yield* drawByRank(list, share);
}

/** Passes over the others one by one: whatever the ids are, but it takes the longer the more there are. */
function* drawByRank(list: Bytes, share: number): Generator<Drawn> {
  let after: Uint8Array | undefined;
  for (const passed of gaps(Math.ceil(countOf(list) / RUN), share)) {
    let left = passed * RUN;
    for (; left > PASSED_AT_ONCE; left -= PASSED_AT_ONCE) {
      after = visitorsAfter(list, after, PASSED_AT_ONCE - 1, 1).at(-1)?.key;
      if (!after) return;
      yield undefined;
    }
    const run = visitorsAfter(list, after, left, RUN);
    yield* run;
    after = run.at(-1)?.key;
    if (!after) return;
  }
}

/**
 * Draws ranges of ids, whoever has them, which takes the same time however many there are. Returns
 * undefined where ids turn out not to be random numbers: some may come from elsewhere.
 */
function* drawRanges(base: Base, share: number): Generator<undefined, StoredVisitor[] | undefined> {
  const lists = [base.newcomers, base.profiles];
  const count = countAll(base);
  const ranges = Math.ceil(count / PER_RANGE);
  const drawn: StoredVisitor[] = [];
  let at = 0;
  for (const passed of gaps(ranges, share)) {
    at += passed;
    const [start, end] = [startOf(at, ranges), startOf(at + 1, ranges)];
    for (const list of lists) drawn.push(...list.getRange({ start, end, limit: 10 * PER_RANGE }));
    at++;
    yield undefined;
  }
  const expected = share * count;
  return Math.abs(drawn.length - expected) < 5 * Math.sqrt(expected) ? drawn : undefined;
}

/** The first id of a range; undefined after the last. */
function startOf(range: number, ranges: number): Uint8Array | undefined {
  if (range === ranges) return undefined;
  const digits = String(Math.floor((range / ranges) * 1e14)).padStart(14, '0');
  return packDeviceId(digits.padEnd(38, '0'), new Uint8Array(19));
}

/** How many of a list to pass over before each that is drawn, so that all are as likely. */
function* gaps(count: number, share: number): Generator<number> {
  // A list may have grown since it was counted.
  let needed = share === 1 ? Number.POSITIVE_INFINITY : Math.floor(share * count + Math.random());
  for (let left = count; needed > 0; left--, needed--) {
    let gap = 0;
    for (; Math.random() * left >= needed; left--) gap++;
    yield gap;
  }
}
