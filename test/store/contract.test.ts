import { describe } from 'vitest';
import { temporaryFolder } from '../server.ts';
import { storeContract } from './contract.ts';
import { foldNow, openEmbedded } from './workbench.ts';

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
