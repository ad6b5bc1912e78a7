/**
 * `npm run bench:decide`: the pure decision (a call read, traits, segments, destinations; no HTTP, no
 * store) for an account with 10 of each and one at the field's limits, side by side.
 */
import { Bench } from 'tinybench';
import { compileAccount, type Snapshot } from '../src/account/snapshot.ts';
import { Profile } from '../src/audience/profile.ts';
import { type RawCall, readCall } from '../src/collect/call.ts';
import { changeOf, decide, realize } from '../src/collect/decision.ts';
import { benchAccount, CONCERTS, HEADERS, LIMITS, queryOf, SMALL, visitorOf } from './account.ts';

const settings = { cookieName: 'demdex' };
const headers = new Map(
  Object.entries({ ...HEADERS, Host: 'collect.example' }).map(([k, v]) => [k.toLowerCase(), v]),
);

const calls = Array.from({ length: 4 * CONCERTS }, (_, n): RawCall => {
  const id = visitorOf(n);
  return {
    query: queryOf(n),
    body: '',
    foreignBody: false,
    header: (name) => headers.get(name) ?? null,
    cookies: { demdex: id },
    at: Date.UTC(2026, 10, 23),
  };
});

/** One decision after the other, each for a visitor who has been here before. */
function decider(snapshot: Snapshot): () => void {
  const profiles = calls.map(() => new Profile());
  let n = 0;
  return () => {
    n = (n + 1) % calls.length;
    const call = readCall(calls[n], snapshot, settings);
    const realization = realize(snapshot, call);
    const profile = profiles[n];
    profile.apply(changeOf(call, realization));
    decide(snapshot, call, call.deviceId ?? '', profile, 7);
  };
}

const before = process.memoryUsage().rss;
const started = performance.now();
const large = compileAccount(benchAccount(LIMITS));
const compiled = performance.now() - started;
const bench = new Bench({ time: 2_000, warmupTime: 1_000 });
bench.add('10 of each', decider(compileAccount(benchAccount(SMALL))));
bench.add('at the limits', decider(large));
await bench.run();
const micro = bench.tasks.map(({ name, result }) => {
  if (result.state !== 'completed') throw new Error(`${name} did not complete`);
  const { mean, p99 } = result.latency;
  console.log(
    `${name.padEnd(14)} ${(mean * 1000).toFixed(2)} µs, p99 ${(p99 * 1000).toFixed(1)} µs`,
  );
  return mean;
});
console.log(`at the limits / 10 of each: ${(micro[1] / micro[0]).toFixed(2)} of the time`);
const memory = (process.memoryUsage().rss - before) / 2 ** 20;
console.log(
  `${LIMITS.traits} traits, ${LIMITS.segments} segments, ${LIMITS.destinations} destinations: ` +
    `compiled in ${(compiled / 1000).toFixed(1)} s, process grew by ${memory.toFixed(0)} MB`,
);
