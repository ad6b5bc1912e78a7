/** The engine that the settings ask for: embedded, or Redis. */
import fs from 'node:fs';
import { AccountError } from './account/problem.ts';
import { type Config, ConfigError } from './config.ts';
import { AccountFile } from './store/account-file.ts';
import { AccountRedis } from './store/account-redis.ts';
import { EmbeddedStore } from './store/embedded.ts';
import { RedisStore } from './store/redis.ts';
import { inWords, type RedisAddress, readRedisAddress } from './store/redis-address.ts';
import { openRedis } from './store/redis-client.ts';
import type { AccountStore, Store } from './store/store.ts';

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
    ...connectionOf(config, address),
    waitReplicas: config.REDIS_WAIT_REPLICAS,
    maxWaiting: config.MAX_WAITING,
    patience: config.DEADLINE_MS,
  });
}

export function openAccounts(config: Config): AccountStore {
  const address = readRedisAddress(config.REDIS_URL);
  if (!address) return new AccountFile(config.DATA_DIR);
  const { prefix, profileDays, newcomerDays, ca } = connectionOf(config, address);
  const scripts = { prefix, profileDays, newcomerDays };
  return new AccountRedis(() => openRedis(address, scripts, ca), prefix);
}

/** Says in words for the person who starts a program that Redis is not there. */
export async function reach<Value>(config: Config, answer: Promise<Value>): Promise<Value> {
  try {
    return await answer;
  } catch (error) {
    const address = readRedisAddress(config.REDIS_URL);
    if (!address || error instanceof AccountError) throw error;
    throw new ConfigError(
      `REDIS_URL: ${inWords(address)}: ${(error as Error).message}\n  start it, or write where it is`,
    );
  }
}

function connectionOf(config: Config, address: RedisAddress) {
  return {
    address,
    prefix: config.REDIS_PREFIX,
    profileDays: config.PROFILE_TTL_DAYS,
    newcomerDays: config.NEWCOMER_TTL_DAYS,
    ca: certificates(config.REDIS_CA_FILE),
  };
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
