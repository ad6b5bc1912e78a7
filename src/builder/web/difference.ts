/** The lines that tell what changes (`account/difference.ts`), read for people. */

export interface Change {
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

export interface Difference {
  readonly kind: 'new' | 'gone' | 'changed' | 'other';
  /** What it is about: `destination`; the whole line where it says something else. */
  readonly noun: string;
  readonly id?: string;
  readonly name?: string;
  readonly changes: readonly Change[];
}

const KINDS: Readonly<Record<string, Difference['kind']>> = {
  '+': 'new',
  '-': 'gone',
  '~': 'changed',
};

export const LISTS: Readonly<Record<string, { noun: string; at?: string }>> = {
  destinations: { noun: 'destination', at: '/destinations' },
  segments: { noun: 'segment', at: '/segments' },
  traits: { noun: 'trait', at: '/traits' },
  dataSources: { noun: 'data source', at: '/settings/data-sources' },
  folders: { noun: 'folder', at: '/settings/folders' },
  sites: { noun: 'site', at: '/settings/sites' },
  people: { noun: 'person' },
  keys: { noun: 'key' },
};

/** Stands for a side that was not there. */
export const NONE = '(none)';

/** Reads lines such as `~ segments 7001 "Jazz"` and, below it, `    name: "Jaz" → "Jazz"`. */
export function readDifferences(lines: readonly string[]): Difference[] {
  const found: (Difference & { changes: Change[] })[] = [];
  for (const line of lines) {
    const last = found.at(-1);
    const inner = /^ {4}([^:]*): (.*)$/s.exec(line);
    if (inner && last) {
      const [before, after] = sidesOf(inner[2]);
      last.changes.push({ field: inner[1], before, after });
      continue;
    }
    found.push({ ...headOf(line), changes: [] });
  }
  return found;
}

/** `+ sites 1 "Shop"`, `~ account`, `- people ada`; anything else is said as it is. */
function headOf(line: string): Omit<Difference, 'changes'> {
  const [, sign, list = '', rest = ''] = /^([+~-]) (\w+)(?: (.*))?$/s.exec(line) ?? [];
  if (sign === undefined) return { kind: 'other', noun: line };
  const kind = KINDS[sign];
  const noun = LISTS[list]?.noun ?? list;
  const [, id, name] = /^(\S+) (".*)$/s.exec(rest) ?? [];
  return id === undefined
    ? { kind, noun, name: rest || undefined }
    : { kind, noun, id, name: text(name) };
}

/** Both sides of an arrow; the first one that does not stand inside of a text. */
function sidesOf(values: string): [string, string] {
  let at = values.indexOf(' → ');
  while (at !== -1) {
    const before = values.slice(0, at);
    if (before === NONE || before.endsWith('…') || isJson(before)) break;
    at = values.indexOf(' → ', at + 1);
  }
  return at === -1 ? [NONE, text(values)] : [text(values.slice(0, at)), text(values.slice(at + 3))];
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

/** A text without its quotes, of which the last may have been cut off; everything else as it is. */
function text(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value.slice(1);
  }
}

/** Fields that forms call by another name than documents do. */
const LABELS: Readonly<Record<string, string>> = {
  autoFill: 'value of a new mapping',
  cnameDomain: 'cookie domain',
  compress: 'compress with gzip',
  dataExportLabels: 'the partner may use it for',
  dataExportRestrictions: 'this data may not be used for',
  dataSourceId: 'data source',
  domainRestrictions: 'which sites',
  endDate: 'until',
  endpointUrl: 'address',
  folderId: 'folder',
  formatType: 'data format',
  frequencyCap: 'limit of how often one visitor triggers it',
  hideReferrer: 'hide from the partner which page the visitor is on',
  hosts: 'collection hosts',
  iabPurposes: 'further purposes',
  iabVendorId: 'the partner’s vendor id',
  keySeparator: 'between key and value',
  maxSize: 'maximum size in bytes',
  pageBudget: 'pixels a page',
  parentFolderId: 'inside of',
  secureUrl: 'secure address',
  secureUrlFormatString: 'secure base URL',
  segmentRule: 'rule',
  serializationEnabled: 'one call, or one key, for all values',
  serializationSeparator: 'between the values of one key',
  serviceProvider: 'the partner works for us only',
  signatureAlgorithm: 'algorithm',
  signatureHeader: 'header',
  signatureKeys: 'key',
  singleKey: 'key',
  siteIDs: 'sites',
  splitLines: 'lines of a file, at most',
  startDate: 'from',
  syncMode: 'what a file holds',
  tagType: 'image or iframe',
  target: 'where they go',
  traitAlias: 'value',
  traitRule: 'rule',
  traitType: 'type',
  transfer: 'how it is sent',
  ttl: 'lifetime in days',
  url: 'address',
  urlFormatString: 'base URL',
  userDataSourceId: 'which id the partner knows visitors by',
  valueAlias: 'value',
  valueSeparator: 'between pairs',
  vendorId: 'your vendor id',
};

/** `mappings[sid 7001].startDate` → mapping of segment 7001, from */
export function fieldInWords(path: string): string {
  return path
    .split('.')
    .map((part) => {
      const [, name, place] = /^(\w*)(.*)$/s.exec(part) as RegExpExecArray;
      const words =
        LABELS[name] ??
        name.replace(/([a-z])([A-Z])/g, (_, low, high) => `${low} ${high.toLowerCase()}`);
      const isOne = place.startsWith('[sid');
      return `${isOne ? words.replace(/s$/, '') : words}${place}`
        .replace(/\[sid (\d+)\]/g, ' of segment $1')
        .replace(/\[(\d+)\]/g, (_, at) => ` ${Number(at) + 1}`)
        .trim();
    })
    .join(', ');
}

/** The lines that tell of fields, by the names that forms have for them: Rule: "5003T" → "5010T" */
export const fieldLines = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => {
    const [, path, values] = /^ {4}([^:]*): (.*)$/s.exec(line) ?? [];
    if (path === undefined) return [];
    const words = fieldInWords(path);
    return [`${words.charAt(0).toUpperCase()}${words.slice(1)}: ${values}`];
  });

/** What is said of each kind. */
export const WORDS = { new: 'new', gone: 'removed', changed: 'changed', other: '' } as const;

/** The same in a line: destination “Autumn” changed, 2 segments new */
export function inShort(lines: readonly string[]): string {
  const groups = Map.groupBy(readDifferences(lines), ({ kind, noun }) => `${kind} ${noun}`);
  return [...groups.values()].map(groupInShort).join(', ');
}

const MAX_FIELDS = 3;

function groupInShort(group: readonly Difference[]): string {
  const [{ kind, noun, name, changes }] = group;
  if (kind === 'other') return noun;
  if (group.length > 1) return `${group.length} ${PLURALS[noun] ?? `${noun}s`} ${WORDS[kind]}`;
  const what = [noun, name && `“${name}”`, WORDS[kind]].filter(Boolean).join(' ');
  const fields = changes.map(({ field }) => fieldInWords(field));
  if (fields.length === 0) return what;
  const more = fields.length > MAX_FIELDS ? ` and ${fields.length - MAX_FIELDS} more` : '';
  return `${what}: ${fields.slice(0, MAX_FIELDS).join(', ')}${more}`;
}

const PLURALS: Readonly<Record<string, string>> = { person: 'people' };
