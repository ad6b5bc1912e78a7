/** What every page of the ticket shop has in common. */
import { html, raw } from 'hono/html';
import type { Snapshot } from '../account/snapshot.ts';
import { backstage } from './backstage.ts';

/** Where the app mounts the shop; links are built from it. */
export const SHOP = '/demo';

export type Html = ReturnType<typeof html>;

/** What a page tells Switchyard: signals, by key. */
export type Said = Readonly<Record<string, string>>;

export interface Page {
  readonly title: string;
  readonly said: Said;
  readonly main: Html;
  readonly footnote?: Html;
  /** Without scripts the page makes its own call, and nothing on it can listen to the answer. */
  readonly scriptless?: boolean;
  /** Whether a page without scripts lets the partner match ids. */
  readonly matches?: boolean;
}

const NAVIGATION = [
  { page: 'home', href: `${SHOP}/`, label: 'Home' },
  { page: 'concerts', href: `${SHOP}/concerts`, label: 'Programme' },
  { page: 'checkout', href: `${SHOP}/checkout`, label: 'Checkout' },
];

/** What the shop has beside it. */
export interface Places {
  /** Where the partner's inbox answers, as an origin. */
  readonly inbox: string;
  /** The account in force: somebody may have edited the demo's. */
  readonly snapshot: () => Snapshot;
  /** Where the Destination Builder is. */
  readonly builder: string;
}

/** Wraps a page of the shop in its document. */
export function layout(page: Page, places: Places): Html {
  const { title, said, main, footnote, scriptless, matches } = page;
  const address = `${places.inbox}/hello`;
  // With scripts, shop.js loads it once there is an answer, and so an id to match.
  const hello = html`<img class="pixel" src="${address}" alt="" width="1" height="1" referrerpolicy="no-referrer">`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Halfnote</title>
<link rel="icon" href="${SHOP}/assets/halfnote.svg" type="image/svg+xml">
<link rel="stylesheet" href="${SHOP}/assets/shop.css">
${scriptless ? '' : html`<link rel="stylesheet" href="${SHOP}/assets/backstage.css">`}
</head>
<body data-hello="${address}">
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="brand" href="${SHOP}/">${MARK}Halfnote</a>
<nav aria-label="Shop"><ul>
${NAVIGATION.map(
  ({ page, href, label }) =>
    html`<li><a href="${href}"${page === said.c_page ? raw(' aria-current="page"') : ''}>${label}</a></li>`,
)}
</ul></nav>
</header>
<main id="main">${main}</main>
<footer class="foot">
${footnote ?? ''}
<p>Halfnote is a made-up ticket shop: nothing is sold here. It shows what <strong>Switchyard</strong> does with a visit, and what a partner gets to see of it in <a href="${places.inbox}/" target="_blank" rel="noopener">the partner’s inbox</a>.</p>
</footer>
${
  scriptless
    ? matches
      ? hello
      : ''
    : html`<noscript>${hello}</noscript>
${backstage(said, places)}
<script src="${SHOP}/assets/shop.js"></script>
${tag(said)}`
}
</body>
</html>`;
}

/**
 * The tag as a site owner embeds it, after the scripts that listen to its answer; `d_cts` asks for
 * what the panel shows.
 */
function tag(said: Said): Html {
  const attributes = Object.entries(said).map(([key, value]) => html` data-${key}="${value}"`);
  return html`<script async src="/tag.js"${attributes} data-d_cts="1"></script>`;
}

const MARK = raw(
  '<svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true"><circle cx="16" cy="16" r="16" fill="currentColor"/><path d="M19 6v15.2a4.6 3.6 -25 1 1-2-2.6V6z" fill="var(--paper)"/></svg>',
);
