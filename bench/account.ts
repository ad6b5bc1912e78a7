/** Accounts of any size for benchmarks. */

export interface Size {
  readonly traits: number;
  readonly segments: number;
  readonly destinations: number;
}

export const SMALL: Size = { traits: 10, segments: 10, destinations: 10 };
/** The field's limits for one account. Source: user guide, usage limits. */
export const LIMITS: Size = { traits: 100_000, segments: 20_000, destinations: 1_000 };

/** Concerts that the requests of a benchmark look at. */
export const CONCERTS = 200;

/**
 * An account in which the first ten traits, segments and destinations are what the benchmark's
 * requests touch, whatever the size: the rest differs in the values that it asks for.
 */
export function benchAccount({ traits, segments, destinations }: Size): object {
  return {
    dataSources: [{ dataSourceId: 1, name: 'Own data' }],
    folders: [],
    traits: range(traits).map((i) => ({
      sid: i + 1,
      name: `Trait ${i + 1}`,
      traitType: 'RULE_BASED_TRAIT',
      traitRule: ruleOf(i),
      dataSourceId: 1,
    })),
    segments: range(segments).map((i) => ({
      sid: 1_000_001 + i,
      name: `Segment ${i + 1}`,
      segmentRule:
        i % 3 === 2
          ? `FREQUENCY([${(i % traits) + 1}T, ${((i + 1) % traits) + 1}T] <= 30D) >= 2`
          : `${(i % traits) + 1}T AND NOT ${((i * 7 + 5) % traits) + 1}T`,
    })),
    destinations: range(destinations).map((i) => ({
      destinationId: i + 1,
      name: `Destination ${i + 1}`,
      ...(i % 5 === 4
        ? {
            destinationType: 'ADS',
            cookieName: `audience${i}`,
            formatType: 'single_key',
            singleKey: 'k',
            ttl: 30,
            mappings: mappingsOf(i, segments, destinations, (sid) => ({ valueAlias: `${sid}` })),
          }
        : {
            destinationType: 'PUSH',
            mappings: mappingsOf(i, segments, destinations, () => ({
              url: `https://partner${i}.example/pixel?u=%DID%&r=%RND%`,
            })),
          }),
    })),
    sites: [{ siteId: 1, name: 'Shop', domains: ['shop.example'] }],
  };
}

/** The first ten are touched by requests, all others ask for what no request carries. */
function ruleOf(i: number): string {
  if (i === 0) return 'c_page == "concert"';
  if (i === 1) return 'c_page == "concert" AND c_price >= 80';
  if (i === 2) return 'c_genre == "jazz" OR c_genre == "folk"';
  if (i === 3) return 'h_user-agent contains "Chrome" AND c_page == "checkout"';
  if (i < 10) return `c_concert == "concert-${i}" AND NOT c_page == "home"`;
  const rules = [
    `c_concert == "other-${i}" AND c_page == "concert"`,
    `c_page == "concert" AND c_price >= ${1_000 + i}`,
    `c_campaign startswith "campaign-${i}-"`,
    `h_referer contains "/landing/${i}/"`,
    `c_sku == "${i}" OR c_sku == "${i}-gift"`,
  ];
  return rules[i % rules.length];
}

function mappingsOf(
  destination: number,
  segments: number,
  destinations: number,
  fields: (sid: number) => object,
): object[] {
  return range(Math.ceil(segments / destinations)).flatMap((k) => {
    const segment = destination + k * destinations;
    if (segment >= segments) return [];
    const sid = 1_000_001 + segment;
    return [{ sid, traitType: 'SEGMENT', ...fields(sid) }];
  });
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The query of the nth request. */
export function queryOf(n: number): string {
  const genre = ['jazz', 'rock', 'folk', 'opera'][n % 4];
  return `d_rtbd=json&d_dst=1&d_jsonv=1&c_page=concert&c_genre=${genre}&c_price=${20 + (n % 90)}&c_concert=concert-${n % CONCERTS}&c_city=Berlin`;
}

export const HEADERS = {
  'User-Agent':
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  Referer: 'https://shop.example/concerts/1',
  Origin: 'https://shop.example',
  'Accept-Language': 'de-DE,de;q=0.9,en;q=0.8',
};

/** The device id of the nth visitor. */
export const visitorOf = (n: number) => String(n).padStart(8, '0').padStart(38, '4');
