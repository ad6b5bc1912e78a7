/**
 * Has a stored profile become what this program cannot read, as a newer one would write it, or what it was
 * before. A process of its own: LMDB opens a folder for writing once in each.
 *
 * Arguments: the data folder, the device id, `spoil` or `mend`.
 */
import path from 'node:path';
import { Profile } from '../../src/audience/profile.ts';
import { Base } from '../../src/store/embedded/base.ts';
import { packDeviceId } from '../../src/store/record.ts';

/** No record is of this kind. */
const UNKNOWN = 99;

const [folder, deviceId, deed] = process.argv.slice(2);
const base = new Base(path.join(folder, 'base'), 'write');
const key = packDeviceId(deviceId, new Uint8Array(19));
base.root.transactionSync(() => {
  if (!base.has(deviceId)) {
    base.putProfile(deviceId, { profile: new Profile(), segment: 0, newcomer: false });
  }
  const bytes = base.profiles.get(key) as Uint8Array;
  const changed =
    deed === 'spoil' ? Buffer.concat([bytes, Buffer.of(UNKNOWN)]) : bytes.subarray(0, -1);
  base.profiles.putSync(key, changed);
});
await base.root.close();
