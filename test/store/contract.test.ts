import { beforeEach, describe } from 'vitest';
import { AccountFile } from '../../src/store/embedded/account-file.ts';
import { temporaryFolder } from '../server.ts';
import { accountContract } from './account.ts';
import { storeContract } from './contract.ts';
import { foldNow, openEmbedded } from './workbench.ts';

describe('the account in a file', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  accountContract(() => new AccountFile(folder));
});

describe('the embedded store', () => {
  storeContract({ place: temporaryFolder, open: (folder) => openEmbedded(folder) });
});

describe('the embedded store, with a new segment every few frames and folds in between', () => {
  storeContract({
    place: temporaryFolder,
    open: (folder) => openEmbedded(folder, { segmentSize: 150 }),
    tidy: foldNow,
  });
});
