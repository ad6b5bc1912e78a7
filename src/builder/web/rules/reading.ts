/**
 * Reads a rule as it is being typed: never refuses anything, and says of every place what belongs
 * there. Colours, completion and the names beside trait ids come from it; whether the rule is right
 * is for the parsers of `src/audience` to say.
 */

export type TokenKind =
  | 'keyword'
  | 'trait'
  | 'key'
  | 'operator'
  | 'number'
  | 'text'
  | 'bracket'
  /** Does not belong where it stands. */
  | 'wrong';

/** What belongs at a place of a segment rule or of a trait rule. */
export type Expected =
  | 'condition'
  | 'connective'
  | '('
  | '['
  | 'listed trait'
  | 'comma'
  | 'recency'
  | 'days'
  | ')'
  | 'comparator'
  | 'count'
  | 'operator'
  | 'operand';

export interface Place {
  readonly expected: Expected;
  /** Groups that are open there. */
  readonly depth: number;
  /** Of the comparison that the place is in; trait rules only. */
  readonly key?: string;
  readonly operator?: string;
}

export interface Token {
  readonly kind: TokenKind;
  readonly from: number;
  readonly to: number;
  readonly place: Place;
}

export interface Reading {
  readonly tokens: readonly Token[];
  /** What could come after the last token. */
  readonly end: Place;
}

/** What a token is at a place, and what belongs after it. */
type Step = readonly [kind: TokenKind, next: Place];

const PIECE = /"(?:[^"\\]|\\.)*"?|[A-Za-z0-9_.-]+|==|!=|>=|<=|=>|[^\s]/gsu;
const START: Place = { expected: 'condition', depth: 0 };

function read(text: string, step: (piece: string, place: Place) => Step): Reading {
  const tokens: Token[] = [];
  let place = START;
  for (const { 0: piece, index: from } of text.matchAll(PIECE)) {
    const [kind, next] = step(piece, place);
    tokens.push({ kind, from, to: from + piece.length, place });
    place = next;
  }
  return { tokens, end: place };
}

const isConnective = (piece: string) => /^(?:and|or)$/i.test(piece);

/** Connectives, NOT and parentheses, which both languages have; undefined where it is none of them. */
function structure(piece: string, place: Place): Step | undefined {
  const { expected, depth } = place;
  if (expected === 'condition') {
    if (/^not$/i.test(piece)) return ['keyword', place];
    if (piece === '(') return ['bracket', { expected: 'condition', depth: depth + 1 }];
  }
  if (expected === 'connective') {
    if (isConnective(piece)) return ['keyword', { expected: 'condition', depth }];
    if (piece === ')' && depth > 0) return ['bracket', { expected, depth: depth - 1 }];
  }
  return undefined;
}

/** Reads a segment rule, such as `123T AND FREQUENCY([456T] <= 5D) >= 3`. */
export const readSegmentRule = (text: string): Reading => read(text, segmentStep);

function segmentStep(piece: string, place: Place): Step {
  const { expected, depth } = place;
  const go = (kind: TokenKind, next: Expected): Step => [kind, { expected: next, depth }];
  const isTrait = /^\d+t$/i.test(piece);
  switch (expected) {
    case 'condition':
      if (isTrait) return go('trait', 'connective');
      if (/^frequency$/i.test(piece)) return go('keyword', '(');
      break;
    case '(':
      if (piece === '(') return go('bracket', '[');
      break;
    case '[':
      if (piece === '[') return go('bracket', 'listed trait');
      break;
    case 'listed trait':
      if (isTrait) return go('trait', 'comma');
      break;
    case 'comma':
      if (piece === ',') return go('bracket', 'listed trait');
      if (piece === ']') return go('bracket', 'recency');
      break;
    case 'recency':
      if (/^(?:>=|<=|=>)$/.test(piece)) return go('operator', 'days');
      if (piece === ')') return go('bracket', 'comparator');
      break;
    case 'days':
      if (/^\d+d$/i.test(piece)) return go('number', ')');
      break;
    case ')':
      if (piece === ')') return go('bracket', 'comparator');
      break;
    case 'comparator':
      if (/^(?:>=|<=|==|=>)$/.test(piece)) return go('operator', 'count');
      break;
    case 'count':
      if (/^\d+$/.test(piece)) return go('number', 'connective');
      break;
  }
  return structure(piece, place) ?? misplaced(piece, place);
}

/** Reads a trait rule, such as `c_page == "home" AND NOT price > 100`. */
export const readTraitRule = (text: string): Reading => read(text, traitStep);

const OPERATORS = new Set(['==', '!=', '>=', '<=', '=>', '>', '<']);
const NAMED = /^(?:contains|startswith|endswith|matcheswords|matchesregex)$/i;

function traitStep(piece: string, place: Place): Step {
  const { expected, depth, key } = place;
  const isWord = /^[\w.-]/.test(piece);
  if (expected === 'operator') {
    if (OPERATORS.has(piece) || NAMED.test(piece)) {
      const operator = piece === '=>' ? '>=' : piece.toLowerCase();
      return ['operator', { expected: 'operand', depth, key, operator }];
    }
  } else if (expected === 'operand') {
    const kind = piece.startsWith('"') ? 'text' : isWord ? 'number' : 'wrong';
    if (kind !== 'wrong' && !isConnective(piece)) return [kind, { expected: 'connective', depth }];
  } else {
    const step = structure(piece, place);
    if (step) return step;
    if (expected === 'condition' && isWord && !isConnective(piece)) {
      return ['key', { expected: 'operator', depth, key: piece }];
    }
  }
  return misplaced(piece, place);
}

/** A connective begins anew, whatever is missing before it; anything else changes nothing. */
function misplaced(piece: string, place: Place): Step {
  const begins = isConnective(piece) && place.expected !== 'condition';
  return begins ? ['keyword', { expected: 'condition', depth: place.depth }] : ['wrong', place];
}
