/** Which site a request comes from. */
import type { SiteDocument } from './document.ts';

export interface Site {
  readonly id: number;
  readonly name: string;
  readonly pageBudget: number;
}

/** Sites by what a request shows of itself: the host name that it calls and the page's. */
export class Sites {
  /** Any site of the account, by the domain of its pages. */
  readonly #byDomain = new Map<string, Entry[]>();
  readonly #entries: readonly Entry[];
  readonly #redirectHosts: ReadonlySet<string>;

  constructor(documents: readonly SiteDocument[]) {
    this.#entries = documents.map((document) => ({
      site: {
        id: document.siteId,
        name: document.name,
        pageBudget: document.pageBudget ?? Number.POSITIVE_INFINITY,
      },
      hosts: new Set(document.hosts),
    }));
    documents.forEach((document, i) => {
      for (const domain of document.domains) {
        this.#byDomain.set(domain, [...(this.#byDomain.get(domain) ?? []), this.#entries[i]]);
      }
    });
    this.#redirectHosts = new Set(documents.flatMap((document) => document.redirectHosts));
  }

  /**
   * @param host the host name that was called, in lower case, without port
   * @param pageHost likewise the page's, where the request tells it
   * @returns the site; `unknown` where the request does not tell which of several; `no-host` where
   *   no site is called by this host name; `no-page` where the page belongs to none of them
   */
  find(host: string, pageHost: string | undefined): Site | 'unknown' | 'no-host' | 'no-page' {
    if (pageHost !== undefined) {
      for (const entry of this.#ofPage(pageHost)) if (answers(entry, host)) return entry.site;
      return this.#entries.some((entry) => answers(entry, host)) ? 'no-page' : 'no-host';
    }
    const [first, second] = this.#entries.filter((entry) => answers(entry, host));
    if (first === undefined) return 'no-host';
    return second === undefined ? first.site : 'unknown';
  }

  /** Whether a page of this host belongs to the account. */
  ownsPage(pageHost: string): boolean {
    return this.#ofPage(pageHost).length > 0;
  }

  /** Whether an ID sync may send the browser there. */
  mayRedirectTo(url: URL): boolean {
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    return (
      this.#redirectHosts.has(url.hostname) || this.#redirectHosts.has(`${url.hostname}:${port}`)
    );
  }

  /** The sites with the longest domain that covers the host. */
  #ofPage(pageHost: string): readonly Entry[] {
    for (let domain = pageHost; ; ) {
      const entries = this.#byDomain.get(domain);
      if (entries) return entries;
      const dot = domain.indexOf('.');
      if (dot === -1) return [];
      domain = domain.slice(dot + 1);
    }
  }
}

interface Entry {
  readonly site: Site;
  readonly hosts: ReadonlySet<string>;
}

const answers = ({ hosts }: Entry, host: string) => hosts.size === 0 || hosts.has(host);
