/** The engine that the settings ask for: embedded, or Redis. */
import fs from 'node:fs';
import { AccountError } from './account/problem.ts';
import { type Config, ConfigError } from './config.ts';
import { AccountFile } from './store/embedded/account-file.ts';
import { EmbeddedStore } from './store/embedded/embedded-store.ts';
import { OutboxFile } from './store/embedded/outbox-file.ts';
import { RegistryFile } from './store/embedded/registry-file.ts';
import type { Outbox } from './store/outbox.ts';
import { AccountRedis } from './store/redis/account-redis.ts';
import { inWords, readRedisAddress } from './store/redis/address.ts';
import { openRedis } from './store/redis/client.ts';
import { OutboxRedis } from './store/redis/outbox-redis.ts';
import { RedisStore } from './store/redis/redis-store.ts';
import { RegistryRedis } from './store/redis/registry-redis.ts';
import type { Registry } from './store/registry.ts';
import { AccountConflict, type AccountStore, type Store } from './store/store.ts';

/** A large account takes its time over a slow line. */
const ACCOUNT_SILENCE_MS = 60_000;

export function openStore(config: Config): Store {
  const address = readRedisAddress(config.REDIS_URL);
  if (!address) {
    return new EmbeddedStore({
      folder: config.DATA_DIR,
      fsync: config.FSYNC,
      profileDays: config.PROFILE_TTL_DAYS,
      newcomerDays: config.NEWCOMER_TTL_DAYS,
      maxWaiting: config.MAX_WAITING,
    });
  }
  return new RedisStore({
    address,
    ca: certificates(config.REDIS_CA_FILE),
    prefix: config.REDIS_PREFIX,
    profileDays: config.PROFILE_TTL_DAYS,
    newcomerDays: config.NEWCOMER_TTL_DAYS,
    waitReplicas: config.REDIS_WAIT_REPLICAS,
    maxWaiting: config.MAX_WAITING,
    patience: config.DEADLINE_MS,
  });
}

export function openAccounts(config: Config): AccountStore {
  const address = readRedisAddress(config.REDIS_URL);
  if (!address) return new AccountFile(config.DATA_DIR);
  const options = { ca: certificates(config.REDIS_CA_FILE), silence: ACCOUNT_SILENCE_MS };
  return new AccountRedis(() => openRedis(address, options), config.REDIS_PREFIX);
}

export function openRegistry(config: Config): Registry {
  const address = readRedisAddress(config.REDIS_URL);
  if (!address) return new RegistryFile(config.DATA_DIR);
  const ca = certificates(config.REDIS_CA_FILE);
  return new RegistryRedis(() => openRedis(address, { ca }), config.REDIS_PREFIX);
}

/** @param access `write` for the one process of a folder that delivers */
export function openOutbox(config: Config, access: 'read' | 'write'): Outbox {
  const address = readRedisAddress(config.REDIS_URL);
  if (!address) {
    return new OutboxFile({
      folder: config.DATA_DIR,
      profileDays: config.PROFILE_TTL_DAYS,
      newcomerDays: config.NEWCOMER_TTL_DAYS,
      access,
    });
  }
  const ca = certificates(config.REDIS_CA_FILE);
  return new OutboxRedis(() => openRedis(address, { ca }), {
    prefix: config.REDIS_PREFIX,
    waitReplicas: config.REDIS_WAIT_REPLICAS,
  });
}

/** Says in words for the person who starts a program that Redis is not there. */
export async function reach<Value>(config: Config, answer: Promise<Value>): Promise<Value> {
  try {
    return await answer;
  } catch (error) {
    const address = readRedisAddress(config.REDIS_URL);
    if (!address || error instanceof AccountError || error instanceof AccountConflict) throw error;
    throw new ConfigError(
      `REDIS_URL: ${inWords(address)}: ${(error as Error).message}\n  start it, or write where it is`,
    );
  }
}

function certificates(file: string): Buffer | undefined {
  if (!file) return undefined;
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new ConfigError(
      `REDIS_CA_FILE: ${(error as Error).message}\n  write the path of a PEM file`,
    );
  }
}
