/** Connections to Redis: one server, a primary that Sentinels know, or a Cluster. */
import slotOf from 'cluster-key-slot';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './address.ts';
import { COMPACT_SCRIPT } from './script.ts';

export type RedisClient = (Redis | Cluster) & {
  compact(key: string, ...fields: (string | number | Buffer)[]): Promise<number>;
};

export interface ConnectionOptions {
  readonly ca?: Buffer;
  /** How long a connection may be silent while it owes an answer; sending is silence, too. */
  readonly silence?: number;
}

const SILENCE_MS = 2_000;

export function openRedis(address: RedisAddress, options: ConnectionOptions = {}): RedisClient {
  const { hosts, username, password, db } = address;
  const tls = address.tls ? { ca: options.ca } : undefined;
  const common: RedisOptions = {
    username,
    password,
    tls,
    connectionName: 'switchyard',
    socketTimeout: options.silence ?? SILENCE_MS,
    connectTimeout: SILENCE_MS,
    // What was not answered is repeated by the store, which knows what may be repeated.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    scripts: { compact: { lua: COMPACT_SCRIPT, numberOfKeys: 1 } },
    // A primary that has become a replica: ask again who is the primary, or resolve the name anew.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  };
  const soon = (times: number) => Math.min(50 * times, 500);
  if (address.kind === 'cluster') {
    return new Cluster([...hosts], {
      redisOptions: common,
      scripts: common.scripts,
      clusterRetryStrategy: soon,
      enableOfflineQueue: false,
      slotsRefreshInterval: 2_000,
      slotsRefreshTimeout: 1_000,
      retryDelayOnFailover: 100,
      maxRedirections: 4,
    }) as RedisClient;
  }
  if (address.kind === 'sentinel') {
    return new SentinelRedis({
      ...common,
      db,
      sentinels: [...hosts],
      name: address.primary,
      enableTLSForSentinelMode: address.tls,
      sentinelTLS: tls,
      sentinelRetryStrategy: soon,
      retryStrategy: soon,
      failoverDetector: true,
      enableOfflineQueue: false,
    }) as Redis as RedisClient;
  }
  return new Redis({
    ...common,
    ...hosts[0],
    db,
    retryStrategy: soon,
    enableOfflineQueue: false,
  }) as RedisClient;
}

const AGAIN_MS = 50;

/**
 * `ioredis` gives up for good where Sentinels announce another primary in the middle of an attempt to
 * connect: its detector ends the attempt, not knowing the client. So begin again.
 */
class SentinelRedis extends Redis {
  #isClosed = false;

  constructor(options: RedisOptions) {
    super({ ...options, replyMapping: 'legacy' });
    this.on('end', () => {
      setTimeout(() => {
        if (!this.#isClosed && this.status === 'end') this.connect().catch(() => undefined);
      }, AGAIN_MS).unref();
    });
  }

  override disconnect(reconnect = false): void {
    this.#isClosed ||= !reconnect;
    super.disconnect(reconnect);
  }
}

/** The primary that has a key now; the same for all keys where there is only one. */
export function nodeOf(client: RedisClient, key: string): string {
  return client instanceof Cluster ? (client.slots[slotOf(key)]?.[0] ?? '') : '';
}

/** The connection to a member of a Cluster; the only one where there is one. */
export function connectionTo(client: RedisClient, node: string): Redis | undefined {
  if (!(client instanceof Cluster)) return client;
  return client
    .nodes('all')
    .find(({ options: { host = '', port } }) => `${host}:${port}` === node.replace(/[[\]]/g, ''));
}

interface Awaited {
  readonly waiters: Set<() => void>;
  /** Why it cannot be used, as it was said last. */
  problem: string;
}

/** Clients that somebody waits for: however many do, a client has one listener. */
const awaited = new WeakMap<RedisClient, Awaited>();

/** Waits until a client can be used. */
export function ready(client: RedisClient, milliseconds: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  const wait = awaited.get(client) ?? listenTo(client);
  return new Promise((resolve, reject) => {
    const isReady = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      wait.waiters.delete(isReady);
      reject(new Error(wait.problem));
    }, milliseconds);
    wait.waiters.add(isReady);
  });
}

function listenTo(client: RedisClient): Awaited {
  const wait: Awaited = { waiters: new Set(), problem: 'no answer' };
  const listen = ({ message }: Error) => {
    wait.problem = message;
  };
  client.on('error', listen);
  client.once('ready', () => {
    client.off('error', listen);
    awaited.delete(client);
    for (const isReady of wait.waiters) isReady();
  });
  awaited.set(client, wait);
  return wait;
}
