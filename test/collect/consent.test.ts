import { describe, expect, it } from 'vitest';
import { bitsOfPurposes, purposesIn } from '../../src/audience/consent.ts';
import type { Complaint } from '../../src/collect/complaint.ts';
import { statementOf } from '../../src/collect/consent.ts';
import { FORBID, gpp, REQUIRE_CONSENT, tcf, usSection } from './consent-string.ts';

const NOW = Date.now();
const YES = tcf({ purposes: [1, 2], vendors: [565] });
const SOME = tcf({ purposes: [2], vendors: [7] });
const OPTED_OUT = 1;
const NOT_OPTED_OUT = 2;

/** What a call with these parameters states, and what is complained of. */
function stated(
  parameters: Record<string, string>,
  { gpc = '', purposes = [1], vendors = [] as number[] } = {},
) {
  const complaints: Complaint[] = [];
  const { gdpr, objectsToSale } = statementOf(
    {
      parameter: (key) => parameters[key],
      header: (name) => (name === 'sec-gpc' && gpc ? gpc : null),
      at: NOW,
    },
    { purposes: bitsOfPurposes(purposes), vendors },
    complaints,
  );
  return {
    gdpr: gdpr && {
      ...(gdpr.applies ? { purposes: purposesIn(gdpr.purposes) } : { applies: false }),
      refused: gdpr.refused,
    },
    objectsToSale,
    complaints: complaints.map(({ code, msg }) => `${code} ${msg}`),
  };
}

const given = { purposes: [1, 2], refused: false };
const nothing = { purposes: [], refused: true };

describe('of GDPR, a call states', () => {
  it.each<[string, Record<string, string>, object | undefined, RegExp?]>([
    ['nothing without a word', {}, undefined],
    ['that it applies, by a consent string alone', { gdpr_consent: YES }, given],
    ['likewise, by too little', { gdpr_consent: SOME }, { purposes: [2], refused: true }, /^315/],
    [
      'nothing by macros that nobody filled',
      { gdpr: '$' + '{GDPR}', gdpr_consent: '$' + '{GDPR_CONSENT_565}' },
      undefined,
    ],
    ['that it does not apply', { gdpr: '0' }, { applies: false, refused: false }],
    ['likewise, whatever the string', { gdpr: '0', gdpr_consent: SOME }, { applies: false, refused: false }], // biome-ignore format: a row
    ['consent', { gdpr: '1', gdpr_consent: YES }, given],
    ['too little', { gdpr: '1', gdpr_consent: SOME }, { purposes: [2], refused: true }, /^315 No consent$/], // biome-ignore format: a row
    ['no consent without a string', { gdpr: '1' }, nothing, /there is no consent string/],
    ['no consent by an empty one', { gdpr: '1', gdpr_consent: '' }, nothing, /no consent string/],
    [
      'no consent by garbage',
      { gdpr: '1', gdpr_consent: 'ABC' },
      nothing,
      /315 .*version 0, not 2/,
    ],
    ['consent by GPP', { gpp: gpp({ 2: YES }) }, given],
    ['consent by GPP that is in force', { gpp: gpp({ 2: YES, 6: '1YNN' }), gpp_sid: '2,6' }, given],
    ['nothing by GPP that is not in force', { gpp: gpp({ 2: SOME, 6: '1YNN' }), gpp_sid: '6' }, undefined], // biome-ignore format: a row
    ['nothing by GPP without its section', { gpp: gpp({ 6: '1YNN' }) }, undefined],
    ['no consent by GPP that lacks its section', { gpp: gpp({ 6: '1YNN' }), gpp_sid: '2' }, nothing, /no consent string/], // biome-ignore format: a row
    [
      'no consent by GPP that is garbage',
      { gpp: 'DBA', gpp_sid: '2' },
      nothing,
      /no consent string/,
    ],
    ['too little by GPP', { gpp: gpp({ 2: SOME }) }, { purposes: [2], refused: true }, /^315/],
    ['what its own parameters say, rather than GPP', { gdpr: '0', gpp: gpp({ 2: SOME }) }, { applies: false, refused: false }], // biome-ignore format: a row
    ['the stricter, where GPP is said to be in force', { gdpr: '0', gpp: gpp({ 2: SOME }), gpp_sid: '2' }, { purposes: [2], refused: true }, /^315/], // biome-ignore format: a row
    ['GPP, whatever separates its sections', { gpp: gpp({ 2: YES, 6: '1YNN' }), gpp_sid: '6_2' }, given], // biome-ignore format: a row
    ['what the string of GPP says, where it has none', { gdpr: '1', gpp: gpp({ 2: YES }) }, given],
  ])('%s', (_, parameters, expected, complaint) => {
    const found = stated(parameters);
    expect(found.gdpr).toEqual(expected);
    expect(found.complaints).toEqual(complaint ? [expect.stringMatching(complaint)] : []);
  });

  it.each<[string, { purposes?: number[]; vendors?: number[] }, boolean]>([
    ['both purposes', { purposes: [1, 2] }, false],
    ['another purpose', { purposes: [1, 10] }, true],
    ['the operator as a vendor', { vendors: [565] }, false],
    ['another vendor', { vendors: [566] }, true],
    ['nothing', { purposes: [] }, false],
  ])('consent or not, by what the account needs: %s', (_, need, refused) => {
    expect(stated({ gdpr: '1', gdpr_consent: YES }, need).gdpr?.refused).toBe(refused);
  });

  it.each<[string, string, number[], number[], boolean]>([
    ['a purpose that it forbids', 'gdpr_consent', [1, 2], [565], true],
    ['likewise, by GPP', 'gpp', [1, 2], [565], true],
    ['another purpose', 'gdpr_consent', [2], [565], false],
    ['a purpose that it forbids to others', 'gdpr_consent', [1, 2], [7], false],
    ['a purpose of who is no vendor', 'gdpr_consent', [1, 2], [], false],
  ])('consent or not, by what the publisher restricts: %s', (_, by, purposes, vendors, refused) => {
    const text = tcf({
      ...{ purposes: [1, 2], vendors: [7, 565] },
      restrictions: [
        [1, FORBID, [[500, 600]]],
        [2, REQUIRE_CONSENT, [[1, 900]]],
      ],
    });
    const given = { [by]: by === 'gpp' ? gpp({ 2: text }) : text };
    const found = stated({ gdpr: '1', ...given }, { purposes, vendors });
    expect(found.gdpr).toEqual({ purposes: [1, 2], refused });
    expect(found.complaints).toEqual(
      refused ? ['315 No consent: the visitor has consented, and the publisher restricts it'] : [],
    );
  });

  it('nothing to complain of, where the account needs nothing', () => {
    expect(stated({ gdpr: '1' }, { purposes: [] })).toMatchObject({
      ...{ gdpr: { refused: false }, complaints: [] },
    });
  });
});

describe('of a sale, a call states', () => {
  const CA = (optOut: number) => usSection(3, [optOut, NOT_OPTED_OUT]);
  it.each<[boolean | undefined, string, Record<string, string>, string?]>([
    [undefined, 'nothing', {}],
    [true, 'GPC', {}, '1'],
    [undefined, 'GPC that is off', {}, '0'],
    [true, 'US privacy', { us_privacy: '1YYN' }],
    [true, 'US privacy in small letters', { us_privacy: '1nyn' }],
    [false, 'US privacy, not opted out', { us_privacy: '1YNN' }],
    [undefined, 'US privacy that does not apply', { us_privacy: '1---' }],
    [undefined, 'US privacy of another version', { us_privacy: '2YYN' }],
    [undefined, 'US privacy that is none', { us_privacy: '1Y' }],
    [true, 'a section of GPP', { gpp: gpp({ 8: CA(OPTED_OUT) }) }],
    [false, 'a section of GPP, not opted out', { gpp: gpp({ 8: CA(NOT_OPTED_OUT) }) }],
    [undefined, 'a section that is not in force', { gpp: gpp({ 8: CA(OPTED_OUT) }), gpp_sid: '7' }],
    [undefined, 'sections, none of which is in force', { gpp: gpp({ 8: CA(OPTED_OUT) }), gpp_sid: '-1' }], // biome-ignore format: a row
    [true, 'US privacy within GPP', { gpp: gpp({ 6: '1YYN' }) }],
    [true, 'one of two sections', { gpp: gpp({ 6: '1YNN', 8: CA(OPTED_OUT) }) }],
    [true, 'one string that objects', { us_privacy: '1YNN', gpp: gpp({ 8: CA(OPTED_OUT) }) }],
    [true, 'GPC, whatever a string says', { us_privacy: '1YNN' }, '1'],
    [undefined, 'GPP that is garbage', { gpp: 'DBABTA~1YYN~1YYN' }],
  ])('%j: %s', (expected, _, parameters, gpc) => {
    expect(stated(parameters, { gpc })).toEqual({
      ...{ gdpr: undefined, objectsToSale: expected, complaints: [] },
    });
  });
});
