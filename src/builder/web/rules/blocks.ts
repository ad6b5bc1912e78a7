/**
 * A rule as blocks: groups of conditions, each of which may be negated.
 *
 * Every rule of both languages has blocks, and its blocks print as the same rule. Unlike a rule,
 * blocks may be unfinished: a group may be empty, a condition may lack its trait.
 */
import type { Expression } from '../../../audience/expression.ts';

export type Connective = 'and' | 'or';

interface Negatable {
  /** Names the block while it is edited; not part of the rule. */
  readonly id: string;
  /** How many NOT stand before it: rules may say NOT NOT. */
  readonly nots: number;
}

export interface Condition<Leaf> extends Negatable {
  readonly leaf: Leaf;
}

export interface Group<Leaf> extends Negatable {
  readonly op: Connective;
  readonly blocks: readonly Block<Leaf>[];
}

export type Block<Leaf> = Condition<Leaf> | Group<Leaf>;

export const isGroup = <Leaf>(block: Block<Leaf>): block is Group<Leaf> => 'blocks' in block;

let made = 0;
const newId = () => `block-${++made}`;

export const condition = <Leaf>(leaf: Leaf): Condition<Leaf> => ({ id: newId(), nots: 0, leaf });

export const group = <Leaf>(op: Connective, blocks: readonly Block<Leaf>[]): Group<Leaf> => ({
  id: newId(),
  nots: 0,
  op,
  blocks,
});

/** The blocks of a rule, in a group that holds all of them. */
export function blocksOf<Leaf>(rule: Expression<Leaf>): Group<Leaf> {
  const whole = blockOf(rule);
  return isGroup(whole) && whole.nots === 0 ? whole : group('and', [whole]);
}

function blockOf<Leaf>(rule: Expression<Leaf>): Block<Leaf> {
  if (rule.op === 'leaf') return condition(rule.leaf);
  if (rule.op === 'not') {
    const block = blockOf(rule.term);
    return { ...block, nots: block.nots + 1 };
  }
  return group(rule.op, rule.terms.map(blockOf));
}

/** The rule that blocks say; undefined where they say nothing. Empty groups say nothing. */
export function ruleOf<Leaf>(block: Block<Leaf>): Expression<Leaf> | undefined {
  let rule: Expression<Leaf> | undefined;
  if (isGroup(block)) {
    const terms = block.blocks.flatMap((one) => ruleOf(one) ?? []);
    rule = terms.length > 1 ? { op: block.op, terms } : terms[0];
  } else rule = { op: 'leaf', leaf: block.leaf };
  for (let i = 0; rule && i < block.nots; i++) rule = { op: 'not', term: rule };
  return rule;
}

/** A place between the blocks of a group: before the block that is there now. */
export interface Gap {
  readonly group: string;
  readonly index: number;
}

/** Every condition, from the first to the last. */
export function* conditionsOf<Leaf>(block: Block<Leaf>): Generator<Condition<Leaf>> {
  if (!isGroup(block)) yield block;
  else for (const one of block.blocks) yield* conditionsOf(one);
}

/** The block of that id, or undefined. */
export function find<Leaf>(within: Block<Leaf>, id: string): Block<Leaf> | undefined {
  if (within.id === id) return within;
  if (!isGroup(within)) return undefined;
  for (const one of within.blocks) {
    const found = find(one, id);
    if (found) return found;
  }
  return undefined;
}

/** Where a block is. The whole has no place. */
export function placeOf<Leaf>(
  whole: Group<Leaf>,
  id: string,
): { readonly parent: Group<Leaf>; readonly index: number } | undefined {
  for (const [index, block] of whole.blocks.entries()) {
    if (block.id === id) return { parent: whole, index };
    const place = isGroup(block) && placeOf(block, id);
    if (place) return place;
  }
  return undefined;
}

/** The whole with one of its blocks changed; `change` may give several blocks, or none. */
export function changed<Leaf>(
  whole: Group<Leaf>,
  id: string,
  change: (block: Block<Leaf>) => readonly Block<Leaf>[],
): Group<Leaf> {
  if (whole.id === id) {
    const [block] = change(whole);
    return block && isGroup(block) ? block : whole;
  }
  // What is not on the way to the block stays the very same object, and is not drawn again.
  const within = (block: Block<Leaf>): readonly Block<Leaf>[] => {
    if (block.id === id) return change(block);
    if (!isGroup(block)) return [block];
    const after = inside(block);
    return [after ? { ...block, blocks: after } : block];
  };
  const inside = ({ blocks }: Group<Leaf>): readonly Block<Leaf>[] | undefined => {
    const after = blocks.flatMap(within);
    const isSame = after.length === blocks.length && after.every((one, i) => one === blocks[i]);
    return isSame ? undefined : after;
  };
  const blocks = inside(whole);
  return blocks ? { ...whole, blocks } : whole;
}

/** Without a block, and without groups that nothing would be left in. */
export function without<Leaf>(whole: Group<Leaf>, id: string): Group<Leaf> {
  const parent = placeOf(whole, id)?.parent;
  const isLast = parent && parent !== whole && parent.blocks.length === 1;
  return isLast ? without(whole, parent.id) : changed(whole, id, () => []);
}

export const inserted = <Leaf>(whole: Group<Leaf>, gap: Gap, block: Block<Leaf>): Group<Leaf> =>
  changed(whole, gap.group, (one) =>
    isGroup(one) ? [{ ...one, blocks: one.blocks.toSpliced(gap.index, 0, block) }] : [one],
  );

/** Moves a block into a gap; a group cannot go into itself, and stays then. */
export function moved<Leaf>(whole: Group<Leaf>, id: string, gap: Gap): Group<Leaf> {
  const block = find(whole, id);
  const from = placeOf(whole, id);
  if (!block || !from || find(block, gap.group)) return whole;
  const isBehind = from.parent.id === gap.group && from.index < gap.index;
  const index = isBehind ? gap.index - 1 : gap.index;
  return inserted(without(whole, id), { group: gap.group, index }, block);
}

/**
 * Every gap that a block could be moved into, from the first to the last; of the two beside itself,
 * which leave it where it is, only the first.
 */
export function gapsFor<Leaf>(whole: Group<Leaf>, id: string): Gap[] {
  const gaps: Gap[] = [];
  const walk = ({ id: groupId, blocks }: Group<Leaf>) => {
    const own = blocks.findIndex((block) => block.id === id);
    for (let index = 0; index <= blocks.length; index++) {
      if (own === -1 || index !== own + 1) gaps.push({ group: groupId, index });
      const block = blocks[index];
      if (block && isGroup(block) && block.id !== id) walk(block);
    }
  };
  walk(whole);
  return gaps;
}

/** Puts a block into a group of its own, to which others can then be added. */
export const wrapped = <Leaf>(whole: Group<Leaf>, id: string): Group<Leaf> => {
  const around = placeOf(whole, id)?.parent.op;
  return changed(whole, id, (block) => [group(around === 'or' ? 'and' : 'or', [block])]);
};

/** Puts what is in a group where the group is. A negated group stays: its NOT is about all of it. */
export const dissolved = <Leaf>(whole: Group<Leaf>, id: string): Group<Leaf> =>
  changed(whole, id, (block) => (isGroup(block) && block.nots === 0 ? block.blocks : [block]));

/** NOT before what has none; otherwise one NOT less. */
export const negated = <Leaf>(whole: Group<Leaf>, id: string): Group<Leaf> =>
  changed(whole, id, (block) => [{ ...block, nots: block.nots === 0 ? 1 : block.nots - 1 }]);

/** A block like another, with ids of its own. */
export function copy<Leaf>(block: Block<Leaf>): Block<Leaf> {
  const id = newId();
  return isGroup(block) ? { ...block, id, blocks: block.blocks.map(copy) } : { ...block, id };
}
