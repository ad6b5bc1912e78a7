/** Switchyard on Node: reads the configuration, opens the store, serves. */
import cluster from 'node:cluster';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { type ServerType, serve } from '@hono/node-server';
import type { Context } from 'hono';
import pino from 'pino';
import { type AccountDocument, differences, shortened } from './account/difference.ts';
import { meaningOf } from './account/document.ts';
import { AccountError } from './account/problem.ts';
import { compileAccount, compileAccountInTurns } from './account/snapshot.ts';
import { usedIds } from './account/used-ids.ts';
import { follow, type InForce } from './account-in-force.ts';
import { app, health } from './app.ts';
import { administration } from './builder/administration.ts';
import { AccountBook } from './builder/book.ts';
import { build, buildFolder } from './builder/build.ts';
import type { Ledger } from './builder/ledger.ts';
import { People } from './builder/people.ts';
import { Deadline } from './collect/deadline.ts';
import { DeviceCookie } from './collect/device-cookie.ts';
import type { FrontDoor } from './collect/event.ts';
import { Guard } from './collect/guard.ts';
import { Recording } from './collect/recording.ts';
import { type Config, ConfigError, help, readConfig } from './config.ts';
import { countsFor } from './counts.ts';
import { type Deliverer, startDeliverer } from './deliverer.ts';
import { CHILD, DelivererProcess, giveSigns, sayLast, stopMs } from './deliverer-process.ts';
import { openAccounts, openOutbox, openRegistry, openStore, reach } from './engine.ts';
import { Heartbeat } from './heartbeat.ts';
import { inboxOf, openAccount, urlHost } from './initial-account.ts';
import { LOOKUP_THREADS } from './outbound/address.ts';
import { censusOrders } from './outbound/census/census-order.ts';
import { DeliveryWatch } from './outbound/deliverers.ts';
import { screening } from './outbound/screening.ts';
import { within } from './outbound/within.ts';
import { AccountConflict, type Store } from './store/store.ts';
import { tagScript } from './tag/script.ts';
import { isFirstWorker, REPLACEMENT, watchWorkers } from './workers.ts';

/** What every process of one start has, whether it serves or watches over those that do. */
async function prepare(config: Config): Promise<void> {
  try {
    fs.mkdirSync(config.DATA_DIR, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigError(
      `DATA_DIR: ${(error as Error).message}\n  write a folder that can be made or written`,
    );
  }
  if (!config.ACCOUNT_FILE) return;
  const document = readJson(config.ACCOUNT_FILE) as AccountDocument;
  compileAccount(document);
  const file = createHash('sha256').update(JSON.stringify(document)).digest('hex');
  const accounts = openAccounts(config);
  try {
    const saved = await reach(config, accounts.load());
    // The same file has been given before: whatever was changed since then stays.
    if (saved?.origin.file === file) return;
    if (JSON.stringify(saved?.document) === JSON.stringify(document)) return;
    if (saved && saved.origin.by !== GIVEN && !saved.origin.isDemo) {
      throw new ConfigError(
        `ACCOUNT_FILE: the account was changed by ${saved.origin.by} since a server was given its file, and is another one than ${config.ACCOUNT_FILE}
  start without ACCOUNT_FILE to keep it; see what is different by npm run account -- diff ${config.ACCOUNT_FILE}, and replace it by push`,
      );
    }
    const screen = screening(config.OUTBOUND_ALLOW_PRIVATE === '1');
    const problems = await screen(document, saved?.document as object | undefined);
    if (problems.length > 0) throw new AccountError(problems);
    const changes = shortened(
      differences((saved?.document ?? {}) as AccountDocument, document, meaningOf),
    );
    const used = usedIds(saved?.origin.usedIds, saved?.document, document);
    const origin = { at: Date.now(), by: GIVEN, file, changes, usedIds: used };
    await accounts.save(document, origin, saved?.revision ?? 0);
  } catch (error) {
    // Another server was given the same file at the same moment, or somebody was faster.
    if (!(error instanceof AccountConflict)) throw error;
  } finally {
    await accounts.close();
  }
}

const GIVEN = 'ACCOUNT_FILE';

/** Pages' calls are answered in any case: what cannot be built is said, and keeps nothing back. */
async function buildPages(): Promise<void> {
  try {
    await build({ say: console.log });
  } catch (error) {
    console.error(`The Destination Builder is not there: ${(error as Error).message}`);
  }
}

async function serveCalls(config: Config): Promise<void> {
  const log = pino({ level: config.LOG_LEVEL }, pino.destination(2));
  const store = openStore(config);
  const accounts = openAccounts(config);
  const registry = openRegistry(config);
  const outbox = openOutbox(config, 'read');
  const origin = `http://${urlHost(config.HOST)}:${config.PORT}`;
  const adminHost = config.ADMIN_HOST || config.HOST;
  const adminOrigin =
    config.ADMIN_PORT === 0 ? origin : `http://${urlHost(adminHost)}:${config.ADMIN_PORT}`;
  const demo = {
    inbox: inboxOf(config),
    collector: origin,
  };
  const opened = await reach(config, openAccount(accounts, config));
  const { isDemo } = opened;
  let { snapshot, revision: inForce } = opened;
  let inForceSince = Date.now();
  let followed: InForce | undefined;
  const problem = () => store.problem ?? followed?.problem;
  releaseMemory();
  const { token, isNew } = adminToken(config);
  const { tally, ledger } = countsFor(registry, log);
  const recording = new Recording(registry, store);
  const door: FrontDoor = {
    snapshot: () => snapshot,
    revision: () => inForce,
    store,
    guard: new Guard(config.MAX_CALLS_PER_ID),
    deadline: new Deadline(config.DEADLINE_MS),
    tally,
    settings: {
      region: config.REGION,
      cookieName: config.COOKIE_NAME,
      deviceCookie: new DeviceCookie(config.COOKIE_NAME),
    },
    recording,
    report: (message, { tid, error }) => log.error({ tid, err: error }, message),
  };
  const book = new AccountBook(
    accounts,
    async () => {
      const { demoAccount } = await import('./demo/account.ts');
      return demoAccount({ inbox: demo.inbox });
    },
    screening(config.OUTBOUND_ALLOW_PRIVATE === '1'),
  );
  const pages = await buildFolder().catch(() => undefined);
  const clientOf = (c: Context) => clientAddress(c, config.PROXIES);
  const builder = administration({
    book,
    registry,
    outbox,
    door,
    adminToken: token,
    clientOf,
    pages,
  });
  const routes = app({
    door,
    administration: config.ADMIN_PORT === 0 ? builder : undefined,
    tag: await tagScript(pages),
    clients: new Guard(config.MAX_CALLS_PER_CLIENT),
    clientOf,
    problem,
    delivery: () => delivery.problem,
  });
  const deliverer = new DelivererProcess(registry, log, config.SHUTDOWN_MS);
  const sends = () => snapshot.destinations.some(({ kind }) => kind === 'server');
  const delivery = new DeliveryWatch(registry, sends);
  // Who has nothing to send needs no process for it.
  const send = () => {
    if (sends() && config.ROLE === 'all' && isFirstWorker()) deliverer.start();
  };
  send();
  // Nor, as a rule, who has nothing to count exactly. Any worker may be asked for that, and any node.
  if (config.ROLE === 'all' && isFirstWorker()) {
    setInterval(async () => {
      const orders = await censusOrders(registry).catch(() => []);
      if (orders.length > 0) deliverer.start();
    }, CENSUS_MS).unref();
  }
  const heartbeat = new Heartbeat(registry, 'node', () => ({
    ...{ revision: inForce, since: inForceSince, problem: problem() },
  }));
  followed = follow(
    accounts,
    log,
    async (saved) => {
      // Calls that are under way keep the snapshot that they have.
      snapshot = book.takeOver(saved) ?? (await compileAccountInTurns(saved.document));
      inForce = saved.revision;
      inForceSince = Date.now();
      send();
    },
    () => heartbeat.beat(),
  );
  const servers: ServerType[] = [];
  // Of several workers, one is the partner.
  if (isDemo) {
    const [{ shop }, { inbox }] = await Promise.all([
      import('./demo/shop.ts'),
      import('./demo/inbox.ts'),
    ]);
    routes.route(
      '/demo',
      shop({ inbox: demo.inbox, builder: `${adminOrigin}/builder`, snapshot: () => snapshot }),
    );
    routes.get('/', (c) => c.redirect('/demo/'));
    const port = Number(new URL(demo.inbox).port);
    if (isFirstWorker()) {
      servers.push(
        await listen(inbox({ collector: demo.collector }).fetch, config.HOST, port, 'DEMO_PORT'),
      );
    }
  }
  if (config.ADMIN_PORT !== 0) {
    servers.push(await listen(builder.fetch, adminHost, config.ADMIN_PORT, 'ADMIN_PORT'));
  }
  servers.push(await listen(routes.fetch, config.HOST, config.PORT, 'PORT'));
  ledger.start();
  const last = async () => {
    await Promise.all([heartbeat.close(), recording.close()]);
    await Promise.all([registry.close(), outbox.close()]);
  };
  stopOnSignal(servers, store, ledger, [accounts, { close: last }], config.SHUTDOWN_MS, {
    ...{ deliverer, log },
  });
  watchStore(store, log);
  log.info({ origin }, 'started');
  if (!isFirstWorker() || process.env[REPLACEMENT]) return;

  console.log(`Switchyard listens on ${origin}\n`);
  if (isDemo) {
    console.log(`  The demo shop       ${origin}/demo/\n  A partner's inbox   ${demo.inbox}/`);
  }
  console.log(`  The builder         ${adminOrigin}/builder`);
  if (isDemo) console.log('  Your own account    ACCOUNT_FILE=account.json npm start');
  if (isNew) console.log(`\n  ADMIN_TOKEN=${token}   (kept in ${tokenFile(config)})`);
  const people = new People(registry);
  for (let tries = 1; ; tries++) {
    try {
      console.log(`\n  Log in              ${await howToLogIn(people)}`);
      return;
    } catch (error) {
      if (tries === 1) log.error({ err: error }, 'who may log in cannot be read or written now');
      await pause(FIRST_ADMIN_MS);
    }
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

/** How often it is looked whether visitors are to be counted exactly. */
const CENSUS_MS = 500;
/** So often it is tried to make the first admin. */
const FIRST_ADMIN_MS = 2_000;

/** Makes the first admin, where there is nobody yet; this is the only time that the password is shown. */
async function howToLogIn(people: People): Promise<string> {
  const password = await people.first();
  if (password) return `as admin, once within a week, with ${password}`;
  const all = await people.all();
  if (all.some(({ oneTime }) => !oneTime)) return 'with your name and password';
  const admin = all.find(({ role }) => role === 'admin')?.name;
  return `nobody has so far; a new password for ${admin}: npm run account -- password ${admin}`;
}

/**
 * The network address of a client: of the connection, or what the outermost of our own proxies saw.
 * What stands before that in the header could be anybody's invention.
 */
function clientAddress(c: Context, proxies: number): string {
  const forwarded = proxies > 0 ? c.req.header('x-forwarded-for')?.split(',').at(-proxies) : '';
  return forwarded?.trim() || ((c.env.incoming as IncomingMessage).socket.remoteAddress ?? '');
}

/**
 * Gives back what reading a large account took: the document is gone, but V8 would keep its pages. At
 * the field's limits: 354 MB without, 250 MB with it. There is no other way to ask V8 for that.
 */
function releaseMemory(): void {
  if (process.memoryUsage().heapTotal < 100 * 2 ** 20) return;
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc') as (options: object) => void;
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `ACCOUNT_FILE: ${file} cannot be read (${(error as Error).message})\n  write the path of an account document`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`ACCOUNT_FILE: ${file} is not JSON: ${(error as Error).message}`);
  }
}

const tokenFile = ({ DATA_DIR }: Config) => path.join(DATA_DIR, 'admin-token');

function adminToken(config: Config): { token: string; isNew: boolean } {
  if (config.ADMIN_TOKEN) return { token: config.ADMIN_TOKEN, isNew: false };
  const file = tokenFile(config);
  const made = randomBytes(24).toString('base64url');
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, `${made}\n`, { mode: 0o600 });
  try {
    // Of several processes that start at once, one makes the token, and none sees a part of it.
    fs.linkSync(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(temporary);
  }
  const token = fs.readFileSync(file, 'utf8').trim();
  if (!token) throw new ConfigError(`${file} is empty\n  remove it, or set ADMIN_TOKEN`);
  return { token, isNew: token === made };
}

type Fetch = Parameters<typeof serve>[0]['fetch'];

function listen(
  fetch: Fetch,
  hostname: string,
  port: number,
  setting: 'PORT' | 'ADMIN_PORT' | 'DEMO_PORT',
): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve(
      {
        fetch,
        hostname,
        port,
        serverOptions: {
          // A call without Host gets its answer, too; so does one that is far too long.
          requireHostHeader: false,
          maxHeaderSize: 128 * 1024,
          headersTimeout: 10_000,
          requestTimeout: 10_000,
          connectionsCheckingInterval: 1_000,
        },
      },
      () => resolve(server),
    );
    server.once('error', (error: NodeJS.ErrnoException) => {
      const instead =
        error.code === 'EADDRINUSE'
          ? `stop what listens there, or set ${setting}`
          : `set HOST to an address of this machine, and ${setting} to a port that may be used`;
      reject(new ConfigError(`Port ${port} of ${hostname}: ${error.message}\n  ${instead}`));
    });
  });
}

/** For the counts, even if the store took all the time that there was. */
const MIN_LEDGER_MS = 500;

/** Lets open calls finish, keeps what was promised, and ends. */
function stopOnSignal(
  servers: readonly ServerType[],
  store: Store,
  ledger: Ledger,
  others: readonly { close(): Promise<void> }[],
  milliseconds: number,
  { deliverer, log }: { deliverer: DelivererProcess; log: pino.Logger },
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
    await Promise.race([Promise.all(closed), new Promise((resolve) => setTimeout(resolve, open))]);
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

/** Says when the store gets into trouble, and out of it. */
function watchStore(store: Store, log: pino.Logger): void {
  let last: string | undefined;
  let lostBefore = 0;
  setInterval(() => {
    const { problem, lost, whyLost: why } = store;
    if (lost > lostBefore) {
      log.error({ visits: lost - lostBefore, why, problem }, 'visits were not kept');
    }
    lostBefore = lost;
    if (problem !== last) log.warn(problem ? { problem } : {}, problem ? 'store' : 'store is well');
    last = problem;
  }, 1_000).unref();
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
