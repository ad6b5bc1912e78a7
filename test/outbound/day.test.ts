/**
 * A partner is dead for a day, by a clock that the test puts forward, while visitors come each hour, enter
 * a segment and leave the one before. Nobody feels it, and in the end the partner hears everything.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { Clock } from '../clock.ts';
import { askable, heldBy } from '../held-memory.ts';
import { childrenOf, temporaryFolder } from '../server.ts';
import { service } from '../services.ts';
import { device } from '../store/workbench.ts';
import { account, realtime, segment, trait } from './example.ts';
import { Crowd, Installation, STORES } from './installation.ts';
import { PlainPartner } from './plain-partner.ts';

/** Redis has a clock of its own, which only Linux lets be replaced so. */
const compiler = process.platform === 'linux' ? service('cc', 'apt-get install gcc') : undefined;

/** Who come each hour. */
const VISITORS = Number(process.env.VISITORS ?? 200);
const HOURS = 23;
const HOUR = 3_600;
const RETRY_HOURS = 24;
/** Segments that are entered, and left, together: what waits would be seen if it were held in memory. */
const TOGETHER = 50;
/** So much more memory may be held in the second half of the day than in the first. */
const BOUND = 1.1;

const steps = Array.from({ length: HOURS }, (_, i) => i + 1);
const sidsOf = (step: number) => Array.from({ length: TOGETHER }, (_, i) => step * 100 + i);
const said = (step: number, status: 0 | 1) =>
  step < 1 ? [] : sidsOf(step).map((sid) => `a${sid}=${status}`);
/** Of everybody, hour by hour; beside what moved, a message has what else they are in now. */
const HISTORY = steps.map((step) =>
  [...said(step - 1, 0), ...said(step, 1), ...(step < HOURS ? said(HOURS, 1) : [])]
    .sort()
    .join(' '),
);

const PATIENT = { timeout: 120_000 + VISITORS * 400 };

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

describe.each(STORES)('on the %s store', (store, isThere) => {
  const test = it.skipIf(!isThere || (store === 'Redis' && !compiler));

  /** The partner is dead from the first hour to the last. Returns what to go on with. */
  async function day() {
    const partner = await PlainPartner.start();
    ended.push(() => partner.stop());
    const folder = temporaryFolder();
    const clock = new Clock(folder);
    const installation = await Installation.start({
      ...{ store, clock, compiler },
      account: account({
        traits: [...steps, HOURS + 1].map((sid) => trait(sid)),
        segments: steps.flatMap((step) =>
          sidsOf(step).map((sid) => segment(sid, `${step}T AND NOT ${step + 1}T`)),
        ),
        destinations: [realtime(801, steps.flatMap(sidsOf), { endpointUrl: partner.url })],
      }),
      environment: {
        OUTBOUND_RETRY_HOURS: String(RETRY_HOURS),
        ...askable(folder),
        NODE_OPTIONS: `${clock.ofNode.NODE_OPTIONS} ${askable(folder).NODE_OPTIONS}`,
      },
    });
    ended.push(() => installation.stop());
    const crowd = new Crowd(installation.origin, VISITORS);
    const standing = () => installation.standing(801);
    partner.stop();
    const memory: Record<string, number[]> = { server: [], deliverer: [] };
    for (const step of steps) {
      await crowd.all(`c_t=${step}`);
      await expect
        .poll(async () => (await standing()).waiting, { ...PATIENT, interval: 50 })
        .toBe(VISITORS * step);
      const { server } = installation;
      memory.server.push(await heldBy(server.process.pid as number, folder));
      memory.deliverer.push(await heldBy(childrenOf(server)[0], folder));
      if (step < HOURS) clock.advance(HOUR);
    }
    // What the partner has to know in the end.
    for (const segments of await crowd.all()) {
      expect(segments.sort((a, b) => a - b)).toEqual(sidsOf(HOURS));
    }
    expect(crowd.refusals).toBe(0);
    for (const sizes of Object.values(memory)) {
      const half = Math.ceil(HOURS / 2);
      expect(Math.max(...sizes.slice(half))).toBeLessThan(
        BOUND * Math.max(...sizes.slice(0, half)),
      );
    }
    return { partner, clock, installation, crowd, standing };
  }

  const everybody = (what: unknown) =>
    Object.fromEntries(Array.from({ length: VISITORS }, (_, n) => [device(n), what]));

  test(`of ${HOURS} hours, all is delivered afterwards, in order`, PATIENT, async () => {
    const { partner, clock, standing } = await day();
    await partner.start();
    // The longest pause of an open circuit.
    clock.advance(60);
    await expect.poll(standing, PATIENT).toMatchObject({ waiting: 0, dead: 0 });
    const disordered = ([, told]: [string, string[]]) => String(told) !== String(HISTORY);
    expect([...partner.histories].find(disordered)).toBe(undefined);
    expect(partner.histories.size).toBe(VISITORS);
  });

  test(
    'that is longer than it is tried, dead letters have it all, to be sent once more',
    PATIENT,
    async () => {
      const { partner, clock, standing, installation, crowd } = await day();
      for (let hour = 0; hour <= RETRY_HOURS; hour++) {
        clock.advance(HOUR);
        await crowd.come(0);
      }
      await expect.poll(standing, PATIENT).toMatchObject({ waiting: 0, dead: expect.any(Number) });
      expect(partner.states.size).toBe(0);
      await partner.start();
      const { count } = await installation.rest<{ count: number }>(
        'POST',
        '/deliveries/801/dead-letters/replay',
        {},
      );
      // On a busy machine it goes on after the answer.
      expect(count).toBeGreaterThan(0);
      clock.advance(60);
      await expect.poll(standing, PATIENT).toMatchObject({ waiting: 0, dead: 0 });
      const state = Object.fromEntries(
        steps.flatMap((step) => sidsOf(step).map((sid) => [`a${sid}`, step === HOURS ? '1' : '0'])),
      );
      expect(Object.fromEntries(partner.states)).toEqual(everybody(state));
      expect(crowd.refusals).toBe(0);
    },
  );
});
