/** Sorting from the disk: each id once, in order, from wherever it is gone on. */
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mergedIds, mergeInto, writeIds } from '../../src/outbound/sorted-ids.ts';
import { temporaryFolder } from '../server.ts';

const folder = temporaryFolder();
const file = (name: string | number) => path.join(folder, String(name));

async function written(lists: readonly (readonly string[])[]): Promise<string[]> {
  for (const [i, ids] of lists.entries()) await writeIds(file(i), ids);
  return lists.map((_, i) => file(i));
}

async function all(files: readonly string[], after?: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const batch of mergedIds(files, after)) ids.push(...batch);
  return ids;
}

const id = fc.stringMatching(/^[0-9]{1,38}$/);

it('of any files of ids', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(id, { minLength: 1 }), { maxLength: 6 }),
      id,
      async (lists, after) => {
        const files = await written(lists);
        const expected = [...new Set(lists.flat())].sort();
        expect(await all(files)).toEqual(expected);
        expect(await all(files, after)).toEqual(expected.filter((own) => own > after));
        if (files.length === 0) return;
        await mergeInto(file('merged'), files);
        expect(await all([file('merged')])).toEqual(expected);
      },
    ),
    { numRuns: 50 },
  );
});

it('of files that are longer than what is read at once', async () => {
  const number = (i: number) => String(i).padStart(38, '0');
  const lists = [2, 3, 5].map((step) => Array.from({ length: 10_000 }, (_, i) => number(i * step)));
  const files = await written(lists);
  expect(fs.statSync(files[0]).size).toBeGreaterThan(300_000);
  expect(await all(files)).toEqual([...new Set(lists.flat())].sort());
});
