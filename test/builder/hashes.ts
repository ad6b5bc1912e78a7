/** Sees hashes of passwords being computed, as Node itself tells of them. */
import { createHook } from 'node:async_hooks';

/**
 * How many hashes of passwords were computed meanwhile.
 *
 * @param told +1 when one begins, -1 when it has ended
 */
export async function hashesDuring<Result>(
  work: () => Promise<Result>,
  told: (change: 1 | -1) => void = () => undefined,
): Promise<{ count: number; result: Result }> {
  const open = new Set<number>();
  let count = 0;
  const hook = createHook({
    init(id, type) {
      if (type !== 'ARGON2REQUEST') return;
      count++;
      open.add(id);
      told(1);
    },
    before(id) {
      if (open.delete(id)) told(-1);
    },
  }).enable();
  try {
    return { result: await work(), count };
  } finally {
    hook.disable();
  }
}
