/** A partner: a real HTTPS server with a certificate of its own authority, which behaves as it is told. */
import { once } from 'node:events';
import fs from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeCertificate } from '../certificate.ts';

let files: ReturnType<typeof makeCertificate> | undefined;

export interface Received {
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  /** All lines of a header. */
  readonly lines: (name: string) => string[];
  readonly body: string;
  /** Port that it came from: each connection has its own. */
  readonly from: number | undefined;
  /** What the partner did then. */
  readonly behaviour: Behaviour;
}

/** What a partner does once it has read a message. */
export type Behaviour = (
  response: http.ServerResponse,
  received: Omit<Received, 'behaviour'>,
) => void;

export const answers =
  (status: number, headers: http.OutgoingHttpHeaders = {}, body = ''): Behaviour =>
  (response) => {
    response.writeHead(status, headers).end(body);
  };
export const ok = answers(200);
export const garbage = answers(200, { 'Content-Type': 'application/json' }, '\u0000{"<html>');
export const hang: Behaviour = () => {};
export const hangUp: Behaviour = (response) => response.destroy();
export const breakOff: Behaviour = (response) => {
  response.writeHead(200, { 'Content-Length': 100 });
  response.write('OK', () => response.destroy());
};
/** A byte now and then, for ever. */
export const drip: Behaviour = (response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write('.'), 10);
  response.once('close', () => clearInterval(timer));
};
/** As much as is read, for ever. */
export const flood =
  (status: number): Behaviour =>
  (response) => {
    response.writeHead(status);
    const part = Buffer.alloc(65_536, 'x');
    const write = () => {
      while (!response.destroyed && response.write(part));
    };
    response.on('drain', write);
    write();
  };

export class Partner {
  readonly ca: string;
  readonly received: Received[] = [];
  /** What it does next, one after the other; then `behaviour`. */
  readonly next: Behaviour[] = [];
  behaviour: Behaviour = ok;
  /** How many connections there ever were. */
  connections = 0;
  /** Most messages that were there at the same time. */
  crowd = 0;
  #now = 0;
  #port = 0;
  #server: https.Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor() {
    files ??= makeCertificate();
    this.ca = fs.readFileSync(files.ca, 'utf8');
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}/in?a=1`;
  }

  /** Where it listened before, if it did. */
  async start(): Promise<this> {
    const { key, certificate } = files as ReturnType<typeof makeCertificate>;
    const server = https.createServer(
      { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) },
      (request, response) => this.#take(request, response),
    );
    server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server = server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** As a process that is killed. */
  async die(): Promise<void> {
    const server = this.#server;
    if (!server?.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    this.crowd = Math.max(this.crowd, ++this.#now);
    response.once('close', () => {
      this.#now--;
    });
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return;
    }
    const behaviour = this.next.shift() ?? this.behaviour;
    const received = {
      url: request.url ?? '',
      headers: request.headers,
      lines: (name: string) =>
        request.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1] === name),
      body: Buffer.concat(parts).toString(),
      from: request.socket.remotePort,
    };
    this.received.push({ ...received, behaviour });
    behaviour(response, received);
  }
}
