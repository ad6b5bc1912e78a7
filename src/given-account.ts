/** The account that a server is given with its start, as a file: the setting `ACCOUNT_FILE`. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { type AccountDocument, differences, shortened } from './account/difference.ts';
import { meaningOf } from './account/document.ts';
import { AccountError } from './account/problem.ts';
import { compileAccount } from './account/snapshot.ts';
import { usedIds } from './account/used-ids.ts';
import { type Config, ConfigError } from './config.ts';
import { openAccounts, reach } from './engine.ts';
import { screening } from './outbound/screening.ts';
import { AccountConflict } from './store/store.ts';

/** Who saved it, as the history says. */
const GIVEN = 'ACCOUNT_FILE';

/**
 * Saves it, unless the same file was given before: whatever was changed since then stays.
 *
 * @throws ConfigError where it cannot be read, or people have changed the account since another file was given
 * @throws AccountError where it is no account
 */
export async function saveGivenAccount(config: Config): Promise<void> {
  const document = readJson(config.ACCOUNT_FILE) as AccountDocument;
  compileAccount(document);
  const file = createHash('sha256').update(JSON.stringify(document)).digest('hex');
  const accounts = openAccounts(config);
  try {
    const saved = await reach(config, accounts.load());
    if (saved?.origin.file === file) return;
    if (JSON.stringify(saved?.document) === JSON.stringify(document)) return;
    if (saved && saved.origin.by !== GIVEN && !saved.origin.isDemo) {
      throw new ConfigError(
        `ACCOUNT_FILE: the account was changed by ${saved.origin.by} since a server was given its file, and is another one than ${config.ACCOUNT_FILE}
  start without ACCOUNT_FILE to keep it; see what is different by npm run account -- diff ${config.ACCOUNT_FILE}, and replace it by push`,
      );
    }
    const screen = screening(config.OUTBOUND_ALLOW_PRIVATE === '1');
    const problems = await screen(document, saved?.document as object | undefined);
    if (problems.length > 0) throw new AccountError(problems);
    const changes = shortened(
      differences((saved?.document ?? {}) as AccountDocument, document, meaningOf),
    );
    const used = usedIds(saved?.origin.usedIds, saved?.document, document);
    const origin = { at: Date.now(), by: GIVEN, file, changes, usedIds: used };
    await accounts.save(document, origin, saved?.revision ?? 0);
  } catch (error) {
    // Another server was given the same file at the same moment, or somebody was faster.
    if (!(error instanceof AccountConflict)) throw error;
  } finally {
    await accounts.close();
  }
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `ACCOUNT_FILE: ${file} cannot be read (${(error as Error).message})\n  write the path of an account document`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`ACCOUNT_FILE: ${file} is not JSON: ${(error as Error).message}`);
  }
}
