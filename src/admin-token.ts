/** The token for `/v1`: the setting `ADMIN_TOKEN`, else one that is made at the first start. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type Config, ConfigError } from './config.ts';

export interface AdminToken {
  readonly token: string;
  /** Whether it was made just now: the only time that it is shown. */
  readonly isNew: boolean;
  /** Where it is kept, if it was not set. */
  readonly file: string;
}

/** @throws ConfigError where what is kept is no token */
export function adminToken(config: Config): AdminToken {
  const file = path.join(config.DATA_DIR, 'admin-token');
  if (config.ADMIN_TOKEN) return { token: config.ADMIN_TOKEN, isNew: false, file };
  const made = randomBytes(24).toString('base64url');
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, `${made}\n`, { mode: 0o600 });
  try {
    // Of several processes that start at once, one makes the token, and none sees a part of it.
    fs.linkSync(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(temporary);
  }
  const token = fs.readFileSync(file, 'utf8').trim();
  if (!token) throw new ConfigError(`${file} is empty\n  remove it, or set ADMIN_TOKEN`);
  return { token, isNew: token === made, file };
}
