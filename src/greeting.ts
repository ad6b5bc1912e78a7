/** What a start prints for the person who started it: where everything is, and how to log in. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AdminToken } from './admin-token.ts';
import { People } from './builder/people.ts';
import type { Registry } from './store/registry.ts';

export interface Greeting {
  readonly origin: string;
  readonly adminOrigin: string;
  /** Of the demo's partner; undefined where the demo does not run. */
  readonly inbox: string | undefined;
  readonly adminToken: AdminToken;
}

/** So often it is tried to make the first admin. */
const FIRST_ADMIN_MS = 2_000;

/** The last line waits until it is known who may log in. */
export async function greet(
  { origin, adminOrigin, inbox, adminToken: { token, isNew, file } }: Greeting,
  registry: Registry,
  log: Logger,
): Promise<void> {
  console.log(`Switchyard listens on ${origin}\n`);
  if (inbox) console.log(`  The demo shop       ${origin}/demo/\n  A partner's inbox   ${inbox}/`);
  console.log(`  The builder         ${adminOrigin}/builder`);
  if (inbox) console.log('  Your own account    ACCOUNT_FILE=account.json npm start');
  if (isNew) console.log(`\n  ADMIN_TOKEN=${token}   (kept in ${file})`);
  const people = new People(registry);
  for (let tries = 1; ; tries++) {
    try {
      console.log(`\n  Log in              ${await howToLogIn(people)}`);
      return;
    } catch (error) {
      if (tries === 1) log.error({ err: error }, 'who may log in cannot be read or written now');
      await pause(FIRST_ADMIN_MS);
    }
  }
}

/** Makes the first admin, where there is nobody yet; this is the only time that the password is shown. */
async function howToLogIn(people: People): Promise<string> {
  const password = await people.first();
  if (password) return `as admin, once within a week, with ${password}`;
  const all = await people.all();
  if (all.some(({ oneTime }) => !oneTime)) return 'with your name and password';
  const admin = all.find(({ role }) => role === 'admin')?.name;
  return `nobody has so far; a new password for ${admin}: npm run account -- password ${admin}`;
}
