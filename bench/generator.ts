/**
 * An open-loop load generator: requests leave on schedule, whether or not earlier ones came back, as
 * people open pages. Latency counts from the moment on which a request was to leave, so a server that
 * stands still for a second is charged with everybody who came during that second.
 */
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { build, type Histogram } from 'hdr-histogram-js';
import { HEADERS, queryOf, visitorOf } from './account.ts';

export interface Plan {
  /** Only of this machine. */
  readonly origin: string;
  /** Requests a second, at exponentially distributed distances: people do not agree on when to come. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
  readonly visitors: number;
}

export interface Outcome {
  /** Microseconds from schedule to the end of the answer. */
  readonly latency: Histogram;
  /** Microseconds by which the generator itself was late. */
  readonly lag: Histogram;
  readonly answers: number;
  /** Answers that the server gave without its store, since that was too slow (error 200). */
  readonly late: number;
  /** Other statuses than 200, broken connections, no answer. */
  readonly errors: number;
}

const TICK_MS = 0.2;
/** How long answers are waited for after the last request. */
const PATIENCE_MS = 5_000;

export const isLocal = (origin: string) =>
  ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(origin).hostname);

export async function openLoop(plan: Plan): Promise<Outcome> {
  const generator = new Generator(plan);
  await generator.run();
  return generator;
}

class Generator implements Outcome {
  readonly latency = histogram();
  readonly lag = histogram();
  answers = 0;
  late = 0;
  errors = 0;
  readonly #plan: Plan;
  readonly #requests: readonly Buffer[];
  readonly #free: Connection[] = [];
  readonly #all: Connection[] = [];
  /** When each request was to leave that found no free connection. */
  readonly #queue: number[] = [];
  #next = 0;

  constructor(plan: Plan) {
    if (!isLocal(plan.origin)) throw new Error(`${plan.origin} is not this machine`);
    this.#plan = plan;
    this.#requests = Array.from({ length: plan.visitors }, (_, n) => requestOf(plan, n));
  }

  async run(): Promise<void> {
    const { rate, seconds, connections } = this.#plan;
    for (let i = 0; i < connections; i++) this.#all.push(this.#open());
    await Promise.all(this.#all.map(({ opened }) => opened));
    const end = performance.now() + seconds * 1_000;
    let due = performance.now();
    const ticker = new Worker(TICKER, { eval: true });
    await new Promise<void>((resolve) => {
      ticker.on('message', () => {
        const now = performance.now();
        while (due <= now && due < end) {
          this.lag.recordValue(micro(now - due));
          this.#queue.push(due);
          due += (-Math.log(1 - Math.random()) / rate) * 1_000;
        }
        this.#send();
        if (due >= end) resolve();
      });
    });
    const patience = performance.now() + PATIENCE_MS;
    const isOpen = () => this.#queue.length > 0 || this.#all.some(({ isBusy }) => isBusy);
    while (isOpen() && performance.now() < patience) await pause(5);
    await ticker.terminate();
    const now = performance.now();
    const owed = this.#all.filter(({ isBusy }) => isBusy).map(({ scheduled }) => scheduled);
    for (const scheduled of [...owed, ...this.#queue]) this.#failed(now - scheduled);
    for (const connection of this.#all) connection.close();
  }

  #send(): void {
    let sent = 0;
    while (sent < this.#queue.length && this.#free.length > 0) {
      const connection = this.#free.pop() as Connection;
      if (connection.isClosed) continue;
      connection.send(this.#requests[this.#next], this.#queue[sent++]);
      this.#next = (this.#next + 7_919) % this.#requests.length;
    }
    if (sent > 0) this.#queue.splice(0, sent);
  }

  #failed(milliseconds: number): void {
    this.errors++;
    this.latency.recordValue(micro(milliseconds));
  }

  #open(): Connection {
    const connection: Connection = new Connection(this.#plan.origin, {
      free: () => {
        this.#free.push(connection);
        if (this.#queue.length > 0) this.#send();
      },
      answered: (head, scheduled) => {
        this.answers++;
        if (!head.startsWith('HTTP/1.1 200')) this.errors++;
        else if (/\r\nx-error:[^\r]*\b200\b/i.test(head)) this.late++;
        this.latency.recordValue(micro(performance.now() - scheduled));
      },
      failed: (scheduled) => {
        if (scheduled !== undefined) this.#failed(performance.now() - scheduled);
        this.#all[this.#all.indexOf(connection)] = this.#open();
      },
    });
    return connection;
  }
}

interface Owner {
  free(): void;
  answered(head: string, scheduled: number): void;
  /** The connection has ended, maybe while it owed an answer. */
  failed(scheduled: number | undefined): void;
}

/** A connection with one request under way at most, as a browser's. */
class Connection {
  readonly opened: Promise<void>;
  scheduled = 0;
  isBusy = false;
  isClosed = false;
  readonly #socket: net.Socket;
  readonly #owner: Owner;
  #head = '';
  #bodyLeft = 0;

  constructor(origin: string, owner: Owner) {
    this.#owner = owner;
    const { hostname, port } = new URL(origin);
    const host = hostname.replace(/^\[|\]$/g, '');
    this.#socket = net.connect({ host, port: Number(port), noDelay: true });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', () => {
        resolve();
        owner.free();
      });
      this.#socket.once('error', reject);
    });
    this.opened.catch(() => undefined);
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      if (this.isClosed) return;
      this.isClosed = true;
      const owed = this.isBusy ? this.scheduled : undefined;
      this.isBusy = false;
      // A server that refuses connections is asked again, but not in an endless rush.
      setTimeout(() => owner.failed(owed), 100);
    });
  }

  send(request: Buffer, scheduled: number): void {
    this.scheduled = scheduled;
    this.isBusy = true;
    this.#socket.write(request);
  }

  close(): void {
    this.isClosed = true;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#bodyLeft > 0) this.#bodyLeft -= bytes.length;
    else {
      this.#head += bytes.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1];
      // Whoever sends chunks is not measured here.
      if (length === undefined) {
        this.#socket.destroy();
        return;
      }
      this.#bodyLeft = Number(length) - (this.#head.length - end - 4);
    }
    if (this.#bodyLeft > 0) return;
    const head = this.#head;
    this.#head = '';
    this.#bodyLeft = 0;
    this.isBusy = false;
    this.#owner.answered(head, this.scheduled);
    this.#owner.free();
  }
}

/** Timers of Node come once a millisecond; this one wakes the generator more often. */
const TICKER = `
const { parentPort } = require('node:worker_threads');
const cell = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  Atomics.wait(cell, 0, 0, ${TICK_MS});
  parentPort.postMessage(0);
}`;

const micro = (milliseconds: number) => Math.max(1, Math.round(milliseconds * 1_000));

const histogram = () =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600e6,
    numberOfSignificantValueDigits: 3,
  });

function requestOf({ origin }: Plan, n: number): Buffer {
  const headers = { Host: new URL(origin).host, ...HEADERS, Cookie: `demdex=${visitorOf(n)}` };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from([`GET /event?${queryOf(n)} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
}
