/** A process that makes runs, to be killed; its outbox is its parent's. */
import { setTimeout as pause } from 'node:timers/promises';
import { Profile } from '../../../src/audience/profile.ts';
import type { FileDestination } from '../../../src/outbound/files/file-run.ts';
import { FileRunner, type RunReport } from '../../../src/outbound/files/file-runner.ts';
import { openTarget } from '../../../src/outbound/files/open-target.ts';
import type { Terms } from '../../../src/outbound/terms.ts';
import type { Candidate, Outbox } from '../../../src/store/outbox.ts';
import { membersIn } from './runs.ts';

export interface Task {
  readonly destination: FileDestination;
  readonly mappings: Terms['mappings'];
  readonly folder: string;
  /** Folder below which folders may be. */
  readonly base: string;
}

export interface Call {
  readonly number: number;
  readonly method: keyof Outbox;
  readonly args: readonly unknown[];
}

export type Said = { readonly call: Call } | { readonly report: RunReport };

const waiting = new Map<number, (value: unknown) => void>();
let number = 0;
const say = (said: Said) => process.send?.(said);

const outbox = new Proxy({} as Outbox, {
  get:
    (_, method) =>
    async (...args: unknown[]) => {
      const value = await new Promise<unknown>((resolve) => {
        waiting.set(++number, resolve);
        say({ call: { number, method: method as keyof Outbox, args } });
      });
      if (method === 'look') (value as Candidate[]).forEach(revive);
      if (method === 'walk')
        (value as { batch: { candidates: Candidate[] } }).batch.candidates.forEach(revive);
      return value;
    },
});

const revive = ({ profile }: Candidate) => {
  if (profile) Object.setPrototypeOf(profile, Profile.prototype);
};

process.on('message', (message: { task: Task } | { answer: number; value: unknown }) => {
  if ('task' in message) start(message.task);
  else waiting.get(message.answer)?.(message.value);
});

function start({ destination, mappings, folder, base }: Task): void {
  const terms = {
    ...{ mappings, clocks: new Map(), digest: '' },
    destinations: new Map([[destination.id, destination]]),
  };
  const runner = new FileRunner({
    ...{ id: destination.id, outbox, folder },
    terms: () => terms,
    members: membersIn,
    unreadable: () => {},
    open: (target) => openTarget(target, { folder: base, allowPrivate: true, patience: 2_000 }),
    dueAfter: async (now) => now,
    report: async (report) => {
      say({ report });
    },
    // So that there is something to kill.
    pace: () => pause(2),
    retry: { first: 20, longest: 200 },
  });
  runner.start();
  runner.run();
}
