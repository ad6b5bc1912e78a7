/** What the tests of the store work with. */
import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import {
  type Gdpr,
  MAX_PURPOSE,
  MAX_RESTRICTIONS,
  MAX_VENDOR,
  type Restriction,
} from '../../src/audience/consent.ts';
import { type Change, dayOf, type Profile } from '../../src/audience/profile.ts';
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts';
import { throughFileOf } from '../../src/store/embedded/through.ts';
import type { Remember, Store, Visit, Visitor } from '../../src/store/store.ts';

export const TODAY = dayOf(Date.now());

/** A device id of its own for each number. */
export const device = (n: number): string => `7${String(n).padStart(37, '0')}`;

/** A visit of a known device that realizes traits today. */
export const visitOf = (deviceId: string, ...realized: number[]): Visit => ({
  deviceId,
  aliases: [],
  freshId: device(999_999),
  change: { day: TODAY, realized },
});

/** How often a trait was realized, on all days together. */
export function countOf({ realizations, length }: Profile, trait: number): number {
  let count = 0;
  for (let i = 0; i < length; i += 2) {
    if (realizations[i] === trait) count += realizations[i + 1] & 0xffff;
  }
  return count;
}

/** A profile in words that can be compared, without spare room. */
export const inWords = (profile: Profile) => ({
  realizations: [...profile.realizations.subarray(0, profile.length)],
  ecid: profile.ecid,
  declared: [...profile.declared],
  firings: profile.firings,
  cookies: [...profile.cookies],
  optedOut: profile.optedOut,
  gdpr: profile.gdpr && { ...profile.gdpr, vendors: [...profile.gdpr.vendors] },
  objectsToSale: profile.objectsToSale,
  seen: profile.seen,
});

/** Visits, and waits for the decision. */
export const visit = (
  store: Store,
  visit: Visit,
  decide: (visitor: Visitor) => Remember | undefined,
): Promise<void> =>
  new Promise((resolve, reject) => {
    store.visit(visit, {
      decide(visitor) {
        const remember = decide(visitor);
        resolve();
        return remember;
      },
      late: () => undefined,
      refuse: reject,
    });
  });

/** Visits, and gives back a copy of the visitor as of the decision. */
export async function visited(store: Store, whom: Visit, remember?: Remember): Promise<Visitor> {
  let seen: Visitor | undefined;
  await visit(store, whom, ({ deviceId, profile }) => {
    seen = { deviceId, profile: profile.clone() };
    return remember;
  });
  if (!seen) throw new Error('nothing was decided');
  return seen;
}

/** Nobody is forgotten, whatever day the visits are of. */
const KEEP = { profileDays: 70_000, newcomerDays: 70_000 };

export const openEmbedded = (
  folder: string,
  more: Partial<ConstructorParameters<typeof EmbeddedStore>[0]> = {},
) =>
  new EmbeddedStore({
    folder,
    fsync: 'no',
    ...KEEP,
    maxWaiting: 10_000,
    ...more,
  });

const foldProgram = fileURLToPath(new URL('../../src/store/embedded/fold.ts', import.meta.url));
const foldArguments = (folder: string, keep: typeof KEEP) => [
  foldProgram,
  JSON.stringify({
    logFolder: path.join(folder, 'log'),
    basePath: path.join(folder, 'base'),
    throughFile: throughFileOf(folder),
    ...keep,
  }),
];

/** Folds what can be folded, and waits for it; nothing else of this process runs meanwhile. */
export function foldNow(folder: string, keep = KEEP): void {
  execFileSync(process.execPath, foldArguments(folder, keep), { timeout: 20_000 });
}

export const startFold = (folder: string, options: string[] = []) =>
  spawn(process.execPath, [...options, ...foldArguments(folder, KEEP)], { stdio: 'ignore' });

const u16 = fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.constantFrom(0, 65_535));
const u32 = fc.oneof(fc.nat(9), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constant(2 ** 32 - 1));

/** Ids as the world writes them: no lone surrogates, since UTF-8 has none. */
export const anyId = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', '\u0000', '\u0001', '\ufeffid', '💩'.repeat(256), 'ж'.repeat(512)),
);

const anyVendor = fc.integer({ min: 1, max: MAX_VENDOR });
const anyRestriction: fc.Arbitrary<Restriction> = fc.record({
  purpose: fc.integer({ min: 1, max: MAX_PURPOSE }),
  from: anyVendor,
  to: anyVendor,
});

export const anyGdpr: fc.Arbitrary<Gdpr> = fc.record({
  applies: fc.boolean(),
  purposes: fc.nat(2 ** MAX_PURPOSE - 1),
  vendors: fc.uint8Array({ maxLength: 5 }),
  restrictions: fc.oneof(
    { weight: 19, arbitrary: fc.array(anyRestriction, { maxLength: 3 }) },
    fc.array(anyRestriction, { minLength: MAX_RESTRICTIONS, maxLength: MAX_RESTRICTIONS }),
  ),
  refused: fc.boolean(),
});

/** Any change that the rest of Switchyard may make, in a small world: so that things meet. */
export const anyChange: fc.Arbitrary<Change> = fc.record(
  {
    day: u16,
    realized: fc.array(u32, { maxLength: 6 }),
    ecid: anyId,
    declared: fc.array(fc.record({ dataSource: u32, id: anyId }), { maxLength: 4 }),
    firings: fc.array(fc.record({ destination: fc.nat(2), mapping: u32, at: u32, hours: u16 }), {
      maxLength: 4,
    }),
    cookiesSet: fc.array(u32, { maxLength: 3 }),
    cookiesRemoved: fc.array(u32, { maxLength: 3 }),
    gdpr: anyGdpr,
    objectsToSale: fc.boolean(),
    consents: fc.boolean(),
    optOut: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  },
  { requiredKeys: ['day'] },
);
