/** What a call states of consent. */
import {
  type Consent,
  type ConsentNeed,
  type Gdpr,
  grants,
  isSameGdpr,
  NO_CONSENT,
  NO_RESTRICTIONS,
} from '../audience/consent.ts';
import type { Change } from '../audience/profile.ts';
import { type Complaint, complain } from './complaint.ts';
import { objectionIn, sectionsIn, TCF_EU, US_PRIVACY } from './gpp.ts';
import { readTcf } from './tcf.ts';

/** Each fact is undefined where the call does not state it. */
export interface Statement {
  readonly gdpr: Gdpr | undefined;
  readonly objectsToSale: boolean | undefined;
  /** When, in Unix milliseconds. */
  readonly at: number;
}

/** What is said to a call that states nothing itself. */
export const REFUSED_BEFORE = 'the visitor has refused it before';

/**
 * Whether nothing may be kept of the visitor, nor be due: by what the call states, else by what was stated
 * before.
 */
export function isRefused(
  stated: Pick<Statement, 'gdpr'>,
  before: Pick<Consent, 'gdpr'>,
  need: ConsentNeed,
): boolean {
  const gdpr = stated.gdpr ?? before.gdpr;
  return gdpr !== undefined && !grants(gdpr, need);
}

/** What is true of the visitor from now on. */
export const consentOf = (stated: Statement, before: Consent): Consent => ({
  gdpr: stated.gdpr ?? before.gdpr,
  objectsToSale: stated.objectsToSale ?? before.objectsToSale,
});

/** What of a change is about consent. */
type Stated = Pick<Change, 'gdpr' | 'objectsToSale' | 'statedAt'>;

/** A statement as something to be kept; undefined where there is none. */
export const asChange = ({ gdpr, objectsToSale, at }: Statement): Stated | undefined =>
  gdpr || objectsToSale !== undefined
    ? {
        ...(gdpr && { gdpr }),
        ...(objectsToSale !== undefined && { objectsToSale }),
        statedAt: at,
      }
    : undefined;

/**
 * What is new in a statement; undefined where nothing is. That the account needs something else than before
 * is new, too.
 */
export function newIn(stated: Statement, before: Consent, need: ConsentNeed): Stated | undefined {
  const { gdpr, objectsToSale } = consentOf(stated, before);
  const now = gdpr && { ...gdpr, refused: !grants(gdpr, need) };
  const isNewGdpr = now !== undefined && !(before.gdpr && isSameGdpr(now, before.gdpr));
  const isNewObjection = objectsToSale !== before.objectsToSale;
  if (!isNewGdpr && !isNewObjection) return undefined;
  return {
    ...(isNewGdpr && { gdpr: now }),
    ...(isNewObjection && { objectsToSale }),
    statedAt: stated.at,
  };
}

export interface Stating {
  readonly parameter: (key: string) => string | undefined;
  readonly header: (name: string) => string | null;
  /** Unix milliseconds. */
  readonly at: number;
}

/**
 * Reads `gdpr` with `gdpr_consent`, `gpp` with `gpp_sid`, `us_privacy` and the header `Sec-GPC`. What GDPR
 * asks for and is not stated, or cannot be read, is no consent.
 *
 * @param need without which the account keeps nothing
 */
export function statementOf(
  stating: Stating,
  need: ConsentNeed,
  complaints: Complaint[],
): Statement {
  const { parameter, at } = stating;
  const gpp = parameter('gpp');
  const named = numbersIn(parameter('gpp_sid'));
  const sections = new Map(gpp ? sectionsIn(gpp) : undefined);
  // A string may have sections of laws that do not apply to this call; without a word, all of them do.
  for (const section of sections.keys()) {
    if (named.size > 0 && !named.has(section)) sections.delete(section);
  }
  return {
    gdpr: gdprOf(stating, sections.get(TCF_EU), named.has(TCF_EU), need, complaints),
    objectsToSale: objectionOf(stating, sections),
    at,
  };
}

/** So many characters name all sections there are, and more. */
const MAX_NAMES = 256;

const numbersIn = (names = ''): ReadonlySet<number> =>
  new Set(names.length > MAX_NAMES ? [] : (names.match(/\d+/g) ?? []).map(Number));

/**
 * @param section of GPP
 * @param isNamed whether the section is said to be in force
 */
function gdprOf(
  { parameter, at }: Stating,
  section: string | undefined,
  isNamed: boolean,
  need: ConsentNeed,
  complaints: Complaint[],
): Gdpr | undefined {
  const gdpr = parameter('gdpr');
  // A macro that nobody has filled in says nothing.
  const own = parameter('gdpr_consent')?.replace(/^\$\{.*/, '');
  if (gdpr === '0' && !isNamed) {
    return { applies: false, ...NO_CONSENT, refused: false };
  }
  if (gdpr !== '1' && !own && section === undefined && !isNamed) return undefined;
  const text = own || section;
  const read = text ? readTcf(text, at) : 'GDPR applies, and there is no consent string';
  const isUnread = typeof read === 'string';
  const granted = { applies: true, ...(isUnread ? NO_CONSENT : read) };
  const refused = !grants(granted, need);
  if (refused) {
    const isRestricted = grants({ ...granted, restrictions: NO_RESTRICTIONS }, need);
    complaints.push(complain(315, isUnread ? read : isRestricted ? RESTRICTED : undefined));
  }
  return { ...granted, refused };
}

const RESTRICTED = 'the visitor has consented, and the publisher restricts it';

/** The browser's own signal outdoes every string; of several strings, an objection does. */
function objectionOf(
  { parameter, header }: Stating,
  sections: ReadonlyMap<number, string>,
): boolean | undefined {
  if (header('sec-gpc') === '1') return true;
  const stated = [usPrivacy(parameter('us_privacy'))];
  for (const [number, text] of sections) {
    stated.push(number === US_PRIVACY ? usPrivacy(text) : objectionIn(number, text));
  }
  if (stated.includes(true)) return true;
  return stated.includes(false) ? false : undefined;
}

/** Version, notice, opt-out of sale, and a contract: each Y, N, or - where the law does not apply. */
function usPrivacy(text: string | undefined): boolean | undefined {
  const [, optOut] = /^1[YN-]([YN-])[YN-]$/i.exec(text ?? '') ?? [];
  if (optOut === undefined || optOut === '-') return undefined;
  return optOut.toUpperCase() === 'Y';
}
