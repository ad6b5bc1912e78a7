/** A line to a server of this machine, which breaks in the middle of what goes over it. */
import { once } from 'node:events';
import net from 'node:net';

export interface Line {
  readonly port: number;
  /** So many connections have been broken. */
  readonly broken: number;
  /** So many connections are there. */
  readonly open: number;
  /**
   * From now on each connection passes on so many bytes; then it is cut, or silent, or what is sent is held
   * up until the line is healed.
   */
  breakAfter(bytes: number, how: Break): void;
  /** From now on so many bytes a second get there, of each connection. */
  slow(bytes: number): void;
  heal(): void;
  stop(): Promise<void>;
}

type Break = 'cut' | 'silent' | 'held';

export async function startLine(to: number): Promise<Line> {
  let fault: { bytes: number; how: Break } | undefined;
  const open = new Set<net.Socket>();
  let speed: number | undefined;
  let breaks = 0;
  const server = net.createServer((client) => {
    const partner = net.connect({ port: to, host: '127.0.0.1' });
    const broken = fault;
    let passed = 0;
    open.add(client);
    client.on('data', (bytes) => {
      if (broken && passed < broken.bytes && passed + bytes.length >= broken.bytes) breaks++;
      passed += bytes.length;
      if (speed) {
        client.pause();
        setTimeout(() => client.resume(), (bytes.length / speed) * 1_000);
      }
      if (!broken || passed < broken.bytes) partner.write(bytes);
      else if (broken.how === 'cut') client.destroy();
      else if (broken.how === 'held') {
        partner.write(bytes);
        if (fault === broken) client.pause();
      }
    });
    partner.on('data', (bytes) => {
      if (!broken || broken.how === 'held' || passed < broken.bytes) client.write(bytes);
    });
    client.on('close', () => {
      open.delete(client);
      // What was sent arrives, though nobody waits for it any more.
      partner.end();
    });
    partner.on('close', () => client.destroy());
    client.on('error', () => {});
    partner.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    get open() {
      return open.size;
    },
    get broken() {
      return breaks;
    },
    breakAfter(bytes, how) {
      fault = { bytes, how };
    },
    slow(bytes) {
      speed = bytes;
    },
    heal() {
      fault = undefined;
      speed = undefined;
      for (const client of open) client.resume();
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const client of open) client.destroy();
      await closed;
    },
  };
}
