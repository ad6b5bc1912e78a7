/** Which uses of a segment the data sources of its traits forbid, and which of them it is. */
import { parseSegmentRule, traitsOf } from '../audience/segment-rule.ts';
import { EXPORT_LABELS } from './document.ts';
import { FolderTree } from './folders.ts';
import type { Turns } from './turns.ts';

/** Why a segment cannot be mapped to a destination that is labelled for a use. */
export interface ExportControl {
  readonly label: (typeof EXPORT_LABELS)[number];
  /** The data source that forbids it, and its name. */
  readonly dataSourceId: number;
  readonly dataSource: string;
  /** The trait of the segment's rule that has its data from there, by itself or as a folder. */
  readonly trait: number;
  readonly traitName: string;
}

type Entry = Readonly<Record<string, unknown>>;
type Document = Readonly<Record<string, unknown>>;

/** A data source that forbids some of the uses that are asked about. */
interface Restricted {
  readonly id: number;
  readonly name: string;
  readonly labels: readonly ExportControl['label'][];
}

/**
 * What stands against each of several segments.
 *
 * @param document as it was saved, and so found right
 * @param segments some of the document
 * @param labels the uses in question
 */
export function* exportControls(
  document: Document,
  segments: readonly Entry[],
  labels: readonly ExportControl['label'][],
): Turns<ExportControl[][]> {
  const restricted = restrictedOf(document, labels);
  if (restricted.size === 0) return segments.map(() => []);
  const mentioned: (readonly number[])[] = [];
  for (const { segmentRule } of segments) {
    yield;
    mentioned.push([...traitsOf(parseSegmentRule(String(segmentRule)))]);
  }
  const byTrait = yield* controlsByTrait(document, new Set(mentioned.flat()), restricted);
  return mentioned.map((traits) => traits.flatMap((trait) => byTrait.get(trait) ?? []));
}

function restrictedOf(document: Document, labels: readonly string[]): Map<number, Restricted> {
  const restricted = new Map<number, Restricted>();
  for (const source of listOf(document, 'dataSources')) {
    const forbidden = EXPORT_LABELS.filter(
      (label) =>
        labels.includes(label) &&
        ((source.dataExportRestrictions ?? []) as readonly string[]).includes(label),
    );
    if (forbidden.length === 0) continue;
    const id = Number(source.dataSourceId);
    restricted.set(id, { id, name: String(source.name), labels: forbidden });
  }
  return restricted;
}

function* controlsByTrait(
  document: Document,
  wanted: ReadonlySet<number>,
  restricted: ReadonlyMap<number, Restricted>,
): Turns<Map<number, readonly ExportControl[]>> {
  const traits = listOf(document, 'traits');
  /** For each wanted trait, what restricts it: itself, and what it sums up. */
  const sources = new Map<number, Set<Restricted>>();
  const names = new Map<number, string>();
  const byFolder = new Map<number, number[]>();
  for (const trait of traits) {
    yield;
    const sid = Number(trait.sid);
    if (!wanted.has(sid)) continue;
    names.set(sid, String(trait.name));
    const own = restricted.get(Number(trait.dataSourceId));
    sources.set(sid, new Set(own ? [own] : []));
    if (trait.traitType !== 'FOLDER_TRAIT') continue;
    const folder = Number(trait.folderId);
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), sid]);
  }
  if (byFolder.size > 0) {
    const tree = new FolderTree(
      listOf(document, 'folders').map((folder) => ({
        folderId: Number(folder.folderId),
        name: '',
        parentFolderId: Number(folder.parentFolderId ?? 0),
      })),
      [],
    );
    for (const trait of traits) {
      yield;
      const source = restricted.get(Number(trait.dataSourceId));
      if (!source || trait.traitType === 'FOLDER_TRAIT' || !trait.folderId) continue;
      for (const sid of tree.above(Number(trait.folderId), byFolder)) sources.get(sid)?.add(source);
    }
  }
  return new Map(
    [...sources].map(([trait, of]) => [
      trait,
      [...of].flatMap(({ id, name, labels }) =>
        labels.map((label) => ({
          label,
          dataSourceId: id,
          dataSource: name,
          trait,
          traitName: names.get(trait) ?? '',
        })),
      ),
    ]),
  );
}

const listOf = (document: Document, list: string) => (document[list] ?? []) as readonly Entry[];
