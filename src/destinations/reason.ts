/** Why a destination was called or was not: a closed list, for people and for reports. */
export const REASONS = {
  delivered: 'delivered with this answer',
  removed: 'nothing is qualified any more, so the cookie was removed',
  'no-segment': 'the visitor belongs to none of the mapped segments',
  'not-mapped': 'no segment is mapped to this destination',
  inactive: 'the destination is switched off',
  'not-started': 'the start date of the mapping has not come',
  ended: 'the end date of the mapping has passed',
  platform: 'the destination is for another platform than the request names (d_ptfm)',
  domain: 'the destination is not published to this site',
  'cookie-domain': 'the cookie domain covers neither the page nor the host that was called',
  'export-control': 'a data source of the segment forbids what the destination is labelled for',
  'opted-out': 'the visitor has opted out',
  'no-consent':
    'GDPR applies, and the visitor has not consented to all that the account or the destination needs, or the publisher restricts it',
  objected:
    'the visitor objects to the sale of data, and the destination is no service provider of the site',
  coppa: 'the request is under child protection (d_coppa=1): nothing goes to third parties',
  capped: 'the frequency cap of the destination is reached for this visitor',
  'page-budget': 'the page budget of the site is used up; it is due next time',
  'one-per-image': 'an image answer calls one destination only; it is due next time',
  'needs-iframe': 'the destination is called as an iframe, which an image answer cannot do',
  'not-requested': 'the request did not ask for URL destinations (d_dst=1)',
  'not-read':
    'the store did not answer in time, and who is known by an id may have opted out: nothing leaves',
  'over-size': 'the cookie is full; values of higher priority took the room',
  fallback:
    'the destination is told only where a call of the page to another one did not get through',
  later: 'the destination is delivered server to server, after the answer',
} as const;

export type Reason = keyof typeof REASONS;
