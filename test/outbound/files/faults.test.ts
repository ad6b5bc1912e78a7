/**
 * Everything is killed at random moments, for real, while changes are written to files: the server, the
 * process that delivers, Redis, where the files go. In the end the complete files have each change once,
 * and say what the profiles say. `CHANGES=20000` makes more of them.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../redis.ts';
import { device } from '../../store/workbench.ts';
import { account, segment, trait } from '../example.ts';
import { Chaos, Crowd, Installation, STORES } from '../installation.ts';
import { arrived, type Shelf } from './runs.ts';
import { startS3Server } from './s3-server.ts';
import { hasSftpServer, startSftpServer } from './sftp-server.ts';

const CHANGES = Number(process.env.CHANGES ?? 1_200);
/** Everybody enters 51, then leaves it for 52. */
const VISITORS = Math.ceil(CHANGES / 3);
/** Of each after a visit: so that there are many runs, however few they are. */
const REST_MS = 50_000 / VISITORS;
const SPLIT_LINES = Math.max(20, Math.ceil(CHANGES / 100));
/** Between two runs that are asked for; by themselves they come every minute. */
const RUN_MS = 250;

/** A partner who gets files. */
interface Place {
  readonly destinationId: number;
  readonly fields: object;
  readonly shelf: Shelf;
  start(): Promise<void>;
  stop(): Promise<void>;
}

async function onSftp(): Promise<Place> {
  const server = await startSftpServer();
  const { host, port, user, path: folder, hostKeys, privateKey } = server.target;
  return {
    destinationId: 801,
    fields: {
      target: `sftp://${user}@${host}:${port}${folder}`,
      credentials: { hostKey: hostKeys[0], privateKey },
      compress: true,
    },
    shelf: {
      names: () => fs.readdirSync(server.folder),
      read: (name) => fs.readFileSync(path.join(server.folder, name)),
    },
    start: () => server.start(),
    stop: () => server.stop(),
  };
}

async function onS3(): Promise<Place> {
  const server = await startS3Server();
  const { bucket, prefix, endpoint, region, accessKeyId, secretAccessKey } = server.target;
  // It writes in place, where storage would have all of an object or nothing.
  const whole = new Map<string, Buffer>();
  const isWhole = (name: string) => {
    const info = whole.get(name) ?? server.read(name);
    if (info.toString().endsWith('}}')) whole.set(name, info);
    return whole.has(name);
  };
  return {
    destinationId: 802,
    fields: {
      target: `s3://${bucket}/${prefix}`,
      ...{ endpoint, region },
      credentials: { accessKeyId, secretAccessKey },
    },
    shelf: {
      names: () => server.names().filter((name) => !name.endsWith('.info') || isWhole(name)),
      read: (name) => whole.get(name) ?? server.read(name),
    },
    start: () => server.start(),
    stop: () => server.stop(),
  };
}

/** What complete files say, in order: `visitor segment=status`. */
const toldBy = ({ shelf }: Place): string[] =>
  arrived(shelf).flatMap(({ lines }) =>
    lines.flatMap((line) => {
      const [id, joined, left = ''] = line.split(' ');
      const said = (aliases: string, status: number) =>
        aliases.split(',').flatMap((alias) => (alias ? `${id} ${alias}=${status}` : []));
      return [...said(joined, 1), ...said(left, 0)];
    }),
  );

const ofEverybody = (...changes: string[]): string[] =>
  Array.from({ length: VISITORS }, (_, n) => changes.map((what) => `${device(n)} ${what}`)).flat();

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

describe.each(STORES)('on the %s store', (store, isThere) => {
  it.skipIf(!isThere)(
    `${CHANGES} changes are in files once, whatever is killed`,
    {
      timeout: 180_000 + CHANGES * 60,
    },
    async () => {
      const places = await Promise.all([onS3(), ...(hasSftpServer ? [onSftp()] : [])]);
      for (const place of places) ended.push(() => place.stop());
      const installation = await Installation.start({
        store,
        account: account({
          traits: [trait(1), trait(2)],
          segments: [segment(51, '1T AND NOT 2T'), segment(52, '2T')],
          destinations: places.map(({ destinationId, fields }) => ({
            ...{ destinationId, name: `files ${destinationId}`, destinationType: 'S2S' },
            ...{
              transfer: 'file',
              syncMode: 'iter',
              schedule: '* * * * *',
              splitLines: SPLIT_LINES,
            },
            mappings: [51, 52].map((sid) => ({ sid, traitAlias: `a${sid}` })),
            ...fields,
          })),
        }),
      });
      ended.push(() => installation.stop());
      const began = Date.now();
      let isOver = false;
      const running = places.map(async ({ destinationId }) => {
        for (; !isOver; await pause(RUN_MS)) {
          // Nobody may be there to do it.
          await installation.rest('POST', `/deliveries/${destinationId}/runs`).catch(() => {});
        }
      });
      ended.unshift(() => {
        isOver = true;
      });
      const place = async (which: number) => {
        await places[which % places.length].stop();
        await pause(500);
        await places[which % places.length].start();
      };
      const deeds = { ...installation.deeds, s3: () => place(0), sftp: () => place(1) };
      const arrivals = () => places.reduce((sum, { shelf }) => sum + shelf.names().length, 0);
      const chaos = new Chaos(deeds, arrivals);
      ended.unshift(() => chaos.end().catch(() => {}));
      const crowd = new Crowd(installation.origin, VISITORS, REST_MS);
      const everybodyIsTold = (...changes: string[]) =>
        until(
          `files that tell ${changes}`,
          async () => {
            await pause(250);
            return places.every((one) => {
              const told = new Set(toldBy(one));
              return ofEverybody(...changes).every((change) => told.has(change));
            });
          },
          60_000 + CHANGES * 20,
        );

      await crowd.all('c_t=1');
      await everybodyIsTold('a51=1');
      await crowd.all('c_t=2');
      await everybodyIsTold('a51=0', 'a52=1');
      await chaos.end();
      // Whatever may still be under way says nothing twice.
      for (const { destinationId } of places) {
        await expect
          .poll(async () => (await installation.standing(destinationId)).waiting, {
            timeout: 60_000,
          })
          .toBe(0);
      }
      isOver = true;
      await Promise.all(running);
      const profiles = (await crowd.all()).flatMap((segments, n) =>
        [51, 52].map((sid) => `${device(n)} a${sid}=${segments.includes(sid) ? 1 : 0}`),
      );
      for (const one of places) {
        const told = toldBy(one);
        expect([...told].sort()).toEqual(ofEverybody('a51=1', 'a51=0', 'a52=1').sort());
        const last = new Map(told.map((said) => [said.split('=')[0], said]));
        expect([...last.values()].sort()).toEqual(profiles.sort());
      }
      expect(chaos.done.size).toBeGreaterThan(2);
      if (process.env.CHANGES) {
        const done = [...chaos.done].map(([deed, times]) => `${deed} ${times}`).join(', ');
        const seconds = Math.round((Date.now() - began) / 1_000);
        const runs = places.map(({ shelf }) => arrived(shelf).length).join(' and ');
        console.log(`${store}: ${seconds} s; ended: ${done}; ${runs} runs with files`);
      }
    },
  );
});
