/** Passes: that all stored visitors are examined anew when, and only when, something else is in force. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Profile } from '../../src/audience/profile.ts';
import { Examiner, type InForce } from '../../src/outbound/examiner.ts';
import { passes } from '../../src/outbound/pass.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { temporaryFolder } from '../server.ts';
import { account, groundsOf, realtime, segment, trait } from './example.ts';
import { MemoryOutbox } from './outbox-memory.ts';

const inForceOf = (revision: number, status: 'active' | 'inactive'): InForce => {
  const { snapshot, terms } = groundsOf(
    account({
      traits: [trait(1)],
      segments: [segment(51, '1T')],
      destinations: [realtime(801, [51], { status })],
    }),
  );
  return { revision, terms, snapshot: snapshot as InForce['snapshot'] };
};

let registry: RegistryFile;
let outbox: MemoryOutbox;
let inForce: InForce;
let isEverywhere: boolean;
let examiner: Examiner;
beforeEach(() => {
  registry = new RegistryFile(temporaryFolder());
  outbox = new MemoryOutbox();
  inForce = inForceOf(1, 'active');
  isEverywhere = true;
  examiner = new Examiner('all', {
    ...{ outbox, registry, rate: () => 1_000_000, moved: () => {}, unreadable: () => {} },
    inForce: () => inForce,
    isEverywhere: async () => isEverywhere,
    report: (message, error) => {
      if (error) throw new Error(message, { cause: error });
    },
  });
  examiner.start();
});
afterEach(async () => {
  await examiner.close();
  await registry.close();
});

const come = (deviceId: string) => {
  const profile = new Profile();
  profile.apply({ day: 20_000, realized: [1] });
  outbox.memory.keep(deviceId, profile);
};
const startedAt = async () => {
  const [pass] = await passes(registry);
  return pass?.finishedAt === undefined ? undefined : pass.startedAt;
};
const queued = () => outbox.memory.queue(801).unread.map(({ deviceId }) => deviceId);

describe('an account that is changed back before all pages have what it was changed to', () => {
  it.each([
    ['has all examined, for some were by the other', true],
    ['has nobody examined where nobody was', false],
  ])('%s', async (_, hasCome) => {
    await expect.poll(startedAt).toBeTypeOf('number');
    const first = await startedAt();
    isEverywhere = false;
    inForce = inForceOf(2, 'inactive');
    if (hasCome) {
      come('7');
      await expect.poll(() => outbox.memory.agenda.has('7')).toBe(false);
    } else await new Promise((resolve) => setTimeout(resolve, 300));
    expect(queued()).toEqual([]);
    inForce = inForceOf(3, 'active');
    isEverywhere = true;
    if (hasCome) {
      await expect.poll(queued).toEqual(['7']);
      await expect.poll(startedAt).not.toBe(first);
    } else {
      come('8');
      await expect.poll(queued).toEqual(['8']);
      expect(await startedAt()).toBe(first);
    }
  });
});
