/** Logging in and out, and one's own password. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { type Attempts, browserCookie, TooManyAttempts, type Trier } from './attempt.ts';
import { type Behind, ROLES } from './caller.ts';
import type { Paths } from './operation.ts';
import { problemOf } from './password.ts';
import { nameOf, type People, type Person } from './people.ts';
import { bodyIn, either, RestError } from './request.ts';
import { type Sessions, sessionCookie } from './session.ts';

export interface SessionRoutesOptions {
  readonly people: People;
  readonly sessions: Sessions;
  readonly attempts: Attempts;
  /** The network address of whoever calls. */
  readonly clientOf: (c: Context) => string;
}

export function sessionRoutes(options: SessionRoutesOptions): Hono<Behind> {
  const { people, sessions, attempts, clientOf } = options;
  const app = new Hono<Behind>();

  const trierOf = (c: Context, name: string): Trier => ({
    name,
    address: clientOf(c),
    browser: browserCookie.read(c),
  });

  /** Begins a session, in place of the one that the browser has. */
  const begin = async (c: Context, person: Person) => {
    const before = sessionCookie.read(c);
    if (before !== undefined) await sessions.end(before);
    browserCookie.write(c, await attempts.know(trierOf(c, person.name)));
    sessionCookie.write(c, await sessions.start(person));
  };

  app.on('POST', either('/session'), async (c) => {
    const { name: given, password } = await secretIn(c, login);
    const name = nameOf(given);
    const person = await attempts
      .make(trierOf(c, name), () => people.admit(name, password))
      .catch((error) => tooMany(c, error));
    if (person instanceof Response) return person;
    if (!person) return c.json({ errors: [WRONG] }, 401);
    await begin(c, person);
    const { role, oneTime } = person;
    return c.json({ name, role, kind: 'session', mustChangePassword: oneTime !== undefined });
  });

  app.on('GET', either('/session'), (c) => c.json(c.get('caller')));

  app.on('DELETE', either('/session'), async (c) => {
    demandSession(c);
    await sessions.end(sessionCookie.read(c) ?? '');
    sessionCookie.remove(c);
    return c.body(null, 204);
  });

  app.on('PUT', either('/session/password'), async (c) => {
    demandSession(c);
    const { name } = c.get('caller');
    const { password, newPassword } = await secretIn(c, change);
    const problem = problemOf(newPassword) ?? (newPassword === password ? SAME : undefined);
    if (problem) throw new RestError(400, { path: 'newPassword', ...problem });
    // Whoever finds a browser logged in may not try as often as they like, either.
    const person = await attempts
      .make(trierOf(c, name), () => people.check(name, password))
      .catch((error) => tooMany(c, error));
    if (person instanceof Response) return person;
    if (!person) throw new RestError(400, { path: 'password', ...NOT_YOURS });
    await begin(c, await people.setPassword(person, newPassword));
    return c.body(null, 204);
  });

  return app;
}

const MAX_LOGIN = 16 * 1024;

const text = z.string();
const login = z.strictObject({ name: text, password: text });
const change = z.strictObject({ password: text, newPassword: text });
const SECRETS = new Set(['password', 'newPassword']);

/** As `bodyIn`; but what may be a password is not shown again. */
async function secretIn<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
): Promise<z.output<Schema>> {
  try {
    return await bodyIn(c, schema, MAX_LOGIN);
  } catch (error) {
    if (!(error instanceof RestError)) throw error;
    throw new RestError(
      error.status,
      ...error.problems.map((problem) => {
        if (problem.wrong.startsWith('not JSON')) return { ...problem, wrong: 'not JSON' };
        if (!SECRETS.has(problem.path) || problem.wrong === 'missing') return problem;
        return { ...problem, wrong: 'no text' };
      }),
    );
  }
}

function tooMany(c: Context, error: unknown): Response {
  if (!(error instanceof TooManyAttempts)) throw error;
  const wrong = 'there were too many attempts';
  const instead = `try again in ${error.seconds} seconds`;
  const headers = { 'Retry-After': String(error.seconds) };
  return c.json({ errors: [{ path: '(session)', wrong, instead }] }, 429, headers);
}

function demandSession(c: Context<Behind>): void {
  const { kind } = c.get('caller');
  if (kind === 'session') return;
  const instead = 'log in with a name and a password, without the header Authorization';
  throw new RestError(409, { path: 'Authorization', wrong: `a ${kind} has no session`, instead });
}

const WRONG = {
  path: '(session)',
  wrong: 'the name or the password is wrong',
  instead: 'check both; an admin can give out a new password',
};
const NOT_YOURS = {
  wrong: 'not the one that you have',
  instead: 'write the one you logged in with',
};
const SAME = { wrong: 'the one that you have', instead: 'write another one' };

const caller = z.object({
  name: text,
  role: z.enum(ROLES),
  kind: z.enum(['session', 'key', 'token']),
  mustChangePassword: z.boolean(),
});

export const sessionPaths: Paths = {
  '/v1/session': {
    get: { summary: 'Who calls', answers: { 200: ['Whoever calls.', caller] } },
    post: {
      summary: 'Log in; the answer sets a cookie. Needs X-Requested-With: switchyard',
      role: 'nobody',
      body: login,
      answers: { 200: ['Who is logged in.', caller] },
      refusals: [400, 401, 403, 429],
    },
    delete: { summary: 'Log out', answers: { 204: ['Logged out.'] }, refusals: [409] },
  },
  '/v1/session/password': {
    put: {
      summary: 'Write another password of your own; all your other sessions end',
      body: change,
      answers: { 204: ['Written.'] },
      refusals: [400, 409, 429],
    },
  },
};
