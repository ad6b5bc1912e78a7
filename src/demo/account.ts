/** The account that the demo starts with: one ticket shop, one advertising partner. */

/** The data source in which the partner's own visitor ids are kept. */
export const PARTNER = 90001;
const OWN = 1001;

/**
 * The demo's account document.
 *
 * @example
 * demoAccount({ inbox: 'http://127.0.0.1:8081' }).segments[0].name // 'Concert browsers'
 *
 * @param places where the partner's inbox answers, as an origin
 */
export function demoAccount({ inbox }: { inbox: string }) {
  const ruled = (sid: number, name: string, traitRule: string, folderId: number, ttl = 120) => ({
    sid,
    name,
    traitType: 'RULE_BASED_TRAIT' as const,
    traitRule,
    ttl,
    dataSourceId: OWN,
    folderId,
  });
  const called = (path: string) => {
    const url = inbox + path;
    return { url, secureUrl: url.replace(/^http:/, 'https:') };
  };
  const base = (path: string) => {
    const { url, secureUrl } = called(path);
    return { urlFormatString: url, secureUrlFormatString: secureUrl };
  };
  const mapped = <More extends object>(sid: number, more: More) => ({
    sid,
    traitType: 'SEGMENT' as const,
    ...more,
  });

  return {
    dataSources: [
      { dataSourceId: OWN, name: 'Halfnote website', integrationCode: 'halfnote-web' },
      { dataSourceId: PARTNER, name: 'Kestrel Media visitor ids', integrationCode: 'kestrel' },
    ],
    folders: [
      { folderId: 100, name: 'Halfnote' },
      { folderId: 101, name: 'Musical taste', parentFolderId: 100 },
      { folderId: 102, name: 'Steps to a ticket', parentFolderId: 100 },
    ],
    traits: [
      ruled(5001, 'Came to the home page', 'c_page == "home"', 102, 30),
      ruled(5002, 'Browsed the programme', 'c_page == "concerts"', 102, 30),
      ruled(5003, 'Looked at a concert', 'c_page == "concert"', 102, 30),
      ruled(5004, 'Started checkout', 'c_page == "checkout"', 102, 14),
      ruled(5005, 'Bought a ticket', 'c_step == "paid"', 102, 365),
      ruled(5006, 'Expensive ticket', 'c_price >= 80', 102, 60),
      ruled(5010, 'Jazz lover', 'c_genre == "jazz"', 101),
      ruled(5011, 'Rock listener', 'c_genre == "rock"', 101),
      ruled(5012, 'Classical listener', 'c_genre == "classical"', 101),
      ruled(5013, 'Night owl', 'c_genre == "electronic" OR c_genre == "hip-hop"', 101),
      ruled(5014, 'Roots and rhythm', 'c_genre == "folk" OR c_genre == "latin"', 101),
      {
        sid: 5020,
        name: 'Any musical taste',
        traitType: 'FOLDER_TRAIT' as const,
        dataSourceId: OWN,
        folderId: 101,
      },
    ],
    segments: [
      { sid: 7001, name: 'Concert browsers', segmentRule: '5003T', integrationCode: 'browsers' },
      { sid: 7002, name: 'Jazz audience', segmentRule: '5010T', integrationCode: 'jazz' },
      {
        sid: 7003,
        name: 'Keen visitor',
        segmentRule: 'FREQUENCY([5003T]) >= 2',
        integrationCode: 'keen',
      },
      {
        sid: 7004,
        name: 'Premium audience',
        segmentRule: '5003T AND 5006T',
        integrationCode: 'premium',
      },
      {
        sid: 7005,
        name: 'Left at the checkout',
        segmentRule: '5004T AND NOT 5005T',
        integrationCode: 'basket',
      },
      { sid: 7006, name: 'Ticket holders', segmentRule: '5005T', integrationCode: 'holders' },
      {
        sid: 7007,
        name: 'Genre explorer',
        segmentRule: 'FREQUENCY([5020T] <= 30D) >= 4',
        integrationCode: 'explorer',
      },
    ],
    destinations: [
      {
        destinationId: 8001,
        name: 'Kestrel audience pixels',
        description: 'One image call for each audience; the partner answers to its own visitor id.',
        destinationType: 'PUSH' as const,
        serializationEnabled: false,
        tagType: 0,
        mappings: ['jazz', 'premium'].map((seg, i) =>
          mapped([7002, 7004][i], {
            ...called(`/pixel/audience?uid=%DID%&partner=%DPID_${PARTNER}%&seg=${seg}&rnd=%RND%`),
          }),
        ),
      },
      {
        destinationId: 8002,
        name: 'Kestrel bidding platform',
        description: 'All audiences of a visitor in one call, joined by commas.',
        destinationType: 'PUSH' as const,
        serializationEnabled: true,
        ...base('/pixel/dsp?s=%ALIAS%&uid=%DID%&t=%TIMESTAMP%'),
        delimiter: ',',
        tagType: 0,
        mappings: [
          mapped(7001, { traitAlias: 'browsers' }),
          mapped(7003, { traitAlias: 'keen' }),
          mapped(7005, { traitAlias: 'basket' }),
          mapped(7006, { traitAlias: 'holders' }),
          mapped(7007, { traitAlias: 'explorer' }),
        ],
      },
      {
        destinationId: 8003,
        name: 'Kestrel welcome-back frame',
        description: 'A hidden frame, for partners that need a page of their own.',
        destinationType: 'PUSH' as const,
        serializationEnabled: false,
        tagType: 1,
        mappings: [mapped(7003, called('/frame/welcome-back?uid=%DID%&seg=keen&rnd=%RND%'))],
      },
      {
        destinationId: 8004,
        name: 'Greeting on our own pages',
        description: 'The cookie sw_audience, which the shop reads to greet regulars.',
        destinationType: 'ADS' as const,
        cookieName: 'sw_audience',
        cnameDomain: '',
        maxSize: 512,
        ttl: 30,
        domainRestrictions: 'all_domains',
        formatType: 'single_key',
        singleKey: 'aud',
        keySeparator: '=',
        valueSeparator: ',',
        serializationEnabled: true,
        serializationSeparator: '#',
        mappings: [
          mapped(7006, { valueAlias: 'holders', priority: 1 }),
          mapped(7002, { valueAlias: 'jazz', priority: 2 }),
          mapped(7003, { valueAlias: 'keen', priority: 3 }),
          mapped(7004, { valueAlias: 'premium', priority: 4 }),
        ],
      },
      {
        destinationId: 8005,
        name: 'Festival campaign 2099',
        description: 'Planned long ahead: a trace says why nothing is sent before its start date.',
        destinationType: 'PUSH' as const,
        serializationEnabled: false,
        tagType: 0,
        mappings: [
          mapped(7001, {
            ...called('/pixel/festival?uid=%DID%&rnd=%RND%'),
            startDate: '2099-06-01',
            endDate: '2099-08-31',
          }),
        ],
      },
      {
        destinationId: 8006,
        name: 'Kestrel reminder, once an hour',
        description: 'Capped: the second concert page within an hour does not call again.',
        destinationType: 'PUSH' as const,
        serializationEnabled: false,
        tagType: 0,
        frequencyCap: { count: 1, hours: 1 },
        mappings: [mapped(7001, called('/pixel/reminder?uid=%DID%&rnd=%RND%'))],
      },
    ],
    sites: [
      {
        siteId: 1,
        name: 'Halfnote ticket shop',
        domains: ['127.0.0.1', 'localhost'],
        redirectHosts: [new URL(inbox).host],
      },
    ],
  };
}
