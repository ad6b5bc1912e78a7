/** Who is calling: device ids, ECIDs and the ids that partners declare. */
import type { DeclaredId } from '../audience/profile.ts';
import { type Complaint, complain } from './complaint.ts';
import type { Parameters } from './parameters.ts';

/** Device ids and ECIDs are 38 decimal digits. */
export const isDeviceId = (text: string): boolean => /^\d{38}$/.test(text);

/** Keys of a call that say who it is about. */
export const IDENTITY_KEYS: ReadonlySet<string> = new Set([
  'd_uuid',
  'd_mid',
  'd_cid',
  'd_cid_ic',
  'd_dpid',
  'd_dpuuid',
]);

const pool = new Uint8Array(4096);
let used = pool.length;

function randomByte(): number {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  return pool[used++];
}

/** A device id that nobody has: 38 random digits. */
export function newDeviceId(): string {
  let id = '';
  while (id.length < 38) {
    const byte = randomByte();
    // 200 is the largest multiple of 100 in a byte: every pair of digits is equally likely.
    if (byte < 200) id += PAIRS[byte % 100];
  }
  return id;
}

const PAIRS = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'));

/** What tells one call from every other. */
export interface Transaction {
  /** 12 characters, for answers and logs. */
  readonly id: string;
  /** A number below 2^32, for cache busters. */
  readonly nonce: number;
}

export function newTransaction(): Transaction {
  let binary = '';
  let nonce = 0;
  for (let i = 0; i < 8; i++) {
    const byte = randomByte();
    binary += String.fromCharCode(byte);
    nonce = ((nonce << 8) | byte) >>> 0;
  }
  return { id: btoa(binary), nonce };
}

/** Advertising ids of the mobile platforms have a form of their own. */
const GLOBAL: ReadonlyMap<number, RegExp> = new Map([
  [20914, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/],
  [20915, /^[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$/],
]);

const MAX_DECLARED = 10;
const MAX_PER_DATA_SOURCE = 3;
const MAX_LENGTH = 512;

/** The data sources of an account, as far as ids need them. */
export interface DataSources {
  has(dataSource: number): boolean;
  byCode(integrationCode: string): number | undefined;
}

/**
 * Reads the declared ids of a call: `d_cid=DPID%01ID`, `d_cid_ic=CODE%01ID` and the older pair
 * `d_dpid`, `d_dpuuid`.
 */
export function declaredIds(
  parameters: Parameters,
  sources: DataSources,
  complaints: Complaint[],
): DeclaredId[] {
  const given: { text: string; source: number | undefined; id: string }[] = [];
  const add = (text: string, resolve: (source: string) => number | undefined) => {
    const [source, ...rest] = text.split('\u0001');
    given.push({ text, source: resolve(source), id: rest.join('\u0001') });
  };
  const number = (text: string) => (/^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined);
  for (const text of parameters.values('d_cid')) add(text, number);
  for (const text of parameters.values('d_cid_ic')) add(text, (code) => sources.byCode(code));
  const ids = parameters.values('d_dpuuid');
  parameters.values('d_dpid').forEach((dpid, i) => {
    add(`${dpid}\u0001${ids[i] ?? ''}`, number);
  });
  if (given.length === 0) return [];

  const valid: DeclaredId[] = [];
  const perSource = new Map<number, number>();
  if (given.length > MAX_DECLARED) complaints.push(complain(301, `found ${given.length}`));
  for (const [i, { text, source, id }] of given.entries()) {
    const shown = text.replaceAll('\u0001', ':');
    const problem =
      i >= MAX_DECLARED ? 309 : problemWith(source, id, sources, perSource.get(source ?? 0) ?? 0);
    if (problem === undefined) {
      const dataSource = source as number;
      perSource.set(dataSource, (perSource.get(dataSource) ?? 0) + 1);
      valid.push({ dataSource, id });
    } else {
      complaints.push(complain(problem, shown));
      // An advertising id of the wrong form is an invalid id, too.
      if (problem === 312) complaints.push(complain(300, shown));
    }
  }
  if (valid.length === 0) complaints.push(complain(104));
  return valid;
}

function problemWith(source: number | undefined, id: string, sources: DataSources, soFar: number) {
  if (source === undefined || id.trim() === '' || id.length > MAX_LENGTH) return 300;
  const form = GLOBAL.get(source);
  if (form && !form.test(id)) return 312;
  if (!form && !sources.has(source)) return 302;
  return soFar >= MAX_PER_DATA_SOURCE ? 310 : undefined;
}
