/**
 * Has a dead letter become what this program cannot read, whole or not. A process of its own: LMDB opens a folder for
 * writing once in each.
 *
 * Arguments: the data folder, the destination, the message, `damaged` or `new`.
 */
import { type Buried, END, OutboxBase } from '../../src/store/embedded/outbox-base.ts';

const [folder, destination, message, how] = process.argv.slice(2);
const { root, dead } = new OutboxBase(folder, 'write');
const bytes = root.openDB({ name: 'dead', encoding: 'binary' });
const range = { start: [Number(destination)], end: [Number(destination), END] };
for (const key of [...dead.getKeys(range)]) {
  if (key[2] !== message) continue;
  const { problem, entries } = dead.get(key) as Buried;
  const renamed = entries.map(({ moves, ...entry }) => ({ ...entry, changes: moves }));
  const letter = how === 'new' ? JSON.stringify({ problem, entries: renamed }) : '{ "entr';
  await bytes.put(key, Buffer.from(letter));
}
await root.close();
