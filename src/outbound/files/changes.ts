/** What has changed since the last run: the entries of the queue, each once. */
import { dayOf } from '../../audience/profile.ts';
import { type Entry, isReadable, type Sealed, type Subject } from '../../store/outbox.ts';
import { disclose } from '../disclosure.ts';
import { partName, partOf } from '../run-part.ts';
import type { ServerMapping, Terms } from '../terms.ts';
import type { Mark } from './run-record.ts';
import type { Line, Source, Work } from './source.ts';
import { syncLine } from './sync-file.ts';

/** Entries of a message. */
const PART = 2_000;
/** Visitors that one counts for: visits bring changes at no rate, so they must not pile up. */
const PACED = PART / 10;
/** Of a run: after a crash they are all in memory once. What is more goes into the next run. */
export const MAX_ENTRIES = 500_000;

export const partFile = (message: string): string => `${message}.json`;

export class Changes implements Source {
  readonly #work: Work;
  readonly #maxEntries: number;

  constructor(work: Work, maxEntries = MAX_ENTRIES) {
    this.#work = work;
    this.#maxEntries = maxEntries;
  }

  async gather(): Promise<void> {
    const { destination, outbox, folder, record, unread, foreign } = this.#work;
    for (const sealed of foreign) {
      if (!record.parts.includes(sealed.message)) await this.#add(sealed);
    }
    while (!record.isGathered) {
      await this.#work.pace(PACED);
      const entries =
        unread.length > 0 ? unread.splice(0, PART) : await outbox.read(destination, PART);
      const last = entries.at(-1);
      if (last) {
        const own = record.parts.filter((message) => partOf({ message })).length;
        const sealed = { message: partName(record.at, own + 1), entries };
        await folder.write(partFile(sealed.message), sealed);
        await outbox.seal(destination, sealed);
        record.parts.push(sealed.message);
        record.entries += entries.length;
      }
      // What is queued meanwhile would keep the run from ever ending.
      record.isGathered = !last || last.queuedAt > record.at || record.entries >= this.#maxEntries;
      await this.#work.save();
    }
  }

  async *lines(after: Mark | undefined): AsyncGenerator<readonly Line[], void> {
    const { outbox, folder, record, unreadable } = this.#work;
    const postponed = new Set(record.postponed);
    const [firstPart, firstEntry] = (after ?? [0, 0]) as readonly [number, number];
    for (let part = firstPart; part < record.parts.length; part++) {
      const name = record.parts[part];
      const sealed = await folder.read<Sealed>(partFile(name));
      if (!sealed) throw new Error(`the work file ${partFile(name)} is missing`);
      const from = part === firstPart ? firstEntry : 0;
      const entries = sealed.entries.slice(from);
      await this.#work.pace(PACED);
      const found = await outbox.look(entries.map(({ deviceId }) => deviceId));
      unreadable(found);
      const terms = this.#work.terms();
      const lines = entries.flatMap((entry, i): Line[] => {
        const subject = found[i];
        if (!isReadable(subject)) {
          postponed.add(entry.id);
          return [];
        }
        // After a crash, somebody may be readable who was not before.
        postponed.delete(entry.id);
        const text = this.#lineOf(entry, subject, terms);
        return text === undefined ? [] : [{ text, mark: [part, from + i + 1] }];
      });
      record.postponed = [...postponed];
      yield lines;
    }
  }

  async settle(): Promise<void> {
    const { destination, outbox, folder, record } = this.#work;
    await this.#putBack();
    // In order: where the first part is missing, the run is known to be complete (see `FileRuns`).
    for (const name of record.parts) {
      const sealed = await folder.read<Sealed>(partFile(name));
      if (sealed) await outbox.done(destination, [sealed]);
      await folder.remove(partFile(name));
    }
  }

  /** Who could not be read is told of by the next run. */
  async #putBack(): Promise<void> {
    const { destination, outbox, folder, record } = this.#work;
    const postponed = new Set(record.postponed);
    if (postponed.size === 0) return;
    // The first part last: while it is there, nobody takes the run for complete (see `FileRuns`).
    for (const name of record.parts.toReversed()) {
      const sealed = await folder.read<Sealed>(partFile(name));
      const own = sealed?.entries.filter(({ id }) => postponed.has(id)) ?? [];
      if (sealed && own.length > 0) await outbox.putBack(destination, sealed, own);
    }
  }

  async #add(sealed: Sealed): Promise<void> {
    const { folder, record, save } = this.#work;
    await folder.write(partFile(sealed.message), sealed);
    record.parts.push(sealed.message);
    record.entries += sealed.entries.length;
    await save();
  }

  #lineOf(entry: Entry, subject: Subject, terms: Terms): string | undefined {
    const { destination, now } = this.#work;
    const mappings = terms.mappings.get(destination) ?? NO_MAPPINGS;
    const userDataSource = terms.destinations.get(destination)?.transfer.userDataSource;
    const today = dayOf(now());
    const told = disclose(entry, subject, {
      ...{ destination, mappings, userDataSource, today },
      // A file does not tell it.
      region: 0,
    });
    if (!told) return undefined;
    const aliases = (isMember: boolean) =>
      told.moves
        .filter((move) => move.isMember === isMember)
        .map(({ sid }) => mappings.get(sid)?.alias ?? '');
    return syncLine(nameOf(told.user), aliases(true), aliases(false));
  }
}

const NO_MAPPINGS: ReadonlyMap<number, ServerMapping> = new Map();

/** What stands first in a line: spaces and line ends separate, so an id that has some cannot. */
export const nameOf = ({
  deviceId,
  partnerId,
}: {
  deviceId: string;
  partnerId: string | undefined;
}): string => (partnerId !== undefined && /^\S+$/.test(partnerId) ? partnerId : deviceId);
