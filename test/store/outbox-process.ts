/**
 * A deliverer of the embedded engine, for tests that kill it. Its only segment changes with each time that
 * trait 1 is realized; what it has a partner told is a line on its standard output:
 *
 *     message deviceId:count deviceId:count
 *
 * Argument: JSON with the options of the outbox, and whether it `sends` what it queues.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { OutboxFile } from '../../src/store/embedded/outbox-file.ts';
import type { Candidate, Outcome, Sealed } from '../../src/store/outbox.ts';

const DESTINATION = 1;

const { sends, ...options } = JSON.parse(process.argv[2]);
const outbox = new OutboxFile(options);

function examine({ deviceId, profile, told }: Candidate): Outcome {
  // All visits are of one day, and realize one trait.
  const count = profile ? profile.realizations[1] & 0xffff : 0;
  const isNew = !told.get(DESTINATION)?.has(count);
  const moves = isNew ? [{ sid: count, isMember: true, at: 0 }] : [];
  return {
    deviceId,
    told: new Map([[DESTINATION, new Map([[count, 0]])]]),
    moves: new Map(isNew ? [[DESTINATION, moves]] : []),
    next: undefined,
  };
}

async function send(sealed: Sealed): Promise<void> {
  const users = sealed.entries.map(({ deviceId, moves }) => `${deviceId}:${moves[0].sid}`);
  process.stdout.write(`${sealed.message} ${users.join(' ')}\n`);
  await outbox.done(DESTINATION, [sealed]);
}

const { sealed, read } = await outbox.recover(DESTINATION);
for (const message of sealed) await send(message);
for (let entries = read; ; entries = sends ? await outbox.read(DESTINATION, 7) : []) {
  if (entries.length > 0) {
    const message = { message: randomUUID(), entries };
    await outbox.seal(DESTINATION, message);
    await send(message);
  }
  const batch = await outbox.due('all', 20);
  await outbox.settle(batch, batch.candidates.map(examine));
  if (batch.candidates.length + entries.length === 0) await pause(5);
}
