/** Switchyard on Node: reads the configuration, and does what this process is for. */
import cluster from 'node:cluster';
import fs from 'node:fs';
import type { ServerType } from '@hono/node-server';
import pino from 'pino';
import { AccountError } from './account/problem.ts';
import { health } from './app.ts';
import { build } from './builder/build.ts';
import { type Config, ConfigError, help, readConfig } from './config.ts';
import { type Deliverer, startDeliverer } from './deliverer.ts';
import { CHILD, giveSigns, sayLast, stopMs } from './deliverer-process.ts';
import { saveGivenAccount } from './given-account.ts';
import { urlHost } from './initial-account.ts';
import { listen } from './listener.ts';
import { LOOKUP_THREADS } from './outbound/address.ts';
import { within } from './outbound/within.ts';
import { serveCalls } from './server.ts';
import { watchWorkers } from './workers.ts';

/** What every process of one start has, whether it serves or watches over those that do. */
async function prepare(config: Config): Promise<void> {
  try {
    fs.mkdirSync(config.DATA_DIR, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigError(
      `DATA_DIR: ${(error as Error).message}\n  write a folder that can be made or written`,
    );
  }
  if (config.ACCOUNT_FILE) await saveGivenAccount(config);
}

/** Pages' calls are answered in any case: what cannot be built is said, and keeps nothing back. */
async function buildPages(): Promise<void> {
  try {
    await build({ say: console.log });
  } catch (error) {
    console.error(`The Destination Builder is not there: ${(error as Error).message}`);
  }
}

/** Sends, and answers nobody but who asks whether it is well. */
async function deliver(config: Config): Promise<void> {
  const log = pino({ level: config.LOG_LEVEL }, pino.destination(2));
  const isChild = process.env[CHILD] !== undefined;
  if (isChild) {
    giveSigns();
    process.on('uncaughtExceptionMonitor', (error) => void sayLast(error));
  }
  let deliverer: Deliverer | undefined;
  let server: ServerType | undefined;
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    server?.close();
    if (deliverer) {
      await within(stopMs(config.SHUTDOWN_MS), deliverer.close(config.SHUTDOWN_MS));
    }
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (isChild) {
    process.on('disconnect', stop);
    // Its server may have ended while this was read.
    if (!process.connected) await stop();
  }
  deliverer = await startDeliverer(config, log, process.env[CHILD]);
  if (isChild) return;
  const routes = health(() => deliverer?.problem);
  server = await listen(routes.fetch, config.HOST, config.PORT, 'PORT');
  console.log(
    `Switchyard delivers, and listens on http://${urlHost(config.HOST)}:${config.PORT} (/readyz)\n`,
  );
}

/** How many there are is settled when a process starts: it starts anew, as the same process. */
function haveThreads(): void {
  if (process.env.UV_THREADPOOL_SIZE || process.platform === 'win32' || !process.execve) return;
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const environment = { ...process.env, UV_THREADPOOL_SIZE: String(LOOKUP_THREADS) };
  process.execve(process.execPath, words, environment);
}

if (process.argv.includes('--help')) console.log(help());
else {
  try {
    const config = readConfig(process.env);
    const delivers = config.ROLE === 'deliver';
    if (delivers) haveThreads();
    if (cluster.isPrimary) {
      if (!process.env[CHILD]) await prepare(config);
      if (!delivers) await buildPages();
    }
    if (delivers) await deliver(config);
    else if (cluster.isPrimary && config.WORKERS > 1)
      watchWorkers(config.WORKERS, config.PORT, config.SHUTDOWN_MS);
    else await serveCalls(config);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof AccountError)) throw error;
    console.error(error.message);
    await sayLast(error);
    process.exit(1);
  }
}
