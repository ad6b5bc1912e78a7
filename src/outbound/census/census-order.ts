/**
 * Orders of a census. Whoever is asked to count exactly leaves one in the registry, since only a process
 * that delivers goes over all visitors. It takes long: while a process sees to it, the order says how far
 * it is, and is renewed again and again. Where nobody renews it, it is soon forgotten.
 */
import { type Registry, revise } from '../../store/registry.ts';

export interface CensusOrder {
  /** Of the estimate that the outcome belongs to. */
  readonly estimateId: string;
  readonly segmentRule: string;
  /** The account must be at least as new. */
  readonly revision: number;
  /** When it was asked for, in Unix milliseconds. */
  readonly at: number;
  /** From 0 to 1. */
  readonly progress: number;
}

/** An estimate as it is kept, whoever counts. */
export interface EstimateRecord {
  /** When it was asked for, in Unix milliseconds. */
  readonly at: number;
  /** Whether a census was asked for. */
  readonly isExact?: boolean;
  readonly outcome?: EstimateOutcome;
}

export interface EstimateOutcome {
  readonly visitors?: number;
  readonly low?: number;
  readonly high?: number;
  readonly sampled?: number;
  readonly total?: number;
  readonly isExact?: boolean;
  readonly problem?: string;
}

/** An outcome is kept for so long. */
export const KEPT_MS = 3_600_000;
/** A census may take hours, and others may have to be taken before it. */
export const AWAITED_MS = 86_400_000;
/** So soon a process has to find an order: one that is started for it, too. */
const FOUND_MS = 20_000;
/** A process that was killed is replaced within this time. */
const RENEWED_MS = 60_000;

/** Those that are not carried out, the oldest first. */
export async function censusOrders(registry: Registry): Promise<CensusOrder[]> {
  const orders = (await registry.list<CensusOrder>('census')).map(({ value }) => value);
  return orders.sort((a, b) => a.at - b.at);
}

/** Undefined where nobody sees to it any more. */
export const censusOrder = async (
  registry: Registry,
  estimateId: string,
): Promise<CensusOrder | undefined> =>
  (await registry.get<CensusOrder>('census', estimateId))?.value;

export async function orderCensus(
  registry: Registry,
  order: Omit<CensusOrder, 'progress'>,
): Promise<void> {
  await registry.put('census', order.estimateId, { ...order, progress: 0 }, { ttl: FOUND_MS });
}

/** Returns whether it is still wanted. */
export async function renewCensus(
  registry: Registry,
  estimateId: string,
  progress: number,
): Promise<boolean> {
  const renewed = await revise<CensusOrder>(
    registry,
    'census',
    estimateId,
    (order) => order && { ...order, progress: Math.max(order.progress, progress) },
    RENEWED_MS,
  );
  return renewed !== undefined;
}

export async function cancelCensus(registry: Registry, estimateId: string): Promise<void> {
  await registry.remove('census', estimateId);
}

/** What came out is an estimate's outcome from now on. */
export async function fulfilCensus(
  registry: Registry,
  { estimateId, at }: CensusOrder,
  outcome: EstimateOutcome,
): Promise<void> {
  const record: EstimateRecord = { at, isExact: true, outcome };
  await registry.put('estimate', estimateId, record, { ttl: KEPT_MS });
  await registry.remove('census', estimateId);
}
