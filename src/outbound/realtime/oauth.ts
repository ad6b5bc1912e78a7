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
  /** Whether a message arrived with it. */
  isTaken: boolean;
}

export interface BearerReply extends Reply {
  /** Whether the token was the reason, and a new one may help: the partner had taken it before. */
  readonly isExpired: boolean;
}

/** A token is renewed so long before it expires, or a tenth of its time. */
const MARGIN_MS = 30_000;
/** Tokens are longer than other answers. */
const MAX_TOKEN_ANSWER = 65_536;

/** An endpoint that messages go to with a token. */
export class BearerEndpoint {
  readonly #endpoint: Endpoint;
  readonly #credentials: Credentials;
  #token: Token | undefined;
  /** Under way. */
  #asking: Promise<Reply | undefined> | undefined;

  constructor(endpoint: Endpoint, credentials: Credentials) {
    this.#endpoint = endpoint;
    this.#credentials = credentials;
  }

  /**
   * Has a token at hand, before it is looked at what is to be sent: what is asked for later would make that
   * old.
   *
   * @returns why there is none; undefined where there is one
   */
  async prepare(): Promise<Reply | undefined> {
    if (this.#token && performance.now() < this.#token.until) return undefined;
    this.#asking ??= this.#renew().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** As `Endpoint.post`, with the token at hand; one that the partner does not take is dropped. */
  async post(url: string, headers: Headers, body: string): Promise<BearerReply> {
    const token = this.#token;
    if (!token) return { ...GONE, isExpired: true };
    const bearer = ['Authorization', `Bearer ${token.text}`] as const;
    const reply = await this.#endpoint.post(url, [...headers, bearer], body);
    if (reply.ok) token.isTaken = true;
    const isRefused = reply.status === 401;
    // There may be a new one: others are sent at the same time.
    if (isRefused && this.#token === token) this.#token = undefined;
    return { ...reply, isExpired: isRefused && token.isTaken };
  }

  async #renew(): Promise<Reply | undefined> {
    const asked = await this.#ask();
    if (!('text' in asked)) return asked;
    this.#token = asked;
    return undefined;
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
    const until = began + life - Math.min(MARGIN_MS, life / 10);
    return { text, until, isTaken: false };
  }
}

/** Dropped since it was prepared: another message was refused with it. */
const GONE: Reply = {
  ok: false,
  ...{ status: undefined, retryAfter: undefined },
  problem: 'there is no token: the partner took the last one no more',
  body: '',
};

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
