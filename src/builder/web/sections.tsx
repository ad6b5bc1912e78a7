import { useEffect, useRef } from 'react';
import { Link, useLocation } from 'react-router';
import classes from './sections.module.css';

export interface Section {
  readonly title: string;
  /** Without `/builder`. */
  readonly to: string;
}

/** The parts of a page, each with its own address, and what lies below it. */
export function Sections({ label, sections }: { label: string; sections: readonly Section[] }) {
  const { pathname } = useLocation();
  const [current] = sections
    .filter(({ to }) => `${pathname}/`.startsWith(`${to}/`))
    .sort((a, b) => b.to.length - a.to.length);
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a narrow window not all of them are in sight.
    const link = nav.current?.querySelector(`[href$="${current?.to}"]`);
    link?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [current?.to]);
  return (
    <nav ref={nav} aria-label={label} className={classes.sections}>
      {sections.map((section) => (
        <Link
          key={section.to}
          to={section.to}
          aria-current={section === current ? 'page' : undefined}
          className={classes.section}
        >
          {section.title}
        </Link>
      ))}
    </nav>
  );
}
