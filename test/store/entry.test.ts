import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Profile } from '../../src/audience/profile.ts';
import { aliasKey } from '../../src/store/alias.ts';
import {
  type Entry,
  entriesOf,
  KNOWN,
  LINK,
  linkKeyOf,
  NEWCOMER,
  writeChangeEntry,
  writeLinkEntry,
} from '../../src/store/embedded/entry.ts';
import { readRecords, Writer } from '../../src/store/record.ts';
import { anyChange, anyId, device, inWords } from './workbench.ts';

const anyDevice = fc.nat(3).map(device);
const anyLink = fc.record({ dataSource: fc.integer({ min: 0, max: 2 ** 32 - 1 }), id: anyId });
const anyEntry = fc.oneof(
  fc.record({
    deviceId: anyDevice,
    kind: fc.constantFrom(KNOWN, NEWCOMER),
    change: anyChange,
    examine: fc.boolean(),
  }),
  fc.record({ deviceId: anyDevice, link: anyLink }),
);

function written(all: readonly (typeof anyEntry extends fc.Arbitrary<infer T> ? T : never)[]) {
  const writer = new Writer(1);
  for (const entry of all) {
    if ('link' in entry) writeLinkEntry(writer, entry.deviceId, entry.link);
    else {
      const { kind, deviceId, change, examine } = entry;
      writeChangeEntry(writer, kind as typeof KNOWN, deviceId, change, examine);
    }
  }
  return writer.written();
}

/** What entries make of each device. */
function folded(entries: Iterable<Entry>): Map<string, Profile> {
  const profiles = new Map<string, Profile>();
  for (const { kind, deviceId, bytes } of entries) {
    if (kind === LINK) continue;
    const profile = profiles.get(deviceId) ?? new Profile();
    readRecords(bytes, profile);
    profiles.set(deviceId, profile);
  }
  return profiles;
}

describe('entries', () => {
  it('are read in the order in which they were written', () => {
    fc.assert(
      fc.property(fc.array(anyEntry), (all) => {
        const entries = [...entriesOf(written(all))];
        expect(entries.map(({ kind, examine, deviceId }) => [kind, examine, deviceId])).toEqual(
          all.map((entry) =>
            'link' in entry
              ? [LINK, false, entry.deviceId]
              : [entry.kind, entry.examine, entry.deviceId],
          ),
        );
        const links = entries.filter(({ kind }) => kind === LINK).map(linkKeyOf);
        expect(links).toEqual(
          all.flatMap((e) => ('link' in e ? [aliasKey(e.link.dataSource, e.link.id)] : [])),
        );
      }),
    );
  });

  it('folded are the changes applied', () => {
    fc.assert(
      fc.property(fc.array(anyEntry), (all) => {
        const expected = new Map<string, Profile>();
        for (const entry of all) {
          if ('link' in entry) continue;
          const profile = expected.get(entry.deviceId) ?? new Profile();
          profile.apply(entry.change);
          expected.set(entry.deviceId, profile);
        }
        const words = (profiles: Map<string, Profile>) =>
          [...profiles].map(([id, profile]) => [id, inWords(profile)]);
        expect(words(folded(entriesOf(written(all))))).toEqual(words(expected));
      }),
    );
  });

  it('of two aliases have two keys', () => {
    fc.assert(
      fc.property(anyLink, anyLink, (a, b) => {
        fc.pre(a.dataSource !== b.dataSource || a.id !== b.id);
        expect(aliasKey(a.dataSource, a.id)).not.toBe(aliasKey(b.dataSource, b.id));
      }),
    );
  });
});
