/** Everybody whom the partner is told of, each once, as of when the file is written. */
import { dayOf } from '../audience/profile.ts';
import type { Candidate } from '../store/outbox.ts';
import { nameOf } from './changes.ts';
import { mayTell } from './examination.ts';
import { partnerIdOf, plainId } from './partner-id.ts';
import type { Mark } from './run-record.ts';
import { mergedIds, mergeInto, writeIds } from './sorted-ids.ts';
import type { Line, Source, Work } from './source.ts';
import { syncLine } from './sync-file.ts';
import type { Terms } from './terms.ts';

/** Visitors that are read together. */
const BATCH = 1_000;
/** Ids that are sorted in memory. */
const SORTED = 200_000;
/** Files that are open together. */
const FILES = 256;
/** Clocks of machines may differ by so much; what was queued since then is left in the queue. */
const SKEW_MS = 60_000;

export class Everybody implements Source {
  readonly #work: Work;
  readonly #sorted: number;
  readonly #files: number;

  constructor(work: Work, sorted = SORTED, files = FILES) {
    this.#work = work;
    this.#sorted = sorted;
    this.#files = files;
  }

  async gather(): Promise<void> {
    const { outbox, record } = this.#work;
    while (!record.isGathered) {
      const shards = await outbox.shards();
      // The one that was being walked first: it may be cut short by a change of shards.
      const shard =
        shards.find((name) => name === record.cursor?.shard) ??
        shards.find((name) => !record.walked.includes(name));
      if (shard === undefined) {
        record.isGathered = true;
        await this.#work.save();
      } else await this.#walk(shard);
    }
  }

  async *lines(after: Mark | undefined): AsyncGenerator<readonly Line[], void> {
    const { outbox, folder, record } = this.#work;
    const files = record.ids.map((name) => folder.file(name));
    for await (const ids of mergedIds(files, after as string | undefined)) {
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

  async #walk(shard: string): Promise<void> {
    const { destination, outbox, record } = this.#work;
    let cursor = record.cursor?.shard === shard ? record.cursor.at : undefined;
    const ids = new Set<string>();
    do {
      await this.#work.pace();
      const step = await outbox.walk(shard, cursor, BATCH);
      cursor = step.cursor;
      for (const { deviceId, told } of step.batch.candidates) {
        if (told.has(destination)) ids.add(deviceId);
      }
    } while (cursor !== undefined && ids.size < this.#sorted);
    if (ids.size > 0) await this.#keep(ids);
    record.cursor = cursor === undefined ? undefined : { shard, at: cursor };
    if (cursor === undefined) record.walked.push(shard);
    await this.#work.save();
  }

  async #keep(ids: ReadonlySet<string>): Promise<void> {
    const { folder, record } = this.#work;
    const name = (number: number) => `ids-${number}`;
    let number = Number(record.ids.at(-1)?.slice(name(0).length - 1) ?? 0) + 1;
    await writeIds(folder.file(name(number)), ids);
    record.ids.push(name(number));
    if (record.ids.length < this.#files) return;
    const merged = record.ids;
    number++;
    await mergeInto(
      folder.file(name(number)),
      merged.map((file) => folder.file(file)),
    );
    record.ids = [name(number)];
    await this.#work.save();
    await folder.remove(...merged);
  }

  #lineOf({ deviceId, profile, told, partnerIds }: Candidate, terms: Terms): string | undefined {
    const { destination, now } = this.#work;
    const sids = told.get(destination);
    if (!profile || profile.optedOut || !sids) return undefined;
    const mappings = terms.mappings.get(destination);
    const today = dayOf(now());
    const aliases = [...sids.keys()].flatMap((sid) => {
      const mapping = mappings?.get(sid);
      return mapping && mayTell(mapping, today) ? mapping.alias : [];
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
