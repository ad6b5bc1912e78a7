/** What runs are tested with: visitors, their changes, and a look at what has arrived. */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { Profile } from '../../../src/audience/profile.ts';
import type { FileTransfer } from '../../../src/destinations/destination.ts';
import type { FileDestination } from '../../../src/outbound/files/file-run.ts';
import type { RunReport } from '../../../src/outbound/files/file-runner.ts';
import type { Info } from '../../../src/outbound/files/sync-file.ts';
import type { ServerMapping, Terms } from '../../../src/outbound/terms.ts';
import type { Move } from '../../../src/store/outbox.ts';
import { endWithTests } from '../../server.ts';
import { MemoryOutbox, OutboxMemory } from '../outbox-memory.ts';
import type { Call, Said, Task } from './file-run-process.ts';

export const ID = 17;
/** Segments that are mapped, each to its number with a letter. */
export const SIDS = [1, 2, 3, 4, 5];
export const aliasOf = (sid: number) => `m${sid}`;

export function destinationOf(
  transfer: Partial<FileTransfer> & Pick<FileTransfer, 'target'>,
  labels = 0,
): FileDestination {
  return {
    ...{ kind: 'server', id: ID, name: 'D', active: true, platform: 'all', labels, priority: 0 },
    isFallback: false,
    consent: { purposes: 0, vendors: [], serviceProvider: false },
    publish: { to: 'all_domains', sites: new Set() },
    transfer: {
      ...{ kind: 'file', userDataSource: undefined, alias: '', syncMode: 'iter' },
      ...{ schedule: undefined, splitLines: undefined, compress: false },
      ...transfer,
    },
  };
}

export function mappingsOf(
  destination: FileDestination,
  change: (sid: number) => Partial<ServerMapping> = () => ({}),
): Terms['mappings'] {
  const mappings = SIDS.map((sid): [number, ServerMapping] => [
    sid,
    {
      ...{ destination, segment: sid, sid, alias: aliasOf(sid), key: '', priority: 0 },
      ...{ from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, restrictions: 0 },
      ...change(sid),
    },
  ]);
  return new Map([[ID, new Map(mappings)]]);
}

export function termsOf(destination: FileDestination, mappings = mappingsOf(destination)): Terms {
  return {
    ...{ mappings, clocks: new Map(), digest: '' },
    destinations: new Map([[destination.id, destination]]),
  };
}

/** A visitor is in the segments that have the numbers of realized traits. */
export const membersIn = ({ realizations, length }: Profile): ReadonlySet<number> =>
  new Set(realizations.subarray(0, length).filter((_, i) => i % 2 === 0));

export const deviceId = (number: number) => `${'7'.repeat(30)}${String(number).padStart(8, '0')}`;

/** An outbox with visitors in it. */
export class Visitors {
  readonly memory = new OutboxMemory();
  readonly outbox = new MemoryOutbox(this.memory);

  add(number: number, change: (profile: Profile) => void = () => {}): string {
    const id = deviceId(number);
    const profile = new Profile();
    change(profile);
    this.memory.keep(id, profile);
    return id;
  }

  /** Somebody joins and leaves segments: told is changed and an entry queued in one step. */
  move(number: number, joined: readonly number[], left: readonly number[] = []): void {
    const id = deviceId(number);
    if (!this.memory.profiles.has(id)) this.add(number);
    const at = Math.floor(Date.now() / 1_000) * 1_000;
    const told = new Map(this.memory.told.get(id)?.get(ID));
    for (const sid of joined) told.set(sid, at);
    for (const sid of left) told.delete(sid);
    this.memory.told.set(id, new Map([[ID, told]]));
    const profile = this.memory.profiles.get(id)?.profile.clone() as Profile;
    profile.length = 0;
    for (const sid of told.keys()) profile.realize(sid, 20_000, 1);
    this.memory.profiles.set(id, { profile, keptUntil: undefined });
    const move =
      (isMember: boolean) =>
      (sid: number): Move => ({ sid, isMember, at });
    this.memory.queue(ID).unread.push({
      id: String(this.memory.nextNumber()),
      queuedAt: Date.now(),
      deviceId: id,
      moves: [...joined.map(move(true)), ...left.map(move(false))],
    });
  }

  /** Random changes of random visitors; returns the lines that say them, in order. */
  stir(changes: number, visitors = changes): string[] {
    return Array.from({ length: changes }, () => {
      const number = Math.floor(Math.random() * visitors);
      const of = (chance: number) => SIDS.filter(() => Math.random() < chance);
      const joined = of(0.4);
      const left = of(0.3).filter((sid) => !joined.includes(sid));
      if (joined.length + left.length === 0) joined.push(1);
      this.move(number, joined, left);
      const tail = left.length > 0 ? ` ${left.map(aliasOf).join(',')}` : '';
      return `${deviceId(number)} ${joined.map(aliasOf).join(',')}${tail}`;
    });
  }

  /** How many entries are anywhere in the queue. */
  async waiting(): Promise<number> {
    const states = await new MemoryOutbox(this.memory).queues();
    return states.find(({ destination }) => destination === ID)?.waiting ?? 0;
  }
}

export interface Shelf {
  names(): string[];
  read(name: string): Buffer;
}

export interface Arrived {
  readonly root: string;
  readonly names: readonly string[];
  readonly lines: readonly string[];
}

/** The sets of files that have a control file, oldest first: each is whole, as a partner would check it. */
export function arrived(shelf: Shelf): Arrived[] {
  const infos = shelf.names().filter((name) => name.endsWith('.info'));
  return infos
    .sort((a, b) => atOf(a) - atOf(b))
    .map((infoName) => {
      const { Files, Totals } = JSON.parse(shelf.read(infoName).toString()) as Info;
      const root = infoName.slice(0, -'.info'.length);
      const parts = Files.map((file) => {
        const bytes = shelf.read(file.FileName);
        expect(file.FileName.startsWith(root)).toBe(true);
        expect(bytes.length).toBe(file.FileByteSize);
        expect(createHash('md5').update(bytes).digest('hex')).toBe(file.md5);
        const text = (file.FileName.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
        const lines = text.split('\n').slice(0, -1);
        expect(lines.length).toBe(file.FileLineCount);
        return lines;
      });
      expect(Totals).toEqual({
        FileName: `${root}.sync`,
        TotalByteSize: Files.reduce((sum, { FileByteSize }) => sum + FileByteSize, 0),
        TotalNumberFiles: Files.length,
        TotalNumberLines: parts.reduce((sum, lines) => sum + lines.length, 0),
      });
      return { root, names: Files.map(({ FileName }) => FileName), lines: parts.flat() };
    });
}

const atOf = (name: string) => Number(/(\d{13})/.exec(name)?.[1]);

/** A process that runs files, killed for real. */
export class RunProcess {
  readonly #child: ChildProcess;
  readonly #outbox: MemoryOutbox;
  #isKilled = false;
  readonly reports: RunReport[] = [];
  readonly calls: Call[] = [];

  /** @param around what becomes of a call to the outbox; undefined: no answer any more */
  constructor(
    visitors: Visitors,
    task: Task,
    around: (call: Call, perform: () => Promise<unknown>) => Promise<unknown> = (_, perform) =>
      perform(),
  ) {
    this.#outbox = new MemoryOutbox(visitors.memory);
    const program = fileURLToPath(new URL('./file-run-process.ts', import.meta.url));
    this.#child = fork(program, { serialization: 'advanced' });
    endWithTests(this.#child);
    this.#child.on('message', async (said: Said) => {
      if (this.#isKilled) return;
      if ('report' in said) {
        this.reports.push(said.report);
        return;
      }
      const { number, method, args } = said.call;
      this.calls.push(said.call);
      const perform = () =>
        (this.#outbox[method] as (...given: unknown[]) => Promise<unknown>)(...args);
      const value = await around(said.call, perform);
      if (!this.#isKilled) this.#child.send({ answer: number, value });
    });
    this.#child.send({ task });
  }

  get isComplete(): boolean {
    return this.reports.some(({ state }) => state === 'complete');
  }

  async kill(): Promise<void> {
    this.#isKilled = true;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
    await this.#outbox.close();
  }
}
