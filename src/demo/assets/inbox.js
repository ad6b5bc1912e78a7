// Keeps the list live. Entries come as HTML that the server has escaped.
(() => {
  const KEPT = 500;
  const list = document.getElementById('calls');
  const state = document.getElementById('state');

  const localize = (root) => {
    for (const time of root.querySelectorAll('time')) {
      time.textContent = new Date(time.dateTime).toLocaleTimeString();
    }
  };
  const count = () => {
    document.getElementById('count').textContent = list.childElementCount;
    document.getElementById('empty').hidden = list.childElementCount > 0;
  };
  localize(list);

  const stream = new EventSource(`/stream?after=${list.dataset.newest}`);
  stream.addEventListener('open', () => {
    state.textContent = 'Live';
    state.classList.add('live');
  });
  stream.addEventListener('error', () => {
    state.textContent = 'Connecting…';
    state.classList.remove('live');
  });
  stream.addEventListener('call', ({ data, lastEventId }) => {
    // A call that came while the stream opened may arrive both ways.
    if (list.querySelector(`[data-id="${CSS.escape(lastEventId)}"]`)) return;
    list.insertAdjacentHTML('afterbegin', data);
    list.firstElementChild.classList.add('fresh');
    localize(list.firstElementChild);
    if (list.childElementCount > KEPT) list.lastElementChild.remove();
    count();
  });
  stream.addEventListener('cleared', () => {
    list.replaceChildren();
    count();
  });
})();
