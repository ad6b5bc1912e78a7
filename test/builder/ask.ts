/** Asks the builder's routes, as a script does. */
import { TOKEN } from '../collect/collector.ts';

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: JSON, looked at field by field
  readonly body: any;
}

interface Asked {
  send(path: string, init?: RequestInit): Promise<Response>;
}

/** @param body without one, it is a GET */
export async function ask(
  collector: Asked,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` },
): Promise<Answered> {
  const response = await collector.send(`/v1/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    headers,
  });
  return { status: response.status, body: await response.json() };
}
