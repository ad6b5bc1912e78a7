/**
 * The gathering: the ids of stored visitors, each once, in order, on the disk, however many there are. A
 * walk may meet somebody twice, and take long; it goes on where it was, whatever kills it. Who cannot be
 * read is among them: when they are looked at, they may be.
 */
import fs from 'node:fs/promises';
import type { Candidate, Outbox } from '../store/outbox.ts';
import { mergedIds, mergeInto, writeIds } from './sorted-ids.ts';
import type { WorkFolder } from './work-folder.ts';

/** How far it is: what a process that goes on with it has to know. */
export interface Gathered {
  /** Shards that were walked, how far another one is (from 0 to 1, too), and the files of ids. */
  walked: string[];
  cursor: { readonly shard: string; readonly at: string; readonly progress: number } | undefined;
  ids: string[];
  isGathered: boolean;
}

export interface GatheringOptions {
  readonly outbox: Outbox;
  readonly folder: WorkFolder;
  /** Is changed, and kept by `save`. */
  readonly record: Gathered;
  readonly save: () => Promise<void>;
  /** Whose ids are wanted. */
  readonly isMeant: (candidate: Candidate) => boolean;
  /**
   * Waited for before some visitors are read; rejects where this process may not go on.
   *
   * @param progress from 0 to 1
   */
  readonly pace: (progress: number) => Promise<void>;
  /** Ids that are sorted in memory; 200,000. */
  readonly sorted?: number;
  /** Files that are open together; 256. */
  readonly files?: number;
}

/** Visitors that are read together. */
export const BATCH = 1_000;
const SORTED = 200_000;
const FILES = 256;

export class Gathering {
  readonly #options: GatheringOptions;

  constructor(options: GatheringOptions) {
    this.#options = options;
  }

  /** Walks over all shards, or what is left of them. */
  async run(): Promise<void> {
    const { outbox, record, save } = this.#options;
    while (!record.isGathered) {
      const shards = await outbox.shards();
      // The one that was being walked first: it may be cut short by a change of shards.
      const shard =
        shards.find((name) => name === record.cursor?.shard) ??
        shards.find((name) => !record.walked.includes(name));
      if (shard === undefined) {
        record.isGathered = true;
        await save();
      } else await this.#walk(shard, shards.length);
    }
  }

  /** @param after only ids that come after this one */
  ids(after?: string): AsyncGenerator<string[], void> {
    const { folder, record } = this.#options;
    return mergedIds(
      record.ids.map((name) => folder.file(name)),
      after,
    );
  }

  /** What the files take, in bytes; an id and the end of its line, for each time that it was met. */
  async size(): Promise<number> {
    const { folder, record } = this.#options;
    let bytes = 0;
    for (const name of record.ids) bytes += (await fs.stat(folder.file(name))).size;
    return bytes;
  }

  async #walk(shard: string, shards: number): Promise<void> {
    const { outbox, record, save, isMeant, pace, sorted = SORTED } = this.#options;
    const before = record.cursor?.shard === shard ? record.cursor : undefined;
    let cursor = before?.at;
    let progress = before?.progress ?? 0;
    const ids = new Set<string>();
    do {
      await pace(Math.min(1, (record.walked.length + progress) / shards));
      const step = await outbox.walk(shard, cursor, BATCH);
      ({ cursor, progress } = step);
      for (const candidate of step.batch.candidates) {
        if (isMeant(candidate)) ids.add(candidate.deviceId);
      }
      for (const { deviceId } of step.batch.unreadable ?? []) ids.add(deviceId);
    } while (cursor !== undefined && ids.size < sorted);
    if (ids.size > 0) await this.#keep(ids);
    record.cursor = cursor === undefined ? undefined : { shard, at: cursor, progress };
    if (cursor === undefined) record.walked.push(shard);
    await save();
  }

  async #keep(ids: ReadonlySet<string>): Promise<void> {
    const { folder, record, save, files = FILES } = this.#options;
    const name = (number: number) => `ids-${number}`;
    let number = Number(record.ids.at(-1)?.slice(name(0).length - 1) ?? 0) + 1;
    await writeIds(folder.file(name(number)), ids);
    record.ids.push(name(number));
    if (record.ids.length < files) return;
    const merged = record.ids;
    number++;
    await mergeInto(
      folder.file(name(number)),
      merged.map((file) => folder.file(file)),
    );
    record.ids = [name(number)];
    await save();
    await folder.remove(...merged);
  }
}
