// What the shop itself does with an audience: greet, and tell Switchyard of a payment.
(() => {
  const GREETINGS = {
    holders: 'Good to have you back. Your next ticket keeps the same seat, if you like.',
    jazz: 'More late nights for jazz lovers: two new dates have just come in.',
    keen: 'You keep coming back. Members hear about new dates two days early.',
    premium: 'The best seats of the season are still free, and held for you today.',
  };

  /** The audiences in the cookie, which reads `aud=jazz#keen` once it is decoded. */
  const audiences = () => {
    const cookie = document.cookie.match(/(?:^|; )sw_audience=([^;]*)/);
    if (!cookie) return [];
    try {
      return decodeURIComponent(cookie[1]).replace(/^aud=/, '').split('#');
    } catch {
      return [];
    }
  };

  const greeting = document.getElementById('greeting');
  const greet = () => {
    const held = audiences();
    const audience = Object.keys(GREETINGS).find((name) => held.includes(name));
    greeting.hidden = !audience;
    greeting.textContent = audience ? GREETINGS[audience] : '';
  };
  if (greeting) {
    greet();
    document.addEventListener('switchyard', greet);
  }

  // The partner matches ids only after the first answer: before it, a new browser has no id yet, and
  // two calls at once would give it two.
  document.addEventListener(
    'switchyard',
    () => {
      const hello = new Image();
      hello.referrerPolicy = 'no-referrer';
      hello.src = document.body.dataset.hello;
    },
    { once: true },
  );

  const pay = document.getElementById('pay');
  pay?.addEventListener('click', () => {
    const said = { c_step: 'paid' };
    window.switchyard = window.switchyard || [];
    window.switchyard.push(said);
    document.dispatchEvent(new CustomEvent('said', { detail: said }));
    pay.disabled = true;
    document.getElementById('thanks').textContent =
      'Thank you. You are a ticket holder now, and no longer someone who left at the checkout.';
  });
})();
