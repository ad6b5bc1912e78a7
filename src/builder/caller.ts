/** Who calls, and what they may do. */
import type { Context } from 'hono';
import { RestError } from './request.ts';

/** What somebody may do: look; change the account; change people and keys, too. */
export const ROLES = ['viewer', 'editor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who makes a call: a person, a script with a key, or whoever has the server's own token. */
export interface Caller {
  /** How they are called in the list of activities. */
  readonly name: string;
  readonly role: Role;
  readonly kind: 'session' | 'key' | 'token';
  /** Whether they came with a one-time password, so have to write one of their own before anything else. */
  readonly mustChangePassword: boolean;
}

/** What every route behind the gate is given. */
export interface Behind {
  Variables: { caller: Caller };
}

/** Whether somebody of a role may do what needs another one. */
export const includes = (role: Role, needed: Role): boolean =>
  ROLES.indexOf(role) >= ROLES.indexOf(needed);

/**
 * Who makes a change, as it is noted. The gate has let nobody else come so far; but what shows what a
 * change would do takes the same way as the change, and this is where the two part.
 *
 * @throws RestError where the caller may only look
 */
export function changer(c: Context<Behind>): string {
  const { name, role } = c.get('caller');
  if (includes(role, 'editor')) return name;
  throw tooLittle(role, 'editor');
}

export const tooLittle = (role: Role, needed: Role): RestError =>
  new RestError(403, {
    path: '(role)',
    wrong: `the role ${role} is not enough`,
    instead: `ask an admin for the role ${needed}`,
  });
