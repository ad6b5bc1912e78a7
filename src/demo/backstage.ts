/** The panel "What just happened": the answer that the page got, told to a marketer. */
import { html, raw } from 'hono/html';
import type { Html, Places, Said } from './layout.ts';
import { SHOP } from './layout.ts';
import { namesOf } from './names.ts';

/** The panel, empty and hidden until its script finds that it can fill it. */
export function backstage(said: Said, places: Places): Html {
  return html`
<aside class="backstage" id="backstage" aria-labelledby="backstage-title" hidden>
<h2 class="backstage-head"><button type="button" id="backstage-title" aria-expanded="false" aria-controls="backstage-body">
<span class="backstage-light" aria-hidden="true"></span><span class="backstage-name">What just happened<small id="backstage-tally">Listening…</small></span>
<svg class="backstage-arrow" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="m3 10 5-5 5 5" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>
</button></h2>
<div id="backstage-body" class="backstage-body" hidden>
<section><h3>This page said</h3><ul class="said" id="backstage-said">
${Object.entries(said).map(([key, value]) => html`<li>${key.replace(/^c_/, '')} <b>${value}</b></li>`)}
</ul></section>
<div id="backstage-answer"><p class="quiet">Switchyard’s answer will appear here.</p></div>
<section class="backstage-foot">
<p><a class="backstage-inbox" href="${places.inbox}/" target="_blank" rel="noopener">Open the partner’s inbox<span class="sr"> in a new tab</span></a></p>
<p><a class="backstage-inbox" href="${places.builder}" target="_blank" rel="noopener">Change who hears of it in the Destination Builder<span class="sr"> in a new tab</span></a></p>
<p><button type="button" class="forget" id="backstage-forget">Forget me</button></p>
<p class="quiet" id="backstage-forgotten" role="status">Erases the copy of your device id that this page keeps in the browser.</p>
</section>
</div>
</aside>
<p class="sr" role="status" id="backstage-news"></p>
<script type="application/json" id="backstage-names">${inScript(namesOf(places.snapshot()))}</script>
<script src="${SHOP}/assets/backstage.js"></script>`;
}

/** JSON inside a script element: text there is not escaped, so that it must not be able to end it. */
const inScript = (value: unknown) => raw(JSON.stringify(value).replaceAll('<', '\\u003c'));
