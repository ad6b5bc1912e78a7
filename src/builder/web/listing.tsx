/** A list that the server searches, sorts and cuts into pages. What is looked at stands in the address. */
import { CloseButton, Group, Pagination, Paper, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { type ReactNode, useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';
import { useListed, withQuery } from './api.ts';
import { count } from './figures.ts';
import classes from './listing.module.css';
import { type Column, Rows, type Sort } from './rows.tsx';
import { Empty, Failed, Loading } from './state.tsx';

const PAGE_SIZE = 25;
const PAUSE_MS = 150;

interface ListingProps<T> {
  /** What the list holds: Destinations. */
  readonly label: string;
  /** Such as `/destinations`. */
  readonly path: string;
  /** What else is asked for, such as a filter. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly columns: readonly Column<T>[];
  readonly idOf: (entry: T) => string | number;
  readonly linkTo?: (entry: T) => string | undefined;
  readonly open?: (entry: T) => void;
  readonly actions?: (entry: T) => ReactNode;
  readonly select?: (entry: T) => ReactNode;
  /** What can be searched for: “Name or rule”. Without it there is no search. */
  readonly search?: string;
  /** Beside the search: filters, or what to do with the selected ones. */
  readonly tools?: ReactNode;
  readonly initialSort?: Sort;
  /** What stands there if the list has no entries at all. */
  readonly empty: ReactNode;
  readonly pageSize?: number;
  /** For lists that change by themselves: milliseconds until they are asked for again. */
  readonly refetchInterval?: number;
}

export function Listing<T>(props: ListingProps<T>) {
  const { label, path, query = {}, search, tools, pageSize = PAGE_SIZE, empty } = props;
  const [params, setParams] = useSearchParams();
  const searched = params.get('search') ?? '';
  const page = Math.max(1, Number(params.get('page')) || 1);
  const sortText = params.get('sort');
  const sort: Sort | undefined = sortText
    ? { by: sortText.replace(/^-/, ''), isDescending: sortText.startsWith('-') }
    : props.initialSort;

  const set = (values: Record<string, string | undefined>) => {
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(values)) {
          if (value) next.set(name, value);
          else next.delete(name);
        }
        return next;
      },
      { replace: true },
    );
  };

  const answer = useListed<T>(
    withQuery(path, {
      ...query,
      search: searched,
      sortBy: sort?.by,
      descending: sort?.isDescending || undefined,
      page: page - 1,
      pageSize,
    }),
    { refetchInterval: props.refetchInterval },
  );
  const { data, error, isPlaceholderData } = answer;
  const pages = Math.ceil((data?.total ?? 0) / pageSize);
  const isFiltered =
    searched !== '' || Object.values(query).some((value) => value !== undefined && value !== '');

  // The last entry of the last page may be gone.
  useEffect(() => {
    if (data && !isPlaceholderData && page > Math.max(1, pages)) {
      set({ page: pages > 1 ? String(pages) : undefined });
    }
  });

  if (data?.total === 0 && !isFiltered && !isPlaceholderData) {
    return (
      <Paper withBorder className={classes.list}>
        {empty}
      </Paper>
    );
  }
  return (
    <section aria-label={label} className={classes.listing}>
      {(search || tools) && (
        <Group gap="sm" className={classes.tools}>
          {search && (
            <Search
              label={search}
              value={searched}
              onChange={(text) => set({ search: text, page: undefined })}
            />
          )}
          {tools}
        </Group>
      )}
      <Paper withBorder className={classes.list}>
        {data ? (
          data.list.length > 0 ? (
            <Rows
              {...props}
              entries={data.list}
              isStale={isPlaceholderData}
              sort={sort}
              onSort={({ by, isDescending }) =>
                set({ sort: isDescending ? `-${by}` : by, page: undefined })
              }
            />
          ) : (
            <Empty
              icon={IconSearch}
              title="Nothing found"
              text={searched ? `Nothing matches “${searched}”.` : 'Nothing matches this choice.'}
            />
          )
        ) : error ? (
          <Failed error={error} retry={() => answer.refetch()} />
        ) : (
          <Loading label={`Loading ${label}`} />
        )}
      </Paper>
      {data && (
        <Group justify="space-between" mih={32}>
          <Text size="sm" c="dimmed" role="status">
            {rangeOf(page, pageSize, data.list.length, data.total)}
          </Text>
          {pages > 1 && (
            <Pagination
              size="sm"
              total={pages}
              value={page}
              siblings={1}
              boundaries={1}
              onChange={(next) => set({ page: next > 1 ? String(next) : undefined })}
              getControlProps={(control) => ({ 'aria-label': `${control} page` })}
              getItemProps={(number) => ({ 'aria-label': `Page ${number}` })}
            />
          )}
        </Group>
      )}
    </section>
  );
}

function rangeOf(page: number, size: number, shown: number, total: number): string {
  if (total === 0) return '';
  if (total <= size) return `${count(total)} in all`;
  const first = (page - 1) * size + 1;
  return `${count(first)}–${count(first + shown - 1)} of ${count(total)}`;
}

interface SearchProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
}

/** What is typed is searched for after a short pause. */
export function Search({ label, value, onChange }: SearchProps) {
  const [text, setText] = useState(value);
  const [settled] = useDebouncedValue(text, PAUSE_MS);
  const [sent, setSent] = useState(value);
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    // The address changed by other means: a link, the way back.
    if (value !== sent) setText(value);
  }
  useEffect(() => {
    if (settled === text && text !== sent) {
      setSent(text);
      onChange(text);
    }
  }, [settled, text, sent, onChange]);
  return (
    <TextInput
      type="search"
      className={classes.search}
      aria-label={`Search: ${label}`}
      placeholder={label}
      value={text}
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSection={
        text && <CloseButton size="sm" aria-label="Clear the search" onClick={() => setText('')} />
      }
      onChange={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') setText('');
      }}
    />
  );
}
