/** How delivery to a destination stands, as the process that delivers last said. Kept in the registry. */
import type { Registry } from '../store/registry.ts';

export interface Standing {
  /** Unix milliseconds. */
  readonly at: number;
  /** What is wrong with the partner now, in words; undefined if nothing is. */
  readonly problem?: string;
  /** When it is tried again, in Unix milliseconds. */
  readonly nextAt?: number;
  /** When something was delivered last, likewise. */
  readonly deliveredAt?: number;
}

export const standingOf = async (
  registry: Registry,
  destination: number,
): Promise<Standing | undefined> =>
  (await registry.get<Standing>('delivery', String(destination)))?.value;

export async function keepStanding(
  registry: Registry,
  destination: number,
  standing: Standing,
): Promise<void> {
  await registry.put('delivery', String(destination), standing);
}
