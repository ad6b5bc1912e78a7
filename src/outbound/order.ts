/**
 * Orders: what people want done with queues. They are left in the registry, and the process that delivers
 * carries them out, since only it may write to the queues.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Outbox } from '../store/outbox.ts';
import type { Registry } from '../store/registry.ts';
import { StoreError } from '../store/store.ts';

/** What to do with dead letters; without messages, with all of them. Or: write a file run's files now. */
export type Order = { readonly destination: number } & (
  | { readonly kind: 'replay' | 'drop'; readonly messages?: readonly string[] }
  | { readonly kind: 'run' }
);

/** There is no process that would carry an order out. */
export class NobodyDelivers extends StoreError {}

interface Kept {
  readonly order: Order;
  /** How many there were, once it is carried out. */
  readonly count?: number;
  readonly problem?: string;
}

const KEPT_MS = 60_000;
const LOOK_MS = 100;
/** Carrying out many takes its time; a process that delivers looks for orders more often. */
const PATIENCE_MS = 10_000;

/**
 * Has an order carried out. Returns how many messages it was about.
 *
 * @throws NobodyDelivers
 * @throws StoreError where it was tried, and the outbox fails
 */
export async function ask(registry: Registry, order: Order): Promise<number> {
  const id = randomUUID();
  const kept: Kept = { order };
  await registry.put('order', id, kept, { ttl: KEPT_MS });
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    await pause(LOOK_MS);
    const { count, problem } = (await registry.get<Kept>('order', id))?.value ?? {};
    if (problem !== undefined) throw new StoreError(problem);
    if (count !== undefined) return count;
  }
  await registry.remove('order', id);
  throw new NobodyDelivers('no process delivers now');
}

/**
 * Carries out what is ordered.
 *
 * @param outbox undefined where another process sees to dead letters
 * @param run has a destination's files written, if this is the process that does; returns whether it is
 */
export async function obey(
  registry: Registry,
  outbox: Outbox | undefined,
  run: (destination: number) => boolean,
): Promise<void> {
  for (const { id, value, version } of await registry.list<Kept>('order')) {
    const { order, count, problem } = value;
    if (count !== undefined || problem !== undefined) continue;
    const doing = carryOut(order, outbox, run);
    if (!doing) continue;
    const done = await doing.then(
      (count): Kept => ({ order, count }),
      (error: Error): Kept => ({ order, problem: error.message }),
    );
    await registry.put('order', id, done, { after: version, ttl: KEPT_MS });
  }
}

function carryOut(
  order: Order,
  outbox: Outbox | undefined,
  run: (destination: number) => boolean,
): Promise<number> | undefined {
  const { destination, kind } = order;
  if (kind === 'run') return run(destination) ? Promise.resolve(1) : undefined;
  return outbox?.[kind](destination, order.messages);
}
