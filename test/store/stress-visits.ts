/**
 * One of several processes that visit at random through one folder. Prints what it has been told:
 * for each visitor the counts that its decisions saw, and how often each other trait was realized.
 *
 *     node stress-visits.ts '{"folder":"…","segmentSize":500,"milliseconds":3000,"visitors":10}'
 */
import { setTimeout as pause } from 'node:timers/promises';
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts';
import { countOf, device, TODAY, visit } from './workbench.ts';

const { folder, segmentSize, milliseconds, visitors, idle } = JSON.parse(process.argv[2]);
const store = new EmbeddedStore({
  folder,
  segmentSize,
  fsync: 'no',
  profileDays: 120,
  newcomerDays: 7,
  maxWaiting: 10_000,
});
const counts: number[][] = Array.from({ length: visitors }, () => []);
const others: number[][] = Array.from({ length: visitors }, () => [0, 0, 0]);
const random = (n: number) => Math.floor(Math.random() * n);

async function visitor(): Promise<void> {
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    const n = random(visitors);
    const other = random(3);
    const change = { day: TODAY, realized: [1, 10 + other] };
    const aliases = random(10) === 0 ? [{ dataSource: 1, id: `login ${n}` }] : [];
    await visit(
      store,
      { deviceId: device(n), aliases, freshId: device(99), change },
      ({ profile }) => {
        counts[n].push(countOf(profile, 1));
        others[n][other]++;
        return undefined;
      },
    );
    if (random(20) === 0) {
      await store.look({
        deviceId: device(random(visitors)),
        aliases: [],
        freshId: device(99),
        change,
      });
    }
    // Now and then a process has nothing to do while the others go on.
    if (idle && random(200) === 0) await pause(random(idle));
  }
}

// A visit that is never answered would keep this process for ever.
setTimeout(() => {
  console.error(`a visit hangs; the store says: ${store.problem}`);
  process.exit(1);
}, milliseconds + 4_000).unref();
await Promise.all(Array.from({ length: 4 }, visitor));
const { problem } = store;
await store.close();
console.log(JSON.stringify({ counts, others, problem }));
