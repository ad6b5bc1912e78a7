/**
 * What the tests of this room share: generators of rules, requests and visitors, and short ways to
 * write one down.
 */
import fc from 'fast-check';
import { type Expression, holdsOnNothing } from '../../src/audience/expression.ts';
import { HeldTraits, type TraitTerms } from '../../src/audience/holdings.ts';
import { type Day, Profile } from '../../src/audience/profile.ts';
import { RuleError } from '../../src/audience/scanner.ts';
import {
  type Condition,
  conditionOnNothing,
  type Recency,
  type SegmentRule,
} from '../../src/audience/segment-rule.ts';
import type { Signals } from '../../src/audience/signal.ts';
import {
  type Comparison,
  type Evaluation,
  PATTERN_BUDGET,
  type TraitRule,
} from '../../src/audience/trait-rule.ts';

/** The error that a text is refused with; anything but a RuleError fails the test. */
export function refusal(parse: (text: string) => unknown, text: string): RuleError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof RuleError) return error;
    throw error;
  }
  throw new Error(`was not refused: ${text.slice(0, 100)}`);
}

/** Any combination of the given leaves. AND in AND is kept, since the parser keeps parentheses. */
function expressions<Leaf>(leaf: fc.Arbitrary<Leaf>): fc.Arbitrary<Expression<Leaf>> {
  return fc.letrec<{ any: Expression<Leaf> }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      { weight: 4, arbitrary: leaf.map((leaf) => ({ op: 'leaf', leaf }) as const) },
      { weight: 2, arbitrary: tie('any').map((term) => ({ op: 'not', term }) as const) },
      {
        weight: 3,
        arbitrary: fc
          .tuple(
            fc.constantFrom('and', 'or'),
            fc.array(tie('any'), { minLength: 2, maxLength: 4, size: 'max' }),
          )
          .map(([op, terms]) => ({ op, terms })),
      },
    ),
  })).any;
}

// ---- Trait rules

/** Rules that every request would satisfy are refused, so none may be generated. */
const traitRulesOf = (comparisons: fc.Arbitrary<Comparison>): fc.Arbitrary<TraitRule> =>
  expressions(comparisons).filter((rule) => !holdsOnNothing(rule, () => false));

const RELATIONAL = ['<', '>', '<=', '>='] as const;
const TEXTUAL = ['==', '!=', 'contains', 'startswith', 'endswith'] as const;

interface Vocabulary {
  readonly keys: fc.Arbitrary<string>;
  readonly texts: fc.Arbitrary<string>;
  /** Decimal numbers that may stand without quotes. */
  readonly numbers: fc.Arbitrary<string>;
  readonly words: fc.Arbitrary<string>;
  readonly patterns: fc.Arbitrary<string>;
}

function comparisons({ keys, texts, numbers, words, patterns }: Vocabulary) {
  const comparison = (
    operators: fc.Arbitrary<Comparison['operator']>,
    operands: fc.Arbitrary<string>,
    quoted: fc.Arbitrary<boolean>,
  ): fc.Arbitrary<Comparison> =>
    fc
      .tuple(keys, operators, operands, quoted)
      .map(([key, operator, operand, quoted]) => ({ key, operator, operand, quoted }));
  return fc.oneof(
    { weight: 3, arbitrary: comparison(fc.constantFrom(...TEXTUAL), texts, fc.constant(true)) },
    { weight: 1, arbitrary: comparison(fc.constantFrom(...TEXTUAL), numbers, fc.boolean()) },
    { weight: 1, arbitrary: comparison(fc.constantFrom(...RELATIONAL), numbers, fc.boolean()) },
    { weight: 1, arbitrary: comparison(fc.constant('matcheswords'), words, fc.constant(true)) },
    { weight: 1, arbitrary: comparison(fc.constant('matchesregex'), patterns, fc.constant(true)) },
  );
}

/** Characters that a printed text could trip over. */
const awkward = fc.oneof(
  fc.constantFrom('"', '\\', '\n', '\t', ' ', '“', '”', 'é', '本', '😀', '(', ')', ' AND ', '=='),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
);
const awkwardTexts = fc.string({ unit: awkward, maxLength: 12 });

/** Valid rules with whatever a text can hold, for printing and parsing. */
export const anyTraitRule: fc.Arbitrary<TraitRule> = traitRulesOf(
  comparisons({
    keys: fc.oneof(
      fc.constantFrom(
        ...['c_price', 'h_user-agent', 'nothing', 'and_more', 'contains', '-a', '1a', 'A.b'],
      ),
      fc
        .string({ unit: fc.constantFrom(...'aZ09_.-'), minLength: 1, maxLength: 8 })
        .filter((key) => /[a-z]/i.test(key)),
    ),
    texts: awkwardTexts,
    numbers: fc.constantFrom(
      ...['0', '-0', '1', '1.0', '1.', '.5', '-2.50', '007', '99999999999999999999'],
    ),
    words: fc.tuple(awkwardTexts, awkwardTexts).map(([before, after]) => `${before} word ${after}`),
    patterns: fc.constantFrom(
      ...['', '^a+b$', 'a|b', '[a-c]{2,3}', '(?i)AB', '\\d+\\.', '"', '\\\\', '\\\\"'],
    ),
  }),
);

/** Texts of few letters, some longer than the windows of the substring index. */
const few = fc.constantFrom(
  ...['', 'a', 'b', 'ab', 'ba', 'B', ' ', 'abcabcab', 'babababa!'],
  ...['1', '2', '10', '1.0', '-1', '2.5', '-0'],
);
const fewKeys = fc.constantFrom('k', 'K', 'c_k');

/** Rules over so few keys and texts that `fewSignals` often satisfy them. */
export const fewTraitRules: fc.Arbitrary<TraitRule> = traitRulesOf(
  comparisons({
    keys: fewKeys,
    texts: few,
    numbers: fc.constantFrom('0', '1', '2', '10', '1.00', '-1', '2.5', '-0', '3'),
    words: fc.constantFrom('a', 'b', 'ab', 'a b', '1', '10 a', 'B'),
    patterns: fc.constantFrom(
      ...['a', '^a', 'b$', 'ab+', '^$', '[12]', '^(ab|c)*$', '(?i)^b', '\\b1\\b'],
    ),
  }),
);

const fewValues = fc.array(
  fc.oneof(
    few,
    fc.array(few, { maxLength: 4 }).map((texts) => texts.join('')),
  ),
  { maxLength: 3 },
);

export const fewSignals: fc.Arbitrary<Signals> = fc
  .array(fc.tuple(fewKeys, fewValues), { maxLength: 6, size: 'max' })
  .map((entries) => new Map(entries));

/** A request from a key's value or values. */
export const request = (
  signals: Readonly<Record<string, string | readonly string[]>> | Signals,
): Evaluation => ({
  signals:
    signals instanceof Map
      ? signals
      : new Map(
          Object.entries(signals).map(([key, values]) => [
            key,
            typeof values === 'string' ? [values] : values,
          ]),
        ),
  patternBudget: PATTERN_BUDGET,
});

// ---- Segment rules

function conditions(
  traits: fc.Arbitrary<number>,
  days: fc.Arbitrary<number>,
  counts: fc.Arbitrary<number>,
): fc.Arbitrary<Condition> {
  const recency = fc
    .tuple(fc.constantFrom('<=', '>='), days)
    .map(([operator, days]): Recency => ({ operator, days }));
  return fc.oneof(
    traits.map((trait) => ({ kind: 'trait', trait }) as const),
    fc
      .tuple(
        fc.array(traits, { minLength: 1, maxLength: 3 }),
        fc.option(recency, { nil: undefined }),
        fc.constantFrom('>=', '<=', '=='),
        counts,
      )
      .map(([traits, recency, operator, count]) => ({
        kind: 'frequency' as const,
        traits,
        ...(recency && { recency }),
        operator,
        count,
      })),
  );
}

/** Rules that hold for visitors with nothing are refused, so none may be generated. */
const segmentRulesOf = (leaves: fc.Arbitrary<Condition>): fc.Arbitrary<SegmentRule> =>
  expressions(leaves).filter((rule) => !holdsOnNothing(rule, conditionOnNothing));

/** Valid rules with every number that the language allows, for printing and parsing. */
export const anySegmentRule: fc.Arbitrary<SegmentRule> = segmentRulesOf(
  conditions(
    fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    fc.integer({ min: 1, max: 65_535 }),
    fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  ),
);

// ---- Visitors

/** The day on which visitors are asked about. */
export const TODAY: Day = 20;

/** One trait of an account, as a test writes it: by id, folders by their ids. */
export interface Trait {
  readonly sid: number;
  readonly ttl?: number;
  readonly onboarded?: boolean;
  readonly folders?: readonly number[];
}

/** Which trait, on which day, how often. */
export interface Realization {
  readonly sid: number;
  readonly day: Day;
  readonly count: number;
}

/** By trait id: how many days ago it was realized, once for each time. */
export type Visits = Readonly<Record<number, readonly number[] | undefined>>;

export const daysAgo = (visits: Visits): Realization[] =>
  Object.entries(visits).flatMap(([sid, ages = []]) =>
    ages.map((age) => ({ sid: Number(sid), day: TODAY - age, count: 1 })),
  );

/** An account of the given traits; each is kept at its place in the list. */
export class Account {
  readonly places: ReadonlyMap<number, number>;
  readonly terms: readonly TraitTerms[];

  constructor(traits: readonly Trait[]) {
    const places = new Map(traits.map(({ sid }, place) => [sid, place]));
    this.places = places;
    this.terms = traits.map(({ sid, ttl = 0, onboarded = false, folders = [] }) => ({
      sid,
      ttl,
      onboarded,
      folders: folders.map((folder) => places.get(folder) as number),
    }));
  }

  readonly place = (sid: number): number => this.places.get(sid) as number;

  visitor(realizations: readonly Realization[], today: Day): HeldTraits {
    return new HeldTraits(this.terms, this.places).load(profileOf(realizations), today);
  }
}

export function profileOf(realizations: readonly Realization[]): Profile {
  const profile = new Profile();
  for (const { sid, day, count } of realizations) profile.realize(sid, day, count);
  return profile;
}

const PLAIN = [101, 7, 103, 5, 105];
const FOLDERS = [200, 3];

/** Five traits in any of two folders; ids are in another order than places. */
export const accounts: fc.Arbitrary<Account> = fc
  .tuple(
    ...PLAIN.map((sid) =>
      fc.record({
        sid: fc.constant(sid),
        ttl: fc.constantFrom(0, 1, 2, 5, 120),
        onboarded: fc.boolean(),
        folders: fc.subarray(FOLDERS),
      }),
    ),
  )
  .map((traits) => new Account([...traits, ...FOLDERS.map((sid) => ({ sid }))]));

/** What a visitor did in the last three weeks; trait 999 is one that the account deleted. */
export const visits: fc.Arbitrary<Realization[]> = fc.array(
  fc.record({
    sid: fc.constantFrom(...PLAIN, 999),
    day: fc.integer({ min: 0, max: TODAY }),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 15 },
);

export const recencies: fc.Arbitrary<Recency | undefined> = fc.option(
  fc
    .tuple(fc.constantFrom('<=', '>='), fc.integer({ min: 1, max: TODAY + 1 }))
    .map(([operator, days]) => ({ operator, days }) as const),
  { nil: undefined },
);

/** Rules over the traits and folders of `accounts`, with numbers that `visits` often reach. */
export const fewSegmentRules: fc.Arbitrary<SegmentRule> = segmentRulesOf(
  conditions(
    fc.constantFrom(...PLAIN, ...FOLDERS),
    fc.integer({ min: 1, max: TODAY + 1 }),
    fc.integer({ min: 0, max: 6 }),
  ),
);
