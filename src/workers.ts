/** Several processes on one port, and one that watches over them. */
import cluster, { type Worker } from 'node:cluster';

/** Set for a worker that takes the place of another one. */
export const REPLACEMENT = 'SWITCHYARD_REPLACEMENT';
const NUMBER = 'SWITCHYARD_WORKER';

/** Whether this process does what only one of all may do. */
export const isFirstWorker = () => (process.env[NUMBER] ?? '0') === '0';

/** A worker that ends sooner than this is not replaced at once. */
const MIN_LIFE_MS = 1_000;

/**
 * Starts workers that listen on a port, replaces those that end, and stops all of them on a signal, by force after so many
 * milliseconds.
 */
export function watchWorkers(count: number, port: number, shutdownMs: number): void {
  let stopping = false;
  const start = (number: number, replacement: boolean) => {
    const began = Date.now();
    const worker = cluster.fork({
      [NUMBER]: String(number),
      ...(replacement ? { [REPLACEMENT]: '1' } : {}),
    });
    let isListening = false;
    worker.on('listening', (address) => {
      isListening ||= address.port === port;
    });
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      // What keeps the first ones from starting would keep the next, too; they have said what it is.
      if (!isListening && !replacement) {
        stop(1);
        return;
      }
      console.error(`worker ${number} ended (${signal ?? code}) and is replaced`);
      setTimeout(() => !stopping && start(number, true), began + MIN_LIFE_MS - Date.now());
    });
  };
  const workers = (): Worker[] =>
    Object.values(cluster.workers ?? {}).filter((w) => w !== undefined);
  const stop = (code: number) => {
    if (stopping) return;
    stopping = true;
    for (const { process: child } of workers()) child.kill('SIGTERM');
    const end = Date.now() + shutdownMs + 1_000;
    setInterval(() => {
      if (workers().length === 0) process.exit(code);
      if (Date.now() > end) for (const { process: child } of workers()) child.kill('SIGKILL');
    }, 20);
  };
  process.on('SIGTERM', () => stop(0));
  process.on('SIGINT', () => stop(0));
  for (let number = 0; number < count; number++) start(number, false);
}
