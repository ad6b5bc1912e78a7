/** What the numbers in an answer are called: for the demo's panel, which speaks to people. */
import type { Snapshot } from '../account/snapshot.ts';

/** The names of an account's traits, segments and destinations, by id. */
export function namesOf({ traits, segments, destinations }: Snapshot) {
  const bySid = (entries: readonly { sid: number; name: string }[]) =>
    Object.fromEntries(entries.map(({ sid, name }) => [sid, name]));
  return {
    traits: bySid(traits),
    segments: bySid(segments),
    destinations: Object.fromEntries(destinations.map(({ id, name }) => [id, name])),
  };
}
