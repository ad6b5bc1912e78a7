/** The outbox of a data folder, to write to while no server runs. */
import { openOutbox } from '../../src/engine.ts';
import { readConfig } from '../../src/config.ts';
import type { Outbox } from '../../src/store/outbox.ts';

export const outboxIn = (folder: string, environment: Record<string, string> = {}): Outbox =>
  openOutbox(readConfig({ DATA_DIR: folder, ...environment }), 'write');
