/** A partner's endpoint: one POST, and what became of it. */
import http from 'node:http';
import https from 'node:https';
import { guardedLookup, Names, type Resolve, refusedAddress } from '../address.ts';

/** What became of a POST. */
export interface Reply {
  /** Whether it arrived: the partner said 200, nothing else counts. */
  readonly ok: boolean;
  /** Undefined where the partner said nothing. */
  readonly status: number | undefined;
  /** For how long the partner wants to be left alone, in milliseconds. */
  readonly retryAfter: number | undefined;
  /** What went wrong, in words; empty where nothing did. */
  readonly problem: string;
  /** The beginning of what the partner wrote. */
  readonly body: string;
}

export type Headers = readonly (readonly [name: string, value: string])[];

export interface EndpointOptions {
  /** `OUTBOUND_ALLOW_PRIVATE`: private addresses and plain http, too. */
  readonly allowPrivate: boolean;
  /** Connections at the same time to one host. */
  readonly connections: number;
  /** Authorities that certificates may be signed by, PEM; the system's. */
  readonly ca?: string;
  /** How long an exchange may take, in milliseconds; 3 s. */
  readonly limit?: number;
  /** The name service; the system's. */
  readonly resolve?: Resolve;
}

/** How long an exchange may take. Source: user guide, integration/receiving-audience-data, real-time outbound transfers. */
export const LIMIT_MS = 3_000;
/** Of an answer, so many bytes are read, and no more: nothing in it is of use. */
const MAX_ANSWER = 4_096;
/** A connection that nothing went over for so long is closed. */
const IDLE_MS = 30_000;

/** Connections to one destination's partner, kept between messages. */
export class Endpoint {
  readonly #allowPrivate: boolean;
  readonly #limit: number;
  readonly #agents: { readonly https: https.Agent; readonly http: http.Agent };

  constructor(options: EndpointOptions) {
    const { allowPrivate, connections, ca, limit = LIMIT_MS, resolve } = options;
    this.#allowPrivate = allowPrivate;
    this.#limit = limit;
    const kept = {
      keepAlive: true,
      maxSockets: connections,
      timeout: IDLE_MS,
      lookup: guardedLookup(allowPrivate, resolve && new Names(resolve)),
    };
    this.#agents = { https: new https.Agent({ ...kept, ca }), http: new http.Agent(kept) };
  }

  /** @param maxAnswer so many bytes of the answer are read */
  async post(url: string, headers: Headers, body: string, maxAnswer = MAX_ANSWER): Promise<Reply> {
    // A name is looked at when it is looked up; an address is not looked up.
    const refused = refusedAddress(url, this.#allowPrivate);
    if (refused) return failure(`${refused.wrong}; ${refused.instead}`);
    const end = performance.now() + this.#limit;
    for (;;) {
      const reply = await this.#exchange(new URL(url), headers, body, {
        maxAnswer,
        limit: Math.max(0, end - performance.now()),
      });
      if (reply !== 'stale') return reply;
    }
  }

  /** Ends all connections, whatever is under way. */
  close(): void {
    this.#agents.https.destroy();
    this.#agents.http.destroy();
  }

  /** @returns 'stale' where the partner had closed the connection just when it was to be used again */
  #exchange(
    url: URL,
    headers: Headers,
    body: string,
    { maxAnswer, limit }: { maxAnswer: number; limit: number },
  ): Promise<Reply | 'stale'> {
    return new Promise((resolve) => {
      const isSecure = url.protocol === 'https:';
      let request: http.ClientRequest;
      try {
        request = (isSecure ? https : http).request(url, {
          method: 'POST',
          agent: isSecure ? this.#agents.https : this.#agents.http,
          headers: { ...grouped(headers), 'Content-Length': Buffer.byteLength(body) },
        });
      } catch (error) {
        resolve(failure(`the message cannot be sent: ${(error as Error).message}`));
        return;
      }
      let status: number | undefined;
      const settle = (reply: Reply | 'stale') => {
        clearTimeout(timer);
        resolve(reply);
      };
      const broken = (why: string) => settle(failure(`${url.host} ${why}`, status));
      const timer = setTimeout(() => {
        broken(`did not ${status ? 'finish its answer' : 'answer'} within ${this.#limit} ms`);
        request.destroy();
      }, limit);
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (status !== undefined) broken(MIDDLE);
        else if (request.reusedSocket && STALE.has(error.code ?? '')) settle('stale');
        else broken(inWords(error));
      });
      request.on('close', () => broken(status === undefined ? SILENCE : MIDDLE));
      request.on('response', (response) => {
        status = response.statusCode;
        const parts: Buffer[] = [];
        let length = 0;
        const done = () => settle(replyOf(url, response, Buffer.concat(parts).toString()));
        response.on('data', (part: Buffer) => {
          parts.push(part.subarray(0, maxAnswer - length));
          length += part.length;
          if (length < maxAnswer) return;
          done();
          response.destroy();
        });
        response.on('end', done);
        response.on('error', () => broken(MIDDLE));
      });
      request.end(body);
    });
  }
}

const SILENCE = 'closed the connection without an answer';
const MIDDLE = 'closed the connection in the middle of its answer';
const STALE = new Set(['ECONNRESET', 'EPIPE']);

const failure = (problem: string, status?: number): Reply => ({
  ok: false,
  status,
  retryAfter: undefined,
  problem,
  body: '',
});

function replyOf(url: URL, response: http.IncomingMessage, body: string): Reply {
  const status = response.statusCode ?? 0;
  if (status === 200) return { ok: true, status, retryAfter: undefined, problem: '', body };
  const { location, 'retry-after': after } = response.headers;
  const redirect =
    status >= 300 && status < 400 && location
      ? `; redirects are not followed: write the address it leads to, ${location.slice(0, 200)}`
      : '';
  return {
    ok: false,
    status,
    retryAfter: after === undefined ? undefined : readRetryAfter(after, Date.now()),
    problem: `${url.host} answered ${status}${redirect}`,
    body,
  };
}

/**
 * `Retry-After` in milliseconds: seconds, or a date.
 *
 * @param now Unix milliseconds
 * @returns undefined where it is neither
 */
export function readRetryAfter(text: string, now: number): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const date = /^[a-z]{3,9},? /i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** A header that stands there twice is two lines. */
function grouped(headers: Headers): Record<string, string[]> {
  const lines: Record<string, string[]> = {};
  for (const [name, value] of headers) {
    lines[name] ??= [];
    lines[name].push(value);
  }
  return lines;
}

/** What kept an exchange from happening, to be read after the name of the host. */
function inWords(error: NodeJS.ErrnoException): string {
  // Where a name has several addresses, each of them has its own error.
  const { code, message } = error instanceof AggregateError ? error.errors[0] : error;
  const words = code && WORDS[code];
  return words ? `${words} (${code})` : `cannot be reached: ${message || code}`;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'does not listen',
  ECONNRESET: SILENCE,
  EPIPE: SILENCE,
  ENOTFOUND: 'is a name that leads nowhere',
  EAI_AGAIN: 'could not be looked up',
};
