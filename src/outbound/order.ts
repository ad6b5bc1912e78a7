/**
 * Orders: what people want done with queues. They are left in the registry, and the process that delivers
 * carries them out, since only it may write to the queues.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Outbox } from '../store/outbox.ts';
import { type Registry, RegistryConflict } from '../store/registry.ts';
import { StoreError } from '../store/store.ts';

/**
 * What to do with dead letters; without messages, with all of them. Or: write a file run's files now. Or: try
 * now to reach a partner that is away.
 */
export type Order = { readonly destination: number } & (
  | LettersOrder
  | { readonly kind: 'run' | 'probe' }
);

interface LettersOrder {
  readonly kind: 'replay' | 'drop';
  readonly messages?: readonly string[];
}

/** What only the process that works on a destination can do: has it done, and returns whether it is this one. */
export type Here = Readonly<Record<'run' | 'probe', (destination: number) => boolean>>;

/** There is no process that would carry an order out. */
export class NobodyDelivers extends StoreError {}

/** What has become of an order. */
export interface Progress {
  /** How many messages it was about until now. */
  readonly count: number;
  /** Whether there are none left. */
  readonly isOver: boolean;
}

interface Kept extends Partial<Progress> {
  readonly order: Order;
  /** Of all dead letters, those that were given up by then are meant, in Unix milliseconds. */
  readonly until?: number;
  readonly problem?: string;
}

const KEPT_MS = 60_000;
const LOOK_MS = 100;
/** A process that delivers looks for orders more often; one that was killed has the right to them for 12 s. */
const PATIENCE_MS = 15_000;
/** Nobody waits longer for the end of what was begun. */
const LONG_MS = 2_000;
/** Messages that are moved together, and for how long before something else has its turn. */
const PIECE = 100;
const TURN_MS = 100;

/**
 * Has an order carried out. One that takes long goes on when this has returned.
 *
 * @throws NobodyDelivers
 * @throws StoreError where it was tried, and the outbox fails
 */
export async function ask(registry: Registry, order: Order): Promise<Progress> {
  const id = randomUUID();
  const kept: Kept = { order };
  await registry.put('order', id, kept, { ttl: KEPT_MS });
  const began = performance.now();
  for (;;) {
    await pause(LOOK_MS);
    const waited = performance.now() - began;
    const { count, isOver, problem } = (await registry.get<Kept>('order', id))?.value ?? {};
    if (problem !== undefined) throw new StoreError(problem);
    if (count !== undefined && (isOver || waited > LONG_MS))
      return { count, isOver: isOver === true };
    if (count === undefined && waited > PATIENCE_MS) break;
  }
  await registry.remove('order', id);
  throw new NobodyDelivers('no process delivers now');
}

/**
 * Carries out what is ordered, for a moment. Returns whether something is left to do.
 *
 * @param outbox undefined where another process sees to dead letters
 */
export async function obey(
  registry: Registry,
  outbox: Outbox | undefined,
  here: Here,
): Promise<boolean> {
  let isMore = false;
  const end = performance.now() + TURN_MS;
  for (const { id, value, version } of await registry.list<Kept>('order')) {
    if (value.isOver) continue;
    const doing = carryOut(value, outbox, here, end);
    if (!doing) continue;
    const kept = await doing.catch(
      (error: Error): Kept => ({ ...value, problem: error.message, isOver: true }),
    );
    isMore ||= !kept.isOver;
    await registry.put('order', id, kept, { after: version, ttl: KEPT_MS }).catch((error) => {
      // Whoever asked has given up.
      if (!(error instanceof RegistryConflict)) throw error;
    });
  }
  return isMore;
}

function carryOut(
  kept: Kept,
  outbox: Outbox | undefined,
  here: Here,
  end: number,
): Promise<Kept> | undefined {
  const { order } = kept;
  switch (order.kind) {
    case 'run':
    case 'probe':
      if (!here[order.kind](order.destination)) return undefined;
      return Promise.resolve({ ...kept, count: 1, isOver: true });
    case 'replay':
    case 'drop':
      return outbox && moveLetters(outbox, kept, order, end);
    default:
      // Of a newer version: it is for a process of that.
      return undefined;
  }
}

async function moveLetters(
  outbox: Outbox,
  kept: Kept,
  { kind, destination, messages }: Order & LettersOrder,
  end: number,
): Promise<Kept> {
  if (messages) {
    return { ...kept, count: await outbox[kind](destination, messages), isOver: true };
  }
  // What is given up again meanwhile is not meant.
  const { until = Date.now() } = kept;
  let { count = 0 } = kept;
  for (;;) {
    const moved = await outbox[kind](destination, { until, limit: PIECE });
    count += moved;
    const isOver = moved < PIECE;
    if (isOver || performance.now() > end) return { ...kept, until, count, isOver };
  }
}
