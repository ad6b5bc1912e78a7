/** One mapping: the segment, what is sent for it, and when. */
import { useSortable } from '@dnd-kit/sortable';
import { ActionIcon, Anchor, Badge, Checkbox, Menu, Text, TextInput } from '@mantine/core';
import {
  IconArrowBarToUp,
  IconDots,
  IconGripVertical,
  IconPlayerPause,
  IconPlayerPlay,
  IconTrash,
} from '@tabler/icons-react';
import { Link } from 'react-router';
import type { Problems } from '../problem.ts';
import { type Destination, isPlain, type Mapping } from './destination.ts';
import classes from './mappings.module.css';
import type { Segment } from './mappings.tsx';
import { UrlInput } from './url-input.tsx';

interface MappingRowProps {
  readonly destination: Destination;
  readonly mapping: Mapping;
  /** Undefined until it is known, and where it is gone. */
  readonly segment: Segment | undefined;
  readonly problems: Problems;
  readonly change: (values: Partial<Mapping>) => void;
  readonly remove: () => void;
  readonly toTop: (() => void) | undefined;
  readonly isDraggable: boolean;
  readonly isReadOnly: boolean;
  readonly isSelected: boolean;
  readonly select: (yes: boolean) => void;
}

const FIELDS = ['url', 'secureUrl', 'traitAlias', 'valueAlias', 'startDate', 'endDate'];

export function MappingRow(props: MappingRowProps) {
  const { destination, mapping, segment, problems, change, isDraggable, isReadOnly } = props;
  const { sid, elementStatus } = mapping;
  const name = segment?.name ?? `Segment ${sid}`;
  const isOff = elementStatus === 'inactive';
  const { setNodeRef, transform, transition, attributes, listeners, isDragging } = useSortable({
    id: sid,
    disabled: !isDraggable,
  });
  const filled =
    destination.autoFill === 'SEGMENT_ID'
      ? String(sid)
      : destination.autoFill === 'INTEGRATION_CODE'
        ? (segment?.integrationCode ?? '')
        : '';
  const others = problems.besides(FIELDS).all.map(({ wrong }) => wrong);
  const input = (field: 'traitAlias' | 'valueAlias' | 'startDate' | 'endDate', label: string) => ({
    size: 'xs' as const,
    label,
    'aria-label': `${label}: ${name}`,
    value: mapping[field] ?? '',
    error: problems.at(field),
    onChange: (event: { currentTarget: { value: string } }) =>
      change({ [field]: event.currentTarget.value }),
  });
  return (
    <li
      ref={setNodeRef}
      className={classes.row}
      data-dragging={isDragging || undefined}
      data-off={isOff || undefined}
      style={{ transform: transform ? `translateY(${transform.y}px)` : undefined, transition }}
    >
      <span className={classes.grips}>
        {isDraggable && (
          <button
            type="button"
            className={classes.grip}
            {...attributes}
            {...listeners}
            aria-label={`Move ${name}`}
          >
            <IconGripVertical size={16} aria-hidden />
          </button>
        )}
        {!isReadOnly && (
          <Checkbox
            size="xs"
            aria-label={`Select ${name}`}
            checked={props.isSelected}
            onChange={(event) => props.select(event.currentTarget.checked)}
          />
        )}
      </span>
      <div className={classes.head}>
        <Anchor component={Link} to={`/segments/${sid}`} c="inherit" className={classes.name}>
          {name}
        </Anchor>
        <Text span size="xs" c="dimmed">
          {sid}
        </Text>
        {isOff && <Badge color="gray">Off</Badge>}
        {segment?.status === 'inactive' && <Badge color="amber">The segment is off</Badge>}
        <Period mapping={mapping} />
        {!isReadOnly && (
          <span className={classes.end}>
            <Menu position="bottom-end" shadow="md">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={`More for ${name}`}>
                  <IconDots size={16} aria-hidden />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                {props.toTop && (
                  <Menu.Item
                    leftSection={<IconArrowBarToUp size={16} aria-hidden />}
                    onClick={props.toTop}
                  >
                    Move to the top
                  </Menu.Item>
                )}
                <Menu.Item
                  leftSection={
                    isOff ? (
                      <IconPlayerPlay size={16} aria-hidden />
                    ) : (
                      <IconPlayerPause size={16} aria-hidden />
                    )
                  }
                  onClick={() => change({ elementStatus: isOff ? 'active' : 'inactive' })}
                >
                  {isOff ? 'Switch on' : 'Switch off'}
                </Menu.Item>
                <Menu.Item
                  color="red"
                  leftSection={<IconTrash size={16} aria-hidden />}
                  onClick={props.remove}
                >
                  Remove
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </span>
        )}
      </div>
      <div className={classes.fields}>
        {isPlain(destination) ? (
          <>
            <div data-wide>
              <UrlInput
                label={`Address for ${name}`}
                isLabelHidden
                placeholder="https://partner.example/pixel?u=%DID%"
                value={mapping.url ?? ''}
                onChange={(url) => change({ url })}
                error={problems.at('url')}
              />
            </div>
            {mapping.secureUrl != null && mapping.secureUrl !== '' && (
              <div data-wide>
                <UrlInput
                  label={`Secure address for ${name}`}
                  isLabelHidden
                  value={mapping.secureUrl}
                  onChange={(secureUrl) => change({ secureUrl })}
                  error={problems.at('secureUrl')}
                />
              </div>
            )}
          </>
        ) : (
          <>
            {destination.destinationType === 'ADS' && destination.formatType === 'key_value' && (
              <TextInput {...input('traitAlias', 'Key')} />
            )}
            <TextInput
              {...input(
                destination.destinationType === 'ADS' ? 'valueAlias' : 'traitAlias',
                'Value',
              )}
              placeholder={filled}
            />
          </>
        )}
        <TextInput type="date" {...input('startDate', 'From (optional)')} />
        <TextInput type="date" {...input('endDate', 'Until (optional)')} />
        {others.length > 0 && (
          <Text size="sm" c="var(--mantine-color-error)" data-wide role="alert">
            {others.join(' ')}
          </Text>
        )}
      </div>
    </li>
  );
}

/** Whether today is within its dates (UTC days, as the server counts). */
function Period({ mapping: { startDate, endDate } }: { mapping: Mapping }) {
  const today = new Date().toISOString().slice(0, 10);
  if (startDate && startDate > today) return <Badge color="amber">Starts {startDate}</Badge>;
  if (endDate && endDate < today) return <Badge color="red">Ended {endDate}</Badge>;
  return null;
}
