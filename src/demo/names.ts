/** What the numbers in an answer are called: for the demo's panel, which speaks to people. */
import { demoAccount } from './account.ts';

/** The names of the demo's traits, segments and destinations, by id. */
export function namesOf(places: { inbox: string }) {
  const { traits, segments, destinations } = demoAccount(places);
  const bySid = (entries: readonly { sid: number; name: string }[]) =>
    Object.fromEntries(entries.map(({ sid, name }) => [sid, name]));
  return {
    traits: bySid(traits),
    segments: bySid(segments),
    destinations: Object.fromEntries(destinations.map((d) => [d.destinationId, d.name])),
  };
}
