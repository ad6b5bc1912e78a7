/** Somebody who calls the builder, with a browser that keeps cookies as browsers do. */
import { parseSetCookie, type SetCookie } from 'cookie';
import { COLLECTOR } from '../account/example.ts';
import { TOKEN } from '../collect/collector.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: JSON, looked at field by field
  readonly body: any;
}

type Send = (path: string, init: RequestInit) => Promise<Response>;

export class Client {
  readonly cookies = new Map<string, SetCookie>();
  readonly #send: Send;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param headers with every call */
  constructor(send: Send, headers: Readonly<Record<string, string>> = {}) {
    this.#send = send;
    this.#headers = headers;
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const cookie = [...this.cookies.values()].map(({ name, value }) => `${name}=${value}`);
    const response = await this.#send(`/v1/${path}`, {
      method,
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      headers: {
        ...(cookie.length > 0 && { Cookie: cookie.join('; ') }),
        ...this.#headers,
        ...headers,
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const set = parseSetCookie(line);
      if (set.maxAge === 0) this.cookies.delete(set.name);
      else this.cookies.set(set.name, set);
    }
    const text = await response.text();
    const isJson =
      text !== '' && response.headers.get('content-type')?.startsWith('application/json');
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(text) : text,
    };
  }

  get(path: string): Promise<Reply> {
    return this.call('GET', path);
  }

  logIn(name: string, password: string): Promise<Reply> {
    return this.call('POST', 'session', { name, password });
  }

  /** The value of the session's cookie. */
  get session(): string | undefined {
    const name = ['switchyard_session', '__Host-switchyard'].find((one) => this.cookies.has(one));
    return name && this.cookies.get(name)?.value;
  }
}

/** A page of the builder in a browser that nobody has logged in with. */
export const browserOf = (send: Send, headers: Readonly<Record<string, string>> = {}) =>
  new Client(send, {
    'X-Requested-With': 'switchyard',
    'Sec-Fetch-Site': 'same-origin',
    Origin: `http://${COLLECTOR}`,
    ...headers,
  });

/** Whoever has the server's token. */
export const operatorOf = (send: Send) => new Client(send, { Authorization: `Bearer ${TOKEN}` });

/** Somebody new, who has logged in and written a password of their own. */
export async function personOf(
  send: Send,
  name: string,
  role: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Client> {
  const { body } = await operatorOf(send).call('POST', 'people', { name, role });
  const browser = browserOf(send, headers);
  await browser.logIn(name, body.oneTimePassword);
  const change = { password: body.oneTimePassword, newPassword: passwordOf(name) };
  const { status } = await browser.call('PUT', 'session/password', change);
  if (status !== 204) throw new Error(`${name} cannot be let in: ${status}`);
  return browser;
}

export const passwordOf = (name: string) => `${name}'s own long password`;
