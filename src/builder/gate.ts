/** Lets through who may make a call below `/v1`, and says who they are. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import type { Problem } from '../account/problem.ts';
import { isSecure } from '../collect/place.ts';
import { isSafe, needed, nounOf } from './access.ts';
import { type Behind, type Caller, includes, tooLittle } from './caller.ts';
import type { Keys } from './key.ts';
import { RestError } from './request.ts';
import { type Sessions, sessionCookie } from './session.ts';

export interface GateOptions {
  /** The token that is an admin's in any case. */
  readonly adminToken: string;
  readonly keys: Keys;
  readonly sessions: Sessions;
}

/** What every answer below `/v1` says to browsers. */
export const privately: MiddlewareHandler<Behind> = async (c, next) => {
  await next();
  c.res.headers.set('Cache-Control', 'no-store');
  c.res.headers.set('X-Content-Type-Options', 'nosniff');
};

export function gate(options: GateOptions): MiddlewareHandler<Behind> {
  return async (c, next) => {
    const { method, path } = c.req;
    const isLogin = method === 'POST' && isOwn(path, '/v1/session');
    // What a page sends of itself names the caller; a browser's cookies come along whoever sends it.
    const caller = isLogin ? undefined : await callerOf(c, options);
    if (!isSafe(method) && (isLogin || caller?.kind === 'session')) demandOwnPage(c);
    if (isLogin) return next();
    if (!caller) return refuse(c);
    const role = needed(method, path, c.req.query('dryRun') === 'true');
    if (!role) throw new RestError(404, NOTHING);
    if (!includes(caller.role, role)) throw tooLittle(caller.role, role);
    if (caller.mustChangePassword && nounOf(path) !== 'session') {
      throw new RestError(403, MUST_CHANGE);
    }
    c.set('caller', caller);
    return next();
  };
}

const isOwn = (path: string, own: string) => path === own || path === `${own}/`;

async function callerOf(c: Context, options: GateOptions): Promise<Caller | undefined> {
  const authorization = c.req.header('authorization');
  if (authorization !== undefined) {
    const text = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (!text) return undefined;
    const mustChangePassword = false;
    if (isSame(text, options.adminToken)) {
      return { name: 'ADMIN_TOKEN', role: 'admin', kind: 'token', mustChangePassword };
    }
    const key = await options.keys.find(text);
    return key && { name: `key ${key.name}`, role: key.role, kind: 'key', mustChangePassword };
  }
  const token = sessionCookie.read(c);
  const person = token ? await options.sessions.find(token) : undefined;
  if (!person) return undefined;
  const { name, role, oneTime } = person;
  return { name, role, kind: 'session', mustChangePassword: oneTime !== undefined };
}

/** Compares hashes, so that the time it takes tells nothing about the token. */
function isSame(given: string, token: string): boolean {
  const [a, b] = [given, token].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(a, b);
}

function refuse(c: Context): Response {
  c.header('WWW-Authenticate', 'Bearer');
  if (c.req.header('authorization') !== undefined) return c.json({ errors: [WRONG_KEY] }, 401);
  // A browser that goes on sending what has ended would be told so for ever.
  if (sessionCookie.read(c) !== undefined) sessionCookie.remove(c);
  return c.json({ errors: [NOBODY] }, 401);
}

/**
 * Refuses what a page of somebody else has a browser send. Such a page can set no header of its own
 * without being asked for it, which nobody here answers; newer browsers say where a call comes from.
 */
function demandOwnPage(c: Context): void {
  if (c.req.header('x-requested-with') !== 'switchyard') throw new RestError(403, NO_HEADER);
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin') throw new RestError(403, FOREIGN);
  const origin = c.req.header('origin');
  if (origin !== undefined && !isOwnOrigin(c, origin)) throw new RestError(403, FOREIGN);
}

/** A proxy that ends TLS may not tell; a page without it is never one of a server with it. */
function isOwnOrigin(c: Context, origin: string): boolean {
  const page = URL.parse(origin);
  const called = page && URL.parse(`${page.protocol}//${c.req.header('host')}`);
  if (!page || !called || page.host !== called.host) return false;
  return page.protocol === 'https:' || !isSecure(c.req.header('x-forwarded-proto'));
}

const NOBODY: Problem = {
  path: 'Cookie',
  wrong: 'nobody is logged in',
  instead: 'log in at /builder, or send the header Authorization: Bearer with a key',
};
const WRONG_KEY: Problem = {
  path: 'Authorization',
  wrong: 'missing or wrong',
  instead:
    'send the header Authorization: Bearer with a key, or with the ADMIN_TOKEN of this server',
};
const NO_HEADER: Problem = {
  path: 'X-Requested-With',
  wrong: 'missing or wrong',
  instead: 'send the header X-Requested-With: switchyard with the cookie, or a key without one',
};
const FOREIGN: Problem = {
  path: 'Origin',
  wrong: 'a page of another site',
  instead: 'use the builder of this server; a proxy in between has to pass the header Host',
};
const MUST_CHANGE: Problem = {
  path: '(session)',
  wrong: 'a one-time password is for nothing but writing one of your own',
  instead: 'PUT /v1/session/password first',
};
const NOTHING: Problem = {
  path: '(address)',
  wrong: 'there is nothing here',
  instead: 'see /v1/openapi.json',
};
