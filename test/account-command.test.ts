/** `npm run account`, as one types it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { openAccounts } from '../src/engine.ts';
import { AccountFile } from '../src/store/embedded/account-file.ts';
import { type RunningRedis, redisServer, startRedis } from './redis.ts';
import { freePort, plainEnvironment, startServer, temporaryFolder } from './server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const account = (name = 'Home', rule = 'c_page == "home"') => ({
  organizationId: 'org',
  dataSources: [{ dataSourceId: 1, name: 'Own' }],
  folders: [],
  traits: [{ sid: 1, name, traitType: 'RULE_BASED_TRAIT', traitRule: rule, dataSourceId: 1 }],
  segments: [],
  destinations: [],
  sites: [{ siteId: 1, name: 'Shop', domains: ['shop.test'] }],
});

let redis: RunningRedis;
beforeAll(async () => {
  if (redisServer) redis = await startRedis();
});
afterAll(() => redis?.stop());

describe.each([
  ['the embedded store', true, () => ({ DATA_DIR: temporaryFolder() })],
  [
    'Redis',
    redisServer !== undefined,
    () => ({
      REDIS_URL: redis.url,
      REDIS_PREFIX: `p${Math.random()}:`,
      DATA_DIR: temporaryFolder(),
    }),
  ],
])('the account command on %s', (_, isThere, environmentOf) => {
  let environment: Record<string, string>;
  let folder: string;
  beforeEach(() => {
    environment = environmentOf();
    folder = temporaryFolder();
  });
  const file = (document: unknown) => {
    const name = path.join(folder, 'account.json');
    fs.writeFileSync(name, JSON.stringify(document));
    return name;
  };
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['src/account-command.ts', ...args],
      { cwd: root, env: { ...plainEnvironment(), ...environment }, encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  };

  it.runIf(isThere)('pushes, pulls and tells the difference', async () => {
    expect(run('pull')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/No account has been saved/),
    });
    expect(run('push', file(account()))).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/\+ traits 1 "Home"\n.*Saved as revision \d+\./s),
    });
    expect(JSON.parse(run('pull').stdout)).toEqual(account());
    expect(run('push', file(account())).stdout).toBe('No differences.\n');
    const next = account('House');
    expect(run('diff', file(next)).stdout).toBe('~ traits 1 "House"\n    name: "Home" → "House"\n');
    expect(JSON.parse(run('pull').stdout)).toEqual(account());
    expect(run('push', file(next)).stdout).toMatch(/Saved as revision \d+\./);
    const accounts = openAccounts(readConfig(environment));
    expect((await accounts.history()).map(({ origin }) => [origin.by, origin.changes])).toEqual([
      ['npm run account', ['~ traits 1 "House"', '    name: "Home" → "House"']],
      [
        'npm run account',
        [
          '~ account',
          '    organizationId: (none) → "org"',
          '+ dataSources 1 "Own"',
          '+ traits 1 "Home"',
          '+ sites 1 "Shop"',
        ],
      ],
    ]);
    await accounts.close();
    const copy = path.join(folder, 'copy.json');
    expect(run('pull', copy)).toMatchObject({ status: 0, stdout: '' });
    expect(JSON.parse(fs.readFileSync(copy, 'utf8'))).toEqual(next);
  });

  it.runIf(isThere)('keeps in mind which ids have been used', async () => {
    const [trait] = account().traits;
    run('push', file({ ...account(), traits: [trait, { ...trait, sid: 7, name: 'Gone' }] }));
    run('push', file(account()));
    const accounts = openAccounts(readConfig(environment));
    expect((await accounts.load())?.origin.usedIds).toMatchObject({ sid: 7, siteId: 1 });
    await accounts.close();
  });

  it.runIf(isThere)('refuses what is wrong, and leaves what is in force', () => {
    run('push', file(account()));
    expect(run('push', file(account('Home', 'c_page = "home"')))).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/traits\[0\]\.traitRule: found "="/),
    });
    expect(JSON.parse(run('pull').stdout)).toEqual(account());
  });
});

describe('ACCOUNT_FILE', () => {
  it('and what is pushed later never replace each other unseen', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'pushed.json');
    const environment = { ...plainEnvironment(), DATA_DIR: folder };
    const push = (document: unknown) => {
      fs.writeFileSync(file, JSON.stringify(document));
      const args = ['src/account-command.ts', 'push', file];
      spawnSync(process.execPath, args, { cwd: root, env: environment });
    };
    const inForce = async (given: unknown) => {
      const server = await startServer({ account: given, folder });
      const response = await fetch(`${server.origin}/event?c_page=home&d_rtbd=json&d_cts=1`);
      const { traits } = (await response.json()) as { traits: number[] };
      await server.stop();
      return traits;
    };
    const [first, second, third] = ['home', 'other', 'none'].map((page) =>
      account('Home', `c_page == "${page}"`),
    );
    expect(await inForce(first)).toEqual([1]);
    expect(await inForce(second)).toEqual([]);
    push(first);
    // The file has not changed: what was pushed since then is in force.
    expect(await inForce(second)).toEqual([1]);
    await expect(inForce(third)).rejects.toThrow(/was changed by npm run account since.*push/s);
    expect(await inForce(first)).toEqual([1]);
    push(third);
    expect(await inForce(third)).toEqual([]);
    const accounts = new AccountFile(folder);
    const [last, before, , given] = await accounts.history();
    expect([last.origin.by, before.origin.by, given.origin.by]).toEqual([
      'npm run account',
      'npm run account',
      'ACCOUNT_FILE',
    ]);
    expect(given.origin.changes).toContain('+ traits 1 "Home"');
    expect(given.origin.usedIds).toMatchObject({ sid: 1 });
  });
});

describe('the account command', () => {
  const run = (args: string[], environment: Record<string, string> = {}) =>
    spawnSync(process.execPath, ['src/account-command.ts', ...args], {
      cwd: root,
      env: { ...plainEnvironment(), DATA_DIR: temporaryFolder(), ...environment },
      encoding: 'utf8',
    });

  it.each([
    ['nothing', [], 0, /push FILE/],
    ['--help', ['--help'], 0, /push FILE/],
    ['what it does not know', ['put', 'x.json'], 1, /push FILE/],
    ['no file', ['push'], 1, /push FILE/],
    ['a file that is not there', ['push', 'none.json'], 1, /none\.json.*\n {2}write the path/],
    ['a file that is no JSON', ['diff', 'README.md'], 1, /README\.md.*\n {2}write the path/],
  ])('given %s says what to write', (_, args, status, words) => {
    const told = run(args);
    expect(told.status).toBe(status);
    expect(status === 0 ? told.stdout : told.stderr).toMatch(words);
  });

  it('says where Redis is not', async () => {
    const port = await freePort();
    const told = run(['pull'], { REDIS_URL: `redis://u:secret@127.0.0.1:${port}` });
    expect(told.status).toBe(1);
    expect(told.stderr).toContain(`Redis at 127.0.0.1:${port}`);
    expect(told.stderr).not.toContain('secret');
  });
});
