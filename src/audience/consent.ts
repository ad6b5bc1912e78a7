/**
 * What a visitor has stated of consent. Two facts that are kept apart, since each has its own law and its
 * own strings; of each the last statement counts.
 *
 * - **GDPR**: whether it applies and, if so, to which purposes and for which vendors the visitor has
 *   consented, as numbered by IAB's Transparency and Consent Framework (TCF); less what the publisher of
 *   the page has taken away.
 * - **Objection to sale or sharing**, as the privacy laws of US states give it.
 */

/** What was stated of GDPR. */
export interface Gdpr {
  readonly applies: boolean;
  /** Purposes that the visitor has consented to: purpose n is bit n - 1. */
  readonly purposes: number;
  /** Vendors likewise: vendor n is bit 7 - (n - 1) % 8 of byte (n - 1) / 8; without zeros at the end. */
  readonly vendors: Uint8Array;
  /** What the publisher takes away of both; at most `MAX_RESTRICTIONS`. */
  readonly restrictions: readonly Restriction[];
  /**
   * Whether the consent was missing without which the account keeps nothing. It is kept as it was then,
   * so that whoever adds to a profile can tell without knowing the account.
   */
  readonly refused: boolean;
}

/** Consent to a purpose does not count for these vendors, since the publisher has ruled that out. */
export interface Restriction {
  readonly purpose: number;
  /** The first and the last vendor. */
  readonly from: number;
  readonly to: number;
}

/** The two facts; undefined where nothing was ever stated of GDPR. */
export interface Consent {
  readonly gdpr: Gdpr | undefined;
  readonly objectsToSale: boolean;
}

export const NOTHING_STATED: Consent = { gdpr: undefined, objectsToSale: false };

/** What somebody needs consent for. */
export interface ConsentNeed {
  /** As in `Gdpr`. */
  readonly purposes: number;
  /** Numbers of vendors. */
  readonly vendors: readonly number[];
}

/** Purposes of a consent string have 24 bits. */
export const MAX_PURPOSE = 24;
/** Higher vendors are not kept: IAB's list has some 1,500, and a profile is not to grow by what is written. */
export const MAX_VENDOR = 4_096;

/** Likewise, a statement has at most so many restrictions; a record counts them in a byte. */
export const MAX_RESTRICTIONS = 64;

export const NO_VENDORS = new Uint8Array(0);
export const NO_RESTRICTIONS: readonly Restriction[] = Object.freeze([]);
export const NO_CONSENT = { purposes: 0, vendors: NO_VENDORS, restrictions: NO_RESTRICTIONS };

/**
 * Whether what somebody needs is there: each purpose, for each vendor. Where GDPR does not apply, nobody
 * needs anything.
 */
export const grants = (
  { applies, purposes, vendors, restrictions }: Omit<Gdpr, 'refused'>,
  need: ConsentNeed,
): boolean =>
  !applies ||
  ((purposes & need.purposes) === need.purposes &&
    need.vendors.every((vendor) => hasVendor(vendors, vendor)) &&
    !restrictions.some((restriction) => concerns(restriction, need)));

const concerns = ({ purpose, from, to }: Restriction, { purposes, vendors }: ConsentNeed) =>
  hasPurpose(purposes, purpose) && vendors.some((vendor) => vendor >= from && vendor <= to);

/** @param purpose may be a number of no purpose */
export const hasPurpose = (purposes: number, purpose: number): boolean =>
  purpose >= 1 && purpose <= MAX_PURPOSE && (purposes & (1 << (purpose - 1))) !== 0;

const hasVendor = (vendors: Uint8Array, vendor: number): boolean =>
  ((vendors[(vendor - 1) >> 3] ?? 0) & (0x80 >> ((vendor - 1) & 7))) !== 0;

/** Whether two statements say the same. */
export const isSameGdpr = (a: Gdpr, b: Gdpr): boolean =>
  a.applies === b.applies &&
  a.purposes === b.purposes &&
  a.refused === b.refused &&
  a.vendors.length === b.vendors.length &&
  a.vendors.every((byte, i) => byte === b.vendors[i]) &&
  a.restrictions.length === b.restrictions.length &&
  a.restrictions.every((restriction, i) => isSameRestriction(restriction, b.restrictions[i]));

const isSameRestriction = (a: Restriction, b: Restriction): boolean =>
  a.purpose === b.purpose && a.from === b.from && a.to === b.to;

export const bitsOfPurposes = (purposes: readonly number[]): number =>
  purposes.reduce((bits, purpose) => bits | (1 << (purpose - 1)), 0);

export function purposesIn(bits: number): number[] {
  const purposes: number[] = [];
  for (let n = 1; n <= MAX_PURPOSE; n++) if (hasPurpose(bits, n)) purposes.push(n);
  return purposes;
}

export function vendorCount(vendors: Uint8Array): number {
  let count = 0;
  for (const byte of vendors) for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
}
