/** Visitors who cannot be read, for the operator: they are put off, and nobody else waits for them. */
import { isReadable, type Subject, type Unreadable } from '../store/outbox.ts';

/** Takes visitors that were met, whoever they are. */
export type Meet = (visitors: readonly (Subject | Unreadable)[]) => void;

/** They come again and again: for so long, it has been said. */
const SAID_MS = 3_600_000;

/** Says of the first one that is met why it cannot be read, and then of one an hour while there are any. */
export function unreadableReport(report: (message: string, error: Error) => void): Meet {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (visitors) => {
    const first = visitors.find((one): one is Unreadable => !isReadable(one));
    if (!first || performance.now() - saidAt < SAID_MS) return;
    saidAt = performance.now();
    report('some visitors cannot be read and are put off', new Error(first.problem));
  };
}
