/** `npm run account -- push FILE | pull [FILE] | diff FILE`: the account, from a command line. */
import fs from 'node:fs';
import { type AccountDocument, differences, shortened } from './account/difference.ts';
import { compileAccount } from './account/snapshot.ts';
import { ConfigError, readConfig } from './config.ts';
import { openAccounts, reach } from './engine.ts';

const HELP = `npm run account -- COMMAND

  push FILE     checks an account document and puts it in force on every server, within a second
  pull [FILE]   writes the document that is in force to a file, or here
  diff FILE     shows what a push would change

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
      const lines = differences(before, given);
      console.log(lines.length > 0 ? lines.join('\n') : 'No differences.');
      if (command === 'push' && lines.length > 0) {
        const origin = {
          file: saved?.origin.file,
          at: Date.now(),
          by: 'npm run account',
          changes: shortened(lines),
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

try {
  await run(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
