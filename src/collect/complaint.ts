/**
 * What was wrong with a call, by the codes of this field. Bad input never costs the visitor the page:
 * the answer is still 200. Source of codes and wording: user guide, dcs-error-codes.
 */
export const CODES = {
  0: 'Unspecified error',
  1: 'No configuration for this host',
  2: 'No configuration for this organization id',
  10: 'Traits could not, or only partly, be evaluated',
  100: 'No Host header',
  101: 'Invalid Experience Cloud id',
  102: 'Invalid device id',
  104: 'All declared ids are invalid',
  109: 'Referer is not allowed for this account',
  171: 'Encountered opt out tag',
  172: 'Blocked cookies',
  200: 'Cannot read or write the profile now',
  201: 'Cannot read the device ids of a customer id now',
  300: 'Invalid declared id',
  301: 'More than 10 declared ids',
  302: 'Unauthorized declared id',
  303: 'Blocked customer id',
  306: 'Blocked declared device id',
  307: 'Blocked profile operation',
  309: 'Declared id was discarded because it exceeded the limit of 10 per request',
  310: 'Declared id was discarded because it exceeded the limit of 3 per data source',
  311: 'Request contains invalid parameters: not properly percent-encoded',
  312: 'Request contains an invalid global device id',
  315: 'No consent',
} as const;

export type Code = keyof typeof CODES;

export interface Complaint {
  readonly code: Code;
  readonly msg: string;
}

/** @param about the offending value; it is cut, and only ever leaves inside of JSON */
export function complain(code: Code, about?: string): Complaint {
  const msg = about === undefined ? CODES[code] : `${CODES[code]}: ${about.slice(0, 100)}`;
  return { code, msg };
}
