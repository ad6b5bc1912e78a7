/** The account that is in force in a process: the one that was saved last, from its start on. */
import type { Logger } from 'pino';
import type { AccountStore, SavedAccount } from './store/store.ts';

/** What is wrong with it now; undefined if nothing is. */
export interface InForce {
  readonly problem: string | undefined;
}

/**
 * Has the process take over whatever is saved.
 *
 * @param take rejects where it cannot be taken over; then the one before stays in force
 * @param told is called after each try
 */
export function follow(
  accounts: AccountStore,
  log: Logger,
  take: (saved: SavedAccount) => Promise<void>,
  told: () => void = () => {},
): InForce {
  let problem: string | undefined;
  accounts.watch(async (saved) => {
    const { revision } = saved;
    try {
      await take(saved);
      problem = undefined;
      log.info({ revision }, 'account taken over');
    } catch (error) {
      problem = `revision ${revision} of the account is not in force here: ${(error as Error).message}`;
      log.error({ revision, err: error }, 'account not taken over');
    }
    told();
  });
  return {
    get problem() {
      return problem;
    },
  };
}
