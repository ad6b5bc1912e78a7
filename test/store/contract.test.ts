import fs from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
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
  accountContract(
    () => new AccountFile(folder),
    async (revisions) => {
      const past = path.join(folder, 'account', 'past');
      fs.mkdirSync(past, { recursive: true });
      for (let n = 1; n < revisions; n++) {
        fs.writeFileSync(path.join(past, `${n}.json`), `{"at":${n}}\n`);
      }
      const last = path.join(folder, 'account', `${revisions}.json`);
      fs.writeFileSync(last, `{"at":${revisions}}\n{}\n`);
    },
  );

  it.each([
    ['one line', (saved: object) => JSON.stringify(saved)],
    ['indented by hand', (saved: object) => `${JSON.stringify(saved, null, 2)}\n`],
    [
      'turned around by hand',
      ({ origin, document }: { origin?: unknown; document?: unknown }) =>
        `${JSON.stringify({ document, origin })}\n`,
    ],
  ])('is read, too, as it was kept before it had a history: %s', async (_, text) => {
    fs.mkdirSync(path.join(folder, 'account'));
    const origin = { at: 7, by: 'Zoë, "document":', isDemo: true };
    const document = { name: 'Ж', text: 'x'.repeat(100_000) };
    fs.writeFileSync(path.join(folder, 'account', '3.json'), text({ origin, document }));
    const account = new AccountFile(folder);
    expect(await account.load()).toEqual({ revision: 3, origin, document });
    expect(await account.history()).toEqual([{ revision: 3, origin, canRestore: true }]);
    for (let n = 0; n < 50; n++) await account.save({ n }, { at: n, by: 'a test' });
    expect((await account.history()).at(-1)).toEqual({ revision: 3, origin, canRestore: false });
    await account.close();
  });
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
