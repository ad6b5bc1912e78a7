/** Who calls, and what they may do. */
import type { MiddlewareHandler } from 'hono';

/** What somebody may do: look; change the account; change people and keys, too. */
export const ROLES = ['viewer', 'editor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who makes a call: a person, a script with a key, or whoever has the server's own token. */
export interface Caller {
  /** How they are called in the list of activities. */
  readonly name: string;
  readonly role: Role;
  readonly kind: 'session' | 'key' | 'token';
}

/** What every route behind the gate is given. */
export interface Behind {
  Variables: { caller: Caller };
}

/** The gate with nothing but the server's own token. */
export function gate(adminToken: string): MiddlewareHandler<Behind> {
  return async (c, next) => {
    if (await isToken(c.req.header('authorization') ?? '', adminToken)) {
      c.set('caller', { name: 'ADMIN_TOKEN', role: 'admin', kind: 'token' });
      return next();
    }
    c.header('WWW-Authenticate', 'Bearer');
    const instead = 'send the header Authorization: Bearer with the ADMIN_TOKEN of this server';
    return c.json({ errors: [{ path: 'Authorization', wrong: 'missing or wrong', instead }] }, 401);
  };
}

/** Compares hashes, so that the time it takes tells nothing about the token. */
async function isToken(header: string, token: string): Promise<boolean> {
  const given = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (!given) return false;
  const [a, b] = await Promise.all(
    [given, token].map((text) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))),
  );
  const [left, right] = [new Uint8Array(a), new Uint8Array(b)];
  return left.every((byte, i) => byte === right[i]);
}
