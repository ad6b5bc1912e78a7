/** What changes, entry by entry. */
import { Anchor, Badge } from '@mantine/core';
import { Link } from 'react-router';
import {
  type Difference,
  fieldInWords,
  LISTS,
  NONE,
  readDifferences,
  WORDS,
} from './difference.ts';
import classes from './differences.module.css';

const COLORS = { new: 'green', gone: 'red', changed: 'petrol', other: 'gray' } as const;

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
          <li key={`${kind} ${noun} ${id} ${name}`}>
            <div className={classes.entry}>
              {kind !== 'other' && <Badge color={COLORS[kind]}>{WORDS[kind]}</Badge>}
              <Entry {...difference} />
              {name && <span className={classes.what}>{id ? `${noun} ${id}` : noun}</span>}
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
  if (!name || !id || !at || kind === 'gone') return <strong>{name || noun}</strong>;
  return (
    <Anchor component={Link} to={`${at}/${id}`} inherit fw={600}>
      {name}
    </Anchor>
  );
}
