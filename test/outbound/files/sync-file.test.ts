/** Files for a partner: names, lines and control file as the user guide has them. */
import { describe, expect, it } from 'vitest';
import type { FileTarget, FileTransfer } from '../../../src/destinations/destination.ts';
import {
  infoName,
  infoOf,
  syncFileName,
  syncFileRoot,
  syncLine,
} from '../../../src/outbound/files/sync-file.ts';

const transfer: FileTransfer = {
  kind: 'file',
  target: {
    kind: 'sftp',
    host: 'partner.example',
    port: 22,
    user: 'us',
    path: '/in',
    hostKeys: [],
    password: 'secret',
    privateKey: undefined,
    passphrase: undefined,
  },
  userDataSource: 45_454,
  alias: 'XYZCustomer',
  syncMode: 'iter',
  schedule: undefined,
  splitLines: undefined,
  compress: true,
};
const storage: FileTarget = {
  kind: 's3',
  bucket: 'bucket',
  prefix: 'in/',
  endpoint: undefined,
  region: 'us-east-1',
  accessKeyId: 'id',
  secretAccessKey: 'secret',
};
const AT = 1_486_140_843_000;

describe('a name', () => {
  it.each<[Partial<FileTransfer>, number | undefined, string]>([
    [{}, 1, 'ftp_1234_45454_XYZCustomer_iter_1486140843000001.sync.gz'],
    [{}, undefined, 'ftp_1234_45454_XYZCustomer_iter_1486140843000.sync.gz'],
    [
      { target: storage, userDataSource: 20_914 },
      12,
      's3_1234_20914_XYZCustomer_iter_1486140843000012.sync.gz',
    ],
    [
      { alias: '', userDataSource: 20_915, syncMode: 'full' },
      undefined,
      'ftp_1234_20915_full_1486140843000.sync.gz',
    ],
    [{ compress: false }, 1_000, 'ftp_1234_45454_XYZCustomer_iter_14861408430001000.sync'],
    [
      { target: { kind: 'folder', path: 'out' }, userDataSource: undefined, alias: '' },
      undefined,
      'ftp_1234_iter_1486140843000.sync.gz',
    ],
  ])('of %o, part %s', (change, split, expected) => {
    const changed = { ...transfer, ...change };
    const root = syncFileRoot({ id: 1234 }, changed, AT);
    expect(syncFileName(root, changed.compress, split)).toBe(expected);
    expect(infoName(root)).toBe(`${root}.info`);
    expect(expected.startsWith(root)).toBe(true);
  });
});

describe('a line', () => {
  const id = '59767559181262060060278870901087098252';
  it.each([
    [['24', '26', '27'], ['25', '28'], `${id} 24,26,27 25,28`],
    [['24'], [], `${id} 24`],
    [[], ['25'], `${id}  25`],
  ])('of %o, without %o', (joined, left, expected) => {
    expect(syncLine(id, joined, left)).toBe(expected);
  });
});

it('a control file names all files of a run, and their sums', () => {
  const root = 'ftp_12345_67890_full_1500727351632';
  const file = (split: number, size: number, lines: number, md5: string) => ({
    name: syncFileName(root, true, split),
    size,
    lines,
    md5,
  });
  const files = [file(1, 293_029_329, 36_893_908, '98'), file(2, 218_425_764, 27_498_226, '7a')];
  expect(infoOf(root, files)).toEqual({
    Files: [
      {
        FileByteSize: 293_029_329,
        FileLineCount: 36_893_908,
        FileName: 'ftp_12345_67890_full_1500727351632001.sync.gz',
        FileSequenceNumber: 1,
        md5: '98',
      },
      {
        FileByteSize: 218_425_764,
        FileLineCount: 27_498_226,
        FileName: 'ftp_12345_67890_full_1500727351632002.sync.gz',
        FileSequenceNumber: 2,
        md5: '7a',
      },
    ],
    Totals: {
      FileName: 'ftp_12345_67890_full_1500727351632.sync',
      TotalByteSize: 511_455_093,
      TotalNumberFiles: 2,
      TotalNumberLines: 64_392_134,
    },
  });
});
