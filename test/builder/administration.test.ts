/** Where the builder answers: beside the collection endpoint, or on a port of its own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, type RunningServer, startServer } from '../server.ts';

const headers = { Authorization: 'Bearer test-token' };
const statusOf = async (url: string) => (await fetch(url, { headers })).status;

describe('with ADMIN_PORT', () => {
  let server: RunningServer;
  let admin: string;
  beforeAll(async () => {
    const port = await freePort();
    admin = `http://127.0.0.1:${port}`;
    server = await startServer({ environment: { ADMIN_PORT: String(port) } });
  });
  afterAll(() => server.stop());

  it.each([
    ['/event?c_page=home', 200, 404],
    ['/tag.js', 200, 404],
    ['/demo/', 200, 404],
    ['/healthz', 200, 404],
    ['/ibs:dpid=1&dpuuid=2', 200, 404],
    ['/v1/destinations', 404, 200],
    ['/v1/openapi.json', 404, 200],
    ['/v1/session', 404, 200],
    ['/builder', 404, 200],
  ])('%s answers %i on the public port, %i on the other', async (path, there, here) => {
    expect(await statusOf(server.origin + path)).toBe(there);
    expect(await statusOf(admin + path)).toBe(here);
  });

  it('what is changed there is in force here', async () => {
    const site = { name: 'Mine', domains: ['mine.example'] };
    const made = await fetch(`${admin}/v1/sites`, {
      method: 'POST',
      headers,
      body: JSON.stringify(site),
    });
    expect(made.status).toBe(201);
    const ask = () =>
      fetch(`${server.origin}/event?c_page=home`, { headers: { Origin: 'http://mine.example' } });
    await expect
      .poll(async () => (await ask()).headers.get('access-control-allow-origin'), {
        timeout: 1_000,
      })
      .toBe('http://mine.example');
  });
});

it('without it, both are on one port', async () => {
  const server = await startServer();
  for (const path of ['/event', '/v1/destinations', '/builder', '/healthz']) {
    expect(await statusOf(server.origin + path)).toBe(200);
  }
  await server.stop();
});
