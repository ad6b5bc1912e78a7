// Fills the panel with what the tag reports: the event `switchyard` carries the answer.
(() => {
  const $ = (id) => document.getElementById(`backstage-${id}`);
  const panel = document.getElementById('backstage');
  const toggle = $('title');
  const names = JSON.parse($('names').textContent);
  const OPEN = 'backstage.open';
  const SEGMENTS = 'backstage.segments';
  let answers = 0;

  const remember = (key, value) => {
    try {
      sessionStorage.setItem(key, JSON.stringify(value));
    } catch {}
  };
  const recall = (key) => {
    try {
      return JSON.parse(sessionStorage.getItem(key));
    } catch {
      return null;
    }
  };

  const open = (yes) => {
    toggle.setAttribute('aria-expanded', yes);
    $('body').hidden = !yes;
    document.documentElement.classList.toggle('backstage-open', yes);
  };
  // Beside the page there is room for it; over the page it waits until it is asked for.
  const beside = matchMedia('(min-width: 75em)').matches;
  panel.hidden = false;
  open(beside && recall(OPEN) !== false);
  toggle.addEventListener('click', () => {
    const yes = toggle.getAttribute('aria-expanded') !== 'true';
    open(yes);
    if (beside) remember(OPEN, yes);
  });
  panel.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || beside) return;
    open(false);
    toggle.focus();
  });

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    Object.assign(element, attributes);
    element.append(...children);
    return element;
  };
  const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;
  const section = (title, hint, items, none) =>
    make(
      'section',
      {},
      make('h3', {}, title, ' ', make('span', { className: 'count' }, String(items.length))),
      make('p', { className: 'quiet' }, items.length ? hint : none),
      ...(items.length ? [make('ul', {}, ...items)] : []),
    );
  const named = (kind, id) => names[kind][id] || `No. ${id}`;
  const decoded = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };

  // Spaces, so that who listens to the entry, or copies it, gets words.
  const item = (...parts) => make('li', {}, ...parts.flatMap((part) => [part, ' ']));
  const number = (text) => make('span', { className: 'number' }, String(text));

  const trait = (id) => item(named('traits', id), number(id));
  const segment = (before) => (id) =>
    item(
      named('segments', id),
      ...(before && !before.includes(id) ? [make('span', { className: 'new' }, 'new')] : []),
      number(id),
    );
  const call = ({ id, y, c }) =>
    item(
      named('destinations', id),
      number(y === 'iframe' ? 'frame' : 'image'),
      make('code', {}, c),
    );
  const cookie = ({ cn, cv, ttl }) =>
    item(
      cn,
      number(ttl < 0 ? 'removed' : ttl ? many(ttl, 'day') : 'until the browser closes'),
      ...(ttl < 0 ? [] : [make('code', {}, decoded(cv))]),
    );
  const error = ({ code, msg }) => item(msg || 'Error', number(code));

  document.addEventListener('switchyard', ({ detail: answer }) => {
    answers++;
    const { uuid = '', stuff = [], dests = [], traits = [], segments = [], errors = [] } = answer;
    const before = recall(SEGMENTS);
    remember(SEGMENTS, segments);
    $('answer').replaceChildren(
      ...(errors.length
        ? [section('Problems', 'What Switchyard reported.', errors.map(error))]
        : []),
      section(
        'Traits',
        'What the visitor did.',
        traits.map(trait),
        'Nothing that a rule looks for.',
      ),
      section(
        'Audiences',
        'The segments this visitor belongs to now.',
        segments.map(segment(before)),
        'In no segment yet.',
      ),
      section(
        'Calls to partners',
        'Only the mapped values and ids leave, nothing else.',
        dests.map(call),
        'No partner was called.',
      ),
      section(
        'Cookies',
        'For scripts on our own pages to read.',
        stuff.map(cookie),
        'No cookie was written.',
      ),
      make(
        'section',
        {},
        make('h3', {}, 'Device id'),
        make('p', { className: 'quiet' }, 'One browser, no name and no address.'),
        make('p', { className: 'device' }, uuid || 'none'),
      ),
      make(
        'details',
        {},
        make('summary', {}, 'The raw answer'),
        make('pre', { tabIndex: 0 }, JSON.stringify(answer, null, 2)),
      ),
    );
    const tally = [
      many(traits.length, 'trait'),
      many(segments.length, 'audience'),
      many(dests.length, 'call'),
    ].join(' · ');
    $('tally').textContent = answers > 1 ? `Answer ${answers}: ${tally}` : tally;
    $('news').textContent = `Switchyard answered: ${tally}.`;
    panel.classList.add('lit');
  });

  document.addEventListener('said', ({ detail }) => {
    for (const [key, value] of Object.entries(detail)) {
      $('said').append(make('li', {}, `${key.replace(/^c_/, '')} `, make('b', {}, String(value))));
    }
  });

  setTimeout(() => {
    if (answers) return;
    $('tally').textContent = 'No answer yet';
    $('answer').replaceChildren(
      make(
        'p',
        { className: 'quiet' },
        'Switchyard has not answered. The page works all the same: the tag never holds it up.',
      ),
    );
  }, 6000);

  $('forget').addEventListener('click', () => {
    try {
      localStorage.removeItem('switchyard');
    } catch {}
    $('forgotten').textContent =
      'Erased here. The collection server still has its own cookie in this browser, so the next page knows you again; clear your cookies to become somebody new.';
  });
})();
