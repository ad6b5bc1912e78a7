/**
 * The pass over stored visitors: after a changed rule or mapping, all of them are examined, though nobody
 * of them comes. How far it is in a shard is in the registry, so that another process can go on there.
 */
import type { Registry } from '../store/registry.ts';

/** A pass over one shard. */
export interface Pass {
  readonly shard: string;
  /** Of the terms that the visitors are examined by. */
  readonly digest: string;
  /** Of the account. */
  readonly revision: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly finishedAt?: number;
  /** Where to go on; undefined: at the start, or it is finished. */
  readonly cursor?: string;
  /** From 0 to 1. */
  readonly progress: number;
  readonly examined: number;
  /** How many of them a second, lately; once it is finished, on average. */
  readonly perSecond?: number;
  /** Of whom partners had to be told something. */
  readonly moved: number;
}

export const passes = async (registry: Registry): Promise<Pass[]> =>
  (await registry.list<Pass>('pass')).map(({ value }) => value);

export const passOf = async (registry: Registry, shard: string): Promise<Pass | undefined> =>
  (await registry.get<Pass>('pass', idOf(shard)))?.value;

export async function keepPass(registry: Registry, pass: Pass): Promise<void> {
  await registry.put('pass', idOf(pass.shard), pass);
}

/** Forgets the passes over shards that there are no more: in a Cluster, slots have moved. */
export async function forgetPasses(registry: Registry, shards: readonly string[]): Promise<void> {
  for (const { shard } of await passes(registry)) {
    if (!shards.includes(shard)) await registry.remove('pass', idOf(shard));
  }
}

/** Ids are no empty texts. */
const idOf = (shard: string) => `shard ${shard}`;
