/** Why a call was decided as it was, for people who ask by the REST interface. */
import { Hono } from 'hono';
import { z } from 'zod';
import { problemsOf } from '../account/problem.ts';
import type { FrontDoor } from '../collect/event.ts';
import { isDeviceId } from '../collect/identity.ts';
import { queryOf, rawCall, readBody } from '../collect/request.ts';
import { trace } from '../collect/trace.ts';
import type { Behind } from './caller.ts';

const MAX_TRACE = 128 * 1024;

export function why(door: FrontDoor): Hono<Behind> {
  const app = new Hono<Behind>();

  app.post('/trace', async (c) => {
    const body = parseJson(await readBody(c.req.raw, MAX_TRACE));
    const result = traceRequest.safeParse(body, { reportInput: true });
    if (body === undefined) return c.json({ errors: [NOT_JSON] }, 400);
    if (!result.success) {
      const errors = problemsOf(result.error).map((problem) =>
        // A call may hold private values: it is not shown again.
        problem.wrong.endsWith(NO_CALL) ? { ...problem, wrong: NO_CALL } : problem,
      );
      return c.json({ errors }, 400);
    }
    const { url, headers, uuid, at } = result.data;
    const base = c.req.header('host') ?? 'localhost';
    // A trace is of this server unless it says otherwise.
    const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
    const request = new Request(`http://${base}${url}`, {
      headers: { host: base, ...Object.fromEntries(given) },
    });
    const raw = rawCall(request, queryOf(url), at ? Date.parse(at) : Date.now());
    return c.json(await trace(raw, uuid, door));
  });

  return app;
}

const NO_CALL = 'no call of the collection endpoint';

/** Profiles count days in 16 bits. */
const LAST_TIME = 65_535 * 86_400_000;

const traceRequest = z.strictObject({
  url: z.string().regex(/^\/event(\?|$)/, {
    error:
      'no call of the collection endpoint|write it with its query, such as "/event?c_page=home"',
  }),
  headers: z
    .record(z.string(), z.string())
    .refine(
      (headers) =>
        Object.entries(headers).every(
          ([name, value]) => /^[\w-]+$/.test(name) && /^[\t\x20-\x7e]*$/.test(value),
        ),
      { error: 'no set of headers|write names and values as HTTP has them' },
    )
    .default({}),
  uuid: z
    .string()
    .refine(isDeviceId, { error: 'no device id|write its 38 digits, or leave it out' })
    .optional(),
  at: z.iso
    .datetime({
      offset: true,
      error: 'no time|write it such as "2026-11-23T10:00:00Z", or leave it out',
    })
    .refine((text) => Date.parse(text) >= 0 && Date.parse(text) < LAST_TIME, {
      error: 'a time that profiles cannot hold|write one from 1970 to 2149',
    })
    .optional(),
});

const NOT_JSON = { path: '(document)', wrong: 'not JSON', instead: 'write { "url": "/event?…" }' };

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
