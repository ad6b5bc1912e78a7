/** A collector in this process, over a real store, without sockets. */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from 'hono';
import { afterAll } from 'vitest';
import { compileAccount } from '../../src/account/snapshot.ts';
import { app } from '../../src/app.ts';
import { administration } from '../../src/builder/administration.ts';
import { AccountBook } from '../../src/builder/book.ts';
import { Deadline } from '../../src/collect/deadline.ts';
import { DeviceCookie } from '../../src/collect/device-cookie.ts';
import type { FrontDoor } from '../../src/collect/event.ts';
import { Guard } from '../../src/collect/guard.ts';
import { newDeviceId } from '../../src/collect/identity.ts';
import type { Recording } from '../../src/collect/recording.ts';
import { Tally } from '../../src/destinations/tally.ts';
import type { Screening } from '../../src/outbound/screening.ts';
import { AccountFile } from '../../src/store/embedded/account-file.ts';
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts';
import { OutboxFile } from '../../src/store/embedded/outbox-file.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import type { Registry } from '../../src/store/registry.ts';
import type { Visit as Addition, Store } from '../../src/store/store.ts';
import { COLLECTOR, exampleAccount } from '../account/example.ts';
import { temporaryFolder } from '../server.ts';

export const TOKEN = 'test-token';

export interface CollectorOptions {
  readonly account?: unknown;
  readonly store?: Store;
  readonly registry?: Registry;
  readonly recording?: Recording;
  readonly screen?: Screening;
  readonly deadline?: number;
  readonly maxCallsPerId?: number;
  readonly maxCallsPerClient?: number;
}

/** The JSON answer, as far as tests look at it. */
export interface Answer {
  readonly uuid?: string;
  readonly dcs_region: number;
  readonly tid: string;
  readonly stuff: { cn: string; cv: string; ttl: number; dmn: string }[];
  readonly dests?: { id: string; y: string; c: string; e: string; hr: boolean }[];
  readonly traits?: number[];
  readonly segments?: number[];
  readonly errors?: { code: number; msg: string }[];
}

const parent = temporaryFolder();
let stores = 0;

let accounts = 0;

/** A store in a folder of its own, closed after the tests of the file. */
export function embeddedStore(): EmbeddedStore {
  const folder = path.join(parent, String(++stores));
  fs.mkdirSync(folder);
  const store = new EmbeddedStore({
    folder,
    fsync: 'no',
    profileDays: 120,
    newcomerDays: 7,
    maxWaiting: 100_000,
  });
  afterAll(() => store.close());
  return store;
}

/** Without sockets, a test says itself from where it calls. */
const clientOf = (c: Context) => c.req.header('X-Test-Client') ?? '127.0.0.1';

/** For tests that are not about what it holds: making one takes time. */
const sharedRegistry = new RegistryFile(parent);
const sharedOutbox = new OutboxFile({
  folder: parent,
  profileDays: 120,
  newcomerDays: 7,
  access: 'read',
});

export class Collector {
  readonly tally = new Tally();
  readonly store: Store;
  /** What operators were told. */
  readonly reports: string[] = [];
  readonly #app: ReturnType<typeof app>;

  constructor(options: CollectorOptions = {}) {
    const snapshot = compileAccount(options.account ?? exampleAccount());
    this.store = options.store ?? embeddedStore();
    const door: FrontDoor = {
      snapshot: () => snapshot,
      store: this.store,
      tally: this.tally,
      guard: new Guard(options.maxCallsPerId ?? 0),
      // Long: that a test machine is slow is not what most tests are about.
      deadline: new Deadline(options.deadline ?? 10_000),
      settings: {
        region: 7,
        cookieName: 'demdex',
        deviceCookie: new DeviceCookie('demdex'),
      },
      recording: options.recording,
      report: (message, about) => {
        this.reports.push(`${message} ${about.tid} ${(about.error as Error)?.stack ?? ''}`);
      },
    };
    const folder = path.join(parent, `account-${++accounts}`);
    const { registry = sharedRegistry } = options;
    const book = new AccountBook(
      new AccountFile(folder),
      async () => options.account ?? exampleAccount(),
      options.screen,
    );
    this.#app = app({
      door,
      administration: administration({
        book,
        registry,
        outbox: sharedOutbox,
        door,
        adminToken: TOKEN,
        clientOf,
      }),
      tag: '/* the tag */',
      clients: new Guard(options.maxCallsPerClient ?? 0),
      problem: () => this.store.problem,
      clientOf,
    });
  }

  /** Every route, as it was mounted. */
  get routes(): readonly { method: string; path: string }[] {
    return this.#app.routes;
  }

  async send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { host: COLLECTOR, ...(init.headers as Record<string, string>) };
    return this.#app.fetch(new Request(`http://${COLLECTOR}${path}`, { ...init, headers }));
  }

  event(query: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.send(`/event?${query}`, { headers });
  }

  /** The JSON answer to a call. */
  async ask(query: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await this.event(`d_rtbd=json&${query}`, headers);
    return (await response.json()) as Answer;
  }

  /** What the store keeps of a device, and of whom other ids lead to. */
  look(deviceId: string | undefined, aliases: Addition['aliases'] = []) {
    const freshId = newDeviceId();
    return this.store.look({ deviceId, aliases, freshId, change: { day: 0 } });
  }

  async realizations(deviceId: string): Promise<Record<number, number>> {
    const { profile } = await this.look(deviceId);
    const counts: Record<number, number> = {};
    for (let i = 0; i < profile.length; i += 2) {
      const trait = profile.realizations[i];
      counts[trait] = (counts[trait] ?? 0) + (profile.realizations[i + 1] & 0xffff);
    }
    return counts;
  }
}

export const codes = ({ errors }: Answer): number[] => (errors ?? []).map(({ code }) => code);
