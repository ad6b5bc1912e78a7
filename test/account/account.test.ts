// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
import { describe, expect, it } from 'vitest';
import { EXPORT_LABELS } from '../../src/account/document.ts';
import { AccountError, type Problem } from '../../src/account/problem.ts';
import { compileAccount, type LIMITS } from '../../src/account/snapshot.ts';
import { bitsOfPurposes } from '../../src/audience/consent.ts';
import { ABSENT, type AccountInput, changed, exampleAccount, OWN } from './example.ts';

/** What is wrong with a document; anything but an AccountError fails the test. */
function problemsOf(account: unknown): readonly Problem[] {
  try {
    compileAccount(account);
  } catch (error) {
    if (error instanceof AccountError) return error.problems;
    throw error;
  }
  return [];
}

const text = (length: number) => 'x'.repeat(length);

/** Change of the example; the place, the complaint and the advice that have to be given. */
type Row = [change: Record<string, unknown>, path: string, wrong: string, instead: string];

function refused(rows: Row[]) {
  const named = rows.map((row) => [inWords(row[0]), ...row] as const);
  it.each(named)('%s', (_name, change, path, wrong, instead) => {
    const problems = problemsOf(changed(change));
    const problem = problems.find((p) => p.path === path && p.wrong.includes(wrong));
    expect(problem, `among ${JSON.stringify(problems, undefined, 1)}`).toBeDefined();
    expect(problem?.instead).toContain(instead);
  });
}

function inWords(change: Record<string, unknown>): string {
  const words = JSON.stringify(change, (_, value) => (value === ABSENT ? '(absent)' : value));
  return words.length > 100 ? `${words.slice(0, 100)}…` : words;
}

describe('the example is a valid account', () => {
  it('as it is', () => {
    expect(problemsOf(exampleAccount())).toEqual([]);
  });

  it('with nothing in it', () => {
    const empty = {
      dataSources: [],
      folders: [],
      traits: [],
      segments: [],
      destinations: [],
      sites: [],
    };
    expect(problemsOf(empty)).toEqual([]);
  });
});

describe('a document of the wrong shape is refused as a whole', () => {
  it.each<[string, unknown, string, string, string]>([
    ['nothing', undefined, '(document)', 'missing', 'an object in { }'],
    ['null', null, '(document)', 'null is not an object', 'an object in { }'],
    ['a list', [], '(document)', '[] is not an object', 'an object in { }'],
    ['a text', '{}', '(document)', '"{}" is not an object', 'an object in { }'],
  ])('%s', (_name, document, path, wrong, instead) => {
    const [problem, ...others] = problemsOf(document);
    expect(others).toEqual([]);
    expect(problem.path).toBe(path);
    expect(problem.wrong).toContain(wrong);
    expect(problem.instead).toContain(instead);
  });
});

describe('lists', () => {
  refused([
    [{ traits: ABSENT }, 'traits', 'missing', 'a list in [ ]'],
    [{ traits: {} }, 'traits', '{} is not a list', 'a list in [ ]'],
    [{ dataSources: null }, 'dataSources', 'null is not a list', 'a list in [ ]'],
    [{ folders: 'none' }, 'folders', '"none" is not a list', 'a list in [ ]'],
    [{ segments: ABSENT }, 'segments', 'missing', 'a list in [ ]'],
    [{ destinations: 1 }, 'destinations', '1 is not a list', 'a list in [ ]'],
    [{ sites: ABSENT }, 'sites', 'missing', 'a list in [ ]'],
    [{ 'traits[1]': 'x' }, 'traits[1]', '"x" is not an object', 'an object in { }'],
    [{ trait: [] }, 'trait', 'no such field', 'spelling'],
    [{ organizationId: '' }, 'organizationId', 'too short', 'at least 1'],
  ]);
});

describe('fields that everything has', () => {
  refused([
    [{ 'traits[0].sid': ABSENT }, 'traits[0].sid', 'missing', 'a number'],
    [{ 'traits[0].sid': 'eleven' }, 'traits[0].sid', '"eleven" is not a', 'number'],
    [{ 'traits[0].sid': 0 }, 'traits[0].sid', '0 is too small', 'at least 1'],
    [{ 'traits[0].sid': -1 }, 'traits[0].sid', '-1 is too small', 'at least 1'],
    [
      { 'traits[0].sid': 2 ** 32 },
      'traits[0].sid',
      '4294967296 is too large',
      'at most 4294967295',
    ],
    [{ 'traits[0].sid': 1.5 }, 'traits[0].sid', '1.5 is not a whole number', 'a whole number'],
    [{ 'traits[0].sid': '1e3' }, 'traits[0].sid', '"1e3" is not a', 'number'],
    [{ 'traits[0].sid': '' }, 'traits[0].sid', '"" is not a', 'number'],
    [{ 'segments[0].sid': null }, 'segments[0].sid', 'null is not a', 'number'],
    [{ 'segments[0].name': ABSENT }, 'segments[0].name', 'missing', 'a text in quotes'],
    [{ 'segments[0].name': 5 }, 'segments[0].name', '5 is not a text', 'a text in quotes'],
    [{ 'segments[0].name': '' }, 'segments[0].name', '"" is too short', 'at least 1 characters'],
    [{ 'segments[0].name': text(256) }, 'segments[0].name', 'too long', 'at most 255 characters'],
    [{ 'folders[0].description': text(4097) }, 'folders[0].description', 'too long', '4096'],
    [{ 'traits[0].integrationCode': '' }, 'traits[0].integrationCode', 'too short', 'at least 1'],
    [
      { 'traits[0].integrationCode': text(256) },
      'traits[0].integrationCode',
      'too long',
      'at most 255 characters',
    ],
    [{ 'traits[0].status': 'gone' }, 'traits[0].status', '"gone"', '"active", "inactive"'],
    [{ 'traits[0].status': 1 }, 'traits[0].status', '1 is not a text', 'a text'],
    [{ 'traits[0].color': 'red' }, 'traits[0].color', 'no such field', 'spelling'],
    [{ 'sites[0].color': 'red' }, 'sites[0].color', 'no such field', 'spelling'],
    [{ 'dataSources[0].color': 1 }, 'dataSources[0].color', 'no such field', 'leave it out'],
  ]);

  it('a long value is cut where it is shown', () => {
    const [{ wrong }] = problemsOf(changed({ 'traits[0].name': text(5000) }));
    expect(wrong.length).toBeLessThan(120);
  });
});

describe('data sources', () => {
  refused([
    [{ 'dataSources[0].dataSourceId': 0 }, 'dataSources[0].dataSourceId', 'too small', '1'],
    [
      { 'dataSources[0].dataExportRestrictions': ['EMAIL'] },
      'dataSources[0].dataExportRestrictions[0]',
      '"EMAIL" is not possible',
      '"PII", "ON_SITE_AD_TARGETING", "OFF_SITE_AD_TARGETING", "ON_SITE_PERSONALIZATION"',
    ],
    [
      { 'dataSources[1].dataSourceId': OWN },
      'dataSources[1].dataSourceId',
      '1001 is taken by dataSources[0].dataSourceId',
      'an id of its own',
    ],
    [
      { 'dataSources[1].integrationCode': 'web' },
      'dataSources[1].integrationCode',
      '"web" is taken by dataSources[0].integrationCode',
      'an integration code of its own',
    ],
  ]);
});

describe('folders', () => {
  const chain = (length: number) =>
    Array.from({ length }, (_, i) => ({
      folderId: 200 + i,
      name: `Level ${i + 1}`,
      parentFolderId: i === 0 ? 0 : 199 + i,
    }));
  const withFolders = (folders: unknown[]) => ({
    folders: [...exampleAccount().folders, ...folders],
  });

  refused([
    [{ 'folders[1].parentFolderId': 9 }, 'folders[1].parentFolderId', 'no folder 9', 'folderId of'],
    [{ 'folders[1].parentFolderId': 101 }, 'folders[1].parentFolderId', 'inside itself', 'deep'],
    [{ 'folders[0].parentFolderId': 101 }, 'folders[0].parentFolderId', 'inside itself', 'deep'],
    [{ 'folders[1].parentFolderId': -1 }, 'folders[1].parentFolderId', 'too small', 'at least 0'],
    [withFolders(chain(6)), 'folders[7].parentFolderId', 'more than 5 deep', 'at most 4 deep'],
    [{ 'folders[1].folderId': 100 }, 'folders[1].folderId', 'taken by folders[0].folderId', 'own'],
  ]);

  it('five levels are possible', () => {
    expect(problemsOf(changed(withFolders(chain(5))))).toEqual([]);
  });

  it('only what is too deep is complained about', () => {
    expect(problemsOf(changed(withFolders(chain(6)))).map(({ path }) => path)).toEqual([
      'folders[7].parentFolderId',
    ]);
  });
});

describe('traits', () => {
  const rule = 'traits[0].traitRule';
  refused([
    [{ 'traits[0].traitType': 'RULE' }, 'traits[0].traitType', '"RULE"', 'RULE_BASED_TRAIT'],
    [{ 'traits[0].traitType': ABSENT }, 'traits[0].traitType', '', 'RULE_BASED_TRAIT'],
    [{ 'traits[0].ttl': -1 }, 'traits[0].ttl', '-1 is too small', 'at least 0'],
    [{ 'traits[0].ttl': 36_501 }, 'traits[0].ttl', 'too large', 'at most 36500'],
    [{ 'traits[0].dataSourceId': 9 }, 'traits[0].dataSourceId', 'no data source 9', 'dataSourceId'],
    [{ 'traits[0].folderId': 9 }, 'traits[0].folderId', 'no folder 9', 'leave it out'],
    [{ 'traits[4].folderId': ABSENT }, 'traits[4].folderId', 'missing', 'the folder whose traits'],
    [{ 'traits[4].folderId': 0 }, 'traits[4].folderId', 'missing', 'the folder whose traits'],
    [{ 'traits[3].traitRule': 'a == 1' }, 'traits[3].traitRule', 'ON_BOARDED_TRAIT', 'leave the'],
    [{ 'traits[4].traitRule': 'a == 1' }, 'traits[4].traitRule', 'FOLDER_TRAIT', 'leave the rule'],
    [{ [rule]: ABSENT }, rule, 'missing', 'a rule such as'],
    [{ [rule]: '' }, rule, 'missing', 'a rule such as'],
    [{ [rule]: 5 }, rule, '5 is not a text', 'a text in quotes'],
    [{ [rule]: 'c_page = "home"' }, rule, '', '== (two equals signs)'],
    [{ [rule]: 'c_page == ' }, rule, '', 'a text in straight double quotes'],
    [{ [rule]: 'a matchesregex "(?=x)"' }, rule, '', 'RE2'],
    [{ [rule]: 'NOT a == 1' }, rule, 'every request would satisfy', 'at least one comparison'],
    [{ 'traits[0].status': 'inactive', [rule]: 'a ==' }, rule, '', 'a text in straight'],
    [{ 'traits[1].sid': 11 }, 'traits[1].sid', '11 is taken by traits[0].sid', 'one id space'],
    [{ 'segments[0].sid': 11 }, 'segments[0].sid', '11 is taken by traits[0].sid', 'one id space'],
  ]);
});

describe('segments', () => {
  const rule = 'segments[0].segmentRule';
  refused([
    [{ [rule]: ABSENT }, rule, 'missing', 'a text in quotes'],
    [{ [rule]: '' }, rule, '', 'a trait such as 123T'],
    [{ [rule]: '11' }, rule, '', 'a trait such as 123T'],
    [{ [rule]: '11T AND' }, rule, '', 'a trait such as 123T'],
    [{ [rule]: '99T' }, rule, 'no trait 99', 'traits of this document'],
    [{ [rule]: '52T' }, rule, 'no trait 52', 'traits of this document'],
    [{ [rule]: 'FREQUENCY([11T, 99T]) >= 1' }, rule, 'no trait 99', 'traits of this document'],
    [{ [rule]: 'FREQUENCY([14T]) >= 1' }, rule, 'trait 14 is onboarded', '14T instead'],
    [{ [rule]: 'NOT 11T' }, rule, 'visitors with none', 'at least one condition'],
    [{ [rule]: 'FREQUENCY([11T]) <= 5' }, rule, 'visitors with none', 'at least one condition'],
    [{ 'segments[0].dataSourceId': 0 }, 'segments[0].dataSourceId', 'too small', 'at least 1'],
    [{ 'segments[1].sid': 51 }, 'segments[1].sid', '51 is taken by segments[0].sid', 'one id'],
  ]);
});

describe('destinations of every kind', () => {
  const first = (field: string) => `destinations[0].${field}`;
  const mapping = (field: string) => first(`mappings[0].${field}`);
  refused([
    [{ [first('destinationType')]: 'URL' }, first('destinationType'), 'not a possible', '"PUSH"'],
    [{ [first('destinationType')]: ABSENT }, first('destinationType'), 'not a possible', '"ADS"'],
    [{ [first('destinationId')]: 802 }, 'destinations[1].destinationId', '802 is taken by', 'own'],
    [{ [first('category')]: text(256) }, first('category'), 'too long', '255 characters'],
    [{ [first('platform')]: 'tv' }, first('platform'), '"tv"', '"all", "browser", "android"'],
    [{ [first('autoFill')]: 'NAME' }, first('autoFill'), '"NAME"', '"SEGMENT_ID"'],
    [{ [first('dataExportLabels')]: ['X'] }, first('dataExportLabels[0]'), '"X"', '"PII"'],
    [{ [first('iabVendorId')]: 0 }, first('iabVendorId'), '0 is too small', 'at least 1'],
    [{ [first('iabVendorId')]: 4_097 }, first('iabVendorId'), 'too large', 'at most 4096'],
    [{ [first('iabPurposes')]: [1, 25] }, first('iabPurposes[1]'), 'too large', 'at most 24'],
    [{ [first('iabPurposes')]: 3 }, first('iabPurposes'), '3 is not a list', 'a list in [ ]'],
    [{ [first('serviceProvider')]: 'no' }, first('serviceProvider'), '"no"', 'true or false'],
    [{ [first('domainRestrictions')]: 'some' }, first('domainRestrictions'), '', '"all_domains"'],
    [
      { [first('domainRestrictions')]: 'inclusion' },
      first('siteIDs'),
      'missing, though domainRestrictions is "inclusion"',
      'the sites that are meant',
    ],
    [
      { [first('domainRestrictions')]: 'exclusion', [first('siteIDs')]: [] },
      first('siteIDs'),
      'missing, though domainRestrictions is "exclusion"',
      'the sites that are meant',
    ],
    [{ [first('siteIDs')]: [1, 9] }, first('siteIDs[1]'), 'no site 9', 'siteId of a site'],
    [{ [first('priority')]: 1_000_001 }, first('priority'), 'too large', 'at most 1000000'],
    [
      { [first('frequencyCap')]: { count: 0, hours: 1 } },
      first('frequencyCap.count'),
      'small',
      '1',
    ],
    [{ [first('frequencyCap')]: { count: 1 } }, first('frequencyCap.hours'), 'missing', 'number'],
    [
      { [first('frequencyCap')]: { count: 1, hours: 8_785 } },
      first('frequencyCap.hours'),
      'too large',
      'at most 8784',
    ],
    [
      { [first('frequencyCap')]: { count: 1, hours: 1, days: 1 } },
      first('frequencyCap.days'),
      'no such field',
      'leave it out',
    ],
    [{ [mapping('sid')]: 99 }, mapping('sid'), 'there is no segment 99', 'sid of a segment'],
    [{ [mapping('sid')]: 11 }, mapping('sid'), 'there is no segment 11', 'sid of a segment'],
    [{ [mapping('traitType')]: 'TRAIT' }, mapping('traitType'), '"TRAIT"', '"SEGMENT"'],
    [{ [mapping('startDate')]: '4.7.2026' }, mapping('startDate'), '"4.7.2026" is no day', '2026-'],
    [{ [mapping('startDate')]: '2026-02-29' }, mapping('startDate'), 'no day of the', '2026-'],
    [{ [mapping('endDate')]: '2026-13-01' }, mapping('endDate'), 'no day of the calendar', '2026-'],
    [{ [mapping('endDate')]: 20_260_704 }, mapping('endDate'), 'is not a text', 'a text in quotes'],
    [
      { [mapping('startDate')]: '2026-07-04', [mapping('endDate')]: '2026-07-03' },
      mapping('endDate'),
      '2026-07-03 is before the start date 2026-07-04',
      'a later day',
    ],
    [{ [mapping('priority')]: -1_000_001 }, mapping('priority'), 'too small', '-1000000'],
    [{ [mapping('traitAlias')]: text(1_025) }, mapping('traitAlias'), 'too long', '1024'],
    [{ [mapping('valueAlias')]: text(1_025) }, mapping('valueAlias'), 'too long', '1024'],
    [{ [mapping('weight')]: 1 }, mapping('weight'), 'no such field', 'leave it out'],
  ]);
});

describe('URL destinations', () => {
  const url = 'destinations[0].mappings[0].url';
  const secureUrl = 'destinations[0].mappings[0].secureUrl';
  const base = 'destinations[1].urlFormatString';
  const secureBase = 'destinations[1].secureUrlFormatString';
  refused([
    [{ [url]: ABSENT }, url, 'missing', 'the address to call'],
    [{ [url]: '' }, url, 'missing', 'the address to call'],
    [{ [url]: `http://p.example/${text(8_192)}` }, url, 'too long', 'at most 8192'],
    [{ [url]: 'pixel.example/x' }, url, 'no web address', 'https://'],
    [{ [url]: 'ftp://pixel.example/x' }, url, 'no web address', 'https://'],
    [{ [url]: 'javascript:alert(1)' }, url, 'no web address', 'https://'],
    [{ [url]: 'http://p.example/%UID%' }, url, 'unknown macro %UID%', '%DID%'],
    [{ [url]: 'http://p.example/${UID}' }, url, 'unknown macro ${UID}', '${GDPR}'],
    [{ [url]: 'http://me:pass@p.example/' }, url, 'user name or password', 'leave them out'],
    [{ [secureUrl]: 'http://p.example/x' }, secureUrl, 'is not secure', 'https://'],
    [{ [secureUrl]: 'https://p.example/%UID%' }, secureUrl, 'unknown macro %UID%', '%DID%'],
    [{ [base]: ABSENT }, base, 'missing, though serializationEnabled is true', '%ALIAS%'],
    [{ [base]: 'http://b.example/' }, base, 'there is no %ALIAS% in it', 'such as https://'],
    [{ [base]: 'b.example/?%ALIAS%' }, base, 'no web address', 'https://'],
    [{ [secureBase]: 'https://b.example/' }, secureBase, 'no %ALIAS%', 'such as https://'],
    [{ [secureBase]: 'http://b.example/?%ALIAS%' }, secureBase, 'not secure', 'https://'],
    [{ 'destinations[1].delimiter': text(17) }, 'destinations[1].delimiter', 'too long', '16'],
    [{ 'destinations[1].tagType': 2 }, 'destinations[1].tagType', '2 is too large', 'at most 1'],
    [
      { 'destinations[1].serializationEnabled': 'yes' },
      'destinations[1].serializationEnabled',
      '"yes" is not true or false',
      'true or false',
    ],
    [
      { 'destinations[1].mappings[0].traitAlias': '' },
      'destinations[1].mappings[0].traitAlias',
      'missing',
      'autoFill',
    ],
    [
      { 'destinations[1].mappings[1].traitAlias': ABSENT, 'destinations[1].autoFill': 'NONE' },
      'destinations[1].mappings[1].traitAlias',
      'missing',
      'the value to send',
    ],
    [
      // Segment 52 has no integration code.
      {
        'destinations[1].mappings[1].traitAlias': ABSENT,
        'destinations[1].autoFill': 'INTEGRATION_CODE',
      },
      'destinations[1].mappings[1].traitAlias',
      'missing',
      'the value to send',
    ],
  ]);
});

describe('a serialized URL without %ALIAS% is one error, not one for each mapping, too', () => {
  it.each(['http://b.example/', '', ABSENT])('%s', (base) => {
    const problems = problemsOf(changed({ 'destinations[1].urlFormatString': base }));
    expect(problems.map(({ path }) => path)).toEqual(['destinations[1].urlFormatString']);
  });
});

describe('cookie destinations', () => {
  const field = (name: string) => `destinations[3].${name}`;
  refused([
    [{ [field('cookieName')]: ABSENT }, field('cookieName'), 'missing', 'a text in quotes'],
    [{ [field('cookieName')]: '' }, field('cookieName'), 'no cookie name', 'letters'],
    [{ [field('cookieName')]: 'a b' }, field('cookieName'), 'no cookie name', 'letters'],
    [{ [field('cookieName')]: 'a=b' }, field('cookieName'), 'no cookie name', 'letters'],
    [{ [field('cookieName')]: 'a;b' }, field('cookieName'), 'no cookie name', 'letters'],
    [{ [field('cookieName')]: 'a\r\nb' }, field('cookieName'), 'no cookie name', 'letters'],
    [{ [field('cookieName')]: text(129) }, field('cookieName'), 'no cookie name', 'letters'],
    [{ [field('cnameDomain')]: '*.shop.example' }, field('cnameDomain'), 'no domain', 'wildcard'],
    [{ [field('cnameDomain')]: 'a.example, b.example' }, field('cnameDomain'), 'no domain', 'one'],
    [{ [field('cnameDomain')]: 'shop.example; Secure' }, field('cnameDomain'), 'no domain', 'one'],
    [{ [field('cnameDomain')]: 'https://shop.example' }, field('cnameDomain'), 'no domain', 'one'],
    [{ [field('cnameDomain')]: '..shop.example' }, field('cnameDomain'), 'no domain', 'one'],
    [{ [field('maxSize')]: 0 }, field('maxSize'), 'too small', 'at least 1'],
    [{ [field('maxSize')]: 4_097 }, field('maxSize'), 'too large', 'at most 4096'],
    [{ [field('ttl')]: -1 }, field('ttl'), 'too small', 'at least 0'],
    [{ [field('ttl')]: 401 }, field('ttl'), 'too large', 'at most 400'],
    [{ [field('formatType')]: ABSENT }, field('formatType'), '', '"single_key", "key_value"'],
    [{ [field('formatType')]: 'json' }, field('formatType'), '"json"', '"single_key"'],
    [{ [field('singleKey')]: ABSENT }, field('singleKey'), 'missing, though formatType', 'the key'],
    [{ [field('singleKey')]: '' }, field('singleKey'), 'too short', 'at least 1'],
    [{ [field('keySeparator')]: ';' }, field('keySeparator'), 'not possible in a cookie', 'no ;'],
    [{ [field('keySeparator')]: '' }, field('keySeparator'), 'not possible in a cookie', 'one to'],
    [{ [field('valueSeparator')]: ' ' }, field('valueSeparator'), 'not possible', 'visible'],
    [{ [field('valueSeparator')]: '"' }, field('valueSeparator'), 'not possible', 'visible'],
    [{ [field('serializationSeparator')]: '\n' }, field('serializationSeparator'), 'not', 'one'],
    [{ [field('platform')]: 'ios' }, field('platform'), '"ios" cannot take cookies', '"browser"'],
    [{ [field('platform')]: 'all' }, field('platform'), '"all" cannot take cookies', '"browser"'],
    [
      { [field('mappings[0].valueAlias')]: ABSENT },
      field('mappings[0].valueAlias'),
      'missing',
      'autoFill',
    ],
    [
      { [field('formatType')]: 'key_value' },
      field('mappings[0].traitAlias'),
      'missing, though formatType is "key_value"',
      'the key of this mapping',
    ],
  ]);
});

describe('server-to-server destinations', () => {
  const field = (name: string) => `destinations[4].${name}`;
  refused([
    [{ [field('transfer')]: 'ftp' }, field('transfer'), '"ftp"', '"realtime", "file"'],
    [{ [field('endpointUrl')]: 5 }, field('endpointUrl'), '5 is not a text', 'a text'],
    [{ [field('userDataSourceId')]: 0 }, field('userDataSourceId'), 'too small', 'at least 1'],
    [{ [field('clientId')]: text(256) }, field('clientId'), 'too long', '255'],
    [{ [field('signatureHeader')]: text(256) }, field('signatureHeader'), 'too long', '255'],
    [{ [field('signatureAlgorithm')]: 'md5' }, field('signatureAlgorithm'), '"md5"', '"sha1"'],
    [
      { [field('signatureKeys')]: ['a', 'b', 'c'] },
      field('signatureKeys'),
      'too large',
      'at most 2 entries',
    ],
    [{ [field('signatureKeys')]: [''] }, field('signatureKeys[0]'), 'too short', 'at least 1'],
    [{ [field('oauth')]: { tokenUrl: '' } }, field('oauth.clientId'), 'missing', 'a text'],
    [{ [field('endpointUrl')]: ABSENT }, field('endpointUrl'), 'missing', 'https://'],
    [{ [field('endpointUrl')]: 'ftp://p.example' }, field('endpointUrl'), 'not a secure', 'https'],
    [{ [field('endpointUrl')]: 'partner' }, field('endpointUrl'), 'not a secure', 'https://'],
    [
      { [field('oauth')]: { tokenUrl: 'x', clientId: 'a', clientSecret: 'b' } },
      field('oauth.tokenUrl'),
      'not a secure',
      'https://',
    ],
    [{ [field('signatureKeys')]: ['a'] }, field('signatureHeader'), 'missing', 'X-Signature'],
    [{ [field('signatureHeader')]: 'X-Sig' }, field('signatureKeys'), 'missing', 'the key'],
    ...['X Sig', 'Content-Length', 'Authorization', 'Idempotency-Key', 'X-Sig:'].map(
      (header): Row => [
        { [field('signatureHeader')]: header, [field('signatureKeys')]: ['a'] },
        field('signatureHeader'),
        'cannot carry',
        'X-Signature',
      ],
    ),
    [{ [field('transfer')]: 'file' }, field('target'), 'missing', 'sftp://'],
    [
      { [field('transfer')]: 'file', [field('target')]: 'out', [field('alias')]: '../x' },
      field('alias'),
      'cannot stand in the name of a file',
      'letters',
    ],
    ...['a b', 'a,b', 'a\nb'].map(
      (alias): Row => [
        {
          [field('transfer')]: 'file',
          [field('target')]: 'out',
          [field('mappings[0].traitAlias')]: alias,
        },
        field('mappings[0].traitAlias'),
        'cannot stand in a file',
        'without spaces',
      ],
    ),
    [{ [field('syncMode')]: 'half' }, field('syncMode'), '"half"', '"full", "iter"'],
    [{ [field('splitLines')]: 0 }, field('splitLines'), 'too small', 'at least 1'],
    [{ [field('compress')]: 1 }, field('compress'), '1 is not true or false', 'true or false'],
    [{ [field('cookieName')]: 'x' }, field('cookieName'), 'no such field', 'leave it out'],
    [
      { [field('mappings[0].traitAlias')]: ABSENT },
      field('mappings[0].traitAlias'),
      'missing',
      'the value to send',
    ],
  ]);
});

describe('sites', () => {
  const field = (name: string) => `sites[0].${name}`;
  refused([
    [{ [field('siteId')]: 2 }, 'sites[1].siteId', '2 is taken by sites[0].siteId', 'own'],
    [{ [field('domains')]: ABSENT }, field('domains'), 'missing', 'a list in [ ]'],
    [{ [field('domains')]: [] }, field('domains'), 'too small', 'at least 1 entries'],
    [
      { [field('domains')]: ['https://a.example'] },
      field('domains[0]'),
      'no host name',
      'https://',
    ],
    [{ [field('domains')]: ['a.example/x'] }, field('domains[0]'), 'no host name', 'path'],
    [{ [field('domains')]: ['*.a.example'] }, field('domains[0]'), 'no host name', 'such as'],
    [{ [field('hosts')]: ['a.example:80'] }, field('hosts[0]'), 'no host name', 'such as'],
    [{ [field('hosts')]: [''] }, field('hosts[0]'), 'no host name', 'such as'],
    [{ [field('pageBudget')]: 0 }, field('pageBudget'), 'too small', 'at least 1'],
    [{ [field('pageBudget')]: 1_001 }, field('pageBudget'), 'too large', 'at most 1000'],
    [
      { [field('redirectHosts')]: ['https://partner.example'] },
      field('redirectHosts[0]'),
      'no host name',
      'partner.example',
    ],
    [{ [field('redirectHosts')]: ['a.example/x'] }, field('redirectHosts[0]'), 'no host', 'path'],
    [{ [field('redirectHosts')]: ['x@a.example'] }, field('redirectHosts[0]'), 'no host', 'path'],
  ]);
});

describe('all errors are reported at once', () => {
  it('of the shape', () => {
    const wrong = {
      'traits[0].sid': 'x',
      'segments[2].name': '',
      'destinations[3].cookieName': 'a b',
      'sites[0].domains': [],
      extra: 1,
    };
    expect(problemsOf(changed(wrong)).map(({ path }) => path)).toEqual(
      expect.arrayContaining([...Object.keys(wrong)]),
    );
  });

  it('of what one part says of another', () => {
    const problems = problemsOf(
      changed({
        'traits[0].dataSourceId': 9,
        'traits[0].traitRule': 'x',
        'segments[1].segmentRule': '9T AND 8T',
        'destinations[0].mappings[0].sid': 9,
        'destinations[3].singleKey': ABSENT,
        'folders[1].parentFolderId': 9,
      }),
    );
    expect(problems.map(({ path }) => path).sort()).toEqual([
      'destinations[0].mappings[0].sid',
      'destinations[3].singleKey',
      'folders[1].parentFolderId',
      'segments[1].segmentRule',
      'segments[1].segmentRule',
      'traits[0].dataSourceId',
      'traits[0].traitRule',
    ]);
  });

  it('in the message, each with its place, what is wrong and what to write', () => {
    const problems = [
      { path: 'traits[0].sid', wrong: '0 is too small', instead: 'write at least 1' },
      { path: 'sites', wrong: 'missing', instead: 'write a list in [ ]' },
    ];
    expect(new AccountError(problems).message).toBe(
      'The account document has 2 errors:\n' +
        '  traits[0].sid: 0 is too small\n    write at least 1\n' +
        '  sites: missing\n    write a list in [ ]',
    );
    expect(new AccountError(problems.slice(1)).message).toBe(
      'The account document has one error:\n  sites: missing\n    write a list in [ ]',
    );
  });

  it('with a picture of the place in a rule', () => {
    const [{ instead }] = problemsOf(changed({ 'traits[0].traitRule': 'c_page = "home"' }));
    expect(instead).toMatch(/c_page = "home"\n\s*\^/);
  });
});

describe('existing scripts', () => {
  it.each<[string, Record<string, unknown>]>([
    ['numbers as text: trait id', { 'traits[0].sid': '11' }],
    ['numbers as text: time to live', { 'traits[0].ttl': '0' }],
    ['numbers as text: folder', { 'traits[0].folderId': '0' }],
    ['numbers as text: priority', { 'destinations[0].priority': '-5' }],
    ['numbers as text: sites', { 'destinations[0].siteIDs': ['1'] }],
    ['numbers as text: tag type', { 'destinations[0].tagType': '0' }],
    ['numbers as text: size', { 'destinations[3].maxSize': '100' }],
    ['null for nothing', { 'traits[0].folderId': null, 'traits[0].description': null }],
    ['null for no dates', { 'destinations[0].mappings[0].endDate': null }],
    ['status in capitals', { 'traits[0].status': 'ACTIVE' }],
    ['blank cookie domain', { 'destinations[3].cnameDomain': '' }],
    ['cookie domain with a leading dot', { 'destinations[3].cnameDomain': '.a.b.example' }],
    ['the cookie platform', { 'destinations[3].platform': 'browser' }],
    ['a start date that is the end date', datesOf('2026-07-04', '2026-07-04')],
    ['a leap day', datesOf('2028-02-29', '2028-02-29')],
    ['only a secure address', { 'destinations[0].mappings[0].url': 'https://p.example/' }],
    ['no secure address', { 'destinations[0].mappings[0].secureUrl': ABSENT }],
    [
      'an address with %HTTP_PROTO%',
      {
        'destinations[0].mappings[0].url': '%HTTP_PROTO%://p.example/',
        'destinations[0].mappings[0].secureUrl': ABSENT,
      },
    ],
    [
      'aliases that are filled in',
      {
        'destinations[1].autoFill': 'SEGMENT_ID',
        'destinations[1].mappings[0].traitAlias': ABSENT,
      },
    ],
  ])('%s', (_name, change) => {
    expect(problemsOf(changed(change))).toEqual([]);
  });

  function datesOf(startDate: string, endDate: string) {
    return {
      'destinations[0].mappings[0].startDate': startDate,
      'destinations[0].mappings[0].endDate': endDate,
    };
  }

  it('fields that REST answers add can be sent back', () => {
    const account = exampleAccount();
    const added = { pid: 1, crUID: 2, upUID: 3, createTime: 1_700_000_000_000, updateTime: 4 };
    const lists = [
      account.dataSources,
      account.folders,
      account.traits,
      account.segments,
      account.destinations,
    ];
    for (const list of lists) for (const item of list) Object.assign(item, added);
    for (const destination of account.destinations) {
      Object.assign(destination, { dataSourceId: 7, startDate: null, endDate: null });
      for (const mapping of destination.mappings ?? []) {
        Object.assign(mapping, added, {
          mappingId: 1,
          destinationMappingId: 1,
          destinationId: destination.destinationId,
          traitValue: 5,
          elementName: 'Home',
          elementDescription: '',
          elementStatus: 'active',
          tagCode: null,
          secureTagCode: null,
        });
      }
    }
    Object.assign(account.destinations[3], { adServerTypeID: 1, transferMethod: 2 });
    Object.assign(account.destinations[3], { uparamEnabled: false });
    expect(problemsOf(account)).toEqual([]);
  });

  it('unpaired surrogates, which JSON can hold, are an error of the document or harmless', () => {
    for (const path of ['destinations[0].mappings[0].url', 'destinations[1].urlFormatString']) {
      const account = changed({ [path]: 'http://p.example/%ALIAS%\ud800' });
      expect(() => problemsOf(account), path).not.toThrow();
    }
    expect(() => problemsOf(changed({ 'destinations[1].delimiter': '\ud800' }))).not.toThrow();
  });
});

describe('export controls', () => {
  const FORBIDDEN = 'dataSources[0].dataExportRestrictions';
  const LABELS = 'destinations[0].dataExportLabels';
  const MAPPING = 'destinations[0].mappings[0]';

  describe('every pair of a control and a label', () => {
    const pairs = EXPORT_LABELS.flatMap((control) =>
      EXPORT_LABELS.map((label) => [control, label, control === label] as const),
    );
    it.each(pairs)(
      '%s forbidden, destination labelled %s: blocked %s',
      (control, label, blocks) => {
        const problems = problemsOf(changed({ [FORBIDDEN]: [control], [LABELS]: [label] }));
        expect(problems.map(({ path }) => path)).toEqual(blocks ? [MAPPING] : []);
        if (!blocks) return;
        expect(problems[0].wrong).toContain(`segment 51 excludes ${label}`);
        expect(problems[0].instead).toContain('leave the mapping out');
      },
    );
  });

  it.each<[string, Record<string, unknown>, blocked: boolean]>([
    ['no control', { [LABELS]: ['PII'] }, false],
    ['no label', { [FORBIDDEN]: ['PII'] }, false],
    [
      'one of several traits',
      {
        [LABELS]: ['PII'],
        'dataSources[1].dataExportRestrictions': ['PII'],
        ...rule('11T AND 16T'),
      },
      true,
    ],
    [
      'a trait in a frequency',
      {
        [LABELS]: ['PII'],
        'dataSources[1].dataExportRestrictions': ['PII'],
        ...rule('FREQUENCY([11T, 16T]) >= 1'),
      },
      true,
    ],
    [
      'a trait behind a NOT tells of its data, too',
      {
        [LABELS]: ['PII'],
        'dataSources[1].dataExportRestrictions': ['PII'],
        ...rule('11T AND NOT 16T'),
      },
      true,
    ],
    [
      'a trait in a folder that is summed up',
      {
        [LABELS]: ['PII'],
        'dataSources[1].dataExportRestrictions': ['PII'],
        'traits[5].folderId': 101,
        ...rule('15T'),
      },
      true,
    ],
    [
      'a folder without that trait',
      { [LABELS]: ['PII'], 'dataSources[1].dataExportRestrictions': ['PII'], ...rule('15T') },
      false,
    ],
  ])('%s: %s', (_name, change, blocked) => {
    const paths = problemsOf(changed(change)).map(({ path }) => path);
    expect(paths).toEqual(blocked ? [MAPPING] : []);
  });

  function rule(text: string) {
    return { 'segments[0].segmentRule': text };
  }

  it('every label that collides is named', () => {
    const two = ['PII', 'ON_SITE_PERSONALIZATION'];
    const [{ wrong }] = problemsOf(changed({ [FORBIDDEN]: two, [LABELS]: two }));
    expect(wrong).toContain('PII, ON_SITE_PERSONALIZATION');
  });
});

describe('the limits of one account', () => {
  const many = <T extends object>(count: number, make: (n: number) => T) =>
    Array.from({ length: count }, (_, n) => make(n));
  const lists: Record<keyof typeof LIMITS, (count: number) => AccountInput> = {
    traits: (count) =>
      alone({
        traits: many(count, (n) => ({
          sid: n + 1,
          name: 't',
          traitType: 'ON_BOARDED_TRAIT' as const,
          dataSourceId: OWN,
        })),
      }),
    segments: (count) =>
      alone({
        traits: [{ sid: 1, name: 't', traitType: 'ON_BOARDED_TRAIT', dataSourceId: OWN }],
        segments: many(count, (n) => ({ sid: n + 2, name: 's', segmentRule: '1T' })),
      }),
    destinations: (count) =>
      alone({
        destinations: many(count, (n) => ({
          destinationId: n + 1,
          name: 'd',
          destinationType: 'PUSH' as const,
        })),
      }),
    folders: (count) => alone({ folders: many(count, (n) => ({ folderId: n + 1, name: 'f' })) }),
  };
  function alone(part: Partial<AccountInput>): AccountInput {
    const { dataSources } = exampleAccount();
    return {
      dataSources,
      folders: [],
      traits: [],
      segments: [],
      destinations: [],
      sites: [],
      ...part,
    };
  }

  it.each([
    ['traits', 100_000],
    ['segments', 20_000],
    ['destinations', 1_000],
    ['folders', 2_000],
  ] as const)('%s: %d and no more', (list, limit) => {
    expect(problemsOf(lists[list](limit))).toEqual([]);
    expect(problemsOf(lists[list](limit + 1))).toEqual([
      { path: list, wrong: `${limit + 1} entries`, instead: `write at most ${limit}` },
    ]);
  });
});

describe('what is compiled', () => {
  it.each<[string, object | null | undefined, number[], number[]]>([
    ['nothing', undefined, [1], []],
    ['null', null, [1], []],
    ['an empty object', {}, [1], []],
    ['purposes', { purposes: [1, 10] }, [1, 10], []],
    ['no purpose', { purposes: [] }, [], []],
    ['a vendor', { vendorId: 565 }, [1], [565]],
  ])('which consent is needed, by what the account says: %s', (_, consent, purposes, vendors) => {
    const account = changed({
      consent,
      ...{ 'destinations[0].iabVendorId': 11, 'destinations[0].iabPurposes': [3, 1] },
      'destinations[1].serviceProvider': true,
    });
    const { requiredConsent, destinations } = compileAccount(account);
    const bits = (...all: number[][]) => bitsOfPurposes(all.flat());
    expect(requiredConsent).toEqual({ purposes: bits(purposes), vendors });
    expect(destinations.slice(0, 2).map((d) => d.consent)).toEqual([
      { purposes: bits(purposes, [1, 3]), vendors: [...vendors, 11], serviceProvider: false },
      { purposes: bits(purposes), vendors, serviceProvider: true },
    ]);
  });

  it('an inactive trait keeps its place without a rule', () => {
    const { traits } = compileAccount(changed({ 'traits[0].status': 'inactive' }));
    expect(traits.map(({ sid, rule }) => [sid, rule !== undefined])).toEqual([
      [11, false],
      [12, true],
      [13, true],
      [14, false],
      [15, false],
      [16, true],
    ]);
  });

  it('a trait is part of every folder trait above it', () => {
    const { traits, traitPlaces } = compileAccount(exampleAccount());
    const folderTrait = traitPlaces.get(15);
    expect(
      traits.filter(({ folders }) => folders.includes(folderTrait ?? -1)).map((t) => t.sid),
    ).toEqual([11, 12]);
  });

  it('defaults: traits live 120 days, destinations are active, in all domains, on all platforms', () => {
    const { traits, destinations } = compileAccount(exampleAccount());
    expect(traits[0].ttl).toBe(120);
    expect(destinations[0]).toMatchObject({
      active: true,
      platform: 'all',
      priority: 0,
      publish: { to: 'all_domains' },
      tag: 'img',
      hideReferrer: true,
      cap: undefined,
    });
  });

  it.each([
    ['SEGMENT_ID', '51'],
    ['INTEGRATION_CODE', 'home'],
  ])('autoFill %s sends %s', (autoFill, alias) => {
    const { mappings } = compileAccount(
      changed({
        'destinations[1].autoFill': autoFill,
        'destinations[1].mappings': [{ sid: 51 }],
      }),
    );
    const [mapping] = mappings.bySegment[0].filter(({ destination }) => destination.id === 802);
    expect(mapping.alias).toBe(alias);
  });

  it('how a server-to-server destination is signed to, and where its tokens come from', () => {
    const oauth = { tokenUrl: 'https://partner.example/t', clientId: 'a', clientSecret: 'b' };
    const signature = { header: 'X-Sig', algorithm: 'sha256', keys: ['old', 'new'] };
    const field = (name: string) => `destinations[4].${name}`;
    const { destinations } = compileAccount(
      changed({
        [field('oauth')]: oauth,
        [field('signatureHeader')]: signature.header,
        [field('signatureAlgorithm')]: signature.algorithm,
        [field('signatureKeys')]: signature.keys,
      }),
    );
    expect(destinations[4]).toMatchObject({ transfer: { kind: 'realtime', oauth, signature } });
    const plain = compileAccount(exampleAccount()).destinations[4];
    expect(plain).toMatchObject({ transfer: { oauth: undefined, signature: undefined } });
  });
});

describe('every error at once, though the shape is wrong somewhere', () => {
  const places = (change: Record<string, unknown>) =>
    problemsOf(changed(change)).map(({ path }) => path);

  it.each<[string, change: Record<string, unknown>, paths: string[]]>([
    [
      'a type, a rule and a date',
      {
        'traits[0].traitType': 'RULE',
        'segments[1].segmentRule': '12T AND',
        'destinations[0].mappings[0].startDate': 'soon',
      },
      ['traits[0].traitType', 'destinations[0].mappings[0].startDate', 'segments[1].segmentRule'],
    ],
    [
      'the places are those of the whole document',
      { 'traits[0].ttl': -1, 'traits[2].traitRule': 'p_income >', 'segments[0].name': 5 },
      ['traits[0].ttl', 'segments[0].name', 'traits[2].traitRule'],
    ],
    [
      'a list that is missing',
      { sites: ABSENT, 'segments[0].segmentRule': 'x' },
      ['sites', 'segments[0].segmentRule'],
    ],
    [
      'nothing is said of what an unread entry would have been',
      { 'traits[0].name': '' },
      ['traits[0].name'],
    ],
  ])('%s', (_name, change, paths) => {
    expect(places(change)).toEqual(expect.arrayContaining(paths));
    const invented = problemsOf(changed(change)).filter(
      ({ path, wrong }) => wrong.startsWith('there is no') && !path.includes('siteIDs'),
    );
    expect(invented).toEqual([]);
  });

  it('an unknown segment hides no error of its mapping', () => {
    const change = {
      'destinations[0].mappings[0].sid': 999,
      'destinations[0].mappings[0].url': 'ftp://p.example/%FOO%',
    };
    expect(places(change)).toEqual(
      expect.arrayContaining([
        'destinations[0].mappings[0].sid',
        'destinations[0].mappings[0].url',
      ]),
    );
  });
});
