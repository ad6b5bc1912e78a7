/** The middle of Switchyard runs on every runtime, Workers included. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../../src', import.meta.url));
const ROOMS = ['audience', 'destinations', 'collect', 'account'];

/** `import … from`, `export … from`, `import '…'` and `import('…')`, types included. */
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"]+)\1/g;
const TYPE_ONLY = /\b(?:import|export)\s+type\b[^;]*?\bfrom\s*(['"])[^'"]+\1/g;

const isForbidden = (specifier: string) =>
  specifier.startsWith('node:') || ['lmdb', '@hono/node-server', 'pino'].includes(specifier);

/** Specifiers that are there at run time; type stripping takes the others out. */
const importsOf = (text: string) =>
  [...text.replace(TYPE_ONLY, '').matchAll(IMPORT)].map((match) => match[2]);

const roots = ROOMS.flatMap((room) =>
  fs
    .readdirSync(path.join(source, room))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.join(source, room, file)),
);

/** All files that the rooms need, with what each imports. */
function reachable(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const follow = (file: string) => {
    if (found.has(file)) return;
    const imports = importsOf(fs.readFileSync(file, 'utf8'));
    found.set(file, imports);
    for (const specifier of imports) {
      if (specifier.startsWith('.')) follow(path.resolve(path.dirname(file), specifier));
    }
  };
  for (const file of roots) follow(file);
  return found;
}

describe('the rooms audience, destinations, collect and account', () => {
  const files = reachable();
  const named = [...files].map(
    ([file, imports]) => [path.relative(source, file), imports] as const,
  );

  it('are all looked at', () => {
    expect(roots.length).toBeGreaterThan(25);
    for (const room of ROOMS) expect(named.some(([file]) => file.startsWith(room))).toBe(true);
    expect(named.flatMap(([, imports]) => imports)).toEqual(
      expect.arrayContaining(['zod', 'cookie', '../audience/profile.ts']),
    );
  });

  it.each(named)('%s imports nothing that only Node has', (_file, imports) => {
    expect(imports.filter(isForbidden)).toEqual([]);
  });

  it.each(named)('%s makes no code from text', (file) => {
    const text = fs.readFileSync(path.join(source, file), 'utf8');
    expect(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')).not.toMatch(/\beval\(|\bnew Function\b/);
  });

  it('and zod is told to make none, either', () => {
    expect(fs.readFileSync(path.join(source, 'account/document.ts'), 'utf8')).toContain(
      'jitless: true',
    );
  });
});

describe('the scan itself', () => {
  it.each<[string, string[]]>([
    ["import fs from 'node:fs';", ['node:fs']],
    ['import { a,\n b } from "lmdb";', ['lmdb']],
    ["import 'pino';", ['pino']],
    ["export { a } from './a.ts';", ['./a.ts']],
    ["const a = await import('./a.ts');", ['./a.ts']],
    ["import { type A, b } from './a.ts';", ['./a.ts']],
    ["import type { A } from 'lmdb';", []],
    ["import type {\n A,\n} from 'lmdb';\nimport b from './b.ts';", ['./b.ts']],
  ])('%j', (text, expected) => {
    expect(importsOf(text)).toEqual(expected);
  });
});
