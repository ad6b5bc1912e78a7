/** What of a queue a file run tells at once: a message by its form, but one that is known by its name. */
import type { Sealed } from '../store/outbox.ts';

const NAME = /^run-(\d+)-(\d+)$/;

/** @param at when the run began, in Unix milliseconds; its parts are numbered from 1 */
export const partName = (at: number, number: number): string => `run-${at}-${number}`;

/** The run and the number that a message's name tells; undefined where it is not one of a run. */
export function partOf({
  message,
}: Pick<Sealed, 'message'>): { at: number; number: number } | undefined {
  const [, at, number] = NAME.exec(message) ?? [];
  return at === undefined ? undefined : { at: Number(at), number: Number(number) };
}
