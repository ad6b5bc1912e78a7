/** `npm run bench:size`: how many bytes a visitor takes, in Redis and in the embedded store. */
import fs from 'node:fs';
import path from 'node:path';
import { EmbeddedStore } from '../src/store/embedded/embedded-store.ts';
import { readRedisAddress } from '../src/store/redis/address.ts';
import { ready } from '../src/store/redis/client.ts';
import { RedisStore } from '../src/store/redis/redis-store.ts';
import type { Store } from '../src/store/store.ts';
import { visitorOf } from './account.ts';
import { bench, folder, startRedis } from './contender.ts';

const VISITORS = 2_000;
/** Traits that one visit realizes. */
const VISIT = 5;
const DAY = 20_000;
const lifetimes = { profileDays: 120, newcomerDays: 7, maxWaiting: 1_000_000 };

/** Every visitor comes until all traits are realized; each trait on one day. */
async function fill(store: Store, traits: number): Promise<void> {
  for (let trait = 1; trait <= traits; trait += VISIT) {
    await Promise.all(
      Array.from({ length: VISITORS }, (_, n) => {
        const deviceId = visitorOf(n);
        const realized = Array.from({ length: VISIT }, (_, i) => trait + i);
        const visit = { deviceId, freshId: '', aliases: [], change: { day: DAY, realized } };
        return new Promise<void>((resolve, reject) =>
          store.visit(visit, {
            decide: () => {
              resolve();
              return undefined;
            },
            late: () => {},
            refuse: reject,
          }),
        );
      }),
    );
  }
}

function sizeOf(directory: string): number {
  return fs
    .readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => fs.statSync(path.join(directory, name)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}

await bench(async () => {
  const { url } = await startRedis();
  const address = readRedisAddress(url);
  if (!address) throw new Error(url);
  console.log('traits   bytes of a visitor in Redis   on disk in the embedded store');
  for (const traits of [10, 100, 1_000]) {
    const prefix = `${traits}:`;
    const options = { address, prefix, waitReplicas: 0, patience: 60_000, ...lifetimes };
    const redis = new RedisStore(options);
    await ready(redis.client, 5_000);
    const memory = async () =>
      Number(/used_memory:(\d+)/.exec(await redis.client.info('memory'))?.[1]);
    const before = await memory();
    await fill(redis, traits);
    const inRedis = ((await memory()) - before) / VISITORS;
    await redis.close();
    const directory = path.join(folder, `size-${traits}`);
    const embedded = new EmbeddedStore({ folder: directory, fsync: 'no', ...lifetimes });
    await fill(embedded, traits);
    await embedded.close();
    const onDisk = sizeOf(directory) / VISITORS;
    console.log(
      `${String(traits).padStart(6)}${inRedis.toFixed(0).padStart(30)}${onDisk.toFixed(0).padStart(32)}`,
    );
  }
});
