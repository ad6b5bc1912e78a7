/** `npm run account -- push FILE | pull [FILE] | diff FILE | password NAME`: from a command line. */
import fs from 'node:fs';
import { type AccountDocument, differences, shortened } from './account/difference.ts';
import { meaningOf } from './account/document.ts';
import { AccountError } from './account/problem.ts';
import { compileAccount } from './account/snapshot.ts';
import { usedIds } from './account/used-ids.ts';
import { Attempts } from './builder/attempt.ts';
import { nameOf, People } from './builder/people.ts';
import { ConfigError, readConfig } from './config.ts';
import { openAccounts, openRegistry, reach } from './engine.ts';
import { screening } from './outbound/screening.ts';

const HELP = `npm run account -- COMMAND

  push FILE     checks an account document and puts it in force on every server, within a second
  pull [FILE]   writes the document that is in force to a file, or here
  diff FILE     shows what a push would change
  password NAME makes a new one-time password for somebody of the builder, and ends their sessions

REDIS_URL and REDIS_PREFIX, or DATA_DIR, say where the servers keep it, as for npm start.
`;

function read(file: string | undefined): AccountDocument {
  if (!file) throw new ConfigError(HELP);
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${file}: ${(error as Error).message}\n  write the path of a JSON file`);
  }
}

async function run([command, file]: readonly string[]): Promise<void> {
  if (command === undefined || command === '--help') {
    console.log(HELP);
    return;
  }
  if (command === 'password') return renewPassword(file);
  if (!['push', 'pull', 'diff'].includes(command)) throw new ConfigError(HELP);
  const given = command === 'pull' ? undefined : read(file);
  // What is wrong with it is said before anything is touched.
  if (given) compileAccount(given);
  const config = readConfig(process.env);
  fs.mkdirSync(config.DATA_DIR, { recursive: true, mode: 0o700 });
  const accounts = openAccounts(config);
  try {
    const saved = await reach(config, accounts.load());
    const before = (saved?.document ?? {}) as AccountDocument;
    if (command === 'pull') {
      if (!saved) throw new ConfigError('No account has been saved yet.');
      const text = `${JSON.stringify(before, null, 2)}\n`;
      if (file) fs.writeFileSync(file, text);
      else process.stdout.write(text);
    } else if (given) {
      const lines = differences(before, given, meaningOf);
      console.log(lines.length > 0 ? lines.join('\n') : 'No differences.');
      if (command === 'push' && lines.length > 0) {
        const problems = await screening(config.OUTBOUND_ALLOW_PRIVATE === '1')(given, before);
        if (problems.length > 0) throw new AccountError(problems);
        const origin = {
          file: saved?.origin.file,
          at: Date.now(),
          by: 'npm run account',
          changes: shortened(lines),
          usedIds: usedIds(saved?.origin.usedIds, before, given),
        };
        // What was shown is what was replaced.
        const saving = accounts.save(given, origin, saved?.revision ?? 0);
        console.log(`Saved as revision ${await reach(config, saving)}.`);
      }
    }
  } finally {
    await accounts.close();
  }
}

async function renewPassword(given: string | undefined): Promise<void> {
  if (!given) throw new ConfigError(HELP);
  const config = readConfig(process.env);
  fs.mkdirSync(config.DATA_DIR, { recursive: true, mode: 0o700 });
  const registry = openRegistry(config);
  try {
    const people = new People(registry);
    const names = (await reach(config, people.all())).map(({ name }) => name);
    const name = nameOf(given);
    if (names.length === 0) {
      throw new ConfigError(
        'There is nobody yet.\n  start the server: it makes an admin and says how to log in',
      );
    }
    if (!names.includes(name)) {
      throw new ConfigError(`There is nobody called ${name}.\n  write one of ${names.join(', ')}`);
    }
    const password = await people.renewPassword('npm run account', name);
    await new Attempts(registry).forgive(name);
    console.log(`${name} can log in once within a week, with ${password}`);
  } finally {
    await registry.close();
  }
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
