/**
 * Everything is killed at random moments, for real, while visitors move: the server, the process that
 * delivers, Redis, the partner. In the end the partner has heard of every change, and knows what the
 * profiles say. `CHANGES=100000` makes more of them.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { device } from '../store/workbench.ts';
import { account, realtime, segment, trait } from './example.ts';
import { Chaos, Crowd, Installation, STORES } from './installation.ts';
import { PlainPartner, type State } from './plain-partner.ts';

const CHANGES = Number(process.env.CHANGES ?? 3_000);
/** Everybody enters 51, then leaves it for 52. */
const VISITORS = Math.ceil(CHANGES / 3);
/** Of each after a visit: so that there is something to kill, however few they are. */
const REST_MS = 130_000 / VISITORS;

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

describe.each(STORES)('on the %s store', (store, isThere) => {
  const test = isThere ? it : it.skip;

  test(`${CHANGES} changes arrive, whatever is killed`, {
    timeout: 120_000 + CHANGES * 40,
  }, async () => {
    const partner = await PlainPartner.start();
    ended.push(() => partner.stop());
    const installation = await Installation.start({
      store,
      account: account({
        traits: [trait(1), trait(2)],
        segments: [segment(51, '1T AND NOT 2T'), segment(52, '2T')],
        destinations: [realtime(801, [51, 52], { endpointUrl: partner.url })],
      }),
    });
    ended.push(() => installation.stop());
    const began = Date.now();
    const deeds = {
      ...installation.deeds,
      async partner() {
        partner.stop();
        await pause(500);
        await partner.start();
      },
      async mood() {
        partner.mood = (['silent', 'broken', 'rude'] as const)[Math.floor(Math.random() * 3)];
        await pause(1_000);
        partner.mood = 'well';
      },
    };
    const chaos = new Chaos(deeds, () => partner.heard.size);
    ended.unshift(() => chaos.end().catch(() => {}));
    const crowd = new Crowd(installation.origin, VISITORS, REST_MS);
    const missing = (what: string) =>
      Array.from({ length: VISITORS }, (_, n) => device(n)).filter(
        (id) => !partner.heard.has(`${id} ${what}`),
      ).length;
    const everybodyHeardOf = async (...changes: string[]) => {
      for (const end = Date.now() + 60_000 + CHANGES * 10; Date.now() < end; await pause(200)) {
        if (changes.every((what) => missing(what) === 0)) return;
      }
      for (const what of changes) expect([what, missing(what)]).toEqual([what, 0]);
    };

    await crowd.all('c_t=1');
    await everybodyHeardOf('a51=1');
    await crowd.all('c_t=2');
    await everybodyHeardOf('a51=0', 'a52=1');
    await chaos.end();
    // What was heard twice says the same.
    await expect
      .poll(async () => (await installation.standing(801)).waiting, { timeout: 60_000 })
      .toBe(0);
    const profiles = (await crowd.all()).map((segments, n) => [device(n), stateOf(segments)]);
    expect(Object.fromEntries(partner.states)).toEqual(Object.fromEntries(profiles));
    expect(chaos.done.size).toBeGreaterThan(2);
    if (process.env.CHANGES) {
      const done = [...chaos.done].map(([deed, times]) => `${deed} ${times}`).join(', ');
      const seconds = Math.round((Date.now() - began) / 1_000);
      const repeated = partner.told - partner.heard.size;
      console.log(`${store}: ${seconds} s; ended: ${done}; ${repeated} changes told again`);
    }
  });
});

/** What a partner has to know of who is in these segments. */
const stateOf = (segments: readonly number[]): State =>
  Object.fromEntries([51, 52].map((sid) => [`a${sid}`, segments.includes(sid) ? '1' : '0']));
