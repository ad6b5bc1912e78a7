/**
 * What a visitor has stated of consent. Two facts that are kept apart, since each has its own law and its
 * own strings; of each the last statement counts.
 *
 * - **GDPR**: whether it applies and, if so, to which purposes and for which vendors the visitor has
 *   consented, as numbered by IAB's Transparency and Consent Framework (TCF).
 * - **Objection to sale or sharing**, as the privacy laws of US states give it.
 */

/** What was stated of GDPR. */
export interface Gdpr {
  readonly applies: boolean;
  /** Purposes that the visitor has consented to: purpose n is bit n - 1. */
  readonly purposes: number;
  /** Vendors likewise: vendor n is bit 7 - (n - 1) % 8 of byte (n - 1) / 8; without zeros at the end. */
  readonly vendors: Uint8Array;
  /**
   * Whether the consent was missing without which the account keeps nothing. It is kept as it was then,
   * so that whoever adds to a profile can tell without knowing the account.
   */
  readonly refused: boolean;
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

export const NO_VENDORS = new Uint8Array(0);

/** Whether what somebody needs is there. Where GDPR does not apply, nobody needs anything. */
export const grants = (
  { applies, purposes, vendors }: Omit<Gdpr, 'refused'>,
  need: ConsentNeed,
): boolean =>
  !applies ||
  ((purposes & need.purposes) === need.purposes &&
    need.vendors.every((vendor) => hasVendor(vendors, vendor)));

const hasVendor = (vendors: Uint8Array, vendor: number): boolean =>
  ((vendors[(vendor - 1) >> 3] ?? 0) & (0x80 >> ((vendor - 1) & 7))) !== 0;

/** Whether two statements say the same. */
export const isSameGdpr = (a: Gdpr, b: Gdpr): boolean =>
  a.applies === b.applies &&
  a.purposes === b.purposes &&
  a.refused === b.refused &&
  a.vendors.length === b.vendors.length &&
  a.vendors.every((byte, i) => byte === b.vendors[i]);

export const bitsOfPurposes = (purposes: readonly number[]): number =>
  purposes.reduce((bits, purpose) => bits | (1 << (purpose - 1)), 0);

export function purposesIn(bits: number): number[] {
  const purposes: number[] = [];
  for (let n = 1; n <= MAX_PURPOSE; n++) if (bits & (1 << (n - 1))) purposes.push(n);
  return purposes;
}

export function vendorCount(vendors: Uint8Array): number {
  let count = 0;
  for (const byte of vendors) for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
}
