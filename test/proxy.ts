/** A TCP proxy in front of one Redis, which counts commands and breaks the network when told to. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RedisProxy {
  readonly port: number;
  /** Number of clients' connections that are open now. */
  readonly connections: number;
  /**
   * Lower-case names of the commands that have gone to Redis since `reset()`, each once it has gone
   * entirely. A script or a transaction's EXEC is one; what a script calls is not seen.
   */
  commands(): string[];
  reset(): void;
  /** From now on replies come later by so much, in order. */
  delay(ms: number): void;
  /** Connections are accepted; nothing is passed on and nothing answered. */
  blackHole(): void;
  /** Requests reach Redis; its replies get lost. */
  deaf(): void;
  /** Destroys all connections that are open now. */
  cut(): void;
  /** New connections are closed at once; those that are open stay. */
  refuse(): void;
  /** New connections go to another Redis; those that are open stay. */
  lead(port: number): void;
  /** Back to normal; destroys the connections that have lost something. */
  heal(): void;
  stop(): Promise<void>;
}

const CR = 13;
const LF = 10;

/** Reads arrays of bulk strings as they come; tells the first string of each, when it has ended. */
function commandReader(told: (name: string) => void): (bytes: Buffer) => void {
  let line = '';
  let stringsLeft = 0;
  // Of the string being read, with the line break after it.
  let bytesLeft = 0;
  let name: string | undefined;
  let nameParts: Buffer[] = [];
  const endOfString = () => {
    name ??= Buffer.concat(nameParts).toString().slice(0, -2).toLowerCase();
    stringsLeft--;
    if (stringsLeft === 0) told(name);
  };
  const endOfLine = () => {
    if (line.startsWith('*')) {
      stringsLeft = Math.max(0, Number(line.slice(1)));
      name = undefined;
      nameParts = [];
    } else if (line.startsWith('$') && stringsLeft > 0) {
      bytesLeft = Number(line.slice(1)) + 2;
    }
    line = '';
  };
  return (bytes) => {
    let at = 0;
    while (at < bytes.length) {
      if (bytesLeft > 0) {
        const part = bytes.subarray(at, at + bytesLeft);
        if (name === undefined) nameParts.push(part);
        at += part.length;
        bytesLeft -= part.length;
        if (bytesLeft === 0) endOfString();
      } else {
        const byte = bytes[at++];
        if (byte === LF) endOfLine();
        else if (byte !== CR) line += String.fromCharCode(byte);
      }
    }
  };
}

/** A proxy on a free port, to a port of 127.0.0.1. */
export async function startProxy(port: number): Promise<RedisProxy> {
  let mode: 'normal' | 'blackHole' | 'deaf' | 'refuse' = 'normal';
  let latency = 0;
  let target = port;
  let names: string[] = [];
  const open = new Set<net.Socket>();
  const losers = new Set<net.Socket>();

  const server = net.createServer({ noDelay: true }, (client) => {
    if (mode === 'refuse') {
      client.destroy();
      return;
    }
    open.add(client);
    const redis = net.connect({ port: target, host: '127.0.0.1', noDelay: true });
    const read = commandReader((name) => names.push(name));
    let silenced = false;
    client.on('data', (bytes: Buffer) => {
      // Once a request is lost, those after it are too: what arrives is never a stream with a hole.
      if (mode === 'blackHole') silenced = true;
      if (silenced) {
        losers.add(client);
        return;
      }
      read(bytes);
      redis.write(bytes);
    });
    // Each waits for the one before it, so that a changed delay changes no order.
    let replies = Promise.resolve();
    let waiting = 0;
    const answer = (deliver: () => void) => {
      const lost = () => mode === 'blackHole' || mode === 'deaf';
      const pass = () => {
        if (lost()) losers.add(client);
        if (!losers.has(client)) deliver();
      };
      if (lost()) losers.add(client);
      if (latency === 0 && waiting === 0) {
        pass();
        return;
      }
      const due = Date.now() + latency;
      waiting++;
      replies = replies.then(async () => {
        await sleep(Math.max(0, due - Date.now()));
        waiting--;
        pass();
      });
    };
    redis.on('data', (bytes: Buffer) => answer(() => client.write(bytes)));
    redis.on('close', () => answer(() => client.destroy()));
    client.on('close', () => {
      open.delete(client);
      losers.delete(client);
      redis.destroy();
    });
    // A 'close' follows.
    redis.on('error', () => {});
    client.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const client of open) client.destroy();
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    get connections() {
      return open.size;
    },
    commands: () => [...names],
    reset() {
      names = [];
    },
    delay(ms) {
      latency = ms;
    },
    blackHole() {
      mode = 'blackHole';
    },
    deaf() {
      mode = 'deaf';
    },
    cut,
    refuse() {
      mode = 'refuse';
    },
    lead(other) {
      target = other;
    },
    heal() {
      mode = 'normal';
      latency = 0;
      for (const client of losers) client.destroy();
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}
