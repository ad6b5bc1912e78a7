/** Takes a census of more visitors than fit into its memory; they are made up as they are read. */
import { compileAccount, readSegmentRule } from '../../../src/account/snapshot.ts';
import { takeCensus } from '../../../src/outbound/census/census.ts';
import { WorkFolder } from '../../../src/outbound/work-folder.ts';
import type { Candidate, Outbox } from '../../../src/store/outbox.ts';
import { account, profileOf, trait } from '../example.ts';
import { deviceId } from '../files/runs.ts';

const [folder, count] = process.argv.slice(2);
const visitors = Number(count);
const profiles = [profileOf([[1, 0]]), profileOf([[2, 0]])];
const candidate = (id: string): Candidate => ({
  ...{ deviceId: id, profile: profiles[Number(id.at(-1)) % 2] },
  ...{ keptUntil: undefined, told: new Map() },
});
const outbox: Partial<Outbox> = {
  shards: async () => ['all'],
  async walk(_shard, cursor = '0', limit) {
    const from = Number(cursor);
    const to = Math.min(visitors, from + limit);
    const ids = Array.from({ length: to - from }, (_, i) => deviceId(visitors - from - i));
    return {
      batch: { candidates: ids.map(candidate) },
      cursor: to < visitors ? String(to) : undefined,
      progress: to / visitors,
    };
  },
  look: async (ids) => ids.map(candidate),
};
const snapshot = compileAccount(account({ traits: [trait(1), trait(2)] }));
const counted = await takeCensus({
  ...{ outbox: outbox as Outbox, folder: new WorkFolder(folder), at: 1, snapshot },
  rule: readSegmentRule('1T', 'segmentRule', snapshot),
  pace: async () => {},
});
process.send?.(counted);
