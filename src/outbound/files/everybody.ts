/**
 * Everybody of whom the partner may hear, each once, as of when the file is written: whoever is in a mapped
 * segment then, whatever was told before.
 */
import { type Entry, isReadable, type Subject } from '../../store/outbox.ts';
import { BATCH, Gathering } from '../gathering.ts';
import { partnerIdOf, plainId } from '../partner-id.ts';
import type { Terms } from '../terms.ts';
import { nameOf } from './changes.ts';
import type { Mark } from './run-record.ts';
import type { Line, Source, Work } from './source.ts';
import { syncLine } from './sync-file.ts';

/** Clocks of machines may differ by so much; what was queued since then is left in the queue. */
const SKEW_MS = 60_000;

const NOTHING: ReadonlySet<number> = new Set();

export class Everybody implements Source {
  readonly #work: Work;
  readonly #gathering: Gathering;

  /**
   * @param sorted ids that are sorted in memory
   * @param files files that are open together
   */
  constructor(work: Work, sorted?: number, files?: number) {
    const { outbox, folder, record } = work;
    this.#work = work;
    this.#gathering = new Gathering({
      ...{ outbox, folder, record, sorted, files },
      save: () => work.save(),
      isMeant: (candidate) => this.#membersOf(candidate).size > 0,
      pace: () => work.pace(BATCH),
    });
  }

  gather(): Promise<void> {
    return this.#gathering.run();
  }

  async *lines(after: Mark | undefined): AsyncGenerator<readonly Line[], void> {
    const { outbox, unreadable } = this.#work;
    for await (const ids of this.#gathering.ids(after as string | undefined)) {
      await this.#work.pace(ids.length);
      const found = await outbox.look(ids);
      unreadable(found);
      const terms = this.#work.terms();
      yield found.filter(isReadable).flatMap((subject) => {
        const text = this.#lineOf(subject, terms);
        return text === undefined ? [] : { text, mark: subject.deviceId };
      });
    }
  }

  /**
   * The files say all that was queued before, while the destination got changes; but of who cannot be read
   * they say nothing: what is queued of them is told when it gets changes again.
   */
  async settle(): Promise<void> {
    const { destination, outbox, record, unread, foreign } = this.#work;
    for (const message of foreign) {
      const [said, unsaid] = await this.#apart(message.entries);
      if (unsaid.length > 0) await outbox.putBack(destination, message, unsaid);
      if (said.length > 0) await outbox.done(destination, [{ ...message, entries: said }]);
    }
    const isOld = ({ queuedAt }: Entry) => queuedAt < record.at - SKEW_MS;
    const left: Entry[] = [];
    for (let isOver = false; !isOver; ) {
      const entries =
        unread.length > 0 ? unread.splice(0, BATCH) : await outbox.read(destination, BATCH);
      const [said, unsaid] = await this.#apart(entries.filter(isOld));
      if (said.length > 0) await outbox.discard(destination, said);
      const others = entries.filter((entry) => !isOld(entry));
      left.push(...unsaid, ...others);
      isOver = others.length > 0 || entries.length === 0;
    }
    for (const entry of [...left, ...unread.splice(0)]) unread.push(entry);
  }

  /** Entries of visitors whom the files tell of as they are, and of those who cannot be read. */
  async #apart(entries: readonly Entry[]): Promise<[said: Entry[], unsaid: Entry[]]> {
    if (entries.length === 0) return [[], []];
    const { outbox, unreadable, pace } = this.#work;
    await pace(entries.length);
    const found = await outbox.look(entries.map(({ deviceId }) => deviceId));
    unreadable(found);
    const isSaid = (_: Entry, i: number) => isReadable(found[i]);
    return [entries.filter(isSaid), entries.filter((entry, i) => !isSaid(entry, i))];
  }

  #membersOf({ profile }: Pick<Subject, 'profile'>): ReadonlySet<number> {
    return profile && !profile.optedOut ? this.#work.members(profile) : NOTHING;
  }

  #lineOf(subject: Subject, terms: Terms): string | undefined {
    const { destination } = this.#work;
    const { deviceId, profile, partnerIds } = subject;
    const mappings = terms.mappings.get(destination);
    const aliases = [...this.#membersOf(subject)].flatMap((sid) => mappings?.get(sid)?.alias ?? []);
    if (aliases.length === 0) return undefined;
    const source = terms.destinations.get(destination)?.transfer.userDataSource;
    const partnerId =
      source === undefined
        ? undefined
        : plainId(partnerIdOf(source, profile, partnerIds?.get(destination) ?? ''), source);
    return syncLine(nameOf({ deviceId, partnerId }), aliases);
  }
}
