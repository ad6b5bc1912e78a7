/** The registry: its contract on every engine, and what faults do to it. */
import { afterAll, beforeAll, describe } from 'vitest';
import {
  type RunningCluster,
  type RunningRedis,
  redisServer,
  startCluster,
  startRedis,
} from '../redis.ts';
import { temporaryFolder } from '../server.ts';
import { registryContract } from './registry.ts';

let places = 0;
const newPrefix = () => `r${++places}:`;

describe('the registry in files', () => {
  registryContract(() => ({ DATA_DIR: temporaryFolder() }));
});

describe.skipIf(!redisServer)('the registry on one Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  registryContract(() => ({ REDIS_URL: redis.url, REDIS_PREFIX: newPrefix() }));
});

describe.skipIf(!redisServer)('the registry on a Cluster', () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.stop());
  registryContract(() => ({ REDIS_URL: cluster.url, REDIS_PREFIX: newPrefix() }));
});
