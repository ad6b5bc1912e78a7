import classes from './brand.module.css';

/** The sign and the name. */
export function Brand() {
  return (
    <span className={classes.brand}>
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" className={classes.ground} />
        <path d="M6 21h20M9 21c6 0 7-10 14-10h3" className={classes.rails} />
        <circle cx="9" cy="21" r="2.6" className={classes.point} />
      </svg>
      <span>
        <span className={classes.name}>Switchyard</span>
        <span className={classes.what}>Destination Builder</span>
      </span>
    </span>
  );
}
