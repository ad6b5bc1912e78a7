/** What a visitor holds on a given day: realizations that have not outlived their trait. */
import type { Day, Profile } from './profile.ts';
import type { Holdings, Recency } from './segment-rule.ts';

/** What has to be known of a trait to say who holds it. */
export interface TraitTerms {
  readonly sid: number;
  /** Days that a realization lasts after its own day; 0: for ever. */
  readonly ttl: number;
  /** Onboarded traits count at most once. */
  readonly onboarded: boolean;
  /** Places of the folder traits that sum this trait up. */
  readonly folders: readonly number[];
}

/**
 * Reads profiles against the traits of one account. One instance serves one request after the other
 * (`load` forgets the last visitor in constant time), so a request costs what its own profile
 * holds, whatever the size of the account.
 */
export class HeldTraits implements Holdings {
  /** Places of the traits that the loaded visitor holds, folder traits included. */
  readonly held: number[] = [];
  readonly #traits: readonly TraitTerms[];
  readonly #places: ReadonlyMap<number, number>;
  readonly #stamp: Uint32Array;
  /** Where a trait's realizations that still count begin and end in the profile. */
  readonly #from: Int32Array;
  readonly #to: Int32Array;
  readonly #members = new Map<number, number[]>();
  #generation = 0;
  #profile: Profile | undefined;
  #today: Day = 0;

  constructor(traits: readonly TraitTerms[], places: ReadonlyMap<number, number>) {
    this.#traits = traits;
    this.#places = places;
    this.#stamp = new Uint32Array(traits.length);
    this.#from = new Int32Array(traits.length);
    this.#to = new Int32Array(traits.length);
  }

  load(profile: Profile, today: Day): this {
    if (++this.#generation === 2 ** 32) {
      this.#stamp.fill(0);
      this.#generation = 1;
    }
    this.#profile = profile;
    this.#today = today;
    this.held.length = 0;
    if (this.#members.size > 0) this.#members.clear();
    const { realizations, length } = profile;
    for (let i = 0; i < length; ) {
      const sid = realizations[i];
      const from = i;
      do i += 2;
      while (i < length && realizations[i] === sid);
      const place = this.#places.get(sid);
      if (place !== undefined) this.#hold(place, from, i);
    }
    return this;
  }

  holds(trait: number): boolean {
    return this.#stamp[trait] === this.#generation;
  }

  count(trait: number, recency?: Recency): number {
    if (!this.holds(trait)) return 0;
    const members = this.#members.get(trait);
    if (!members) return this.#countOne(trait, recency);
    let sum = 0;
    for (const member of members) sum += this.#countOne(member, recency);
    return sum;
  }

  #hold(place: number, from: number, to: number): void {
    const { ttl, folders } = this.#traits[place];
    const days = (this.#profile as Profile).realizations;
    if (ttl > 0) {
      // A trait that lapsed and came back starts anew: only the last unbroken run counts.
      let next = this.#today;
      let start = to;
      while (start > from) {
        const day = days[start - 1] >>> 16;
        if (next - day > ttl) break;
        next = day;
        start -= 2;
      }
      if (start === to) return;
      from = start;
    }
    this.#stamp[place] = this.#generation;
    this.#from[place] = from;
    this.#to[place] = to;
    this.held.push(place);
    for (const folder of folders) {
      const members = this.#members.get(folder);
      if (members) members.push(place);
      else {
        this.#members.set(folder, [place]);
        this.#stamp[folder] = this.#generation;
        this.held.push(folder);
      }
    }
  }

  #countOne(place: number, recency: Recency | undefined): number {
    const days = (this.#profile as Profile).realizations;
    let sum = 0;
    for (let i = this.#from[place]; i < this.#to[place]; i += 2) {
      const age = this.#today - (days[i + 1] >>> 16);
      if (recency && (recency.operator === '<=' ? age > recency.days : age < recency.days))
        continue;
      sum += days[i + 1] & 0xffff;
    }
    return this.#traits[place].onboarded ? Math.min(sum, 1) : sum;
  }
}
