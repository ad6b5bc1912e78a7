/** The pages of the ticket shop. */
import { html } from 'hono/html';
import { CONCERTS, type Concert } from './concerts.ts';
import { type Html, type Page, type Said, SHOP } from './layout.ts';

const euros = (price: number) => `€${price}`;
const link = (concert: Concert) => `${SHOP}/concerts/${concert.slug}`;

const poster = (concert: Concert, { alt = concert.poster, eager = false } = {}): Html =>
  html`<img class="poster" src="${SHOP}/assets/posters/${concert.slug}.svg" alt="${alt}" width="600" height="800"${eager ? '' : html` loading="lazy"`}>`;

// The picture repeats what the link says: one link, one name.
const card = (concert: Concert): Html => html`<li class="card"><a href="${link(concert)}">
${poster(concert, { alt: '' })}
<span class="card-title">${concert.artist}</span>
<span class="card-line">${concert.date.replace(/ \d{4}$/, '')}</span>
<span class="card-line">${concert.venue}, ${concert.city}</span>
<span class="card-price"><span>${concert.genre}</span> <b>${euros(concert.price)}</b></span>
</a></li>`;

const cards = (concerts: readonly Concert[]): Html =>
  html`<ul class="cards">${concerts.map(card)}</ul>`;

// Filled by shop.js from the cookie that Switchyard wrote: personalization without a request.
const greeting = html`<p class="greeting" id="greeting" hidden></p>`;

/** The front page, with a short tour for whoever has just started the demo. */
export function homePage(): Page {
  const [jazz, piano, rock, night, strings] = CONCERTS;
  return {
    title: 'Small rooms, big nights',
    said: { c_page: 'home' },
    main: html`
<section class="hero">
<div>
<p class="eyebrow">Spring season 2027</p>
<h1>Small rooms,<br>big nights.</h1>
<p class="lead">Concerts for a hundred people at a time, in customs halls, boiler houses and net lofts. Close enough to hear the bow touch the string.</p>
<p><a class="button" href="${SHOP}/concerts">See the programme</a></p>
</div>
<div class="fan" aria-hidden="true">${[night, piano, jazz].map((concert) => poster(concert, { alt: '', eager: true }))}</div>
</section>
${greeting}
<section class="band"><h2>On soon</h2>${cards([jazz, piano, rock, strings])}</section>
<section class="band tour"><h2>New to Switchyard? Three clicks tell the story</h2>
<ol>
<li><h3>Look at a concert</h3><p><a href="${link(jazz)}">Blue Hour Quartet</a> makes you a <em>jazz lover</em> at once. The panel names the partners that heard of it, within the same request.</p></li>
<li><h3>Look at another</h3><p>The second one, say <a href="${link(piano)}">Orsolya Fehér</a> at €92, makes you a <em>keen visitor</em> and part of the <em>premium audience</em>.</p></li>
<li><h3>Go to the checkout</h3><p>The <a href="${SHOP}/checkout?concert=${piano.slug}">checkout</a> puts you among those who <em>left at the checkout</em>, until you pay. Then you are gone from it.</p></li>
</ol></section>`,
  };
}

/** The whole programme. */
export function concertsPage(): Page {
  return {
    title: 'Programme',
    said: { c_page: 'concerts' },
    main: html`
<section class="band first"><p class="eyebrow">February to April 2027</p><h1>The programme</h1>
<p class="lead">Eight nights in eight cities. Doors open half an hour before the music; nobody stands further than twelve metres from it.</p>
${greeting}
${cards(CONCERTS)}</section>`,
  };
}

const saidOf = (concert: Concert): Said => ({
  c_page: 'concert',
  c_concert: concert.slug,
  c_genre: concert.genre,
  c_price: String(concert.price),
  c_city: concert.city,
});

function concertMain(concert: Concert, notice: Html | string = ''): Html {
  const others = CONCERTS.filter((other) => other !== concert);
  const near = others.filter(({ genre }) => genre === concert.genre);
  const after = [...others, ...others].slice(CONCERTS.indexOf(concert));
  return html`
<article class="band first concert">
<div class="concert-poster">${poster(concert, { eager: true })}</div>
<div>
${notice}
<p class="eyebrow">${concert.genre}</p>
<h1>${concert.artist}</h1>
<p class="lead">${concert.lead}</p>
<dl class="facts">
<div><dt>When</dt><dd>${concert.date}</dd></div>
<div><dt>Doors</dt><dd>${concert.doors}</dd></div>
<div><dt>Where</dt><dd>${concert.venue}, ${concert.city}</dd></div>
<div><dt>Ticket</dt><dd>${euros(concert.price)}, fees included</dd></div>
</dl>
<p><a class="button" href="${SHOP}/checkout?concert=${concert.slug}">Get a ticket for ${euros(concert.price)}</a></p>
<p class="about">${concert.about}</p>
</div>
</article>
<section class="band"><h2>You might also like</h2>${cards([...new Set([...near, ...after])].slice(0, 4))}</section>`;
}

/** One concert. */
export function concertPage(concert: Concert): Page {
  return {
    title: concert.artist,
    said: saidOf(concert),
    main: concertMain(concert),
    footnote: html`<p>No JavaScript? <a href="${SHOP}/no-script/${concert.slug}">The same page without the tag</a> tells Switchyard of the visit with a plain image and a frame, and partners still get their calls.</p>`,
  };
}

/**
 * One concert without any script. The frame carries the visit, since it can deliver all that is
 * due; the image carries only that a page without script was seen, so that nothing counts twice.
 *
 * @param known whether the browser has a device id already: without one, several calls at once would
 *   make it several visitors, so there is the frame alone
 */
export function scriptlessPage(concert: Concert, known: boolean): Page {
  const now = String(Date.now());
  const event = (said: Said) => `/event?${new URLSearchParams({ ...said, _ts: now })}`;
  return {
    title: `${concert.artist}, without JavaScript`,
    said: saidOf(concert),
    scriptless: true,
    matches: known,
    main: html`${concertMain(
      concert,
      html`<div class="notice"><p><strong>There is no script on this page.</strong> A hidden frame tells Switchyard of your visit and comes back with every partner call that is due. From your second page on, a single image shows the other way: it is sent on to one partner at a time.</p><p>Nothing here can show you the answer, so look for it in the partner’s inbox. <a href="${link(concert)}">Back to the page with the tag</a></p></div>`,
    )}
${known ? html`<img class="pixel" src="${event({ c_page: 'no-script' })}" alt="" width="1" height="1">` : ''}
<iframe class="pixel" src="${event({ ...saidOf(concert), d_rtbd: 'iframe' })}" title="Calls to partners" width="1" height="1" tabindex="-1" aria-hidden="true"></iframe>`,
  };
}

/** The checkout, with one ticket in it or none. */
export function checkoutPage(concert: Concert | undefined): Page {
  const ticket =
    concert &&
    html`<div class="ticket">
${poster(concert, { alt: '', eager: true })}
<div class="ticket-text"><h2>${concert.artist}</h2>
<p>${concert.date}, doors ${concert.doors}<br>${concert.venue}, ${concert.city}</p>
<dl><div><dt>One ticket</dt><dd>${euros(concert.price)}</dd></div><div><dt>Fees</dt><dd>none</dd></div><div class="sum"><dt>To pay</dt><dd>${euros(concert.price)}</dd></div></dl></div>
</div>
<p><button class="button" type="button" id="pay">Pay ${euros(concert.price)}, not really</button></p>
<p class="thanks" id="thanks" role="status"></p>
<p class="small">No card, no name, no money: the button only tells Switchyard that the ticket was paid for.</p>`;
  const empty = html`<div class="notice"><p><strong>Your basket is empty.</strong> Coming here still counts as starting a checkout. <a href="${SHOP}/concerts">Choose a concert</a> to go on.</p></div>`;
  return {
    title: 'Checkout',
    said: { c_page: 'checkout' },
    main: html`<section class="band first narrow"><p class="eyebrow">Almost there</p><h1>Checkout</h1>${ticket ?? empty}</section>`,
  };
}

/** What answers in place of a page that the shop does not have. */
export function missingPage(): Page {
  return {
    title: 'Nothing on tonight',
    said: { c_page: 'missing' },
    main: html`<section class="band first narrow"><h1>Nothing on tonight</h1><p class="lead">There is no such page in this shop.</p><p><a class="button" href="${SHOP}/concerts">See the programme</a></p></section>`,
  };
}
