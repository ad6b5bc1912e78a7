/** The outbox in LMDB: the contract, and what only this engine can get wrong. */
import { describe } from 'vitest';
import { OutboxFile } from '../../src/store/embedded/outbox-file.ts';
import { temporaryFolder } from '../server.ts';
import { DAYS, outboxContract } from './outbox-contract.ts';
import { foldNow, openEmbedded } from './workbench.ts';

const openOutbox = (folder: string) => new OutboxFile({ folder, ...DAYS, access: 'write' });

describe('the embedded outbox', () => {
  outboxContract({
    place: temporaryFolder,
    openStore: (folder) => openEmbedded(folder, DAYS),
    openOutbox,
    kill: (outbox) => outbox.close(),
  });
});

describe('the embedded outbox, with a new segment every few frames and folds in between', () => {
  outboxContract({
    place: temporaryFolder,
    openStore: (folder) => openEmbedded(folder, { ...DAYS, segmentSize: 150 }),
    openOutbox,
    kill: (outbox) => outbox.close(),
    tidy: (folder) => foldNow(folder, DAYS),
  });
});
