import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_RESTRICTIONS } from '../../src/audience/consent.ts';
import { MAX_DAILY_COUNT, Profile } from '../../src/audience/profile.ts';
import {
  addsAnything,
  packDeviceId,
  readDeviceId,
  readProfile,
  readRecords,
  readText,
  readU16,
  readU32,
  Writer,
  writeChange,
  writeDeviceId,
  writeProfile,
} from '../../src/store/record.ts';
import { anyChange, anyGdpr, anyId, inWords } from './workbench.ts';

const changes = fc.array(anyChange, { maxLength: 12 });
const anyDeviceId = fc.string({
  unit: fc.constantFrom(...'0123456789'),
  minLength: 38,
  maxLength: 38,
});

function applied(all: Parameters<Profile['apply']>[0][]): Profile {
  const profile = new Profile();
  for (const change of all) profile.apply(change);
  return profile;
}

function bytesOf(profile: Profile): Uint8Array {
  const writer = new Writer(1);
  writeProfile(writer, profile);
  return writer.written().slice();
}

describe('what is written is read again', () => {
  it('numbers, to their largest', () => {
    fc.assert(
      fc.property(fc.nat(65_535), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (small, large) => {
        const writer = new Writer(1);
        writer.u16(small);
        writer.u32(large);
        expect(readU16(writer.written(), 0)).toBe(small);
        expect(readU32(writer.written(), 2)).toBe(large);
      }),
    );
  });

  it('texts of every script', () => {
    fc.assert(
      fc.property(anyId, (text) => {
        const writer = new Writer(1);
        writer.text(text);
        expect(readText(writer.written(), 0)).toBe(text);
      }),
    );
  });

  it('a text that starts with a byte order mark, which is part of an id like any other character', () => {
    const writer = new Writer(1);
    writer.text('\ufeffid');
    expect(readText(writer.written(), 0)).toBe('\ufeffid');
  });

  it('device ids, in the order of their digits', () => {
    fc.assert(
      fc.property(anyDeviceId, anyDeviceId, (id, other) => {
        const writer = new Writer(1);
        writeDeviceId(writer, id);
        expect(writer.length).toBe(19);
        expect(readDeviceId(writer.written(), 0)).toBe(id);
        const otherBytes = packDeviceId(other, new Uint8Array(19));
        expect(Math.sign(Buffer.compare(writer.written(), otherBytes))).toBe(
          id < other ? -1 : id > other ? 1 : 0,
        );
      }),
    );
  });

  it('profiles', () => {
    fc.assert(
      fc.property(changes, (all) => {
        const profile = applied(all);
        const bytes = bytesOf(profile);
        expect(inWords(readProfile(bytes))).toEqual(inWords(profile));
        expect(bytesOf(readProfile(bytes))).toEqual(bytes);
      }),
    );
  });

  it('what was stated of GDPR: in the bytes that it always had, unless the publisher restricts it', () => {
    const plain = {
      ...{ applies: true, purposes: 0x80_0005, vendors: Uint8Array.of(0x80, 1), refused: true },
      restrictions: NO_RESTRICTIONS,
    };
    const stated = [3, 0x05, 0, 0x80, 0, 1, 0, 0, 0, 2, 0, 2, 0, 0x80, 1];
    const restrictions = [
      { purpose: 24, from: 1, to: 4_096 },
      { purpose: 1, from: 258, to: 259 },
    ];
    const withheld = [2, 24, 1, 0, 0, 0x10, 1, 2, 1, 3, 1];
    for (const [gdpr, bytes] of [
      [plain, [10, ...stated]],
      [{ ...plain, restrictions }, [13, ...stated, ...withheld]],
    ] as const) {
      const writer = new Writer(1);
      writeChange(writer, { day: 7, gdpr, statedAt: 2 ** 33 + 1 });
      const seen = [2, 7, 0];
      expect([...writer.written()]).toEqual([...bytes, ...seen]);
      const profile = readProfile(Uint8Array.from(bytes));
      expect([profile.gdpr, profile.gdprAt]).toEqual([gdpr, 2 ** 33 + 1]);
    }
  });

  it('profiles that stand in the middle of other bytes', () => {
    fc.assert(
      fc.property(changes, fc.uint8Array(), fc.uint8Array(), (all, before, after) => {
        const bytes = bytesOf(applied(all));
        const surrounded = Buffer.concat([before, bytes, after]);
        const to = before.length + bytes.length;
        expect(inWords(readProfile(surrounded, before.length, to))).toEqual(inWords(applied(all)));
      }),
    );
  });

  it('the largest count of a day', () => {
    const profile = new Profile();
    profile.realize(2 ** 32 - 1, 65_535, MAX_DAILY_COUNT);
    profile.seen = 65_535;
    expect(inWords(readProfile(bytesOf(profile)))).toEqual(inWords(profile));
  });
});

describe('appending changes and folding them is applying them', () => {
  it('to nothing', () => {
    fc.assert(
      fc.property(changes, (all) => {
        const writer = new Writer(1);
        for (const change of all) writeChange(writer, change);
        expect(inWords(readProfile(writer.written()))).toEqual(inWords(applied(all)));
      }),
    );
  });

  it('to a stored profile, wherever the cut between stored and appended is', () => {
    fc.assert(
      fc.property(changes, fc.nat(12), (all, cut) => {
        const writer = new Writer(1);
        writeProfile(writer, applied(all.slice(0, cut)));
        for (const change of all.slice(cut)) writeChange(writer, change);
        expect(inWords(readProfile(writer.written()))).toEqual(inWords(applied(all)));
      }),
    );
  });

  it('to a profile in memory', () => {
    fc.assert(
      fc.property(changes, changes, (before, after) => {
        const writer = new Writer(1);
        for (const change of after) writeChange(writer, change);
        const profile = applied(before);
        readRecords(writer.written(), profile);
        expect(inWords(profile)).toEqual(inWords(applied([...before, ...after])));
      }),
    );
  });
});

it('of what was stated, the latest counts, in whatever order it is appended', () => {
  const anyMoments = fc.uniqueArray(fc.nat(2 ** 48 - 1), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(anyMoments, fc.infiniteStream(anyGdpr), (moments, statements) => {
      const writer = new Writer(1);
      const stated = moments.map((statedAt) => ({
        ...{ day: 0, statedAt, gdpr: statements.next().value },
      }));
      for (const change of stated) writeChange(writer, change);
      const [latest] = stated.toSorted((a, b) => b.statedAt - a.statedAt);
      const { gdpr, gdprAt } = readProfile(writer.written());
      expect([gdpr, gdprAt]).toEqual([latest.gdpr, latest.statedAt]);
    }),
  );
});

describe('a change adds something, or only says that the visitor was seen', () => {
  it.each([
    [{ day: 1 }, false],
    [{ day: 1, realized: [], declared: [], firings: [], cookiesSet: [], optOut: false }, false],
    [{ day: 1, realized: [1] }, true],
    [{ day: 1, ecid: '' }, true],
    [{ day: 1, cookiesRemoved: [1] }, true],
    [{ day: 1, optOut: true }, true],
    [{ day: 1, objectsToSale: false }, true],
    [{ day: 1, consents: true }, false],
  ])('%j: %j', (change, expected) => {
    expect(addsAnything(change)).toBe(expected);
  });
});

it('bytes of an unknown kind are not taken for a profile', () => {
  expect(() => readProfile(Uint8Array.of(200, 1, 2, 3))).toThrow(/unknown kind 200 at byte 0/);
});
