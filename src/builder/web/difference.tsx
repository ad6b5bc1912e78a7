/** What changes, entry by entry; from the lines of `account/difference.ts`. */
import { Anchor, Badge } from '@mantine/core';
import { Link } from 'react-router';
import classes from './difference.module.css';

interface Change {
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

export interface Difference {
  readonly kind: 'new' | 'gone' | 'changed' | 'other';
  /** What it is about: `destination`; the whole line where it says something else. */
  readonly noun: string;
  readonly id?: string;
  readonly name?: string;
  readonly changes: readonly Change[];
}

const KINDS: Readonly<Record<string, Difference['kind']>> = {
  '+': 'new',
  '-': 'gone',
  '~': 'changed',
};

const LISTS: Readonly<Record<string, { noun: string; at?: string }>> = {
  destinations: { noun: 'destination', at: '/destinations' },
  segments: { noun: 'segment', at: '/segments' },
  traits: { noun: 'trait', at: '/traits' },
  dataSources: { noun: 'data source', at: '/settings/data-sources' },
  folders: { noun: 'folder', at: '/settings/folders' },
  sites: { noun: 'site', at: '/settings/sites' },
};

const NONE = '(none)';

/** Reads lines such as `~ segments 7001 "Jazz"` and, below it, `    name: "Jaz" → "Jazz"`. */
export function readDifferences(lines: readonly string[]): Difference[] {
  const found: (Difference & { changes: Change[] })[] = [];
  for (const line of lines) {
    const last = found.at(-1);
    const inner = /^ {4}([^:]*): (.*)$/s.exec(line);
    if (inner && last) {
      const [before, after] = sidesOf(inner[2]);
      last.changes.push({ field: inner[1], before, after });
      continue;
    }
    const [, sign = '', list = '', id, name] = /^([+~-]) (\w+)(?: (\S+) (".*"))?$/.exec(line) ?? [];
    const noun = LISTS[list]?.noun ?? (list || line);
    found.push({ kind: KINDS[sign] ?? 'other', noun, id, name: name && text(name), changes: [] });
  }
  return found;
}

/** Both sides of an arrow; the first one that does not stand inside of a text. */
function sidesOf(values: string): [string, string] {
  let at = values.indexOf(' → ');
  while (at !== -1) {
    const before = values.slice(0, at);
    if (before === NONE || before.endsWith('…') || isJson(before)) break;
    at = values.indexOf(' → ', at + 1);
  }
  return at === -1 ? [values, ''] : [text(values.slice(0, at)), text(values.slice(at + 3))];
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

/** A text without its quotes; everything else as it is. */
function text(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** `mappings[sid 7001].startDate` → mapping of 7001, start date */
export function fieldInWords(path: string): string {
  return path
    .split('.')
    .map((part) =>
      part
        .replace(/\[sid (\d+)\]/g, ' of segment $1')
        .replace(/\[(\d+)\]/g, (_, place) => ` ${Number(place) + 1}`)
        .replace(/([a-z])([A-Z])/g, (_, low, high) => `${low} ${high.toLowerCase()}`),
    )
    .join(', ');
}

const SIGNS = {
  new: { word: 'new', color: 'green' },
  gone: { word: 'removed', color: 'red' },
  changed: { word: 'changed', color: 'petrol' },
  other: { word: 'note', color: 'gray' },
} as const;

interface DifferencesProps {
  readonly lines: readonly string[];
  /** What stands there if nothing differs. */
  readonly none?: string;
}

export function Differences({ lines, none = 'Nothing differs.' }: DifferencesProps) {
  if (lines.length === 0) return <p className={classes.none}>{none}</p>;
  return (
    <ul className={classes.differences}>
      {readDifferences(lines).map((difference) => {
        const { kind, noun, id, name, changes } = difference;
        return (
          <li key={`${kind} ${noun} ${id}`}>
            <div className={classes.entry}>
              <Badge color={SIGNS[kind].color}>{SIGNS[kind].word}</Badge>
              <Entry {...difference} />
              {name && <span className={classes.what}>{`${noun} ${id}`}</span>}
            </div>
            {changes.length > 0 && (
              <dl className={classes.changes}>
                {changes.map(({ field, before, after }) => (
                  <div key={field}>
                    <dt>{fieldInWords(field)}</dt>
                    <dd>
                      {before !== NONE && <del>{before}</del>}
                      {after !== NONE && <ins>{after}</ins>}
                    </dd>
                  </div>
                ))}
              </dl>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function Entry({ kind, noun, id, name }: Difference) {
  const at = Object.values(LISTS).find((list) => list.noun === noun)?.at;
  if (!name || !at || kind === 'gone') return <strong>{name || noun}</strong>;
  return (
    <Anchor component={Link} to={`${at}/${id}`} inherit fw={600}>
      {name}
    </Anchor>
  );
}

/** The same in a line: destination “Autumn” changed, 2 segments new */
export function inShort(lines: readonly string[]): string {
  const groups = new Map<string, Difference[]>();
  for (const difference of readDifferences(lines)) {
    const group = `${difference.kind} ${difference.noun}`;
    groups.set(group, [...(groups.get(group) ?? []), difference]);
  }
  return [...groups.values()]
    .map((group) => {
      const [{ kind, noun, name }] = group;
      if (kind === 'other') return noun;
      const what = group.length === 1 ? `${noun} ${name ? `“${name}”` : ''}` : many(group, noun);
      return `${what.trim()} ${SIGNS[kind].word}`;
    })
    .join(', ');
}

const many = (group: readonly unknown[], noun: string) => `${group.length} ${noun}s`;
