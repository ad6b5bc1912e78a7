/**
 * Finds the traits that a request realizes without asking every rule.
 *
 * Each rule is filed under the signals without which it cannot hold (its cover, see
 * `expression.ts`), as narrowly as its comparisons allow: `==` by value, `<` and `>` by sorted
 * thresholds, `startswith` and `endswith` by length and text, `contains` by a piece of the text,
 * everything else by key. Of the signals that a rule needs together, the most selective one is
 * taken, so a key that all rules share costs nothing.
 */
import { coverOf, leavesOf } from './expression.ts';
import { decimal } from './signal.ts';
import { SubstringIndex } from './substring-index.ts';
import {
  type Comparison,
  compileTraitRule,
  type Evaluation,
  type TraitRule,
} from './trait-rule.ts';

export class TraitIndex {
  readonly #rules: readonly (TraitRule | undefined)[];
  /** Compiled when first touched: of a large account, most rules never are. */
  readonly #holds: (((request: Evaluation) => boolean) | undefined)[];
  readonly #keys = new Map<string, KeyIndex>();
  readonly #mentioned = new Set<string>();
  readonly #stamp: Uint32Array;
  #generation = 0;

  private constructor(rules: readonly (TraitRule | undefined)[]) {
    this.#stamp = new Uint32Array(rules.length);
    this.#rules = rules;
    this.#holds = new Array(rules.length).fill(undefined);
  }

  /**
   * Builds an index, pausing after each rule.
   *
   * @param rules a rule for each trait, undefined for a trait that no signal realizes
   */
  static *build(rules: readonly (TraitRule | undefined)[]): Generator<void, TraitIndex, void> {
    const built = new TraitIndex(rules);
    const popularity = new Map<string, number>();
    for (const rule of rules) {
      yield;
      if (!rule) continue;
      for (const leaf of leavesOf(rule)) {
        built.#mentioned.add(leaf.key);
        const drawer = drawerOf(leaf);
        popularity.set(drawer, (popularity.get(drawer) ?? 0) + 1);
      }
    }
    for (const [trait, rule] of rules.entries()) {
      yield;
      if (!rule) continue;
      const { anchors } = coverOf(
        rule,
        () => false,
        (comparison) => ({
          anchors: [comparison],
          cost: (popularity.get(drawerOf(comparison)) ?? 0) * roughness(comparison),
        }),
      );
      for (const comparison of anchors) built.#file(comparison, trait);
    }
    for (const index of built.#keys.values()) {
      yield;
      index.seal();
    }
    return built;
  }

  /** Whether any rule looks at the key at all. */
  knows(key: string): boolean {
    return this.#mentioned.has(key);
  }

  /** Places of the traits whose rules hold for the request, in no particular order. */
  realized(request: Evaluation): number[] {
    if (++this.#generation === 2 ** 32) {
      this.#stamp.fill(0);
      this.#generation = 1;
    }
    const generation = this.#generation;
    const realized: number[] = [];
    const consider = (trait: number) => {
      if (this.#stamp[trait] === generation) return;
      this.#stamp[trait] = generation;
      const before = request.patternBudget;
      const holds = this.#compiled(trait)(request);
      // A rule whose patterns could not all be tried says nothing, whatever its NOTs make of that.
      const unfinished = request.patternBudget < 0 && request.patternBudget < before;
      if (holds && !unfinished) realized.push(trait);
    };
    for (const [key, values] of request.signals) {
      this.#keys.get(key)?.consider(values, consider);
    }
    return realized;
  }

  #compiled(trait: number): (request: Evaluation) => boolean {
    let holds = this.#holds[trait];
    if (!holds) {
      // Only traits with a rule are ever filed.
      holds = compileTraitRule(this.#rules[trait] as TraitRule);
      this.#holds[trait] = holds;
    }
    return holds;
  }

  #file(comparison: Comparison, trait: number): void {
    let index = this.#keys.get(comparison.key);
    if (!index) {
      index = new KeyIndex();
      this.#keys.set(comparison.key, index);
    }
    index.file(comparison, trait);
  }
}

/** Comparisons that are filed together, so that each costs a look once the others are touched. */
function drawerOf({ key, operator, operand, quoted }: Comparison): string {
  switch (operator) {
    case '==':
      return `${key} ${quoted ? operand : `#${decimal(operand)}`}`;
    case 'startswith':
    case 'endswith':
    case 'contains':
      return `${key} ${operator} ${operand}`;
    default:
      return key;
  }
}

/** How much of a touched drawer is looked at, and how often in vain, as a factor. */
const ROUGHNESS: Partial<Record<Comparison['operator'], number>> = {
  '==': 1,
  // Of sorted thresholds about half are passed.
  '<': 0.5,
  '<=': 0.5,
  '>': 0.5,
  '>=': 0.5,
  contains: 4,
};
const roughness = ({ operator }: Comparison) => ROUGHNESS[operator] ?? 2;

type Consider = (trait: number) => void;

interface Threshold {
  readonly number: number;
  readonly trait: number;
}

/** The rules that one key can touch. */
class KeyIndex {
  readonly #texts = new Map<string, number[]>();
  readonly #numbers = new Map<number, number[]>();
  /** Rules with `>` or `>=`, lowest threshold first; with `<` or `<=`, highest first. */
  readonly #above: Threshold[] = [];
  readonly #below: Threshold[] = [];
  readonly #prefixes = new Map<number, Map<string, number[]>>();
  readonly #suffixes = new Map<number, Map<string, number[]>>();
  readonly #substrings = new SubstringIndex();
  readonly #any: number[] = [];

  file({ operator, operand, quoted }: Comparison, trait: number): void {
    const number = decimal(operand);
    switch (operator) {
      case '==':
        if (quoted) push(this.#texts, operand, trait);
        else push(this.#numbers, number, trait);
        break;
      case '>':
      case '>=':
        this.#above.push({ number, trait });
        break;
      case '<':
      case '<=':
        this.#below.push({ number, trait });
        break;
      case 'startswith':
        pushAffix(this.#prefixes, operand, trait);
        break;
      case 'endswith':
        pushAffix(this.#suffixes, operand, trait);
        break;
      case 'contains':
        if (operand === '') this.#any.push(trait);
        else this.#substrings.file(operand, trait);
        break;
      default:
        this.#any.push(trait);
    }
  }

  seal(): void {
    this.#above.sort((a, b) => a.number - b.number);
    this.#below.sort((a, b) => b.number - a.number);
    this.#substrings.seal();
  }

  consider(values: readonly string[], consider: Consider): void {
    for (const trait of this.#any) consider(trait);
    for (const value of values) {
      this.#texts.get(value)?.forEach(consider);
      if (this.#numbers.size > 0 || this.#above.length > 0 || this.#below.length > 0) {
        this.#considerNumber(decimal(value), consider);
      }
      if (this.#prefixes.size > 0) {
        for (const [length, prefixes] of this.#prefixes) {
          if (length <= value.length) prefixes.get(value.slice(0, length))?.forEach(consider);
        }
      }
      if (this.#suffixes.size > 0) {
        for (const [length, suffixes] of this.#suffixes) {
          if (length <= value.length) {
            suffixes.get(value.slice(value.length - length))?.forEach(consider);
          }
        }
      }
      this.#substrings.consider(value, consider);
    }
  }

  #considerNumber(number: number, consider: Consider): void {
    if (Number.isNaN(number)) return;
    this.#numbers.get(number)?.forEach(consider);
    for (const threshold of this.#above) {
      if (threshold.number > number) break;
      consider(threshold.trait);
    }
    for (const threshold of this.#below) {
      if (threshold.number < number) break;
      consider(threshold.trait);
    }
  }
}

function push<Key>(drawers: Map<Key, number[]>, key: Key, trait: number): void {
  const drawer = drawers.get(key);
  if (drawer) drawer.push(trait);
  else drawers.set(key, [trait]);
}

function pushAffix(byLength: Map<number, Map<string, number[]>>, affix: string, trait: number) {
  const drawers = byLength.get(affix.length) ?? new Map<string, number[]>();
  byLength.set(affix.length, drawers);
  push(drawers, affix, trait);
}
