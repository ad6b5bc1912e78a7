/** Everybody whom the partner is told of, each once, as of when the file is written. */
import { dayOf } from '../../audience/profile.ts';
import type { Candidate } from '../../store/outbox.ts';
import { mayTell } from '../examination.ts';
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

export class Everybody implements Source {
  readonly #work: Work;
  readonly #gathering: Gathering;

  /**
   * @param sorted ids that are sorted in memory
   * @param files files that are open together
   */
  constructor(work: Work, sorted?: number, files?: number) {
    const { destination, outbox, folder, record } = work;
    this.#work = work;
    this.#gathering = new Gathering({
      ...{ outbox, folder, record, sorted, files },
      save: () => work.save(),
      isMeant: ({ told }) => told.has(destination),
      pace: () => work.pace(),
    });
  }

  gather(): Promise<void> {
    return this.#gathering.run();
  }

  async *lines(after: Mark | undefined): AsyncGenerator<readonly Line[], void> {
    const { outbox } = this.#work;
    for await (const ids of this.#gathering.ids(after as string | undefined)) {
      await this.#work.pace();
      const candidates = await outbox.look(ids);
      const terms = this.#work.terms();
      yield candidates.flatMap((candidate) => {
        const text = this.#lineOf(candidate, terms);
        return text === undefined ? [] : { text, mark: candidate.deviceId };
      });
    }
  }

  /** The files say all that was queued before. */
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

  #lineOf({ deviceId, profile, told, partnerIds }: Candidate, terms: Terms): string | undefined {
    const { destination, now } = this.#work;
    const sids = told.get(destination);
    if (!profile || !sids) return undefined;
    const mappings = terms.mappings.get(destination);
    const today = dayOf(now());
    const aliases = [...sids.keys()].flatMap((sid) => {
      const mapping = mappings?.get(sid);
      return mapping && mayTell(mapping, profile, today) ? mapping.alias : [];
    });
    if (aliases.length === 0) return undefined;
    const source = terms.destinations.get(destination)?.transfer.userDataSource;
    const partnerId =
      source === undefined
        ? undefined
        : plainId(partnerIdOf(source, profile, partnerIds?.get(destination) ?? ''), source);
    return syncLine(nameOf({ deviceId, partnerId }), aliases);
  }
}
