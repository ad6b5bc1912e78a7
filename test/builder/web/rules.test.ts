import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Expression } from '../../../src/audience/expression.ts';
import { leavesOf } from '../../../src/audience/expression.ts';
import { patternProblem } from '../../../src/audience/pattern.ts';
import { parseSegmentRule, printSegmentRule } from '../../../src/audience/segment-rule.ts';
import { parseTraitRule, printTraitRule } from '../../../src/audience/trait-rule.ts';
import {
  type Block,
  blocksOf,
  condition,
  conditionsOf,
  copy,
  dissolved,
  find,
  type Group,
  gapsFor,
  group,
  inserted,
  isGroup,
  moved,
  negated,
  placeOf,
  ruleOf,
  without,
  wrapped,
} from '../../../src/builder/web/rules/blocks.ts';
import { fits, optionsAt, questionAt } from '../../../src/builder/web/rules/completion.ts';
import { problemOf, SEGMENT_RULES, traitRules } from '../../../src/builder/web/rules/language.ts';
import {
  type Reading,
  readSegmentRule,
  readTraitRule,
} from '../../../src/builder/web/rules/reading.ts';
import { anySegmentRule, anyTraitRule, refusal } from '../../audience/rules.ts';

describe('a rule and its blocks are the same', () => {
  it('for every segment rule', () => {
    fc.assert(
      fc.property(anySegmentRule, (rule) => {
        const again = ruleOf(blocksOf(rule));
        expect(again).toEqual(rule);
        expect(parseSegmentRule(printSegmentRule(again as typeof rule))).toEqual(rule);
      }),
    );
  });

  it('for every trait rule', () => {
    fc.assert(
      fc.property(anyTraitRule, (rule) => {
        const again = ruleOf(blocksOf(rule));
        expect(again).toEqual(rule);
        expect(parseTraitRule(printTraitRule(again as typeof rule))).toEqual(rule);
      }),
    );
  });

  it.each([
    ['1T'],
    ['NOT 1T AND 2T'],
    ['2T AND NOT NOT 1T'],
    ['(1T AND 2T) AND 3T'],
    ['NOT (NOT 1T OR NOT 2T)'],
    ['1T OR 2T AND NOT (3T OR 4T)'],
    ['FREQUENCY([1T, 2T] <= 5D) >= 3 AND NOT FREQUENCY([1T] >= 30D) == 0'],
  ])('such as %s', (text) => {
    const rule = ruleOf(blocksOf(parseSegmentRule(text)));
    expect(printSegmentRule(rule as NonNullable<typeof rule>)).toBe(text);
  });

  it('and groups that are still empty say nothing', () => {
    const whole = group('and', [condition(1), group('or', []), { ...group('or', []), nots: 1 }]);
    expect(ruleOf(whole)).toEqual({ op: 'leaf', leaf: 1 });
    expect(ruleOf(group('and', []))).toBeUndefined();
  });
});

// Blocks of numbers, so that what an edit does can be written in a line: `1 & !(2 | 3)`.
const written = (block: Block<number>): string =>
  '!'.repeat(block.nots) +
  (isGroup(block)
    ? `(${block.blocks.map(written).join(block.op === 'and' ? ' & ' : ' | ')})`
    : String(block.leaf));

/** 1 & (2 | !(3 & 4)) & 5 */
function sample() {
  const inner = { ...group('and', [condition(3), condition(4)]), nots: 1 };
  const middle = group('or', [condition(2), inner]);
  const whole = group('and', [condition(1), middle, condition(5)]);
  const idOf = (leaf: number) =>
    [...conditionsOf(whole)].find((one) => one.leaf === leaf)?.id as string;
  return { whole, middle, inner, idOf };
}

describe('an edit of blocks', () => {
  const { whole, middle, inner, idOf } = sample();

  it.each<[what: string, after: Group<number>, expected: string]>([
    [
      'adds',
      inserted(whole, { group: middle.id, index: 1 }, condition(9)),
      '(1 & (2 | 9 | !(3 & 4)) & 5)',
    ],
    ['removes', without(whole, idOf(1)), '((2 | !(3 & 4)) & 5)'],
    ['removes a group', without(whole, middle.id), '(1 & 5)'],
    [
      'removes a group with its last block',
      without(without(whole, idOf(3)), idOf(4)),
      '(1 & (2) & 5)',
    ],
    ['negates', negated(whole, idOf(1)), '(!1 & (2 | !(3 & 4)) & 5)'],
    ['takes a NOT away', negated(whole, inner.id), '(1 & (2 | (3 & 4)) & 5)'],
    [
      'moves down',
      moved(whole, idOf(1), { group: whole.id, index: 2 }),
      '((2 | !(3 & 4)) & 1 & 5)',
    ],
    ['moves up', moved(whole, idOf(5), { group: whole.id, index: 0 }), '(5 & 1 & (2 | !(3 & 4)))'],
    ['moves in', moved(whole, idOf(1), { group: inner.id, index: 2 }), '((2 | !(3 & 4 & 1)) & 5)'],
    ['moves out', moved(whole, idOf(3), { group: whole.id, index: 0 }), '(3 & 1 & (2 | !(4)) & 5)'],
    [
      'moves no group into itself',
      moved(whole, middle.id, { group: inner.id, index: 0 }),
      written(whole),
    ],
    ['groups', wrapped(whole, idOf(1)), '((1) & (2 | !(3 & 4)) & 5)'],
    ['dissolves', dissolved(whole, middle.id), '(1 & 2 & !(3 & 4) & 5)'],
    ['dissolves no negated group', dissolved(whole, inner.id), written(whole)],
  ])('%s', (_, after, expected) => {
    expect(written(after)).toBe(expected);
  });

  it('keeps what it does not touch as it is, so that it is not drawn again', () => {
    const after = negated(whole, idOf(1));
    expect(after.blocks[1]).toBe(whole.blocks[1]);
    expect(negated(whole, 'nobody')).toBe(whole);
  });

  it('gives a copy ids of its own', () => {
    const ids = (block: Block<number>): string[] => [
      block.id,
      ...(isGroup(block) ? block.blocks.flatMap(ids) : []),
    ];
    const both = [...ids(whole), ...ids(copy(whole))];
    expect(new Set(both).size).toBe(both.length);
    expect(written(copy(whole))).toBe(written(whole));
  });
});

it('a block moved into any gap that is offered lands there, and no condition is lost', () => {
  const leaves = (rule: Expression<unknown> | undefined) =>
    rule ? [...leavesOf(rule)].map((leaf) => JSON.stringify(leaf)).toSorted() : [];
  fc.assert(
    fc.property(anySegmentRule, fc.nat(), fc.nat(), (rule, which, where) => {
      const whole = blocksOf(rule);
      const conditions = [...conditionsOf(whole)];
      const { id } = conditions[which % conditions.length];
      const gaps = gapsFor(whole, id);
      fc.pre(gaps.length > 0);
      const gap = gaps[where % gaps.length];
      const after = moved(whole, id, gap);
      expect(leaves(ruleOf(after))).toEqual(leaves(rule));
      expect(placeOf(after, id)?.parent.id).toBe(gap.group);
      const { blocks } = find(whole, gap.group) as Group<unknown>;
      const stays = blocks[gap.index]?.id === id;
      const neighbour = blocks[stays ? gap.index + 1 : gap.index];
      const next = placeOf(after, id);
      expect(next?.parent.blocks[next.index + 1]?.id).toBe(neighbour?.id);
    }),
  );
});

const segmentOptions = (text: string) => {
  const { place, typed } = questionAt(readSegmentRule, text);
  const options = optionsAt('segment', place).filter((option) => fits(option, typed));
  return [place.expected, typed, options.map((option) => option.text)];
};
const traitOptions = (text: string) => {
  const { place, typed } = questionAt(readTraitRule, text);
  const options = optionsAt('trait', place).filter((option) => fits(option, typed));
  return [place.expected, typed, options.map((option) => option.text)];
};
const START = ['NOT', '(|)', 'FREQUENCY([|]) >= 1'];

describe('completion of a segment rule', () => {
  it.each<[before: string, expected: string, typed: string, options: string[]]>([
    ['', 'condition', '', START],
    ['Looked at a con', 'condition', 'Looked at a con', []],
    ['123T AND Looked at', 'condition', 'Looked at', []],
    ['NOT Rock and roll', 'condition', 'Rock and roll', []],
    ['123', 'condition', '123', []],
    ['123T', 'condition', '123T', []],
    ['123T ', 'connective', '', ['AND', 'OR']],
    ['123T a', 'connective', 'a', ['AND']],
    ['(123T ', 'connective', '', ['AND', 'OR', ')']],
    ['(123T) ', 'connective', '', ['AND', 'OR']],
    ['123T OR fre', 'condition', 'fre', ['FREQUENCY([|]) >= 1']],
    ['FREQUENCY', 'condition', 'FREQUENCY', ['FREQUENCY([|]) >= 1']],
    ['FREQUENCY(', '[', '', ['[|]']],
    ['FREQUENCY([', 'listed trait', '', []],
    ['FREQUENCY([1T, jazz lo', 'listed trait', 'jazz lo', []],
    ['FREQUENCY([1T ', 'comma', '', [',', ']']],
    ['FREQUENCY([1T] ', 'recency', '', ['<= 7D', '>= 7D', ')']],
    ['FREQUENCY([1T] <= ', 'days', '', ['1D', '7D', '14D', '30D', '90D']],
    ['FREQUENCY([1T] <= 5D ', ')', '', [')']],
    ['FREQUENCY([1T]) ', 'comparator', '', ['>=', '<=', '==']],
    ['FREQUENCY([1T]) exa', 'comparator', 'exa', ['==']],
    ['FREQUENCY([1T]) >= ', 'count', '', ['1', '2', '3', '5', '10']],
    ['FREQUENCY([1T]) >= 3 ', 'connective', '', ['AND', 'OR']],
    ['FREQUENCY([1T AND ', 'condition', '', START],
    ['123T 456T ', 'connective', '', ['AND', 'OR']],
  ])('after %j', (before, ...expected) => {
    expect(segmentOptions(before)).toEqual(expected);
  });
});

describe('completion of a trait rule', () => {
  it.each<[before: string, expected: string, typed: string, options: string[]]>([
    ['', 'condition', '', ['NOT', '(|)']],
    ['c_p', 'condition', 'c_p', []],
    [
      'c_page ',
      'operator',
      '',
      [
        '==',
        '!=',
        'contains',
        'startswith',
        'endswith',
        'matcheswords',
        '>',
        '>=',
        '<',
        '<=',
        'matchesregex',
      ],
    ],
    ['c_page =', 'operator', '=', ['==']],
    ['c_page least', 'operator', 'least', ['>=']],
    ['c_page starts', 'operator', 'starts', ['startswith']],
    ['c_page == ', 'operand', '', []],
    ['c_page == "ho', 'operand', '"ho', []],
    ['c_page == "a \\" b', 'operand', '"a \\" b', []],
    ['c_page == "home"', 'connective', '', ['AND', 'OR']],
    ['c_page == "home" ', 'connective', '', ['AND', 'OR']],
    ['c_page == "home" an', 'connective', 'an', ['AND']],
    ['(c_page == "home" ', 'connective', '', ['AND', 'OR', ')']],
    ['contains contains ', 'operand', '', []],
    ['c_price > 10', 'operand', '10', []],
    ['c_page AND ', 'condition', '', ['NOT', '(|)']],
  ])('after %j', (before, ...expected) => {
    expect(traitOptions(before)).toEqual(expected);
  });

  it('knows the key and the operator that a value is for', () => {
    const { place } = questionAt(readTraitRule, 'a == "1" AND c_genre Contains "ja');
    expect(place).toMatchObject({ key: 'c_genre', operator: 'contains' });
  });
});

describe('what is wrong with a rule', () => {
  const known = new Map([
    [1, { sid: 1, name: 'Home', traitType: 'RULE_BASED_TRAIT' as const }],
    [2, { sid: 2, name: 'Card', traitType: 'ON_BOARDED_TRAIT' as const }],
    [9, null],
  ]);
  const ofSegment = (text: string) => problemOf(SEGMENT_RULES, text, known);
  const ofTrait = (text: string) => problemOf(traitRules(patternProblem), text, new Map());

  it.each<[text: string, at: string, wrong: RegExp, instead: RegExp]>([
    ['1T AMD 2T', 'AMD', /^found "AMD"$/, /^write AND, OR or the end/],
    ['1T AND 9T OR 9T', '9T', /^there is no trait 9$/, /choose one by its name/],
    ['FREQUENCY([1T, 2T]) >= 1', '2T', /“Card” is onboarded/, /write 2T, without/],
    ['FREQUENCY([1T] <= 5) >= 1', '5', /^found "5"$/, /days from 1, such as 5D/],
    ['NOT 1T', 'NOT 1T', /visitors with none of these traits/, /at least one condition/],
    ['Jazz lover AND 1T OR', 'Jazz lover AND', /“Jazz lover AND” is no trait/, /from the list/],
    ['1T AND “2T”', '“', /^found "“"$/, /a trait such as 123T/],
  ])('%s: at %j', (text, at, wrong, instead) => {
    const found = ofSegment(text);
    expect(found && text.slice(found.from, found.to)).toBe(at);
    expect(found?.wrong).toMatch(wrong);
    expect(found?.instead).toMatch(instead);
    expect(found?.isUnfinished).toBe(false);
  });

  it.each<[text: string, at: string, wrong: RegExp]>([
    ['c_page = "home"', '=', /^found "="$/],
    ['c_page == home', 'home', /^found "home"$/],
    ['c_price > "much"', '"much"', /^found "/],
    ['c_page matchesregex "("', '"("', /missing closing/],
    ['NOT c_page == "home"', 'NOT c_page == "home"', /every request would satisfy/],
  ])('%s: at %j', (text, at, wrong) => {
    const found = ofTrait(text);
    expect(found && text.slice(found.from, found.to)).toBe(at);
    expect(found?.wrong).toMatch(wrong);
  });

  it.each(['', ' ', '1T AND', '(1T', 'FREQUENCY([1T', '1T OR 12', '1T OR Jazz lo', 'NOT ('])(
    '%j is not wrong yet, it ends too early',
    (text) => {
      expect(ofSegment(text)).toMatchObject({ isUnfinished: true });
    },
  );

  it('nothing, as long as a trait is not known', () => {
    expect(ofSegment('1T AND 3T')).toBeUndefined();
    expect(ofTrait('c_page == "home"')).toBeUndefined();
  });
});

describe('what is read while somebody types agrees with the language', () => {
  /** Whatever the language itself offers leads nowhere wrong: the text goes on from there. */
  const neverMisleads = (
    language: 'segment' | 'trait',
    read: (text: string) => Reading,
    parse: (text: string) => unknown,
    text: string,
  ) => {
    const { tokens, end } = read(text);
    expect(tokens.filter(({ kind }) => kind === 'wrong')).toEqual([]);
    expect(end.expected).toBe('connective');
    for (const { from, place } of tokens) {
      const before = text.slice(0, from);
      for (const option of optionsAt(language, place)) {
        const [head] = option.text.split('|');
        // Nothing may follow with a semicolon, so the first thing wrong has to be that.
        const written = `${before} ${head} `;
        expect(refusal(parse, `${written};`).position, written).toBe(written.length);
      }
    }
  };

  it('in every segment rule', () => {
    fc.assert(
      fc.property(anySegmentRule, (rule) => {
        const text = printSegmentRule(rule);
        neverMisleads('segment', readSegmentRule, parseSegmentRule, text);
      }),
    );
  });

  it('in every trait rule', () => {
    fc.assert(
      fc.property(anyTraitRule, (rule) => {
        const text = printTraitRule(rule);
        neverMisleads('trait', readTraitRule, parseTraitRule, text);
      }),
    );
  });

  it('and reads everything, whatever is typed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        for (const read of [readSegmentRule, readTraitRule]) {
          let end = 0;
          for (const { from, to } of read(text).tokens) {
            expect(text.slice(end, from).trim()).toBe('');
            end = to;
          }
          expect(text.slice(end).trim()).toBe('');
        }
      }),
    );
  });
});
