/**
 * Whose time has come, by the agendas in Redis: one, or in a Cluster one for each slot.
 *
 * Of each slot this process remembers when the first visitor is due, so it asks few of them. It looks
 * again where a hint says that somebody came, where it has changed something itself, and everywhere from
 * time to time: what went missing costs time only.
 */
import slotOf from 'cluster-key-slot';
import { Cluster } from 'ioredis';
import { type Cause, PUT_OFF_MS } from '../outbox.ts';
import { packDeviceId, readDeviceId } from '../record.ts';
import type { RedisClient } from './client.ts';
import { type Command, type Connection, inPieces } from './connection.ts';
import { hintChannel, slotsIn } from './hint.ts';
import { agendaKey, BY_TIME, visitorKey } from './script.ts';
import { type Primary, SLOTS, tagOf } from './slot.ts';

/** Stands for a time that is not known. */
const LOOK = Number.NEGATIVE_INFINITY;
const NEVER = Number.POSITIVE_INFINITY;
/** Agendas that are asked together; Redis serves nobody else meanwhile. */
const PIECE = 128;
/** So long, a slot that moves is left alone. */
const REST_MS = 1_000;

export interface AgendaOptions {
  readonly prefix: string;
  /** All slots are looked at after so many milliseconds. */
  readonly sweepMs: number;
}

type Due = [member: Buffer, score: number];

export class Agenda {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #isCluster: boolean;
  readonly #sweepMs: number;
  /** By slot: when the first visitor is due, as their score says. */
  readonly #first = new Float64Array(SLOTS).fill(LOOK);
  /** By primary. */
  readonly #swept = new Map<string, number>();
  readonly #open: () => RedisClient;
  /** Of who has asked whose time has come: page servers do not. */
  #subscriber: RedisClient | undefined;

  constructor(connection: Connection, open: () => RedisClient, options: AgendaOptions) {
    this.#connection = connection;
    this.#prefix = options.prefix;
    this.#isCluster = connection.client instanceof Cluster;
    // The only agenda there is is asked every time.
    this.#sweepMs = this.#isCluster ? options.sweepMs : 0;
    this.#open = open;
  }

  keyOf(deviceId: string): string {
    return this.#keyOf(this.#slotOf(deviceId));
  }

  /** Device ids; those who wait longest first. */
  async due({ name, address, slots }: Primary, limit: number, by: Cause): Promise<string[]> {
    if (this.#isCluster && !this.#subscriber) this.#listen();
    this.#sweep(name, slots);
    for (const piece of inPieces(
      slots.filter((slot) => this.#first[slot] === LOOK),
      PIECE,
    )) {
      await this.#look(address, piece);
    }
    const [time] = await this.#connection.together(address, [['TIME']]);
    const now = microsecondsIn(time);
    const [from, to] = by === 'time' ? [BY_TIME, BY_TIME + now] : [0, now];
    // Behind whom a visit has brought, there may be others; they take nobody's place who stands first.
    const behind = (slot: number) => (this.#first[slot] < from ? 1 : 0);
    const waiting = slots.filter(
      (slot) => this.#first[slot] <= now || (this.#first[slot] >= from && this.#first[slot] <= to),
    );
    waiting.sort((a, b) => behind(a) - behind(b) || this.#first[a] - this.#first[b]);
    const asked = waiting.slice(0, limit);
    const count = Math.ceil(limit / asked.length) + 1;
    const due: Due[] = [];
    for (const piece of inPieces(asked, Math.max(1, Math.floor((8 * PIECE) / count)))) {
      due.push(...(await this.#between(address, piece, [from, to], count)));
    }
    due.sort(([, a], [, b]) => a - b);
    return due.slice(0, limit).map(([member]) => readDeviceId(member, 0));
  }

  /** Has visitors looked for again: something has changed. */
  changed(deviceId: string): void {
    this.#first[this.#slotOf(deviceId)] = LOOK;
  }

  /** Leaves a visitor's slot alone for a moment. */
  rest(deviceId: string): void {
    this.#first[this.#slotOf(deviceId)] = (Date.now() + REST_MS) * 1e3;
  }

  /** Has visitors come later, whenever they were to come, so that they are in nobody's way. */
  async putOff(visitors: readonly { readonly deviceId: string }[]): Promise<void> {
    const later = BY_TIME + (Date.now() + PUT_OFF_MS) * 1e3;
    for (const piece of inPieces(visitors, PIECE)) {
      await Promise.all(
        piece.map(({ deviceId }) =>
          this.#connection.run(['ZADD', this.keyOf(deviceId), later, memberOf(deviceId)]),
        ),
      );
      for (const { deviceId } of piece) this.changed(deviceId);
    }
  }

  close(): void {
    this.#subscriber?.disconnect();
  }

  #slotOf(deviceId: string): number {
    return this.#isCluster ? slotOf(visitorKey(this.#prefix, deviceId)) : 0;
  }

  #keyOf(slot: number): string {
    return this.#isCluster ? agendaKey(this.#prefix, tagOf(slot)) : agendaKey(this.#prefix);
  }

  #listen(): void {
    const subscriber = this.#open();
    this.#subscriber = subscriber;
    subscriber.on('error', () => {});
    subscriber.on('messageBuffer', (_: Buffer, hint: Buffer) => {
      for (const slot of slotsIn(hint)) this.#first[slot] = LOOK;
    });
    const subscribe = () => {
      // Whatever was said meanwhile, nobody has heard.
      this.#swept.clear();
      subscriber.subscribe(hintChannel(this.#prefix)).catch(() => undefined);
    };
    if (subscriber.status === 'ready') subscribe();
    subscriber.on('ready', subscribe);
  }

  #sweep(name: string, slots: readonly number[]): void {
    const now = performance.now();
    const last = this.#swept.get(name);
    if (last !== undefined && now - last < this.#sweepMs) return;
    for (const slot of slots) this.#first[slot] = LOOK;
    // Primaries come and go.
    if (this.#swept.size > SLOTS) this.#swept.clear();
    this.#swept.set(name, now);
  }

  /** Learns who is first in some slots, whenever they are due. */
  async #look(address: string, slots: readonly number[]): Promise<void> {
    // A hint that comes meanwhile is not to be forgotten.
    for (const slot of slots) this.#first[slot] = NEVER;
    const heads = await this.#ask(address, slots, ['0', '0']);
    for (const [i, slot] of slots.entries()) {
      this.#first[slot] = Math.min(this.#first[slot], heads[i][0]?.[1] ?? NEVER);
    }
  }

  /** Of some slots, those who come first between two scores. */
  async #between(
    address: string,
    slots: readonly number[],
    [from, to]: readonly number[],
    count: number,
  ): Promise<Due[]> {
    const range = [from.toFixed(), to.toFixed(), 'BYSCORE', 'LIMIT', '0', String(count)];
    const found = await this.#ask(address, slots, range);
    // What is known of whom was taken from there is out of date.
    for (const [i, slot] of slots.entries()) if (found[i].length === 0) this.#first[slot] = LOOK;
    return found.flat();
  }

  async #ask(
    address: string,
    slots: readonly number[],
    range: readonly string[],
  ): Promise<Due[][]> {
    const commands = slots.map(
      (slot): Command => ['ZRANGE', this.#keyOf(slot), ...range, 'WITHSCORES'],
    );
    try {
      const answers = await this.#connection.together(address, commands);
      return answers.map((answer) => {
        if (answer instanceof Error) throw answer;
        // RESP3 has a row for each, RESP2 one for all.
        const row = (answer as Buffer[]).flat();
        const due: Due[] = [];
        for (let at = 0; at < row.length; at += 2) due.push([row[at], Number(row[at + 1])]);
        return due;
      });
    } catch (error) {
      for (const slot of slots) this.#first[slot] = LOOK;
      throw error;
    }
  }
}

/** What `TIME` says. */
export function microsecondsIn(time: unknown): number {
  const [seconds, rest] = (time as [Buffer, Buffer]).map(Number);
  return seconds * 1e6 + rest;
}

/** A visitor, as the agenda names them. */
export const memberOf = (deviceId: string): Buffer =>
  packDeviceId(deviceId, Buffer.alloc(19)) as Buffer;
