import { NavLink } from 'react-router';
import classes from './sections.module.css';

export interface Section {
  readonly title: string;
  /** Without `/builder`. */
  readonly to: string;
  /** Only at this address, not below it. */
  readonly isExact?: boolean;
}

/** The parts of a page, each with its own address. */
export function Sections({ label, sections }: { label: string; sections: readonly Section[] }) {
  return (
    <nav aria-label={label} className={classes.sections}>
      {sections.map(({ title, to, isExact }) => (
        <NavLink key={to} to={to} end={isExact} className={classes.section}>
          {title}
        </NavLink>
      ))}
    </nav>
  );
}
