/**
 * A process that uses the registry as it is told: a line of JSON for each call on its standard input,
 * a line for each answer, in the order of the calls. The environment says which registry.
 *
 *     {"name":"put","args":["person","Ada",{"role":"admin"}]}
 *     {"value":1790000000000}
 */
import readline from 'node:readline';
import { readConfig } from '../../src/config.ts';
import { openRegistry } from '../../src/engine.ts';
import type { Registry } from '../../src/store/registry.ts';

const registry = openRegistry(readConfig(process.env));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { name, args } = JSON.parse(line) as { name: keyof Registry; args: unknown[] };
  try {
    const value = await (registry[name] as (...given: unknown[]) => Promise<unknown>)(...args);
    console.log(JSON.stringify({ value }));
  } catch (error) {
    console.log(JSON.stringify({ error: (error as Error).message }));
  }
}
await registry.close();
process.exit(0);
