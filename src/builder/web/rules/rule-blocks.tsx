/** A rule as blocks, that can be dragged, or moved by keys and by a menu. */
import {
  type CollisionDetection,
  DndContext,
  DragOverlay,
  KeyboardSensor,
  PointerSensor,
  useDraggable,
  useDroppable,
  useSensor,
  useSensors,
} from '@dnd-kit/core';
import { ActionIcon, Alert, Button, Menu, Group as Row, SegmentedControl } from '@mantine/core';
import {
  IconArrowDown,
  IconArrowUp,
  IconBoxMultiple,
  IconCopy,
  IconCornerLeftUp,
  IconDotsVertical,
  IconFolderPlus,
  IconGripVertical,
  IconTrash,
} from '@tabler/icons-react';
import { memo, type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import { RuleError } from '../../../audience/scanner.ts';
import { many } from '../figures.ts';
import {
  type Block,
  blocksOf,
  type Connective,
  changed,
  condition,
  copy,
  dissolved,
  find,
  type Gap,
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
} from './blocks.ts';
import type { RuleLanguage } from './language.ts';
import classes from './rules.module.css';

/** So many blocks of a group are drawn at first: a rule may have thousands. */
const SHOWN = 50;

export interface Leaves<Leaf> {
  /** Draws a condition. */
  readonly draw: (leaf: Leaf, set: (leaf: Leaf) => void) => ReactNode;
  /** A button that adds a condition. */
  readonly adder: (add: (leaf: Leaf) => void) => ReactNode;
  readonly inWords: (leaf: Leaf) => string;
}

interface RuleBlocksProps<Leaf> {
  readonly language: RuleLanguage<Leaf>;
  readonly text: string;
  readonly setText: (text: string) => void;
  readonly leaves: Leaves<Leaf>;
  readonly labelledBy: string;
  readonly isReadOnly: boolean;
}

/** The block that has the focus after an edit; a new one in its first field. */
interface Focus {
  readonly id: string;
  readonly isNew?: boolean;
}

/** What every block needs; stays the same, so that a block is drawn again only when it changes. */
interface Editing<Leaf> {
  readonly change: (change: (whole: Group<Leaf>) => Group<Leaf>, focus?: Focus) => void;
  /** The blocks as they are when something is done. */
  readonly whole: () => Group<Leaf>;
  readonly leaves: Leaves<Leaf>;
  readonly isReadOnly: boolean;
}

/** The blocks of a text; undefined where the text is no rule. */
function read<Leaf>(language: RuleLanguage<Leaf>, text: string): Group<Leaf> | undefined {
  if (text.trim() === '') return group('and', []);
  try {
    return blocksOf(language.parse(text));
  } catch (error) {
    if (error instanceof RuleError) return undefined;
    throw error;
  }
}

export function RuleBlocks<Leaf>(props: RuleBlocksProps<Leaf>) {
  const { language, text, setText, leaves, labelledBy, isReadOnly } = props;
  const [shown, setShown] = useState(() => ({ text, whole: read(language, text) }));
  const place = useRef<HTMLDivElement>(null);
  const [focus, setFocus] = useState<Focus>();
  const [dragged, setDragged] = useState<string>();
  if (shown.text !== text) setShown({ text, whole: read(language, text) });

  const latest = useRef(shown);
  latest.current = shown;
  const editing = useMemo<Editing<Leaf>>(
    () => ({
      leaves,
      isReadOnly,
      whole: () => latest.current.whole as Group<Leaf>,
      change: (change, focus) => {
        const whole = change(latest.current.whole as Group<Leaf>);
        const rule = ruleOf(whole);
        const next = { whole, text: rule ? language.print(rule) : '' };
        latest.current = next;
        setShown(next);
        setText(next.text);
        setFocus(focus);
      },
    }),
    [leaves, isReadOnly, language, setText],
  );
  // What was moved, or stands where something was removed, keeps the focus.
  useEffect(() => {
    if (!focus) return;
    const block = place.current?.querySelector(`[data-block="${focus.id}"]`);
    const field = focus.isNew ? block?.querySelector<HTMLElement>('input') : undefined;
    const handle = (block ?? place.current)?.querySelector<HTMLElement>('[data-handle], button');
    (field ?? handle)?.focus();
    setFocus(undefined);
  }, [focus]);

  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 5 } }),
    useSensor(KeyboardSensor, {
      coordinateGetter: (event, { active, context }) => {
        const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.code];
        if (!by) return undefined;
        event.preventDefault();
        const gaps = gapsFor(editing.whole(), String(active)).map(nameOfGap);
        const at = gaps.indexOf(String(context.over?.id));
        const next = gaps[Math.max(0, Math.min(gaps.length - 1, at + by))];
        const rect = context.droppableRects.get(next);
        return rect && { x: rect.left, y: rect.top };
      },
    }),
  );

  const { whole } = shown;
  if (!whole) {
    return (
      <Alert color="amber" title="This text is no rule yet">
        As long as something is wrong with the text, it has no blocks. Nothing of it is lost: mend
        it as text.
      </Alert>
    );
  }
  const words = wordsOf(whole, leaves);
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={nearestGap}
      accessibility={{
        screenReaderInstructions: { draggable: INSTRUCTIONS },
        announcements: {
          onDragStart: ({ active }) => `${words.block(active.id)} is picked up.`,
          onDragOver: ({ over }) => over && `It would stand ${words.gap(over.id)}.`,
          onDragEnd: ({ active, over }) =>
            `${words.block(active.id)} ${over ? `stands ${words.gap(over.id)}` : 'stays'}.`,
          onDragCancel: ({ active }) => `${words.block(active.id)} stays where it was.`,
        } as Announcements,
      }}
      onDragStart={({ active }) => setDragged(String(active.id))}
      onDragCancel={() => setDragged(undefined)}
      onDragEnd={({ active, over }) => {
        setDragged(undefined);
        if (!over) return;
        const id = String(active.id);
        editing.change((all) => moved(all, id, gapNamed(over.id)), { id });
      }}
    >
      <div ref={place} data-dragging={dragged !== undefined || undefined}>
        <GroupBlock
          block={whole}
          labelledBy={labelledBy}
          editing={editing}
          isWithinDragged={false}
          dragged={dragged}
        />
      </div>
      <DragOverlay dropAnimation={null}>
        {dragged && <div className={classes.overlay}>{words.block(dragged)}</div>}
      </DragOverlay>
    </DndContext>
  );
}

const INSTRUCTIONS =
  'To move this, press Space or Enter, go up and down by the arrow keys, and press Space or Enter ' +
  'again. Escape leaves it where it was.';

type Announcements = NonNullable<
  NonNullable<Parameters<typeof DndContext>[0]['accessibility']>['announcements']
>;

const nameOfGap = ({ group, index }: Gap) => `${group}:${index}`;

function gapNamed(name: string | number): Gap {
  const [group, index] = String(name).split(':');
  return { group, index: Number(index) };
}

/** The gap that is nearest in height; of several, the one whose group begins where the block is. */
const nearestGap: CollisionDetection = (given) => {
  const { collisionRect, pointerCoordinates, droppableRects, droppableContainers } = given;
  const near = droppableContainers.flatMap((droppableContainer) => {
    const { id } = droppableContainer;
    const rect = droppableRects.get(id);
    if (!rect) return [];
    const y = pointerCoordinates
      ? rect.top + rect.height / 2 - pointerCoordinates.y
      : rect.top - collisionRect.top;
    const value = Math.abs(y) + Math.abs(rect.left - collisionRect.left) / 4;
    return [{ id, data: { droppableContainer, value } }];
  });
  return near.sort((a, b) => a.data.value - b.data.value).slice(0, 1);
};

/** What is said of blocks and of gaps to those who hear it. */
function wordsOf<Leaf>(whole: Group<Leaf>, { inWords }: Leaves<Leaf>) {
  const ofBlock = (block: Block<Leaf>): string => {
    const not = 'NOT '.repeat(block.nots);
    if (!isGroup(block)) return not + inWords(block.leaf);
    const start = block.blocks[0] ? `: ${ofBlock(block.blocks[0])} …` : '';
    return `${not}group of ${many(block.blocks.length, 'condition')}${start}`;
  };
  const block = (id: string | number) => {
    const found = find(whole, String(id));
    return found ? ofBlock(found) : '';
  };
  const gap = (name: string | number) => {
    const { group, index } = gapNamed(name);
    const around = find(whole, group);
    if (!around || !isGroup(around)) return '';
    const where = around === whole ? '' : ', inside the group';
    const before = around.blocks[index];
    if (before) return `before ${ofBlock(before)}${where}`;
    const after = around.blocks.at(-1);
    return after ? `after ${ofBlock(after)}${where}` : `in the empty group`;
  };
  return { block, gap };
}

interface GroupBlockProps<Leaf> {
  readonly block: Group<Leaf>;
  readonly editing: Editing<Leaf>;
  /** Of the group that holds everything. */
  readonly labelledBy?: string;
  /** What stands before and behind the switch of a group inside another. */
  readonly lead?: ReactNode;
  readonly trail?: ReactNode;
  readonly dragged: string | undefined;
  readonly isWithinDragged: boolean;
}

const OPS: readonly { value: Connective; label: string }[] = [
  { value: 'and', label: 'All (AND)' },
  { value: 'or', label: 'Any (OR)' },
];

function GroupBlock<Leaf>(props: GroupBlockProps<Leaf>) {
  const { block, editing, labelledBy, lead, trail, dragged, isWithinDragged } = props;
  const { id, op, blocks } = block;
  const { change, leaves, isReadOnly } = editing;
  const [limit, setLimit] = useState(SHOWN);
  const hidden = blocks.length - limit;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out like this
    <div
      role="group"
      className={classes.group}
      data-op={op}
      aria-labelledby={labelledBy}
      aria-label={labelledBy ? undefined : OPS.find(({ value }) => value === op)?.label}
    >
      <div className={classes.groupHead}>
        {lead}
        <SegmentedControl
          size="xs"
          aria-label="How the conditions of this group belong together"
          readOnly={isReadOnly}
          value={op}
          data={[...OPS]}
          onChange={(value) =>
            change((whole) => changed(whole, id, (one) => [{ ...one, op: value as Connective }]))
          }
        />
        <span className={classes.filler} />
        {trail}
      </div>
      {blocks.length === 0 && (
        <div className={classes.empty}>
          {labelledBy ? 'No conditions yet.' : 'An empty group says nothing.'}
        </div>
      )}
      {blocks.slice(0, limit).map((one, index) => (
        <div key={one.id}>
          <GapBefore
            gap={{ group: id, index }}
            op={index > 0 ? op : undefined}
            isClosed={isWithinDragged || dragged === undefined}
          />
          <BlockRow
            block={one}
            editing={editing}
            isFirst={index === 0}
            isLast={index === blocks.length - 1}
            isTop={labelledBy !== undefined}
            dragged={dragged}
            isWithinDragged={isWithinDragged || dragged === one.id}
          />
        </div>
      ))}
      {hidden > 0 && (
        <Button
          size="xs"
          variant="subtle"
          mt={6}
          onClick={() => setLimit((before) => before + 4 * SHOWN)}
        >
          Show {many(Math.min(hidden, 4 * SHOWN), 'more condition')} of {blocks.length}
        </Button>
      )}
      <GapBefore
        gap={{ group: id, index: blocks.length }}
        isClosed={isWithinDragged || dragged === undefined}
      />
      {!isReadOnly && (
        <Row gap={6} className={classes.adders}>
          {leaves.adder((leaf) => {
            const one = condition(leaf);
            change((whole) => inserted(whole, { group: id, index: blocks.length }, one), {
              id: one.id,
              isNew: true,
            });
            setLimit((before) => Math.max(before, blocks.length + 1));
          })}
          <Button
            size="xs"
            variant="subtle"
            color="gray"
            leftSection={<IconFolderPlus size={15} aria-hidden />}
            onClick={() => {
              const added = group<Leaf>(op === 'and' ? 'or' : 'and', []);
              change((whole) => inserted(whole, { group: id, index: blocks.length }, added), {
                id: added.id,
              });
            }}
          >
            Add group
          </Button>
        </Row>
      )}
    </div>
  );
}

function GapBefore({ gap, op, isClosed }: { gap: Gap; op?: Connective; isClosed: boolean }) {
  const { setNodeRef, isOver } = useDroppable({ id: nameOfGap(gap), disabled: isClosed });
  return (
    <div ref={setNodeRef} className={classes.gap} data-over={isOver || undefined} data-op={op}>
      {op && <span>{op.toUpperCase()}</span>}
    </div>
  );
}

interface BlockRowProps<Leaf> {
  readonly block: Block<Leaf>;
  readonly editing: Editing<Leaf>;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Whether it is in no group but the one of everything. */
  readonly isTop: boolean;
  readonly dragged: string | undefined;
  readonly isWithinDragged: boolean;
}

const BlockRow = memo(BlockRowOf) as typeof BlockRowOf;

function BlockRowOf<Leaf>(props: BlockRowProps<Leaf>) {
  const { block, editing, dragged, isWithinDragged } = props;
  const { id, nots } = block;
  const { change, leaves, isReadOnly } = editing;
  const { setNodeRef, setActivatorNodeRef, attributes, listeners } = useDraggable({
    id,
    disabled: isReadOnly,
  });
  const label = isGroup(block) ? 'group' : leaves.inWords(block.leaf);
  const lead = (
    <>
      {!isReadOnly && (
        <ActionIcon
          ref={setActivatorNodeRef}
          {...attributes}
          {...listeners}
          className={classes.handle}
          variant="transparent"
          color="gray"
          aria-label={`Move: ${label}`}
          data-handle
        >
          <IconGripVertical size={16} aria-hidden />
        </ActionIcon>
      )}
      <Not
        nots={nots}
        label={label}
        isReadOnly={isReadOnly}
        toggle={() => change((whole) => negated(whole, id))}
      />
    </>
  );
  const trail = !isReadOnly && <BlockMenu {...props} label={label} />;
  const shown = {
    ref: setNodeRef,
    'data-block': id,
    'data-dragged': dragged === id || undefined,
  };
  if (isGroup(block)) {
    return (
      <div {...shown} className={classes.nested}>
        <GroupBlock {...{ block, editing, lead, trail, dragged, isWithinDragged }} />
      </div>
    );
  }
  return (
    <div {...shown} className={classes.block}>
      {lead}
      <div className={classes.content}>
        {leaves.draw(block.leaf, (leaf) =>
          change((whole) => changed(whole, id, (one) => [{ ...one, leaf }])),
        )}
      </div>
      {trail}
    </div>
  );
}

interface NotProps {
  readonly nots: number;
  readonly label: string;
  readonly isReadOnly: boolean;
  readonly toggle: () => void;
}

function Not({ nots, label, isReadOnly, toggle }: NotProps) {
  const text = 'NOT '.repeat(Math.max(1, nots)).trim();
  if (isReadOnly) return nots > 0 && <span className={classes.not}>{text}</span>;
  return (
    <button
      type="button"
      className={classes.not}
      aria-pressed={nots > 0}
      aria-label={`${text}: ${label}`}
      onClick={toggle}
    >
      {text}
    </button>
  );
}

function BlockMenu<Leaf>(props: BlockRowProps<Leaf> & { readonly label: string }) {
  const { block, editing, isFirst, isLast, isTop, label } = props;
  const { id, nots } = block;
  const { change, whole } = editing;
  const by = (steps: number) => {
    const place = placeOf(whole(), id);
    if (!place) return;
    // Down is behind the next one, so one gap further.
    const index = place.index + (steps > 0 ? steps + 1 : steps);
    change((all) => moved(all, id, { group: place.parent.id, index }), { id });
  };
  const out = () => {
    const parent = placeOf(whole(), id)?.parent;
    const place = parent && placeOf(whole(), parent.id);
    if (!place) return;
    change((all) => moved(all, id, { group: place.parent.id, index: place.index + 1 }), { id });
  };
  const remove = () => {
    const place = placeOf(whole(), id);
    if (!place) return;
    const { parent, index } = place;
    const next = parent.blocks[index + 1] ?? parent.blocks[index - 1];
    change((all) => without(all, id), { id: next?.id ?? parent.id });
  };
  return (
    <Menu position="bottom-end" width={230} shadow="md" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`Change: ${label}`}>
          <IconDotsVertical size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Item icon={IconArrowUp} label="Move up" disabled={isFirst} onClick={() => by(-1)} />
        <Item icon={IconArrowDown} label="Move down" disabled={isLast} onClick={() => by(1)} />
        <Item
          icon={IconCornerLeftUp}
          label="Move out of the group"
          disabled={isTop}
          onClick={out}
        />
        <Menu.Divider />
        <Item
          icon={IconFolderPlus}
          label="Put into a group"
          onClick={() => change((all) => wrapped(all, id), { id })}
        />
        {isGroup(block) && (
          <Item
            icon={IconBoxMultiple}
            label="Take out of the group"
            disabled={nots > 0}
            onClick={() => change((all) => dissolved(all, id), { id: block.blocks[0]?.id ?? '' })}
          />
        )}
        <Item
          icon={IconCopy}
          label="Duplicate"
          onClick={() => {
            const other = copy(block);
            change((all) => changed(all, id, (one) => [one, other]), { id: other.id });
          }}
        />
        <Menu.Divider />
        <Item icon={IconTrash} label="Remove" color="red" onClick={remove} />
      </Menu.Dropdown>
    </Menu>
  );
}

interface ItemProps {
  readonly icon: typeof IconTrash;
  readonly label: string;
  readonly disabled?: boolean;
  readonly color?: string;
  readonly onClick: () => void;
}

const Item = ({ icon: Icon, label, disabled, color, onClick }: ItemProps) => (
  <Menu.Item
    leftSection={<Icon size={15} aria-hidden />}
    disabled={disabled}
    color={color}
    onClick={onClick}
  >
    {label}
  </Menu.Item>
);
