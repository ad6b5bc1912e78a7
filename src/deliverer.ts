/**
 * The deliverer: the process that sends to server-to-server destinations. It answers no page, so no page
 * waits for it; where one server does everything, it is a child of that server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { compileAccountInTurns } from './account/snapshot.ts';
import { Ledger } from './builder/ledger.ts';
import type { Config } from './config.ts';
import { Tally } from './destinations/tally.ts';
import { openAccounts, openOutbox, openRegistry, reach } from './engine.ts';
import { openAccount } from './initial-account.ts';
import { Delivery } from './outbound/delivery.ts';

export interface Deliverer {
  /** What is wrong with it now; undefined if nothing is. */
  readonly problem: string | undefined;
  /** Lets what is under way finish, for so many milliseconds. */
  close(milliseconds: number): Promise<void>;
}

/** Delivers until it is closed. */
export async function startDeliverer(config: Config, log: Logger): Promise<Deliverer> {
  const accounts = openAccounts(config);
  const registry = openRegistry(config);
  const { snapshot, revision } = await reach(config, openAccount(accounts, config));
  const outbox = openOutbox(config, 'write');
  let accountProblem: string | undefined;
  const tally = new Tally();
  const ledger = new Ledger({
    tally,
    registry,
    report: (error) =>
      error ? log.error({ err: error }, 'counts wait') : log.warn('counts wait no longer'),
  });
  const delivery = await Delivery.start(
    {
      outbox,
      registry,
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
  accounts.watch(async (saved) => {
    try {
      await delivery.takeOver(await compileAccountInTurns(saved.document), saved.revision);
      accountProblem = undefined;
    } catch (error) {
      accountProblem = `revision ${saved.revision} of the account is not in force here: ${(error as Error).message}`;
      log.error({ revision: saved.revision, err: error }, 'account not taken over');
    }
  });
  ledger.start();
  log.info('delivers');
  return {
    get problem() {
      return delivery.problem ?? accountProblem;
    },
    async close(milliseconds) {
      await delivery.close(milliseconds);
      await ledger.close(milliseconds);
      await Promise.all([accounts.close(), registry.close(), outbox.close()]);
    },
  };
}

/** Set for a deliverer that is the child of a server. */
export const CHILD = 'SWITCHYARD_DELIVERER';

const MIN_LIFE_MS = 1_000;

/** The deliverer of a server that does everything: a child process, started when there is something to send. */
export class DelivererProcess {
  readonly #log: Logger;
  readonly #shutdownMs: number;
  #child: ChildProcess | undefined;
  #isOver = false;

  constructor(log: Logger, shutdownMs: number) {
    this.#log = log;
    this.#shutdownMs = shutdownMs;
    // A signal of the terminal reaches both: who ends by it is not replaced.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.prependListener(signal, () => {
        this.#isOver = true;
      });
    }
  }

  /** Starts it, unless it runs already. One that ends is replaced. */
  start(): void {
    if (this.#child || this.#isOver) return;
    const began = Date.now();
    const program = fileURLToPath(new URL('./node.ts', import.meta.url));
    const child = spawn(process.execPath, [program], {
      // When the server ends, the channel does, too.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, ROLE: 'deliver', [CHILD]: '1' },
    });
    this.#child = child;
    const ended = (why: unknown) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (this.#isOver) return;
      this.#log.error({ why }, 'the deliverer ended and is replaced');
      setTimeout(() => this.start(), Math.max(0, began + MIN_LIFE_MS - Date.now())).unref();
    };
    child.on('error', ended);
    child.on('exit', (code, signal) => ended(signal ?? code));
    child.unref();
    child.channel?.unref();
  }

  async close(): Promise<void> {
    this.#isOver = true;
    const child = this.#child;
    if (!child) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), this.#shutdownMs);
    await ended;
    clearTimeout(force);
  }
}
