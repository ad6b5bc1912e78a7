/** Delivery to server-to-server destinations, as the server answers it. */
import { useAnswer } from '../api.ts';

export interface Delivery {
  readonly destinationId: number;
  /** Visitors of whom the partner has not heard yet. */
  readonly waiting: number;
  /** Since when the first of them waits: Unix milliseconds. */
  readonly oldest?: number;
  /** Messages that were given up. */
  readonly dead: number;
  /** What is wrong with the partner now. */
  readonly problem?: string;
  /** Since when: Unix milliseconds. */
  readonly since?: number;
  /** When it is tried again: Unix milliseconds. */
  readonly next?: number;
  /** When something arrived last: Unix milliseconds. */
  readonly deliveredAt?: number;
  /** Messages a second that arrive. */
  readonly perSecond?: number;
  /** Of a destination that gets files. */
  readonly runs?: Runs;
}

export interface Runs {
  /** The run that is under way. */
  readonly current?: {
    readonly state: 'running' | 'failing';
    /** When it began, or was tried last: Unix milliseconds. */
    readonly at: number;
    readonly problem?: string;
    /** When it is tried again: Unix milliseconds. */
    readonly next?: number;
  };
  /** Newest first. */
  readonly past: readonly Run[];
  /** When the next one is due: Unix milliseconds. */
  readonly next?: number;
}

/** A run that is complete. */
export interface Run {
  /** What its files are called. */
  readonly root: string;
  readonly mode: 'full' | 'iter';
  /** When it began and ended: Unix milliseconds. */
  readonly at: number;
  readonly finished: number;
  readonly files: number;
  readonly lines: number;
  /** Bytes. */
  readonly size: number;
}

/** The pass over the stored visitors of one shard. */
export interface Pass {
  readonly shard: string;
  /** Of the account that made it necessary. */
  readonly revision: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly finishedAt?: number;
  /** From 0 to 1. */
  readonly progress: number;
  readonly examined: number;
  /** How many a second, lately. */
  readonly perSecond?: number;
  /** Of whom partners had to be told something. */
  readonly moved: number;
}

interface Deliveries {
  /** Why nothing at all is delivered now. */
  readonly problem?: string;
  readonly deliverers: readonly {
    /** Since when visitors whose time has come wait for their turn: Unix milliseconds. */
    readonly behindSince?: number;
  }[];
  readonly destinations: readonly Delivery[];
  readonly passes: readonly Pass[];
}

/** A message that was given up. */
export interface DeadLetter {
  readonly message: string;
  /** When: Unix milliseconds. */
  readonly at: number;
  readonly problem: string;
  readonly users: readonly Told[];
}

/** What a message says of one visitor. */
export interface Told {
  readonly deviceId: string;
  readonly queuedAt: number;
  readonly segments: readonly {
    readonly sid: number;
    readonly isMember: boolean;
    readonly at: number;
  }[];
}

/** So often it is asked how delivery stands, while somebody looks at it. */
export const LOOK_MS = 3_000;

export const useDeliveries = (refetchInterval: number) =>
  useAnswer<Deliveries>('/deliveries', { refetchInterval });

export const useDelivery = (destinationId: number, enabled = true) =>
  useAnswer<Delivery>(`/deliveries/${destinationId}`, { refetchInterval: LOOK_MS, enabled });

/** The passes of all shards as one: the last one that any of them has begun. */
export function together(passes: readonly Pass[]): Omit<Pass, 'shard'> | undefined {
  if (passes.length === 0) return undefined;
  const revision = Math.max(...passes.map((pass) => pass.revision));
  const begun = passes.filter((pass) => pass.revision === revision);
  const sum = (name: 'progress' | 'examined' | 'moved' | 'perSecond', of = begun) =>
    of.reduce((all, pass) => all + (pass[name] ?? 0), 0);
  const ends = begun.flatMap(({ finishedAt }) => finishedAt ?? []);
  return {
    revision,
    startedAt: Math.min(...begun.map(({ startedAt }) => startedAt)),
    finishedAt: ends.length === passes.length ? Math.max(...ends) : undefined,
    progress: sum('progress') / passes.length,
    examined: sum('examined'),
    perSecond: sum(
      'perSecond',
      begun.filter(({ finishedAt }) => finishedAt === undefined),
    ),
    moved: sum('moved'),
  };
}
