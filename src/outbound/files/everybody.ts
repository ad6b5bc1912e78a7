/**
 * Everybody of whom the partner may hear, each once, as of when the file is written: whoever is in a mapped
 * segment then, whatever was told before.
 */
import { isReadable, type Subject } from '../../store/outbox.ts';
import { Gathering } from '../gathering.ts';
import { partnerIdOf, plainId } from '../partner-id.ts';
import type { Terms } from '../terms.ts';
import { nameOf } from './changes.ts';
import type { Mark } from './run-record.ts';
import type { Line, Source, Work } from './source.ts';
import { syncLine } from './sync-file.ts';

/** Entries that are read together. */
const BATCH = 1_000;
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
      pace: () => work.pace(),
    });
  }

  gather(): Promise<void> {
    return this.#gathering.run();
  }

  async *lines(after: Mark | undefined): AsyncGenerator<readonly Line[], void> {
    const { outbox, unreadable } = this.#work;
    for await (const ids of this.#gathering.ids(after as string | undefined)) {
      await this.#work.pace();
      const found = await outbox.look(ids);
      unreadable(found);
      const terms = this.#work.terms();
      yield found.filter(isReadable).flatMap((subject) => {
        const text = this.#lineOf(subject, terms);
        return text === undefined ? [] : { text, mark: subject.deviceId };
      });
    }
  }

  /** The files say all that was queued before, while the destination got changes. */
  async settle(): Promise<void> {
    const { destination, outbox, record, unread, foreign } = this.#work;
    if (foreign.length > 0) await outbox.done(destination, foreign);
    for (;;) {
      const entries = unread.length > 0 ? unread.splice(0) : await outbox.read(destination, BATCH);
      const isOld = ({ queuedAt }: { queuedAt: number }) => queuedAt < record.at - SKEW_MS;
      const old = entries.filter(isOld);
      if (old.length > 0) await outbox.discard(destination, old);
      unread.push(...entries.filter((entry) => !isOld(entry)));
      if (unread.length > 0 || entries.length === 0) return;
    }
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
