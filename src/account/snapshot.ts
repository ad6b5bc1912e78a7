/**
 * The account, compiled: an immutable snapshot that requests are decided by.
 *
 * Compiling also checks what one part of the document says of another, and collects every problem
 * instead of stopping at the first.
 */
import { bitsOfPurposes, type ConsentNeed } from '../audience/consent.ts';
import { HeldTraits, type TraitTerms } from '../audience/holdings.ts';
import { RuleError } from '../audience/scanner.ts';
import { SegmentIndex } from '../audience/segment-index.ts';
import { parseSegmentRule, type SegmentRule, traitsOf } from '../audience/segment-rule.ts';
import { TraitIndex } from '../audience/trait-index.ts';
import { parseTraitRule, type TraitRule } from '../audience/trait-rule.ts';
import type { Destination, Mapping } from '../destinations/destination.ts';
import type { Mappings } from '../destinations/due.ts';
import { compileWithMappings } from './destinations.ts';
import {
  type AccountDocument,
  bitsOf,
  readDocument,
  type SegmentDocument,
  type TraitDocument,
} from './document.ts';
import { FolderTree } from './folders.ts';
import { AccountError, type Problem } from './problem.ts';
import { Readings } from './readings.ts';
import { salvage } from './salvage.ts';
import { Sites } from './sites.ts';
import { atOnce, inTurns, type Turns } from './turns.ts';

/** What one account may hold. Source: user guide, usage limits. */
export const LIMITS = {
  traits: 100_000,
  segments: 20_000,
  destinations: 1_000,
  folders: 2_000,
} as const;

export interface Trait extends TraitTerms {
  readonly name: string;
  readonly type: TraitDocument['traitType'];
  readonly dataSource: number;
  readonly active: boolean;
  /** Undefined where no signal realizes it. */
  readonly rule: TraitRule | undefined;
}

export interface Segment {
  readonly sid: number;
  readonly name: string;
  readonly active: boolean;
  readonly rule: SegmentRule;
}

/** Parts are named by their place in these lists wherever speed counts, by their id outside. */
export interface Snapshot {
  readonly organizationId: string | undefined;
  /** Without which nothing is kept of a visitor, nor anything due, where GDPR applies. */
  readonly requiredConsent: ConsentNeed;
  readonly traits: readonly Trait[];
  readonly segments: readonly Segment[];
  readonly destinations: readonly Destination[];
  /** Ids of those that are called by the page. */
  readonly urlDestinations: ReadonlySet<number>;
  /** Server-to-server destinations that are told only of whom a URL destination's call did not get through, by that destination. */
  readonly fallbacks: ReadonlyMap<number, number>;
  readonly sites: Sites;
  readonly traitPlaces: ReadonlyMap<number, number>;
  readonly traitIndex: TraitIndex;
  readonly segmentIndex: SegmentIndex;
  readonly heldTraits: HeldTraits;
  readonly mappings: Mappings;
  /**
   * Ids of the traits that the rules of segments mapped to server-to-server destinations ask for, with
   * those that a folder trait sums up: no other can make a visitor enter or leave one.
   */
  readonly serverTraits: ReadonlySet<number>;
  readonly dataSources: ReadonlySet<number>;
  readonly dataSourceByCode: ReadonlyMap<string, number>;
}

/** @throws AccountError with every problem of the document */
export const compileAccount = (input: unknown): Snapshot =>
  atOnce(compiling(input, new Readings()));

/**
 * Compiles while requests are answered: an account at the field's limits takes seconds.
 *
 * @param readings of the documents that this one was made from; they make it faster
 * @throws AccountError with every problem of the document
 */
export const compileAccountInTurns = (
  input: unknown,
  readings = new Readings(),
): Promise<Snapshot> => inTurns(compiling(input, readings));

function* compiling(input: unknown, readings: Readings): Turns<Snapshot> {
  const read = yield* readDocument(input, readings);
  const problems: Problem[] = [];
  if ('problems' in read) {
    const { document, inWhole } = salvage(input);
    yield* compile(document, problems, readings);
    throw new AccountError([...read.problems, ...inWhole(problems)]);
  }
  const snapshot = yield* compile(read.document, problems, readings);
  if (problems.length > 0) throw new AccountError(problems);
  return snapshot;
}

function* compile(
  document: AccountDocument,
  problems: Problem[],
  readings: Readings,
): Turns<Snapshot> {
  checkLimits(document, problems);
  yield* checkUnique(document, problems);
  const dataSources = new Map(document.dataSources.map((d) => [d.dataSourceId, d]));
  const folders = new FolderTree(document.folders, problems);
  const traits = yield* compileTraits(document.traits, dataSources, folders, problems, readings);
  const traitPlaces = new Map<number, number>();
  for (const [place, { sid }] of traits.entries()) {
    yield;
    traitPlaces.set(sid, place);
  }
  const place = (sid: number) => traitPlaces.get(sid) ?? -1;
  const rules: (SegmentRule | undefined)[] = [];
  for (const [i, segment] of document.segments.entries()) {
    yield;
    rules.push(compileSegmentRule(segment, i, traits, place, problems, readings));
  }

  const restrictions = yield* RestrictionsOfTraits.of(document, traits);
  const segmentPlaces = new Map(document.segments.map(({ sid }, at) => [sid, at]));
  const bySegment: Mapping[][] = document.segments.map(() => []);
  const siteIds = new Set(document.sites.map(({ siteId }) => siteId));
  const fallbackIds = fallbackIdsIn(document.destinations as { fallbackDestinationId?: unknown }[]);
  const requiredConsent = requiredConsentOf(document);
  const destinations: Destination[] = [];
  const segmentOf = (sid: number) => {
    const at = segmentPlaces.get(sid);
    if (at === undefined) return undefined;
    const rule = rules[at];
    return {
      place: at,
      document: document.segments[at],
      restrictions: rule ? restrictions.of(rule) : 0,
    };
  };
  for (const [i, d] of document.destinations.entries()) {
    const given = { path: `destinations[${i}]`, siteIds, fallbackIds, segmentOf, requiredConsent };
    const compiled = yield* compileWithMappings(d, d.mappings ?? [], given, problems);
    destinations.push(compiled.destination);
    for (const mapping of compiled.mappings) bySegment[mapping.segment].push(mapping);
  }

  const fallbacks = fallbacksOf(document, destinations, problems);
  const cookieDestinations = destinations.filter((d) => d.kind === 'cookie');
  const segments = document.segments.map(
    ({ sid, name, status }, at): Segment => ({
      sid,
      name,
      active: status === 'active',
      rule: rules[at] as SegmentRule,
    }),
  );
  return {
    organizationId: document.organizationId ?? undefined,
    requiredConsent,
    traits,
    segments,
    destinations,
    urlDestinations: new Set(destinations.flatMap((d) => (d.kind === 'url' ? [d.id] : []))),
    fallbacks,
    sites: new Sites(document.sites),
    traitPlaces,
    traitIndex: yield* TraitIndex.build(traits.map(({ rule }) => rule)),
    segmentIndex: yield* SegmentIndex.build(
      rules.map((rule, at) => (segments[at].active ? rule : undefined)),
      place,
    ),
    heldTraits: new HeldTraits(traits, traitPlaces),
    mappings: {
      bySegment,
      cookieDestinations: {
        byId: new Map(cookieDestinations.map((d) => [d.id, d])),
        byName: Map.groupBy(cookieDestinations, (d) => d.cookieName),
      },
      keepsOrder: document.sites.some(({ pageBudget }) => pageBudget != null),
    },
    serverTraits: yield* serverTraitsOf(bySegment, rules, traits, place),
    dataSources: new Set(dataSources.keys()),
    dataSourceByCode: new Map(
      document.dataSources.flatMap((d) =>
        d.integrationCode ? [[d.integrationCode, d.dataSourceId] as const] : [],
      ),
    ),
  };
}

export const requiredConsentOf = ({ consent }: Pick<AccountDocument, 'consent'>): ConsentNeed => ({
  purposes: bitsOfPurposes(consent?.purposes ?? [1]),
  vendors: consent?.vendorId == null ? [] : [consent.vendorId],
});

/** Ids of the destinations that others fall back to. */
export const fallbackIdsIn = (
  destinations: readonly { readonly fallbackDestinationId?: unknown }[],
): Set<number> =>
  new Set(
    destinations.flatMap(({ fallbackDestinationId: id }) => (id == null ? [] : [Number(id)])),
  );

function fallbacksOf(
  document: AccountDocument,
  destinations: readonly Destination[],
  problems: Problem[],
): Map<number, number> {
  const fallbacks = new Map<number, number>();
  for (const [i, d] of document.destinations.entries()) {
    if (d.destinationType !== 'PUSH' || d.fallbackDestinationId == null) continue;
    const other = destinations.find(({ id }) => id === d.fallbackDestinationId);
    if (other?.kind === 'server' && other.transfer.kind === 'realtime') {
      fallbacks.set(d.destinationId, other.id);
      continue;
    }
    problems.push({
      path: `destinations[${i}].fallbackDestinationId`,
      wrong: `${d.fallbackDestinationId} is no server-to-server destination that is told in real time`,
      instead: 'write the destinationId of one of this document, or leave it out',
    });
  }
  return fallbacks;
}

function* serverTraitsOf(
  bySegment: readonly (readonly Mapping[])[],
  rules: readonly (SegmentRule | undefined)[],
  traits: readonly Trait[],
  place: (sid: number) => number,
): Turns<Set<number>> {
  const sids = new Set<number>();
  for (const [at, mappings] of bySegment.entries()) {
    yield;
    const rule = rules[at];
    if (!rule || !mappings.some(({ destination }) => destination.kind === 'server')) continue;
    for (const sid of traitsOf(rule)) sids.add(sid);
  }
  const folders = new Set<number>();
  for (const sid of sids) {
    const at = place(sid);
    if (traits[at].type === 'FOLDER_TRAIT') folders.add(at);
  }
  if (folders.size === 0) return sids;
  for (const { sid, folders: above } of traits) {
    yield;
    if (above.some((folder) => folders.has(folder))) sids.add(sid);
  }
  return sids;
}

function checkLimits(document: AccountDocument, problems: Problem[]): void {
  for (const [list, limit] of Object.entries(LIMITS)) {
    const { length } = document[list as keyof typeof LIMITS];
    if (length > limit) {
      problems.push({
        path: list,
        wrong: `${length} entries`,
        instead: `write at most ${limit}`,
      });
    }
  }
}

function* checkUnique(document: AccountDocument, problems: Problem[]): Turns<void> {
  const { dataSources, folders, traits, segments, destinations, sites } = document;
  // Traits and segments share one id space.
  const sids = new Map<number | string, string>();
  const fields: [list: string, entries: readonly object[], field: string, what: string][] = [
    ['dataSources', dataSources, 'dataSourceId', 'an id of its own'],
    ['folders', folders, 'folderId', 'an id of its own'],
    ['traits', traits, 'sid', OWN_SID],
    ['segments', segments, 'sid', OWN_SID],
    ['destinations', destinations, 'destinationId', 'an id of its own'],
    ['sites', sites, 'siteId', 'an id of its own'],
    ['dataSources', dataSources, 'integrationCode', 'an integration code of its own'],
  ];
  for (const [list, entries, field, what] of fields) {
    const first = field === 'sid' ? sids : new Map<number | string, string>();
    for (const [i, entry] of entries.entries()) {
      yield;
      const id = (entry as Record<string, number | string | null | undefined>)[field];
      // Codes may be left out.
      if (id === undefined || id === null) continue;
      const path = `${list}[${i}].${field}`;
      const other = first.get(id);
      if (other === undefined) first.set(id, path);
      else {
        problems.push({
          path,
          wrong: `${JSON.stringify(id)} is taken by ${other}`,
          instead: `write ${what}`,
        });
      }
    }
  }
}

const OWN_SID = 'an id of its own: traits and segments share one id space';

function* compileTraits(
  documents: readonly TraitDocument[],
  dataSources: ReadonlyMap<number, unknown>,
  folders: FolderTree,
  problems: Problem[],
  readings: Readings,
): Turns<Trait[]> {
  const folderTraits = folders.placesByFolder(documents);
  const traits: Trait[] = [];
  for (const [i, document] of documents.entries()) {
    yield;
    const path = `traits[${i}]`;
    const { sid, name, traitType, dataSourceId } = document;
    const folderId = document.folderId || undefined;
    if (!dataSources.has(dataSourceId)) {
      problems.push({
        path: `${path}.dataSourceId`,
        wrong: `there is no data source ${dataSourceId}`,
        instead: 'write the dataSourceId of a data source of this document',
      });
    }
    if (folderId !== undefined && !folders.has(folderId)) {
      problems.push({
        path: `${path}.folderId`,
        wrong: `there is no folder ${folderId}`,
        instead: 'write the folderId of a folder of this document, or leave it out',
      });
    }
    if (traitType === 'FOLDER_TRAIT' && folderId === undefined) {
      problems.push({
        path: `${path}.folderId`,
        wrong: 'missing',
        instead: 'write the folder whose traits it sums up',
      });
    }
    traits.push({
      sid,
      name,
      type: traitType,
      dataSource: dataSourceId,
      active: document.status === 'active',
      ttl: document.ttl,
      onboarded: traitType === 'ON_BOARDED_TRAIT',
      rule: compileTraitRule(document, path, problems, readings),
      folders: folders.above(traitType === 'FOLDER_TRAIT' ? undefined : folderId, folderTraits),
    });
  }
  return traits;
}

function compileTraitRule(
  document: TraitDocument,
  path: string,
  problems: Problem[],
  readings: Readings,
): TraitRule | undefined {
  const { traitType, traitRule, status } = document;
  if (traitType !== 'RULE_BASED_TRAIT') {
    if (traitRule) {
      problems.push({
        path: `${path}.traitRule`,
        wrong: `a trait of type ${traitType} has no rule`,
        instead: 'leave the rule out, or write the type RULE_BASED_TRAIT',
      });
    }
    return undefined;
  }
  if (!traitRule) {
    problems.push({
      path: `${path}.traitRule`,
      wrong: 'missing',
      instead: 'write a rule such as c_page == "home", or another traitType',
    });
    return undefined;
  }
  const rule = readings.of(document, () =>
    parsed(() => parseTraitRule(traitRule), `${path}.traitRule`, problems),
  );
  return status === 'active' ? rule : undefined;
}

function compileSegmentRule(
  document: SegmentDocument,
  i: number,
  traits: readonly Trait[],
  place: (sid: number) => number,
  problems: Problem[],
  readings: Readings,
): SegmentRule | undefined {
  const path = `segments[${i}].segmentRule`;
  const rule = readings.of(document, () =>
    parsed(() => parseSegmentRule(document.segmentRule), path, problems),
  );
  return rule && checkedRule(rule, path, traits, place, problems);
}

/** A rule if all of its traits are there; and what is wrong with how it uses them. */
function checkedRule(
  rule: SegmentRule,
  path: string,
  traits: readonly Trait[],
  place: (sid: number) => number,
  problems: Problem[],
): SegmentRule | undefined {
  const before = problems.length;
  for (const sid of traitsOf(rule)) {
    if (place(sid) === -1) {
      problems.push({
        path,
        wrong: `there is no trait ${sid}`,
        instead: 'write traits of this document',
      });
    }
  }
  if (problems.length > before) return undefined;
  for (const sid of traitsOf(rule, 'frequency')) {
    if (traits[place(sid)].onboarded) {
      problems.push({
        path,
        wrong: `trait ${sid} is onboarded, and recency and frequency are for other traits`,
        instead: `write ${sid}T instead of FREQUENCY`,
      });
    }
  }
  return rule;
}

/**
 * Reads a segment rule that belongs to no segment yet.
 *
 * @throws AccountError with everything that keeps it from being one of this account, at `path`
 */
export function readSegmentRule(
  text: string,
  path: string,
  { traits, traitPlaces }: Snapshot,
): SegmentRule {
  const problems: Problem[] = [];
  const place = (sid: number) => traitPlaces.get(sid) ?? -1;
  const read = parsed(() => parseSegmentRule(text), path, problems);
  const rule = read && checkedRule(read, path, traits, place, problems);
  if (!rule || problems.length > 0) throw new AccountError(problems);
  return rule;
}

/**
 * A trait rule that is not part of the account, checked as one of it would be.
 *
 * @throws AccountError with what is wrong with it
 */
export function readTraitRule(text: string, path: string): TraitRule {
  const problems: Problem[] = [];
  const rule = parsed(() => parseTraitRule(text), path, problems);
  if (!rule) throw new AccountError(problems);
  return rule;
}

function parsed<Rule>(parse: () => Rule, path: string, problems: Problem[]): Rule | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const [wrong] = error.message.split(': expected ');
    const picture = error.picture.replace(/^/gm, '      ');
    problems.push({ path, wrong, instead: `write ${error.expected}\n${picture}` });
    return undefined;
  }
}

/** Which uses of its data the data sources of a segment's traits forbid, as bits. */
class RestrictionsOfTraits {
  readonly #byTrait = new Map<number, number>();

  static *of(
    { dataSources }: AccountDocument,
    traits: readonly Trait[],
  ): Turns<RestrictionsOfTraits> {
    const bySource = new Map(
      dataSources.map((d) => [d.dataSourceId, bitsOf(d.dataExportRestrictions)]),
    );
    const own = traits.map(({ dataSource }) => bySource.get(dataSource) ?? 0);
    const all = [...own];
    // A folder trait tells of all the traits that it sums up.
    for (const [i, { folders }] of traits.entries()) {
      yield;
      for (const folder of folders) all[folder] |= own[i];
    }
    const restrictions = new RestrictionsOfTraits();
    for (const [i, { sid }] of traits.entries()) {
      yield;
      restrictions.#byTrait.set(sid, all[i]);
    }
    return restrictions;
  }

  of(rule: SegmentRule): number {
    let bits = 0;
    for (const sid of traitsOf(rule)) bits |= this.#byTrait.get(sid) ?? 0;
    return bits;
  }
}
