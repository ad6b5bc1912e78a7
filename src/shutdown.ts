/** How a server stops: open calls are answered, and what was promised is kept. */
import cluster from 'node:cluster';
import type { ServerType } from '@hono/node-server';
import type { Logger } from 'pino';
import type { Ledger } from './builder/ledger.ts';
import type { DelivererProcess } from './deliverer-process.ts';
import { within } from './outbound/within.ts';
import type { Store } from './store/store.ts';

/** For the counts, even if the store took all the time that there was. */
const MIN_LEDGER_MS = 500;

export interface Stoppable {
  readonly servers: readonly ServerType[];
  readonly deliverer: DelivererProcess;
  readonly store: Store;
  readonly ledger: Ledger;
  /** Closed when nothing needs them any more. */
  readonly others: readonly { close(): Promise<void> }[];
}

/** On a signal, lets open calls finish, keeps what was promised, and ends, in so many milliseconds or little more. */
export function stopOnSignal(
  { servers, deliverer, store, ledger, others }: Stoppable,
  milliseconds: number,
  log: Logger,
): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    const end = performance.now() + milliseconds;
    // It needs nothing of what follows, and has the same time.
    const delivered = deliverer.close();
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const server of servers) {
      if ('closeIdleConnections' in server) server.closeIdleConnections();
    }
    // Browsers keep connections open that nothing comes on any more.
    const open = Math.min(2_000, milliseconds / 2);
    await within(open, Promise.all(closed));
    const { lost } = store;
    await store.close(Math.max(0, end - performance.now()));
    // Only now nothing is counted any more.
    const counts = await ledger.close(Math.max(MIN_LEDGER_MS, end - performance.now()));
    if (counts > 0) log.error({ counts }, 'counts were not written');
    await Promise.all([delivered, ...others.map((other) => other.close())]);
    if (store.lost > lost) log.error({ visits: store.lost - lost }, 'visits were not written');
    log.info('stopped');
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Without the process that watches over it, a worker would end at once, and write nothing.
  process.prependListener('disconnect', () => {
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
    stop();
  });
}
