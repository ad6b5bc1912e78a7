/** What waits for one visitor, and the bytes in which it is sent. */
import type { Change } from '../../audience/profile.ts';
import { aliasKey, derivedId } from '../alias.ts';
import { addsAnything, type Mark, type Writer, writeChange } from '../record.ts';
import type { Visit, Waiter } from '../store.ts';
import {
  CONSENTS,
  closeSection,
  EXAMINE,
  FALLBACK,
  NEWCOMER,
  OPT_OUT,
  openSection,
  REFUSES,
  writeAliases,
  writeHead,
} from './script.ts';

export interface Waiting {
  readonly visit: Visit;
  readonly waiter: Waiter;
}

/** What was decided and is to be remembered. */
export interface Afterwards extends Change {
  /** As of a visit. */
  readonly examine?: boolean;
}

/** What was sent, until it is answered; a repetition sends the same bytes. */
export interface Sent {
  readonly waiting: readonly Waiting[];
  readonly afterwards: readonly Afterwards[];
  /** Whether it puts the visitor on the agenda. */
  readonly examines: boolean;
  /** The last call that it was part of, and where it stands there. */
  blob: Buffer;
  from: number;
  to: number;
}

/**
 * Visits that are about one visitor for sure: those with a device id and nothing else, or with the same
 * ids in the same order. They go one after the other, and together where they wait, so of each lane one
 * write at most is under way.
 */
export class Lane {
  readonly key: string;
  /** Undefined where Redis has to find out whom the ids lead to. */
  readonly deviceId: string | undefined;
  waiting: Waiting[] = [];
  afterwards: Afterwards[] = [];
  /** Under way, or to be repeated. */
  sent: Sent | undefined;
  queued = false;
  newcomer = true;
  /** Whether it failed by itself, and is sent by itself from now on: it may keep others from arriving. */
  alone = false;
  /** Where a member of a Cluster said that the visitor is, while the slot moves. */
  asked: string | undefined;

  constructor(key: string, deviceId: string | undefined) {
    this.key = key;
    this.deviceId = deviceId;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0 && this.afterwards.length === 0;
  }

  /** Writes what is to be sent: the same as before if it was not answered, else all that waits. */
  send(writer: Writer, mark: () => Mark): void {
    if (this.sent) writer.raw(this.sent.blob.subarray(this.sent.from, this.sent.to));
    else {
      const { waiting, afterwards } = this;
      const examines =
        waiting.some(({ visit }) => visit.examine) || afterwards.some(({ examine }) => examine);
      this.#write(writer, mark(), examines);
      this.sent = { waiting, afterwards, examines, blob: NOTHING, from: 0, to: 0 };
    }
  }

  #write(writer: Writer, mark: Mark, examines: boolean): void {
    const { waiting, afterwards } = this;
    this.waiting = [];
    this.afterwards = [];
    const [first] = waiting;
    const isStranger = this.deviceId === undefined;
    const given = this.deviceId ?? first.visit.deviceId;
    let optsOut = false;
    let isRefused: boolean | undefined;
    let day = 0;
    for (const change of afterwards) isRefused = change.gdpr?.refused ?? isRefused;
    for (const { visit } of waiting) {
      const { gdpr, consents } = visit.change;
      isRefused = consents ? false : (gdpr?.refused ?? isRefused);
      optsOut ||= visit.change.optOut === true;
      day = Math.max(day, visit.change.day);
    }
    for (const change of afterwards) day = Math.max(day, change.day);
    writeHead(
      writer,
      (this.newcomer && !isStranger ? NEWCOMER : 0) |
        (optsOut ? OPT_OUT : 0) |
        (isRefused === true ? REFUSES : isRefused === false ? CONSENTS : 0) |
        (given === undefined ? FALLBACK : 0) |
        (examines ? EXAMINE : 0),
      day,
      given ?? derivedId(first.visit.aliases[0]),
      mark,
    );
    const added = openSection(writer);
    // Nothing is kept of what comes with an opt-out, before it or after it.
    if (optsOut) writeChange(writer, { day, optOut: true });
    else {
      for (const { visit } of waiting) {
        if (addsAnything(visit.change)) writeChange(writer, visit.change);
      }
    }
    closeSection(writer, added);
    const remembered = openSection(writer);
    for (const change of afterwards) writeChange(writer, optsOut ? cookiesOf(change) : change);
    closeSection(writer, remembered);
    writeAliases(writer, isStranger ? aliasesOf(first.visit) : []);
  }
}

const NOTHING = Buffer.alloc(0);

/** What is remembered of who has opted out: the cookies that are to be removed. */
export const cookiesOf = ({ day, cookiesSet, cookiesRemoved }: Change): Change => ({
  day,
  cookiesSet,
  cookiesRemoved,
});

export const aliasesOf = ({ aliases }: Visit): string[] =>
  aliases.map(({ dataSource, id }) => aliasKey(dataSource, id));

/** The lane of visits of whom ids have to be asked first. */
export const strangerKey = (visit: Visit): string =>
  JSON.stringify([visit.deviceId, visit.change.optOut === true, ...aliasesOf(visit)]);
