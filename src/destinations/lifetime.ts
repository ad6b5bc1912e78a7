/**
 * How long browsers really keep a cookie, which is often shorter than its TTL says.
 *
 * Sources, as of 2025:
 * - Chrome and Edge keep no cookie for more than 400 days:
 *   developer.chrome.com/blog/cookie-max-age-expires; Firefox likewise (`network.cookie.maxageCap`).
 * - Safari deletes what scripts wrote after 7 days, and after one day where the page was reached by a
 *   link with query or fragment from a site that is known to track:
 *   webkit.org/tracking-prevention, webkit.org/blog/8613 (ITP 2.1) and 9521 (ITP 2.2, 2.3). Cookies
 *   set by the server keep their TTL, but 7 days where the host name is an alias (CNAME) of another
 *   site (webkit.org/blog/11338), and since 16.4 where its address is of another network than the
 *   page's.
 * - Brave keeps every cookie for at most 180 days. Until version 1.82 those of scripts for 7:
 *   github.com/brave/brave-browser/issues/48063 and 3443.
 * - Cookies of another site than the page's: Safari and Brave take none, Firefox keeps them apart for
 *   each site.
 */

export interface Lifetime {
  /** Who writes the cookie: the server with its answer, or a script, such as the tag. */
  readonly how: 'server' | 'script';
  readonly browser: 'Chrome, Edge' | 'Firefox' | 'Safari' | 'Brave';
  /** 0: until the browser closes, or not at all, as `why` says. */
  readonly days: number;
  /** In words for a marketer. */
  readonly why: string;
}

interface Limit extends Omit<Lifetime, 'days'> {
  readonly max: number;
}

const AS_SET = 'as long as it is set for';

const OWN: readonly Limit[] = [
  { how: 'server', browser: 'Chrome, Edge', max: 400, why: 'at most 400 days' },
  { how: 'server', browser: 'Firefox', max: 400, why: 'at most 400 days' },
  { how: 'server', browser: 'Safari', max: 400, why: 'at most 400 days' },
  {
    how: 'server',
    browser: 'Safari',
    max: 7,
    why: 'at most 7 days where the endpoint is an alias (CNAME) of another site, or in another network than the page',
  },
  { how: 'server', browser: 'Brave', max: 180, why: 'at most 180 days' },
  { how: 'script', browser: 'Chrome, Edge', max: 400, why: 'at most 400 days' },
  { how: 'script', browser: 'Firefox', max: 400, why: 'at most 400 days' },
  {
    how: 'script',
    browser: 'Safari',
    max: 7,
    why: 'at most 7 days, since a script writes it',
  },
  {
    how: 'script',
    browser: 'Safari',
    max: 1,
    why: 'at most one day where the visitor came by a link with parameters from a site that tracks',
  },
  { how: 'script', browser: 'Brave', max: 180, why: 'at most 180 days' },
];

const ANOTHER_SITES: readonly Limit[] = [
  { how: 'server', browser: 'Chrome, Edge', max: 400, why: 'at most 400 days' },
  {
    how: 'server',
    browser: 'Firefox',
    max: 400,
    why: 'at most 400 days, and only for the site on which it was set',
  },
  { how: 'server', browser: 'Safari', max: 0, why: 'not at all: it is a cookie of another site' },
  { how: 'server', browser: 'Brave', max: 0, why: 'not at all: it is a cookie of another site' },
];

/**
 * @param ttlDays 0: until the browser closes
 * @param isOwn whether the cookie is of the page's own site; scripts cannot write any other
 */
export function lifetimesOf(ttlDays: number, isOwn: boolean): Lifetime[] {
  return (isOwn ? OWN : ANOTHER_SITES).map(({ max, why, ...rest }) => {
    if (max === 0) return { ...rest, days: 0, why };
    if (ttlDays === 0) return { ...rest, days: 0, why: 'until the browser closes (TTL 0)' };
    const isCapped = ttlDays > max;
    return { ...rest, days: Math.min(ttlDays, max), why: isCapped ? why : AS_SET };
  });
}
