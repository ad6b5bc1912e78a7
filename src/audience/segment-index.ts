/** Finds the segments that hold for a visitor without asking every rule. */
import { coverOf } from './expression.ts';
import type { HeldTraits } from './holdings.ts';
import {
  compileSegmentRule,
  conditionOnNothing,
  mentions,
  type SegmentRule,
  traitsOf,
} from './segment-rule.ts';

/**
 * Segments by the traits without which they cannot hold. Of the traits that a rule needs together,
 * the one that fewest rules mention is watched.
 */
export class SegmentIndex {
  readonly #rules: readonly (SegmentRule | undefined)[];
  readonly #place: (trait: number) => number;
  /** Compiled when first touched: of a large account, most rules never are. */
  readonly #holds: (((visitor: HeldTraits) => boolean) | undefined)[];
  readonly #byTrait = new Map<number, number[]>();
  readonly #stamp: Uint32Array;
  #generation = 0;

  private constructor(
    rules: readonly (SegmentRule | undefined)[],
    place: (trait: number) => number,
  ) {
    this.#stamp = new Uint32Array(rules.length);
    this.#rules = rules;
    this.#place = place;
    this.#holds = new Array(rules.length).fill(undefined);
  }

  /**
   * Builds an index, pausing after each rule.
   *
   * @param rules a rule for each segment, undefined for a segment that never holds
   * @param place where the account keeps a trait, by its id
   */
  static *build(
    rules: readonly (SegmentRule | undefined)[],
    place: (trait: number) => number,
  ): Generator<void, SegmentIndex, void> {
    const built = new SegmentIndex(rules, place);
    const popularity = new Map<number, number>();
    for (const rule of rules) {
      yield;
      if (!rule) continue;
      for (const t of traitsOf(rule)) popularity.set(t, (popularity.get(t) ?? 0) + 1);
    }
    for (const [segment, rule] of rules.entries()) {
      yield;
      if (!rule) continue;
      const { anchors } = coverOf(rule, conditionOnNothing, (condition) => ({
        anchors: mentions(condition),
        cost: mentions(condition).reduce((sum, t) => sum + (popularity.get(t) ?? 0), 0),
      }));
      for (const trait of new Set(anchors)) {
        const at = place(trait);
        const segments = built.#byTrait.get(at);
        if (segments) segments.push(segment);
        else built.#byTrait.set(at, [segment]);
      }
    }
    return built;
  }

  /** Places of the segments that hold, in no particular order. */
  qualified(visitor: HeldTraits): number[] {
    if (++this.#generation === 2 ** 32) {
      this.#stamp.fill(0);
      this.#generation = 1;
    }
    const qualified: number[] = [];
    for (const trait of visitor.held) {
      const segments = this.#byTrait.get(trait);
      if (segments === undefined) continue;
      for (const segment of segments) {
        if (this.#stamp[segment] === this.#generation) continue;
        this.#stamp[segment] = this.#generation;
        if (this.#compiled(segment)(visitor)) qualified.push(segment);
      }
    }
    return qualified;
  }

  #compiled(segment: number): (visitor: HeldTraits) => boolean {
    let holds = this.#holds[segment];
    if (!holds) {
      // Only segments with a rule are ever filed.
      holds = compileSegmentRule(this.#rules[segment] as SegmentRule, this.#place);
      this.#holds[segment] = holds;
    }
    return holds;
  }
}
