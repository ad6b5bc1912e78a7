/**
 * Boolean combinations, the skeleton that both rule languages share.
 *
 * A rule is an expression over leaves: comparisons of signals in a trait rule, memberships and
 * frequencies in a segment rule. Everything here is independent of what a leaf says.
 */
import type { Scanner } from './scanner.ts';

export type Expression<Leaf> =
  | { readonly op: 'leaf'; readonly leaf: Leaf }
  | { readonly op: 'not'; readonly term: Expression<Leaf> }
  | { readonly op: 'and' | 'or'; readonly terms: readonly Expression<Leaf>[] };

/** Rules nest at most this deep, so that no document can exhaust the stack. */
export const MAX_DEPTH = 100;

/**
 * Parses `OR` over `AND` over `NOT` over parentheses and leaves; keywords in any case.
 *
 * @param parseLeaf reads one leaf at the scanner's place
 * @throws RuleError at the character where the text stops making sense
 */
export function parseExpression<Leaf>(
  scanner: Scanner,
  parseLeaf: (scanner: Scanner) => Leaf,
): Expression<Leaf> {
  let depth = 0;

  function terms(op: 'and' | 'or', operand: () => Expression<Leaf>): Expression<Leaf> {
    const first = operand();
    if (!scanner.keyword(op)) return first;
    const terms = [first];
    do terms.push(operand());
    while (scanner.keyword(op));
    // A grown array keeps room to grow; a large account has many that never will.
    return { op, terms: terms.slice() };
  }
  const disjunction = () => terms('or', conjunction);
  const conjunction = () => terms('and', negation);

  function negation(): Expression<Leaf> {
    const at = scanner.position;
    if (scanner.keyword('not')) return nested(at, () => ({ op: 'not', term: negation() }));
    if (scanner.symbol('(')) return nested(at, group);
    return { op: 'leaf', leaf: parseLeaf(scanner) };
  }
  function group(): Expression<Leaf> {
    const inner = disjunction();
    if (!scanner.symbol(')')) scanner.fail('AND, OR or a closing parenthesis');
    return inner;
  }
  function nested(at: number, parse: () => Expression<Leaf>): Expression<Leaf> {
    if (depth === MAX_DEPTH) scanner.fail(`at most ${MAX_DEPTH} levels of nesting`, at);
    depth++;
    const inner = parse();
    depth--;
    return inner;
  }

  const whole = disjunction();
  if (!scanner.ended()) scanner.fail('AND, OR or the end of the rule');
  return whole;
}

/** Writes an expression so that parsing the text gives the same expression again. */
export function printExpression<Leaf>(
  expression: Expression<Leaf>,
  printLeaf: (leaf: Leaf) => string,
): string {
  const print = (e: Expression<Leaf>, within: 'top' | 'or' | 'and' | 'not'): string => {
    if (e.op === 'leaf') return printLeaf(e.leaf);
    if (e.op === 'not') return `NOT ${print(e.term, 'not')}`;
    const text = e.terms.map((t) => print(t, e.op)).join(e.op === 'and' ? ' AND ' : ' OR ');
    return within === 'top' || (within === 'or' && e.op === 'and') ? text : `(${text})`;
  };
  return print(expression, 'top');
}

/** Compiles an expression to one closure over a subject; no source text is ever made. */
export function compileExpression<Leaf, Subject>(
  expression: Expression<Leaf>,
  compileLeaf: (leaf: Leaf) => (subject: Subject) => boolean,
): (subject: Subject) => boolean {
  if (expression.op === 'leaf') return compileLeaf(expression.leaf);
  if (expression.op === 'not') {
    const term = compileExpression(expression.term, compileLeaf);
    return (subject) => !term(subject);
  }
  const terms = expression.terms.map((t) => compileExpression(t, compileLeaf));
  if (terms.length === 2) {
    const [left, right] = terms;
    return expression.op === 'and'
      ? (subject) => left(subject) && right(subject)
      : (subject) => left(subject) || right(subject);
  }
  const decides = expression.op === 'or';
  return (subject) => {
    for (const term of terms) if (term(subject) === decides) return decides;
    return !decides;
  };
}

/** Every leaf, from left to right. */
export function* leavesOf<Leaf>(expression: Expression<Leaf>): Generator<Leaf> {
  if (expression.op === 'leaf') yield expression.leaf;
  else if (expression.op === 'not') yield* leavesOf(expression.term);
  else for (const term of expression.terms) yield* leavesOf(term);
}

/** What the expression says of a subject that has nothing at all. */
export function holdsOnNothing<Leaf>(
  expression: Expression<Leaf>,
  leafOnNothing: (leaf: Leaf) => boolean,
): boolean {
  if (expression.op === 'leaf') return leafOnNothing(expression.leaf);
  if (expression.op === 'not') return !holdsOnNothing(expression.term, leafOnNothing);
  const decides = expression.op === 'or';
  return expression.terms.some((t) => holdsOnNothing(t, leafOnNothing) === decides)
    ? decides
    : !decides;
}

/** Anchors with the cost of being called for all of them. */
export interface Cover<Anchor> {
  readonly anchors: readonly Anchor[];
  readonly cost: number;
}

/**
 * The cheapest set of anchors such that the expression cannot hold unless one of them is touched.
 *
 * It exists for every expression that is false on nothing: to become true, some leaf has to leave
 * the value it has on nothing, and that takes one of the leaf's anchors. This is why an index by
 * covers finds the same rules as evaluating every rule.
 *
 * @param leafOnNothing a leaf's value where there is nothing
 * @param leafCover what has to be touched for a leaf to leave that value
 */
export function coverOf<Leaf, Anchor>(
  expression: Expression<Leaf>,
  leafOnNothing: (leaf: Leaf) => boolean,
  leafCover: (leaf: Leaf) => Cover<Anchor>,
): Cover<Anchor> {
  if (expression.op === 'leaf') return leafCover(expression.leaf);
  if (expression.op === 'not') return coverOf(expression.term, leafOnNothing, leafCover);
  const before = holdsOnNothing(expression, leafOnNothing);
  const anyTermChangesIt = (expression.op === 'and') === before;
  if (anyTermChangesIt) {
    // A true AND falls, and a false OR rises, through any of its terms: all have to be watched.
    const covers = expression.terms.map((t) => coverOf(t, leafOnNothing, leafCover));
    return {
      anchors: covers.flatMap((c) => c.anchors),
      cost: covers.reduce((sum, c) => sum + c.cost, 0),
    };
  }
  // A false AND rises only when each false term does: watching the cheapest one is enough.
  return expression.terms
    .filter((t) => holdsOnNothing(t, leafOnNothing) === before)
    .map((t) => coverOf(t, leafOnNothing, leafCover))
    .reduce((best, c) => (c.cost < best.cost ? c : best));
}
