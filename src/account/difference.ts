/** What one account document changes of another. */
import { SECRETS } from './secret.ts';

/** An account document, as far as it is compared. */
export type AccountDocument = Readonly<Record<string, unknown>>;

/** What stands for an entry of each list; mappings are told apart by their segment. */
const IDS: Readonly<Record<string, string>> = {
  dataSources: 'dataSourceId',
  folders: 'folderId',
  traits: 'sid',
  segments: 'sid',
  destinations: 'destinationId',
  sites: 'siteId',
};

/** What answers of the REST interface add: nobody decides it. */
const BESIDES = new Set(['pid', 'crUID', 'upUID', 'createTime', 'updateTime']);

type Entry = Readonly<Record<string, unknown>>;

/** The differences, a line each: + new, - gone, ~ changed. */
export function differences(before: AccountDocument, after: AccountDocument): string[] {
  const [own, ownNow] = [before, after].map((document) =>
    Object.fromEntries(Object.entries(document).filter(([name]) => !(name in IDS))),
  );
  const ofAccount = changes(own, ownNow, '');
  const lists = Object.entries(IDS).flatMap(([list, idName]) => {
    const byId = (document: AccountDocument) =>
      new Map(((document[list] ?? []) as Entry[]).map((entry) => [entry[idName], entry]));
    const [old, now] = [byId(before), byId(after)];
    const ids = [...new Set([...old.keys(), ...now.keys()])];
    return ids.flatMap((id) => {
      const [was, is] = [old.get(id), now.get(id)];
      const name = `${list} ${id} ${JSON.stringify((is ?? was)?.name ?? '')}`;
      if (!was) return [`+ ${name}`];
      if (!is) return [`- ${name}`];
      const changed = changes(was, is, '');
      return changed.length === 0 ? [] : [`~ ${name}`, ...changed];
    });
  });
  return [...(ofAccount.length > 0 ? ['~ account', ...ofAccount] : []), ...lists];
}

/** The innermost values that differ, with their paths. */
function changes(before: unknown, after: unknown, path: string): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const [old, now] = [partsOf(before), partsOf(after)];
  if (!old || !now) return [`    ${path}: ${shown(before)} → ${shown(after)}`];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    if (BESIDES.has(key)) return [];
    if (SECRETS.includes(key)) return secretChange(key, old.get(key), now.get(key));
    const inner = path && !key.startsWith('[') ? `${path}.${key}` : `${path}${key}`;
    return changes(old.get(key), now.get(key), inner);
  });
}

/** That it is another one, not what it is: also those who may only look see it. */
function secretChange(key: string, before: unknown, after: unknown): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const [old, now] = [before, after].map((value) => (value === undefined ? '(none)' : '(secret)'));
  return [`    ${key}: ${old} → ${now}`];
}

function partsOf(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  return new Map(
    value.map((item, i) => [item?.sid === undefined ? `[${i}]` : `[sid ${item.sid}]`, item]),
  );
}

function shown(value: unknown): string {
  const text = value === undefined ? '(none)' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}
