/** Why a call was decided as it was, for people who ask by the REST interface. */
import { Hono } from 'hono';
import { problemsOf } from '../account/problem.ts';
import { inTurns } from '../account/turns.ts';
import type { FrontDoor } from '../collect/event.ts';
import { type Occasion, recordedCalls, replay } from '../collect/recorded-call.ts';
import { queryOf, rawCall, readBody } from '../collect/request.ts';
import { occasionOf, type Scope, trace } from '../collect/trace.ts';
import type { Registry } from '../store/registry.ts';
import type { Behind } from './caller.ts';
import { answerInPieces, objectJson } from './long-json.ts';
import { NO_CALL, traceOfCall, traceOfRequest } from './questions.ts';
import { RestError } from './request.ts';

const MAX_TRACE = 128 * 1024;

export function why(door: FrontDoor, registry: Registry): Hono<Behind> {
  const app = new Hono<Behind>();

  app.post('/trace', async (c) => {
    const body = parseJson(await readBody(c.req.raw, MAX_TRACE));
    if (body === undefined) return c.json({ errors: [NOT_JSON] }, 400);
    const isRecorded = typeof body === 'object' && body !== null && 'call' in body;
    const schema = isRecorded ? traceOfCall : traceOfRequest;
    const result = schema.safeParse(body, { reportInput: true });
    if (!result.success) {
      const errors = problemsOf(result.error).map((problem) =>
        // A call may hold private values: it is not shown again.
        problem.wrong.endsWith(NO_CALL) ? { ...problem, wrong: NO_CALL } : problem,
      );
      return c.json({ errors }, 400);
    }
    const asked = result.data;
    const snapshot = door.snapshot();
    const at = asked.at === undefined ? undefined : Date.parse(asked.at);
    let scope: Scope = asked.brief ? 'brief' : 'all';
    if (asked.destination !== undefined) {
      const one = snapshot.destinations.find(({ id }) => id === asked.destination);
      if (!one) throw unknown('destination', String(asked.destination), 'destination');
      scope = one;
    }
    let occasion: Occasion;
    if ('call' in asked) {
      const calls = await recordedCalls(registry);
      const recorded = calls.find(({ value }) => value.callId === asked.call);
      if (!recorded) throw unknown('recorded call', asked.call, 'call');
      occasion = replay(recorded, snapshot, door.settings, { at });
    } else {
      const { url, headers, uuid } = asked;
      const base = c.req.header('host') ?? 'localhost';
      // A trace is of this server unless it says otherwise.
      const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
      const request = new Request(`http://${base}${url}`, {
        headers: { host: base, ...Object.fromEntries(given) },
      });
      const raw = rawCall(request, queryOf(url), at ?? Date.now());
      occasion = await occasionOf(raw, uuid, snapshot, door);
    }
    const traced = await inTurns(trace(occasion, snapshot, door.settings.region, scope));
    return answerInPieces(c, objectJson({ ...traced }));
  });

  return app;
}

const unknown = (noun: string, id: string, path: string) =>
  new RestError(404, {
    path,
    wrong: `there is no ${noun} ${id}`,
    instead: 'write the id of one that the list shows',
  });

const NOT_JSON = { path: '(document)', wrong: 'not JSON', instead: 'write { "url": "/event?…" }' };

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
