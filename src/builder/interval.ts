/** How sure it is what a sample says of all. */

/** How often the truth lies within the interval. */
export const CONFIDENCE = 0.95;
/** So many standard deviations hold that part of a normal distribution. */
const Z = 1.959964;

/** What was found in a sample that was drawn at random, nobody twice. */
export interface Found {
  readonly hits: number;
  readonly drawn: number;
  /** Out of how many it was drawn; more than `drawn`. */
  readonly of: number;
}

/**
 * Wilson's interval for the share of hits among all. It holds for shares close to 0 and 1, too, and
 * gets narrow as the sample gets to be all.
 *
 * @example
 * interval({ hits: 0, drawn: 100, of: 1e9 }) // { low: 0, high: 0.037 }
 */
export function interval({ hits, drawn, of }: Found): { low: number; high: number } {
  // As many as tell the same where the sample takes nothing away from what is left.
  const n = (drawn * (of - 1)) / (of - drawn);
  const share = hits / drawn;
  const middle = share + Z ** 2 / (2 * n);
  const reach = Z * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2));
  const width = 1 + Z ** 2 / n;
  return {
    low: Math.max(0, (middle - reach) / width),
    high: Math.min(1, (middle + reach) / width),
  };
}
