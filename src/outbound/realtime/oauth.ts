/**
 * OAuth 2.0, client credentials: messages that carry a bearer token.
 *
 * Source of the form: user guide, integration/receiving-audience-data, OAuth 2.0 for real-time
 * transfers; RFC 6749, section 4.4.
 */
import type { RealtimeTransfer } from '../../destinations/destination.ts';
import type { Endpoint, Headers, Reply } from './endpoint.ts';

type Credentials = NonNullable<RealtimeTransfer['oauth']>;

interface Token {
  readonly text: string;
  /** Of the process's clock, in milliseconds. */
  readonly until: number;
}

/** A token is renewed so long before it expires, or a tenth of its time. */
const MARGIN_MS = 30_000;
/** Tokens are longer than other answers. */
const MAX_TOKEN_ANSWER = 65_536;

/** An endpoint that asks for a token. */
export class BearerEndpoint {
  readonly #endpoint: Endpoint;
  readonly #credentials: Credentials;
  /** What was asked for last; under way, perhaps. */
  #token: Promise<Token | Reply> | undefined;

  constructor(endpoint: Endpoint, credentials: Credentials) {
    this.#endpoint = endpoint;
    this.#credentials = credentials;
  }

  /** As `Endpoint.post`; a token that the partner takes no more is replaced, once. */
  async post(url: string, headers: Headers, body: string): Promise<Reply> {
    const token = await this.#current();
    if (!('text' in token)) return token;
    const reply = await this.#send(token, url, headers, body);
    if (reply.status !== 401) return reply;
    const renewed = await this.#current(token);
    return 'text' in renewed ? this.#send(renewed, url, headers, body) : renewed;
  }

  #send({ text }: Token, url: string, headers: Headers, body: string): Promise<Reply> {
    return this.#endpoint.post(url, [...headers, ['Authorization', `Bearer ${text}`]], body);
  }

  /** @param refused a token that the partner took no more */
  async #current(refused?: Token): Promise<Token | Reply> {
    const asked = this.#token;
    if (asked) {
      const token = await asked;
      if (!('text' in token)) return token;
      if (token !== refused && performance.now() < token.until) return token;
    }
    // Whoever else waited may have asked anew meanwhile: then that is the one.
    if (!this.#token || this.#token === asked) {
      const asking = this.#ask();
      this.#token = asking;
      asking.then((token) => {
        if (!('text' in token) && this.#token === asking) this.#token = undefined;
      });
    }
    return this.#token;
  }

  async #ask(): Promise<Token | Reply> {
    const { tokenUrl, clientId, clientSecret } = this.#credentials;
    const basic = Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64');
    const began = performance.now();
    const reply = await this.#endpoint.post(
      tokenUrl,
      [
        ['Content-Type', 'application/x-www-form-urlencoded; charset=UTF-8'],
        ['Accept', 'application/json'],
        ['Authorization', `Basic ${basic}`],
      ],
      'grant_type=client_credentials',
      MAX_TOKEN_ANSWER,
    );
    // What the status says is of the token, not of the message.
    if (!reply.ok) {
      return { ...reply, status: undefined, problem: `there is no token: ${reply.problem}` };
    }
    const { text, seconds } = readToken(reply.body);
    if (text === undefined) {
      const problem = `there is no token: ${URL.parse(tokenUrl)?.host} answered 200, but not with JSON that has access_token`;
      return { ...reply, ok: false, status: undefined, problem };
    }
    const life = seconds === undefined ? Number.POSITIVE_INFINITY : seconds * 1_000;
    return { text, until: began + life - Math.min(MARGIN_MS, life / 10) };
  }
}

/** RFC 6749, section 2.3.1. */
const encoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);

/** @returns no seconds: for as long as the partner takes it */
function readToken(json: string): { text?: string; seconds?: number } {
  let read: unknown;
  try {
    read = JSON.parse(json);
  } catch {
    return {};
  }
  const { access_token: text, expires_in } = (read ?? {}) as Record<string, unknown>;
  // Some write the number in quotes.
  const seconds = Number(expires_in ?? Number.NaN);
  // Only what may stand in a header.
  if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) return {};
  return { text, seconds: seconds >= 0 ? seconds : undefined };
}
