/** The first admin, on real servers: made once, told once. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { plainEnvironment, type RunningServer, startServer, temporaryFolder } from '../server.ts';
import { browserOf, passwordOf } from './client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PASSWORD = /[a-z]{5}(?:-[a-z]{5}){5}/g;

const passwordsOf = (...texts: string[]) => texts.flatMap((text) => text.match(PASSWORD) ?? []);

/** What it has printed by when it says how to log in. */
async function told(server: RunningServer): Promise<string> {
  await expect.poll(server.output, { timeout: 60_000 }).toMatch(/Log in .*\n/);
  return server.output();
}

const pageOf = ({ origin }: RunningServer) =>
  browserOf((address, init) => fetch(origin + address, init), { Origin: origin });

const command = (folder: string, ...args: string[]) => {
  const environment = { ...plainEnvironment(), DATA_DIR: folder };
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['src/account-command.ts', 'password', ...args],
    { cwd: root, env: environment, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
};

/** All that was written to a folder. */
const writtenTo = (folder: string): string =>
  fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => fs.readFileSync(path.join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');

it('the first start tells a password once; it is neither logged nor kept', async () => {
  const folder = temporaryFolder();
  const first = await startServer({ folder, environment: { WORKERS: '2', LOG_LEVEL: 'info' } });
  const output = await told(first);
  expect(output).toContain(`The builder         ${first.origin}/builder\n`);
  const [password, ...others] = passwordsOf(output);
  expect(others).toEqual([]);
  const lines = output.split('\n').filter((line) => line.includes(password));
  expect(lines).toEqual([`  Log in              as admin, once within a week, with ${password}`]);
  expect((await pageOf(first).logIn('admin', `${password}x`)).status).toBe(401);
  await first.stop();
  expect(writtenTo(folder)).not.toContain(password);

  // Nobody has used it: it cannot be shown again, but another one can be made.
  const second = await startServer({ folder });
  const again = await told(second);
  expect(passwordsOf(again)).toEqual([]);
  expect(again).toContain('npm run account -- password admin');
  const page = pageOf(second);
  expect((await page.logIn('admin', password)).status).toBe(200);
  const change = { password, newPassword: passwordOf('admin') };
  expect((await page.call('PUT', 'session/password', change)).status).toBe(204);
  await second.stop();

  const third = await startServer({ folder });
  expect(await told(third)).toMatch(/Log in {14}with your name and password\n/);
  expect((await pageOf(third).logIn('admin', passwordOf('admin'))).status).toBe(200);
  // A session outlives the server that it began on.
  const kept = pageOf(third);
  for (const [name, cookie] of page.cookies) kept.cookies.set(name, cookie);
  expect((await kept.get('session')).status).toBe(200);
  await third.stop();
});

it('of servers that start at the same moment, one makes the admin', async () => {
  const folder = temporaryFolder();
  const servers = await Promise.all([startServer({ folder }), startServer({ folder })]);
  const outputs = await Promise.all(servers.map(told));
  const passwords = passwordsOf(...outputs);
  expect(passwords).toHaveLength(1);
  const page = pageOf(servers[0]);
  expect((await page.logIn('admin', passwords[0])).status).toBe(200);
  await Promise.all(servers.map((server) => server.stop()));
});

it('npm run account -- password makes a new one, beside a running server', async () => {
  const folder = temporaryFolder();
  expect(command(folder, 'admin')).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/There is nobody yet\.\n {2}start the server/),
  });
  const server = await startServer({ folder });
  const [first] = passwordsOf(await told(server));
  const page = pageOf(server);
  expect((await page.logIn('admin', first)).status).toBe(200);
  expect(command(folder)).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/password NAME/),
  });
  expect(command(folder, 'ben')).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringMatching(/nobody called ben\.\n {2}write one of admin/),
  });
  const made = command(folder, 'Admin');
  expect(made).toMatchObject({ status: 0, stderr: '' });
  const [second, ...others] = passwordsOf(made.stdout);
  expect(others).toEqual([]);
  expect((await page.get('session')).status).toBe(401);
  expect((await page.logIn('admin', first)).status).toBe(401);
  expect((await page.logIn('admin', second)).status).toBe(200);
  await server.stop();
});

it('with PROXIES, clients are told apart by what our own proxies add', async () => {
  const server = await startServer({
    environment: { PROXIES: '2', MAX_CALLS_PER_CLIENT: '1' },
  });
  const statusFor = async (forwarded: string | undefined) => {
    const headers = forwarded === undefined ? undefined : { 'X-Forwarded-For': forwarded };
    return (await fetch(`${server.origin}/event`, { headers })).status;
  };
  expect(await statusFor('192.0.2.1, 10.0.0.1')).toBe(200);
  expect(await statusFor('192.0.2.2, 10.0.0.1')).toBe(200);
  expect(await statusFor('192.0.2.1, 10.0.0.1')).toBe(429);
  // What a client itself wrote there.
  expect(await statusFor('203.0.113.9, 192.0.2.1, 10.0.0.1')).toBe(429);
  // Past our proxies, it is the connection's.
  expect(await statusFor(undefined)).toBe(200);
  expect(await statusFor('10.0.0.1')).toBe(429);
  await server.stop();
});
