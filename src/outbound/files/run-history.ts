/** The runs of a destination that gets files, for people: what is under way, and what the last ones came to. */
import { type Registry, revise } from '../../store/registry.ts';
import type { RunReport } from './file-runner.ts';

/** A run that is complete. */
export interface PastRun {
  /** What its files are called, without number and ending. */
  readonly root: string;
  readonly mode: 'full' | 'iter';
  /** When it began and ended, in Unix milliseconds. */
  readonly at: number;
  readonly finished: number;
  readonly files: number;
  readonly lines: number;
  /** Bytes, as they were sent. */
  readonly size: number;
}

export interface RunHistory {
  /** The run that is under way, or tried again. */
  readonly current?: Exclude<RunReport, { state: 'complete' }>;
  /** Newest first. */
  readonly past: readonly PastRun[];
  /** When the last of them began. */
  readonly last?: number;
  /** Since when there may be runs; while there is no `last`, the schedule counts from then. */
  readonly since?: number;
}

const KEPT = 20;
const NONE: RunHistory = { past: [] };

const runsOf = async (registry: Registry, destination: number): Promise<RunHistory> =>
  (await registry.get<RunHistory>('run', String(destination)))?.value ?? NONE;

/**
 * After when a destination's schedule counts, in Unix milliseconds: when the last run began, else the first
 * time that this was asked, which is kept: whoever asks again later would else miss what was due between.
 *
 * @param now Unix milliseconds
 */
export async function dueAfter(
  registry: Registry,
  destination: number,
  now: number,
): Promise<number> {
  const { last, since } = await runsOf(registry, destination);
  const kept = last ?? since;
  if (kept !== undefined) return kept;
  // Another process may have asked meanwhile, and have made a run.
  const history = await revise<RunHistory>(
    registry,
    'run',
    String(destination),
    (there = NONE) => ({ ...there, since: there.last ?? there.since ?? now }),
  );
  return history?.since ?? now;
}

/** Of all destinations, by their ids. */
export async function runHistories(registry: Registry): Promise<ReadonlyMap<number, RunHistory>> {
  const all = await registry.list<RunHistory>('run');
  return new Map(all.map(({ id, value }) => [Number(id), value]));
}

export async function keepRun(
  registry: Registry,
  destination: number,
  report: RunReport,
): Promise<void> {
  await revise<RunHistory>(registry, 'run', String(destination), (history = NONE) => {
    if (report.state !== 'complete') return { ...history, current: report };
    const { root, mode, at, files } = report.run;
    const run: PastRun = {
      root,
      mode,
      at,
      finished: report.finished,
      files: files.length,
      lines: files.reduce((sum, { lines }) => sum + lines, 0),
      size: files.reduce((sum, { size }) => sum + size, 0),
    };
    return { past: [run, ...history.past].slice(0, KEPT), last: at };
  });
}
