/** The server: answers calls of pages, and people who work with the builder. */
import type { IncomingMessage } from 'node:http';
import v8 from 'node:v8';
import vm from 'node:vm';
import type { ServerType } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import pino, { type Logger } from 'pino';
import { compileAccountInTurns, type Snapshot } from './account/snapshot.ts';
import { follow, type InForce } from './account-in-force.ts';
import { adminToken } from './admin-token.ts';
import { app } from './app.ts';
import { administration } from './builder/administration.ts';
import { AccountBook } from './builder/book.ts';
import { buildFolder } from './builder/build.ts';
import { Deadline } from './collect/deadline.ts';
import { DeviceCookie } from './collect/device-cookie.ts';
import type { FrontDoor } from './collect/event.ts';
import { Guard } from './collect/guard.ts';
import { Recording } from './collect/recording.ts';
import type { Config } from './config.ts';
import { countsFor } from './counts.ts';
import { DelivererProcess } from './deliverer-process.ts';
import { openAccounts, openOutbox, openRegistry, openStore, reach } from './engine.ts';
import { greet } from './greeting.ts';
import { Heartbeat } from './heartbeat.ts';
import { inboxOf, openAccount, urlHost } from './initial-account.ts';
import { listen } from './listener.ts';
import { censusOrders } from './outbound/census/census-order.ts';
import { DeliveryWatch } from './outbound/deliverers.ts';
import { screening } from './outbound/screening.ts';
import { stopOnSignal } from './shutdown.ts';
import type { Store } from './store/store.ts';
import { tagScript } from './tag/script.ts';
import { isFirstWorker, REPLACEMENT } from './workers.ts';

/** How often it is looked whether visitors are to be counted exactly. */
const CENSUS_MS = 500;

export async function serveCalls(config: Config): Promise<void> {
  const log = pino({ level: config.LOG_LEVEL }, pino.destination(2));
  const store = openStore(config);
  const accounts = openAccounts(config);
  const registry = openRegistry(config);
  const outbox = openOutbox(config, 'read');
  const origin = `http://${urlHost(config.HOST)}:${config.PORT}`;
  const adminHost = config.ADMIN_HOST || config.HOST;
  const adminOrigin =
    config.ADMIN_PORT === 0 ? origin : `http://${urlHost(adminHost)}:${config.ADMIN_PORT}`;
  const inbox = inboxOf(config);
  const opened = await reach(config, openAccount(accounts, config));
  const { isDemo } = opened;
  let { snapshot, revision: inForce } = opened;
  let inForceSince = Date.now();
  let followed: InForce | undefined;
  const problem = () => store.problem ?? followed?.problem;
  releaseMemory();
  const token = adminToken(config);
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
      return demoAccount({ inbox });
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
    adminToken: token.token,
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
  if (isDemo) {
    const builder = `${adminOrigin}/builder`;
    const partner = await addDemo(routes, { inbox, builder, origin }, () => snapshot);
    // Of several workers, one is the partner.
    if (isFirstWorker()) {
      const port = Number(new URL(inbox).port);
      servers.push(await listen(partner.fetch, config.HOST, port, 'DEMO_PORT'));
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
  const others = [accounts, { close: last }];
  stopOnSignal({ servers, deliverer, store, ledger, others }, config.SHUTDOWN_MS, log);
  watchStore(store, log);
  log.info({ origin }, 'started');
  if (!isFirstWorker() || process.env[REPLACEMENT]) return;
  const greeting = { origin, adminOrigin, inbox: isDemo ? inbox : undefined, adminToken: token };
  await greet(greeting, registry, log);
}

/** Adds the demo's shop to a server. Returns its partner, who listens elsewhere. */
async function addDemo(
  routes: Hono,
  { inbox, builder, origin }: Readonly<Record<'inbox' | 'builder' | 'origin', string>>,
  snapshot: () => Snapshot,
): Promise<Pick<Hono, 'fetch'>> {
  const [demo, partner] = await Promise.all([import('./demo/shop.ts'), import('./demo/inbox.ts')]);
  routes.route('/demo', demo.shop({ inbox, builder, snapshot }));
  routes.get('/', (c) => c.redirect('/demo/'));
  return partner.inbox({ collector: origin });
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

/** Says when the store gets into trouble, and out of it. */
function watchStore(store: Store, log: Logger): void {
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
