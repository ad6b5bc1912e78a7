/**
 * The id by which a partner knows a visitor, as it is kept: with the data source that it is of, since in
 * another one it means nobody, or somebody else. Empty: the device id.
 *
 * @example
 * '20914 38400000-8cf0-11bd-b23e-10b96e40000d'
 */
import type { Profile } from '../audience/profile.ts';

/** @param known what it was before: who opts out or is forgotten has no ids any more */
export function partnerIdOf(
  dataSource: number | undefined,
  profile: Profile | undefined,
  known: string,
): string {
  if (dataSource === undefined) return '';
  const id = profile?.idIn(dataSource);
  if (id !== undefined) return `${dataSource} ${id}`;
  return known.startsWith(`${dataSource} `) ? known : '';
}

/** The id itself; undefined for the device id, and for one of another data source. */
export const plainId = (partnerId: string, dataSource: number): string | undefined =>
  partnerId.startsWith(`${dataSource} `) ? partnerId.slice(`${dataSource} `.length) : undefined;
