/** Dead letters in a data folder, of a time before its server starts. */
import { readConfig } from '../../src/config.ts';
import { openOutbox } from '../../src/engine.ts';
import type { Move } from '../../src/store/outbox.ts';

export interface Letter {
  readonly message: string;
  /** When it was given up, in Unix milliseconds. */
  readonly at: number;
  readonly problem: string;
  readonly deviceId: string;
  readonly moves: readonly Move[];
}

/** Has messages queued, read and given up, as they are where a partner is away for long. */
export async function bury(
  folder: string,
  destination: number,
  letters: readonly Letter[],
): Promise<void> {
  const outbox = openOutbox(readConfig({ DATA_DIR: folder }), 'write');
  for (const { message, at, problem, deviceId, moves } of letters) {
    const queued = new Map([[destination, moves]]);
    const outcome = { deviceId, told: new Map(), moves: queued, next: undefined };
    await outbox.settle({ candidates: [] }, [outcome]);
    const entries = await outbox.read(destination, 1);
    await outbox.seal(destination, { message, entries });
    await outbox.bury(destination, { message, entries, at, problem });
  }
  await outbox.close();
}
