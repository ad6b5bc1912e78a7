// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CONSENT } from '../../src/audience/consent.ts';
import { Profile } from '../../src/audience/profile.ts';
import type { Destination, Mapping, Platform } from '../../src/destinations/destination.ts';
import { due, type Visit } from '../../src/destinations/due.ts';
import { parseTemplate } from '../../src/destinations/macro.ts';
import { REASONS, type Reason } from '../../src/destinations/reason.ts';
import {
  addresses,
  cookieDestination,
  DAY,
  DEVICE,
  decided,
  HOUR,
  mapping,
  mappingsOf,
  NOON,
  serialized,
  serverDestination,
  TODAY,
  urlDestination,
  Visitor,
  visitOf,
} from './example.ts';

const optedOut = () => {
  const profile = new Profile();
  profile.apply({ day: TODAY, optOut: true });
  return profile;
};
const fired = (destination: number, times: readonly number[], hours = 24) => {
  const profile = new Profile();
  for (const ago of times) {
    profile.firings = [
      ...profile.firings,
      { destination, mapping: 51, at: (NOON - ago) / 1000, hours },
    ];
  }
  return profile;
};
const published = (to: 'inclusion' | 'exclusion', ...sites: number[]) => ({
  publish: { to, sites: new Set(sites) },
});

const NEEDS_1 = { consent: { purposes: 1, vendors: [], serviceProvider: false } };
const consented = (purposes: number) => ({
  stated: {
    gdpr: { applies: true, ...NO_CONSENT, purposes, refused: false },
    objectsToSale: false,
  },
});
const OBJECTS = { stated: { gdpr: undefined, objectsToSale: true } };

interface Case {
  readonly destination?: Destination;
  readonly mapping?: Partial<Mapping>;
  readonly visit?: Partial<Visit>;
  readonly profile?: Profile;
}

const CASES: [reason: Reason, name: string, Case][] = [
  ['delivered', 'a URL', {}],
  ['delivered', 'as an iframe', { destination: urlDestination({ tag: 'iframe' }) }],
  ['delivered', 'all mapped values in one call', { destination: serialized(801) }],
  ['delivered', 'as an image', { visit: { urls: 'one' } }],
  ['delivered', 'a cookie', { destination: cookieDestination() }],
  [
    'delivered',
    'a cookie, though nobody asked for URLs',
    { destination: cookieDestination(), visit: { urls: 'none' } },
  ],
  [
    'delivered',
    'a cookie of the own page under child protection',
    { destination: cookieDestination(), visit: { coppa: true } },
  ],

  ['inactive', 'a URL', { destination: urlDestination({ active: false }) }],
  ['inactive', 'a cookie', { destination: cookieDestination({ active: false }) }],
  ['inactive', 'a server', { destination: serverDestination({ active: false }) }],

  ['opted-out', 'a URL', { profile: optedOut() }],
  ['opted-out', 'a cookie', { destination: cookieDestination(), profile: optedOut() }],
  ['opted-out', 'a server', { destination: serverDestination(), profile: optedOut() }],

  ['not-started', 'the day before', { mapping: { from: TODAY + 1 } }],
  ['delivered', 'the first day, from its first', { mapping: { from: TODAY }, visit: at(0) }],
  ['not-started', 'an instant before', { mapping: { from: TODAY }, visit: at(-1) }],
  ['ended', 'the day after', { mapping: { to: TODAY - 1 } }],
  [
    'delivered',
    'the last day, to its last instant',
    { mapping: { to: TODAY }, visit: at(DAY - 1) },
  ],
  ['ended', 'an instant after', { mapping: { to: TODAY }, visit: at(DAY) }],
  ['delivered', 'on the only day', { mapping: { from: TODAY, to: TODAY } }],
  ['ended', 'a server, too', { destination: serverDestination(), mapping: { to: TODAY - 1 } }],

  ['export-control', 'a URL', { destination: urlDestination({ labels: 1 }), mapping: bits(1) }],
  [
    'export-control',
    'one of several',
    { destination: urlDestination({ labels: 6 }), mapping: bits(4) },
  ],
  ['delivered', 'another label', { destination: urlDestination({ labels: 1 }), mapping: bits(14) }],
  [
    'export-control',
    'a cookie',
    { destination: cookieDestination({ labels: 8 }), mapping: bits(8) },
  ],
  [
    'export-control',
    'a server',
    { destination: serverDestination({ labels: 2 }), mapping: bits(2) },
  ],

  ['no-consent', 'a URL', { destination: urlDestination(NEEDS_1), visit: consented(2) }],
  ['no-consent', 'a cookie', { destination: cookieDestination(NEEDS_1), visit: consented(2) }],
  ['no-consent', 'a server', { destination: serverDestination(NEEDS_1), visit: consented(2) }],
  [
    'delivered',
    'what was consented to',
    { destination: urlDestination(NEEDS_1), visit: consented(1) },
  ],
  ['objected', 'a URL', { visit: OBJECTS }],
  ['objected', 'a server', { destination: serverDestination(), visit: OBJECTS }],
  [
    'delivered',
    'a cookie of the own site, though the visitor objects to sale',
    { destination: cookieDestination(), visit: OBJECTS },
  ],

  ['later', 'a server', { destination: serverDestination() }],
  [
    'fallback',
    'a server that another destination falls back to',
    { destination: serverDestination({ isFallback: true }) },
  ],
  [
    'later',
    'likewise, after a call that did not get through',
    { destination: serverDestination({ isFallback: true }), profile: fired(805, [HOUR], 0) },
  ],

  ['platform', 'for iOS only', { destination: urlDestination({ platform: 'ios' }) }],
  [
    'platform',
    'a cookie in an app',
    { destination: cookieDestination(), visit: { platform: 'ios' } },
  ],

  ['delivered', 'published here', { destination: urlDestination(published('inclusion', 1)) }],
  ['domain', 'published elsewhere', { destination: urlDestination(published('inclusion', 2)) }],
  ['domain', 'kept from here', { destination: urlDestination(published('exclusion', 1)) }],
  ['delivered', 'kept from elsewhere', { destination: urlDestination(published('exclusion', 2)) }],
  ['domain', 'a cookie', { destination: cookieDestination(published('exclusion', 1)) }],
  [
    'domain',
    'published here, but who calls is unknown',
    { destination: urlDestination(published('inclusion', 1)), visit: { site: undefined } },
  ],
  [
    'domain',
    'kept from elsewhere, but who calls is unknown',
    { destination: urlDestination(published('exclusion', 2)), visit: { site: undefined } },
  ],

  ['coppa', 'a URL', { visit: { coppa: true } }],
  ['not-requested', 'a URL', { visit: { urls: 'none' } }],
  [
    'needs-iframe',
    'in an image',
    { destination: urlDestination({ tag: 'iframe' }), visit: { urls: 'one' } },
  ],
  [
    'cookie-domain',
    'neither the page nor the host',
    { destination: cookieDestination({ domain: 'golf.sports.com' }) },
  ],
  [
    'capped',
    'a URL',
    { destination: urlDestination({ cap: { count: 1, hours: 24 } }), profile: fired(801, [HOUR]) },
  ],
  [
    'capped',
    'a cookie',
    {
      destination: cookieDestination({ cap: { count: 1, hours: 24 } }),
      profile: fired(804, [HOUR]),
    },
  ],
  ['page-budget', 'no room', { visit: { pageBudget: 0 } }],
  ['over-size', 'no room in the cookie', { destination: cookieDestination({ maxSize: 3 }) }],
  ['not-read', 'a URL', { visit: { unread: true } }],
  ['not-read', 'all in one call', { destination: serialized(801), visit: { unread: true } }],
  ['not-read', 'a cookie', { destination: cookieDestination(), visit: { unread: true } }],
  [
    'ended',
    'which is so whoever the visitor is',
    { mapping: { to: TODAY - 1 }, visit: { unread: true } },
  ],
];

function at(sinceMidnight: number) {
  const at = TODAY * DAY + sinceMidnight;
  return { at, day: Math.floor(at / DAY) };
}
function bits(restrictions: number) {
  return { restrictions };
}

describe('why a mapping whose segment holds is due, or is not', () => {
  it.each(CASES)('%s: %s', (reason, _name, { destination, mapping: change, visit, profile }) => {
    const to = destination ?? urlDestination();
    const { reasons, ofCalls, urls, cookies } = decided(
      mappingsOf([mapping(to, change)]),
      visitOf(visit),
      profile,
    );
    expect(reasons).toEqual([`${to.id}/51: ${reason}`]);
    expect(ofCalls).toEqual([`${to.id}: ${reason}`]);
    expect(urls.length + cookies.length).toBe(reason === 'delivered' ? 1 : 0);
  });

  it('every reason that a mapping can have stands in the table or below', () => {
    const below: Reason[] = ['removed', 'one-per-image', 'no-segment', 'not-mapped'];
    const seen = new Set([...CASES.map(([reason]) => reason), ...below]);
    expect([...seen].sort()).toEqual(Object.keys(REASONS).sort());
  });

  it('a segment that does not hold is not due', () => {
    const all = mappingsOf([mapping(urlDestination()), mapping(urlDestination(), { sid: 52 })]);
    expect(decided(all, visitOf(), undefined, [1]).reasons).toEqual(['801/52: delivered']);
    expect(decided(all, visitOf(), undefined, [])).toEqual({
      urls: [],
      cookies: [],
      remember: undefined,
      reasons: [],
      ofCalls: [],
    });
  });
});

describe('the reason for each call or cookie', () => {
  const three = (to: Destination, ...changes: Partial<Mapping>[]) =>
    mappingsOf([51, 52, 53].map((sid, i) => mapping(to, { sid, ...changes[i] })));
  const ended = { to: TODAY - 1 };

  it.each<[string, Destination, Partial<Mapping>[], Partial<Visit>, string[]]>([
    ['each mapping its own', urlDestination(), [], {}, ['delivered', 'delivered', 'delivered']],
    ['each its own reason', urlDestination(), [ended], {}, ['ended', 'delivered', 'delivered']],
    ['three in one call', serialized(801), [], {}, ['delivered']],
    ['two of three in one call', serialized(801), [{}, ended], {}, ['delivered']],
    ['the last of three', serialized(801), [ended, ended], {}, ['delivered']],
    [
      'none of three: the first reason',
      serialized(801),
      [ended, bits(0), ended],
      { coppa: true },
      ['ended'],
    ],
    ['no room for the one call', serialized(801), [ended], { pageBudget: 0 }, ['page-budget']],
    ['three in one cookie', cookieDestination(), [], {}, ['delivered']],
    ['some of three', cookieDestination({ maxSize: 6 }), [ended], {}, ['delivered']],
    ['not one fits', cookieDestination({ maxSize: 3 }), [ended], {}, ['over-size']],
    [
      'not one fits, so the old one goes',
      cookieDestination({ maxSize: 3 }),
      [ended],
      { cookies: { audience: 'x' } },
      ['removed'],
    ],
    [
      'not one is due, so the old one goes',
      cookieDestination({ active: false }),
      [],
      { cookies: { audience: 'x' } },
      ['removed'],
    ],
    ['three to a server', serverDestination(), [], {}, ['later']],
  ])('%s', (_name, to, changes, visit, expected) => {
    const { ofCalls, reasons } = decided(three(to, ...changes), visitOf(visit));
    expect(ofCalls.sort()).toEqual(expected.map((reason) => `${to.id}: ${reason}`).sort());
    expect(reasons).toHaveLength(3);
  });
});

describe('platforms: the one of the destination and the one that the request names', () => {
  const P: Platform[] = ['all', 'browser', 'android', 'ios'];
  const rows = P.flatMap((to) =>
    P.map((from) => [to, from, to === 'all' || from === 'all' || to === from] as const),
  );
  it.each(rows)('%s called from %s: %s', (platform, from, expected) => {
    const { urls } = decided(
      mappingsOf([mapping(urlDestination({ platform }))]),
      visitOf({ platform: from }),
    );
    expect(urls.length === 1).toBe(expected);
  });
});

describe('addresses', () => {
  it('on an https page the plain one is https, too', () => {
    const [{ url, secureUrl }] = decided(mappingsOf([mapping(urlDestination())]), visitOf()).urls;
    expect([url, secureUrl]).toEqual(['https://d801.example/51', 'https://d801.example/51']);
  });

  it('on an http page each is as it was written', () => {
    const visit = visitOf({ pageSecure: false });
    const [{ url, secureUrl }] = decided(mappingsOf([mapping(urlDestination())]), visit).urls;
    expect([url, secureUrl]).toEqual(['http://d801.example/51', 'https://d801.example/51']);
  });

  it('every plain mapping is called on its own', () => {
    const to = urlDestination();
    const all = mappingsOf([mapping(to), mapping(to, { sid: 52 })]);
    expect(addresses(decided(all, visitOf()).urls)).toEqual([
      'https://d801.example/51',
      'https://d801.example/52',
    ]);
  });

  it('a serialized destination is called once, highest priority first', () => {
    const to = serialized(802);
    const all = mappingsOf([
      mapping(to, { sid: 51, priority: 1, alias: 'low' }),
      mapping(to, { sid: 52, priority: 9, alias: 'high' }),
      mapping(to, { sid: 53, priority: 1, alias: 'low 2' }),
      mapping(to, { sid: 54, priority: 9, to: TODAY - 1 }),
    ]);
    expect(addresses(decided(all, visitOf()).urls)).toEqual([
      'https://d802.example/?s=high,low,low%202',
    ]);
  });

  it('macros are filled from the visitor and the visit', () => {
    const text =
      'http://d.example/%DID%/%MCID%/%DPID_7%/%DPID_8%/%REGION%/%HTTP_PROTO%/%RND%/%TIMESTAMP%/${GDPR}';
    const to = urlDestination();
    const profile = new Profile();
    profile.apply({ day: TODAY, ecid: '9', declared: [{ dataSource: 7, id: 'old' }] });
    profile.apply({ day: TODAY, declared: [{ dataSource: 7, id: 'new' }] });
    const [{ url, secureUrl }] = decided(
      mappingsOf([mapping(to, { url: parseTemplate(text), secureUrl: parseTemplate(text) })]),
      visitOf({
        pageSecure: false,
        nonce: 5,
        consent: (key) => (key === 'gdpr' ? '1' : undefined),
      }),
      profile,
    ).urls;
    expect(url).toBe(`http://d.example/${DEVICE}/9/new//7/http/5/${NOON / 1000}/1`);
    expect(secureUrl).toBe(`http://d.example/${DEVICE}/9/new//7/https/5/${NOON / 1000}/1`);
  });
});

describe('the frequency cap: at most so many calls in so many hours', () => {
  const capped = (count: number, hours: number) => urlDestination({ cap: { count, hours } });

  it.each<[count: number, hours: number, visitsAt: number[], called: number[]]>([
    [1, 1, [0, 0.5, 0.99, 1, 1.5, 2], [0, 1, 2]],
    [2, 24, [0, 1, 2, 23, 24, 24.5, 25], [0, 1, 24, 25]],
    [3, 1, [0, 0, 0, 0], [0, 0, 0]],
    [1, 24 * 366, [0, 24 * 365, 24 * 366], [0, 24 * 366]],
  ])('%d in %d hours, visits after %j hours: called after %j', (count, hours, visits, called) => {
    const visitor = new Visitor(mappingsOf([mapping(capped(count, hours))]));
    const seen = visits.filter((hour) => visitor.comes({ at: NOON + hour * HOUR }).urls.length > 0);
    expect(seen).toEqual(called);
  });

  it('counts all mappings of a destination together, within one answer, too', () => {
    const to = capped(2, 24);
    const all = mappingsOf([51, 52, 53].map((sid) => mapping(to, { sid })));
    const visitor = new Visitor(all);
    expect(visitor.comes().reasons).toEqual([
      '801/51: delivered',
      '801/52: delivered',
      '801/53: capped',
    ]);
    expect(visitor.comes({ at: NOON + HOUR }).urls).toEqual([]);
    // Those that were called longest ago, or never, go first.
    expect(addresses(visitor.comes({ at: NOON + DAY }).urls)).toEqual([
      'https://d801.example/53',
      'https://d801.example/51',
    ]);
  });

  it('a serialized call counts once, whatever it carries', () => {
    const to = serialized(802, { cap: { count: 1, hours: 1 } });
    const visitor = new Visitor(mappingsOf([mapping(to), mapping(to, { sid: 52 })]));
    expect(addresses(visitor.comes().urls)).toEqual(['https://d802.example/?s=a51,a52']);
    expect(visitor.comes().reasons).toEqual(['802/51: capped', '802/52: capped']);
  });

  it('other destinations do not count', () => {
    const other = urlDestination({ id: 899 });
    const visitor = new Visitor(mappingsOf([mapping(capped(1, 1)), mapping(other, { sid: 52 })]));
    visitor.comes();
    expect(visitor.comes().reasons.sort()).toEqual(['801/51: capped', '899/52: delivered']);
  });

  it('a capped cookie is left as it is', () => {
    const to = cookieDestination({ cap: { count: 1, hours: 1 } });
    const visitor = new Visitor(mappingsOf([mapping(to)]));
    expect(visitor.comes().cookies).toHaveLength(1);
    const again = visitor.comes({ at: NOON + HOUR - 1000, cookies: { audience: 'x' } });
    expect(again.reasons).toEqual(['804/51: capped']);
    expect(again.cookies).toEqual([]);
    expect(visitor.comes({ at: NOON + HOUR }).cookies).toHaveLength(1);
  });

  it('without a cap and an order nothing has to be remembered', () => {
    expect(decided(mappingsOf([mapping(urlDestination())]), visitOf()).remember).toBeUndefined();
  });
});

describe('the page budget: at most so many calls in one answer, those longest unfired first', () => {
  const destinations = [801, 802, 803, 804].map((id) => urlDestination({ id }));
  const all = mappingsOf(
    destinations.map((to, i) => mapping(to, { sid: 51 + i })),
    { keepsOrder: true },
  );

  it('what did not fit is due next time, and nobody is left out for ever', () => {
    const visitor = new Visitor(all);
    const visits = [1, 2, 3, 4].map((second) =>
      visitor
        .comes({ at: NOON + second * 1000, pageBudget: 3 })
        .urls.map(({ destination }) => destination.id),
    );
    expect(visits).toEqual([
      [801, 802, 803],
      [804, 801, 802],
      [803, 801, 802],
      [804, 801, 802],
    ]);
  });

  it('says what did not fit', () => {
    const { reasons } = decided(all, visitOf({ pageBudget: 2 }));
    expect(reasons).toEqual([
      '801/51: delivered',
      '802/52: delivered',
      '803/53: page-budget',
      '804/54: page-budget',
    ]);
  });

  it('priority decides among those that were fired at the same time, or never', () => {
    const to = [0, 5, 9].map((priority, i) => urlDestination({ id: 801 + i, priority }));
    const visitor = new Visitor(
      mappingsOf(
        to.map((d, i) => mapping(d, { sid: 51 + i })),
        { keepsOrder: true },
      ),
    );
    const first = visitor.comes({ pageBudget: 2 });
    expect(first.urls.map(({ destination }) => destination.id)).toEqual([803, 802]);
    const second = visitor.comes({ pageBudget: 2, at: NOON + 1000 });
    expect(second.urls.map(({ destination }) => destination.id)).toEqual([801, 803]);
  });

  it('what is capped takes no room', () => {
    const capped = urlDestination({ id: 801, cap: { count: 1, hours: 24 }, priority: 9 });
    const visitor = new Visitor(
      mappingsOf([mapping(capped), mapping(destinations[1], { sid: 52 })]),
    );
    visitor.comes({ pageBudget: 1 });
    const { reasons } = visitor.comes({ pageBudget: 1 });
    expect(reasons.sort()).toEqual(['801/51: capped', '802/52: delivered']);
  });

  it('a serialized call takes the room of one', () => {
    const to = serialized(802);
    const { urls, reasons } = decided(
      mappingsOf([mapping(to), mapping(to, { sid: 52 }), mapping(destinations[2], { sid: 53 })]),
      visitOf({ pageBudget: 1 }),
    );
    expect(addresses(urls)).toEqual(['https://d802.example/?s=a51,a52']);
    expect(reasons).toContain('803/53: page-budget');
  });
});

describe('an image answer calls one destination: by priority, then the longest unfired', () => {
  const low = [801, 802].map((id) => urlDestination({ id, priority: 1 }));
  const high = urlDestination({ id: 803, priority: 2 });
  const called = ({ urls }: { urls: readonly { destination: { id: number } }[] }) =>
    urls.map(({ destination }) => destination.id);

  it('the highest priority first', () => {
    const all = mappingsOf([mapping(low[0]), mapping(high, { sid: 52 })]);
    const { urls, reasons } = decided(all, visitOf({ urls: 'one' }));
    expect(called({ urls })).toEqual([803]);
    expect(reasons).toEqual(['803/52: delivered', '801/51: one-per-image']);
  });

  it('among equals the longest unfired, so that each has its turn', () => {
    const visitor = new Visitor(mappingsOf(low.map((d, i) => mapping(d, { sid: 51 + i }))));
    const turns = [1, 2, 3, 4].map((second) =>
      visitor.comes({ urls: 'one', at: NOON + second * 1000 }),
    );
    expect(turns.map(called)).toEqual([[801], [802], [801], [802]]);
  });

  it('once the cap of the highest is reached, the next', () => {
    const capped = { ...high, cap: { count: 1, hours: 1 } };
    const visitor = new Visitor(mappingsOf([mapping(low[0]), mapping(capped, { sid: 52 })]));
    const turns = [1, 2].map(() => visitor.comes({ urls: 'one' }));
    expect(turns.map(called)).toEqual([[803], [801]]);
  });

  it('an iframe destination never', () => {
    const frame = urlDestination({ id: 804, tag: 'iframe', priority: 99 });
    const all = mappingsOf([mapping(frame), mapping(low[0], { sid: 52 })]);
    const { urls, reasons } = decided(all, visitOf({ urls: 'one' }));
    expect(called({ urls })).toEqual([801]);
    expect(reasons).toContain('804/51: needs-iframe');
  });

  it('the page budget does not matter', () => {
    const { urls } = decided(
      mappingsOf([mapping(low[0])]),
      visitOf({ urls: 'one', pageBudget: 9 }),
    );
    expect(called({ urls })).toEqual([801]);
  });
});

describe('cookies: what can be set where', () => {
  // The table of the guide: page, cookie domain, whether it is set there.
  const GUIDE: [page: string, sports: boolean, golf: boolean, blank: boolean][] = [
    ['sports.com', true, false, true],
    ['golf.sports.com', true, true, true],
    ['baseball.sports.com', true, false, true],
    ['sports.golf.com', false, false, true],
  ];
  it.each(GUIDE)('on %s: .sports.com %s, .golf.sports.com %s, blank %s', (pageHost, ...sets) => {
    ['sports.com', 'golf.sports.com', ''].forEach((domain, i) => {
      const { cookies } = decided(
        mappingsOf([mapping(cookieDestination({ domain }))]),
        visitOf({ pageHost }),
      );
      expect(cookies.length === 1, domain).toBe(sets[i]);
    });
  });

  type Reach = { byHeader: boolean; byTag: boolean } | undefined;
  const both = { byHeader: true, byTag: true };
  const header = { byHeader: true, byTag: false };
  const tag = { byHeader: false, byTag: true };
  it.each<[domain: string, host: string, page: string | undefined, tags: boolean, Reach]>([
    ['sports.com', 'c.sports.com', 'sports.com', true, both],
    ['sports.com', 'c.sports.com', 'sports.com', false, header],
    ['sports.com', 'c.other.com', 'sports.com', true, tag],
    ['sports.com', 'c.other.com', 'sports.com', false, undefined],
    ['other.com', 'c.other.com', 'sports.com', true, header],
    ['other.com', 'c.other.com', 'sports.com', false, header],
    // Blank: the page's own host, and only that can set it.
    ['', 'sports.com', 'sports.com', true, both],
    ['', 'sports.com', 'sports.com', false, header],
    ['', 'c.sports.com', 'sports.com', true, tag],
    ['', 'c.sports.com', 'sports.com', false, undefined],
    ['', 'c.sports.com', undefined, false, undefined],
    // Where the page is not told, the tag tries.
    ['', 'c.sports.com', undefined, true, tag],
    ['sports.com', 'c.other.com', undefined, true, tag],
    ['sports.com', 'c.other.com', undefined, false, undefined],
  ])(
    'domain "%s", host %s, page %s, tag %s: %j',
    (domain, host, pageHost, tagWritesCookies, reach) => {
      const { cookies, reasons } = decided(
        mappingsOf([mapping(cookieDestination({ domain }))]),
        visitOf({ host, pageHost, tagWritesCookies }),
      );
      expect(cookies.map(({ byHeader, byTag }) => ({ byHeader, byTag }))).toEqual(
        reach ? [reach] : [],
      );
      expect(reasons).toEqual([`804/51: ${reach ? 'delivered' : 'cookie-domain'}`]);
    },
  );

  it('its values, highest priority first; what has no room is said', () => {
    const to = cookieDestination({ maxSize: 11, ttlDays: 7, domain: 'sports.com' });
    const all = mappingsOf([
      mapping(to, { sid: 51, priority: 1 }),
      mapping(to, { sid: 52, priority: 3 }),
      mapping(to, { sid: 53, priority: 2 }),
    ]);
    const { cookies, reasons } = decided(all, visitOf());
    expect(cookies).toEqual([
      {
        name: 'audience',
        value: 'k=a52,k=a53',
        ttlDays: 7,
        domain: 'sports.com',
        byHeader: false,
        byTag: true,
      },
    ]);
    expect(reasons).toEqual(['804/52: delivered', '804/53: delivered', '804/51: over-size']);
  });
});

describe('when nothing is qualified any more, the cookie is removed', () => {
  const to = cookieDestination();
  const withCookie = { cookies: { audience: 'x' } };
  const gone = {
    name: 'audience',
    ttlDays: -1,
    domain: 'sports.com',
    byHeader: false,
    byTag: true,
  };

  it('once, where the profile knows of it', () => {
    const visitor = new Visitor(mappingsOf([mapping(to)]));
    expect(visitor.comes().cookies).toHaveLength(1);
    const next = visitor.comes({}, []);
    expect(next.cookies).toMatchObject([gone]);
    expect(next).toMatchObject({ reasons: [], ofCalls: ['804: removed'] });
    expect(visitor.comes({}, [])).toMatchObject({ cookies: [], reasons: [], remember: undefined });
  });

  it('where the request shows it, though the profile does not know of it', () => {
    const { cookies } = decided(mappingsOf([mapping(to)]), visitOf(withCookie), undefined, []);
    expect(cookies).toMatchObject([gone]);
  });

  it('not where there is none', () => {
    const visit = visitOf({ cookies: { other: 'x' } });
    expect(decided(mappingsOf([mapping(to)]), visit, undefined, []).cookies).toEqual([]);
  });

  it('and set again when something is', () => {
    const visitor = new Visitor(mappingsOf([mapping(to)]));
    const values = [undefined, [], undefined].map((segments) => visitor.comes({}, segments));
    expect(values.map(({ cookies: [{ ttlDays }] }) => ttlDays)).toEqual([30, -1, 30]);
  });

  it.each<[string, boolean, Partial<Mapping>, Partial<Visit>, typeof to?, Profile?]>([
    ['opted out', true, {}, {}, to, optedOut()],
    ['switched off', true, {}, {}, cookieDestination({ active: false })],
    ['ended', true, { to: TODAY - 1 }, {}],
    [
      'forbidden by export controls',
      true,
      { restrictions: 1 },
      {},
      cookieDestination({ labels: 1 }),
    ],
    ['another platform', false, {}, { platform: 'ios' }],
    ['another site', false, {}, {}, cookieDestination(published('exclusion', 1))],
    ['a page that cannot have it', false, {}, { pageHost: 'golf.com' }],
  ])('%s: removed %s', (_name, removed, change, visit, destination = to, profile = undefined) => {
    const { cookies } = decided(
      mappingsOf([mapping(destination, change)]),
      visitOf({ ...withCookie, ...visit }),
      profile,
    );
    expect(cookies.map(({ ttlDays }) => ttlDays)).toEqual(removed ? [-1] : []);
  });

  it('not from where it cannot be', () => {
    const visitor = new Visitor(mappingsOf([mapping(to)]));
    visitor.comes();
    expect(visitor.comes({ pageHost: 'golf.com' }, []).cookies).toEqual([]);
    expect(visitor.comes({}, []).cookies).toMatchObject([gone]);
  });
});

describe('the decision is pure', () => {
  const destinations: fc.Arbitrary<Destination> = fc
    .record({
      id: fc.integer({ min: 801, max: 806 }),
      priority: fc.integer({ min: 0, max: 2 }),
      kind: fc.constantFrom('plain', 'iframe', 'serialized', 'cookie', 'server'),
      cap: fc.option(fc.constant({ count: 1, hours: 24 }), { nil: undefined }),
      platform: fc.constantFrom<Platform>('all', 'browser', 'ios'),
    })
    .map(({ kind, ...common }) => {
      if (kind === 'cookie') return cookieDestination({ ...common, platform: 'browser' });
      if (kind === 'server') return serverDestination(common);
      if (kind === 'serialized') return serialized(common.id, common);
      return urlDestination({ ...common, tag: kind === 'iframe' ? 'iframe' : 'img' });
    });
  const visits = fc.record({
    at: fc.integer({ min: 0, max: 3 }).map((hours) => NOON + hours * HOUR),
    urls: fc.constantFrom('all' as const, 'one' as const, 'none' as const),
    pageBudget: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
    coppa: fc.boolean(),
    tagWritesCookies: fc.boolean(),
  });
  const accounts = fc
    .uniqueArray(destinations, { minLength: 1, maxLength: 6, selector: ({ id }) => id })
    .chain((all) =>
      fc
        .array(fc.tuple(fc.nat(9), fc.nat(all.length - 1), fc.nat(3)), {
          minLength: 1,
          maxLength: 12,
        })
        .map((rows) =>
          mappingsOf(
            rows.map(([n, place, priority]) => mapping(all[place], { sid: 51 + n, priority })),
            { keepsOrder: true },
          ),
        ),
    );
  const segmentSets = fc.uniqueArray(fc.nat(9), { maxLength: 10 });

  it('the same twice gives the same twice, a recorder changes nothing, and inputs stay as they are', () => {
    let calls = 0;
    fc.assert(
      fc.property(
        accounts,
        fc.array(fc.tuple(visits, segmentSets), { size: 'large', maxLength: 10 }),
        (mappings, all) => {
          const profile = new Profile();
          for (const [change, segments] of all) {
            const visit = visitOf(change);
            const before = profile.clone();
            const first = due(mappings, segments, profile, visit);
            expect(due(mappings, segments, profile, visit, () => {})).toEqual(first);
            expect(due(mappings, segments, before, visit)).toEqual(first);
            expect(profile).toEqual(before);
            calls += first.urls.length;
            profile.apply({ ...first.remember, day: visit.day });
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(calls).toBeGreaterThan(50);
  });

  it('never more than the budget, the cap and what is mapped; one reason for each mapping', () => {
    fc.assert(
      fc.property(accounts, visits, segmentSets, (mappings, change, segments) => {
        const visit = visitOf(change);
        const { urls, cookies, reasons, ofCalls } = decided(mappings, visit, undefined, segments);
        expect(urls.length).toBeLessThanOrEqual(
          visit.urls === 'all' ? visit.pageBudget : visit.urls === 'one' ? 1 : 0,
        );
        for (const { destination } of urls) {
          const count = urls.filter((call) => call.destination === destination).length;
          expect(count).toBeLessThanOrEqual(destination.cap?.count ?? count);
        }
        const mapped = segments.flatMap((segment) => mappings.bySegment[segment]);
        expect(reasons.map((reason) => reason.split(':')[0]).sort()).toEqual(
          mapped.map(({ destination, sid }) => `${destination.id}/${sid}`).sort(),
        );
        const delivered = ofCalls.filter((reason) => reason.endsWith(': delivered'));
        expect(delivered).toHaveLength(urls.length + cookies.length);
      }),
    );
  });
});
