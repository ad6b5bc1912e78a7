/** The slots of a Cluster: texts that hash to each, and which primary has which. */
import { createHash } from 'node:crypto';
import slotOf from 'cluster-key-slot';
import type { Cluster } from 'ioredis';

export const SLOTS = 16_384;

/** A primary, by the slots that it has; when they change, it is another one. */
export interface Primary {
  /** `HOST:PORT/DIGEST OF ITS SLOTS` */
  readonly name: string;
  readonly address: string;
  readonly slots: readonly number[];
}

/** By client: the address that each slot was known for last, and what follows from that. */
const known = new WeakMap<
  Cluster,
  { readonly addresses: readonly (string | undefined)[]; readonly primaries: readonly Primary[] }
>();

/** As the client knows it; what it does not know yet, it finds out with the next answer. */
export function primariesOf(client: Cluster): readonly Primary[] {
  const { slots } = client;
  const last = known.get(client);
  // Asked for with each batch of visitors, and seldom changed.
  if (last?.addresses.every((address, slot) => address === slots[slot]?.[0])) return last.primaries;
  const addresses = Array.from({ length: SLOTS }, (_, slot) => slots[slot]?.[0]);
  const own = new Map<string, number[]>();
  for (const [slot, address] of addresses.entries()) {
    if (address === undefined) continue;
    const others = own.get(address);
    if (others) others.push(slot);
    else own.set(address, [slot]);
  }
  const primaries = [...own].map(([address, some]) => ({
    name: `${address}/${digestOf(some)}`,
    address,
    slots: some,
  }));
  known.set(client, { addresses, primaries });
  return primaries;
}

/** @param slots ascending */
export const digestOf = (slots: readonly number[]): string =>
  createHash('sha1').update(Uint16Array.from(slots)).digest('hex').slice(0, 8);

let tags: string[] | undefined;

/** The shortest number, to the base of 36, that a slot is the hash of: `{TAG}` in a key puts it there. */
export function tagOf(slot: number): string {
  tags ??= findTags();
  return tags[slot];
}

function findTags(): string[] {
  const found = new Array<string>(SLOTS);
  for (let number = 0, left = SLOTS; left > 0; number++) {
    const tag = number.toString(36);
    const slot = slotOf(tag);
    if (found[slot] !== undefined) continue;
    found[slot] = tag;
    left--;
  }
  return found;
}
