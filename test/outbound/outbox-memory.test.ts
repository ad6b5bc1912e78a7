/** The outbox that senders are tested with keeps the contract. */
import { describe } from 'vitest';
import { Profile } from '../../src/audience/profile.ts';
import { unreadableLetter } from '../../src/store/outbox.ts';
import type { Store, Visit, Waiter } from '../../src/store/store.ts';
import { DAYS, outboxContract } from '../store/outbox-contract.ts';
import { MemoryOutbox, OutboxMemory } from './outbox-memory.ts';

/** As much of the store contract as the outbox contract asks for. */
function storeOf(memory: OutboxMemory): Store {
  return {
    ...{ problem: undefined, lost: 0, whyLost: undefined },
    visit({ deviceId = '', freshId, change, examine }: Visit, { decide }: Waiter): void {
      const id = deviceId || freshId;
      const profile = memory.profiles.get(id)?.profile.clone() ?? new Profile();
      profile.apply(change);
      const days = deviceId ? DAYS.profileDays : DAYS.newcomerDays;
      const keptUntil = profile.optedOut ? undefined : (profile.seen + days + 1) * 86_400_000;
      memory.profiles.set(id, { profile, keptUntil });
      if (examine) memory.schedule(id, memory.now());
      const remembered = decide({ deviceId: id, profile });
      if (remembered) profile.apply({ ...remembered, day: change.day });
      if (remembered?.examine) memory.schedule(id, memory.now());
    },
    look: () => Promise.reject(new Error('not asked for')),
    sample: () => {
      throw new Error('not asked for');
    },
    close: async () => {},
  };
}

describe('an outbox in memory', () => {
  const places = new Map<string, OutboxMemory>();
  const memoryOf = (place: string) => places.get(place) as OutboxMemory;
  outboxContract({
    place() {
      const place = String(places.size);
      places.set(place, new OutboxMemory());
      return place;
    },
    openStore: (place) => storeOf(memoryOf(place)),
    openOutbox: (place) => new MemoryOutbox(memoryOf(place)),
    spoil(place, deviceId) {
      memoryOf(place).unreadable.add(deviceId);
    },
    mend(place, deviceId) {
      memoryOf(place).unreadable.delete(deviceId);
    },
    spoilLetter(place, destination, message) {
      const queue = memoryOf(place).queue(destination);
      queue.dead = queue.dead.map((letter) =>
        letter.message === message ? unreadableLetter(message, letter.at) : letter,
      );
    },
    kill(outbox) {
      (outbox as MemoryOutbox).problem = 'killed';
    },
  });
});
