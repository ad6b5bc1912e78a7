/** A partner, over plain http, that remembers what it acknowledged, and misbehaves when it is told to. */
import { once } from 'node:events';
import http from 'node:http';
import { freePort } from '../server.ts';

/** What a partner knows of a visitor: `1` or `0` by the segment's alias. */
export type State = Record<string, string>;

export class PlainPartner {
  /** What each visitor is in, as it was heard last. */
  readonly states = new Map<string, State>();
  /** Everything that was ever heard, as `visitor segment=status`. */
  readonly heard = new Set<string>();
  /** What was heard of each visitor, in order, as `a51=0 a52=1`; of a message that came twice, once. */
  readonly histories = new Map<string, string[]>();
  /** How often it was told something, whether or not it had heard it before. */
  told = 0;
  mood: 'well' | 'silent' | 'broken' | 'rude' = 'well';
  readonly #messages = new Set<string>();
  readonly #port: number;
  #server: http.Server | undefined;

  static async start(): Promise<PlainPartner> {
    const partner = new PlainPartner(await freePort());
    await partner.start();
    return partner;
  }

  private constructor(port: number) {
    this.#port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/in`;
  }

  async start(): Promise<void> {
    const server = http.createServer((request, response) => void this.#take(request, response));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = undefined;
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return;
    }
    if (this.mood === 'silent') return;
    if (this.mood === 'broken') {
      response.writeHead(500).end('oh');
      return;
    }
    const message = String(request.headers['idempotency-key']);
    const isNew = !this.#messages.has(message);
    this.#messages.add(message);
    const { Users } = JSON.parse(Buffer.concat(parts).toString());
    for (const user of Users) this.#hear(user, isNew);
    // It has taken the message, but nobody hears of it.
    if (this.mood === 'rude') request.socket.destroy();
    else response.end();
  }

  #hear({ AAM_UUID: id, Segments }: User, isNew: boolean): void {
    const said = Segments.map(({ Segment_ID, Status }) => `${Segment_ID}=${Status}`);
    this.told += said.length;
    for (const one of said) this.heard.add(`${id} ${one}`);
    const now = Segments.map(({ Segment_ID, Status }) => [Segment_ID, Status]);
    this.states.set(id, { ...this.states.get(id), ...Object.fromEntries(now) });
    if (!isNew) return;
    const history = this.histories.get(id) ?? [];
    history.push(said.sort().join(' '));
    this.histories.set(id, history);
  }
}

interface User {
  readonly AAM_UUID: string;
  readonly Segments: readonly { readonly Segment_ID: string; readonly Status: string }[];
}
