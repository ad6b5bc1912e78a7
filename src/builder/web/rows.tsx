// biome-ignore-all lint/a11y/noRedundantRoles: as cards, CSS takes the table's own roles away
// biome-ignore-all lint/a11y/useSemanticElements: likewise
/** A table of entries that becomes a list of cards where there is no room for columns. */
import { UnstyledButton, VisuallyHidden } from '@mantine/core';
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react';
import type { KeyboardEvent, ReactNode } from 'react';
import { Link } from 'react-router';
import classes from './rows.module.css';

export interface Column<T> {
  /** The heading. */
  readonly title: string;
  readonly show: (entry: T) => ReactNode;
  /** The server's field to sort by; without it, this column does not sort. */
  readonly sortBy?: string;
  /** The column that names the entry: it is linked, and heads the card. The first if none says so. */
  readonly isName?: boolean;
  readonly align?: 'end';
  /** CSS width, such as `8rem`. */
  readonly width?: string;
  /** Left out on cards. */
  readonly isExtra?: boolean;
  /** On cards without its heading. */
  readonly isBare?: boolean;
}

export interface Sort {
  readonly by: string;
  readonly isDescending: boolean;
}

interface RowsProps<T> {
  /** What the table holds, for those who hear it. */
  readonly label: string;
  readonly entries: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly idOf: (entry: T) => string | number;
  /** Where an entry leads to: an address … */
  readonly linkTo?: (entry: T) => string | undefined;
  /** … or what is opened. */
  readonly open?: (entry: T) => void;
  /** Buttons at the end of each row. */
  readonly actions?: (entry: T) => ReactNode;
  readonly sort?: Sort;
  readonly onSort?: (sort: Sort) => void;
  /** Shown while the next ones are on their way. */
  readonly isStale?: boolean;
  /** A box in front of each row. */
  readonly select?: (entry: T) => ReactNode;
}

export function Rows<T>(props: RowsProps<T>) {
  const { label, entries, columns, idOf, actions, select, sort, onSort, isStale } = props;
  const name = Math.max(
    0,
    columns.findIndex((column) => column.isName),
  );
  return (
    <table className={classes.table} role="table" aria-label={label} aria-busy={isStale}>
      <thead role="rowgroup">
        <tr role="row">
          {select && (
            <th role="columnheader" className={classes.select}>
              <VisuallyHidden>Selected</VisuallyHidden>
            </th>
          )}
          {columns.map((column) => (
            <Heading key={column.title} {...{ column, sort, onSort }} />
          ))}
          {actions && (
            <th role="columnheader">
              <VisuallyHidden>Actions</VisuallyHidden>
            </th>
          )}
        </tr>
      </thead>
      <tbody role="rowgroup" onKeyDown={walk}>
        {entries.map((entry) => (
          <tr role="row" key={idOf(entry)}>
            {select && (
              <td role="cell" className={classes.select}>
                {select(entry)}
              </td>
            )}
            {columns.map((column, i) => (
              <td
                key={column.title}
                role="cell"
                data-title={column.isBare || i === name ? undefined : column.title}
                data-name={i === name || undefined}
                data-extra={column.isExtra || undefined}
                data-align={column.align}
              >
                {i === name ? <Name {...props} {...{ entry, column }} /> : column.show(entry)}
              </td>
            ))}
            {actions && (
              <td role="cell" className={classes.actions}>
                {actions(entry)}
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Name<T>({
  entry,
  column,
  linkTo,
  open,
}: Pick<RowsProps<T>, 'linkTo' | 'open'> & { entry: T; column: Column<T> }) {
  const content = column.show(entry);
  const address = linkTo?.(entry);
  if (address) {
    return (
      <Link to={address} className={classes.name}>
        {content}
      </Link>
    );
  }
  if (!open) return content;
  return (
    <UnstyledButton className={classes.name} onClick={() => open(entry)}>
      {content}
    </UnstyledButton>
  );
}

interface HeadingProps<T> {
  readonly column: Column<T>;
  readonly sort?: Sort;
  readonly onSort?: (sort: Sort) => void;
}

function Heading<T>({ column, sort, onSort }: HeadingProps<T>) {
  const { title, sortBy, align, width } = column;
  const isSorted = sortBy !== undefined && sort?.by === sortBy;
  const Sign = !isSorted ? IconArrowsSort : sort.isDescending ? IconArrowDown : IconArrowUp;
  const order = sort?.isDescending ? 'descending' : 'ascending';
  return (
    <th
      role="columnheader"
      scope="col"
      data-align={align}
      style={{ width }}
      aria-sort={isSorted ? order : undefined}
    >
      {sortBy && onSort ? (
        <UnstyledButton
          className={classes.sort}
          data-sorted={isSorted || undefined}
          onClick={() =>
            onSort({ by: sortBy, isDescending: isSorted ? !sort.isDescending : false })
          }
        >
          {title}
          <Sign size={14} aria-hidden />
        </UnstyledButton>
      ) : (
        title
      )}
    </th>
  );
}

/** Arrow keys go from row to row, where the focus is on an entry's name. */
function walk(event: KeyboardEvent<HTMLElement>) {
  const name = document.activeElement;
  if (!name?.classList.contains(classes.name)) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(`.${classes.name}`)];
  const at = all.indexOf(name as HTMLElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined || !all[next]) return;
  event.preventDefault();
  all[next].focus();
}
