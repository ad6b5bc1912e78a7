/** Other ids that visitors are known by, as keys. */
import { createHash } from 'node:crypto';
import type { DeclaredId } from '../audience/profile.ts';

export const aliasKey = (dataSource: number, id: string): string => `${dataSource}\u0001${id}`;

/** The device id of a visitor who is known by an alias alone: the same in every process. */
export function derivedId({ dataSource, id }: DeclaredId): string {
  const digest = createHash('sha256').update(aliasKey(dataSource, id)).digest();
  return [0, 8]
    .map((at) => (digest.readBigUInt64BE(at) % 10n ** 19n).toString().padStart(19, '0'))
    .join('');
}
