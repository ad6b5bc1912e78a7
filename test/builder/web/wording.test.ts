/** What is wrong with a destination is said beside its fields in words of the form. */
import { describe, expect, it } from 'vitest';
import { AccountError } from '../../../src/account/problem.ts';
import { compileAccount } from '../../../src/account/snapshot.ts';
import { sentence } from '../../../src/builder/web/problem.ts';
import { ABSENT, changed } from '../../account/example.ts';

/** Everything that is wrong with the example after a change, as it is shown. */
function shown(change: Record<string, unknown>): string[] {
  try {
    compileAccount(changed(change));
    return [];
  } catch (error) {
    if (!(error instanceof AccountError)) throw error;
    return error.problems.map(sentence);
  }
}
const of = (at: number, fields: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [`destinations[${at}].${field}`, value]),
  );

const MISTAKES: [string, Record<string, unknown>][] = [
  ['no name', of(0, { name: ABSENT })],
  ['an empty name', of(0, { name: '' })],
  ['a number as a name', of(0, { name: 7 })],
  ['sites that are not chosen', of(0, { domainRestrictions: 'inclusion', siteIDs: [] })],
  ['sites that are left out, but none is', of(0, { domainRestrictions: 'exclusion', siteIDs: [] })],
  ['a site that is gone', of(0, { domainRestrictions: 'inclusion', siteIDs: [99] })],
  ['one call without an address', of(1, { urlFormatString: ABSENT })],
  ['a mapping without a value', of(1, { 'mappings[0].traitAlias': ABSENT })],
  ['a mapping of a segment that is gone', of(1, { 'mappings[0].sid': 99 })],
  ['a day that is none', of(1, { 'mappings[0].startDate': '2026-02-31' })],
  ['a cookie without its key', of(3, { singleKey: ABSENT })],
  ['a cookie whose mappings need keys', of(3, { formatType: 'key_value' })],
  ['a cookie for a phone', of(3, { platform: 'ios' })],
  ['an endpoint that is none', of(4, { endpointUrl: 'partner' })],
  ['a header without a key', of(4, { signatureHeader: 'X-Signature' })],
  ['a key without a header', of(4, { signatureKeys: ['k'] })],
  ['files without a target', of(4, { transfer: 'file', target: ABSENT })],
  ['a schedule that is none', of(4, { transfer: 'file', target: 'in', schedule: 'often' })],
  ['a fallback that is gone', of(0, { fallbackDestinationId: 99 })],
  [
    'export controls',
    { 'dataSources[0].dataExportRestrictions': ['PII'], ...of(0, { dataExportLabels: ['PII'] }) },
  ],
];

describe('a mistake is told without field names and JSON', () => {
  it.each(MISTAKES)('%s', (_, change) => {
    const told = shown(change);
    expect(told).not.toEqual([]);
    for (const text of told) {
      expect(text).not.toMatch(
        /\b[a-z]+[A-Z]\w*\b|\b[A-Z]+_[A-Z_]+\b|[a-z]_[a-z]|in quotes|\[ \]|\{ \}/,
      );
      expect(text).not.toMatch(/of this document|the README/);
    }
  });
});
