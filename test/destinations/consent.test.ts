/** What of a visitor's consent keeps which destination from being told. */
import { describe, expect, it } from 'vitest';
import {
  bitsOfPurposes,
  type Consent,
  type Gdpr,
  NO_CONSENT,
  NOTHING_STATED,
} from '../../src/audience/consent.ts';
import { type ConsentTerms, missingConsent } from '../../src/destinations/consent.ts';
import { cookieDestination, serverDestination, urlDestination } from './example.ts';

const VENDOR = 11;
/** Of an account that needs purpose 1, and a partner that needs 3 and is vendor 11. */
const partner = (change: Partial<ConsentTerms> = {}) => ({
  consent: {
    ...{ purposes: bitsOfPurposes([1, 3]), vendors: [VENDOR], serviceProvider: false },
    ...change,
  },
});
const consented = (
  purposes: number[],
  isVendorIn: boolean,
  ...restrictions: Gdpr['restrictions']
): Consent => ({
  gdpr: {
    applies: true,
    purposes: bitsOfPurposes(purposes),
    vendors: Uint8Array.of(0, isVendorIn ? 0b0010_0000 : 0b1101_1111),
    restrictions,
    refused: false,
  },
  objectsToSale: false,
});
const objects = { ...NOTHING_STATED, objectsToSale: true };
const outside: Consent = {
  gdpr: { applies: false, ...NO_CONSENT, refused: false },
  objectsToSale: false,
};

type Reason = 'no-consent' | 'objected' | undefined;
const CASES: [
  string,
  Consent,
  url: Reason,
  cookie: Reason,
  server: Reason,
  Partial<ConsentTerms>?,
][] = [
  ['nothing was ever stated', NOTHING_STATED, undefined, undefined, undefined],
  ['GDPR does not apply', outside, undefined, undefined, undefined],
  ['all is there', consented([1, 3], true), undefined, undefined, undefined],
  ['a purpose is missing', consented([1], true), 'no-consent', 'no-consent', 'no-consent'],
  ['the vendor is missing', consented([1, 3], false), 'no-consent', 'no-consent', 'no-consent'],
  [
    'the vendor is missing, and the partner is none',
    consented([1, 3], false),
    undefined,
    undefined,
    undefined,
    { vendors: [] },
  ],
  [
    'the publisher withholds a purpose from the vendor',
    consented([1, 3], true, { purpose: 3, from: 5, to: VENDOR }),
    'no-consent',
    'no-consent',
    'no-consent',
  ],
  [
    'the publisher withholds what the account needs from the vendor',
    consented([1, 3], true, { purpose: 1, from: VENDOR, to: VENDOR }),
    'no-consent',
    'no-consent',
    'no-consent',
  ],
  [
    'the publisher withholds a purpose from others, and another from the vendor',
    consented(
      [1, 2, 3],
      true,
      { purpose: 3, from: 12, to: 4_096 },
      { purpose: 2, from: 1, to: 20 },
    ),
    undefined,
    undefined,
    undefined,
  ],
  [
    'the publisher withholds a purpose from all vendors, and the partner is none',
    consented([1, 3], true, { purpose: 3, from: 1, to: 4_096 }),
    undefined,
    undefined,
    undefined,
    { vendors: [] },
  ],
  ['nothing is there', consented([], false), 'no-consent', 'no-consent', 'no-consent'],
  [
    'nothing is there, for a service provider, too',
    consented([], false),
    'no-consent',
    'no-consent',
    'no-consent',
    { serviceProvider: true },
  ],
  ['the visitor objects to sale', objects, 'objected', undefined, 'objected'],
  [
    'the visitor objects to sale, which is none to a service provider',
    objects,
    undefined,
    undefined,
    undefined,
    { serviceProvider: true },
  ],
  [
    'both',
    { ...consented([], false), objectsToSale: true },
    'no-consent',
    'no-consent',
    'no-consent',
  ],
  [
    'consent is there, and the visitor objects to sale',
    { ...consented([1, 3], true), objectsToSale: true },
    'objected',
    undefined,
    'objected',
  ],
];

describe.each([
  ['URL', urlDestination, 2],
  ['cookie', cookieDestination, 3],
  ['server-to-server', serverDestination, 4],
] as const)('a %s destination', (_, destination, column) => {
  it.each(CASES)('where %s', (...row) => {
    const [, consent, , , , change] = row;
    expect(missingConsent(destination(partner(change)), consent)).toBe(row[column]);
  });
});
