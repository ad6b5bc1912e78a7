/** Reports as the server answers them, and what their reasons mean. */
import { REASONS } from '../../../destinations/reason.ts';

export type Unit = 'hour' | 'day';

/** How often, by reason. */
export type Reasons = Readonly<Record<string, number>>;

export interface DestinationReported {
  readonly unit: Unit;
  readonly series: readonly {
    /** When the hour or day began: Unix milliseconds. */
    readonly at: number;
    readonly reasons: Reasons;
    readonly loaded: number;
    readonly failed: number;
    readonly timedOut: number;
  }[];
  readonly segments: readonly { readonly sid: number; readonly reasons: Reasons }[];
}

export interface SegmentReported {
  readonly unit: Unit;
  readonly series: readonly { readonly at: number; readonly reasons: Reasons }[];
  readonly destinations: readonly { readonly destinationId: number; readonly reasons: Reasons }[];
}

export interface TotalReported {
  readonly unit: Unit;
  readonly series: readonly {
    readonly at: number;
    readonly calls: number;
    readonly pixels: number;
    readonly late: number;
  }[];
}

/** What happened, in the three words of the charts. */
export interface Outcome {
  readonly fired: number;
  readonly capped: number;
  /** By anything else. */
  readonly blocked: number;
}

export function outcomeOf(reasons: Reasons): Outcome {
  const { delivered = 0, capped = 0 } = reasons;
  const all = Object.values(reasons).reduce((sum, n) => sum + n, 0);
  const { removed = 0, later = 0, fallback = 0 } = reasons;
  const blocked = all - delivered - capped - removed - later - fallback;
  return { fired: delivered, capped, blocked };
}

export function added(list: readonly Reasons[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const reasons of list) {
    for (const [reason, n] of Object.entries(reasons)) sum[reason] = (sum[reason] ?? 0) + n;
  }
  return sum;
}

/** A reason as a sentence. */
export function meaningOf(reason: string): string {
  const words: string = REASONS[reason as keyof typeof REASONS] ?? reason;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const PERIODS = [
  { value: '24h', title: '24 hours', unit: 'hour', units: 24 },
  { value: '48h', title: '48 hours', unit: 'hour', units: 48 },
  { value: '7d', title: '7 days', unit: 'day', units: 7 },
  { value: '30d', title: '30 days', unit: 'day', units: 30 },
  { value: '90d', title: '90 days', unit: 'day', units: 90 },
] as const satisfies readonly { value: string; title: string; unit: Unit; units: number }[];

const MS = { hour: 3_600_000, day: 86_400_000 } as const;

/** The query of a period that ends now. It stays the same within a minute, so that answers are shared. */
export function queryOf({ unit, units }: (typeof PERIODS)[number]) {
  const to = Math.floor(Date.now() / 60_000) * 60_000;
  return { unit, from: to - (units - 1) * MS[unit], to };
}
