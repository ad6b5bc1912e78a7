/** Segment mappings: which segments the partner hears of, as what, and when. */
import {
  closestCenter,
  DndContext,
  type DragEndEvent,
  KeyboardSensor,
  PointerSensor,
  useSensor,
  useSensors,
} from '@dnd-kit/core';
import {
  SortableContext,
  sortableKeyboardCoordinates,
  verticalListSortingStrategy,
} from '@dnd-kit/sortable';
import { Button, Checkbox, Group, Pagination, Paper, Stack, Text, Title } from '@mantine/core';
import { IconPlus, IconUsersGroup } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useAnswer, withQuery } from '../api.ts';
import { many } from '../figures.ts';
import { Empty } from '../state.tsx';
import { BulkChanges } from './bulk-changes.tsx';
import { type Destination, isPlain, type Mapping } from './destination.ts';
import type { StepProps } from './editor.tsx';
import { MappingRow } from './mapping-row.tsx';
import classes from './mappings.module.css';
import { SegmentPicker } from './segment-picker.tsx';

export interface Segment {
  readonly sid: number;
  readonly name: string;
  readonly segmentRule: string;
  readonly integrationCode?: string | null;
  readonly status?: 'active' | 'inactive';
}

const PAGE_SIZE = 25;

/** Whether the order counts: where values may not all fit, or stand in one call. */
const isOrdered = (destination: Destination) =>
  destination.destinationType === 'ADS' ||
  (destination.destinationType === 'PUSH' && !isPlain(destination));

/** Places of the mappings, highest priority first. */
function orderOf(mappings: readonly Mapping[], ordered: boolean): number[] {
  const places = mappings.map((_, place) => place);
  if (!ordered) return places;
  return places.sort((a, b) => (mappings[b].priority ?? 0) - (mappings[a].priority ?? 0) || a - b);
}

export function Mappings({ destination, set, problems, isReadOnly }: StepProps) {
  const { mappings = [] } = destination;
  const [isPicking, setPicking] = useState(false);
  const [page, setPage] = useState(1);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const ordered = isOrdered(destination);
  const order = useMemo(() => orderOf(mappings, ordered), [mappings, ordered]);
  const pages = Math.max(1, Math.ceil(order.length / PAGE_SIZE));
  const at = Math.min(page, pages);
  const shown = order.slice((at - 1) * PAGE_SIZE, at * PAGE_SIZE);
  const segments = useSegments(shown.map((place) => mappings[place].sid));
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 4 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );

  const change = (place: number, values: Partial<Mapping>) =>
    set({ mappings: mappings.with(place, { ...mappings[place], ...values }) });
  const changeAll = (make: (mapping: Mapping) => Mapping | undefined) => {
    set({
      mappings: mappings.flatMap((mapping) =>
        selected.has(mapping.sid) ? (make(mapping) ?? []) : mapping,
      ),
    });
  };
  const move = (from: number, to: number) => {
    const next = order.toSpliced(from, 1).toSpliced(to, 0, order[from]);
    const priorities = new Map(next.map((place, i) => [place, next.length - i]));
    set({
      mappings: mappings.map((mapping, place) => ({
        ...mapping,
        priority: priorities.get(place),
      })),
    });
  };
  const dropped = ({ active, over }: DragEndEvent) => {
    if (!over || active.id === over.id) return;
    const placeIn = (sid: unknown) => order.findIndex((place) => mappings[place].sid === sid);
    move(placeIn(active.id), placeIn(over.id));
  };
  const add = (sids: readonly number[]) => {
    setPicking(false);
    set({ mappings: [...mappings, ...sids.map((sid) => ({ sid }))] });
    setPage(Math.ceil((mappings.length + sids.length) / PAGE_SIZE));
  };

  const names = segments.data;
  const announcements = {
    onDragStart: ({ active }: { active: { id: unknown } }) =>
      `Picked up ${nameOf(active.id)}. Move it with the arrow keys, drop it with space.`,
    onDragOver: ({ active, over }: { active: { id: unknown }; over: { id: unknown } | null }) =>
      over ? `${nameOf(active.id)} is at the place of ${nameOf(over.id)}.` : undefined,
    onDragEnd: ({ active }: { active: { id: unknown } }) => `${nameOf(active.id)} dropped.`,
    onDragCancel: ({ active }: { active: { id: unknown } }) =>
      `${nameOf(active.id)} stays where it was.`,
  };
  function nameOf(sid: unknown): string {
    return names?.get(sid as number)?.name ?? `segment ${sid}`;
  }

  return (
    <Paper withBorder p="lg">
      <Stack>
        <Group justify="space-between">
          <Title order={2}>Segment mappings</Title>
          {!isReadOnly && mappings.length > 0 && (
            <Button
              variant="light"
              leftSection={<IconPlus size={16} aria-hidden />}
              onClick={() => setPicking(true)}
            >
              Add segments
            </Button>
          )}
        </Group>
        {mappings.length === 0 ? (
          <Empty
            icon={IconUsersGroup}
            title="No segment is mapped"
            text="Nothing leaves for this destination until you map a segment to it."
            action={
              !isReadOnly && (
                <Button mt="sm" onClick={() => setPicking(true)}>
                  Add segments
                </Button>
              )
            }
          />
        ) : (
          <>
            <Text size="sm" c="dimmed">
              {ordered
                ? 'The higher ones go first, and keep their place where there is no room for all. Drag to change that.'
                : 'Each is sent when a visitor is in its segment.'}
            </Text>
            {!isReadOnly && (
              <Group gap="sm" mih={36}>
                <Checkbox
                  label={selected.size > 0 ? `${selected.size} selected` : 'Select all'}
                  checked={selected.size === mappings.length}
                  indeterminate={selected.size > 0 && selected.size < mappings.length}
                  onChange={() =>
                    setSelected(new Set(selected.size > 0 ? [] : mappings.map(({ sid }) => sid)))
                  }
                />
                {selected.size > 0 && (
                  <BulkChanges
                    destination={destination}
                    count={selected.size}
                    change={changeAll}
                    done={() => setSelected(new Set())}
                  />
                )}
              </Group>
            )}
            <DndContext
              sensors={sensors}
              collisionDetection={closestCenter}
              onDragEnd={dropped}
              accessibility={{ announcements: announcements as never }}
            >
              <SortableContext
                items={shown.map((place) => mappings[place].sid)}
                strategy={verticalListSortingStrategy}
              >
                <ol className={classes.rows}>
                  {shown.map((place, i) => {
                    const mapping = mappings[place];
                    const rank = (at - 1) * PAGE_SIZE + i;
                    return (
                      <MappingRow
                        key={mapping.sid}
                        destination={destination}
                        mapping={mapping}
                        segment={names?.get(mapping.sid)}
                        problems={problems.within(`mappings[${place}]`)}
                        change={(values) => change(place, values)}
                        remove={() => set({ mappings: mappings.toSpliced(place, 1) })}
                        toTop={ordered && rank > 0 ? () => move(rank, 0) : undefined}
                        isDraggable={ordered && !isReadOnly && mappings.length > 1}
                        isReadOnly={isReadOnly}
                        isSelected={selected.has(mapping.sid)}
                        select={(yes) => {
                          const next = new Set(selected);
                          if (yes) next.add(mapping.sid);
                          else next.delete(mapping.sid);
                          setSelected(next);
                        }}
                      />
                    );
                  })}
                </ol>
              </SortableContext>
            </DndContext>
            {pages > 1 && (
              <Group justify="space-between">
                <Text size="sm" c="dimmed">
                  {many(mappings.length, 'mapping')}
                </Text>
                <Pagination
                  size="sm"
                  total={pages}
                  value={at}
                  onChange={setPage}
                  getControlProps={(control) => ({ 'aria-label': `${control} page` })}
                  getItemProps={(number) => ({ 'aria-label': `Page ${number}` })}
                />
              </Group>
            )}
          </>
        )}
      </Stack>
      <SegmentPicker
        isOpen={isPicking}
        close={() => setPicking(false)}
        add={add}
        labels={destination.dataExportLabels ?? []}
        mapped={new Set(mappings.map(({ sid }) => sid))}
      />
    </Paper>
  );
}

/** The segments of these ids, by id. */
function useSegments(sids: readonly number[]) {
  const answer = useAnswer<readonly Segment[]>(withQuery('/segments', { ids: sids.join(',') }), {
    enabled: sids.length > 0,
    staleTime: 30_000,
  });
  const data = useMemo(
    () => answer.data && new Map(answer.data.map((segment) => [segment.sid, segment])),
    [answer.data],
  );
  return { ...answer, data };
}
