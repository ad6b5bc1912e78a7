/**
 * The deliverer: the process that sends to server-to-server destinations. It answers no page, so no page
 * waits for it; where one server does everything, it is a child of that server.
 */
import path from 'node:path';
import type { Logger } from 'pino';
import { compileAccountInTurns } from './account/snapshot.ts';
import { follow } from './account-in-force.ts';
import type { Config } from './config.ts';
import { countsFor } from './counts.ts';
import { openAccounts, openOutbox, openRegistry, reach } from './engine.ts';
import { Heartbeat } from './heartbeat.ts';
import { openAccount } from './initial-account.ts';
import { Delivery } from './outbound/delivery.ts';

export interface Deliverer {
  /** What is wrong with it now; undefined if nothing is. */
  readonly problem: string | undefined;
  /** Lets what is under way finish, for so many milliseconds. */
  close(milliseconds: number): Promise<void>;
}

/** Of a stop, so much is for the counts, after all that can still be counted. */
const COUNTS_MS = 1_000;

/**
 * Delivers until it is closed.
 *
 * @param node what the process is called; of a child, as the server that started it
 */
export async function startDeliverer(
  config: Config,
  log: Logger,
  node: string | undefined,
): Promise<Deliverer> {
  const accounts = openAccounts(config);
  const registry = openRegistry(config);
  const { snapshot, revision } = await reach(config, openAccount(accounts, config));
  const outbox = openOutbox(config, 'write');
  const { tally, ledger } = countsFor(registry, log);
  const delivery = await Delivery.start(
    {
      outbox,
      registry,
      savedRevision: () => accounts.revision(),
      tally,
      rate: config.OUTBOUND_EXAMINED_PER_SECOND,
      allowPrivate: config.OUTBOUND_ALLOW_PRIVATE === '1',
      targetFolder: config.OUTBOUND_FOLDER || path.join(config.DATA_DIR, 'files'),
      workFolder: path.join(config.DATA_DIR, 'outbound-files'),
      retryHours: config.OUTBOUND_RETRY_HOURS,
      profileDays: config.PROFILE_TTL_DAYS,
      region: config.REGION,
      report: (message, error) => (error ? log.error({ err: error }, message) : log.warn(message)),
    },
    snapshot,
    revision,
  );
  const inForce = follow(accounts, log, async ({ document, revision }) =>
    delivery.takeOver(await compileAccountInTurns(document), revision),
  );
  const problem = () => delivery.problem ?? inForce.problem;
  const state = () => ({ problem: problem(), behindSince: delivery.behindSince });
  const heartbeat = new Heartbeat(registry, 'deliverer', state, node);
  ledger.start();
  log.info('delivers');
  return {
    get problem() {
      return problem();
    },
    async close(milliseconds) {
      const end = performance.now() + milliseconds;
      await Promise.all([delivery.close(Math.max(0, milliseconds - COUNTS_MS)), heartbeat.close()]);
      await ledger.close(Math.max(0, end - performance.now()));
      await Promise.all([accounts.close(), registry.close(), outbox.close()]);
    },
  };
}
