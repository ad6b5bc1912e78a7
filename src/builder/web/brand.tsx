import classes from './brand.module.css';

/** The sign and the name. */
export function Brand() {
  return (
    <span className={classes.brand}>
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" className={classes.ground} />
        <path d="M6 22h20" className={classes.track} />
        <path d="M6 22h3c8 0 6-12 14-12h3" className={classes.branch} />
      </svg>
      <span>
        <span className={classes.name}>Switchyard</span>
        <span className={classes.what}>Destination Builder</span>
      </span>
    </span>
  );
}
