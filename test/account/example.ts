/** A small account that uses every kind of everything; tests change what they are about. */
import type { z } from 'zod';
import type { accountSchema } from '../../src/account/document.ts';

export type AccountInput = z.input<typeof accountSchema>;

/** Data sources. */
export const OWN = 1001;
export const PARTNER = 2001;
export const CRM = 3001;

/** Host names: the collector, the two sites' pages, the partners. */
export const COLLECTOR = 'collect.example';
export const SHOP = 'shop.example';
export const NEWS = 'news.example';

/**
 * A complete, valid document; a fresh one each time.
 *
 * Traits: 11 home, 12 shoes, 13 income (private), 14 onboarded, 15 folder over 11 and 12, 16 of the
 * partner's data source. Segments: 51 home, 52 shoes, 53 income, 54 keen (folder, twice), 55
 * onboarded, 56 of the partner. Destinations: 801 plain URL, 802 serialized URL, 803 iframe, 804
 * cookie, 805 server to server.
 */
export function exampleAccount(): AccountInput {
  return {
    organizationId: '0123456789ABCDEF@Org',
    dataSources: [
      { dataSourceId: OWN, name: 'Website', integrationCode: 'web' },
      { dataSourceId: PARTNER, name: 'Partner', integrationCode: 'partner' },
      { dataSourceId: CRM, name: 'Customers', integrationCode: 'crm', status: 'active' },
    ],
    folders: [
      { folderId: 100, name: 'All', parentFolderId: 0 },
      { folderId: 101, name: 'Products', description: 'what is sold', parentFolderId: 100 },
    ],
    traits: [
      {
        sid: 11,
        name: 'Came home',
        traitType: 'RULE_BASED_TRAIT',
        traitRule: 'c_page == "home"',
        dataSourceId: OWN,
        folderId: 100,
      },
      {
        sid: 12,
        name: 'Looked at shoes',
        traitType: 'RULE_BASED_TRAIT',
        traitRule: 'c_product == "shoes"',
        ttl: 30,
        dataSourceId: OWN,
        folderId: 101,
        integrationCode: 'shoes',
      },
      {
        sid: 13,
        name: 'Earns well',
        traitType: 'RULE_BASED_TRAIT',
        traitRule: 'p_income >= 100000',
        dataSourceId: OWN,
      },
      { sid: 14, name: 'Bought in a store', traitType: 'ON_BOARDED_TRAIT', dataSourceId: CRM },
      {
        sid: 15,
        name: 'Any interest',
        traitType: 'FOLDER_TRAIT',
        dataSourceId: OWN,
        folderId: 100,
      },
      {
        sid: 16,
        name: 'Known to the partner',
        traitType: 'RULE_BASED_TRAIT',
        traitRule: 'c_partner == 1',
        ttl: 0,
        dataSourceId: PARTNER,
      },
    ],
    segments: [
      { sid: 51, name: 'Home', segmentRule: '11T', integrationCode: 'home' },
      { sid: 52, name: 'Shoes', segmentRule: '12T' },
      { sid: 53, name: 'Income', segmentRule: '13T' },
      { sid: 54, name: 'Keen', segmentRule: 'FREQUENCY([15T] <= 30D) >= 2' },
      { sid: 55, name: 'In a store', segmentRule: '14T' },
      { sid: 56, name: 'Partner', segmentRule: '16T' },
    ],
    destinations: [
      {
        destinationId: 801,
        name: 'Pixels',
        destinationType: 'PUSH',
        mappings: [
          {
            sid: 51,
            url: 'http://pixel.example/home?u=%DID%',
            secureUrl: 'https://pixel.example/home?u=%DID%',
          },
        ],
      },
      {
        destinationId: 802,
        name: 'Bidder',
        destinationType: 'PUSH',
        serializationEnabled: true,
        urlFormatString: 'http://bid.example/m?s=%ALIAS%',
        secureUrlFormatString: 'https://bid.example/m?s=%ALIAS%',
        delimiter: ',',
        tagType: 0,
        mappings: [
          { sid: 51, traitAlias: 'home' },
          { sid: 52, traitAlias: 'shoes' },
          { sid: 53, traitAlias: 'income' },
        ],
      },
      {
        destinationId: 803,
        name: 'Frame',
        destinationType: 'PUSH',
        tagType: 1,
        hideReferrer: false,
        mappings: [{ sid: 52, url: 'https://frame.example/shoes' }],
      },
      {
        destinationId: 804,
        name: 'Cookie',
        destinationType: 'ADS',
        cookieName: 'audience',
        cnameDomain: `.${SHOP}`,
        ttl: 30,
        formatType: 'single_key',
        singleKey: 'k',
        mappings: [
          { sid: 51, valueAlias: 'home', priority: 1 },
          { sid: 54, valueAlias: 'keen', priority: 2 },
        ],
      },
      {
        destinationId: 805,
        name: 'Server',
        destinationType: 'S2S',
        transfer: 'realtime',
        endpointUrl: 'https://partner.example/in',
        mappings: [{ sid: 55, traitAlias: 'store' }],
      },
    ],
    sites: [
      {
        siteId: 1,
        name: 'Shop',
        hosts: [COLLECTOR],
        domains: [SHOP],
        redirectHosts: ['partner.example', 'sync.example:8443'],
      },
      { siteId: 2, name: 'News', hosts: [COLLECTOR], domains: [NEWS] },
    ],
  };
}

/** Where a change leaves a field out. */
export const ABSENT = Symbol('absent');

/**
 * The example with other values in some places.
 *
 * @example
 * changed({ 'traits[0].ttl': 7, 'sites[0].hosts': ABSENT })
 */
export function changed(
  changes: Readonly<Record<string, unknown>>,
  account: AccountInput = exampleAccount(),
): AccountInput {
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.match(/[^.[\]]+/g) ?? [];
    const last = keys.pop() as string;
    let at = account as unknown as Record<string, unknown>;
    for (const key of keys) at = at[key] as Record<string, unknown>;
    if (value === ABSENT) delete at[last];
    else at[last] = value;
  }
  return account;
}
