/** People and keys, for admins. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Attempts } from './attempt.ts';
import { type Behind, changer, ROLES } from './caller.ts';
import { KEY_NAME, type Key, type Keys } from './key.ts';
import type { Paths } from './operation.ts';
import { NAME, nameOf, type People, type Person } from './people.ts';
import { bodyIn, either } from './request.ts';

export interface PeopleRoutesOptions {
  readonly people: People;
  readonly keys: Keys;
  readonly attempts: Attempts;
}

export function peopleRoutes({ people, keys, attempts }: PeopleRoutesOptions): Hono<Behind> {
  const app = new Hono<Behind>();

  app.on('GET', either('/people'), async (c) => {
    const [all, seen] = await Promise.all([people.all(), people.seen()]);
    return c.json(all.map((one) => shownPerson(one, seen.get(one.name))));
  });

  app.on('POST', either('/people'), async (c) => {
    const { name, role } = await bodyIn(c, newPerson);
    const { person, password } = await people.add(changer(c), name, role);
    return c.json({ ...shownPerson(person), oneTimePassword: password }, 201);
  });

  app.on('PUT', either('/people/:name'), async (c) => {
    const { role } = await bodyIn(c, roleOnly);
    const person = await people.setRole(changer(c), nameIn(c), role);
    return c.json(shownPerson(person, (await people.seen()).get(person.name)));
  });

  app.on('DELETE', either('/people/:name'), async (c) => {
    await people.remove(changer(c), nameIn(c));
    return c.body(null, 204);
  });

  app.on('POST', either('/people/:name/password'), async (c) => {
    const name = nameIn(c);
    const password = await people.renewPassword(changer(c), name);
    // Whoever tries others' passwords must not keep them out with it.
    await attempts.forgive(name);
    return c.json({ oneTimePassword: password });
  });

  app.on('GET', either('/keys'), async (c) => {
    const [all, used] = await Promise.all([keys.all(), keys.used()]);
    return c.json(all.map((key) => shownKey(key, used.get(key.keyId))));
  });

  app.on('POST', either('/keys'), async (c) => {
    const { name, role } = await bodyIn(c, newKey);
    const { key, text } = await keys.add(changer(c), name, role);
    return c.json({ ...shownKey(key), key: text }, 201);
  });

  app.on('DELETE', either('/keys/:keyId'), async (c) => {
    await keys.remove(changer(c), c.req.param('keyId') ?? '');
    return c.body(null, 204);
  });

  return app;
}

const nameIn = (c: Context) => nameOf(c.req.param('name') ?? '');

function shownPerson({ name, role, oneTime, createTime }: Person, seen?: number) {
  // Somebody of the same name may have been here before.
  const lastSeen = seen !== undefined && seen >= createTime ? seen : undefined;
  return { name, role, mustChangePassword: oneTime !== undefined, createTime, lastSeen };
}

const shownKey = ({ keyId, name, role, createTime, by }: Key, lastUsed?: number) => ({
  keyId,
  name,
  role,
  createTime,
  by,
  lastUsed,
});

const role = z.enum(ROLES);
const roleOnly = z.strictObject({ role });
const newPerson = z.strictObject({
  name: z.string().trim().toLowerCase().regex(NAME, {
    error:
      'no name|write an e-mail address, or at most 100 letters (a to z), digits and . _ - @ +, the first a letter or digit',
  }),
  role,
});
const newKey = z.strictObject({
  name: z.string().regex(KEY_NAME, {
    error:
      'no name of a key|write what it is for, with at most 60 letters (a to z), digits, spaces and . _ -',
  }),
  role,
});

const time = z.int().meta({ description: 'Unix milliseconds.' });
const person = z.object({
  name: z.string(),
  role,
  mustChangePassword: z.boolean(),
  createTime: time,
  lastSeen: time.optional(),
});
const key = z.object({
  keyId: z.string(),
  name: z.string(),
  role,
  createTime: time,
  by: z.string().meta({ description: 'Who made it.' }),
  lastUsed: time.optional(),
});
const oneTimePassword = z.string().meta({
  description: 'Shown this once. It lets in once, within seven days, to write one of their own.',
});

export const peoplePaths: Paths = {
  '/v1/people': {
    get: { summary: 'Who may log in', role: 'admin', answers: { 200: ['All.', z.array(person)] } },
    post: {
      summary: 'Let somebody in',
      role: 'admin',
      body: newPerson,
      answers: { 201: ['Who was added.', person.extend({ oneTimePassword })] },
      refusals: [400, 409],
    },
  },
  '/v1/people/{name}': {
    put: {
      summary: 'Change what somebody may do; their sessions end',
      role: 'admin',
      body: roleOnly,
      answers: { 200: ['The person.', person] },
      refusals: [400, 404, 409],
    },
    delete: {
      summary: 'Remove somebody; their sessions end, keys that they made stay',
      role: 'admin',
      answers: { 204: ['Removed.'] },
      refusals: [404, 409],
    },
  },
  '/v1/people/{name}/password': {
    post: {
      summary: 'Give somebody a new one-time password in place of theirs; their sessions end',
      role: 'admin',
      answers: { 200: ['The password.', z.object({ oneTimePassword })] },
      refusals: [404],
    },
  },
  '/v1/keys': {
    get: { summary: 'The keys', role: 'admin', answers: { 200: ['All.', z.array(key)] } },
    post: {
      summary: 'Make a key',
      role: 'admin',
      body: newKey,
      answers: {
        201: ['The key; its text is shown this once.', key.extend({ key: z.string() })],
      },
      refusals: [400, 409],
    },
  },
  '/v1/keys/{keyId}': {
    delete: {
      summary: 'Delete a key; it ends at once',
      role: 'admin',
      answers: { 204: ['Deleted.'] },
      refusals: [404],
    },
  },
};
