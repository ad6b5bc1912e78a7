/**
 * Has a dead letter become what this program cannot read. A process of its own: LMDB opens a folder for
 * writing once in each.
 *
 * Arguments: the data folder, the destination, the message.
 */
import { END, OutboxBase } from '../../src/store/embedded/outbox-base.ts';

const [folder, destination, message] = process.argv.slice(2);
const { root, dead } = new OutboxBase(folder, 'write');
const bytes = root.openDB({ name: 'dead', encoding: 'binary' });
const range = { start: [Number(destination)], end: [Number(destination), END] };
for (const key of [...dead.getKeys(range)]) {
  if (key[2] === message) await bytes.put(key, Buffer.from('{ "entr'));
}
await root.close();
