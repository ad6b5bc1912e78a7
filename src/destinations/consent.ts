/**
 * What destinations need of a visitor's consent, and whether it is there. The same for a page's answer and
 * for what is sent later.
 */
import { type Consent, type ConsentNeed, grants } from '../audience/consent.ts';
import type { Destination } from './destination.ts';

/** Where GDPR applies, a destination needs what the account needs, and what its partner needs besides. */
export interface ConsentTerms extends ConsentNeed {
  /** Whether the partner works for the site only: then what it gets is not sold. */
  readonly serviceProvider: boolean;
}

/** What keeps a destination from being told of a visitor; undefined: nothing. */
export function missingConsent(
  { kind, consent }: Pick<Destination, 'kind' | 'consent'>,
  { gdpr, objectsToSale }: Consent,
): 'no-consent' | 'objected' | undefined {
  if (gdpr && !grants(gdpr, consent)) return 'no-consent';
  // A cookie stays on the site's own domain.
  if (objectsToSale && kind !== 'cookie' && !consent.serviceProvider) return 'objected';
  return undefined;
}
