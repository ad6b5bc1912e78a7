/** What a process counts for the reports, and how it comes to the registry. */
import type { Logger } from 'pino';
import { Ledger } from './builder/ledger.ts';
import { Tally } from './destinations/tally.ts';
import type { Registry } from './store/registry.ts';

export function countsFor(registry: Registry, log: Logger): { tally: Tally; ledger: Ledger } {
  const tally = new Tally();
  const ledger = new Ledger({
    tally,
    registry,
    report: (error) =>
      error ? log.error({ err: error }, 'counts wait') : log.warn('counts wait no longer'),
  });
  return { tally, ledger };
}
