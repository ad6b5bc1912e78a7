/** What one account document changes of another. */

/** An account document, as far as it is compared. */
export type AccountDocument = Record<string, readonly Record<string, unknown>[] | undefined>;

/** What stands for an entry of each list. */
const IDS: Readonly<Record<string, string>> = {
  dataSources: 'dataSourceId',
  folders: 'folderId',
  traits: 'sid',
  segments: 'sid',
  destinations: 'destinationId',
  sites: 'siteId',
};

/** The differences, a line each: + new, - gone, ~ changed. */
export function differences(before: AccountDocument, after: AccountDocument): string[] {
  return Object.entries(IDS).flatMap(([list, idName]) => {
    const byId = (document: AccountDocument) =>
      new Map((document[list] ?? []).map((entry) => [entry[idName], entry]));
    const [old, now] = [byId(before), byId(after)];
    const ids = [...new Set([...old.keys(), ...now.keys()])];
    return ids.flatMap((id) => {
      const [was, is] = [old.get(id), now.get(id)];
      const name = `${list} ${id} ${JSON.stringify((is ?? was)?.name ?? '')}`;
      if (!was) return [`+ ${name}`];
      if (!is) return [`- ${name}`];
      const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])];
      const changed = fields.filter((field) => !same(was[field], is[field]));
      if (changed.length === 0) return [];
      const lines = changed.map((f) => `    ${f}: ${shown(was[f])} → ${shown(is[f])}`);
      return [`~ ${name}`, ...lines];
    });
  });
}

function shown(value: unknown): string {
  const text = value === undefined ? '(none)' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
