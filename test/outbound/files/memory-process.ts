/** Runs files for more visitors than fit into its memory; they are made up as they are read. */
import { Profile } from '../../../src/audience/profile.ts';
import { FileRuns } from '../../../src/outbound/files/file-run.ts';
import { openTarget } from '../../../src/outbound/files/open-target.ts';
import type { Candidate, Entry, Outbox } from '../../../src/store/outbox.ts';
import { destinationOf, deviceId, ID, membersIn, termsOf } from './runs.ts';

const [mode, folder, base, count] = process.argv.slice(2);
const visitors = Number(count);
const profile = new Profile();
profile.realize(1, 20_000, 1);
const candidate = (id: string): Candidate => ({
  ...{ deviceId: id, profile, keptUntil: undefined, told: new Map() },
});
let read = 0;
const nothing = async () => {};
const outbox: Partial<Outbox> = {
  shards: async () => ['all'],
  recover: async () => ({ sealed: [], read: [] }),
  async walk(_shard, cursor = '0', limit) {
    const from = Number(cursor);
    const to = Math.min(visitors, from + limit);
    const ids = Array.from({ length: to - from }, (_, i) => deviceId(visitors - from - i));
    return {
      batch: { candidates: ids.map(candidate) },
      cursor: to < visitors ? String(to) : undefined,
      progress: 0,
    };
  },
  look: async (ids) => ids.map(candidate),
  async read(_destination, limit) {
    const size = mode === 'full' ? 0 : Math.min(limit, visitors - read);
    return Array.from({ length: size }, (): Entry => {
      const number = read++;
      return {
        ...{ id: String(number), queuedAt: 0, deviceId: deviceId(number) },
        moves: [{ sid: 1, isMember: true, at: 0 }],
      };
    });
  },
  ...{ seal: nothing, done: nothing, discard: nothing },
};
const destination = destinationOf({
  target: { kind: 'folder', path: '' },
  syncMode: mode as 'full' | 'iter',
});
const runs = new FileRuns({
  ...{ id: ID, folder, outbox: outbox as Outbox, maxEntries: visitors },
  terms: () => termsOf(destination),
  members: membersIn,
  unreadable: nothing,
  open: (target) => openTarget(target, { folder: base, allowPrivate: true }),
  pace: nothing,
});
await runs.recover();
const { files } = await runs.run(destination);
process.send?.(files.map(({ lines }) => lines));
