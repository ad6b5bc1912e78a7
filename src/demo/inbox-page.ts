/** The partner's live page. */
import { html, raw } from 'hono/html';
import type { Call } from './calls.ts';

type Html = ReturnType<typeof html>;

const KINDS = { image: 'Image', frame: 'Frame', match: 'Ids matched' };

/** What the keys that this demo's destinations use stand for. */
const MEANINGS: Record<string, string> = {
  uid: 'Switchyard’s device id',
  uuid: 'Switchyard’s device id',
  partner: 'our own visitor id, sent back to us',
  partner_id: 'our own visitor id',
  s: 'audiences, all in one call',
  seg: 'the audience',
  rnd: 'a random number, against caches',
  t: 'the time, against caches',
};

/** One call, as an entry of the list. */
export function callEntry({ id, at, kind, path, params, visitor }: Call): Html {
  const { device, partner, cookie } = visitor;
  const rows = Object.entries(params);
  return html`<li class="call ${kind}" data-id="${id}"><article>
<header><h2><span class="kind">${KINDS[kind]}</span> ${kind === 'match' ? html`${cookie ?? 'no cookie'} ↔ ${device || 'unknown'}` : path}</h2><time datetime="${at}">${at.slice(11, 19)}</time></header>
${
  kind === 'match'
    ? html`<p class="gloss">From now on both sides know this browser by each other’s id.</p>`
    : html`<p class="ids">${who('Device', device)}${who('Our id in the call', partner)}${who('Our cookie', cookie)}</p>
${
  rows.length === 0
    ? html`<p class="gloss">No parameters.</p>`
    : html`<table><caption class="sr">Query parameters</caption><thead class="sr"><tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">Meaning</th></tr></thead><tbody>
${rows.map(([key, value]) => html`<tr><th scope="row">${key}</th><td>${value || html`<i>empty</i>`}</td><td class="gloss">${Object.hasOwn(MEANINGS, key) ? MEANINGS[key] : ''}</td></tr>`)}
</tbody></table>`
}`
}
</article></li>`;
}

const who = (name: string, id: string | undefined): Html | string =>
  id ? html`<span>${name} <b>${id}</b></span>` : '';

/** The whole page with the calls so far; its script adds what comes later. */
export function inboxPage(calls: readonly Call[], places: { collector: string }): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Inbox · Kestrel Media</title>
<link rel="icon" href="/assets/kestrel.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/inbox.css">
<script defer src="/assets/inbox.js"></script>
</head>
<body>
<header class="bar">
<p class="brand">${MARK}Kestrel Media</p>
<p class="state" id="state" role="status">Not live: reload to see more</p>
</header>
<main>
<div class="title">
<div><h1>Incoming calls</h1>
<p>What this partner receives from browsers: the mapped values and ids, and nothing else of the visitor’s profile.</p></div>
<form method="post" action="/clear"><p class="count"><b id="count">${calls.length}</b> recorded</p><button>Clear</button></form>
</div>
<section class="empty" id="empty"${calls.length > 0 ? raw(' hidden') : ''}>
${MARK}
<h2>No calls yet</h2>
<p>Put this page beside <a href="${places.collector}/demo/" target="_blank" rel="noopener">the ticket shop</a> and look at a concert there. Each call appears here as it arrives.</p>
</section>
<ol class="calls" id="calls" data-newest="${calls[0]?.id ?? 0}">${calls.map(callEntry)}</ol>
</main>
</body>
</html>`;
}

const MARK = raw(
  '<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M2 7c9 0 13 3 15 8 3-4 7-6 13-6-5 3-7 6-8 10-1 5-5 8-11 8 2-2 3-4 3-6C9 19 4 14 2 7z" fill="currentColor"/></svg>',
);
