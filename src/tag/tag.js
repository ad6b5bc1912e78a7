// The Switchyard tag. Embed: <script async src="https://collect.example/tag.js" data-c_page="home">
// Send more: switchyard.send({ c_step: 'paid' }), or, before or after the tag has loaded,
// (window.switchyard = window.switchyard || []).push({ c_step: 'paid' })
// It is served without comments and with short names: see `script.ts`.
(() => {
  const script = document.currentScript;
  const { origin } = new URL(script.src);
  const KEY = 'switchyard';
  const idle = window.requestIdleCallback || setTimeout;
  let memory;
  let first;

  // Where the browser refuses storage, the id lives as long as the page.
  const known = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return memory;
    }
  };
  const keep = (uuid) => {
    memory = uuid;
    try {
      uuid ? localStorage.setItem(KEY, uuid) : localStorage.removeItem(KEY);
    } catch {}
  };

  // Attributes, not `dataset`, which would turn `c-x` into `cX`.
  const page = {};
  for (const { name, value } of script.attributes) {
    if (name.startsWith('data-')) page[name.slice(5)] = value;
  }
  // What says how to treat this visitor holds for later calls too; what says what happened does not.
  const lasting = Object.fromEntries(
    Object.entries(page).filter(([name]) => /^(d_(?!sid$)|gdpr|gpp|us_privacy)/.test(name)),
  );

  // What the visitor allows, as consent managers of the page tell: calls wait for it, and a change of
  // mind is sent at once.
  const consent = {};
  const asked = [];
  const ask = (manager, read, ...version) => {
    const listen = (known) => {
      let next = known;
      window[manager]('addEventListener', ...version, (data) => {
        const told = data && read(data);
        if (!told) return;
        Object.assign(consent, told);
        next();
        next = send;
      });
    };
    if (window[manager]) asked.push(new Promise(listen));
  };

  const fire = ({ c, y, hr }, tell) => {
    const frame = y === 'iframe';
    const element = document.createElement(frame ? y : 'img');
    element.onload = () => tell('loaded');
    // An answer that is no image is one, too: where the partner allows it (Timing-Allow-Origin), the
    // page can tell it from none.
    element.onerror = () => {
      const wasAnswered = ({ responseStart, responseStatus }) =>
        responseStart && !(responseStatus >= 400);
      tell(performance.getEntriesByName(element.src).some(wasAnswered) ? 'loaded' : 'failed');
    };
    if (hr !== false) element.referrerPolicy = 'no-referrer';
    if (frame) {
      element.sandbox = 'allow-scripts allow-same-origin';
      element.title = KEY;
      element.setAttribute('aria-hidden', true);
      element.style.display = 'none';
    }
    element.src = c;
    if (frame) (document.body || document.documentElement).append(element);
  };

  // Calls destinations, and tells once how that went: when all have answered, after ten seconds, or
  // when the page is left.
  const fireAll = (due) => {
    const seen = { loaded: [], failed: [], timedOut: [] };
    const open = new Set(due);
    let told = false;
    const report = () => {
      if (told) return;
      told = true;
      removeEventListener('pagehide', report);
      for (const { id } of open) seen.timedOut.push(id);
      // A string is sent as text/plain: no preflight.
      const body = Object.entries(seen).map(([how, ids]) => `${how}=${ids}`);
      navigator.sendBeacon?.(`${origin}/pixels`, `${body.join('&')}&d_uuid=${known() || ''}`);
    };
    addEventListener('pagehide', report);
    setTimeout(report, 1e4);
    for (const dest of due) {
      fire(dest, (how) => {
        if (open.delete(dest)) seen[how].push(dest.id);
        if (!open.size) report();
      });
    }
  };

  const call = async (signals) => {
    try {
      // A page rendered ahead of a visit is no visit yet.
      if (document.prerendering) {
        await new Promise((go) => {
          document.addEventListener('prerenderingchange', go, { once: true });
        });
      }
      await Promise.all(asked);
      const body = new URLSearchParams();
      const pairs = {
        h_referer: location.href.split('#')[0],
        d_uuid: known(),
        ...lasting,
        ...signals,
        ...consent,
      };
      for (const name in pairs) {
        for (const value of [pairs[name]].flat()) if (value != null) body.append(name, value);
      }
      const response = await fetch(
        `${origin}/event?d_rtbd=json&d_dst=1&d_jsonv=1&_ts=${Date.now()}`,
        {
          method: 'POST',
          credentials: 'include',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body,
          // Browsers refuse more than 64 KiB of these at a time.
          keepalive: `${body}`.length < 16e3,
        },
      );
      if (!response.ok) return;
      const answer = await response.json();
      if (answer.errors?.some(({ code }) => code === 171)) keep();
      else if (answer.uuid) keep(answer.uuid);
      const there = document.cookie.split('; ');
      for (const { cn, cv, ttl, dmn, set } of answer.stuff || []) {
        // The server has written it already; by a script it would live shorter.
        if (set && there.includes(`${cn}=${cv}`)) continue;
        // biome-ignore lint/suspicious/noDocumentCookie: Cookie Store is not everywhere yet.
        document.cookie = `${cn}=${cv}; path=/; SameSite=Lax${
          ttl ? `; Max-Age=${ttl * 86400}` : ''
        }${dmn ? `; domain=${dmn}` : ''}${location.protocol === 'https:' ? '; Secure' : ''}`;
      }
      const due = (answer.dests || []).filter(({ c }) => /^https?:/i.test(c));
      idle(
        () => {
          // The endpoint takes so many in one report.
          for (let i = 0; i < due.length; i += 100) fireAll(due.slice(i, i + 100));
          document.dispatchEvent(new CustomEvent(KEY, { detail: answer }));
        },
        { timeout: 300 },
      );
      return answer;
    } catch {
      // The page goes on as if there were no tag.
    }
  };

  // Without an id yet, two calls at once would become two visitors: they go one after the other.
  const send = (signals) => {
    if (known()) return call(signals);
    first = Promise.resolve(first).then(() => call(signals));
    return first;
  };
  ask(
    '__tcfapi',
    ({ eventStatus, gdprApplies, tcString }) =>
      // Where it is not known whether the law applies, it does.
      eventStatus !== 'cmpuishown' && {
        gdpr: gdprApplies === false ? 0 : 1,
        gdpr_consent: tcString,
      },
    2,
  );
  ask(
    '__gpp',
    ({ eventName, pingData: { signalStatus, gppString, applicableSections } }) =>
      /^[ls]i/.test(eventName) &&
      signalStatus === 'ready' && { gpp: gppString, gpp_sid: `${applicableSections}` },
  );
  const waiting = Array.isArray(window[KEY]) ? window[KEY] : [];
  window[KEY] = { send, push: (...all) => all.forEach(send) };
  send(page);
  waiting.forEach(send);
})();
