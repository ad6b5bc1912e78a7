/** What a partner may hear of a visitor at the moment of sending. */
import { describe, expect, it } from 'vitest';
import { NO_CONSENT } from '../../src/audience/consent.ts';
import type { Profile } from '../../src/audience/profile.ts';
import { disclose } from '../../src/outbound/disclosure.ts';
import type { ServerMapping } from '../../src/outbound/terms.ts';
import { ID, PARTNER_IDS, serverDestination, serverMapping, visitor } from './destination.ts';

const TODAY = 20_000;
const labelled = serverDestination(
  {},
  { labels: 0b10, consent: { purposes: 1, vendors: [], serviceProvider: false } },
);

/** Segments 51 to 54 are mapped, unless changed; the visitor was told to be in 53 and 54. */
function said(
  moves: Record<number, boolean>,
  change: Partial<ServerMapping> | 'unmapped' = {},
  profile: Profile | undefined = visitor(),
) {
  const mappings = new Map(
    [51, 52, 53, 54].map((sid) => [
      sid,
      serverMapping(labelled, sid, sid === 52 && change !== 'unmapped' ? change : {}),
    ]),
  );
  if (change === 'unmapped') mappings.delete(52);
  const disclosure = disclose(
    {
      ...{ id: '1', queuedAt: 0, deviceId: '7' },
      moves: Object.entries(moves).map(([sid, isMember]) => ({ sid: +sid, isMember, at: 9_000 })),
    },
    {
      ...{ deviceId: '7', profile, keptUntil: undefined },
      told: new Map([
        [ID, new Map([53, 54].map((sid) => [sid, 5_000]))],
        [ID + 1, new Map([[51, 5_000]])],
      ]),
    },
    { destination: ID, mappings, userDataSource: PARTNER_IDS, region: 7, today: TODAY },
  );
  return disclosure?.user.segments.map(({ alias, isMember }) => `${alias} ${+isMember}`);
}

describe('a partner hears', () => {
  it.each<[string, Record<number, boolean>, string[]]>([
    ['what changed, and where else the visitor is', { 51: true }, ['s51 1', 's53 1', 's54 1']],
    ['what changed rather than what is told now', { 53: false }, ['s53 0', 's54 1']],
    ['of all that changed', { 51: true, 52: false }, ['s51 1', 's52 0', 's53 1', 's54 1']],
  ])('%s', (_, moves, expected) => {
    expect(said(moves)).toEqual(expected);
  });

  it('since when, and whom it is about', () => {
    const mappings = new Map([[51, serverMapping(labelled, 51)]]);
    const entry = {
      id: '1',
      queuedAt: 0,
      deviceId: '7',
      moves: [{ sid: 51, isMember: true, at: 9_000 }],
    };
    const candidate = {
      ...{ deviceId: '7', keptUntil: undefined, told: new Map() },
      profile: visitor({ partnerId: 'them' }),
    };
    const terms = { destination: ID, mappings, region: 7, today: TODAY };
    expect(disclose(entry, candidate, { ...terms, userDataSource: PARTNER_IDS })?.user).toEqual({
      ...{ deviceId: '7', partnerId: 'them', regions: [7] },
      segments: [{ alias: 's51', isMember: true, at: 9_000 }],
    });
    expect(
      disclose(entry, candidate, { ...terms, userDataSource: undefined })?.user.partnerId,
    ).toBeUndefined();
  });
});

describe('what is queued late, as a dead letter that is sent once more,', () => {
  const mappings = new Map([51, 53].map((sid) => [sid, serverMapping(labelled, sid)]));
  const told = new Map([[ID, new Map([[53, 90_000]])]]);
  const terms = {
    ...{ destination: ID, mappings, userDataSource: PARTNER_IDS },
    region: 7,
    today: TODAY,
  };

  it.each([
    ['is told as it is by now', true, ['s51 0 since 9000', 's53 1 since 90000']],
    [
      'else as it was, however long the queue was',
      undefined,
      ['s51 1 since 9000', 's53 0 since 9000'],
    ],
  ])('%s', (_, isLate, expected) => {
    const moves = [
      { sid: 51, isMember: true, at: 9_000 },
      { sid: 53, isMember: false, at: 9_000 },
    ];
    const entry = {
      ...{ id: '1', queuedAt: 600_000, deviceId: '7', partnerId: `${PARTNER_IDS} then` },
      ...{ moves, isLate },
    };
    const candidate = { profile: visitor(), told };
    const user = disclose(entry, candidate, terms)?.user;
    expect(
      user?.segments.map(({ alias, isMember, at }) => `${alias} ${+isMember} since ${at}`),
    ).toEqual(expected);
  });

  it('is said by the id by which the partner knew the visitor then', () => {
    const entry = {
      ...{ id: '1', queuedAt: 10_000, deviceId: '7', partnerId: `${PARTNER_IDS} then` },
      moves: [{ sid: 51, isMember: false, at: 9_000 }],
    };
    for (const profile of [undefined, visitor({ partnerId: 'now' }), visitor({ optOut: true })]) {
      const candidate = { deviceId: '7', profile, keptUntil: undefined, told: new Map() };
      expect(disclose(entry, candidate, terms)?.user.partnerId).toBe('then');
      // An id of one data source is none of another; and none at all means the device id.
      for (const other of [
        disclose(entry, candidate, { ...terms, userDataSource: undefined }),
        disclose({ ...entry, partnerId: '7 then' }, candidate, terms),
        disclose({ ...entry, partnerId: '' }, candidate, terms),
      ]) {
        expect(other?.user).toBeDefined();
        expect(other?.user.partnerId).toBeUndefined();
      }
    }
  });
});

describe('a partner hears nothing', () => {
  it.each<[string, Partial<ServerMapping> | 'unmapped']>([
    ['of a segment that is not mapped any more', 'unmapped'],
    ['of a mapping that has not begun', { from: TODAY + 1 }],
    ['of a mapping that has ended', { to: TODAY - 1 }],
    ['that export controls forbid by now', { restrictions: 0b11 }],
  ])('%s', (_, change) => {
    expect(said({ 52: true }, change)).toBeUndefined();
    expect(said({ 51: true, 52: true }, change)).toEqual(['s51 1', 's53 1', 's54 1']);
  });

  it('but that somebody has left, where there is still a word for it', () => {
    expect(said({ 52: false }, { restrictions: 0b11 })).toEqual(['s52 0', 's53 1', 's54 1']);
    expect(said({ 52: false }, { to: TODAY - 1 })).toEqual(['s52 0', 's53 1', 's54 1']);
    expect(said({ 52: false }, 'unmapped')).toBeUndefined();
  });

  const refused = { applies: true, ...NO_CONSENT, refused: true };
  it.each([
    ['has opted out', visitor({ optOut: true })],
    ['has withdrawn consent', visitor({ gdpr: refused })],
    ['objects to the sale of data', visitor({ objectsToSale: true })],
  ])('of who %s, but that they have left', (_, gone) => {
    expect(said({ 51: true }, {}, gone)).toBeUndefined();
    expect(said({ 51: true, 53: false }, {}, gone)).toEqual(['s53 0']);
  });

  it('unless consent is there, or not needed', () => {
    for (const gdpr of [
      { ...refused, purposes: 1, refused: false },
      { ...refused, applies: false, refused: false },
    ]) {
      expect(said({ 51: true }, {}, visitor({ gdpr }))).toEqual(['s51 1', 's53 1', 's54 1']);
    }
  });
});
