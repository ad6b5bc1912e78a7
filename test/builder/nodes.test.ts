/** Every process says what it has in force; whoever stops or is killed says so no more. */
import { expect, it } from 'vitest';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { exampleAccount } from '../account/example.ts';
import { startServer } from '../server.ts';

interface Nodes {
  readonly revision: number;
  readonly nodes: readonly {
    readonly node: string;
    readonly revision: number;
    readonly at: number;
    readonly since: number;
    readonly problem?: string;
  }[];
}

it('two workers: both follow an edit at once, a killed one is forgotten, a stop leaves nothing', async () => {
  const server = await startServer({ account: exampleAccount(), environment: { WORKERS: '2' } });
  const headers = { Authorization: 'Bearer test-token' };
  const ask = async () =>
    (await (await fetch(`${server.origin}/v1/nodes`, { headers })).json()) as Nodes;
  const revisions = async () => {
    const { revision, nodes } = await ask();
    return [revision, ...nodes.map((node) => node.revision)];
  };
  await expect.poll(revisions, { timeout: 40_000 }).toEqual([1, 1, 1]);
  const before = await ask();
  const pids = before.nodes.map(({ node }) => Number(node.split(':').at(-1)));
  expect(new Set(pids).size).toBe(2);
  for (const { at, since, problem } of before.nodes) {
    expect(at).toBeLessThanOrEqual(Date.now());
    expect(since).toBeLessThanOrEqual(at);
    expect(problem).toBeUndefined();
  }

  const site = JSON.stringify({ name: 'New', domains: ['new.example'] });
  const made = await fetch(`${server.origin}/v1/sites`, { method: 'POST', headers, body: site });
  expect(made.status).toBe(201);
  await expect.poll(revisions, { timeout: 40_000 }).toEqual([2, 2, 2]);
  // Not only with the next beat.
  const after = await ask();
  for (const { since, node } of after.nodes) {
    const was = before.nodes.find((one) => one.node === node)?.since ?? 0;
    expect(since).toBeGreaterThan(was);
  }

  process.kill(pids[0], 'SIGKILL');
  await expect
    .poll(async () => (await ask()).nodes.map(({ node }) => Number(node.split(':').at(-1))), {
      timeout: 40_000,
    })
    .not.toContain(pids[0]);
  await expect.poll(revisions, { timeout: 40_000 }).toEqual([2, 2, 2]);

  await server.stop();
  const registry = new RegistryFile(server.folder);
  expect((await registry.list('node')).map(({ id }) => id)).toEqual([]);
  await registry.close();
}, 180_000);

it('is for those who are known', async () => {
  const server = await startServer({ account: exampleAccount() });
  expect((await fetch(`${server.origin}/v1/nodes`)).status).toBe(401);
  await server.stop();
});
