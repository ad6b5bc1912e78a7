/** What is left of destinations that are gone: their queues, their dead letters, their unfinished files. */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import type { Outbox } from '../store/outbox.ts';
import type { Registry } from '../store/registry.ts';
import type { InForce } from './examiner.ts';
import { Lease, queueLease } from './lease.ts';
import { forgetPasses, passes } from './pass.ts';
import { workedOn, workFolderOf } from './work-folder.ts';

export interface LeftoversOptions {
  readonly outbox: Outbox;
  readonly registry: Registry;
  /** The revision of the account that was saved last. */
  readonly savedRevision: () => Promise<number>;
  readonly inForce: () => InForce;
  /** For files that are not complete. */
  readonly workFolder: string;
  /** Says what an operator has to know. */
  readonly report: (message: string, error: unknown) => void;
}

export class Leftovers {
  readonly #options: LeftoversOptions;
  readonly #holder = randomUUID();
  /** Destinations that were gone the last time, though something was left of them. */
  #gone = new Set<number>();

  constructor(options: LeftoversOptions) {
    this.#options = options;
  }

  /**
   * Forgets them, once nobody counts as told any more: the queues by one process, files by each.
   *
   * @param isFirst whether this process sees to the queues
   */
  async forget(isFirst: boolean): Promise<void> {
    const { outbox, registry, inForce, workFolder, report } = this.#options;
    const { terms, revision } = inForce();
    if (isFirst) await forgetPasses(registry, await outbox.shards());
    const before = this.#gone;
    this.#gone = new Set();
    if (!(await this.#isSaved(revision)) || !(await this.#isPassed())) return;
    const queued = isFirst ? (await outbox.queues()).map(({ destination }) => destination) : [];
    const worked = await workedOn(workFolder);
    for (const id of new Set([...queued, ...worked])) {
      if (terms.destinations.has(id)) continue;
      this.#gone.add(id);
      // Another process may still have the account before in force.
      if (!before.has(id)) continue;
      try {
        await this.#forget(id, revision, queued.includes(id), worked.includes(id));
      } catch (error) {
        report(`what is left of destination ${id} cannot be removed`, error);
      }
    }
  }

  async #forget(id: number, revision: number, isQueued: boolean, isWorked: boolean): Promise<void> {
    const { outbox, workFolder } = this.#options;
    // Another process may still send what is queued, or be in the midst of a run.
    const lease = await Lease.take(outbox, queueLease(id), this.#holder);
    if (!lease) return;
    try {
      // What went before may have taken long: it may be there again.
      if (!(await this.#isSaved(revision))) return;
      if (isQueued) await outbox.clear(id);
      if (isWorked) await fs.rm(workFolderOf(workFolder, id), { recursive: true, force: true });
    } finally {
      await lease.release();
    }
  }

  /** A destination that is new in an account which is not in force here is not gone. */
  async #isSaved(revision: number): Promise<boolean> {
    return (await this.#options.savedRevision()) === revision;
  }

  /** Whether all stored visitors were examined by what is in force. */
  async #isPassed(): Promise<boolean> {
    const { outbox, registry, inForce } = this.#options;
    const shards = await outbox.shards();
    const { digest } = inForce().terms;
    const over = (await passes(registry)).filter(
      (pass) => pass.digest === digest && pass.finishedAt !== undefined,
    );
    return shards.every((shard) => over.some((pass) => pass.shard === shard));
  }
}
